#!/usr/bin/env bash
# How long it takes until what one gateway revokes is known at two others, on one PostgreSQL: p50, p99 and
# the worst of 1,000 (or as many as the argument says), at gateways that the database wakes and at one
# that it does not.
set -euo pipefail
cd "$(dirname "$0")/.."
PORTCULLIS_REVOCATIONS="${1:-1000}" cargo test --locked --test gateway -- \
  --exact many::revocations_are_known_soon --nocapture

#!/usr/bin/env bash
# The gateway as a sidecar: a server at a unix socket, one core, 32 MiB: `tests/sidecar.sh [BINARY]`.
# Prints how long a start takes until the first answer, and how much memory there was at most.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 \
  python3 tests/sidecar.py "$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/portcullis}")"

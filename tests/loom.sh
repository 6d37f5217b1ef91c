#!/usr/bin/env bash
# The locks and counters that are written by hand, in every order in which threads can meet in them: `tests/loom.sh`.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --quiet --locked --manifest-path tests/loom/Cargo.toml \
  --target-dir "${CARGO_TARGET_DIR:-target}/loom" -- --test-threads=2

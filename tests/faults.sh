#!/usr/bin/env bash
# Faults of others, each for some seconds: `tests/faults.sh [BINARY [FAULT]...]`, as root. Installs libfaketime.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}
shift $(($# > 0))

programs faketime=faketime unshare=util-linux mount=mount
PYTHONDONTWRITEBYTECODE=1 python3 tests/faults/main.py "$binary" "$@"

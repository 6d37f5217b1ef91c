#!/usr/bin/env bash
# Mixed load with reloads, servers that die and users who are shut out: `tests/soak.sh [BINARY [SECONDS [SEED]]]`.
# A minute, or ten (600), or an hour (3600). Installs h2 and websockets in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}
shift $(($# > 0))
venv=$target/soak-venv

venv "$venv" "h2, websockets" 'h2>=4.1,<5' 'websockets>=15,<18'
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/soak/main.py "$binary" "$@"

#!/usr/bin/env bash
# A real gRPC pair with the gateway between: `tests/grpc.sh [BINARY]`. Installs grpcio in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}
venv=$target/grpc-venv

if ! "$venv/bin/python" -c 'import grpc' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'grpcio>=1.60,<2'
fi
"$venv/bin/python" tests/grpc/pair.py "$binary"

#!/usr/bin/env bash
# A real gRPC pair with the gateway between: `tests/grpc.sh [BINARY]`. Installs grpcio in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}
venv=$target/grpc-venv

venv "$venv" grpc 'grpcio>=1.60,<2'
"$venv/bin/python" tests/grpc/pair.py "$binary"

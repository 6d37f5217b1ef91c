#!/usr/bin/env bash
# The verifiers of signed identity in docs/identity.md, as they stand there, in the programs that they are
# for, behind a running gateway: `tests/signed.sh [BINARY]`. Installs Django, FastAPI and PyJWT in a
# venv, Express and jose in a folder of node's. The one for axum runs in `tests/gateway`.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
binary=$(realpath "${1:-$target/release/portcullis}")
venv=$target/signed-venv
node=$target/signed-node
venv "$venv" "django, fastapi, jwt, uvicorn" \
  'django>=5,<6' 'fastapi>=0.110,<1' 'uvicorn>=0.30,<1' 'pyjwt[crypto]>=2.10,<3'
if [ ! -d "$node/node_modules/jose" ]; then
  mkdir -p "$node"
  (cd "$node" && npm install --silent --no-audit --no-fund express@5 jose@6)
fi
"$venv/bin/python" tests/signed/run.py "$binary" "$node"

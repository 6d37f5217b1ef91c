#!/usr/bin/env bash
# Real programs around the gateway: `tests/peers.sh [BINARY [PART]...]`. Installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}
shift $(($# > 0))
venv=$target/peers-venv

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
PATH=$PATH:/usr/sbin
need curl curl
need openssl openssl
need nginx nginx-light
need haproxy haproxy
need h2load nghttp2-client
modules=$(nginx -V 2>&1 | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p')
[ -e "$modules/ngx_stream_module.so" ] || missing+=(libnginx-mod-stream)
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  apt-get update -q >/dev/null
  # nginx would start as a service, on a port of its own.
  RUNLEVEL=1 apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
fi
if ! "$venv/bin/python" -c 'import gunicorn, websockets' 2>/dev/null; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'websockets>=15,<18' 'gunicorn>=23,<28'
fi
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/peers/main.py "$binary" "$@"

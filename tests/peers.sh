#!/usr/bin/env bash
# Real programs around the gateway: `tests/peers.sh [BINARY [PART]...]`. Installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}
shift $(($# > 0))
venv=$target/peers-venv

PATH=$PATH:/usr/sbin
programs curl=curl openssl=openssl nginx=nginx-light haproxy=haproxy h2load=nghttp2-client apache2=apache2 node=nodejs
modules=$(nginx -V 2>&1 | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p')
[ -e "$modules/ngx_stream_module.so" ] || debian libnginx-mod-stream
venv "$venv" "gunicorn, hpack, websockets, wsproto" 'websockets>=15,<18' 'gunicorn>=23,<28' \
  'wsproto>=1.2,<2' 'hpack>=4,<5'
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/peers/main.py "$binary" "$@"

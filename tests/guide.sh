#!/usr/bin/env bash
# The pages of docs/guide, done as they say, with the programs that they speak of: `tests/guide.sh [BINARY
# [PAGE ...]]`. Installs nginx, HAProxy and PostgreSQL from Debian's packages, Django and PyJWT in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
binary=$(realpath "${1:-$target/release/portcullis}")
[ $# -eq 0 ] || shift
venv=$target/guide-venv

PATH=$PATH:/usr/sbin
programs curl=curl openssl=openssl nginx=nginx-light haproxy=haproxy psql=postgresql-client pkill=procps
tests/postgres.sh
venv "$venv" "django, jwt, rest_framework_simplejwt" 'django>=5.2,<5.3' djangorestframework-simplejwt \
  'pyjwt[crypto]>=2.10,<3'
export PATH="$venv/bin:$PATH" PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1

# The ports of the pages are those that anybody takes: in a network of its own, where one can be had, nobody
# else has them.
apart() { "$@"; }
up='import fcntl, socket, struct
flags = struct.pack("16sh", b"lo", 0x41)  # up and running
fcntl.ioctl(socket.socket(), 0x8914, flags.ljust(40, b"\0"))'
if unshare -n python3 -c "$up" 2>/dev/null; then
  apart() { unshare -n bash -c 'python3 -c "$0" && exec "$@"' "$up" "$@"; }
fi
run() { apart python3 tests/guide.py "$binary" "$@"; }
if [ $# -gt 0 ]; then
  run "$@"
  exit
fi
run $(ls docs/guide/*.md | grep -v embedding)
# These fetch crates.
apart() { CARGO_TARGET_DIR=$target/guide "$@"; }
run docs/guide/embedding.md "README.md#In an axum program"

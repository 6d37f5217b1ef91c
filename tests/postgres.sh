#!/usr/bin/env bash
# Installs what the tests of the store in a database start: PostgreSQL and PgBouncer. No server of Debian's
# own is started; each test has one that ends with it.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

if ! compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null && ! command -v initdb >/dev/null; then
  debian postgresql
fi
[ -x /usr/sbin/pgbouncer ] || programs pgbouncer=pgbouncer
programs runuser=util-linux

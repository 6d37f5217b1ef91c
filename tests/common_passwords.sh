#!/usr/bin/env bash
# The common passwords that are compiled in are those of Django: made again from its package on
# PyPI, the file has to be the same. `tests/common_passwords.sh --write` puts the new one in place.
set -euo pipefail
cd "$(dirname "$0")/.."
django=5.2.19
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --no-deps --dest "$work" "django==$django"
python3 tests/common_passwords.py "$work"/*.whl "$work/common.bin"
if [ "${1:-}" = --write ]; then
  cp "$work/common.bin" src/password/common.bin
fi
cmp "$work/common.bin" src/password/common.bin || {
  echo "COMMON PASSWORDS: src/password/common.bin is not what Django $django has" >&2
  exit 1
}

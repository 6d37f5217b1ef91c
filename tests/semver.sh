#!/usr/bin/env bash
# Whether programs that use the library still build with this version: `tests/semver.sh [REVISION]`.
#
# Compares with the last tag of a version, or, before there is one, with the commit that last changed the list of names on
# purpose. A step of each release: what it needs takes ten minutes to build. In between, tests/interface.py watches over
# the names.
set -euo pipefail
cd "$(dirname "$0")/.."
revision=${1:-$(git describe --tags --match 'v*' --abbrev=0 2>/dev/null ||
  git log -1 --format=%H -- tests/data/interface.txt)}
[ -n "$revision" ] || { echo "semver: there is nothing to compare with; name a revision" >&2; exit 1; }
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/semver
if ! cargo semver-checks --version >/dev/null 2>&1; then
  cargo install --quiet --debug --locked --root "$target/tool" cargo-semver-checks@0.51.0
  PATH=$target/tool/bin:$PATH
fi
CARGO_TARGET_DIR=$target cargo semver-checks --baseline-rev "$revision" --release-type minor

#!/usr/bin/env bash
# Whether two builds of the program are the same to the byte, in folders that differ in all that a folder can:
# `tests/reproducible.sh [REVISION]`. A step of each release: it takes two release builds, from nothing.
#
# A quarter of the time takes what says as much of paths, and less of the optimiser:
#   CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
set -euo pipefail
cd "$(dirname "$0")/.."
revision=${1:-HEAD}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CARGO_TARGET_DIR

# place FOLDER: the sources of the revision, and no more.
place() {
  mkdir -p "$1"
  git archive "$revision" | tar -x -C "$1"
}

cargo fetch --locked
place "$work/one"
(cd "$work/one" && .ci/release)
mv "$work/one/target/release/portcullis" "$work/first"
rm -rf "$work/one"

place "$work/another/and/deeper"
mkdir "$work/home"
# Links, where that can be: a link to the folder would be followed to its name.
registry=${CARGO_HOME:-$HOME/.cargo}/registry
cp -al "$registry" "$work/home" 2>/dev/null || cp -a "$registry" "$work/home"
(cd "$work/another/and/deeper" &&
  CARGO_HOME=$work/home CARGO_NET_OFFLINE=true CARGO_TARGET_DIR=$work/elsewhere .ci/release)

if ! cmp "$work/first" "$work/elsewhere/release/portcullis"; then
  echo "REPRODUCIBLE: these parts of the two binaries differ:" >&2
  for binary in "$work/first" "$work/elsewhere/release/portcullis"; do
    objdump -h "$binary" | awk '$1 ~ /^[0-9]+$/ { print $2 }' | while read -r section; do
      echo "$section $(objcopy -O binary --only-section="$section" "$binary" /dev/stdout 2>/dev/null | sha256sum)"
    done >"$work/$(basename "$(dirname "$binary")").sections"
  done
  diff "$work"/*.sections >&2 || true
  diff <(strings -a "$work/first") <(strings -a "$work/elsewhere/release/portcullis") | head -n 20 >&2 || true
  exit 1
fi
echo "two builds, one program"

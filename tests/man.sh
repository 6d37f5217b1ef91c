#!/usr/bin/env bash
# Every manual page, read by groff without a complaint: `tests/man.sh [BINARY]`.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}

programs groff=groff-base
pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
"$binary" man "$pages" >/dev/null
count=0
for page in "$pages"/*.1; do
  said=$(groff -man -ww -z -Tutf8 "$page" 2>&1)
  if [ -n "$said" ]; then
    echo "$page: $said" >&2
    exit 1
  fi
  count=$((count + 1))
done
# One for each command of the table, and those that have commands below them.
rows=$(grep -c '^| `portcullis ' docs/command-line.md)
if [ "$count" -lt "$rows" ]; then
  echo "$count pages for $rows commands" >&2
  exit 1
fi
echo "$count pages"

#!/usr/bin/env bash
# The bill of materials of a release binary, made and read by others: `tests/sbom.sh [BINARY [FILE]]`. What is
# written to FILE goes along with a release.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh
binary=${1:-${CARGO_TARGET_DIR:-target}/release/portcullis}
folder=${CARGO_TARGET_DIR:-target}/sbom
bill=${2:-$folder/portcullis.cdx.json}

venv "$folder/venv" "cyclonedx.validation.json, jsonschema" "cyclonedx-python-lib[json-validation]==11.*"
python3 tests/supply/sbom.py "$binary" >"$folder/new.json"
"$folder/venv/bin/python" tests/supply/valid_sbom.py "$folder/new.json"
mv "$folder/new.json" "$bill"
echo "$bill"

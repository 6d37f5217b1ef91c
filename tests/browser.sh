#!/usr/bin/env bash
# The pages in a real browser: `tests/browser.sh [BINARY [PICTURES]]`. With a folder for pictures, every page is
# there afterwards, in light and dark, wide and narrow, to be looked at. Installs Chromium, playwright-core,
# axe-core and aiosmtpd.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh
. tests/certificates.sh

target=$(realpath "${CARGO_TARGET_DIR:-target}")
binary=$(realpath "${1:-$target/release/portcullis}")
[ -x "$binary" ] || { echo "there is no $binary; build it with \`cargo build --release\`" >&2; exit 1; }
[ $# -lt 2 ] || { mkdir -p "$2"; set -- "$1" "$(realpath "$2")"; }

programs chromium=chromium node=nodejs npm=npm openssl=openssl
venv "$target/mail-venv" aiosmtpd 'aiosmtpd>=1.4.6,<2'
modules=$target/browser
mkdir -p "$modules"
cp tests/browser/package.json tests/browser/package-lock.json "$modules"
npm ci --prefix "$modules" --no-audit --no-fund --silent

certificates=$(mktemp -d)
trap 'rm -rf "$certificates"' EXIT
(cd "$certificates" && root ca /CN=Authority && issued gate ca /CN=gate.test subjectAltName=DNS:gate.test)
export BROWSER_MODULES=$modules PYTHONDONTWRITEBYTECODE=1
node tests/browser/main.mjs "$binary" "$target/mail-venv/bin/python" "$certificates" "${@:2}"

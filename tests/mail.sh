#!/usr/bin/env bash
# Mail through a real SMTP server: `tests/mail.sh [BINARY]`. Installs aiosmtpd in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}
venv=$target/mail-venv

if ! command -v openssl >/dev/null; then
  echo "installing openssl"
  apt-get update -q >/dev/null && apt-get install -q -y --no-install-recommends openssl >/dev/null
fi
if ! "$venv/bin/python" -c 'import aiosmtpd' 2>/dev/null; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'aiosmtpd>=1.4.6,<2'
fi
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/mail/main.py "$binary"

#!/usr/bin/env bash
# Mail through a real SMTP server: `tests/mail.sh [BINARY]`. Installs aiosmtpd in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}
venv=$target/mail-venv

programs openssl=openssl
venv "$venv" aiosmtpd 'aiosmtpd>=1.4.6,<2'
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/mail/main.py "$binary"

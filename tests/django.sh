#!/usr/bin/env bash
# A real Django project moves in, and our rules for passwords are those of Django's validators:
# `tests/django.sh [BINARY]`. Installs Django, REST framework and SimpleJWT in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}
[ -x "$binary" ] || { echo "there is no $binary; build it with \`cargo build --release\`" >&2; exit 1; }
venv=$target/django-venv

if ! "$venv/bin/python" -c 'import django, rest_framework, rest_framework_simplejwt, argon2, bcrypt' 2>/dev/null; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'django>=5.2,<5.3' djangorestframework \
    djangorestframework-simplejwt argon2-cffi 'bcrypt<5'
fi
export PYTHONDONTWRITEBYTECODE=1
"$venv/bin/python" tests/django/move.py "$binary"
"$venv/bin/python" tests/django/validators.py "$binary"

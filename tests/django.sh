#!/usr/bin/env bash
# A real Django project moves in, and our rules for passwords are those of Django's validators:
# `tests/django.sh [BINARY]`. Installs Django, REST framework and SimpleJWT in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/portcullis}
[ -x "$binary" ] || { echo "there is no $binary; build it with \`cargo build --release\`" >&2; exit 1; }
venv=$target/django-venv

venv "$venv" "django, rest_framework, rest_framework_simplejwt, argon2, bcrypt" 'django>=5.2,<5.3' \
  djangorestframework djangorestframework-simplejwt argon2-cffi 'bcrypt<5'
export PYTHONDONTWRITEBYTECODE=1
"$venv/bin/python" tests/django/move.py "$binary"
"$venv/bin/python" tests/django/validators.py "$binary"

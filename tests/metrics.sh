#!/usr/bin/env bash
# A real Prometheus reads the metrics of a running gateway, and takes the alert rules and every
# query of the dashboard: `tests/metrics.sh [BINARY]`. Installs Prometheus from Debian's packages,
# and its reference parser in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
binary=$(realpath "${1:-$target/release/portcullis}")
if ! command -v promtool >/dev/null || ! command -v openssl >/dev/null; then
  echo "installing prometheus"
  apt-get update -q >/dev/null
  # It would start as a service, on a port of its own.
  RUNLEVEL=1 apt-get install -q -y --no-install-recommends prometheus openssl >/dev/null
fi
venv=$target/metrics-venv
if ! "$venv/bin/python" -c 'import prometheus_client' 2>/dev/null; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'prometheus-client>=0.21,<1'
fi

promtool check rules docs/monitoring/alerts.yml
"$venv/bin/python" tests/metrics/main.py "$binary"

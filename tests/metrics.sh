#!/usr/bin/env bash
# A real Prometheus reads the metrics of a running gateway, and takes the alert rules and every
# query of the dashboard: `tests/metrics.sh [BINARY]`. Installs Prometheus from Debian's packages,
# and its reference parser in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
binary=$(realpath "${1:-$target/release/portcullis}")
programs promtool=prometheus openssl=openssl
venv=$target/metrics-venv
venv "$venv" prometheus_client 'prometheus-client>=0.21,<1'

promtool check rules docs/monitoring/alerts.yml
PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/metrics/main.py "$binary"

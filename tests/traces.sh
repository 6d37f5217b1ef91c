#!/usr/bin/env bash
# Traces through a real collector: `tests/traces.sh [BINARY]`. A client and a server with the OpenTelemetry
# SDK for Python stand before and behind a gateway, all three send their spans to the collector (Rotel), and
# what it passes on is one tree. Installs them from PyPI in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
binary=$(realpath "${1:-$target/release/portcullis}")
programs openssl=openssl
venv=$target/traces-venv
venv "$venv" 'rotel, opentelemetry.sdk, opentelemetry.exporter.otlp.proto.http' \
  'rotel==0.0.1a15' 'opentelemetry-sdk>=1.30,<2' 'opentelemetry-exporter-otlp-proto-http>=1.30,<2'

PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/traces/main.py "$binary"

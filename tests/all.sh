#!/usr/bin/env bash
# Every test there is, from a fresh clone: `tests/all.sh`. Installs what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== what tests start: a database"
tests/postgres.sh

echo "== unit, store and gateway tests"
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked --all-features
else
  cargo test --locked --all-features --all-targets
fi
cargo test --locked --all-features --doc

echo "== locks and counters in every order of threads"
tests/loom.sh

echo "== the oldest Rust that is promised"
python3 tests/msrv.py

echo "== the list of common passwords"
tests/common_passwords.sh

echo "== the wire contract, against the release binary"
cargo build --release --locked
tests/contract.sh

echo "== of what it is made"
tests/sbom.sh

echo "== a real gRPC pair"
tests/grpc.sh

echo "== the description of the endpoints, asked for all that is in it"
tests/openapi.sh

echo "== signed identity, checked as its page says"
tests/signed.sh

echo "== the example programs"
tests/examples.sh

echo "== the guide"
tests/guide.sh

echo "== a sidecar on one core and in 32 MiB"
tests/sidecar.sh

echo "== real programs around it"
tests/peers.sh

echo "== other proxies that ask"
tests/forward_auth.sh

echo "== a Django project moves in"
tests/django.sh
echo "== mail through a real server"
tests/mail.sh

echo "== the pages in Chromium"
tests/browser.sh

echo "== TLS with openssl and curl"
tests/tls.sh

echo "== certificates from an ACME server"
tests/acme.sh

echo "== the manual pages"
tests/man.sh

echo "== metrics in a real Prometheus"
tests/metrics.sh

echo "== traces through a real collector"
tests/traces.sh

echo "== units, Compose files and manifest, and restarts under load"
tests/deploy.sh

echo "== the image"
tests/dockerfile.sh

echo "== bodies larger than memory"
python3 tests/large_bodies.py "${CARGO_TARGET_DIR:-target}/release/portcullis"

echo "== floods, and clients that hold on"
python3 tests/resources/main.py "${CARGO_TARGET_DIR:-target}/release/portcullis"

echo "== killed at random moments"
python3 tests/kills.py "${CARGO_TARGET_DIR:-target}/release/portcullis"

echo "== faults of others"
tests/faults.sh

echo "== mixed load for a while"
tests/soak.sh

echo "== the quick start of the README"
tests/quick_start.sh

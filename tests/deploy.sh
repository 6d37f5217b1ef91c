#!/usr/bin/env bash
# The files below docs/deploy, read by the programs that they are for, and the gateway under what they
# ask of it: `tests/deploy.sh [BINARY]`. Installs systemd, Compose, HAProxy and strace from Debian's packages
# (nothing of them is started), and a validator of Kubernetes' schemas in a venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
binary=$(realpath "${1:-$target/release/portcullis}")
venv=$target/deploy-venv
# Of 100; less is better. It has 14.
EXPOSURE=15

programs systemd-analyze=systemd systemd-socket-activate=systemd docker-compose=docker-compose \
  haproxy=haproxy strace=strace openssl=openssl curl=curl
venv "$venv" "kubernetes_validate, yaml" 'kubernetes-validate>=1.30,<2' 'pyyaml>=6,<7'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "DEPLOY: $*" >&2
  exit 1
}
# What a validator has to find, so that its silence means something.
refuses() { if "$@" >"$work/said" 2>&1; then fail "no fault found by: $*"; fi; }

echo "-- systemd reads the units"
root=$work/root
install -D -m 755 "$binary" "$root/usr/local/bin/portcullis"
for unit in portcullis.service portcullis.socket; do
  install -D -m 644 "docs/deploy/systemd/$unit" "$root/etc/systemd/system/$unit"
done
for unit in portcullis.service portcullis.socket; do
  verify() { systemd-analyze verify --man=no --recursive-errors=no --root="$root" "$unit" 2>&1; }
  said=$(verify) || fail "$unit: $said"
  [ -z "$said" ] || fail "$unit: $said"
  sed -i 's/^Description=/Descripion=/' "$root/etc/systemd/system/$unit"
  [ -n "$(verify || true)" ] || fail "systemd-analyze finds no fault in a wrong key"
  cp "docs/deploy/systemd/$unit" "$root/etc/systemd/system/$unit"
done
security() {
  systemd-analyze security --no-pager --offline=yes --root="$root" --threshold="$1" portcullis.service
}
security $EXPOSURE >"$work/security" || { cat "$work/security"; fail "it leaves more than $EXPOSURE of 100"; }
tail -n 1 "$work/security"
refuses security 1
mkdir -p "$root/etc/sysusers.d"
cp docs/deploy/systemd/portcullis.sysusers "$root/etc/sysusers.d/portcullis.conf"
systemd-sysusers --root="$root"
grep -q '^portcullis:' "$root/etc/passwd" || fail "systemd-sysusers made no user"

echo "-- Compose reads its files, and the gateway their policies"
tls() { openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=app -addext subjectAltName=DNS:app.example.com \
  -keyout "$1/key.pem" -out "$1/cert.pem" 2>/dev/null; }
# What the policies of several gateways name, as the steps make it.
secrets() {
  mkdir -p "$1"
  (umask 077 && echo 'postgres://gate:c0rrect-horse@database/gate' >"$1/database-url" &&
    openssl rand -base64 48 >"$1/key-ring")
}
for way in front-door sidecar several; do
  cp -r "docs/deploy/$way" "$work/$way"
  docker-compose -f "$work/$way/compose.yml" config --quiet
  sed 's/read_only: true/read_onyl: true/' "$work/$way/compose.yml" >"$work/$way/wrong.yml"
  refuses docker-compose -f "$work/$way/wrong.yml" config --quiet
  mkdir "$work/$way/policy/tls" && tls "$work/$way/policy/tls"
  [ "$way" != several ] || secrets "$work/$way/policy"
  "$binary" check "$work/$way/policy/portcullis.toml"
done

balancer() { haproxy -c -q -f "$1"; }
balancer docs/deploy/several/haproxy.cfg
sed 's/send-proxy-v2/send-porxy-v2/' docs/deploy/several/haproxy.cfg >"$work/wrong.cfg"
refuses balancer "$work/wrong.cfg"

echo "-- Kubernetes' schemas, and the policies of the manifests"
secrets "$work/secrets" && tls "$work/secrets" && cp "$work/secrets/cert.pem" "$work/secrets/database-ca.pem"
for manifest in sidecar several; do
  PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/deploy/manifest.py "docs/deploy/kubernetes/$manifest.yml" "$work"
  sed -i "s,/run/secrets/gate,$work/secrets," "$work/portcullis.toml"
  "$binary" check "$work/portcullis.toml"
done

echo "-- the gateway under systemd's filter of system calls, and with a socket of systemd's"
PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 python3 tests/deploy/main.py "$binary" docs/deploy/systemd/portcullis.service

#!/usr/bin/env bash
# Certificates from a real ACME server, pebble in strict mode: `tests/acme.sh [BINARY]`. Installs it.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh
. tests/certificates.sh

target=${CARGO_TARGET_DIR:-target}
binary=$(realpath "${1:-$target/release/portcullis}")
programs openssl=openssl curl=curl pebble=pebble python3=python3

work=$(mktemp -d)
gateway= authority= names= relay= client=
trap 'for one in $gateway $authority $names $relay $client; do kill "$one" 2>/dev/null || true; done; rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "FAILED: $*" >&2
  for file in log authority.log; do
    sed "s/^/$file: /" "$file" >&2 || true
  done
  exit 1
}

# soon WHAT COMMAND...: waits until it succeeds
soon() {
  local what=$1
  shift
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  fail "$what"
}

# Ports that nobody has now.
read -r clear tls redirecting directory management dns dns_management held < <(python3 - <<'PORTS'
import socket
sockets = [socket.socket() for _ in range(8)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))
PORTS
)

# The authority's own server has a certificate, too.
root root /CN=Root
issued pebble root /CN=pebble subjectAltName=IP:127.0.0.1

# authority SECONDS PORT [PORT]: an authority whose certificates last so long, and that asks for proofs
# there in clear, and over TLS
authority() {
  if [ -n "$authority" ]; then
    kill "$authority"
    wait "$authority" 2>/dev/null || true
  fi
  cat >pebble.json <<CONFIG
{ "pebble": {
  "listenAddress": "127.0.0.1:$directory", "managementListenAddress": "127.0.0.1:$management",
  "certificate": "pebble.pem", "privateKey": "pebble.key",
  "httpPort": $2, "tlsPort": ${3:-$tls},
  "certificateValidityPeriod": $1 } }
CONFIG
  PEBBLE_VA_NOSLEEP=1 pebble -config pebble.json -dnsserver "127.0.0.1:$dns" -strict >>authority.log 2>&1 &
  authority=$!
  soon "pebble" curl -s --cacert root.pem "https://127.0.0.1:$directory/dir"
  curl -s --cacert root.pem "https://127.0.0.1:$management/roots/0" >issuer.pem
}

pebble-challtestsrv -http01 "" -https01 "" -tlsalpn01 "" -dns01 "127.0.0.1:$dns" \
  -defaultIPv4 127.0.0.1 -defaultIPv6 "" -management "127.0.0.1:$dns_management" >names.log 2>&1 &
names=$!

# policy NAMES: a gateway with a certificate for them
policy() {
  cat >portcullis.toml <<POLICY
public = "https://gate.test"
listen = [
  { addr = "127.0.0.1:$tls", tls = true },
  { addr = "127.0.0.1:$redirecting", redirect = true },
  "127.0.0.1:$clear",
]
[tls.acme]
domains        = [$1]
email          = "ops@gate.test"
directory      = "https://127.0.0.1:$directory/dir"
ca             = "root.pem"
terms_accepted = true
[admin]
socket = "admin.sock"
[upstreams]
who = { whoami = true }
[routes]
"/*" = { to = "who", allow = "anyone" }
POLICY
}

start() {
  "$binary" serve >>log 2>&1 &
  gateway=$!
  soon "it did not start" "$binary" health
}

stop() {
  kill "$gateway"
  wait "$gateway" || fail "no clean end"
  gateway=
}

# serial [NAME]: of the certificate that is shown; nothing where none is
serial() {
  # Who shows no certificate may be sent away after the handshake.
  { openssl s_client -connect "127.0.0.1:$tls" -servername "${1:-gate.test}" </dev/null 2>/dev/null || true; } |
    openssl x509 -noout -serial 2>/dev/null
}

# ask NAME ARGUMENT...: the status of an answer from there
ask() {
  local name=$1
  shift
  curl -sS --max-time 10 --cacert issuer.pem --resolve "$name:$tls:127.0.0.1" -o body -w '%{http_code}' "$@" \
    "https://$name:$tls/"
}

orders() {
  grep -c 'certificate ordered' log || true
}

folder=portcullis.acme/127.0.0.1-$directory-dir

echo "an authority that finds no proof is not asked again at once"
authority 7776000 1
policy '"gate.test", "www.gate.test"'
start
soon "no failure" test -e "$folder/last-failure"
grep -q 'was not proved to be here' log || fail "no reason in the log"
[ -z "$(serial)" ] || fail "a certificate from nowhere"
stop
start
[ "$(orders)" = 1 ] || fail "ordered again at once: $(orders)"
stop
rm -r portcullis.acme

echo "a certificate for two names by HTTP-01, at a listener that redirects"
: >log
authority 7776000 "$redirecting"
start
soon "no certificate" serial
[ "$(ask gate.test)" = 200 ] || fail "gate.test"
[ "$(ask www.gate.test)" = 421 ] || fail "www.gate.test is no host of the policy"
[ "$(stat -c %a portcullis.acme "$folder" | sort -u)" = 700 ] || fail "modes of the folders"
[ "$(stat -c %a "$folder"/* | sort -u)" = 600 ] || fail "modes of the files"
[ ! -e "$folder/last-failure" ] || fail "a failure is noted"
found=$(curl -s -o body -w '%{http_code}' "http://127.0.0.1:$redirecting/.well-known/acme-challenge/x" \
  -H 'Host: gate.test')
[ "$found" = 308 ] || fail "a token of no order: $found"
if "$binary" doctor >doctor 2>&1; then true; fi
grep -q 'gate.test, www.gate.test is good for 8[0-9] days' doctor || fail "doctor: $(cat doctor)"

echo "a restart shows what is kept, and orders nothing"
first=$(serial)
stop
: >log
start
[ "$(serial)" = "$first" ] || fail "another certificate"
[ "$(orders)" = 0 ] || fail "ordered again"
stop

echo "other names are another order, at a listener in clear, while the old one is shown"
: >log
authority 7776000 "$clear"
policy '"gate.test", "shop.test"'
start
soon "nothing ordered" grep -q 'certificate ordered' log
shown() { [ -n "$(serial)" ] && [ "$(serial)" != "$first" ]; }
soon "no other certificate" shown
# The authority was started anew, and has forgotten the account.
grep -q 'does not know the account any more' log || fail "the account"
stop

echo "a certificate is renewed while it is good, without a restart"
rm -r portcullis.acme
: >log
authority 24 "$clear"
start
soon "no certificate" serial
old=$(serial)
exec 3<>"/dev/tcp/127.0.0.1/$clear"
printf 'GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n' >&3
renewed() { [ -n "$(serial)" ] && [ "$(serial)" != "$old" ]; }
soon "not renewed" renewed
[ "$(ask gate.test)" = 200 ] || fail "after the renewal"
[ "$(orders)" = 2 ] || fail "orders: $(orders)"
printf 'GET / HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n' >&3
[ "$(grep -c '^HTTP/1.1 200 OK' <&3)" = 2 ] || fail "a connection was cut"
stop

# policy_tls: the same names proved in handshakes; nothing is in clear, and who calls has to show a certificate
policy_tls() {
  cat >portcullis.toml <<POLICY
public = "https://gate.test"
listen = { addr = "127.0.0.1:$tls", tls = true, client_auth = "required" }
[tls]
client_ca = "clients.pem"
[tls.acme]
domains        = ["gate.test", "shop.test"]
challenge      = "tls-alpn-01"
directory      = "https://127.0.0.1:$directory/dir"
ca             = "root.pem"
terms_accepted = true
[admin]
socket = "admin.sock"
[upstreams]
who = { whoami = true }
[routes]
"/*" = { to = "who", allow = "anyone" }
POLICY
}
root clients /CN=Clients
issued client clients /CN=client subjectAltName=DNS:client.test

# seek ARGUMENT...: what a client sees that asks so
seek() {
  openssl s_client -connect "127.0.0.1:$tls" "$@" </dev/null 2>&1 || true
}

echo "a certificate by TLS-ALPN-01, and what others see while the authority looks for the proof"
rm -r portcullis.acme
: >log
policy_tls
# The authority comes by way of somebody who lets it wait until we have looked.
python3 - "$held" "$tls" >relay.log 2>&1 <<'RELAY' &
import os, socket, sys, threading, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))

def pipe(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass

def carry(client):
    open("waiting", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.02)
    server = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    threading.Thread(target=pipe, args=(client, server), daemon=True).start()
    pipe(server, client)

while True:
    threading.Thread(target=carry, args=(listener.accept()[0],), daemon=True).start()
RELAY
relay=$!
authority 7776000 1 "$held"
start
soon "the authority does not look" test -e waiting
proved() {
  seek -servername "$1" -alpn acme-tls/1 >seen
  grep -q '^ALPN protocol: acme-tls/1' seen
}
for name in gate.test shop.test; do
  # The names are told one after the other.
  soon "no proof for $name" proved "$name"
  openssl x509 -noout -text <seen >proof
  grep -A1 'Subject Alternative Name: critical' proof | grep -qE "^ +DNS:$name\$" || fail "$(cat proof)"
  grep -A1 -E '(1\.3\.6\.1\.5\.5\.7\.1\.31|ACME Identifier): critical' proof >/dev/null || fail "$(cat proof)"
  grep -q 'New Session Ticket arrived' seen && fail "a ticket"
done
for sought in "-servername other.test -alpn acme-tls/1" "-noservername -alpn acme-tls/1"; do
  # shellcheck disable=SC2086
  seek $sought | grep -qi 'alert no application protocol' || fail "$sought: $(seek $sought)"
done
for sought in "" "-alpn h2" "-alpn acme-tls/1,http/1.1"; do
  # shellcheck disable=SC2086
  seek -servername gate.test $sought | grep -q 'unrecognized name' ||
    fail "$sought: $(seek -servername gate.test $sought)"
done
touch go
soon "no certificate" serial
[ "$(orders)" = 1 ] || fail "orders: $(orders)"
seek -servername gate.test -alpn acme-tls/1 | grep -qi 'alert no application protocol' || fail "a proof after the order"
stop
kill "$relay"
wait "$relay" 2>/dev/null || true
relay=

echo "it is renewed while a client goes on, which had to show its certificate"
rm -r portcullis.acme
: >log
authority 24 1
start
soon "no certificate" serial
old=$(serial)
mkfifo says
openssl s_client -quiet -connect "127.0.0.1:$tls" -servername gate.test -cert client.pem -key client.key \
  <says >hears 2>/dev/null &
client=$!
exec 4>says
printf 'GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n' >&4
soon "no answer" grep -q '^HTTP/1.1 200 OK' hears
soon "not renewed" renewed
printf 'GET / HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n' >&4
heard() { [ "$(grep -c '^HTTP/1.1 200 OK' hears)" = 2 ]; }
soon "a connection was cut" heard
exec 4>&-
wait "$client" || true
client=
if ask gate.test >found 2>&1; then fail "served without a certificate"; fi
[ "$(ask gate.test --cert client.pem --key client.key)" = 200 ] || fail "after the renewal"
stop

echo "good"

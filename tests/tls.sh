#!/usr/bin/env bash
# TLS with clients of other make, openssl, curl and a scanner: `tests/tls.sh [BINARY]`. Installs them.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh
. tests/certificates.sh

target=${CARGO_TARGET_DIR:-target}
binary=$(realpath "${1:-$target/release/portcullis}")
programs openssl=openssl curl=curl
scan=$(realpath tests/tls_scan.py) venv=$(realpath -m "$target/sslyze-venv")
venv "$venv" sslyze 'sslyze>=6.3,<7'

work=$(mktemp -d)
gateway=
trap '[ -z "$gateway" ] || kill "$gateway" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "FAILED: $*" >&2
  cat log >&2 || true
  exit 1
}

# pair FILE NAMES: a certificate for some hosts
pair() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=$1" \
    -addext "subjectAltName=$2" -addext basicConstraints=critical,CA:FALSE \
    -keyout "$1.key" -out "$1.pem" 2>/dev/null
}

pair gate DNS:gate.test,IP:127.0.0.1
pair shop "DNS:*.shop.test"
root ca /CN=Authority
issued billing ca /O=Acme/CN=billing extendedKeyUsage=clientAuth

# list DAYS [CERTIFICATE]: what the authority has taken back by now, and for how long it says so
cat >authority.cnf <<'AUTHORITY'
[ca]
default_ca = it
[it]
database = taken-back
crlnumber = number
default_md = sha256
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid
AUTHORITY
: >taken-back
echo 01 >number
list() {
  local by=(openssl ca -config authority.cnf -cert ca.pem -keyfile ca.key)
  [ $# -lt 2 ] || "${by[@]}" -revoke "$2" -crl_reason keyCompromise 2>/dev/null
  "${by[@]}" -gencrl -crldays "$1" -out new.crl 2>/dev/null
  mv new.crl clients.crl
}
list 30

cat >portcullis.toml <<POLICY
public = "https://gate.test"
listen = [
  { addr = "127.0.0.1:0", tls = true },
  { addr = "127.0.0.1:0", tls = true, client_auth = "required" },
  { addr = "127.0.0.1:0", redirect = true },
]
[tls]
cert = "gate.pem"
key = "gate.key"
client_ca = "ca.pem"
client_crl = "clients.crl"
strict_sni = true
poll = "1d"
hsts = "1d"
[[tls.certificates]]
cert = "shop.pem"
key = "shop.key"
[identity]
X-Client-Cert = "@cert"
[upstreams]
who = { whoami = true }
[routes]
"/*" = { to = "who", allow = "anyone" }
"a.shop.test/own/*" = { to = "who", allow = "anyone" }
"/billing" = { to = "who", allow = "cert:billing" }
POLICY

"$binary" check >checked 2>&1 || fail "check: $(cat checked)"
"$binary" serve >log 2>&1 &
gateway=$!
for _ in $(seq 100); do
  [ "$(grep -c '^listening on' log)" = 3 ] && break
  kill -0 "$gateway" 2>/dev/null || fail "it did not start"
  sleep 0.1
done
mapfile -t ports < <(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' log)
[ "${#ports[@]}" = 3 ] || fail "three listeners"
tls=${ports[0]} required=${ports[1]} clear=${ports[2]}

# shown NAME: the subject of the certificate that is shown for it
shown() {
  openssl s_client -connect "127.0.0.1:$tls" -servername "$1" </dev/null 2>/dev/null |
    sed -n 's/^subject=CN *= *//p'
}

echo "each name has its certificate"
[ "$(shown gate.test)" = gate ] || fail "gate.test: $(shown gate.test)"
[ "$(shown a.shop.test)" = shop ] || fail "a.shop.test: $(shown a.shop.test)"
openssl s_client -connect "127.0.0.1:$tls" -servername nobody.test </dev/null >refused 2>&1 || true
grep -qi "unrecognized name" refused || fail "nobody.test was not refused: $(cat refused)"

echo "sessions are resumed in both versions"
openssl s_client -connect "127.0.0.1:$tls" -servername gate.test -tls1_2 -reconnect \
  </dev/null >resumed 2>/dev/null || fail "TLS 1.2"
[ "$(grep -c '^Reused, TLSv1.2' resumed)" = 5 ] || fail "TLS 1.2 resumes: $(grep -E '^(New|Reused)' resumed)"
{ printf 'GET / HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n\r\n'; cat; } < <(sleep 1) |
  openssl s_client -connect "127.0.0.1:$tls" -servername gate.test -tls1_3 -quiet \
    -sess_out session >/dev/null 2>&1 || fail "TLS 1.3"
[ -s session ] || fail "no ticket of TLS 1.3"
openssl s_client -connect "127.0.0.1:$tls" -servername gate.test -tls1_3 -sess_in session \
  </dev/null 2>/dev/null | grep -q '^Reused, TLSv1.3' || fail "TLS 1.3 does not resume"

# ask NAME PORT [OPTION...]: what curl gets
ask() {
  local name=$1 port=$2
  shift 2
  curl -sS --max-time 10 --cacert all.pem --resolve "$name:$port:127.0.0.1" "$@"
}
cat gate.pem shop.pem >all.pem

echo "HTTP/2, HSTS, and hosts of one certificate"
ask gate.test "$tls" -D head -o body "https://gate.test:$tls/" || fail "curl"
grep -q '^HTTP/2 200' head || fail "HTTP/2: $(cat head)"
grep -qi '^strict-transport-security: max-age=86400' head || fail "HSTS: $(cat head)"
status=$(ask gate.test "$tls" -o body -w '%{http_code}' -H "Host: a.shop.test" "https://gate.test:$tls/")
[ "$status" = 421 ] || fail "another host: $status"

echo "certificates of clients"
if ask gate.test "$required" -o body "https://gate.test:$required/" 2>/dev/null; then
  fail "served without a certificate"
fi
status=$(ask gate.test "$required" -o body -w '%{http_code}' --cert billing.pem --key billing.key \
  "https://gate.test:$required/billing")
[ "$status" = 200 ] || fail "with a certificate: $status"
grep -qi 'x-client-cert.*billing' body || fail "no header: $(cat body)"
status=$(ask gate.test "$tls" -o body -w '%{http_code}' "https://gate.test:$tls/billing")
[ "$status" = 403 ] || fail "a rule for certificates: $status"

echo "from http:// to https://"
location=$(curl -sS --max-time 10 --resolve "gate.test:$clear:127.0.0.1" -o body \
  -w '%{http_code} %{redirect_url}' "http://gate.test:$clear/x?y=1")
[ "$location" = "308 https://gate.test/x?y=1" ] || fail "redirect: $location"

echo "a scan"
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$scan" "$tls" gate.test || fail "the scan"

echo "new files at SIGHUP"
old=$(openssl x509 -in gate.pem -noout -serial)
pair gate DNS:gate.test,IP:127.0.0.1
new=$(openssl x509 -in gate.pem -noout -serial)
serial() {
  openssl s_client -connect "127.0.0.1:$tls" -servername gate.test </dev/null 2>/dev/null |
    openssl x509 -noout -serial
}
[ "$(serial)" = "$old" ] || fail "it was read before it was asked to"
kill -HUP "$gateway"
for _ in $(seq 100); do
  [ "$(serial)" = "$new" ] && break
  sleep 0.1
done
[ "$(serial)" = "$new" ] || fail "the new certificate is not shown"

echo "a certificate that is taken back"
mkfifo says
openssl s_client -quiet -connect "127.0.0.1:$required" -servername gate.test -cert billing.pem -key billing.key \
  <says >hears 2>/dev/null &
exec 3>says
printf 'GET /billing HTTP/1.1\r\nHost: gate.test\r\n\r\n' >&3
for _ in $(seq 100); do
  grep -q '^HTTP/1.1 200' hears && break
  sleep 0.1
done
grep -q '^HTTP/1.1 200' hears || fail "no answer before it"
list 30 billing.pem
kill -HUP "$gateway"
# In version 1.2 the handshake is not over before the certificate is judged.
for _ in $(seq 100); do
  openssl s_client -connect "127.0.0.1:$required" -servername gate.test -tls1_2 -cert billing.pem \
    -key billing.key </dev/null >refused 2>&1 || break
  sleep 0.1
done
grep -qi 'certificate revoked' refused || fail "not refused as revoked: $(cat refused)"
printf 'GET /billing HTTP/1.1\r\nHost: gate.test\r\n\r\n' >&3
for _ in $(seq 100); do
  grep -q '"certificate_not_valid"' hears && break
  sleep 0.1
done
grep -q '^HTTP/1.1 401' hears || fail "answered on the connection that was there: $(cat hears)"
exec 3>&-

kill "$gateway"
wait "$gateway" || fail "no clean end"
gateway=
echo "good"

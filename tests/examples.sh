#!/usr/bin/env bash
# The programs below examples/, built and asked: `tests/examples.sh`.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
programs curl=curl
venv "$target/examples-venv" opentelemetry.exporter.otlp.proto.grpc \
  'opentelemetry-sdk>=1.30,<2' 'opentelemetry-exporter-otlp-proto-grpc>=1.30,<2'
cargo build --locked --quiet --all-features --examples
examples=$target/debug/examples
work=$(mktemp -d)
running=
trap '[ -z "$running" ] || kill "$running"; rm -rf "$work"' EXIT

fail() {
  echo "EXAMPLES: $*" >&2
  exit 1
}

# start NAME [ARGUMENT...]: runs an example until it listens, in a folder of its own.
start() {
  local name=$1
  shift
  mkdir -p "$work/$name"
  cd "$work/$name"
  "$examples/$name" "$@" >said &
  running=$!
  for _ in $(seq 200); do
    (: >"/dev/tcp/127.0.0.1/3000") 2>/dev/null && return
    kill -0 "$running" 2>/dev/null || break
    sleep 0.05
  done
  fail "$name does not listen"
}

stop() {
  kill "$running"
  wait "$running" || true
  running=
}

status() { curl -sS -o answer -w '%{http_code}' "$@"; }

# join: alice registers and logs in at $at.
join() {
  local account='{"username": "alice", "password": "Tr1cky-Phrase-77"}'
  [ "$(status --json "$account" $at/api/auth/register/)" = 201 ] || fail "nobody can register"
  [ "$(status --json "$account" $at/api/auth/token/)" = 200 ] || fail "nobody can log in"
  access=$(sed 's/.*"access":"\([^"]*\)".*/\1/' answer)
}

as_alice() { status -H "Authorization: Bearer $access" "$@"; }

at=http://127.0.0.1:3000
start axum_layer
[ "$(status $at/hello)" = 401 ] || fail "a stranger is let in"
join
[ "$(as_alice $at/hello)" = 200 ] || fail "alice is not let in"
[ "$(cat answer)" = "hello alice" ] || fail "the handler does not know alice: $(cat answer)"
[ "$(as_alice $at/reports/7)" = 403 ] || fail "alice is no admin"
stop
echo "axum_layer: strangers, a registration, a login and a role"

start axum_endpoints
[ "$(status $at/)" = 200 ] || fail "the page for everybody is not there"
[ "$(status $at/orders/7)" = 401 ] || fail "a stranger is let in"
[ "$(status $at/order)" = 404 ] || fail "there is something beside the endpoints"
join
[ "$(as_alice $at/orders/7)" = 200 ] || fail "alice is not let in"
[ "$(cat answer)" = "order 7 of alice" ] || fail "the handler does not know alice: $(cat answer)"
stop
echo "axum_endpoints: strangers, a registration, a login, and nothing beside"

start tonic_layer
# export TOKEN NAME: what a tracer of Python says of the span that it sends.
export_span() {
  "$target/examples-venv/bin/python" - "$@" <<'PYTHON' 2>refused
import sys
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

token, name = sys.argv[1:]
headers = {"authorization": f"Bearer {token}"} if token else {}
to = OTLPSpanExporter("http://127.0.0.1:3000", insecure=True, headers=headers, timeout=5)


class Told(SpanExporter):
    def export(self, spans):
        result = to.export(spans)
        print(result.name)
        return result


provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Told()))
with provider.get_tracer("test").start_as_current_span(name):
    pass
PYTHON
}
[ "$(export_span "" sweeping)" = FAILURE ] || fail "spans of a stranger are taken"
grep -q UNAUTHENTICATED refused || fail "a stranger is refused otherwise: $(cat refused)"
join
[ "$(export_span "$access" cooking)" = SUCCESS ] || fail "spans of alice are not taken: $(cat refused)"
[ "$(cat said)" = "alice has done cooking" ] || fail "the service does not know alice: $(cat said)"
stop
echo "tonic_layer: the exporter of OpenTelemetry, as a stranger and as alice"

start hyper_store 268435456
[ "$(status $at/orders)" = 401 ] || fail "a stranger is let in"
join
[ "$(as_alice $at/orders)" = 200 ] || fail "alice is not let in"
stop
# From here on it has as much room as it takes already.
size=$(stat -c %s users.redb)
start hyper_store "$size"
[ "$(as_alice $at/orders)" = 200 ] || fail "the store has lost alice"
fill() {
  for one in $(seq 2000); do
    status --json "{\"username\": \"user$one\", \"password\": \"Tr1cky-Phrase-77\"}" $at/api/auth/register/
    echo
  done | grep -m1 -v 201
}
refused=$(fill || true)
[ "$refused" = 503 ] || fail "a store that is full answers '$refused'"
[ "$(as_alice $at/orders)" = 200 ] || fail "a store that is full has lost alice"
[ "$(stat -c %s users.redb)" -le "$size" ] || fail "the store has grown"
stop
echo "hyper_store: a store that is full, and what still goes on"

start beside
[ "$(status $at/hello)" = 401 ] || fail "a stranger is let in"
[ "$(status -H "X-User-Name: root" $at/welcome)" = 200 ] || fail "the open page is not there"
[ "$(cat answer)" = "hello stranger" ] || fail "a stranger chose a name: $(cat answer)"
join
[ "$(as_alice $at/hello)" = 200 ] || fail "alice is not let in"
[ "$(cat answer)" = "hello alice" ] || fail "the server does not know alice: $(cat answer)"
kill -INT "$running"
wait "$running" || fail "the program does not end well"
running=
echo "beside: a gateway before the server of its own program, and the end of both"

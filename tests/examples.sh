#!/usr/bin/env bash
# The programs below examples/, built and asked: `tests/examples.sh`.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

programs curl=curl
cargo build --locked --quiet --all-features --examples
examples=$(realpath "${CARGO_TARGET_DIR:-target}/debug/examples")
work=$(mktemp -d)
running=
trap '[ -z "$running" ] || kill "$running"; rm -rf "$work"' EXIT

fail() {
  echo "EXAMPLES: $*" >&2
  exit 1
}

# start NAME PORT: runs an example until it listens, in a folder of its own.
start() {
  mkdir "$work/$1"
  cd "$work/$1"
  "$examples/$1" &
  running=$!
  for _ in $(seq 200); do
    (: >"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return
    kill -0 "$running" 2>/dev/null || break
    sleep 0.05
  done
  fail "$1 does not listen"
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

start axum_layer 3000
at=http://127.0.0.1:3000
[ "$(status $at/hello)" = 401 ] || fail "a stranger is let in"
join
[ "$(as_alice $at/hello)" = 200 ] || fail "alice is not let in"
[ "$(cat answer)" = "hello alice" ] || fail "the handler does not know alice: $(cat answer)"
[ "$(as_alice $at/reports/7)" = 403 ] || fail "alice is no admin"
stop
echo "axum_layer: strangers, a registration, a login and a role"

start axum_endpoints 3000
[ "$(status $at/)" = 200 ] || fail "the page for everybody is not there"
[ "$(status $at/orders/7)" = 401 ] || fail "a stranger is let in"
[ "$(status $at/orders)" = 404 ] || fail "there is something beside the endpoints"
join
[ "$(as_alice $at/orders/7)" = 200 ] || fail "alice is not let in"
[ "$(cat answer)" = "an order of alice" ] || fail "the handler does not know alice: $(cat answer)"
stop
echo "axum_endpoints: strangers, a registration, a login, and nothing beside"

start beside 3000
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

#!/usr/bin/env bash
# A fuzzer that reads openapi.json asks every endpoint for everything that it describes, and finds
# no answer that is not described and none of 5xx: `tests/openapi.sh [BINARY]`. Installs
# schemathesis in a venv. MAX_EXAMPLES says how much is asked for.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
binary=$(realpath "${1:-$target/release/portcullis}")
venv=$target/schemathesis-venv
venv "$venv" schemathesis 'schemathesis>=4.4,<5'

work=$(mktemp -d)
gateway=
stop() {
  [ -z "$gateway" ] || kill "$gateway" 2>/dev/null || true
  gateway=
}
trap 'stop; rm -rf "$work"' EXIT

# Text beyond what a field may be is refused, numbers are taken for texts, and what is well formed
# may still be refused (a wrong password): the checks left out ask for more than is described.
fuzz() {
  local at=$1 token=$2
  shift 2
  (cd "$work" && "$venv/bin/st" run "$at/api/auth/openapi.json" \
    --header "Authorization: Bearer $token" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,ignored_auth,unsupported_method,allow_header_conformance \
    --phases examples,coverage,fuzzing \
    --max-examples "${MAX_EXAMPLES:-60}" --seed 20260101 --generation-database none \
    --suppress-health-check all "$@")
}

# One run: a name, and the lines of [auth] that differ.
run() {
  local name=$1 auth=$2 folder=$work/$1
  mkdir -p "$folder"
  # Known beforehand: `public` is what links are made from, the only host that is served, and a name, for a bare
  # address has no passkeys.
  local port
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  cat >"$folder/portcullis.toml" <<TOML
listen = ["127.0.0.1:$port"]
public = "http://localhost:$port"

# Nobody is there: letters wait, and no answer waits for them.
[mail]
smtp = "smtp+clear://127.0.0.1:1"
from = "no-reply@example.com"

[upstreams]
whoami = { whoami = true }

[routes]
"/*" = { to = "whoami" }

[auth]
$auth

[auth.password]
memory = "8KiB"
passes = 1

[auth.throttle]
account = "off"
address = "off"
register = "off"
mail = "off"
recipient = "off"
keys = "off"

[log]
filter = "error"
TOML
  (cd "$folder" && exec "$binary" >"$folder/out" 2>"$folder/err") &
  gateway=$!
  local tries=0
  until grep -q '^listening on http://' "$folder/out"; do
    kill -0 "$gateway" 2>/dev/null || { cat "$folder/err" >&2; exit 1; }
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "the gateway does not listen" >&2; exit 1; }
    sleep 0.1
  done
  local at=http://localhost:$port
  (cd "$folder" && echo 'Tr1cky-Phrase-77' | "$binary" user add alice --stdin >/dev/null)
  local token
  token=$(curl -sf "$at/api/auth/token/" -d username=alice -d password=Tr1cky-Phrase-77 |
    sed 's/.*"access": *"\([^"]*\)".*/\1/')
  echo "-- $name"
  # What ends the session of whoever asks comes last, for those before it to have one.
  fuzz "$at" "$token" --exclude-path-regex 'logout|password'
  fuzz "$at" "$token" --include-path-regex 'logout|password'
  stop
}

run original ''
run invited 'register = "invite"
sliding = true
token_scheme = true
login_failure = "simplejwt"
unique_email = true
lookalikes = "refuse"

[auth.keys]
per_user = 1000'
echo "every answer is described"

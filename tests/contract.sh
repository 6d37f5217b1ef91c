#!/usr/bin/env bash
# Runs the wire contract of the auth endpoints against the release binary, in every
# configuration that it names. It lies beside the repository, or where CONTRACT says.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh
root=$PWD
contract=${CONTRACT:-$root/../shared/contract}
binary=${BINARY:-${CARGO_TARGET_DIR:-$root/target}/release/portcullis}
key=a-shared-hs256-key-of-at-least-32-bytes

if [ ! -d "$contract" ]; then
  echo "There is no wire contract at $contract; set CONTRACT to its folder." >&2
  # On a machine that lands changes it must run; elsewhere the other tests are worth having.
  [ "${CI:-}" = true ] && exit 1
  echo "THE WIRE CONTRACT WAS NOT RUN." >&2
  exit 0
fi

work=$(mktemp -d)
gateway=
stop() {
  if [ -n "$gateway" ]; then
    kill "$gateway" 2>/dev/null || true
    wait "$gateway" 2>/dev/null || true
    gateway=
  fi
}
trap 'stop; rm -rf "$work"' EXIT

python=$root/target/contract-venv/bin/python
venv "$root/target/contract-venv" "pytest, httpx, jwt" -r "$contract/requirements.txt"

# One run: a name, the lines of [auth] that differ, and what the suite is told about them.
run() {
  local name=$1 auth=$2
  shift 2
  local folder=$work/$name
  mkdir -p "$folder"
  cat >"$folder/portcullis.toml" <<TOML
listen = ["127.0.0.1:0"]

[upstreams]
whoami = { whoami = true }

[routes]
"/*" = { to = "whoami" }

[auth]
$auth

[auth.signing]
algorithm = "HS256"
secret = { env = "SIGNING_KEY" }

[auth.throttle]
account = "off"
address = "off"
register = "off"

[log]
access = false
filter = "warn"
TOML
  export SIGNING_KEY=$key
  "$binary" --config "$folder/portcullis.toml" >"$folder/out" 2>"$folder/err" &
  gateway=$!
  local url=
  # The gateway says where it listens as soon as it does.
  for _ in $(seq 200); do
    url=$(grep -o -m1 'http://127\.0\.0\.1:[0-9]*' "$folder/out" || true)
    [ -n "$url" ] && break
    kill -0 "$gateway" 2>/dev/null || { cat "$folder/err" >&2; exit 1; }
    sleep 0.05
  done
  [ -n "$url" ] || { echo "the gateway did not say where it listens" >&2; exit 1; }
  local user="'$binary' --config '$folder/portcullis.toml' user"
  echo "-- $name"
  (
    cd "$contract"
    env "$@" BASE_URL="$url" STRICT=1 PYTHONDONTWRITEBYTECODE=1 \
      ADMIN_DEACTIVATE_CMD="$user deactivate {username}" \
      ADMIN_ACTIVATE_CMD="$user activate {username}" \
      ADMIN_DELETE_CMD="$user delete {username}" \
      ADMIN_PASSWORD_CMD="sh -c \"printf %s {password} | $user set-password {username} --stdin\"" \
      "$python" -m pytest -q -rs -p no:cacheprovider
  ) | tee "$folder/result"
  # A skip is right only where another configuration runs the test.
  if grep '^SKIPPED' "$folder/result" | grep -vE 'ROTATION is|TOKEN_SCHEME is|SLIDING is'; then
    echo "$name: skipped for a reason that no configuration mends" >&2
    exit 1
  fi
  kill -TERM "$gateway"
  wait "$gateway" || { echo "$name: the gateway did not end well" >&2; cat "$folder/err" >&2; exit 1; }
  gateway=
  if grep -qi 'panicked' "$folder/err"; then
    cat "$folder/err" >&2
    exit 1
  fi
}

run default 'rotation = false' TOKEN_STYLE=seed
run rotation $'rotation = true\ngrace = "0s"' ROTATION=1
run stock $'rotation = false\nlogin_failure = "simplejwt"' TOKEN_STYLE=stock
run schemes $'rotation = false\ntoken_scheme = true\nsliding = true' TOKEN_SCHEME=1 SLIDING=1

#!/usr/bin/env bash
# What the README promises to somebody who sees this for the first time: start it, paste three
# lines, put it before a server of your own. Runs the release binary, or the one BINARY names.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
binary=${BINARY:-${CARGO_TARGET_DIR:-$root/target}/release/portcullis}
[ -x "$binary" ] || { echo "there is no $binary; build it with \`cargo build --release\`" >&2; exit 1; }
binary=$(realpath "$binary")

work=$(mktemp -d)
gateway=
backend=
cleanup() {
  for process in $gateway $backend; do
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "QUICK START: $*" >&2
  for file in "$work"/*/out "$work"/*/err; do
    [ -s "$file" ] && { echo "--- $file" >&2; tail -n 40 "$file" >&2; }
  done
  exit 1
}

same() {
  [ "$2" = "$3" ] || fail "$1: expected $3, got $2"
}

# Waits until a file holds a line, which the process named last is to write.
line() {
  local found
  for _ in $(seq 200); do
    if found=$(grep -o -m1 -e "$2" "$1" 2>/dev/null); then
      printf '%s\n' "$found"
      return
    fi
    kill -0 "$3" 2>/dev/null || fail "it ended before it wrote $2 to $1"
    sleep 0.05
  done
  fail "no $2 in $1"
}

# In a folder of its own, with the arguments given; sets `gateway` and `url`.
start() {
  local folder=$1
  shift
  (cd "$folder" && exec env -u PORTCULLIS_CONFIG -u RUST_LOG "$binary" "$@") \
    >"$folder/out" 2>"$folder/err" &
  gateway=$!
  url=$(line "$folder/out" 'http://127\.0\.0\.1:[0-9]*' "$gateway")
}

# SIGTERM ends it well, and soon: nothing is under way.
stop() {
  local since=$SECONDS
  kill -TERM "$gateway"
  wait "$gateway" || fail "after SIGTERM it exited with $?"
  gateway=
  [ $((SECONDS - since)) -le 5 ] || fail "it took $((SECONDS - since)) s to end"
  ! grep -qi panicked "$1/err" || fail "it panicked"
}

# The values of a header in the answer of whoami or of the backend below, one a line.
header() {
  python3 -c '
import json, sys
said = json.load(sys.stdin)["headers"].get(sys.argv[1], [])
print("\n".join(said if isinstance(said, list) else [said]))' "$1"
}

echo "-- the defaults, and the three lines that are printed"
mkdir "$work/defaults"
start "$work/defaults" serve --listen 127.0.0.1:0
line "$work/defaults/out" '^curl .*Authorization: Bearer.*' "$gateway" >"$work/third"
grep -E '^(curl|TOKEN=)' "$work/defaults/out" >"$work/lines"
same "lines to paste" "$(wc -l <"$work/lines")" 3
name=$(grep -o -m1 'demo-[0-9a-f]*' "$work/lines")
# As pasted: each line in the same shell, one after the other.
{
  sed -n 1p "$work/lines"; echo 'echo; echo ---'
  sed -n 2p "$work/lines"; echo 'echo "$TOKEN"; echo ---'
  sed -n 3p "$work/lines"
} >"$work/pasted"
sh "$work/pasted" >"$work/answers" || fail "the pasted lines failed"
answer() { awk -v want="$1" '$0 == "---" { at++; next } at == want - 1' "$work/answers"; }
same "the account" "$(answer 1)" "{\"username\":\"$name\",\"email\":\"\"}"
token=$(answer 2)
[[ $token =~ ^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$ ]] || fail "no token: $token"
same "the path seen upstream" "$(answer 3 | python3 -c 'import json, sys; print(json.load(sys.stdin)["path"])')" /orders/7
same "X-User-Id" "$(answer 3 | header x-user-id)" 1
same "X-User-Name" "$(answer 3 | header x-user-name)" "$name"
same "Authorization upstream" "$(answer 3 | header authorization)" ""
# The same name again: the status of the first line was a created account's.
same "a taken name" "$(eval "$(sed -n 1p "$work/lines") -o /dev/null -w '%{http_code}'")" 400
same "another name" "$(curl -s -o /dev/null -w '%{http_code}' "$url/api/auth/register/" \
  -d username=somebody -d password=Tr1cky-phrase-77)" 201

forged=(-H 'X-User-Id: 99' -H 'x-user-id: 98' -H 'X_User_Id: 97' -H 'X-User_Id: 96' -H 'X-User-Roles: admin'
  -H 'Connection: close, X-User-Id')
same "X-User-Id beside forged ones" \
  "$(curl -s "$url/orders/7" -H "Authorization: Bearer $token" "${forged[@]}" | header x-user-id)" 1
open=$(curl -s "$url/public/hello" "${forged[@]}")
same "X-User-Id of nobody" "$(header x-user-id <<<"$open")" ""
same "X-User-Roles of nobody" "$(header x-user-roles <<<"$open")" ""
[[ ${open,,} != *x_user* && ${open,,} != *x-user* ]] || fail "a forged header came through: $open"
same "no token" "$(curl -s -o /dev/null -w '%{http_code}' "$url/orders/7")" 401
same "no role" \
  "$(curl -s -o /dev/null -w '%{http_code}' "$url/admin/" -H "Authorization: Bearer $token")" 403
(cd "$work/defaults" && "$binary" health >/dev/null) || fail "it does not say that it is ready"
(cd "$work/defaults" && "$binary" user role add "$name" admin >/dev/null) || fail "no role given"
same "the role, at once" \
  "$(curl -s "$url/admin/" -H "Authorization: Bearer $token" | header x-user-roles)" admin
(cd "$work/defaults" && "$binary" user deactivate "$name" >/dev/null) || fail "not deactivated"
same "shut out, at once" \
  "$(curl -s -o /dev/null -w '%{http_code}' "$url/orders/7" -H "Authorization: Bearer $token")" 401
stop "$work/defaults"

echo "-- a server of one's own"
mkdir "$work/own"
cat >"$work/own/backend.py" <<'PYTHON'
"""Answers with what it was sent, as WSGI servers see it too: `-` and `_` are the same there."""
import http.server
import json
import sys


class Told(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        fields, environ = {}, {}
        for name, value in self.headers.items():
            fields.setdefault(name.lower(), []).append(value)
            environ.setdefault(name.upper().replace("-", "_"), []).append(value)
        told = {"method": self.command, "path": self.path, "headers": fields, "environ": environ,
                "body": self.rfile.read(length).decode()}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
print("port", server.server_port, flush=True)
server.serve_forever()
PYTHON
python3 "$work/own/backend.py" >"$work/own/port" 2>"$work/own/backend.err" &
backend=$!
port=$(line "$work/own/port" 'port [0-9]*' "$backend")
cat >"$work/own/portcullis.toml" <<TOML
listen = ["127.0.0.1:0"]
expect = [
  "anyone      GET  /api/orders      -> 401",
  "user        GET  /api/orders      -> api",
  "user        GET  /api/admin/users -> 403",
  "role:admin  GET  /api/admin/users -> api",
  "anyone      GET  /elsewhere       -> 404",
]

[upstreams]
api = { to = "http://127.0.0.1:${port#port }" }

[routes]
"/api/*"        = { to = "api" }
"/api/news/*"   = { to = "api", allow = "anyone" }
"/api/admin/*"  = { to = "api", allow = "role:admin" }
TOML
(cd "$work/own" && "$binary" check >check.out 2>&1) || { cat "$work/own/check.out" >&2; fail "check"; }
printf 'Tr1cky-phrase-77' | (cd "$work/own" && "$binary" user add alice --email alice@example.com \
  --role editor --role admin --stdin >/dev/null 2>&1) || fail "user add"
start "$work/own"
token=$(curl -s "$url/api/auth/token/" -d username=alice -d password=Tr1cky-phrase-77 \
  | python3 -c 'import json, sys; print(json.load(sys.stdin)["access"])') || fail "no token for alice"
told=$(curl -s "$url/api/orders?page=2" -H "Authorization: Bearer $token" "${forged[@]}" \
  -H 'X-User-Email: root@example.com' --data-binary 'a body')
python3 - "$told" <<'PYTHON' || fail "the upstream was told: $told"
import json
import sys

told = json.loads(sys.argv[1])
want = {
    "X_USER_ID": ["1"],
    "X_USER_NAME": ["alice"],
    "X_USER_EMAIL": ["alice@example.com"],
    "X_USER_ROLES": ["admin,editor"],
    "X_USER_EMAIL_VERIFIED": ["false"],
}
got = {name: values for name, values in told["environ"].items() if name.startswith("X_USER")}
assert got == want, got
assert "AUTHORIZATION" not in told["environ"]
assert (told["method"], told["path"], told["body"]) == ("POST", "/api/orders?page=2", "a body")
assert told["headers"]["x-forwarded-for"] == ["127.0.0.1"]
PYTHON
same "identity of nobody at the backend" \
  "$(curl -s "$url/api/news/today" "${forged[@]}" | grep -ci 'x[-_]user' || true)" 0
same "a broken token on an open path" \
  "$(curl -s -o /dev/null -w '%{http_code}' "$url/api/news/today" -H 'Authorization: Bearer x')" 401
same "a path that no route names" "$(curl -s -o /dev/null -w '%{http_code}' "$url/elsewhere")" 404
same "a path with two readings" "$(curl -s -o /dev/null -w '%{http_code}' --path-as-is \
  "$url/api/news/..%2Fadmin/users" -H "Authorization: Bearer $token")" 400
stop "$work/own"
echo "the quick start works"

#!/usr/bin/env bash
# Builds the image that Dockerfile describes, and runs it: as whom, from where, and whether it
# answers, is healthy and ends well. With docker, podman or buildah, whichever is there; without
# one it says so, and nothing was checked. BUILD_FLAGS go to the build.
#
# How it was checked: with buildah 1.28 as root and BUILDAH_ISOLATION=chroot, which needs no
# daemon. Without a way to a registry the base image can be made first, under the name that FROM
# has: a Debian bookworm with gcc and libc6-dev (debootstrap makes one), with a Rust toolchain in
# /usr/local/cargo. Then
#   BUILD_FLAGS="--pull=never -v $HOME/.cargo/registry:/usr/local/cargo/registry" tests/dockerfile.sh
set -euo pipefail
cd "$(dirname "$0")/.."
image=portcullis-test

if docker info >/dev/null 2>&1; then
  engine=docker
elif podman info >/dev/null 2>&1; then
  engine=podman
elif command -v buildah >/dev/null; then
  engine=buildah
else
  echo "neither docker nor podman nor buildah runs here: THE IMAGE WAS NOT BUILT." >&2
  exit 0
fi

work=$(mktemp -d)
container=
process=
cleanup() {
  [ -z "$process" ] || kill "$process" 2>/dev/null || true
  [ -z "$container" ] || $engine rm ${force:-} "$container" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "IMAGE: $*" >&2
  [ ! -s "$work/out" ] || cat "$work/out" >&2
  exit 1
}

# What must hold of a running container: at `url`, with its binary started anew by `inside`.
try() {
  local token
  curl -sf -o /dev/null "$url/api/auth/register/" -d username=alice -d password=Tr1cky-phrase-77 \
    || fail "no registration"
  token=$(curl -sf "$url/api/auth/token/" -d username=alice -d password=Tr1cky-phrase-77 \
    | sed 's/.*"access": *"\([^"]*\)".*/\1/')
  curl -sf "$url/orders/7" -H "Authorization: Bearer $token" | grep -q '"x-user-id": "1"' \
    || fail "no identity at the upstream"
  inside health | grep -q '^ready' || fail "not healthy"
  inside user list | grep -q alice || fail "the command line does not reach the gateway"
}

echo "-- building with $engine"
# shellcheck disable=SC2086 # BUILD_FLAGS are several words
if [ $engine = buildah ]; then
  # The other formats have no place for a HEALTHCHECK.
  buildah bud --format docker ${BUILD_FLAGS:-} -t $image .
  user=$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' $image)
  health=$(buildah inspect --type image --format '{{.Docker.Config.Healthcheck.Test}}' $image)
else
  $engine build ${BUILD_FLAGS:-} -t $image .
  user=$($engine image inspect -f '{{.Config.User}}' $image)
  health=$($engine image inspect -f '{{.Config.Healthcheck.Test}}' $image)
fi
[ "$user" = 65532:65532 ] || fail "it runs as '$user'"
[[ $health == *"/portcullis health"* ]] || fail "no health check: $health"

echo "-- running it"
if [ $engine = buildah ]; then
  container=$(buildah from --pull=never localhost/$image)
  inside() { buildah run "$container" -- /portcullis "$@"; }
  # No network of its own here, so that any free port will do.
  buildah run "$container" -- /portcullis serve --listen 127.0.0.1:0 >"$work/out" 2>&1 &
  process=$!
  for _ in $(seq 200); do
    url=$(grep -o -m1 'http://127\.0\.0\.1:[0-9]*' "$work/out" || true)
    [ -z "$url" ] || break
    kill -0 $process 2>/dev/null || fail "it ended at once"
    sleep 0.05
  done
  [ -n "$url" ] || fail "it does not say where it listens"
  try
  files=$(cd "$(buildah mount "$container")" && find . -xdev -type f | sort)
  owner=$(stat -c '%u:%g %a' "$(buildah mount "$container")/data")
  # To the program itself, the last child: buildah hands on no signals.
  last=$process
  while child=$(pgrep -P "$last" | head -n 1) && [ -n "$child" ]; do last=$child; done
  kill -TERM "$last"
  wait $process || fail "after SIGTERM it exited with $?"
  process=
  [ "$owner" = "65532:65532 700" ] || fail "/data has owner and mode $owner"
  # The engine adds three of its own.
  [ "$(grep -v '^\./etc/' <<<"$files")" = ./portcullis ] || fail "more than the program: $files"
else
  force=-f
  container=$($engine run -d -p 127.0.0.1::8080 $image)
  inside() { $engine exec "$container" /portcullis "$@"; }
  url=http://$($engine port "$container" 8080/tcp | head -n 1)
  for _ in $(seq 200); do
    ! curl -s -o /dev/null "$url/public/" || break
    sleep 0.05
  done
  try
  $engine stop -t 20 "$container" >/dev/null
  code=$($engine inspect -f '{{.State.ExitCode}}' "$container")
  [ "$code" = 0 ] || fail "after SIGTERM it exited with $code"
fi
echo "the image is good"

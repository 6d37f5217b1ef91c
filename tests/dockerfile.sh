#!/usr/bin/env bash
# Builds the image that Dockerfile describes, and runs it: what is in it, as whom it runs, with a
# root that cannot be written, and whether it answers, is healthy, restarts and ends well:
# `tests/dockerfile.sh [BINARY]`. Needs root; installs podman, runc and curl from Debian's packages.
#
# The image that FROM names is made here, of this machine's own system and Rust toolchain, for
# there may be no way to its registry; PULL=1 takes the real one. The program is compiled without what
# makes it fast and small; FULL=1 compiles it as it is shipped. How large that is, is told by the
# release BINARY otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

image=localhost/portcullis-test
binary=${1:-${CARGO_TARGET_DIR:-target}/release/portcullis}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/image
work=$(mktemp -d)
id=portcullis-test-$$
mounted=

programs podman=podman runc=runc curl=curl

# runc, for crun wants a machine with one kind of cgroups; fatal, for it complains that no systemd
# looks at the health again and again, which is done here. The limits of files and processes are
# told because a container would else be given more than this shell may have.
engine() { podman --log-level fatal --runtime runc --cgroup-manager cgroupfs "$@"; }
run() {
  engine run \
    --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 --network none --pull never \
    --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges \
    -v "$id:/data" "$@"
}
cleanup() {
  engine rm -f -t 0 "$id" >/dev/null 2>&1 || true
  podman volume rm -f "$id" >/dev/null 2>&1 || true
  [ -z "$mounted" ] || podman image unmount "$image" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "IMAGE: $*" >&2
  podman logs "$id" >&2 2>/dev/null || true
  exit 1
}

from=$(awk 'toupper($1) == "FROM" { print $2; exit }' Dockerfile)
case $from in
  rust:*) from=docker.io/library/$from ;;
  *) fail "FROM is $from, which nobody knows how to make here" ;;
esac
flags=()
if [ "${PULL:-0}" = 0 ]; then
  echo "-- $from, of this machine"
  root=$work/root
  mkdir -p "$root"/{usr,etc/alternatives,etc/ssl/certs,toolchain,cargo/registry,root}
  mkdir -m 1777 "$root/tmp"
  for folder in bin sbin lib lib64; do
    [ "$(readlink "/$folder")" = "usr/$folder" ] || fail "/$folder is no link to usr/$folder here"
    ln -s "usr/$folder" "$root/$folder"
  done
  cp /etc/ld.so.cache "$root/etc"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  {
    echo 'FROM scratch'
    echo 'COPY . /'
    echo 'ENV PATH=/toolchain/bin:/usr/bin:/bin CARGO_HOME=/cargo CARGO_NET_OFFLINE=true'
    if [ "${FULL:-0}" = 0 ]; then
      echo 'ENV CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16'
      echo 'ENV CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_DEBUG=false'
    fi
  } >"$work/Dockerfile"
  podman build -q --isolation chroot --format docker -f "$work/Dockerfile" -t "$from" "$root" >/dev/null
  cargo fetch --locked
  registry=${CARGO_HOME:-$HOME/.cargo}/registry
  flags=(--pull=never -v /usr:/usr:ro -v /etc/alternatives:/etc/alternatives:ro
    -v "$(rustc --print sysroot):/toolchain:ro" -v "$registry:/cargo/registry")
fi

echo "-- the image"
# What was compiled stays, for the next time.
mkdir -p "$target"
started=$SECONDS
# The other formats have no place for a HEALTHCHECK.
podman build --isolation chroot --format docker "${flags[@]}" -v "$target:/src/target" \
  -t "$image" . >"$work/build" 2>&1 || { cat "$work/build" >&2; fail "it cannot be built"; }
echo "built in $((SECONDS - started)) s"

inspect() { podman image inspect --format "$1" "$image"; }
user=$(inspect '{{.Config.User}}')
[ "$user" = 65532:65532 ] || fail "it runs as '$user'"
health=$(inspect '{{.Config.Healthcheck.Test}}')
[ "$health" = "[CMD /portcullis health]" ] || fail "its health check is '$health'"
size=$(inspect '{{.Size}}')
if [ "${FULL:-0}" = 0 ]; then
  strip -o "$work/stripped" "$binary"
  # The same program, and at most so much of glibc: a small one with names, sockets, threads, files, processes and
  # numbers takes 1,030,000 bytes of it.
  size=$(($(stat -c %s "$work/stripped") + $(stat -c %s /etc/ssl/certs/ca-certificates.crt) + 1300000))
fi
[ "$size" -lt 30000000 ] || fail "it has $size bytes"
# From nothing: one program, one list of authorities, one empty folder.
mounted=$(podman image mount "$image")
found=$(cd "$mounted" && find . -mindepth 1 -printf '%y %m %U:%G %P\n' | sort -k 4)
expected="d 700 65532:65532 data
d 755 0:0 etc
d 755 0:0 etc/ssl
d 755 0:0 etc/ssl/certs
f 644 0:0 etc/ssl/certs/ca-certificates.crt
f 755 0:0 portcullis"
[ "$found" = "$expected" ] || fail "there is in it: $found"
echo "at most $((size / 1000)) kB, with nothing in it but the program and whom it believes"

echo "-- a container whose root cannot be written"
inside() { engine exec "$id" /portcullis "$@"; }
ask() { nsenter -t "$pid" -n curl -sSf "$@"; }
ready() {
  for _ in $(seq 200); do
    [ "$(engine inspect --format '{{.State.Running}}' "$id")" = true ] || fail "it ended at once"
    ! inside health >/dev/null 2>&1 || break
    sleep 0.1
  done
  engine healthcheck run "$id" || fail "not healthy"
  pid=$(engine inspect --format '{{.State.Pid}}' "$id")
}
stop() {
  engine stop -t 20 "$id" >/dev/null
  local code
  code=$(engine inspect --format '{{.State.ExitCode}}' "$id")
  [ "$code" = 0 ] || fail "after SIGTERM it exited with $code"
}

run -d --name "$id" "$image" >/dev/null
ready
url=http://127.0.0.1:8080
ask -o /dev/null "$url/api/auth/register/" -d username=alice -d password=Tr1cky-phrase-77
token=$(ask "$url/api/auth/token/" -d username=alice -d password=Tr1cky-phrase-77 \
  | sed 's/.*"access": *"\([^"]*\)".*/\1/')
ask "$url/orders/7" -H "Authorization: Bearer $token" | grep -q '"x-user-id": "1"' \
  || fail "no identity at the upstream"
inside user list | grep -q alice || fail "the command line does not reach the gateway"
uids=$(awk '/^Uid/ { print $2, $3, $4, $5 }' "/proc/$pid/status")
[ "$uids" = "65532 65532 65532 65532" ] || fail "it runs as $uids"
caps=$(awk '/^Cap(Prm|Eff|Bnd|Amb)/ { print $2 }' "/proc/$pid/status" | sort -u)
[ "$caps" = 0000000000000000 ] || fail "it has capabilities: $caps"
if touch "/proc/$pid/root/written" 2>/dev/null; then fail "its root can be written"; fi

echo "-- it ends, and begins again"
stop
engine start "$id" >/dev/null
ready
ask "$url/orders/7" -H "Authorization: Bearer $token" >/dev/null || fail "the users are gone"
# One that hangs is not healthy. The engine's patience is that of HEALTHCHECK.
kill -STOP "$pid"
if timeout 4 podman exec "$id" /portcullis health; then fail "healthy, though it hangs"; fi
kill -CONT "$pid"
stop
echo "the image is good"

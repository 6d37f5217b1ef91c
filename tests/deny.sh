#!/usr/bin/env bash
# Licences of what is built in, two versions of one crate, crates that must not come in, and where all of it is
# from: `tests/deny.sh`. The rules are those of .deny.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=$(realpath -m "${CARGO_TARGET_DIR:-target}")/deny
PATH=$tool/bin:$PATH
command -v cargo-deny >/dev/null ||
  cargo install --quiet --debug --locked --root "$tool" cargo-deny@0.20.2
cargo deny --locked check bans licenses sources

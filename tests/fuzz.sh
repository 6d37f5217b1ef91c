#!/usr/bin/env bash
# Fuzzes targets for so many seconds each: `tests/fuzz.sh SECONDS [TARGET...]`, all of them if none is named.
# Begins with what is kept below tests/fuzz/corpus; `KEEP=1` keeps, beside it, the smallest set that covers as
# much as was found. A failure is written below target/fuzz; put the input into the corpus, and mend what it shows.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$1
shift
targets=("$@")
if [ $# -eq 0 ]; then
  for kept in tests/fuzz/corpus/*.txt; do
    targets+=("$(basename "$kept" .txt)")
  done
fi
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

# libFuzzer's counters are an unstable flag of the compiler; the sanitizers would find what `unsafe` does
# wrong, and there is none here.
export RUSTC_BOOTSTRAP=1
fuzz=(cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none --target-dir "${CARGO_TARGET_DIR:-target}/fuzz/build" targets)
for target in "${targets[@]}"; do
  export FUZZ_TARGET=$target
  work=${CARGO_TARGET_DIR:-target}/fuzz/$target
  mkdir -p "$work/found" "$work/failed"
  python3 tests/fuzz/corpus.py unpack "tests/fuzz/corpus/$target.txt" "$work/found"
  echo "== $target"
  "${fuzz[@]}" "$work/found" -- -max_total_time="$seconds" -max_len=2000 -timeout=20 -rss_limit_mb=4096 \
    -artifact_prefix="$work/failed/" -print_final_stats=1 2>&1 |
    grep -v '^#.*\(NEW\|REDUCE\|RELOAD\|pulse\)' | tee "$work/log" |
    grep '^stat::number\|^stat::average\|panicked\|ERROR\|Done' || true
  # The fuzzer's own word, for a pipe has the status of its end.
  grep -q '^Done' "$work/log" || { tail -n 40 "$work/log"; exit 1; }
  if [ "${KEEP:-0}" = 1 ]; then
    rm -rf "$work/least" && mkdir "$work/least"
    "${fuzz[@]}" "$work/least" "$work/found" -- -merge=1 -max_len=2000 2>/dev/null
    python3 tests/fuzz/corpus.py pack "$work/least" "tests/fuzz/corpus/$target.txt"
  fi
done

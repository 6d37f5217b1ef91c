#!/usr/bin/env bash
# Mutants of the rooms that decide who is let in: `tests/mutants.sh [ROOM...]`, all of them if none is named
# (tests/mutants/rooms.py has the list). What they find is kept below target/mutants.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

programs git=git python3=python3
tests/postgres.sh
exec python3 tests/mutants/main.py "$@"

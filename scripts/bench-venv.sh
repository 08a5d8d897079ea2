#!/usr/bin/env bash
# The virtual environment that `make bench` runs EZKL in. Safe to run again; a second run uses no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.deps/ezkl-venv
WANTED=scripts/bench-requirements.txt

if ! cmp --silent "$WANTED" "$VENV/installed.txt"; then
  python3 -m venv --clear "$VENV"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: -r "$WANTED"
  cp "$WANTED" "$VENV/installed.txt" # last: a broken run is repeated
fi

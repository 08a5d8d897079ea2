#!/usr/bin/env bash
# Creates a virtual environment for examples/audit.py in .deps/venv. Safe to run again; a second run uses no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.deps/venv
WANTED=scripts/audit-requirements.txt

if ! cmp --silent "$WANTED" "$VENV/installed.txt"; then
  python3 -m venv --clear "$VENV"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: -r "$WANTED"
  cp "$WANTED" "$VENV/installed.txt" # last, so that an interrupted run is repeated
fi
echo "audit: $VENV/bin/python examples/audit.py"

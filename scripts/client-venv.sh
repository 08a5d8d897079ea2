#!/usr/bin/env bash
# A virtual environment with the Python client of this clone, in .deps/client-venv. Safe to run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.deps/client-venv
WANTED=scripts/client-requirements.txt

if ! cmp --silent "$WANTED" "$VENV/installed.txt"; then
  python3 -m venv --clear "$VENV"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$WANTED"
  cp "$WANTED" "$VENV/installed.txt" # last: a broken run is repeated
fi
# the build's own requirements are installed above: no second environment is made for it
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall ./clients/python

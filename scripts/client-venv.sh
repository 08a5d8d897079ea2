#!/usr/bin/env bash
# A virtual environment with the Python client of this clone, in .deps/client-venv. Safe to run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/venv.sh .deps/client-venv scripts/client-requirements.txt
# the build's own requirements are installed above: no second environment is made for it
.deps/client-venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall ./clients/python

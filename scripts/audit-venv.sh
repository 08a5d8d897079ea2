#!/usr/bin/env bash
# Creates a virtual environment for examples/audit.py in .deps/venv. Safe to run again; a second run uses no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/venv.sh .deps/venv scripts/audit-requirements.txt
echo "audit: .deps/venv/bin/python examples/audit.py"

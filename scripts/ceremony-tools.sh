#!/usr/bin/env bash
# Installs snarkjs at a pinned version. Only tests use it, to run powers-of-tau ceremonies. Safe to run again; a second
# run uses no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../circuits/tests/ceremony"
installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ package-lock.json -nt "$installed" ]; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  touch "$installed"
fi

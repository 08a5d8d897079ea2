#!/usr/bin/env bash
# Installs what only the tests need: snarkjs and a second EVM node (Hardhat's) from npm, an S3 server (moto) from PyPI, and
# PostgreSQL's server programs, if they are missing and it has permission.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/ceremony-tools.sh
scripts/venv.sh .deps/s3-venv scripts/s3-requirements.txt

node=verifier-contract/hardhat
installed="$node/node_modules/.package-lock.json"
if [ ! -e "$installed" ] || [ "$node/package-lock.json" -nt "$installed" ]; then
  (cd "$node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  touch "$installed"
fi

if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  scripts/apt-install.sh postgresql "the tests need PostgreSQL's server programs: install the package postgresql"
fi

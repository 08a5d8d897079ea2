#!/usr/bin/env bash
# Installs what only the tests need: snarkjs and a second EVM node (Hardhat's) from npm, an S3 server (s3s-fs, a crate), and
# PostgreSQL's server programs, if they are missing and it has permission.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/ceremony-tools.sh

s3=0.14.1
mkdir -p .deps
if [ "$(.deps/s3/bin/s3s-fs --version 2>/dev/null)" != "s3s-fs $s3" ]; then
  CARGO_PROFILE_DEV_DEBUG=false cargo install s3s-fs --version "$s3" --features binary --locked --debug --quiet --root .deps/s3 2>.deps/s3.log || {
    cat .deps/s3.log >&2
    exit 1
  }
fi

node=verifier-contract/hardhat
installed="$node/node_modules/.package-lock.json"
if [ ! -e "$installed" ] || [ "$node/package-lock.json" -nt "$installed" ]; then
  (cd "$node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  touch "$installed"
fi

if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  scripts/apt-install.sh postgresql "the tests need PostgreSQL's server programs: install the package postgresql"
fi

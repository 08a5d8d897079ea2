#!/usr/bin/env bash
# What only the tests need: snarkjs, and PostgreSQL's server programs. Installs them where they are missing and it may.
set -euo pipefail
"$(dirname "${BASH_SOURCE[0]}")/ceremony-tools.sh"
if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
else
  echo "the tests need PostgreSQL's server programs: install the package postgresql" >&2
  exit 1
fi

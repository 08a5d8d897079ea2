#!/usr/bin/env bash
# Builds the web console into console/dist, which the program embeds when it is compiled. Packages come from npm, pinned by
# console/package-lock.json. Does nothing, and uses no network, if nothing has changed since the last build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

installed=console/node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ console/package-lock.json -nt "$installed" ]; then
  (cd console && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  touch "$installed"
fi

sources=(console/src console/public console/scripts/generate.mjs console/index.html console/vite.config.ts console/tsconfig.json
  console/package-lock.json proto/tribute verifier-contract/abi clients/python/tribute/_poseidon2.py)
built=console/dist/index.html
if [ -e "$built" ] && [ -z "$(find "${sources[@]}" -path console/src/gen -prune -o -newer "$built" -print -quit)" ]; then
  exit 0
fi
(cd console && npm run --silent build)

#!/usr/bin/env bash
# Static analysis of the contracts: fails on any finding that is not answered in the code or in slither.config.json.
# Installs the analyser into .deps/slither; a second run uses no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV="$PWD/.deps/slither"
scripts/venv.sh "$VENV" scripts/slither-requirements.txt

# Slither cleans and rebuilds: use separate folders, so that the artefacts stay.
cd verifier-contract
FOUNDRY_OUT=out-slither FOUNDRY_CACHE_PATH=cache-slither PATH="$PWD/bin:$PATH" \
  "$VENV/bin/slither" . --config-file slither.config.json

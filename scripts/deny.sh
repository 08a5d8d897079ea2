#!/usr/bin/env bash
# Checks every dependency against deny.toml: licences, bans, sources. `scripts/deny.sh advisories` queries the advisory
# database instead, which needs the network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/tools.sh
if [ "${1:-}" = advisories ]; then
  .deps/tools/cargo-deny --locked check advisories
else
  cargo fetch --quiet --locked --target x86_64-unknown-linux-gnu
  .deps/tools/cargo-deny --log-level error --offline --locked check licenses bans sources
fi

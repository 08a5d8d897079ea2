#!/usr/bin/env bash
# The contracts' tests, with everything that they need and everything that is held against what is committed. With `renew`
# the snapshots are written anew instead of compared; with `tested` the Rust side has just been built and tested whole,
# and is not again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

MODE="${1:-check}"
CARGO="${CARGO:-cargo}"
DIFFERENTIAL="${CARGO_TARGET_DIR:-target}/tmp/differential.json"
FORGE=verifier-contract/cache/forge.json

# real proofs, made again when a circuit changed; verifiers: ours, the generated ones and the native ones
if [ "$MODE" = tested ]; then
  MODE=check
  "${CARGO_TARGET_DIR:-target}/release/examples/fixtures"
else
  "$CARGO" run --release --locked --quiet -p tribute-evm --example fixtures
  rm -f "$DIFFERENTIAL"
  "$CARGO" test --release --locked --quiet -p tribute-evm
fi

# contracts: unit, fuzz, invariants, attacks, gas; failed tests are in the JSON, the report names them
mkdir -p "$(dirname "$FORGE")"
cd verifier-contract
bin/forge fmt --check
bin/forge build --quiet
bin/forge test --json >"../$FORGE" || [ -s "../$FORGE" ]
cd ..
python3 scripts/contracts_report.py "$MODE" "$FORGE" "$DIFFERENTIAL"

scripts/slither.sh

#!/usr/bin/env bash
# Runs the contracts' tests, with everything they need, and compares the results with what is committed. With `renew`
# the snapshots are rewritten instead of compared; with `tested` the Rust side has just been built and tested and is not
# tested again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

MODE="${1:-check}"
CARGO="${CARGO:-cargo}"
DIFFERENTIAL="${CARGO_TARGET_DIR:-target}/tmp/differential.json"
FORGE=verifier-contract/cache/forge.json

# real proofs, made again if a circuit changed; verifiers: ours, the generated ones and the native ones
if [ "$MODE" = tested ]; then
  MODE=check
  "${CARGO_TARGET_DIR:-target}/release/examples/fixtures"
else
  "$CARGO" run --release --locked --quiet -p tribute-evm --example fixtures
  rm -f "$DIFFERENTIAL"
  "$CARGO" test --release --locked --quiet -p tribute-evm
fi

# contracts: unit, fuzz, invariants, attacks, gas; failed tests are in the JSON, and the report names them
mkdir -p "$(dirname "$FORGE")"
cd verifier-contract
bin/forge fmt --check
bin/forge build --quiet
bin/forge test --json >"../$FORGE" || [ -s "../$FORGE" ]
cd ..
python3 scripts/contracts_report.py "$MODE" "$FORGE" "$DIFFERENTIAL"

scripts/slither.sh

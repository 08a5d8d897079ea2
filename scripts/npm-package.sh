#!/usr/bin/env bash
# The npm package of interfaces and ABIs for contract callers: packs it into target/npm. With `test`, installs the packed file
# in an empty folder, compiles a contract and a TypeScript program that use it, and lets both ask a deployment on a chain of
# their own; that needs the built program (make build).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET="${CARGO_TARGET_DIR:-$PWD/target}"
CONTRACTS="$PWD/verifier-contract"
(cd "$CONTRACTS" && bin/forge build --quiet)
node "$CONTRACTS/npm/build.mjs" "$TARGET/npm/package"
(cd "$TARGET/npm" && rm -f ./*.tgz && npm pack --silent ./package >/dev/null)
tarball="$(ls "$TARGET"/npm/*.tgz)"
echo "npm: packed $(basename "$tarball"), $(du -k "$tarball" | cut -f1) kB"
[ "${1:-}" = test ] || exit 0

tools="$CONTRACTS/npm/test"
installed="$tools/node_modules/.package-lock.json"
if [ ! -e "$installed" ] || [ "$tools/package-lock.json" -nt "$installed" ]; then
  (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  touch "$installed"
fi

folder="$(mktemp -d)"
anvil=""
trap '[ -z "$anvil" ] || kill "$anvil"; rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "name": "caller", "private": true, "type": "module" }' >package.json
npm install --silent --offline --ignore-scripts --no-audit --no-fund "$tarball"
cp "$tools"/{CertifiedOnly.sol,use.ts,tsconfig.json} .
# beside the package, what a caller has anyway
for tool in viem @types; do ln -s "$tools/node_modules/$tool" "node_modules/$tool"; done

"$CONTRACTS/bin/forge" build --quiet --root . --contracts . --out out --use "$CONTRACTS/bin/solc" --offline \
  --remappings "@tribute/contracts/=node_modules/@tribute/contracts/"
python3 - <<'PY'
import json

built = json.load(open("out/CertifiedOnly.sol/CertifiedOnly.json"))
json.dump({"abi": built["abi"], "bytecode": built["bytecode"]["object"]}, open("compiled.json", "w"))
PY
node "$tools/node_modules/typescript/bin/tsc" --project tsconfig.json

port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
"$CONTRACTS/bin/anvil" --silent --port "$port" --hardfork osaka &
anvil=$!
export TRIBUTE_RPC="http://127.0.0.1:$port" TRIBUTE_ARTIFACTS="$CONTRACTS/out"
# the first key of every local chain
export TRIBUTE_KEY=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
until "$CONTRACTS/bin/cast" chain-id --rpc-url "$TRIBUTE_RPC" >/dev/null 2>&1; do
  kill -0 "$anvil"
  sleep 0.1
done
"$TARGET/release/tribute" chain deploy --thaw-seconds 60 --json >deployed.json
node use.js "$TRIBUTE_RPC" deployment.json compiled.json "$TRIBUTE_KEY"

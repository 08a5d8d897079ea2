#!/usr/bin/env bash
# Creates the virtual environment FOLDER with the packages that the file REQUIREMENTS pins. Safe to run again; a second run uses no
# network.
#
#   venv.sh FOLDER REQUIREMENTS
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder="$1" wanted="$2"

if ! cmp --silent "$wanted" "$folder/installed.txt"; then
  python3 -m venv --clear "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: -r "$wanted"
  cp "$wanted" "$folder/installed.txt" # last, so that an interrupted run is repeated
fi

#!/usr/bin/env bash
# Builds a wheel of the command line into target/wheels, with the same cargo build as `make build`, and uses it once: in a fresh
# virtual environment, with the Python client, it verifies a certificate and makes its page.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_TARGET_DIR:-target}"

scripts/venv.sh "${TRIBUTE_WHEEL_VENV:-.deps/wheel-venv}" scripts/wheel-requirements.txt
maturin="${TRIBUTE_WHEEL_VENV:-.deps/wheel-venv}/bin/maturin"
rm -rf "$target/wheels"
"$maturin" build --quiet --release --locked --manifest-path prover/cli/Cargo.toml --compatibility linux --out "$target/wheels"
wheel="$(echo "$target"/wheels/tribute_program-*.whl)"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel" ./clients/python
cat > "$work/use.py" <<'PYTHON'
import sys
import tribute
from tribute.verify import program

assert program().startswith(sys.prefix), f"{program()} is not the wheel's"
verified = tribute.verify(sys.argv[1], allow_dev_srs=True)
assert "Not proven" in verified.text and sum(verified.shares.values()) > 0.999
assert verified.report().html.startswith("<!DOCTYPE html>")
try:
    tribute.verify(open(sys.argv[1], "rb").read().replace(b'"records": ', b'"records": 1', 1), allow_dev_srs=True)
except tribute.Refused as refused:
    print(f"verified; an altered copy is refused: {str(refused)[:80]}")
else:
    sys.exit("an altered certificate was accepted")
PYTHON
env -u TRIBUTE_PROGRAM PATH=/usr/bin:/bin "$work/venv/bin/python" "$work/use.py" fuzz/corpus/certificate.json
echo "wheel: $wheel ($(du -h "$wheel" | cut -f1))"

"""Where this checkout keeps what it builds and fetches, for programs in Python that run it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release/tribute"
"""The command-line program, as `make build` makes it."""
PLACES = {
    "TRIBUTE_ARTIFACTS": str(ROOT / "verifier-contract/out"),
    "TRIBUTE_ONNXRUNTIME": str(ROOT / ".deps/ort/libonnxruntime.so"),
}
"""Environment variables that tell the program where the contracts' artefacts and onnxruntime's library are."""

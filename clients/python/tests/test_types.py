"""The package has types, and they hold."""

import os
import subprocess
import sys
from importlib.resources import files

from conftest import ROOT


def test_types_are_checked():
    assert files("tribute").joinpath("py.typed").is_file()
    command = [sys.executable, "-m", "mypy", "--cache-dir", os.devnull]
    done = subprocess.run(command, cwd=ROOT / "clients/python", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

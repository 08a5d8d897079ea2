"""Checking certificates with the independent verifier, ``tribute verify``: no service, no chain, no data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from .types import SHARE_UNIT


class Refused(Exception):
    """A file that does not hold. The message starts with the field that is wrong."""


@dataclass(frozen=True)
class Verified:
    """A certificate or an evaluation whose every proof was checked."""

    fields: Mapping[str, Any]
    """The file."""
    report: str
    """What it proves and what it does not, in words."""

    @property
    def certificate(self) -> Mapping[str, Any]:
        """The certificate: the file itself, or the one that an evaluation holds."""
        return self.fields.get("certificate", self.fields)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each dataset, by its id."""
        return {d["dataset_id"]: d["share"] * SHARE_UNIT for d in self.certificate["datasets"]}

    @property
    def accuracy(self) -> float | None:
        """The proven accuracy, if the file is an evaluation."""
        dataset = self.fields.get("dataset")
        return dataset["correct"] / dataset["records"] if dataset else None

    def __str__(self) -> str:
        return self.report


def program() -> str:
    """Path of the command line: ``TRIBUTE_PROGRAM``, or what is found as ``tribute`` on the path."""
    found = os.environ.get("TRIBUTE_PROGRAM") or shutil.which("tribute")
    if not found:
        raise FileNotFoundError("the program `tribute` is not on the path: it has the verifier; or set TRIBUTE_PROGRAM")
    return found


def verify(
    file: str | os.PathLike[str] | bytes, *, srs: str | os.PathLike[str] | None = None, allow_dev_srs: bool = False
) -> Verified:
    """Checks a certificate or an evaluation.

    Parameters
    ----------
    file : path or bytes
        The file, or what is in it.
    srs : path, optional
        The ceremony's file. Take it from the ceremony, not from whoever gave you the certificate.
    allow_dev_srs : bool
        Accept proofs under the development SRS, which anyone can forge.

    Raises
    ------
    Refused
        Something in it is wrong.
    """
    if isinstance(file, bytes):
        with tempfile.NamedTemporaryFile(suffix=".json") as copy:
            copy.write(file)
            copy.flush()
            return verify(copy.name, srs=srs, allow_dev_srs=allow_dev_srs)
    content = Path(file).read_bytes()
    command = [program(), "verify", os.fspath(file)]
    command += ["--allow-dev-srs"] if allow_dev_srs else []
    command += ["--srs", os.fspath(srs)] if srs else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stderr.strip().removeprefix("error: "))
    return Verified(json.loads(content), done.stdout)

"""Checks certificates with the independent verifier, ``tribute verify``, without a service, a chain or the data."""

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
    """The file is invalid. The message starts with the field that is wrong."""


@dataclass(frozen=True)
class Verified:
    """A certificate or an evaluation of which every proof was checked."""

    fields: Mapping[str, Any]
    """The file's contents."""
    report: str
    """Text on what it proves and what it does not."""

    @property
    def certificate(self) -> Mapping[str, Any]:
        """The certificate: the file itself, or the one contained in an evaluation."""
        return self.fields.get("certificate", self.fields)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each dataset, by dataset id."""
        return {d["dataset_id"]: d["share"] * SHARE_UNIT for d in self.certificate["datasets"]}

    @property
    def accuracy(self) -> float | None:
        """The proven accuracy, if the file is an evaluation."""
        dataset = self.fields.get("dataset")
        return dataset["correct"] / dataset["records"] if dataset else None

    def __str__(self) -> str:
        return self.report


def program() -> str:
    """Path of the command-line program: ``TRIBUTE_PROGRAM``, or ``tribute`` on the search path."""
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
        Path of the file, or its contents.
    srs : path, optional
        The ceremony's file. Get it from the ceremony, not from whoever gave you the certificate.
    allow_dev_srs : bool
        Accept proofs under the development SRS, which anyone can forge.

    Raises
    ------
    Refused
        The file is invalid.
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

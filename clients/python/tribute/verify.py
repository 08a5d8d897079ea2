"""Checks certificates with the independent verifier, ``tribute verify``, without a service, a chain or the data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Mapping, Sequence

from ._advice import in_python
from .types import SHARE_UNIT


class Refused(Exception):
    """The file is invalid. The message starts with the field that is wrong."""


@dataclass(frozen=True)
class Page:
    """A certificate as one HTML page, which loads nothing from elsewhere. A notebook shows it."""

    html: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the page to a file."""
        Path(path).write_text(self.html, encoding="utf-8")

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.html)}" sandbox="" style="width: 100%; height: 40em; border: 0"></iframe>'


@dataclass(frozen=True)
class Verified:
    """A certificate or an evaluation of which every proof was checked."""

    fields: Mapping[str, Any]
    """The file's contents."""
    text: str
    """What it proves and what it does not."""
    _content: bytes = field(repr=False)
    _trust: tuple[str, ...] = field(repr=False)

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

    def report(
        self, path: str | os.PathLike[str] | None = None, *, evaluations: Sequence["Verified"] = ()
    ) -> Page:
        """One HTML page: what is and is not proven, shares, accuracy, how to check it.

        Parameters
        ----------
        path : path, optional
            File to write the page to.
        evaluations : sequence of Verified
            Verified evaluations of the same agent version, whose accuracies the page shows.
        """
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, f"{i}.json") for i in range(len(evaluations) + 1)]
            for file, verified in zip(files, (self, *evaluations)):
                file.write_bytes(verified._content)
            page = Path(folder, "page.html")
            shown = [argument for file in files[1:] for argument in ("--evaluation", os.fspath(file))]
            _run("certificate", "report", os.fspath(files[0]), *shown, "--out", os.fspath(page), *self._trust)
            made = Page(page.read_text(encoding="utf-8"))
        if path is not None:
            made.save(path)
        return made

    def __str__(self) -> str:
        return self.text


def program() -> str:
    """Path of the command-line program: ``TRIBUTE_PROGRAM``, or ``tribute`` of this environment or on the search path."""
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))
    found = os.environ.get("TRIBUTE_PROGRAM") or shutil.which("tribute", path=path)
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
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    trust: tuple[str, ...] = ("--allow-dev-srs",) if allow_dev_srs else ()
    trust += ("--srs", os.fspath(srs)) if srs else ()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "file.json")
        copy.write_bytes(content)
        try:
            text = _run("verify", os.fspath(copy), *trust)
        except Refused as refused:
            raise Refused(str(refused).removeprefix(f"{copy} is refused: ")) from None
    return Verified(json.loads(content), text, content, trust)


def _run(*arguments: str) -> str:
    """Runs the command-line program; raises `Refused` with its message if it fails."""
    done = subprocess.run([program(), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise Refused(in_python(done.stderr.strip().removeprefix("error: ")))
    return done.stdout

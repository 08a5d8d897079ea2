"""How tables are read."""

from __future__ import annotations

from typing import Literal, Sequence, TypedDict


class Reading(TypedDict, total=False):
    """How to read a table. What is not given is detected, and no doubt is accepted."""

    header: bool
    """Whether the first row is a header."""
    separator: Literal["comma", "semicolon", "tab"]
    decimal: Literal["point", "comma"]
    label: str
    """The label's column: a name, or its number from 1."""
    drop: Sequence[str]
    """Columns to leave out: names, or numbers from 1."""
    gaps_are_labels: bool
    """Whether ``NA``, ``missing``, ``-`` and the like are a class rather than a missing value."""
    accept: Sequence[str]
    """Kinds of doubts to accept: ``clamped``, ``incomplete``, ``unlabelled``, ``coarse``, ``position``, ``similar``,
    ``many_classes``, ``index``, ``days``."""

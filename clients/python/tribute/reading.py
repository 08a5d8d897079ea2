"""How tables are read."""

from __future__ import annotations

from typing import Any, Iterable, Literal, Sequence, TypedDict

from ._proto.tribute.v1 import dataset_pb2


class Reading(TypedDict, total=False):
    """How to read a table. What is not given is detected, and no doubt is accepted."""

    header: bool
    """Whether the first row is a header."""
    separator: Literal["comma", "semicolon", "tab"]
    decimal: Literal["point", "comma"]
    label: str | int
    """The label's column: a name, or its number from 1."""
    drop: Sequence[str | int] | str | int
    """Columns to leave out: names, or numbers from 1. One may be given without a list, here and in `accept`."""
    gaps_are_labels: bool
    """Whether ``NA``, ``missing``, ``-`` and the like are a class rather than a missing value."""
    accept: Sequence[str] | str
    """Kinds of doubts to accept: ``clamped``, ``incomplete``, ``unlabelled``, ``coarse``, ``position``, ``similar``,
    ``many_classes``, ``index``, ``days``."""


def names(given: Any) -> list[str]:
    """Names, or numbers, of a list, or of one that stands alone."""
    if given is None:
        return []
    several = isinstance(given, Iterable) and not isinstance(given, str)
    return [str(name) for name in (given if several else [given])]


def options(reading: Reading) -> dataset_pb2.TableOptions:
    """How to read a file, as the service's messages have it."""
    given: dict[str, Any] = {**reading}
    for several in given.keys() & {"drop", "accept"}:
        given[several] = names(given[several])
    if given.get("label") is not None:
        given["label"] = str(given["label"])
    return dataset_pb2.TableOptions(**given)


def accepted(reading: Reading) -> list[str]:
    """The doubts about arrays to accept.

    Raises
    ------
    TypeError
        There is another option: it says how to read a file.
    """
    other = next((name for name in reading if name != "accept"), None)
    if other is not None:
        raise TypeError(f"{other} says how to read a file, but the records are arrays, which take only accept: leave it out")
    return names(reading.get("accept"))

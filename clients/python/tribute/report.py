"""Reports on records, before anything is committed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Collection, Mapping

import numpy as np
import numpy.typing as npt

from . import errors
from .schema import Schema

FEW = 3
"""A feature is coarse if at most so many steps hold nine tenths of its values and twice as many distinct values."""
CROWD = 16.0
"""A feature is crowded if the middle nine tenths of at least twice as many distinct values lie within so many steps."""
SHOWN = 20
"""Largest number of features that are all listed; of more, only those with something to tell."""


@dataclass(frozen=True, repr=False)
class Report:
    """What is in a table, or in arrays, and the doubts about it. Printed, or shown by a notebook, it is its text."""

    fields: Mapping[str, Any]
    """``records``, ``header``, ``features``, ``classes``, ``duplicates``, ``notes``, ``doubts``, …: the service's report as it is in
    JSON. That on arrays has those that arrays can have."""
    text: str
    """The same for people to read."""

    @property
    def records(self) -> int:
        """Number of records that would be committed."""
        return self.fields["records"]

    @property
    def clamped(self) -> dict[str, int]:
        """For each feature with values outside the schema's range, how many."""
        counts = {c["name"]: c["clamped_below"] + c["clamped_above"] for c in self.fields["features"]}
        return {name: count for name, count in counts.items() if count}

    @property
    def doubts(self) -> list[str]:
        """Kinds of the doubts that were not accepted, as ``accept`` takes them."""
        return list(dict.fromkeys(doubt["kind"] for doubt in self.fields["doubts"] if not doubt["accepted"]))

    def __repr__(self) -> str:
        return self.text

    def settled(self) -> None:
        """Does nothing if every doubt was accepted.

        Raises
        ------
        errors.BadRecord
            With the report as its message, and the open doubts as ``doubts`` in its metadata.
        """
        if self.doubts:
            raise errors.BadRecord(self.text, {"doubts": " ".join(self.doubts)})


def of_arrays(schema: Schema, features: npt.ArrayLike, targets: npt.ArrayLike, accept: Collection[str] = ()) -> Report:
    """The report on records given as arrays.

    Parameters
    ----------
    features : array_like of shape (n, features)
        In the schema's units.
    targets : array_like of shape (n,)
        Labels or real values.
    accept : collection of str
        Kinds of doubts to accept: ``clamped`` and ``coarse``.

    Raises
    ------
    errors.BadQuery, errors.BadRecord
        A value is not finite, or a target is not the schema's.
    """
    values = schema.in_order(features)
    steps = schema.quantise(values)
    if values.ndim != 2 or np.shape(targets) != values.shape[:1]:
        raise ValueError(f"features of shape {values.shape}, but targets of shape {np.shape(targets)}")
    numbers = schema.quantise_target(targets)
    columns = []
    for i, (name, lo, hi) in enumerate(zip(schema.features, schema.lo.tolist(), schema.hi.tolist())):
        columns.append({"name": name, "column": i + 1, "range": [lo, hi], **_resolution(values[:, i], steps[:, i], lo, hi)})
    found = [*map(_clamped, columns, values.T), *map(_coarse, columns)]
    doubts = [{**doubt, "accepted": doubt["kind"] in accept} for doubt in found if doubt]
    counts = Counter(numbers.tolist())
    # zero has two signs
    rows = {hash((row.tobytes(), target)) for row, target in zip(values + 0.0, numbers.tolist())}
    fields = {
        "records": len(values),
        "features": columns,
        "classes": [{"label": label, "records": counts[i]} for i, label in enumerate(schema.classes or ())],
        "duplicates": len(values) - len(rows),
        "notes": _notes(columns),
        "doubts": doubts,
    }
    return Report(fields, _text(fields))


def _resolution(values: npt.NDArray[np.float64], steps: npt.NDArray[np.uint8], lo: float, hi: float) -> dict[str, Any]:
    """How much of a feature's information survives quantisation: as the service counts it for tables."""
    distinct, first, times = np.unique(values, return_index=True, return_counts=True)
    on, inside = steps[first], (distinct >= lo) & (distinct <= hi)
    coarse = crowded = False
    if inside.any():
        # of each step, without the records of the commonest value
        records = np.bincount(on[inside], times[inside], 256).astype(int)
        values_on = np.bincount(on[inside], minlength=256)
        commonest = np.argmax(np.where(inside, times, 0))
        records[on[commonest]] -= times[commonest]
        order = np.lexsort((values_on, records))[::-1]
        used = int(np.searchsorted(10 * np.cumsum(records[order]), 9 * records.sum())) + 1 if records.sum() else 0
        coarse = 0 < used <= FEW and int(values_on[order[:used]].sum()) >= 2 * used
    if len(distinct) >= 2 * CROWD:
        aside = len(distinct) // 20
        crowded = bool(distinct[-1 - aside] - distinct[aside] < (hi - lo) * CROWD / 255.0)
    return {
        "min": float(distinct[0]) if len(distinct) else 0.0,
        "max": float(distinct[-1]) if len(distinct) else 0.0,
        "missing": 0,
        "clamped_below": int(np.count_nonzero(values < lo)),
        "clamped_above": int(np.count_nonzero(values > hi)),
        "distinct": len(distinct),
        "steps": len(np.unique(steps)),
        "coarse": coarse,
        "crowded": crowded,
    }


def _clamped(column: dict[str, Any], values: npt.NDArray[np.float64]) -> dict[str, Any] | None:
    """The doubt if more than a few of a feature's values are outside its range, or any is far outside: as the service has it for tables."""
    (lo, hi), n = column["range"], len(values)
    outside = np.flatnonzero((values < lo) | (values > hi))
    few = max(n // 100, min(3, n // 10))
    far = column["min"] < lo - (hi - lo) or column["max"] > hi + (hi - lo)
    if not len(outside) or (len(outside) <= few and not far):
        return None
    row = int(outside[0])
    return {
        "kind": "clamped",
        "message": (
            f"record {row}, feature {column['column'] - 1} (`{column['name']}`) is {values[row]}, outside the schema's range [{lo}, {hi}], "
            f"like {len(outside)} of {n} values ({100 * len(outside) // n} %), which run from {column['min']} to {column['max']}"
        ),
        "advice": (
            "check the unit, correct outliers, make the schema from wider data, or move these values to the range's ends with "
            "accept=['clamped']"
        ),
    }


def _coarse(column: dict[str, Any]) -> dict[str, Any] | None:
    if not column["coarse"]:
        return None
    low, high = column["range"]
    return {
        "kind": "coarse",
        "message": (
            f"feature {column['column'] - 1} (`{column['name']}`) loses most of its values: nearly all of its {column['distinct']} "
            f"distinct values fall on at most {FEW} of the 256 steps from {low} to {high}"
        ),
        "advice": "correct outliers and check the unit, make the schema with range='quantile', or accept it with accept=['coarse']",
    }


def _notes(columns: list[dict[str, Any]]) -> list[str]:
    notes = []
    constant = [c["name"] for c in columns if c["distinct"] == 1]
    if constant:
        notes.append(f"constant, so they carry no information: {_some(constant)}")
    crowded = [c["name"] for c in columns if c["crowded"] and not c["coarse"]]
    if crowded:
        notes.append(
            "a few values far off, such as an outlier or a placeholder for a missing value (-999), leave at most 16 of the 256 steps to "
            f"nine tenths of the values: {_some(crowded)}; correct them, or make the schema with range='quantile'"
        )
    clamped = {c["name"]: c["clamped_below"] + c["clamped_above"] for c in columns if c["clamped_below"] + c["clamped_above"]}
    if clamped:
        count = sum(clamped.values())
        notes.append(f"{count} value{' is' if count == 1 else 's are'} clamped to the ends of the ranges: {_some(list(clamped))}")
    return notes


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(f"`{name}`" for name in names[:5]) + more


def _text(fields: Mapping[str, Any]) -> str:
    lines = [f"arrays: {fields['records']} records"]
    lines += [f"    class `{c['label']}`: {c['records']} records" for c in fields["classes"]]
    if fields["duplicates"]:
        lines.append(f"  counted     {fields['duplicates']} duplicates")
    lines.append(f"  features    {len(fields['features'])}")
    all_of_them = len(fields["features"]) <= SHOWN
    for c in fields["features"]:
        clamped = c["clamped_below"] + c["clamped_above"]
        if all_of_them or clamped or c["coarse"]:
            tail = f", {clamped} clamped to {c['range']}" if clamped else ""
            lines.append(f"    `{c['name']}`: {c['min']} to {c['max']}, {c['distinct']} values on {c['steps']} of 256 steps{tail}")
    lines += [f"  note        {note}" for note in fields["notes"]]
    for doubt in fields["doubts"]:
        told = f"accepted by accept=['{doubt['kind']}']" if doubt["accepted"] else doubt["advice"]
        lines.append(f"  {'accepted' if doubt['accepted'] else 'DOUBTFUL'}    {doubt['message']}: {told}")
    return "\n".join(lines) + "\n"

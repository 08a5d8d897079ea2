"""Schemas: names and ranges of the features, and classes of the target."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from eth_utils.crypto import keccak

from .errors import BadQuery, BadRecord, BadSchema, TributeError

REFUSED = {"M": "dates", "c": "complex numbers", "m": "durations"}
"""Kinds of numpy's types that would become floats without a word, and what they are."""


@dataclass(frozen=True)
class Schema:
    """A schema, held as its canonical JSON; its id is the digest of exactly these bytes."""

    canonical: str

    @classmethod
    def of(
        cls,
        name: str,
        features: Sequence[str],
        lo: npt.ArrayLike,
        hi: npt.ArrayLike,
        target: Sequence[str] | tuple[float, float],
        extractor: bytes | None = None,
    ) -> "Schema":
        """A schema from its parts. The service validates the rest of it when it is used.

        Parameters
        ----------
        features : sequence of str
            Names of the features.
        lo, hi : array_like of shape (features,)
            Values of steps 0 and 255.
        target : sequence of str, or (lo, hi)
            Class labels, or the range of a real value.
        extractor : bytes, optional
            SHA-256 of the ONNX file of the extractor, if a model computes the features.

        Raises
        ------
        BadSchema
            A range cannot be divided into steps: an end is not finite, it is empty, or too wide for 64-bit floats.
        """
        ranges = list(zip(features, np.asarray(lo, dtype=np.float64), np.asarray(hi, dtype=np.float64)))
        for feature, low, high in ranges:
            _checked(f"feature `{feature}` has range", low, high)
        columns = ",".join(f'{{"name":{_text(n)},"lo":{_number(a)},"hi":{_number(b)}}}' for n, a, b in ranges)
        if all(isinstance(t, str) for t in target):
            predicted = f'{{"classes":[{",".join(_text(str(t)) for t in target)}]}}'
        else:
            low, high = map(float, target)
            _checked("the target has range", low, high)
            predicted = f'{{"real":{{"lo":{_number(low)},"hi":{_number(high)}}}}}'
        pinned = f',"extractor":"{extractor.hex()}"' if extractor else ""
        return cls(f'{{"name":{_text(name)},"features":[{columns}],"target":{predicted}{pinned}}}')

    @cached_property
    def _fields(self) -> Mapping[str, Any]:
        return json.loads(self.canonical)

    @property
    def id(self) -> bytes:
        """keccak256 of the canonical JSON."""
        return keccak(self.canonical.encode())

    @property
    def name(self) -> str:
        return self._fields["name"]

    @property
    def features(self) -> list[str]:
        """Names of the features, in order."""
        return [feature["name"] for feature in self._fields["features"]]

    @property
    def lo(self) -> npt.NDArray[np.float64]:
        """For each feature, the value of step 0."""
        return np.array([feature["lo"] for feature in self._fields["features"]], dtype=np.float64)

    @property
    def hi(self) -> npt.NDArray[np.float64]:
        """For each feature, the value of step 255."""
        return np.array([feature["hi"] for feature in self._fields["features"]], dtype=np.float64)

    @property
    def classes(self) -> list[str] | None:
        """Class labels in the order of their numbers; None if the target is a real value."""
        target = self._fields["target"]
        return list(target["classes"]) if "classes" in target else None

    @cached_property
    def _number_of(self) -> Mapping[str, int]:
        """Class numbers by label; none if the target is a real value."""
        return {label: i for i, label in enumerate(self.classes or ())}

    @property
    def target_range(self) -> tuple[float, float] | None:
        """Values of steps 0 and 65,535 of a real-valued target; None if the target is a class."""
        real = self._fields["target"].get("real")
        return (real["lo"], real["hi"]) if real else None

    @property
    def extractor(self) -> bytes | None:
        """SHA-256 of the ONNX file of the extractor that computes the features; None if they come as they are."""
        digest = self._fields.get("extractor")
        return bytes.fromhex(digest) if digest else None

    def in_order(self, values: Any) -> npt.NDArray[np.float64]:
        """Values as an array; a table whose columns have names has them put in the schema's order.

        Parameters
        ----------
        values : array_like, or a DataFrame, or a row of one
            Names that only count, 0, 1, 2, …, as pandas gives columns without names, are no names.

        Raises
        ------
        BadQuery
            The names are not the schema's, and the message tells the first that differs; or there are values that are no numbers, such as
            dates, or masked.
        """
        given = getattr(values, "columns", None)
        if given is None and hasattr(values, "iloc"):
            given = values.index
        # names first: a column too many may hold texts
        places = None if given is None else self._places([str(name) for name in given])
        x = _numbers(values)
        return x if places is None else x[..., places]

    def _places(self, found: list[str]) -> list[int] | None:
        """Where each of the schema's features is among columns with these names; None if they are in its order, or have no names."""
        wanted = self.features
        if found == wanted:
            return None
        # a schema's own names may be numbers, in another order
        if sorted(found) == sorted(wanted):
            return [found.index(name) for name in wanted]
        if found == [str(i) for i in range(len(found))]:
            return None
        missing = [name for name in wanted if name not in found]
        if not missing:
            extra = next((name for name in found if name not in wanted), found[0])
            raise BadQuery(f"column {extra!r} is not in the schema, or there twice: drop it")
        place = next(i for i, name in enumerate(wanted) if found[i : i + 1] != [name])
        told = f"column {place + 1} is named {found[place]!r}" if place < len(found) else f"there is no column {place + 1}"
        raise BadQuery(
            f"{told}, where the schema has {wanted[place]!r}; {missing[0]!r} is missing. Rename the columns, or give the values alone "
            "(`.to_numpy()`)"
        )

    def quantise(self, values: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Rounds features to the 256 steps of their ranges, as the service does; values outside are clamped.

        Parameters
        ----------
        values : array_like of shape (n, features) or (features,)
            Features in the schema's units.

        Returns
        -------
        ndarray of uint8, of the same shape

        Raises
        ------
        BadQuery
            The number of features is wrong, or a feature is not finite; the message names it.
        """
        x = self.in_order(values)
        lo, hi = self.lo, self.hi
        if x.shape[-1:] != lo.shape or x.ndim not in (1, 2):
            raise BadQuery(f"the records have shape {x.shape}; the schema has {len(lo)} features")
        if not np.isfinite(x).all():
            at = np.argwhere(~np.isfinite(x))[0]
            raise BadQuery(f"feature {at[-1]} (`{self.features[at[-1]]}`) is {x[tuple(at)]}: it must be a finite number")
        return np.clip(np.rint((x - lo) * 255.0 / (hi - lo)), 0, 255).astype(np.uint8)

    def _inside(self, values: npt.NDArray[Any]) -> None:
        """Raises BadQuery if a feature of one record, in the schema's order, is outside its range; the message names it."""
        outside = np.flatnonzero((values < self.lo) | (values > self.hi))
        if outside.size:
            i = outside[0]
            more = f", like {outside.size} features in all" if outside.size > 1 else ""
            raise BadQuery(
                f"feature {i} (`{self.features[i]}`) is {values[i]}, outside the schema's range [{self.lo[i]}, {self.hi[i]}]{more}: check "
                "its unit, or move it to the range's end with clamped=True"
            )

    def quantise_target(self, values: npt.ArrayLike) -> npt.NDArray[np.uint16]:
        """Class numbers of labels, or the steps, 0 to 65,535, of real values, as the service does.

        Parameters
        ----------
        values : array_like of shape (n,)
            Labels, compared as text (of whole numbers 1.0 is 1, of truth values True is TRUE) or, if they are numbers, by value; or real
            values.

        Raises
        ------
        BadRecord
            A label is not in the schema, or a value is no number or outside the target's range, or one is masked.
        """
        if self.target_range is None:
            number = self._number_of
            given = np.asarray(_unmasked(values, "targets", BadRecord))
            labels = [_label(label, number) for label in given]
            for row, label in enumerate(labels):
                if label not in number:
                    hint = _hint(given[row], number)
                    raise BadRecord(f"record {row}: the schema has no class {label!r}; it has {', '.join(number)}{hint}")
            return np.array([number[label] for label in labels], dtype=np.uint16)
        lo, hi = self.target_range
        reals = _numbers(values, "targets", BadRecord)
        outside = np.flatnonzero(~((reals >= lo) & (reals <= hi)))
        if outside.size:
            raise BadRecord(f"record {outside[0]}: the target {reals[outside[0]]} is outside the schema's range [{lo}, {hi}]")
        return np.rint((reals - lo) * 65_535.0 / (hi - lo)).astype(np.uint16)


def _checked(what: str, lo: float, hi: float) -> None:
    if not _usable(lo, hi):
        raise BadSchema(f"{what} [{lo}, {hi}]: both ends and their distance times 65535 must be finite, and the first smaller")


def _usable(lo: Any, hi: Any) -> Any:
    """Whether values can be scaled by a range, as the service does: its ends and its width in steps are finite, its first end is smaller."""
    with np.errstate(over="ignore", invalid="ignore"):
        return (np.asarray(lo) < hi) & np.isfinite((np.asarray(hi) - lo) * 65_535.0)


def _unmasked(values: Any, what: str, refused: type[TributeError]) -> Any:
    """The values, if none is masked. numpy and scikit-learn take what is below a mask."""
    rows = values if isinstance(values, (list, tuple)) else [values]
    if any(isinstance(row, np.ma.MaskedArray) and np.ma.is_masked(row) for row in rows):
        raise refused(f"some of the {what} are masked: fill them, or leave their records out")
    return values


def _numbers(values: Any, what: str = "features", refused: type[TributeError] = BadQuery) -> npt.NDArray[np.float64]:
    """Values as floats. Dates, which numpy takes for nanoseconds, complex numbers, whose imaginary part it drops, and texts that only
    Python takes for numbers are refused.
    """
    try:
        found = np.asarray(_unmasked(values, what, refused))
        kinds = {found.dtype.kind} if found.dtype.kind != "O" else {np.asarray(x).dtype.kind for x in found.flat}
        unfit = kinds & REFUSED.keys()
        if unfit:
            raise refused(f"there are {REFUSED[min(unfit)]} among the {what}: give numbers, such as days since a fixed day")
        _spelled(found, what, refused)
        return found.astype(np.float64)
    except TributeError:
        raise
    except (TypeError, ValueError) as failed:
        raise refused(f"the {what} are not all numbers: {failed}") from None


def _spelled(values: Any, what: str, refused: type[TributeError]) -> None:
    """Refuses texts that only Python takes for numbers."""
    found = np.asarray(values)
    strange = None if found.dtype.kind in "biuf" else next((x for x in found.flat if not _is_spelled(x)), None)
    if strange is not None:
        raise refused(f"the {what} are not all numbers: `{strange}` is none: write it with the digits 0 to 9, without underscores")


def _is_spelled(value: Any) -> bool:
    """Whether a value is no text, or one without the underscores and other scripts' digits that Python reads in numbers, but the
    service's reader does not.
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return not isinstance(text, str) or ("_" not in text and text.strip().isascii())


def _label(value: Any, known: Mapping[str, int]) -> str:
    """A label as the schema writes it, if it has it: of whole numbers 1 is 1.0, of truth values True is TRUE, as for the service's reader.
    Other texts of a number stay apart, because they may be codes: 01, 1.00. A number is a class in any spelling. Blanks around a text
    do not count, unless the schema's label has them.
    """
    text = str(value)
    text = text if text in known else text.strip()
    if text in known:
        return text
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        text = str(int(value))
    zeros = r"(\.0+)?" if isinstance(value, (int, float, np.integer, np.floating)) else r"(\.0)?"
    whole = re.fullmatch(rf"(-?(0|[1-9][0-9]*)){zeros}", text)
    if whole:
        number = "-?0" if whole[2] == "0" else whole[1]
        spellings = [found for found in known if re.fullmatch(number + zeros, found)]
    elif text.lower() in ("true", "false"):
        spellings = [found for found in known if found.lower() == text.lower()]
    else:
        spellings = []
    return spellings[0] if len(spellings) == 1 else text


def _hint(value: Any, known: Mapping[str, int]) -> str:
    """What to do about a label that is no class because of its type."""
    if isinstance(value, bytes):
        return ". The labels are bytes: decode them, as in [label.decode() for label in y]"
    if isinstance(value, (bool, np.bool_)) and _label(int(value), known) in known:
        return ". The labels are truth values: give them as numbers, as in y.astype(int)"
    return ""


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """A float in canonical JSON: the shortest digits that round-trip. An exponent has no leading zero."""
    value = float(value)
    if 1e-5 <= abs(value) < 1e-4:
        return np.format_float_positional(value, unique=True)  # Python would write 1e-05
    digits, _, exponent = repr(value).partition("e")
    return f"{digits}e{int(exponent):+d}" if exponent else digits

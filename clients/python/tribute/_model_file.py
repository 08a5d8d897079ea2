"""An ONNX file of a model as something that predicts, to compare its answers with an agent's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ._encoding import model_file
from ._graph import described, filled
from .errors import BadModel
from .schema import Schema, _is_spelled, _label

KINDS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
"""Types of inputs that are features."""
SPREAD = 512
"""Number of points at which it is found out what the outputs are."""
FURTHEST = 3.0
"""Half of these points are up to ten to the power of this ranges off the middle, where logits leave [0, 1] and every class may win."""
CLEAR = 1e-5
"""An answer is clear if its score is ahead by more than this part of all scores' range."""
EXACT = 2.0**53
"""From here on, different whole numbers may be one float."""


@dataclass(frozen=True)
class _Input:
    name: str
    kind: npt.DTypeLike
    shape: tuple[int, ...]
    """Of one record."""
    batched: bool
    """Whether a dimension for the batch precedes it."""
    features: list[int]
    """The features that it takes: all of them, or one."""


@dataclass(frozen=True)
class _Values:
    """What an output has for each record."""

    rows: npt.NDArray[Any]
    """Scores of shape (n, columns), in the precision that the model gives them, or labels of shape (n,)."""
    names: list[Any] | None = None
    """The columns' names, if it is a sequence of maps."""


class ModelFile:
    """The model of an ONNX file, run by onnxruntime, with the methods of a scikit-learn estimator.

    It takes records and gives scores in the forms that an import reads. Which of its outputs are scores, which class each column of
    them belongs to, and what its labels mean is found out once, at points all over the schema's ranges and beyond.

    Raises
    ------
    BadModel
        onnxruntime cannot run it, it gives other answers each time, its inputs are not the schema's features, none of its outputs has a
        score for each class, or its labels are not the schema's.
    """

    def __init__(self, path: str | os.PathLike[str], schema: Schema):
        self._path, self._schema = os.fspath(path), schema
        model, classes = described(model_file(path), self._path), len(schema.classes or ())
        class_labels = _class_labels(model.graph, classes)  # before a ZipMap, which may be the only one to have them, is taken out
        self._session = _session(model, self._path)
        self._inputs, self._batch = self._laid_out()
        points = _spread(schema)
        outputs = [output.name for output in self._session.get_outputs()]
        try:
            found = self._observe(outputs, points)
        except BadModel:
            if self._batch is not None:
                raise
            found = {}
        if self._batch is None and not any(found.values()):  # it may be fixed to one record inside
            self._batch = 1
            found = self._observe(outputs, points)
        given = {name: v for name, v in found.items() if v is not None}
        labels = {name: v for name, v in given.items() if v.rows.ndim == 1}
        scores = {name: v for name, v in given.items() if v.rows.ndim == 2}
        floats = {name: _Values(v.rows[:, 0]) for name, v in scores.items() if _are_labels(v, schema)}
        if len(floats) < len(scores):  # else they are all that there is, such as probabilities of a steep sigmoid
            labels.update(floats)
            scores = {name: v for name, v in scores.items() if name not in floats}
        self._scores, names = self._chosen(scores)
        self._middle = 0.0
        values = self._join(scores)
        if values.shape[1] == 1 and schema.classes is not None:
            inside = np.nanmin(values) >= 0.0 and np.nanmax(values) <= 1.0
            self._middle = 0.5 if inside else 0.0  # a sigmoid's are probabilities
        lists = {name: list(v.rows[:classes]) for name, v in labels.items() if _repeats(v.rows, classes)}
        self._labels = next((name for name in labels if name not in lists), None) if classes else None
        if self._labels is not None:
            self._numbered = self._are_numbers(values, labels[self._labels])
        elif schema.classes is not None:
            self._places = self._order(names or next(iter(lists.values()), None) or class_labels)

    def _laid_out(self) -> tuple[list[_Input], int | None]:
        """How each input takes the schema's features, and how many records at once; None if that is free."""
        inputs, features = self._session.get_inputs(), self._schema.features
        if len(inputs) == 1:
            columns: list[list[int]] = [list(range(len(features)))]
        else:
            columns = [[place] for place in _places([i.name for i in inputs], features)]
        laid, sizes = [], set()
        for given, places in zip(inputs, columns):
            shape = _record_shape(given.shape or [], len(places)) if given.type in KINDS else None
            if shape is not None:
                laid.append(_Input(given.name, KINDS[given.type], *shape[1:], places))
                sizes.add(shape[0])
        if len(laid) < len(inputs) or len(sizes) != 1 or sorted(sum(columns, [])) != list(range(len(features))):
            taken = ", ".join(f"`{i.name}`: {i.type} of shape {i.shape}" for i in inputs)
            raise BadModel(
                f"{self._path} takes {taken}, not the schema's {len(features)} features, in one table or each by its name: its answers "
                "cannot be compared"
            )
        return laid, sizes.pop()

    def _observe(self, outputs: Sequence[str], features: npt.NDArray[np.float64]) -> dict[str, _Values | None]:
        """The values of each output for these records; None for an output that has none for single records."""
        size = self._batch or max(len(features), 1)
        parts = []
        for start in range(0, len(features), size):
            chunk = features[start : start + size]
            # the last batch is filled up by repeating its last record
            filled = chunk[np.minimum(np.arange(size), len(chunk) - 1)]
            feeds = {i.name: _fed(filled[:, i.features], i) for i in self._inputs}
            try:
                given = self._session.run(list(outputs), feeds)
            except Exception as failed:  # onnxruntime's have no common class of their own
                raise BadModel(f"onnxruntime cannot run {self._path} on records of the schema: {failed}") from failed
            parts.append([_read(value, size, len(chunk)) for value in given])
        return {name: _joined(values) for name, values in zip(outputs, zip(*parts))}

    def _chosen(self, scores: dict[str, _Values]) -> tuple[list[str], list[Any] | None]:
        """The outputs that have the scores, together one column for each class or a single one, and the columns' names."""
        classes = len(self._schema.classes or [0])
        for name, values in scores.items():
            if values.rows.shape[1] == classes:
                return [name], values.names
        single = [name for name, values in scores.items() if values.rows.shape[1] == 1]
        if classes == 2 and single and not (len(single) == 2 and _opposed(*(scores[name].rows[:, 0] for name in single))):
            # of a logit, its probability and its rounding, the one that tells most apart
            return [max(single, key=lambda name: len(np.unique(scores[name].rows)))], None
        if len(single) == classes:
            return single, None
        columns = ", ".join(str(values.rows.shape[1]) for values in scores.values()) or "no"
        wanted = "one real target" if self._schema.classes is None else f"{classes} classes"
        raise BadModel(f"{self._path} gives {columns} scores, the schema has {wanted}: its answers cannot be compared")

    def _join(self, observed: dict[str, _Values]) -> npt.NDArray[np.float64]:
        return np.hstack([observed[name].rows for name in self._scores]).astype(np.float64)

    def _are_numbers(self, scores: npt.NDArray[np.float64], labels: _Values) -> bool:
        """Whether the labels are numbers of columns; else they are the schema's own."""
        top, clear = self._top(scores)
        said = {(int(column), _text(label)) for column, label in zip(top[clear], labels.rows[clear])}
        known = self._schema._number_of
        own = {_own(label, known) for label in labels.rows}
        # numbers that are all of the schema's classes are labels, in whatever order
        if all(label == str(column) for column, label in said) and not own >= set(known):
            return True
        strangers = own - set(known)
        if strangers:
            raise BadModel(
                f"the labels of {self._path}, {', '.join(sorted(strangers))}, are neither the schema's {', '.join(known)} nor the numbers "
                "of its scores' columns: its answers cannot be compared"
            )
        return False

    def _order(self, names: list[Any] | None) -> list[int]:
        """The class of each column, by the names that the file has for them."""
        known = self._schema._number_of
        in_order = list(range(len(known)))
        if names is None:
            return in_order
        places = [known.get(_own(name, known), -1) for name in names]
        if sorted(places) == in_order:
            return places
        if [_text(name) for name in names] == [str(i) for i in in_order]:
            return in_order
        raise BadModel(f"the classes of {self._path}, {', '.join(map(_text, names))}, are not the schema's {', '.join(known)}")

    def _top(self, scores: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Of each record, the column with the largest score, and whether that is clear."""
        if scores.shape[1] == 1:
            scores = np.hstack([2.0 * self._middle - scores, scores])
        ordered = np.sort(scores, axis=1)
        ahead = ordered[:, -1] - ordered[:, -2]
        finite = np.isfinite(scores).all(axis=1)
        widest = np.ptp(scores[finite]) if finite.any() else 0.0
        return np.argmax(scores, axis=1), finite & (ahead > CLEAR * min(widest, 1.0))

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[Any]:
        """The schema's labels, or real values, of shape (n,)."""
        classes = self._schema.classes
        if classes is None:
            return self._scored(features)[:, 0]
        if self._labels is None:
            top, _ = self._top(self._scored(features))
            return np.array(classes)[np.array(self._places)[top]]
        found = self._values([self._labels], features)[self._labels].rows.ravel()
        if self._numbered:
            return np.array(classes)[found.astype(np.int64)]
        return np.array([_own(label, self._schema._number_of) for label in found], dtype=str)

    def decision_function(self, features: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Scores of shape (n, classes); of two classes with one score, of shape (n,), positive for the second."""
        scores = self._scored(features)
        return scores[:, 0] - self._middle if scores.shape[1] == 1 else scores

    def _scored(self, features: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return self._join(self._values(self._scores, features))

    def _values(self, outputs: Sequence[str], features: npt.ArrayLike) -> dict[str, _Values]:
        found = self._observe(outputs, self._schema.in_order(features))
        missing = next((name for name in outputs if found.get(name) is None), None)
        if missing is not None:
            raise BadModel(f"output `{missing}` of {self._path} has no values for each of these records")
        return {name: values for name, values in found.items() if values is not None}


def _session(model: Any, path: str) -> Any:
    """The model loaded; doubles that end in ZipMap, which takes single precision only, are given as they are."""
    import onnxruntime

    def load() -> Any:
        options = onnxruntime.SessionOptions()
        # as it is written: without the quantised activations that multiply quantised weights faster
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    try:
        return load()
    except Exception as failed:
        graph = model.graph
        zips = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "ZipMap"}
        if not zips:
            raise BadModel(f"onnxruntime rejected {path}: {failed}") from failed
        kept = [node for node in graph.node if node.op_type != "ZipMap"]
        del graph.node[:]
        graph.node.extend(kept)
        for output in graph.output:
            if output.name in zips:
                output.name = zips[output.name]
                output.ClearField("type")  # onnxruntime infers it
        try:
            return load()
        except Exception as again:
            raise BadModel(f"onnxruntime rejected {path}: {again}") from again


def _plain(name: str) -> str:
    """Its letters and digits: exporters replace other characters."""
    return "".join(c if c.isalnum() else "_" for c in name)


def _places(inputs: Sequence[str], features: Sequence[str]) -> list[int]:
    """The feature that each input is called after; -1 if none is, or several may be."""
    # exporters put `_` before a digit, and for a blank at the start
    forms: list[Callable[[str], str]] = [str, _plain, lambda name: _plain(name).strip("_")]
    found = [-1] * len(inputs)
    for form in forms:
        known: dict[str, list[int]] = {}
        for place, feature in enumerate(features):
            known.setdefault(form(feature), []).append(place)
        for i, name in enumerate(inputs):
            fitting = known.get(form(name), [])
            if found[i] < 0 and len(fitting) == 1:
                found[i] = fitting[0]
    return found


def _record_shape(shape: Sequence[int | str | None], features: int) -> tuple[int | None, tuple[int, ...], bool] | None:
    """Batch size if it is fixed, shape of one record, and whether there is a batch dimension; None if it does not take `features`."""
    if not shape:
        return None, (features,), True
    first, rest = shape[0], shape[1:]
    batch = first if isinstance(first, int) else None
    if not rest and batch is None and features == 1:
        return None, (), True
    if first == 0:
        return None
    inner = filled(rest, features) if rest else None
    if inner is not None:
        return batch, inner, True
    whole = filled(shape, features)
    return None if whole is None else (1, whole, False)


def _fed(features: npt.NDArray[np.float64], taken: _Input) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):
        return features.astype(taken.kind).reshape(*([len(features)] if taken.batched else []), *taken.shape)


def _read(value: Any, size: int, records: int) -> _Values | None:
    """An output for a batch of this size, of which only the first records count."""
    if isinstance(value, list):
        if len(value) != size or not all(isinstance(row, dict) and row.keys() == value[0].keys() for row in value):
            return None
        names = sorted(value[0])
        return _Values(np.array([[row[name] for name in names] for row in value], dtype=np.float64)[:records], names)
    found = np.asarray(value)
    if found.dtype.kind == "f":
        if found.size < size or (size > 1 and found.shape[0] != size):
            return None
        return _Values(found.reshape(size, -1)[:records])
    return _Values(np.ravel(found)[:records]) if found.size == size else None


def _joined(parts: Sequence[_Values | None]) -> _Values | None:
    """Batches of an output; None if they have no values, or differ in their columns."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or len({part.rows.shape[1:] for part in known}) != 1 or any(p.names != known[0].names for p in known):
        return None
    return _Values(np.concatenate([part.rows for part in known]), known[0].names)


def _are_labels(values: _Values, schema: Schema) -> bool:
    """Whether a column of floats has a label for each record, as a comparison cast to float has: they are classes or the numbers of
    columns, and not always the same.
    """
    if values.rows.shape[1] > 1:
        return False
    known, found = schema._number_of, np.unique(values.rows)
    return len(found) > 1 and all(x in range(len(known)) or _own(x, known) in known for x in found)


def _repeats(labels: npt.NDArray[Any], classes: int) -> bool:
    """Whether an output only repeats a list of the classes: in batches of as many records, it looks like a label for each record."""
    listed = labels[:classes]
    return len(set(listed)) == classes > 0 and np.array_equal(labels, np.resize(listed, len(labels)))


def _spread(schema: Schema) -> npt.NDArray[np.float64]:
    """Points of all kinds: the ranges' ends, corners and inside, and far beyond."""
    rng = np.random.default_rng(0)
    lo, hi = schema.lo, schema.hi
    corners = rng.random((SPREAD // 4, len(lo))) < rng.random((SPREAD // 4, 1))
    inside = rng.random((SPREAD // 4, len(lo)))
    inside[:2] = [[0.0], [1.0]]
    beyond = 0.5 + rng.uniform(-1.0, 1.0, (SPREAD // 2, len(lo))) * 10.0 ** rng.uniform(0.0, FURTHEST, (SPREAD // 2, 1))
    return lo + np.vstack([corners, inside, beyond]) * (hi - lo)


def _opposed(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    """Whether two numbers of each record are not two views of one: where one grows, the other falls."""
    b = b.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    steps = np.diff(b[finite][np.lexsort((b[finite], a[finite]))])
    return bool(steps.size and steps.min() < -CLEAR * min(float(np.ptp(b[finite])), 1.0))


def _class_labels(graph: Any, classes: int) -> list[Any] | None:
    """The class labels in the nodes' attributes, if all that have this many agree."""
    found = [
        [*attribute.ints, *(text.decode(errors="replace") for text in attribute.strings)]
        for node in graph.node
        for attribute in node.attribute
        if attribute.name.startswith("classlabels")
    ]
    fitting = [labels for labels in found if len(labels) == classes]
    return fitting[0] if fitting and all(labels == fitting[0] for labels in fitting) else None


def _own(label: Any, known: Mapping[str, int]) -> str:
    """A model's label as the schema writes it, if it has it: as text, of a truth value also as a number, else the only one that is the
    same number.
    """
    text = _label(label, known)
    text = text if text in known else _label(_text(label), known)
    alike = [text] if text in known else [name for name in known if _is_number(name, text)]
    return alike[0] if len(alike) == 1 else text


def _is_number(a: str, b: str) -> bool:
    """Whether two texts are one number, as `0.5` and `0.50` are, and not only as floats."""
    if not (_is_spelled(a) and _is_spelled(b)):  # an import reads it as a text
        return False
    try:
        return int(a) == int(b)
    except ValueError:
        pass
    try:
        return float(a) == float(b) and abs(float(a)) < EXACT
    except ValueError:
        return False


def _text(label: Any) -> str:
    """A label as text; of a truth value, and of a float that is whole, the text of an integer, which may be the number of a column."""
    whole = isinstance(label, (bool, np.bool_)) or (isinstance(label, np.floating) and label.is_integer())
    return str(int(label)) if whole else str(label)

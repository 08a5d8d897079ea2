"""An ONNX file of a model as something that predicts, to compare its answers with an agent's."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import BadModel
from .schema import Schema, _label

KINDS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
"""Types of inputs that are features."""


class ModelFile:
    """The model of an ONNX file, run by onnxruntime, with the methods of a scikit-learn estimator.

    Raises
    ------
    BadModel
        Its input is no table of features, or none of its outputs has labels or a score for each class.
    """

    def __init__(self, path: str | os.PathLike[str], schema: Schema):
        import onnxruntime

        self._session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
        self._schema = schema
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in KINDS:
            taken = ", ".join(i.type for i in inputs)
            raise BadModel(f"{os.fspath(path)} takes {taken}, not one table of features: its answers cannot be compared")
        self._input = inputs[0].name, KINDS[inputs[0].type]
        kinds = {output.name: output.type for output in self._session.get_outputs()}
        self._labels = next((name for name, kind in kinds.items() if kind in ("tensor(int64)", "tensor(string)")), None)
        self._scores = next((name for name, kind in kinds.items() if kind in KINDS), None)
        if self._scores is None and (self._labels is None or schema.classes is None):
            raise BadModel(f"{os.fspath(path)} gives neither labels nor scores: its answers cannot be compared")

    def _run(self, output: str, features: npt.ArrayLike) -> npt.NDArray[Any]:
        name, kind = self._input
        values = self._schema.in_order(features).astype(kind)
        return np.asarray(self._session.run([output], {name: values})[0])

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[Any]:
        """Labels, or real values, of shape (n,)."""
        classes = self._schema.classes
        if classes is None:
            assert self._scores is not None
            return np.ravel(self._run(self._scores, features)).astype(np.float64)
        if self._labels is not None:
            known = {label: i for i, label in enumerate(classes)}
            found = np.ravel(self._run(self._labels, features))
            if all(_label(value, known) in known for value in found):
                return found
            return np.array(classes)[found.astype(np.int64)]  # numbers of classes
        scores = self.decision_function(features)
        return np.array(classes)[(scores > 0).astype(int) if scores.ndim == 1 else np.argmax(scores, axis=1)]

    def decision_function(self, features: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Scores of shape (n, classes); of two classes with one score, of shape (n,), positive for the second."""
        classes = self._schema.classes or []
        if self._scores is None:
            return np.full((len(np.asarray(features)), 2), np.nan)
        scores = self._run(self._scores, features).astype(np.float64)
        scores = scores.reshape(len(scores), -1)
        if scores.shape[1] == len(classes):
            return scores
        if scores.shape[1] != 1 or len(classes) != 2:
            raise BadModel(f"the file gives {scores.shape[1]} scores, the schema has {len(classes)} classes")
        # a sigmoid's are probabilities
        middle = 0.5 if scores.size and scores.min() >= 0.0 and scores.max() <= 1.0 else 0.0
        return scores[:, 0] - middle

"""scikit-learn estimators whose training can be proven.

``TributeClassifier`` and ``TributeRegressor`` train on quantised records the head that a Tribute service trains on them: here, or,
with a `client`, on the service, which proves it. They pass scikit-learn's ``check_estimator``, all of its checks, when they train
here. With a `client` they differ where a proof does: a fit commits records for good and takes seconds, so ``fit`` is not run in
parallel and is not meant for a grid search. Sample weights, sparse matrices and several targets are not supported in either case.
"""

from __future__ import annotations

import os
from typing import Any, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .client import Client
from .errors import BadQuery, BadRecord
from .mapping import DEVIATIONS, Mapping, mapping
from .schema import Schema, _spelled, _unmasked, _usable
from .types import LOGIT_UNIT, TARGET_STEPS, WEIGHT_UNIT
from .verify import Page, Refused, verify

__all__ = ["Mapping", "TributeClassifier", "TributeRegressor", "mapping"]

SMALL = 2_000
"""Up to so many weights, the Hessian is factored; beyond, L-BFGS does without it."""


class _Head(BaseEstimator):
    """What the two estimators share: ranges, quantised records, integer logits."""

    range: str
    intercept_scale: int
    client: Client | None
    name: str
    accept: Sequence[str]

    def _scaler(self) -> Any:
        if self.range not in ("standard", "minmax"):
            raise ValueError(f"range={self.range!r}: it is 'standard' or 'minmax'")
        return StandardScaler() if self.range == "standard" else MinMaxScaler()

    def equivalent(self) -> Pipeline:
        """The unfitted scikit-learn pipeline that minimises the same loss."""
        raise NotImplementedError

    def _validated(self, X: npt.ArrayLike, *y: npt.ArrayLike, **how: Any) -> Any:
        """Features, and targets if there are any, that scikit-learn takes, without the texts that only Python takes for numbers."""
        targets = (_unmasked(given, "targets", BadRecord) for given in y)
        found = validate_data(self, _unmasked(X, "features", BadQuery), *targets, dtype=np.float64, **how)
        _spelled(X, "features", BadQuery)
        return found

    def _fit(self, X: npt.NDArray[np.float64], targets: npt.NDArray[Any], target: Any) -> None:
        """Trains on features of shape (n, features) and labels or real values of shape (n,)."""
        names = getattr(self, "feature_names_in_", None)
        columns = [str(n) for n in names] if names is not None else [f"x{i}" for i in np.arange(X.shape[1])]
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is not usable
            lo, hi = _ranges(X, self.range)
        wide = np.flatnonzero(~_usable(lo, hi))
        if wide.size:
            raise _too_wide(f"feature {wide[0]} (`{columns[wide[0]]}`)", X[:, wide[0]])
        self.schema_ = Schema.of(self.name, columns, lo, hi, target)
        self.clamped_ = int(np.count_nonzero((X < self.schema_.lo) | (X > self.schema_.hi)))
        self.mapping_ = mapping(self, self.schema_, len(X))
        for attribute in ("agent_", "dataset_", "certificate_", "weights_"):
            self.__dict__.pop(attribute, None)
        if self.client is None:
            steps = self.schema_.quantise(X)
            bias = np.full((len(X), 1), float(1 << self.intercept_scale))
            weights = self._optimum(np.hstack([bias, steps / 256.0]), self.schema_.quantise_target(targets))
            self.weights_ = np.rint(weights / WEIGHT_UNIT).astype(np.int64)
            return
        self.dataset_ = self.client.register(
            (X, targets), self.schema_, intercept_scale=self.intercept_scale, accept=self.accept
        )
        agent = self.client.train(
            [self.dataset_], penalty=self.mapping_.penalty, link=self.mapping_.link, name=self.name
        )
        self.client.prove(agent)
        self.agent_ = self.client.agent(agent)
        self.certificate_ = self.client.certificate(agent)

    def _optimum(self, features: npt.NDArray[np.float64], targets: npt.NDArray[np.uint16]) -> npt.NDArray[np.float64]:
        """Weights of shape (features, classes) that minimise the loss; the first feature is the bias's."""
        raise NotImplementedError

    def _logits(self, X: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Integer logits of shape (n, classes), the same as in the proofs."""
        check_is_fitted(self)
        steps = self.schema_.quantise(self._validated(X, reset=False))
        if hasattr(self, "agent_"):
            import onnxruntime

            session = onnxruntime.InferenceSession(self.agent_.onnx, providers=["CPUExecutionProvider"])
            return session.run(["logits"], {"features": steps})[0]
        bias = np.full((len(steps), 1), 256 << self.intercept_scale, dtype=np.int64)
        return np.hstack([bias, steps.astype(np.int64)]) @ self.weights_

    def report(self, path: str | os.PathLike[str] | None = None, **trust: Any) -> Page:
        """Verifies the certificate of a head that the service trained, as :func:`tribute.verify` does, and makes its page.

        Raises
        ------
        Refused
            The head was trained here: there is no certificate. Give a `client`.
        """
        check_is_fitted(self)
        if not hasattr(self, "certificate_"):
            raise Refused("the head was trained on this machine: fit it with client=…, or give it to tribute.certify")
        return verify(self.certificate_, **trust).report(path)


class TributeClassifier(ClassifierMixin, _Head):
    """Logistic regression whose training can be proven.

    Parameters
    ----------
    C : float
        Inverse of the penalty, as in ``LogisticRegression`` after the scaler that `range` names.
    range : {"standard", "minmax"}
        The range of a feature's 256 steps: mean ± 4.5 standard deviations, or minimum to maximum. Values beyond it are moved to its
        ends, and counted in ``clamped_``; with a `client`, more than a few of a feature, or one far beyond, only if `accept` says so.
    intercept_scale : int
        The `s`, 0 to 4, of the bias's feature 2^s: a larger one penalises the intercept less.
    client : Client, optional
        The service to train on. It commits the records, trains, and proves both.
    name : str
        Name of the schema and of the agent.
    accept : sequence of str
        Kinds of doubts about the records to accept when the service commits them: ``clamped``, if many values beyond a ``standard``
        range, or ones far beyond it, may be moved to its ends, and ``coarse``. See :meth:`Client.register`.

    Attributes
    ----------
    classes_ : ndarray of shape (classes,)
    schema_ : Schema
    mapping_ : Mapping
        Link and penalty.
    clamped_ : int
        Number of values that were moved to the ends of their ranges.
    weights_ : ndarray of int64, shape (features + 1, classes)
        Weights in units of 2^-32, the bias first, if the head was trained here.
    dataset_, agent_, certificate_ : Dataset, Agent, bytes
        What the service made, if it trained the head.
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        range: str = "standard",
        intercept_scale: int = 3,
        client: Client | None = None,
        name: str = "agent",
        accept: Sequence[str] = (),
    ):
        self.C = C
        self.range = range
        self.intercept_scale = intercept_scale
        self.client = client
        self.name = name
        self.accept = accept

    def equivalent(self) -> Pipeline:
        return make_pipeline(self._scaler(), LogisticRegression(C=self.C))

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> "TributeClassifier":
        """Trains the head on features of shape (n, features) and labels of shape (n,)."""
        features, targets = self._validated(X, y)
        check_classification_targets(targets)
        self.classes_ = np.unique(targets)
        # blanks around a label do not count, as in a file
        labels = [str(label).strip() for label in self.classes_]
        if len(labels) < 2:
            raise ValueError(f"all records are of one class, {labels[0]}: a classifier needs two")
        if len(set(labels)) < len(labels):
            alike = ", ".join(repr(given) for given, label in zip(self.classes_.tolist(), labels) if labels.count(label) > 1)
            raise ValueError(f"the classes {alike} are written alike, as text without blanks around it: write them as one, or rename one")
        self._fit(features, targets, labels)
        return self

    def _optimum(self, features: npt.NDArray[np.float64], targets: npt.NDArray[np.uint16]) -> npt.NDArray[np.float64]:
        n, cells = len(features), features.shape[1] * len(self.classes_)
        solver = "newton-cholesky" if cells <= SMALL else "lbfgs"
        C = 1.0 / (self.mapping_.penalty * n)
        model = LogisticRegression(C=C, fit_intercept=False, solver=solver, tol=1e-9, max_iter=10_000)
        coefficients = model.fit(features, targets).coef_.T
        # the logistic link has a column for each class, two of which mirror each other
        return np.hstack([-coefficients, coefficients]) if coefficients.shape[1] == 1 else coefficients

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Labels of shape (n,): of the largest logit, the first of equal ones."""
        answers = np.argmax(self._logits(X), axis=1)
        return self.classes_[answers]

    def decision_function(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Scores of shape (n, classes); of two classes, of shape (n,), positive for the second."""
        logits = self._logits(X)
        if logits.shape[1] == 2:
            return (logits[:, 1] - logits[:, 0]).astype(np.float64) * (LOGIT_UNIT / 2)
        return logits.astype(np.float64) * LOGIT_UNIT

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Probabilities of shape (n, classes)."""
        logits = self._logits(X) * LOGIT_UNIT
        if logits.shape[1] == 2:
            second = 1.0 / (1.0 + np.exp((logits[:, 0] - logits[:, 1]) / 2))
            return np.stack([1.0 - second, second], axis=1)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


class TributeRegressor(RegressorMixin, _Head):
    """Ridge regression whose training can be proven.

    The target's range is that of the training data, in 65,536 steps. See :class:`TributeClassifier` for the other parameters and
    the attributes.

    Parameters
    ----------
    alpha : float
        The penalty, as in ``Ridge`` after the scaler that `range` names.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        range: str = "standard",
        intercept_scale: int = 3,
        client: Client | None = None,
        name: str = "agent",
        accept: Sequence[str] = (),
    ):
        self.alpha = alpha
        self.range = range
        self.intercept_scale = intercept_scale
        self.client = client
        self.name = name
        self.accept = accept

    def equivalent(self) -> Pipeline:
        return make_pipeline(self._scaler(), Ridge(alpha=self.alpha))

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> "TributeRegressor":
        """Trains the head on features of shape (n, features) and real targets of shape (n,)."""
        features, targets = self._validated(X, y, y_numeric=True)
        _spelled(y, "targets", BadRecord)
        targets = np.asarray(targets, dtype=np.float64)
        lo, hi = _widened(targets.min(), targets.max())
        if not _usable(lo, hi):
            raise _too_wide("the target", targets)
        self._fit(features, targets, (float(lo), float(hi)))
        return self

    def _optimum(self, features: npt.NDArray[np.float64], targets: npt.NDArray[np.uint16]) -> npt.NDArray[np.float64]:
        n = len(features)
        hessian = features.T @ features / n + self.mapping_.penalty * np.eye(features.shape[1])
        solved = np.linalg.solve(hessian, features.T @ (targets / 65_536.0) / n)
        return np.asarray(solved[:, None], dtype=np.float64)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Predictions of shape (n,), in the target's units."""
        logits = self._logits(X)[:, 0].astype(np.float64)
        lo, hi = self.schema_.target_range or (0.0, 1.0)
        return logits * LOGIT_UNIT / TARGET_STEPS * (hi - lo) + lo


def _ranges(X: npt.NDArray[np.float64], rule: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Ends of every column's range; those of a constant column are 1 apart."""
    lo, hi = X.min(axis=0), X.max(axis=0)
    if rule == "standard":
        mean, spread = X.mean(axis=0), X.std(axis=0)
        varies = lo < hi
        lo, hi = np.where(varies, mean - DEVIATIONS * spread, lo), np.where(varies, mean + DEVIATIONS * spread, hi)
    return _widened(lo, hi)


def _too_wide(what: str, values: npt.NDArray[np.float64]) -> BadRecord:
    return BadRecord(f"{what} runs from {values.min()} to {values.max()}: no range can hold that, correct its outliers or change its unit")


def _widened(lo: Any, hi: Any) -> tuple[Any, Any]:
    """Widens an empty range, even where adding 1 does not change `lo`."""
    return lo, np.where(hi > lo, hi, lo + np.maximum(1.0, np.abs(lo) * 1e-9))

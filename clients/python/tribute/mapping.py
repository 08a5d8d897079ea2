"""The Tribute loss that is equivalent to a scikit-learn estimator's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from .errors import BadQuery
from .schema import Schema, _label
from .types import LAMBDA_UNIT

STEPS = 255.0 / 256.0
"""Value of a feature at the upper end of its range, as the circuits see it."""
DEVIATIONS = 4.5
"""Standard deviations that a ``standard`` range reaches on each side of the mean, as in the command line."""

CHOOSING = {
    "LogisticRegressionCV": ("LogisticRegression", "C"),
    "RidgeCV": ("Ridge", "alpha"),
    "RidgeClassifierCV": ("RidgeClassifier", "alpha"),
}
"""Estimators that choose their penalty by themselves, and what would have one of these."""


@dataclass(frozen=True)
class Mapping:
    """The Tribute loss that is equivalent to an estimator's."""

    link: str
    penalty: float
    spread: float
    """Largest relative deviation of any feature's own penalty from `penalty`; 0 if the schema's ranges match the scaler's."""
    parameter: str
    """The estimator's parameter that sets the penalty, with its value: ``C=1.0``."""
    unit: float
    """The penalty that ``C=1`` or ``alpha=1`` means."""
    scales: bool
    """Whether the pipeline divides its features by a scale of each."""

    def weakest(self, least: float) -> str:
        """The parameter, with the value that means the penalty `least`."""
        name = self.parameter.split("=")[0]
        return f"{name}={self.unit / least if name == 'C' else least / self.unit:.3g}"


def mapping(pipeline: Any, schema: Schema, records: int, ranges: str | None = None) -> Mapping:
    r"""Penalty and link with which Tribute minimises the same loss as a scikit-learn pipeline.

    scikit-learn minimises ``C Σ loss + ½‖w‖²`` over scaled features ``(x − μ)/σ``, Tribute the mean loss ``+ ½λ‖W‖²`` over
    quantised features ``(x − lo)/(hi − lo)·255/256``. The same function has ``W_j = w_j (hi_j − lo_j)/σ_j · 256/255``, so the
    penalties agree where ``λ = (255/256 · σ_j/(hi_j − lo_j))² / (C n)`` is the same for every feature: where a schema's ranges
    are ``standard`` (μ ± 4.5σ) for ``StandardScaler``, or ``minmax`` for ``MinMaxScaler``. For ``Ridge`` and ``RidgeClassifier``,
    ``1/alpha`` takes the place of C.

    Parameters
    ----------
    pipeline : Pipeline, or LogisticRegression, Ridge or RidgeClassifier, or TributeClassifier or TributeRegressor
        Unfitted or fitted. Only its penalty, its scaler and, if fitted, the scaler's statistics and the names of features and classes are
        read.
    schema : Schema
        Schema of the datasets.
    records : int
        Number of records in all datasets together.
    ranges : {"standard", "minmax"}, optional
        The rule by which the schema's ranges were inferred. A schema does not tell it, and an unfitted scaler has no statistics that would.
        By default the `range` of a TributeClassifier or TributeRegressor.

    Raises
    ------
    ValueError
        The estimator has no equivalent loss; the message says which part has none, and what to do.
    """
    given, width = pipeline, schema.hi - schema.lo
    known = width
    if hasattr(given, "equivalent"):
        own = getattr(given, "schema_", None)
        if own is not None:  # it is fitted, so its own ranges tell its scales
            known, ranges = own.hi - own.lo, given.range
        ranges = ranges or given.range
        pipeline = given.equivalent()
    scaler, estimator = _parts(pipeline)
    link = _link(estimator, schema)
    _check_classes(getattr(given, "classes_", ()), schema)
    scale = np.ones_like(width) if scaler is None else _scale(scaler, known, ranges)
    order = None if scaler is None else _order(given, schema)
    if order is not None and scale.shape == width.shape:
        scale = scale[order]
    if scale.shape != width.shape:
        raise ValueError(f"the scaler was fitted on {scale.size} features, the schema has {width.size}")
    name = "C" if isinstance(estimator, LogisticRegression) else "alpha"
    value = float(getattr(estimator, name))
    if not (value > 0.0 if name == "C" else 0.0 <= value < np.inf):
        raise ValueError(f"{name}={value!r} means no penalty that could be: {name} must be a positive number")
    strength = 1.0 / value if name == "C" else value
    units = ((STEPS * scale / width) ** 2 / records)[_varying(scaler, width.size)[slice(None) if order is None else order]]
    if not units.size:
        raise ValueError("every feature of the scaler's data is constant: there is nothing to learn from")
    unit = float(np.median(units))
    penalty = unit * strength
    scales = scaler is not None and getattr(scaler, "with_std", True)
    found = Mapping(link, penalty, float(np.max(np.abs(units / unit - 1.0))), f"{name}={value!r}", unit, scales)
    if penalty < LAMBDA_UNIT:
        raise ValueError(
            f"{found.parameter} means a penalty of {penalty:.3g}, below the smallest there is, {LAMBDA_UNIT:.3g}: "
            f"{found.weakest(LAMBDA_UNIT)} is the weakest"
        )
    return found


def _scale(scaler: Any, width: np.ndarray, ranges: str | None) -> np.ndarray:
    """What a scaler divides each feature by."""
    if isinstance(scaler, StandardScaler) and not scaler.with_std:
        return np.ones_like(width)
    if hasattr(scaler, "scale_"):
        return np.asarray(scaler.scale_) if isinstance(scaler, StandardScaler) else 1.0 / np.asarray(scaler.scale_)
    rule = "standard" if isinstance(scaler, StandardScaler) else "minmax"
    if ranges != rule:
        told = f"the schema's ranges are said to be {ranges!r}" if ranges else "a schema does not tell by which rule its ranges were inferred"
        raise ValueError(
            f"the {type(scaler).__name__} is not fitted, so nothing is known of its scales, and {told}: fit the pipeline, or pass "
            f"ranges={rule!r} if the schema was inferred with range={rule!r} from the same data"
        )
    if rule == "standard":
        return width / (2.0 * DEVIATIONS)
    low, high = scaler.feature_range
    return width / (high - low)


def _order(pipeline: Any, schema: Schema) -> list[int] | None:
    """Where the schema's features are among those that a pipeline was fitted on; None if they are in its order, or have no names."""
    names = [str(name) for name in getattr(pipeline, "feature_names_in_", ())]
    try:
        return schema._places(names) if names else None
    except BadQuery as other:
        raise ValueError(f"the pipeline was fitted on other features than the schema's: {other.message}") from other


def _check_classes(fitted: Any, schema: Schema) -> None:
    """Refuses a pipeline that was fitted on labels that the schema does not have."""
    known = schema._number_of
    if any(_label(label, known) not in known for label in fitted):
        own = ", ".join(str(label) for label in fitted)
        raise ValueError(f"the pipeline's classes {own} are not the schema's {', '.join(known)}: fit it with the schema's labels")


def _varying(scaler: Any, features: int) -> np.ndarray:
    """Which features vary. A constant feature has no scale, and no influence on what is learnt."""
    spread = getattr(scaler, "var_", getattr(scaler, "data_range_", None))  # without with_std, there is no var_
    return np.ones(features, dtype=bool) if spread is None else np.asarray(spread) > 0


def _parts(pipeline: Any) -> tuple[Any, Any]:
    if not isinstance(pipeline, Pipeline):
        return None, pipeline
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    if not steps or len(steps) > 2:
        raise ValueError("the pipeline has other steps than a scaler and a model: give those as an extractor")
    scaler = steps[0] if len(steps) == 2 else None
    if scaler is not None and not isinstance(scaler, (StandardScaler, MinMaxScaler)):
        raise ValueError(f"{type(scaler).__name__} is no scaler that can be mapped: use StandardScaler or MinMaxScaler")
    return scaler, steps[-1]


def _link(estimator: BaseEstimator, schema: Schema) -> str:
    """The link of the equivalent loss; raises ValueError if there is none."""
    name = type(estimator).__name__
    if name in CHOOSING:
        kind, chosen = CHOOSING[name]
        found = np.unique(getattr(estimator, f"{chosen}_", ()))
        value = repr(float(found[0])) if len(found) == 1 else "…"
        raise ValueError(f"{name} chooses its penalty among several: give {kind}({chosen}={value}) with the one that it chose")
    if name.endswith("SearchCV"):
        raise ValueError(f"{name} is a search over models, not one: fit it, then give its best_estimator_")
    if not isinstance(estimator, (LogisticRegression, Ridge, RidgeClassifier)):
        raise ValueError(f"{name} cannot be mapped: use LogisticRegression, Ridge or RidgeClassifier")
    if getattr(estimator, "penalty", "l2") not in ("l2", "deprecated") or getattr(estimator, "l1_ratio", 0) not in (0, 0.0, None):
        raise ValueError("only the l2 penalty can be certified: its optimum is unique")
    if getattr(estimator, "solver", None) == "liblinear":
        raise ValueError("solver='liblinear' penalises the intercept and trains each class alone: use solver='lbfgs'")
    if getattr(estimator, "multi_class", "auto") not in ("auto", "deprecated", "multinomial" if len(schema.classes or ()) > 2 else "ovr"):
        raise ValueError(f"multi_class={estimator.multi_class!r} is another loss: leave it at its default")
    if getattr(estimator, "class_weight", None) is not None:
        raise ValueError("class_weight is not supported: every record counts once")
    if not estimator.fit_intercept:
        raise ValueError("fit_intercept=False is not supported: every head has an intercept")
    if getattr(estimator, "positive", False):
        raise ValueError("positive=True is not supported: weights have no sign constraint")
    if np.ndim(getattr(estimator, "alpha", 0.0)):
        raise ValueError("alpha is a list: one penalty applies to the whole head")
    real = schema.classes is None
    if real != isinstance(estimator, Ridge):
        wanted = "a number: use Ridge" if real else "a class: use LogisticRegression or RidgeClassifier"
        raise ValueError(f"{name} does not fit the schema {schema.name!r}, whose target is {wanted}")
    if not isinstance(estimator, LogisticRegression):
        return "squared"
    return "logistic" if len(schema.classes or ()) == 2 else "softmax"

"""From a scikit-learn pipeline to a certificate."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Sequence

import numpy as np
import numpy.typing as npt

from . import errors
from ._model_file import ModelFile
from .client import Client
from .schema import Schema, _numbers, _unmasked
from .types import LOGIT_UNIT, TARGET_STEPS, Agent, Dataset
from .verify import Page, verify

if TYPE_CHECKING:
    from .mapping import Mapping

LARGEST_SPREAD = 0.5
FREE_INTERCEPT = 3
"""From this intercept scale on, the intercept counts as free: it is penalised 64 times less than a weight."""
FAR = 0.01
"""Two predictions of a real value differ if they are further apart than this part of the target's range."""


@dataclass(frozen=True)
class Moved:
    """How the certified agent's answers differ from those of the original pipeline, or of the file's model."""

    answers: int
    """Number of answers compared."""
    differing: list[int]
    """Indices of the records that the two answer differently: for a real value, by more than 1 % of the target's range."""
    margins: list[float]
    """For each of them, how near the pipeline's answer was: the difference of its two largest scores, or of the two predictions."""
    accuracy_before: float | None
    """Of the pipeline: fraction of right answers, or R² of a real value. None if no targets were given."""
    accuracy_after: float | None
    """Of the certified agent."""
    clamped: int
    """Number of features of these records outside the schema's ranges, which the agent takes as their ends."""

    def __str__(self) -> str:
        text = f"{len(self.differing)} of {self.answers} answers differ"
        if self.accuracy_before is not None:
            text += f"; accuracy {self.accuracy_before:.4f} before, {self.accuracy_after:.4f} after"
        return text + (f"; {self.clamped} features were outside the ranges and taken as their ends" if self.clamped else "")


@dataclass(frozen=True)
class Certified:
    """A certified agent."""

    agent: Agent
    mapping: "Mapping | None"
    """Of a pipeline; None for a model from a file."""
    certificate: bytes
    """The certificate file, for :func:`tribute.verify`."""
    moved: Moved | None
    """None if there were no records to compare on."""
    agent_id: bytes | None
    """Its id on chain; None off chain."""
    version: int | None

    def report(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        srs: str | os.PathLike[str] | None = None,
        allow_dev_srs: bool = False,
    ) -> Page:
        """Verifies the certificate and makes its HTML page, which a notebook shows; see :func:`tribute.verify`."""
        return verify(self.certificate, srs=srs, allow_dev_srs=allow_dev_srs).report(path)


def certify(
    pipeline: Any,
    datasets: Sequence[Dataset],
    client: Client,
    *,
    penalty: float | None = None,
    link: str | None = None,
    polish: float = 0.01,
    name: str = "agent",
    compare: tuple[npt.ArrayLike, npt.ArrayLike | None] | None = None,
    ranges: str | None = None,
    penalised_intercept: bool = False,
    chain: Any = None,
    data_part: float = 0.5,
    price: int = 0,
) -> Certified:
    """Trains and certifies, over committed datasets, the agent that a scikit-learn pipeline describes.

    Penalty, link and scaling are read off the pipeline. The service then trains the head to the optimum over the datasets'
    quantised records, so its weights differ slightly from those of the fitted pipeline; `Certified.moved` tells how far its
    answers moved.

    Parameters
    ----------
    pipeline : Pipeline or estimator, or path
        ``StandardScaler`` or ``MinMaxScaler``, then ``LogisticRegression``, ``Ridge`` or ``RidgeClassifier``; or an estimator of
        :mod:`tribute.sklearn`. Or the path of an ONNX file, of PyTorch's for example, whose head is imported: see
        :meth:`Client.import_model`, also for `penalty`, `link` and `polish`, which only a file needs.
    datasets : sequence of Dataset
        Committed datasets of one schema that the caller may train on.
    compare : (features, targets or None), optional
        Records on which to compare the answers of the fitted pipeline, or of the file's model, with the certified agent's. The original
        answers them before anything is trained or imported.
    ranges : {"standard", "minmax"}, optional
        The rule by which the schema's ranges were inferred, for a pipeline whose scaler is not fitted: its scales are then taken from
        them. A fitted one needs none, nor does an estimator of :mod:`tribute.sklearn`, which has its own `range`.
    penalised_intercept : bool
        Whether the intercept may be penalised, although the pipeline's is free, because the datasets' intercept scale is below 3.
    chain : Chain, optional
        Chain on which to certify the agent; without one, only the certificate file is made. A call that was interrupted is repeated,
        also in another process: what is on chain already is gone on with (see :meth:`Chain.publish`).
    data_part, price
        Terms of the on-chain version: see :meth:`Chain.publish`.

    Raises
    ------
    ValueError
        The pipeline has no equivalent loss over these datasets, or its penalty is too weak to be certified; the message names the
        weakest. Or the original cannot answer the records of `compare`, or these do not fit the schema.
    """
    from .mapping import _order, mapping  # scikit-learn is not needed by clients of sessions

    if not datasets:
        raise ValueError("give at least one dataset")
    schema = datasets[0].schema
    if isinstance(pipeline, (str, os.PathLike)):
        if penalty is None or link is None:
            raise ValueError("a model from a file needs its penalty and its link")
        compared = _Compared(ModelFile(pipeline, schema), schema, compare) if compare else None
        agent = client.import_model(pipeline, datasets, penalty=penalty, link=link, name=name, polish=polish)
        moved = compared.moved(answers(agent, compared.values)) if compared else None
        return _proven(agent, None, moved, client, chain, name, data_part, price)
    if penalty is not None or link is not None:
        raise ValueError("penalty and link are read off a pipeline: give them for the file of a model only")
    found = mapping(pipeline, schema, sum(d.records for d in datasets), ranges)
    wanted = getattr(pipeline, "intercept_scale", None)  # an estimator of this package has its own
    for dataset in datasets:
        if dataset.intercept_scale is not None and not penalised_intercept:
            _check_intercept(dataset.intercept_scale, wanted)
    if found.spread > LARGEST_SPREAD and not found.scales:
        raise ValueError(
            f"the pipeline does not scale its features, so no rule for a schema's ranges fits: the penalty of a feature would deviate by "
            f"{found.spread:.0%}. Add a StandardScaler, with its with_std=True, and infer the schema with range='standard'"
        )
    if found.spread > LARGEST_SPREAD:
        raise ValueError(
            f"the schema's ranges are not the scaler's: the penalty of a feature would deviate by {found.spread:.0%}. "
            "Infer the schema with range='standard' for StandardScaler, range='minmax' for MinMaxScaler"
        )
    compared = _Compared(pipeline, schema, compare, _order(pipeline, schema)) if compare else None
    try:
        agent = client.train(datasets, penalty=found.penalty, link=found.link, name=name)
    except errors.BadField as refused:
        if "least" not in refused.metadata:
            raise
        weakest = found.weakest(float(refused.metadata["least"]))
        raise ValueError(
            f"{found.parameter} cannot be certified: {weakest} is the weakest penalty that can be. {refused.message}"
        ) from refused
    if not penalised_intercept:
        _check_intercept(agent.profile.intercept_scale, wanted)
    moved = compared.moved(answers(agent, compared.values)) if compared else None
    return _proven(agent, found, moved, client, chain, name, data_part, price)


def _check_intercept(scale: int, wanted: int | None) -> None:
    """Refuses datasets whose intercept scale makes another loss of the pipeline's: of a free intercept, or of one of scale `wanted`."""
    if wanted is None and scale < FREE_INTERCEPT:
        raise ValueError(
            f"the datasets' intercept scale is {scale}, so the intercept, which the pipeline leaves free, would be penalised like "
            f"{'a weight' if scale == 0 else f'1/{4**scale} of a weight'}: register them with intercept_scale={FREE_INTERCEPT}, or pass "
            "penalised_intercept=True"
        )
    if wanted is not None and scale != wanted:
        raise ValueError(
            f"the datasets' intercept scale is {scale}, the estimator's {wanted}: give the estimator intercept_scale={scale}, or pass "
            "penalised_intercept=True"
        )


def _proven(
    agent: Agent,
    found: "Mapping | None",
    moved: Moved | None,
    client: Client,
    chain: Any,
    name: str,
    data_part: float,
    price: int,
) -> Certified:
    """Proves an agent, on chain if one is given."""
    if chain is None:
        client.prove(agent)
        return Certified(client.agent(agent), found, client.certificate(agent), moved, None, None)
    agent_id, version = chain.publish(name, agent, data_part=data_part, price=price)
    proofs = client.prove(agent, agent_id=agent_id, version=version)
    if not chain.is_certified(agent_id, version):
        chain.certify(agent_id, version, proofs)
    return Certified(client.agent(agent), found, client.certificate(agent), moved, agent_id, version)


class _Compared:
    """Answers of the original model to records, to compare an agent's with.

    Parameters
    ----------
    order : list of int, optional
        Where the schema's features are among those that the original was fitted on; None if they are in the same order.

    Attributes
    ----------
    values : ndarray of shape (n, features)
        The records, in the schema's order.

    Raises
    ------
    ValueError
        The records do not fit the schema, the model cannot answer them, or there are not as many targets.
    """

    def __init__(
        self, original: Any, schema: Schema, compare: tuple[npt.ArrayLike, npt.ArrayLike | None], order: list[int] | None = None
    ):
        self._schema = schema
        features, targets = compare
        self.values = schema.in_order(features)
        schema.quantise(self.values)  # refuses what does not fit
        if self.values.ndim != 2 or not len(self.values):
            raise ValueError(f"the records to compare have shape {self.values.shape}: give at least one, as a row")
        self._targets = None if targets is None else self._numbers(targets, "targets")
        asked = self.values
        if order is not None:
            asked = np.empty_like(self.values)
            asked[:, order] = self.values
        with warnings.catch_warnings():
            # the columns are in the order that it was fitted on
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            self._before = self._numbers(original.predict(asked), "answers of the model")
            self._margins = None if schema.classes is None else _margins(original.decision_function(asked))

    def _numbers(self, values: npt.ArrayLike, what: str) -> npt.NDArray[Any]:
        """Class numbers or real values of the records, of shape (n,)."""
        given = np.ravel(np.asarray(_unmasked(values, what, errors.BadRecord)))
        if len(given) != len(self.values):
            raise ValueError(f"there are {len(self.values)} records to compare, but {len(given)} {what}: give one for each record")
        if self._schema.classes is not None:
            return self._schema.quantise_target(given)
        reals = _numbers(given, what, errors.BadRecord)
        if not np.isfinite(reals).all():
            raise ValueError(f"of the {what}, number {np.flatnonzero(~np.isfinite(reals))[0]} is not finite")
        return reals

    def moved(self, given: npt.ArrayLike) -> Moved:
        """How the answers that an agent gave differ."""
        before, after = self._before, self._numbers(given, "answers of the agent")
        if self._margins is None:
            lo, hi = self._schema.target_range or (0.0, 1.0)
            margins = np.abs(before - after)
            differing = np.flatnonzero(margins > FAR * (hi - lo))
        else:
            margins = self._margins
            differing = np.flatnonzero(before != after)
        accuracy: tuple[float | None, float | None] = (None, None)
        if self._targets is not None:
            measure = _r2 if self._margins is None else _right
            accuracy = (measure(before, self._targets), measure(after, self._targets))
        clamped = np.count_nonzero((self.values < self._schema.lo) | (self.values > self._schema.hi))
        return Moved(len(before), differing.tolist(), margins[differing].tolist(), *accuracy, int(clamped))


def _margins(scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Differences of a classifier's two largest scores."""
    found = np.asarray(scores, dtype=np.float64)
    if found.ndim == 1:
        return np.abs(found)
    largest = np.sort(found, axis=1)
    return largest[:, -1] - largest[:, -2]


def _right(predicted: npt.NDArray[Any], targets: npt.NDArray[Any]) -> float:
    """Fraction of right classes."""
    return float(np.mean(predicted == targets))


def _r2(predicted: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]) -> float:
    """R² of real values."""
    return float(1.0 - np.sum((targets - predicted) ** 2) / np.sum((targets - targets.mean()) ** 2))


def answers(agent: Agent, features: npt.ArrayLike) -> list[str] | list[float]:
    """An agent's answers, computed by onnxruntime on this machine with the same integers as in the proofs.

    Parameters
    ----------
    features : array_like of shape (n, features)
        Features in the schema's units.

    Returns
    -------
    list of str or float
        Labels, or real values in the target's units.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(agent.onnx, providers=["CPUExecutionProvider"])
    steps = agent.schema.quantise(features)
    if agent.schema.target_range is not None:
        lo, hi = agent.schema.target_range
        logits = np.ravel(session.run(["logits"], {"features": steps})[0])
        return (logits * LOGIT_UNIT / TARGET_STEPS * (hi - lo) + lo).tolist()
    numbers = session.run(["answer"], {"features": steps})[0]
    classes = agent.schema.classes or []
    return [classes[int(n)] for n in np.ravel(numbers)]

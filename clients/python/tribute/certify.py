"""From a scikit-learn pipeline to a certificate."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Sequence

import numpy as np
import numpy.typing as npt

from . import errors
from ._model_file import ModelFile
from .client import Client
from .schema import _label, _unmasked
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
        Records on which to compare the answers of the fitted pipeline, or of the file's model, with the certified agent's.
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
        weakest.
    """
    from .mapping import mapping  # scikit-learn is not needed by clients of sessions

    if not datasets:
        raise ValueError("give at least one dataset")
    if isinstance(pipeline, (str, os.PathLike)):
        if penalty is None or link is None:
            raise ValueError("a model from a file needs its penalty and its link")
        original = ModelFile(pipeline, datasets[0].schema) if compare else None
        agent = client.import_model(pipeline, datasets, penalty=penalty, link=link, name=name, polish=polish)
        moved = _moved(original, agent, compare) if compare else None
        return _proven(agent, None, moved, client, chain, name, data_part, price)
    if penalty is not None or link is not None:
        raise ValueError("penalty and link are read off a pipeline: give them for the file of a model only")
    schema = datasets[0].schema
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
    moved = _moved(pipeline, agent, compare) if compare else None
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


def _moved(pipeline: Any, agent: Agent, compare: tuple[npt.ArrayLike, npt.ArrayLike | None]) -> Moved:
    features, targets = compare
    before, after = np.asarray(pipeline.predict(features)), np.asarray(answers(agent, features))
    if agent.schema.target_range is not None:
        lo, hi = agent.schema.target_range
        apart = np.abs(before - after)
        differing = np.flatnonzero(apart > FAR * (hi - lo))
        margins = apart[differing]
    else:
        before = _labels(agent, before)
        differing = np.flatnonzero(before != after)
        margins = _margins(pipeline, np.asarray(features)[differing])
    accuracy: tuple[float | None, float | None] = (None, None)
    if targets is not None:
        given = np.asarray(_unmasked(targets, "targets", errors.BadRecord))
        wanted = given if agent.schema.classes is None else _labels(agent, given)
        accuracy = (_accuracy(before, wanted), _accuracy(after, wanted))
    values = agent.schema.in_order(features)
    clamped = np.count_nonzero((values < agent.schema.lo) | (values > agent.schema.hi))
    return Moved(len(before), differing.tolist(), np.asarray(margins).tolist(), *accuracy, int(clamped))


def _labels(agent: Agent, values: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    """Labels as the schema writes them: of whole numbers, 1.0 is 1."""
    known = {label: i for i, label in enumerate(agent.schema.classes or ())}
    return np.array([_label(value, known) for value in np.ravel(values)], dtype=str)


def _margins(pipeline: Any, features: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Differences of a classifier's two largest scores."""
    if not len(features):
        return np.zeros(0)
    scores = np.asarray(pipeline.decision_function(features))
    if scores.ndim == 1:
        return np.abs(scores)
    largest = np.sort(scores, axis=1)
    return largest[:, -1] - largest[:, -2]


def _accuracy(predicted: npt.NDArray[Any], targets: npt.NDArray[Any]) -> float:
    """Fraction of right labels, or R² of real values."""
    if predicted.dtype.kind == "f":
        return float(1.0 - np.sum((targets - predicted) ** 2) / np.sum((targets - targets.mean()) ** 2))
    return float(np.mean(predicted == targets))


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

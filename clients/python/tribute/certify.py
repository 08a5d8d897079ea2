"""From a scikit-learn pipeline to a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Sequence

import numpy as np
import numpy.typing as npt

from .client import Client
from .types import Agent, Dataset

if TYPE_CHECKING:
    from .sklearn import Mapping

LARGEST_SPREAD = 0.5


@dataclass(frozen=True)
class Moved:
    """How the certified agent's answers differ from those of the original pipeline."""

    answers: int
    """Number of answers compared."""
    differing: list[int]
    """Indices of the records that the two answer differently."""
    accuracy_before: float | None
    accuracy_after: float | None

    def __str__(self) -> str:
        text = f"{len(self.differing)} of {self.answers} answers differ"
        if self.accuracy_before is None:
            return text
        return f"{text}; accuracy {self.accuracy_before:.4f} before, {self.accuracy_after:.4f} after"


@dataclass(frozen=True)
class Certified:
    """A certified agent."""

    agent: Agent
    mapping: "Mapping"
    certificate: bytes
    """The certificate file, for :func:`tribute.verify`."""
    moved: Moved | None
    """None if there were no records to compare on."""
    agent_id: bytes | None
    """Its id on chain; None off chain."""
    version: int | None


def certify(
    pipeline: Any,
    datasets: Sequence[Dataset],
    client: Client,
    *,
    name: str = "agent",
    compare: tuple[npt.ArrayLike, npt.ArrayLike | None] | None = None,
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
    pipeline : Pipeline or LogisticRegression
        ``StandardScaler`` or ``MinMaxScaler``, then ``LogisticRegression``.
    datasets : sequence of Dataset
        Committed datasets of one schema that the caller may train on.
    compare : (features, targets or None), optional
        Records on which to compare the fitted pipeline's answers with the certified agent's.
    chain : Chain, optional
        Chain on which to certify the agent; without one, only the certificate file is made.
    data_part, price
        Terms of the on-chain version: see :meth:`Chain.propose`.
    """
    from .sklearn import mapping  # scikit-learn is not needed by clients of sessions

    if not datasets:
        raise ValueError("give at least one dataset")
    schema = datasets[0].schema
    found = mapping(pipeline, schema, sum(d.records for d in datasets))
    if found.spread > LARGEST_SPREAD:
        raise ValueError(
            f"the schema's ranges are not the scaler's: the penalty of a feature would deviate by {found.spread:.0%}. "
            "Infer the schema with range='standard' for StandardScaler, range='minmax' for MinMaxScaler"
        )
    agent = client.train(datasets, penalty=found.penalty, link=found.link, name=name)
    moved = _moved(pipeline, agent, compare) if compare else None
    if chain is None:
        client.prove(agent)
        return Certified(client.agent(agent), found, client.certificate(agent), moved, None, None)
    agent_id = chain.create_agent(name)
    version = chain.propose(agent_id, agent, data_part=data_part, price=price)
    chain.certify(agent_id, version, client.prove(agent, agent_id=agent_id, version=version))
    return Certified(client.agent(agent), found, client.certificate(agent), moved, agent_id, version)


def _moved(pipeline: Any, agent: Agent, compare: tuple[npt.ArrayLike, npt.ArrayLike | None]) -> Moved:
    features, targets = compare
    before = np.asarray([str(label) for label in pipeline.predict(features)])
    after = np.asarray(answers(agent, features))
    accuracy = (None, None)
    if targets is not None:
        labels = np.asarray([str(label) for label in np.asarray(targets)])
        accuracy = (float(np.mean(before == labels)), float(np.mean(after == labels)))
    return Moved(len(before), [int(i) for i in np.flatnonzero(before != after)], *accuracy)


def answers(agent: Agent, features: npt.ArrayLike) -> list[str]:
    """An agent's answers, computed by onnxruntime on this machine with the same integers as in the proofs.

    Parameters
    ----------
    features : array_like of shape (n, features)
        Features in the schema's units.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(agent.onnx, providers=["CPUExecutionProvider"])
    numbers = session.run(["answer"], {"features": agent.schema.quantise(features)})[0]
    classes = agent.schema.classes
    assert classes is not None
    return [classes[int(n)] for n in np.ravel(numbers)]


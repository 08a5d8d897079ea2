"""The datasets, agents, proofs and evaluations that the client returns."""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_utils.address import to_checksum_address

from ._proto.tribute.v1 import agent_pb2, common_pb2, dataset_pb2, session_pb2
from .schema import Schema

LAMBDA_UNIT = 2.0**-44
"""Unit of a penalty in messages."""
LOSS_UNIT = 2.0**-20
"""Unit of a loss in messages."""
WEIGHT_UNIT = 2.0**-32
"""Unit of a weight."""
LOGIT_UNIT = WEIGHT_UNIT / 256.0
"""Unit of a logit: a weight's times that of a feature's step."""
TARGET_STEPS = 65_535.0 / 65_536.0
"""Value of a real target at the upper end of its range, as the circuits see it."""
SHARE_UNIT = 2.0**-20
"""Unit of a share in a certificate."""


@dataclass(frozen=True)
class Dataset:
    """A committed dataset."""

    id: bytes
    owner: str
    records: int
    schema: Schema
    shards: int
    intercept_scale: int | None = field(default=None, compare=False)
    """The `s` of the bias's feature 2^s: see :meth:`Client.register`. None of a dataset of the chain, which stores only a digest of it."""

    @classmethod
    def _of(cls, message: dataset_pb2.Dataset) -> "Dataset":
        schema = Schema(message.schema_json.decode())
        scale = message.profile.intercept_scale
        return cls(message.id, _address(message.owner), message.records, schema, len(message.shards), scale)

    def __repr__(self) -> str:
        return f"Dataset(0x{self.id.hex()}, {self.records} records of {self.schema.name!r})"


@dataclass(frozen=True)
class Polish:
    """What changed when an imported model was moved to the optimum over its datasets."""

    moved: float
    """How far its weights moved, relative to their norm."""
    answers_changed: int
    """Number of training records that it answers differently since."""
    training_accuracy_before: float
    """Fraction of them that it answered correctly before; :attr:`Agent.training_accuracy` is that since."""

    @classmethod
    def _of(cls, message: agent_pb2.Polish) -> "Polish":
        return cls(message.moved, message.answers_changed, message.training_accuracy_before)


@dataclass(frozen=True)
class Agent:
    """A trained agent, identified by the digest of its committed weights."""

    weights_digest: bytes
    name: str
    owner: str
    link: str
    penalty: float
    schema: Schema
    datasets: list[bytes]
    records: int
    shares: list[float]
    training_accuracy: float
    relative_distance: float
    gradients_proven: int
    gradients: int
    optimum_proven: bool
    profile: common_pb2.Profile
    model_sha256: bytes
    onnx: bytes
    polish: Polish | None
    """Of a model that was brought along: what moving it to the optimum changed."""

    @classmethod
    def _of(cls, message: agent_pb2.Agent) -> "Agent":
        return cls(
            weights_digest=message.weights_digest,
            name=message.name,
            owner=_address(message.owner),
            link=common_pb2.Link.Name(message.terms.link).removeprefix("LINK_").lower(),
            penalty=getattr(message.terms, "lambda") * LAMBDA_UNIT,
            schema=Schema(message.schema_json.decode()),
            datasets=list(message.terms.dataset_ids),
            records=message.records,
            shares=list(message.shares),
            training_accuracy=message.training_accuracy,
            relative_distance=message.relative_distance,
            gradients_proven=message.gradients_proven,
            gradients=message.shards,
            optimum_proven=message.optimum_proven,
            profile=message.profile,
            model_sha256=message.model_sha256,
            onnx=message.onnx,
            polish=Polish._of(message.polish) if message.HasField("polish") else None,
        )

    def __repr__(self) -> str:
        return f"Agent(0x{self.weights_digest.hex()}, {self.name!r}, {self.records} records)"


@dataclass(frozen=True)
class Proofs:
    """The proofs of an agent: a gradient proof for each shard of its datasets, and the optimum proof."""

    datasets: list[bytes]
    gradients: list[common_pb2.Proof]
    optimum: common_pb2.Proof


@dataclass(frozen=True)
class Claim:
    """A proof of answers in sessions of one agent version, with the vouchers for them: whoever sends it has the fees paid out."""

    agent_id: bytes
    version: int
    proof: common_pb2.Proof
    vouchers: list[session_pb2.Voucher]

    @classmethod
    def _of(cls, message: session_pb2.ServiceOutcome) -> "Claim":
        return cls(message.agent_id, message.version, message.proof, list(message.vouchers))


@dataclass(frozen=True)
class Evaluation:
    """A proven accuracy and loss."""

    records: int
    correct: int
    loss: float
    """Sum over the records; the agent's link decides which loss."""
    file: bytes

    @property
    def accuracy(self) -> float:
        return self.correct / self.records


def _address(value: bytes) -> str:
    return to_checksum_address(value)

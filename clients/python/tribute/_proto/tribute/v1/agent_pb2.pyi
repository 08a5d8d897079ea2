from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrainingTerms(_message.Message):
    __slots__ = ("dataset_ids", "link")
    DATASET_IDS_FIELD_NUMBER: _ClassVar[int]
    LAMBDA_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    dataset_ids: _containers.RepeatedScalarFieldContainer[bytes]
    link: _common_pb2.Link
    def __init__(self, dataset_ids: _Optional[_Iterable[bytes]] = ..., link: _Optional[_Union[_common_pb2.Link, str]] = ..., **kwargs) -> None: ...

class TrainWork(_message.Message):
    __slots__ = ("terms", "name")
    TERMS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    terms: TrainingTerms
    name: str
    def __init__(self, terms: _Optional[_Union[TrainingTerms, _Mapping]] = ..., name: _Optional[str] = ...) -> None: ...

class ImportWork(_message.Message):
    __slots__ = ("terms", "name", "onnx", "quantised_features")
    TERMS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ONNX_FIELD_NUMBER: _ClassVar[int]
    QUANTISED_FEATURES_FIELD_NUMBER: _ClassVar[int]
    terms: TrainingTerms
    name: str
    onnx: bytes
    quantised_features: bool
    def __init__(self, terms: _Optional[_Union[TrainingTerms, _Mapping]] = ..., name: _Optional[str] = ..., onnx: _Optional[bytes] = ..., quantised_features: _Optional[bool] = ...) -> None: ...

class AgentOutcome(_message.Message):
    __slots__ = ("agent",)
    AGENT_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ...) -> None: ...

class Agent(_message.Message):
    __slots__ = ("weights_digest", "owner", "name", "terms", "schema_json", "profile", "model_sha256", "onnx", "epsilon", "norm", "relative_distance", "shares", "training_accuracy", "records", "gradients_proven", "shards", "optimum_proven", "created_ms")
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MODEL_SHA256_FIELD_NUMBER: _ClassVar[int]
    ONNX_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    NORM_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    TRAINING_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    GRADIENTS_PROVEN_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    OPTIMUM_PROVEN_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    weights_digest: bytes
    owner: bytes
    name: str
    terms: TrainingTerms
    schema_json: bytes
    profile: _common_pb2.Profile
    model_sha256: bytes
    onnx: bytes
    epsilon: int
    norm: int
    relative_distance: float
    shares: _containers.RepeatedScalarFieldContainer[float]
    training_accuracy: float
    records: int
    gradients_proven: int
    shards: int
    optimum_proven: bool
    created_ms: int
    def __init__(self, weights_digest: _Optional[bytes] = ..., owner: _Optional[bytes] = ..., name: _Optional[str] = ..., terms: _Optional[_Union[TrainingTerms, _Mapping]] = ..., schema_json: _Optional[bytes] = ..., profile: _Optional[_Union[_common_pb2.Profile, _Mapping]] = ..., model_sha256: _Optional[bytes] = ..., onnx: _Optional[bytes] = ..., epsilon: _Optional[int] = ..., norm: _Optional[int] = ..., relative_distance: _Optional[float] = ..., shares: _Optional[_Iterable[float]] = ..., training_accuracy: _Optional[float] = ..., records: _Optional[int] = ..., gradients_proven: _Optional[int] = ..., shards: _Optional[int] = ..., optimum_proven: _Optional[bool] = ..., created_ms: _Optional[int] = ...) -> None: ...

class EvaluationWork(_message.Message):
    __slots__ = ("weights_digest", "dataset_id")
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    weights_digest: bytes
    dataset_id: bytes
    def __init__(self, weights_digest: _Optional[bytes] = ..., dataset_id: _Optional[bytes] = ...) -> None: ...

class EvaluationOutcome(_message.Message):
    __slots__ = ("weights_digest", "dataset_id", "records", "correct", "evaluation_json")
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_JSON_FIELD_NUMBER: _ClassVar[int]
    weights_digest: bytes
    dataset_id: bytes
    records: int
    correct: int
    evaluation_json: bytes
    def __init__(self, weights_digest: _Optional[bytes] = ..., dataset_id: _Optional[bytes] = ..., records: _Optional[int] = ..., correct: _Optional[int] = ..., evaluation_json: _Optional[bytes] = ...) -> None: ...

class GradientWork(_message.Message):
    __slots__ = ("weights_digest", "slot", "context")
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    weights_digest: bytes
    slot: int
    context: _common_pb2.ChainContext
    def __init__(self, weights_digest: _Optional[bytes] = ..., slot: _Optional[int] = ..., context: _Optional[_Union[_common_pb2.ChainContext, _Mapping]] = ...) -> None: ...

class OptimumWork(_message.Message):
    __slots__ = ("weights_digest", "context", "agent_id", "version")
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    weights_digest: bytes
    context: _common_pb2.ChainContext
    agent_id: bytes
    version: int
    def __init__(self, weights_digest: _Optional[bytes] = ..., context: _Optional[_Union[_common_pb2.ChainContext, _Mapping]] = ..., agent_id: _Optional[bytes] = ..., version: _Optional[int] = ...) -> None: ...

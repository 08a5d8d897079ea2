from tribute._proto.tribute.v1 import agent_pb2 as _agent_pb2
from tribute._proto.tribute.v1 import circuit_pb2 as _circuit_pb2
from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from tribute._proto.tribute.v1 import dataset_pb2 as _dataset_pb2
from tribute._proto.tribute.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState

class Work(_message.Message):
    __slots__ = ("dataset", "train", "gradient", "optimum", "service", "circuit", "calibrate", "evaluation")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    TRAIN_FIELD_NUMBER: _ClassVar[int]
    IMPORT_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_FIELD_NUMBER: _ClassVar[int]
    OPTIMUM_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    CALIBRATE_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    dataset: _dataset_pb2.DatasetWork
    train: _agent_pb2.TrainWork
    gradient: _agent_pb2.GradientWork
    optimum: _agent_pb2.OptimumWork
    service: _session_pb2.ServiceWork
    circuit: _circuit_pb2.CircuitWork
    calibrate: CalibrateWork
    evaluation: _agent_pb2.EvaluationWork
    def __init__(self, dataset: _Optional[_Union[_dataset_pb2.DatasetWork, _Mapping]] = ..., train: _Optional[_Union[_agent_pb2.TrainWork, _Mapping]] = ..., gradient: _Optional[_Union[_agent_pb2.GradientWork, _Mapping]] = ..., optimum: _Optional[_Union[_agent_pb2.OptimumWork, _Mapping]] = ..., service: _Optional[_Union[_session_pb2.ServiceWork, _Mapping]] = ..., circuit: _Optional[_Union[_circuit_pb2.CircuitWork, _Mapping]] = ..., calibrate: _Optional[_Union[CalibrateWork, _Mapping]] = ..., evaluation: _Optional[_Union[_agent_pb2.EvaluationWork, _Mapping]] = ..., **kwargs) -> None: ...

class CalibrateWork(_message.Message):
    __slots__ = ("k", "rounds", "tag")
    K_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    k: int
    rounds: int
    tag: str
    def __init__(self, k: _Optional[int] = ..., rounds: _Optional[int] = ..., tag: _Optional[str] = ...) -> None: ...

class JobOptions(_message.Message):
    __slots__ = ("priority", "deadline")
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    priority: int
    deadline: int
    def __init__(self, priority: _Optional[int] = ..., deadline: _Optional[int] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "kind", "state", "starts", "attempts", "max_attempts", "progress", "created_ms", "started_ms", "ended_ms", "error", "outcome")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STARTS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    ENDED_MS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    state: JobState
    starts: int
    attempts: int
    max_attempts: int
    progress: Progress
    created_ms: int
    started_ms: int
    ended_ms: int
    error: JobError
    outcome: Outcome
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[_Union[JobState, str]] = ..., starts: _Optional[int] = ..., attempts: _Optional[int] = ..., max_attempts: _Optional[int] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., created_ms: _Optional[int] = ..., started_ms: _Optional[int] = ..., ended_ms: _Optional[int] = ..., error: _Optional[_Union[JobError, _Mapping]] = ..., outcome: _Optional[_Union[Outcome, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("phase", "done", "total")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    phase: str
    done: int
    total: int
    def __init__(self, phase: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class JobError(_message.Message):
    __slots__ = ("reason", "message", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("dataset", "agent", "proof", "circuit", "calibrate", "service", "evaluation")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    CALIBRATE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    dataset: _dataset_pb2.DatasetOutcome
    agent: _agent_pb2.AgentOutcome
    proof: _common_pb2.Proof
    circuit: _circuit_pb2.CircuitOutcome
    calibrate: CalibrateOutcome
    service: _session_pb2.ServiceOutcome
    evaluation: _agent_pb2.EvaluationOutcome
    def __init__(self, dataset: _Optional[_Union[_dataset_pb2.DatasetOutcome, _Mapping]] = ..., agent: _Optional[_Union[_agent_pb2.AgentOutcome, _Mapping]] = ..., proof: _Optional[_Union[_common_pb2.Proof, _Mapping]] = ..., circuit: _Optional[_Union[_circuit_pb2.CircuitOutcome, _Mapping]] = ..., calibrate: _Optional[_Union[CalibrateOutcome, _Mapping]] = ..., service: _Optional[_Union[_session_pb2.ServiceOutcome, _Mapping]] = ..., evaluation: _Optional[_Union[_agent_pb2.EvaluationOutcome, _Mapping]] = ...) -> None: ...

class CalibrateOutcome(_message.Message):
    __slots__ = ("milliseconds", "k", "rounds")
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    milliseconds: float
    k: int
    rounds: int
    def __init__(self, milliseconds: _Optional[float] = ..., k: _Optional[int] = ..., rounds: _Optional[int] = ...) -> None: ...

class JobEvent(_message.Message):
    __slots__ = ("sequence", "at_ms", "state", "progress", "requeued")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    REQUEUED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    at_ms: int
    state: JobState
    progress: Progress
    requeued: str
    def __init__(self, sequence: _Optional[int] = ..., at_ms: _Optional[int] = ..., state: _Optional[_Union[JobState, str]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., requeued: _Optional[str] = ...) -> None: ...

from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ServerInfo(_message.Message):
    __slots__ = ("version", "instance", "chain_id", "dataset_registry", "agent_registry", "session_escrow", "proof_gate", "default_profile", "now_ms", "max_unvouched", "development_srs")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    DATASET_REGISTRY_FIELD_NUMBER: _ClassVar[int]
    AGENT_REGISTRY_FIELD_NUMBER: _ClassVar[int]
    SESSION_ESCROW_FIELD_NUMBER: _ClassVar[int]
    PROOF_GATE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_PROFILE_FIELD_NUMBER: _ClassVar[int]
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_UNVOUCHED_FIELD_NUMBER: _ClassVar[int]
    DEVELOPMENT_SRS_FIELD_NUMBER: _ClassVar[int]
    version: str
    instance: bytes
    chain_id: int
    dataset_registry: bytes
    agent_registry: bytes
    session_escrow: bytes
    proof_gate: bytes
    default_profile: _common_pb2.Profile
    now_ms: int
    max_unvouched: int
    development_srs: bool
    def __init__(self, version: _Optional[str] = ..., instance: _Optional[bytes] = ..., chain_id: _Optional[int] = ..., dataset_registry: _Optional[bytes] = ..., agent_registry: _Optional[bytes] = ..., session_escrow: _Optional[bytes] = ..., proof_gate: _Optional[bytes] = ..., default_profile: _Optional[_Union[_common_pb2.Profile, _Mapping]] = ..., now_ms: _Optional[int] = ..., max_unvouched: _Optional[int] = ..., development_srs: _Optional[bool] = ...) -> None: ...

from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CircuitShape(_message.Message):
    __slots__ = ("statement", "profile", "features", "classes", "real_target", "link")
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    REAL_TARGET_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    statement: _common_pb2.Statement
    profile: _common_pb2.Profile
    features: int
    classes: int
    real_target: bool
    link: _common_pb2.Link
    def __init__(self, statement: _Optional[_Union[_common_pb2.Statement, str]] = ..., profile: _Optional[_Union[_common_pb2.Profile, _Mapping]] = ..., features: _Optional[int] = ..., classes: _Optional[int] = ..., real_target: _Optional[bool] = ..., link: _Optional[_Union[_common_pb2.Link, str]] = ...) -> None: ...

class Circuit(_message.Message):
    __slots__ = ("shape", "circuit_id", "vk_digest", "srs_digest", "layout_hash", "code_hash", "code_bytes", "proof_length", "input_count", "gas_verify", "slots", "group_columns")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_ID_FIELD_NUMBER: _ClassVar[int]
    VK_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SRS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_HASH_FIELD_NUMBER: _ClassVar[int]
    CODE_HASH_FIELD_NUMBER: _ClassVar[int]
    CODE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROOF_LENGTH_FIELD_NUMBER: _ClassVar[int]
    INPUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    GAS_VERIFY_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    GROUP_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    shape: CircuitShape
    circuit_id: bytes
    vk_digest: bytes
    srs_digest: bytes
    layout_hash: bytes
    code_hash: bytes
    code_bytes: int
    proof_length: int
    input_count: int
    gas_verify: int
    slots: int
    group_columns: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, shape: _Optional[_Union[CircuitShape, _Mapping]] = ..., circuit_id: _Optional[bytes] = ..., vk_digest: _Optional[bytes] = ..., srs_digest: _Optional[bytes] = ..., layout_hash: _Optional[bytes] = ..., code_hash: _Optional[bytes] = ..., code_bytes: _Optional[int] = ..., proof_length: _Optional[int] = ..., input_count: _Optional[int] = ..., gas_verify: _Optional[int] = ..., slots: _Optional[int] = ..., group_columns: _Optional[_Iterable[int]] = ...) -> None: ...

class CircuitWork(_message.Message):
    __slots__ = ("shape",)
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    shape: CircuitShape
    def __init__(self, shape: _Optional[_Union[CircuitShape, _Mapping]] = ...) -> None: ...

class CircuitOutcome(_message.Message):
    __slots__ = ("circuit",)
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    circuit: Circuit
    def __init__(self, circuit: _Optional[_Union[Circuit, _Mapping]] = ...) -> None: ...

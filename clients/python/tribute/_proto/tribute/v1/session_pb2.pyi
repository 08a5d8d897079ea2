from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Voucher(_message.Message):
    __slots__ = ("session", "version", "count", "transcript", "signature")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    session: bytes
    version: int
    count: int
    transcript: bytes
    signature: bytes
    def __init__(self, session: _Optional[bytes] = ..., version: _Optional[int] = ..., count: _Optional[int] = ..., transcript: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("id", "weights_digest", "agent_id", "version", "client", "session_key", "price", "escrow", "count", "transcript", "voucher", "claimed_count", "claimed_transcript", "schema_json", "context")
    ID_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_KEY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    ESCROW_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    VOUCHER_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    weights_digest: bytes
    agent_id: bytes
    version: int
    client: bytes
    session_key: bytes
    price: str
    escrow: str
    count: int
    transcript: bytes
    voucher: Voucher
    claimed_count: int
    claimed_transcript: bytes
    schema_json: bytes
    context: _common_pb2.ChainContext
    def __init__(self, id: _Optional[bytes] = ..., weights_digest: _Optional[bytes] = ..., agent_id: _Optional[bytes] = ..., version: _Optional[int] = ..., client: _Optional[bytes] = ..., session_key: _Optional[bytes] = ..., price: _Optional[str] = ..., escrow: _Optional[str] = ..., count: _Optional[int] = ..., transcript: _Optional[bytes] = ..., voucher: _Optional[_Union[Voucher, _Mapping]] = ..., claimed_count: _Optional[int] = ..., claimed_transcript: _Optional[bytes] = ..., schema_json: _Optional[bytes] = ..., context: _Optional[_Union[_common_pb2.ChainContext, _Mapping]] = ...) -> None: ...

class ServiceWork(_message.Message):
    __slots__ = ("weights_digest", "sessions")
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    weights_digest: bytes
    sessions: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, weights_digest: _Optional[bytes] = ..., sessions: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ServiceOutcome(_message.Message):
    __slots__ = ("proof", "vouchers", "agent_id", "version")
    PROOF_FIELD_NUMBER: _ClassVar[int]
    VOUCHERS_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    proof: _common_pb2.Proof
    vouchers: _containers.RepeatedCompositeFieldContainer[Voucher]
    agent_id: bytes
    version: int
    def __init__(self, proof: _Optional[_Union[_common_pb2.Proof, _Mapping]] = ..., vouchers: _Optional[_Iterable[_Union[Voucher, _Mapping]]] = ..., agent_id: _Optional[bytes] = ..., version: _Optional[int] = ...) -> None: ...

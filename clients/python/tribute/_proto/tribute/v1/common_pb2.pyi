from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Link(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINK_UNSPECIFIED: _ClassVar[Link]
    LINK_SQUARED: _ClassVar[Link]
    LINK_LOGISTIC: _ClassVar[Link]
    LINK_SOFTMAX: _ClassVar[Link]

class Statement(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATEMENT_UNSPECIFIED: _ClassVar[Statement]
    STATEMENT_DATASET: _ClassVar[Statement]
    STATEMENT_GRADIENT: _ClassVar[Statement]
    STATEMENT_OPTIMUM: _ClassVar[Statement]
    STATEMENT_EVALUATION: _ClassVar[Statement]
    STATEMENT_SERVICE: _ClassVar[Statement]
LINK_UNSPECIFIED: Link
LINK_SQUARED: Link
LINK_LOGISTIC: Link
LINK_SOFTMAX: Link
STATEMENT_UNSPECIFIED: Statement
STATEMENT_DATASET: Statement
STATEMENT_GRADIENT: Statement
STATEMENT_OPTIMUM: Statement
STATEMENT_EVALUATION: Statement
STATEMENT_SERVICE: Statement

class Auth(_message.Message):
    __slots__ = ("signer", "nonce", "deadline", "signature")
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    signer: bytes
    nonce: bytes
    deadline: int
    signature: bytes
    def __init__(self, signer: _Optional[bytes] = ..., nonce: _Optional[bytes] = ..., deadline: _Optional[int] = ..., signature: _Optional[bytes] = ...) -> None: ...

class ChainContext(_message.Message):
    __slots__ = ("chain_id", "contract")
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_FIELD_NUMBER: _ClassVar[int]
    chain_id: int
    contract: bytes
    def __init__(self, chain_id: _Optional[int] = ..., contract: _Optional[bytes] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("k", "columns", "intercept_scale")
    K_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    INTERCEPT_SCALE_FIELD_NUMBER: _ClassVar[int]
    k: int
    columns: int
    intercept_scale: int
    def __init__(self, k: _Optional[int] = ..., columns: _Optional[int] = ..., intercept_scale: _Optional[int] = ...) -> None: ...

class Proof(_message.Message):
    __slots__ = ("statement", "circuit_id", "inputs", "proof", "groups", "stats")
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_ID_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    statement: Statement
    circuit_id: bytes
    inputs: _containers.RepeatedScalarFieldContainer[bytes]
    proof: bytes
    groups: _containers.RepeatedScalarFieldContainer[bytes]
    stats: ProofStats
    def __init__(self, statement: _Optional[_Union[Statement, str]] = ..., circuit_id: _Optional[bytes] = ..., inputs: _Optional[_Iterable[bytes]] = ..., proof: _Optional[bytes] = ..., groups: _Optional[_Iterable[bytes]] = ..., stats: _Optional[_Union[ProofStats, _Mapping]] = ...) -> None: ...

class ProofStats(_message.Message):
    __slots__ = ("k", "columns", "seconds", "bytes", "verify_ms", "gas_verify", "peak_rss_mb")
    K_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    VERIFY_MS_FIELD_NUMBER: _ClassVar[int]
    GAS_VERIFY_FIELD_NUMBER: _ClassVar[int]
    PEAK_RSS_MB_FIELD_NUMBER: _ClassVar[int]
    k: int
    columns: int
    seconds: float
    bytes: int
    verify_ms: float
    gas_verify: int
    peak_rss_mb: int
    def __init__(self, k: _Optional[int] = ..., columns: _Optional[int] = ..., seconds: _Optional[float] = ..., bytes: _Optional[int] = ..., verify_ms: _Optional[float] = ..., gas_verify: _Optional[int] = ..., peak_rss_mb: _Optional[int] = ...) -> None: ...

from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from tribute._proto.tribute.v1 import job_pb2 as _job_pb2
from tribute._proto.tribute.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OpenSessionRequest(_message.Message):
    __slots__ = ("auth", "session", "weights_digest")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    session: bytes
    weights_digest: bytes
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., session: _Optional[bytes] = ..., weights_digest: _Optional[bytes] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ("auth", "session")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    session: bytes
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., session: _Optional[bytes] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("auth", "session", "features", "quantised", "salt", "position", "voucher")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    QUANTISED_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    VOUCHER_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    session: bytes
    features: Features
    quantised: bytes
    salt: bytes
    position: int
    voucher: _session_pb2.Voucher
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., session: _Optional[bytes] = ..., features: _Optional[_Union[Features, _Mapping]] = ..., quantised: _Optional[bytes] = ..., salt: _Optional[bytes] = ..., position: _Optional[int] = ..., voucher: _Optional[_Union[_session_pb2.Voucher, _Mapping]] = ...) -> None: ...

class Features(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class QueryResponse(_message.Message):
    __slots__ = ("answer", "label", "transcript", "position", "quantised")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    QUANTISED_FIELD_NUMBER: _ClassVar[int]
    answer: int
    label: str
    transcript: bytes
    position: int
    quantised: bytes
    def __init__(self, answer: _Optional[int] = ..., label: _Optional[str] = ..., transcript: _Optional[bytes] = ..., position: _Optional[int] = ..., quantised: _Optional[bytes] = ...) -> None: ...

class SubmitVoucherRequest(_message.Message):
    __slots__ = ("auth", "voucher")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    VOUCHER_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    voucher: _session_pb2.Voucher
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., voucher: _Optional[_Union[_session_pb2.Voucher, _Mapping]] = ...) -> None: ...

class ProveServiceRequest(_message.Message):
    __slots__ = ("auth", "work", "options")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    work: _session_pb2.ServiceWork
    options: _job_pb2.JobOptions
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., work: _Optional[_Union[_session_pb2.ServiceWork, _Mapping]] = ..., options: _Optional[_Union[_job_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class ProveServiceResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

from tribute._proto.tribute.v1 import circuit_pb2 as _circuit_pb2
from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from tribute._proto.tribute.v1 import job_pb2 as _job_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListCircuitsRequest(_message.Message):
    __slots__ = ("schema_json", "profile", "link")
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    schema_json: bytes
    profile: _common_pb2.Profile
    link: _common_pb2.Link
    def __init__(self, schema_json: _Optional[bytes] = ..., profile: _Optional[_Union[_common_pb2.Profile, _Mapping]] = ..., link: _Optional[_Union[_common_pb2.Link, str]] = ...) -> None: ...

class ListCircuitsResponse(_message.Message):
    __slots__ = ("ready", "missing")
    READY_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    ready: _containers.RepeatedCompositeFieldContainer[_circuit_pb2.Circuit]
    missing: _containers.RepeatedCompositeFieldContainer[_circuit_pb2.CircuitShape]
    def __init__(self, ready: _Optional[_Iterable[_Union[_circuit_pb2.Circuit, _Mapping]]] = ..., missing: _Optional[_Iterable[_Union[_circuit_pb2.CircuitShape, _Mapping]]] = ...) -> None: ...

class PrepareCircuitsRequest(_message.Message):
    __slots__ = ("auth", "schema_json", "profile", "link")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    schema_json: bytes
    profile: _common_pb2.Profile
    link: _common_pb2.Link
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., schema_json: _Optional[bytes] = ..., profile: _Optional[_Union[_common_pb2.Profile, _Mapping]] = ..., link: _Optional[_Union[_common_pb2.Link, str]] = ...) -> None: ...

class PrepareCircuitsResponse(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ...) -> None: ...

class GetBytecodeRequest(_message.Message):
    __slots__ = ("circuit_id",)
    CIRCUIT_ID_FIELD_NUMBER: _ClassVar[int]
    circuit_id: bytes
    def __init__(self, circuit_id: _Optional[bytes] = ...) -> None: ...

class GetBytecodeResponse(_message.Message):
    __slots__ = ("creation_code", "circuit")
    CREATION_CODE_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_FIELD_NUMBER: _ClassVar[int]
    creation_code: bytes
    circuit: _circuit_pb2.Circuit
    def __init__(self, creation_code: _Optional[bytes] = ..., circuit: _Optional[_Union[_circuit_pb2.Circuit, _Mapping]] = ...) -> None: ...

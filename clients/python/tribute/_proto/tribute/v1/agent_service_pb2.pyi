from tribute._proto.tribute.v1 import agent_pb2 as _agent_pb2
from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from tribute._proto.tribute.v1 import job_pb2 as _job_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrainAgentRequest(_message.Message):
    __slots__ = ("auth", "work", "options")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    work: _agent_pb2.TrainWork
    options: _job_pb2.JobOptions
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., work: _Optional[_Union[_agent_pb2.TrainWork, _Mapping]] = ..., options: _Optional[_Union[_job_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class TrainAgentResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ImportAgentRequest(_message.Message):
    __slots__ = ("auth", "work", "options")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    work: _agent_pb2.ImportWork
    options: _job_pb2.JobOptions
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., work: _Optional[_Union[_agent_pb2.ImportWork, _Mapping]] = ..., options: _Optional[_Union[_job_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class GetAgentRequest(_message.Message):
    __slots__ = ("auth", "weights_digest")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    weights_digest: bytes
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., weights_digest: _Optional[bytes] = ...) -> None: ...

class ListAgentsRequest(_message.Message):
    __slots__ = ("auth", "page_size", "page_token")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    page_size: int
    page_token: str
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAgentsResponse(_message.Message):
    __slots__ = ("agents", "next_page_token")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[_agent_pb2.Agent]
    next_page_token: str
    def __init__(self, agents: _Optional[_Iterable[_Union[_agent_pb2.Agent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ProveGradientsRequest(_message.Message):
    __slots__ = ("auth", "weights_digest", "context", "options")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    weights_digest: bytes
    context: _common_pb2.ChainContext
    options: _job_pb2.JobOptions
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., weights_digest: _Optional[bytes] = ..., context: _Optional[_Union[_common_pb2.ChainContext, _Mapping]] = ..., options: _Optional[_Union[_job_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class ProveGradientsResponse(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ...) -> None: ...

class ProveOptimumRequest(_message.Message):
    __slots__ = ("auth", "work", "options")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    work: _agent_pb2.OptimumWork
    options: _job_pb2.JobOptions
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., work: _Optional[_Union[_agent_pb2.OptimumWork, _Mapping]] = ..., options: _Optional[_Union[_job_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class ProveOptimumResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class EvaluateAgentRequest(_message.Message):
    __slots__ = ("auth", "work", "options")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    work: _agent_pb2.EvaluationWork
    options: _job_pb2.JobOptions
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., work: _Optional[_Union[_agent_pb2.EvaluationWork, _Mapping]] = ..., options: _Optional[_Union[_job_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class EvaluateAgentResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class GetCertificateRequest(_message.Message):
    __slots__ = ("auth", "weights_digest")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    weights_digest: bytes
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., weights_digest: _Optional[bytes] = ...) -> None: ...

class GetCertificateResponse(_message.Message):
    __slots__ = ("certificate_json",)
    CERTIFICATE_JSON_FIELD_NUMBER: _ClassVar[int]
    certificate_json: bytes
    def __init__(self, certificate_json: _Optional[bytes] = ...) -> None: ...

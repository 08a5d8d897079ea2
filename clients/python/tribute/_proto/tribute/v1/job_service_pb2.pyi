from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from tribute._proto.tribute.v1 import job_pb2 as _job_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitRequest(_message.Message):
    __slots__ = ("auth", "work", "options")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    work: _job_pb2.Work
    options: _job_pb2.JobOptions
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., work: _Optional[_Union[_job_pb2.Work, _Mapping]] = ..., options: _Optional[_Union[_job_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class SubmitResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class SubmitBatchRequest(_message.Message):
    __slots__ = ("auth", "work", "options")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    work: _containers.RepeatedCompositeFieldContainer[_job_pb2.Work]
    options: _job_pb2.JobOptions
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., work: _Optional[_Iterable[_Union[_job_pb2.Work, _Mapping]]] = ..., options: _Optional[_Union[_job_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class SubmitBatchResponse(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("auth", "job")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    job: str
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., job: _Optional[str] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("auth", "state", "page_size", "page_token")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    state: _job_pb2.JobState
    page_size: int
    page_token: str
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., state: _Optional[_Union[_job_pb2.JobState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WaitJobRequest(_message.Message):
    __slots__ = ("auth", "job", "timeout_seconds")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    job: str
    timeout_seconds: int
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., job: _Optional[str] = ..., timeout_seconds: _Optional[int] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("auth", "job", "after")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    job: str
    after: int
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., job: _Optional[str] = ..., after: _Optional[int] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("auth", "job")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    job: str
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., job: _Optional[str] = ...) -> None: ...

from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from tribute._proto.tribute.v1 import dataset_pb2 as _dataset_pb2
from tribute._proto.tribute.v1 import job_pb2 as _job_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RegisterDatasetRequest(_message.Message):
    __slots__ = ("auth", "work", "options")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    work: _dataset_pb2.DatasetWork
    options: _job_pb2.JobOptions
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., work: _Optional[_Union[_dataset_pb2.DatasetWork, _Mapping]] = ..., options: _Optional[_Union[_job_pb2.JobOptions, _Mapping]] = ...) -> None: ...

class RegisterDatasetResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class CheckRecordsRequest(_message.Message):
    __slots__ = ("auth", "schema_json", "csv")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    CSV_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    schema_json: bytes
    csv: _dataset_pb2.CsvRecords
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., schema_json: _Optional[bytes] = ..., csv: _Optional[_Union[_dataset_pb2.CsvRecords, _Mapping]] = ...) -> None: ...

class CheckRecordsResponse(_message.Message):
    __slots__ = ("report_json", "report")
    REPORT_JSON_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report_json: bytes
    report: str
    def __init__(self, report_json: _Optional[bytes] = ..., report: _Optional[str] = ...) -> None: ...

class InferSchemaRequest(_message.Message):
    __slots__ = ("auth", "csv", "name", "real", "range", "one_hot")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    CSV_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REAL_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    ONE_HOT_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    csv: _dataset_pb2.CsvRecords
    name: str
    real: bool
    range: str
    one_hot: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., csv: _Optional[_Union[_dataset_pb2.CsvRecords, _Mapping]] = ..., name: _Optional[str] = ..., real: _Optional[bool] = ..., range: _Optional[str] = ..., one_hot: _Optional[_Iterable[str]] = ...) -> None: ...

class InferSchemaResponse(_message.Message):
    __slots__ = ("schema_json", "report_json", "report")
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    REPORT_JSON_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    schema_json: bytes
    report_json: bytes
    report: str
    def __init__(self, schema_json: _Optional[bytes] = ..., report_json: _Optional[bytes] = ..., report: _Optional[str] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("auth", "id")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    id: bytes
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., id: _Optional[bytes] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ("auth", "page_size", "page_token")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    page_size: int
    page_token: str
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets", "next_page_token")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[_dataset_pb2.Dataset]
    next_page_token: str
    def __init__(self, datasets: _Optional[_Iterable[_Union[_dataset_pb2.Dataset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GrantTrainingRequest(_message.Message):
    __slots__ = ("auth", "dataset_id", "grantee", "uses", "expiry")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    GRANTEE_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    dataset_id: bytes
    grantee: bytes
    uses: int
    expiry: int
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., dataset_id: _Optional[bytes] = ..., grantee: _Optional[bytes] = ..., uses: _Optional[int] = ..., expiry: _Optional[int] = ...) -> None: ...

class GrantTrainingResponse(_message.Message):
    __slots__ = ("uses",)
    USES_FIELD_NUMBER: _ClassVar[int]
    uses: int
    def __init__(self, uses: _Optional[int] = ...) -> None: ...

class ShowRecordRequest(_message.Message):
    __slots__ = ("auth", "dataset_id", "record", "context")
    AUTH_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    auth: _common_pb2.Auth
    dataset_id: bytes
    record: int
    context: bytes
    def __init__(self, auth: _Optional[_Union[_common_pb2.Auth, _Mapping]] = ..., dataset_id: _Optional[bytes] = ..., record: _Optional[int] = ..., context: _Optional[bytes] = ...) -> None: ...

class ShowRecordResponse(_message.Message):
    __slots__ = ("record_json",)
    RECORD_JSON_FIELD_NUMBER: _ClassVar[int]
    record_json: bytes
    def __init__(self, record_json: _Optional[bytes] = ...) -> None: ...

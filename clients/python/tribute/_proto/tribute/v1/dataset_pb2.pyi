from tribute._proto.tribute.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DatasetWork(_message.Message):
    __slots__ = ("schema_json", "csv", "quantised", "profile", "context", "terms")
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    CSV_FIELD_NUMBER: _ClassVar[int]
    QUANTISED_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    schema_json: bytes
    csv: CsvRecords
    quantised: QuantisedRecords
    profile: _common_pb2.Profile
    context: _common_pb2.ChainContext
    terms: Terms
    def __init__(self, schema_json: _Optional[bytes] = ..., csv: _Optional[_Union[CsvRecords, _Mapping]] = ..., quantised: _Optional[_Union[QuantisedRecords, _Mapping]] = ..., profile: _Optional[_Union[_common_pb2.Profile, _Mapping]] = ..., context: _Optional[_Union[_common_pb2.ChainContext, _Mapping]] = ..., terms: _Optional[_Union[Terms, _Mapping]] = ...) -> None: ...

class CsvRecords(_message.Message):
    __slots__ = ("file", "data", "options")
    FILE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    file: str
    data: bytes
    options: TableOptions
    def __init__(self, file: _Optional[str] = ..., data: _Optional[bytes] = ..., options: _Optional[_Union[TableOptions, _Mapping]] = ...) -> None: ...

class TableOptions(_message.Message):
    __slots__ = ("header", "separator", "decimal", "label", "drop", "gaps_are_labels", "accept")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SEPARATOR_FIELD_NUMBER: _ClassVar[int]
    DECIMAL_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELD_NUMBER: _ClassVar[int]
    GAPS_ARE_LABELS_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    header: bool
    separator: str
    decimal: str
    label: str
    drop: _containers.RepeatedScalarFieldContainer[str]
    gaps_are_labels: bool
    accept: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, header: _Optional[bool] = ..., separator: _Optional[str] = ..., decimal: _Optional[str] = ..., label: _Optional[str] = ..., drop: _Optional[_Iterable[str]] = ..., gaps_are_labels: _Optional[bool] = ..., accept: _Optional[_Iterable[str]] = ...) -> None: ...

class QuantisedRecords(_message.Message):
    __slots__ = ("features", "targets")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    features: bytes
    targets: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, features: _Optional[bytes] = ..., targets: _Optional[_Iterable[int]] = ...) -> None: ...

class Terms(_message.Message):
    __slots__ = ("min_data_bps", "open_training", "min_share_bps", "min_price", "links")
    MIN_DATA_BPS_FIELD_NUMBER: _ClassVar[int]
    OPEN_TRAINING_FIELD_NUMBER: _ClassVar[int]
    MIN_SHARE_BPS_FIELD_NUMBER: _ClassVar[int]
    MIN_PRICE_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    min_data_bps: int
    open_training: bool
    min_share_bps: int
    min_price: str
    links: _containers.RepeatedScalarFieldContainer[_common_pb2.Link]
    def __init__(self, min_data_bps: _Optional[int] = ..., open_training: _Optional[bool] = ..., min_share_bps: _Optional[int] = ..., min_price: _Optional[str] = ..., links: _Optional[_Iterable[_Union[_common_pb2.Link, str]]] = ...) -> None: ...

class DatasetOutcome(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("id", "owner", "schema_id", "schema_json", "layout_hash", "profile", "records", "terms", "context", "shards", "created_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_HASH_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    owner: bytes
    schema_id: bytes
    schema_json: bytes
    layout_hash: bytes
    profile: _common_pb2.Profile
    records: int
    terms: Terms
    context: _common_pb2.ChainContext
    shards: _containers.RepeatedCompositeFieldContainer[Shard]
    created_ms: int
    def __init__(self, id: _Optional[bytes] = ..., owner: _Optional[bytes] = ..., schema_id: _Optional[bytes] = ..., schema_json: _Optional[bytes] = ..., layout_hash: _Optional[bytes] = ..., profile: _Optional[_Union[_common_pb2.Profile, _Mapping]] = ..., records: _Optional[int] = ..., terms: _Optional[_Union[Terms, _Mapping]] = ..., context: _Optional[_Union[_common_pb2.ChainContext, _Mapping]] = ..., shards: _Optional[_Iterable[_Union[Shard, _Mapping]]] = ..., created_ms: _Optional[int] = ...) -> None: ...

class Shard(_message.Message):
    __slots__ = ("digest", "records", "proof")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    records: int
    proof: _common_pb2.Proof
    def __init__(self, digest: _Optional[bytes] = ..., records: _Optional[int] = ..., proof: _Optional[_Union[_common_pb2.Proof, _Mapping]] = ...) -> None: ...

import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import datetime_pb2 as _datetime_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENCODING_UNSPECIFIED: _ClassVar[Encoding]
    ENCODING_FLOAT32: _ClassVar[Encoding]
    ENCODING_INT16: _ClassVar[Encoding]
ENCODING_UNSPECIFIED: Encoding
ENCODING_FLOAT32: Encoding
ENCODING_INT16: Encoding

class Source(_message.Message):
    __slots__ = ("device", "app")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    device: str
    app: str
    def __init__(self, device: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class SeriesDescriptor(_message.Message):
    __slots__ = ("metric", "source", "civil", "instant", "period", "encoding", "scale", "channels", "revision")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CIVIL_FIELD_NUMBER: _ClassVar[int]
    INSTANT_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    metric: str
    source: Source
    civil: _datetime_pb2.DateTime
    instant: _timestamp_pb2.Timestamp
    period: _duration_pb2.Duration
    encoding: Encoding
    scale: float
    channels: int
    revision: int
    def __init__(self, metric: _Optional[str] = ..., source: _Optional[_Union[Source, _Mapping]] = ..., civil: _Optional[_Union[_datetime_pb2.DateTime, _Mapping]] = ..., instant: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., encoding: _Optional[_Union[Encoding, str]] = ..., scale: _Optional[float] = ..., channels: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("first_sample", "values", "crc32c", "offsets_ms")
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_MS_FIELD_NUMBER: _ClassVar[int]
    first_sample: int
    values: bytes
    crc32c: int
    offsets_ms: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, first_sample: _Optional[int] = ..., values: _Optional[bytes] = ..., crc32c: _Optional[int] = ..., offsets_ms: _Optional[_Iterable[int]] = ...) -> None: ...

class OffsetChange(_message.Message):
    __slots__ = ("first_sample", "utc_offset")
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    UTC_OFFSET_FIELD_NUMBER: _ClassVar[int]
    first_sample: int
    utc_offset: _duration_pb2.Duration
    def __init__(self, first_sample: _Optional[int] = ..., utc_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SeriesItem(_message.Message):
    __slots__ = ("chunk", "offset_change")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    OFFSET_CHANGE_FIELD_NUMBER: _ClassVar[int]
    chunk: Chunk
    offset_change: OffsetChange
    def __init__(self, chunk: _Optional[_Union[Chunk, _Mapping]] = ..., offset_change: _Optional[_Union[OffsetChange, _Mapping]] = ...) -> None: ...

class UploadOpened(_message.Message):
    __slots__ = ("upload_id", "committed_samples", "epoch", "crc32c", "result_count", "finished")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    RESULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    committed_samples: int
    epoch: int
    crc32c: int
    result_count: int
    finished: bool
    def __init__(self, upload_id: _Optional[str] = ..., committed_samples: _Optional[int] = ..., epoch: _Optional[int] = ..., crc32c: _Optional[int] = ..., result_count: _Optional[int] = ..., finished: _Optional[bool] = ...) -> None: ...

class UploadProgress(_message.Message):
    __slots__ = ("received_samples", "committed_samples", "analysed_samples", "crc32c")
    RECEIVED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    ANALYSED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    received_samples: int
    committed_samples: int
    analysed_samples: int
    crc32c: int
    def __init__(self, received_samples: _Optional[int] = ..., committed_samples: _Optional[int] = ..., analysed_samples: _Optional[int] = ..., crc32c: _Optional[int] = ...) -> None: ...

class UploadReceipt(_message.Message):
    __slots__ = ("upload_id", "total_samples", "value_samples", "missing_samples", "sha256", "crc32c", "result_count")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    VALUE_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    MISSING_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    RESULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    total_samples: int
    value_samples: int
    missing_samples: int
    sha256: bytes
    crc32c: int
    result_count: int
    def __init__(self, upload_id: _Optional[str] = ..., total_samples: _Optional[int] = ..., value_samples: _Optional[int] = ..., missing_samples: _Optional[int] = ..., sha256: _Optional[bytes] = ..., crc32c: _Optional[int] = ..., result_count: _Optional[int] = ...) -> None: ...

class Upload(_message.Message):
    __slots__ = ("upload_id", "series", "state", "committed_samples", "analysed_samples", "epoch", "crc32c", "result_count", "receipt")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Upload.State]
        STATE_OPEN: _ClassVar[Upload.State]
        STATE_FINISHED: _ClassVar[Upload.State]
    STATE_UNSPECIFIED: Upload.State
    STATE_OPEN: Upload.State
    STATE_FINISHED: Upload.State
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    ANALYSED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    RESULT_COUNT_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    series: SeriesDescriptor
    state: Upload.State
    committed_samples: int
    analysed_samples: int
    epoch: int
    crc32c: int
    result_count: int
    receipt: UploadReceipt
    def __init__(self, upload_id: _Optional[str] = ..., series: _Optional[_Union[SeriesDescriptor, _Mapping]] = ..., state: _Optional[_Union[Upload.State, str]] = ..., committed_samples: _Optional[int] = ..., analysed_samples: _Optional[int] = ..., epoch: _Optional[int] = ..., crc32c: _Optional[int] = ..., result_count: _Optional[int] = ..., receipt: _Optional[_Union[UploadReceipt, _Mapping]] = ...) -> None: ...

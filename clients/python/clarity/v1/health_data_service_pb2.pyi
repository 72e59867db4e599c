import datetime

from clarity.v1 import access_pb2 as _access_pb2
from clarity.v1 import analysis_pb2 as _analysis_pb2
from clarity.v1 import day_pb2 as _day_pb2
from clarity.v1 import metric_pb2 as _metric_pb2
from clarity.v1 import series_pb2 as _series_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.type import date_pb2 as _date_pb2
from google.type import datetime_pb2 as _datetime_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListMetricsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMetricsResponse(_message.Message):
    __slots__ = ("metrics", "next_page_token")
    METRICS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[_metric_pb2.Metric]
    next_page_token: str
    def __init__(self, metrics: _Optional[_Iterable[_Union[_metric_pb2.Metric, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class OpenUpload(_message.Message):
    __slots__ = ("upload_id", "series", "after_result")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    AFTER_RESULT_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    series: _series_pb2.SeriesDescriptor
    after_result: int
    def __init__(self, upload_id: _Optional[str] = ..., series: _Optional[_Union[_series_pb2.SeriesDescriptor, _Mapping]] = ..., after_result: _Optional[int] = ...) -> None: ...

class FinishUpload(_message.Message):
    __slots__ = ("total_samples", "sha256")
    TOTAL_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    total_samples: int
    sha256: bytes
    def __init__(self, total_samples: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class StreamSeriesRequest(_message.Message):
    __slots__ = ("open", "chunk", "offset_change", "finish")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    OFFSET_CHANGE_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    open: OpenUpload
    chunk: _series_pb2.Chunk
    offset_change: _series_pb2.OffsetChange
    finish: FinishUpload
    def __init__(self, open: _Optional[_Union[OpenUpload, _Mapping]] = ..., chunk: _Optional[_Union[_series_pb2.Chunk, _Mapping]] = ..., offset_change: _Optional[_Union[_series_pb2.OffsetChange, _Mapping]] = ..., finish: _Optional[_Union[FinishUpload, _Mapping]] = ...) -> None: ...

class WindowAnalysed(_message.Message):
    __slots__ = ("result", "analysis")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    result: int
    analysis: _analysis_pb2.Analysis
    def __init__(self, result: _Optional[int] = ..., analysis: _Optional[_Union[_analysis_pb2.Analysis, _Mapping]] = ...) -> None: ...

class StreamSeriesResponse(_message.Message):
    __slots__ = ("opened", "progress", "day", "receipt", "problem", "window")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    opened: _series_pb2.UploadOpened
    progress: _series_pb2.UploadProgress
    day: _day_pb2.Day
    receipt: _series_pb2.UploadReceipt
    problem: _status_pb2.Status
    window: WindowAnalysed
    def __init__(self, opened: _Optional[_Union[_series_pb2.UploadOpened, _Mapping]] = ..., progress: _Optional[_Union[_series_pb2.UploadProgress, _Mapping]] = ..., day: _Optional[_Union[_day_pb2.Day, _Mapping]] = ..., receipt: _Optional[_Union[_series_pb2.UploadReceipt, _Mapping]] = ..., problem: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., window: _Optional[_Union[WindowAnalysed, _Mapping]] = ...) -> None: ...

class AppendSeriesRequest(_message.Message):
    __slots__ = ("upload_id", "series", "after_result", "items")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    AFTER_RESULT_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    series: _series_pb2.SeriesDescriptor
    after_result: int
    items: _containers.RepeatedCompositeFieldContainer[_series_pb2.SeriesItem]
    def __init__(self, upload_id: _Optional[str] = ..., series: _Optional[_Union[_series_pb2.SeriesDescriptor, _Mapping]] = ..., after_result: _Optional[int] = ..., items: _Optional[_Iterable[_Union[_series_pb2.SeriesItem, _Mapping]]] = ...) -> None: ...

class AppendSeriesResponse(_message.Message):
    __slots__ = ("opened", "progress", "days", "windows")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    opened: _series_pb2.UploadOpened
    progress: _series_pb2.UploadProgress
    days: _containers.RepeatedCompositeFieldContainer[_day_pb2.Day]
    windows: _containers.RepeatedCompositeFieldContainer[WindowAnalysed]
    def __init__(self, opened: _Optional[_Union[_series_pb2.UploadOpened, _Mapping]] = ..., progress: _Optional[_Union[_series_pb2.UploadProgress, _Mapping]] = ..., days: _Optional[_Iterable[_Union[_day_pb2.Day, _Mapping]]] = ..., windows: _Optional[_Iterable[_Union[WindowAnalysed, _Mapping]]] = ...) -> None: ...

class GetUploadRequest(_message.Message):
    __slots__ = ("upload_id", "after_result")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_RESULT_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    after_result: int
    def __init__(self, upload_id: _Optional[str] = ..., after_result: _Optional[int] = ...) -> None: ...

class GetUploadResponse(_message.Message):
    __slots__ = ("upload", "days", "windows")
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    upload: _series_pb2.Upload
    days: _containers.RepeatedCompositeFieldContainer[_day_pb2.Day]
    windows: _containers.RepeatedCompositeFieldContainer[WindowAnalysed]
    def __init__(self, upload: _Optional[_Union[_series_pb2.Upload, _Mapping]] = ..., days: _Optional[_Iterable[_Union[_day_pb2.Day, _Mapping]]] = ..., windows: _Optional[_Iterable[_Union[WindowAnalysed, _Mapping]]] = ...) -> None: ...

class FinishUploadRequest(_message.Message):
    __slots__ = ("upload_id", "total_samples", "sha256")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    total_samples: int
    sha256: bytes
    def __init__(self, upload_id: _Optional[str] = ..., total_samples: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class FinishUploadResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: _series_pb2.UploadReceipt
    def __init__(self, receipt: _Optional[_Union[_series_pb2.UploadReceipt, _Mapping]] = ...) -> None: ...

class CivilRange(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: _datetime_pb2.DateTime
    end: _datetime_pb2.DateTime
    def __init__(self, start: _Optional[_Union[_datetime_pb2.DateTime, _Mapping]] = ..., end: _Optional[_Union[_datetime_pb2.DateTime, _Mapping]] = ...) -> None: ...

class InstantRange(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    def __init__(self, start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReadSeriesRequest(_message.Message):
    __slots__ = ("metric", "source", "civil", "instant", "account_id")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CIVIL_FIELD_NUMBER: _ClassVar[int]
    INSTANT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    metric: str
    source: _series_pb2.Source
    civil: CivilRange
    instant: InstantRange
    account_id: str
    def __init__(self, metric: _Optional[str] = ..., source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., civil: _Optional[_Union[CivilRange, _Mapping]] = ..., instant: _Optional[_Union[InstantRange, _Mapping]] = ..., account_id: _Optional[str] = ...) -> None: ...

class SeriesBlock(_message.Message):
    __slots__ = ("source", "upload_id", "first_sample", "civil", "instant", "utc_offset", "period", "offsets_ms", "channels", "values")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    CIVIL_FIELD_NUMBER: _ClassVar[int]
    INSTANT_FIELD_NUMBER: _ClassVar[int]
    UTC_OFFSET_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_MS_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    source: _series_pb2.Source
    upload_id: str
    first_sample: int
    civil: _datetime_pb2.DateTime
    instant: _timestamp_pb2.Timestamp
    utc_offset: _duration_pb2.Duration
    period: _duration_pb2.Duration
    offsets_ms: _containers.RepeatedScalarFieldContainer[int]
    channels: int
    values: bytes
    def __init__(self, source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., upload_id: _Optional[str] = ..., first_sample: _Optional[int] = ..., civil: _Optional[_Union[_datetime_pb2.DateTime, _Mapping]] = ..., instant: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., utc_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., offsets_ms: _Optional[_Iterable[int]] = ..., channels: _Optional[int] = ..., values: _Optional[bytes] = ...) -> None: ...

class ReadSeriesDone(_message.Message):
    __slots__ = ("block_count", "sample_count", "conflict_minutes")
    BLOCK_COUNT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_MINUTES_FIELD_NUMBER: _ClassVar[int]
    block_count: int
    sample_count: int
    conflict_minutes: int
    def __init__(self, block_count: _Optional[int] = ..., sample_count: _Optional[int] = ..., conflict_minutes: _Optional[int] = ...) -> None: ...

class ReadSeriesResponse(_message.Message):
    __slots__ = ("block", "done", "problem")
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    block: SeriesBlock
    done: ReadSeriesDone
    problem: _status_pb2.Status
    def __init__(self, block: _Optional[_Union[SeriesBlock, _Mapping]] = ..., done: _Optional[_Union[ReadSeriesDone, _Mapping]] = ..., problem: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ListDaysRequest(_message.Message):
    __slots__ = ("metric", "start_date", "end_date", "page_size", "page_token", "account_id")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    END_DATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    metric: str
    start_date: _date_pb2.Date
    end_date: _date_pb2.Date
    page_size: int
    page_token: str
    account_id: str
    def __init__(self, metric: _Optional[str] = ..., start_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., end_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class ListDaysResponse(_message.Message):
    __slots__ = ("days", "next_page_token")
    DAYS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    days: _containers.RepeatedCompositeFieldContainer[_day_pb2.Day]
    next_page_token: str
    def __init__(self, days: _Optional[_Iterable[_Union[_day_pb2.Day, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

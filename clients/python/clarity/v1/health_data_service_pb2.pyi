import datetime

from clarity.v1 import access_pb2 as _access_pb2
from clarity.v1 import analysis_pb2 as _analysis_pb2
from clarity.v1 import day_pb2 as _day_pb2
from clarity.v1 import metric_pb2 as _metric_pb2
from clarity.v1 import sample_pb2 as _sample_pb2
from clarity.v1 import series_pb2 as _series_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.type import date_pb2 as _date_pb2
from google.type import datetime_pb2 as _datetime_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
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

class WriteSamplesRequest(_message.Message):
    __slots__ = ("samples", "request_id")
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    samples: _containers.RepeatedCompositeFieldContainer[_sample_pb2.Sample]
    request_id: str
    def __init__(self, samples: _Optional[_Iterable[_Union[_sample_pb2.Sample, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class WriteSamplesResponse(_message.Message):
    __slots__ = ("results", "stored_count", "replaced_count", "duplicate_count", "superseded_count", "conflict_count", "quarantined_count")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    STORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REPLACED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_COUNT_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_sample_pb2.SampleResult]
    stored_count: int
    replaced_count: int
    duplicate_count: int
    superseded_count: int
    conflict_count: int
    quarantined_count: int
    def __init__(self, results: _Optional[_Iterable[_Union[_sample_pb2.SampleResult, _Mapping]]] = ..., stored_count: _Optional[int] = ..., replaced_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., superseded_count: _Optional[int] = ..., conflict_count: _Optional[int] = ..., quarantined_count: _Optional[int] = ...) -> None: ...

class ListSamplesRequest(_message.Message):
    __slots__ = ("metric", "source", "civil", "instant", "page_size", "page_token", "account_id")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CIVIL_FIELD_NUMBER: _ClassVar[int]
    INSTANT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    metric: str
    source: _series_pb2.Source
    civil: CivilRange
    instant: InstantRange
    page_size: int
    page_token: str
    account_id: str
    def __init__(self, metric: _Optional[str] = ..., source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., civil: _Optional[_Union[CivilRange, _Mapping]] = ..., instant: _Optional[_Union[InstantRange, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class ListSamplesResponse(_message.Message):
    __slots__ = ("samples", "next_page_token", "damaged_sample_ids")
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_SAMPLE_IDS_FIELD_NUMBER: _ClassVar[int]
    samples: _containers.RepeatedCompositeFieldContainer[_sample_pb2.Sample]
    next_page_token: str
    damaged_sample_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, samples: _Optional[_Iterable[_Union[_sample_pb2.Sample, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., damaged_sample_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class PhysicalBuckets(_message.Message):
    __slots__ = ("length",)
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    length: _duration_pb2.Duration
    def __init__(self, length: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CivilBuckets(_message.Message):
    __slots__ = ("unit",)
    class Unit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNIT_UNSPECIFIED: _ClassVar[CivilBuckets.Unit]
        UNIT_DAY: _ClassVar[CivilBuckets.Unit]
        UNIT_WEEK: _ClassVar[CivilBuckets.Unit]
        UNIT_MONTH: _ClassVar[CivilBuckets.Unit]
    UNIT_UNSPECIFIED: CivilBuckets.Unit
    UNIT_DAY: CivilBuckets.Unit
    UNIT_WEEK: CivilBuckets.Unit
    UNIT_MONTH: CivilBuckets.Unit
    UNIT_FIELD_NUMBER: _ClassVar[int]
    unit: CivilBuckets.Unit
    def __init__(self, unit: _Optional[_Union[CivilBuckets.Unit, str]] = ...) -> None: ...

class AggregateSamplesRequest(_message.Message):
    __slots__ = ("metric", "source", "civil", "instant", "physical", "calendar", "functions", "percentiles", "show_sources", "page_size", "page_token", "account_id")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CIVIL_FIELD_NUMBER: _ClassVar[int]
    INSTANT_FIELD_NUMBER: _ClassVar[int]
    PHYSICAL_FIELD_NUMBER: _ClassVar[int]
    CALENDAR_FIELD_NUMBER: _ClassVar[int]
    FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    PERCENTILES_FIELD_NUMBER: _ClassVar[int]
    SHOW_SOURCES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    metric: str
    source: _series_pb2.Source
    civil: CivilRange
    instant: InstantRange
    physical: PhysicalBuckets
    calendar: CivilBuckets
    functions: _containers.RepeatedScalarFieldContainer[_sample_pb2.AggregateFunction]
    percentiles: _containers.RepeatedScalarFieldContainer[float]
    show_sources: bool
    page_size: int
    page_token: str
    account_id: str
    def __init__(self, metric: _Optional[str] = ..., source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., civil: _Optional[_Union[CivilRange, _Mapping]] = ..., instant: _Optional[_Union[InstantRange, _Mapping]] = ..., physical: _Optional[_Union[PhysicalBuckets, _Mapping]] = ..., calendar: _Optional[_Union[CivilBuckets, _Mapping]] = ..., functions: _Optional[_Iterable[_Union[_sample_pb2.AggregateFunction, str]]] = ..., percentiles: _Optional[_Iterable[float]] = ..., show_sources: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class AggregateSamplesResponse(_message.Message):
    __slots__ = ("buckets", "next_page_token", "ucum_unit", "sources", "tzdata_version", "sum_ucum_unit")
    BUCKETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UCUM_UNIT_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    TZDATA_VERSION_FIELD_NUMBER: _ClassVar[int]
    SUM_UCUM_UNIT_FIELD_NUMBER: _ClassVar[int]
    buckets: _containers.RepeatedCompositeFieldContainer[_sample_pb2.Bucket]
    next_page_token: str
    ucum_unit: str
    sources: _containers.RepeatedCompositeFieldContainer[_series_pb2.Source]
    tzdata_version: str
    sum_ucum_unit: str
    def __init__(self, buckets: _Optional[_Iterable[_Union[_sample_pb2.Bucket, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., ucum_unit: _Optional[str] = ..., sources: _Optional[_Iterable[_Union[_series_pb2.Source, _Mapping]]] = ..., tzdata_version: _Optional[str] = ..., sum_ucum_unit: _Optional[str] = ...) -> None: ...

class GetSummaryRequest(_message.Message):
    __slots__ = ("metrics", "account_id")
    METRICS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedScalarFieldContainer[str]
    account_id: str
    def __init__(self, metrics: _Optional[_Iterable[str]] = ..., account_id: _Optional[str] = ...) -> None: ...

class MetricSummary(_message.Message):
    __slots__ = ("metric", "sample_count", "series_sample_count", "source_count", "first_start", "last_end", "last_write_time", "day_count")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SERIES_SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_START_FIELD_NUMBER: _ClassVar[int]
    LAST_END_FIELD_NUMBER: _ClassVar[int]
    LAST_WRITE_TIME_FIELD_NUMBER: _ClassVar[int]
    DAY_COUNT_FIELD_NUMBER: _ClassVar[int]
    metric: str
    sample_count: int
    series_sample_count: int
    source_count: int
    first_start: _sample_pb2.ObservationTime
    last_end: _sample_pb2.ObservationTime
    last_write_time: _timestamp_pb2.Timestamp
    day_count: int
    def __init__(self, metric: _Optional[str] = ..., sample_count: _Optional[int] = ..., series_sample_count: _Optional[int] = ..., source_count: _Optional[int] = ..., first_start: _Optional[_Union[_sample_pb2.ObservationTime, _Mapping]] = ..., last_end: _Optional[_Union[_sample_pb2.ObservationTime, _Mapping]] = ..., last_write_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., day_count: _Optional[int] = ...) -> None: ...

class GetSummaryResponse(_message.Message):
    __slots__ = ("metrics", "total_count", "quarantined_count", "change_number")
    METRICS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[MetricSummary]
    total_count: int
    quarantined_count: int
    change_number: int
    def __init__(self, metrics: _Optional[_Iterable[_Union[MetricSummary, _Mapping]]] = ..., total_count: _Optional[int] = ..., quarantined_count: _Optional[int] = ..., change_number: _Optional[int] = ...) -> None: ...

class ListSourcesRequest(_message.Message):
    __slots__ = ("metrics", "page_size", "page_token", "account_id")
    METRICS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    account_id: str
    def __init__(self, metrics: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class ListSourcesResponse(_message.Message):
    __slots__ = ("sources", "next_page_token")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[_sample_pb2.SourceState]
    next_page_token: str
    def __init__(self, sources: _Optional[_Iterable[_Union[_sample_pb2.SourceState, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateSourceRequest(_message.Message):
    __slots__ = ("source", "kind", "priority")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    source: _series_pb2.Source
    kind: _sample_pb2.DeviceKind
    priority: int
    def __init__(self, source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., kind: _Optional[_Union[_sample_pb2.DeviceKind, str]] = ..., priority: _Optional[int] = ...) -> None: ...

class UpdateSourceResponse(_message.Message):
    __slots__ = ("source",)
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    source: _sample_pb2.SourceState
    def __init__(self, source: _Optional[_Union[_sample_pb2.SourceState, _Mapping]] = ...) -> None: ...

class ListChangesRequest(_message.Message):
    __slots__ = ("change_token", "metrics", "page_size")
    CHANGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    change_token: str
    metrics: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    def __init__(self, change_token: _Optional[str] = ..., metrics: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListChangesResponse(_message.Message):
    __slots__ = ("changes", "next_change_token", "has_more", "told_number")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_CHANGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    TOLD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[_sample_pb2.Change]
    next_change_token: str
    has_more: bool
    told_number: int
    def __init__(self, changes: _Optional[_Iterable[_Union[_sample_pb2.Change, _Mapping]]] = ..., next_change_token: _Optional[str] = ..., has_more: _Optional[bool] = ..., told_number: _Optional[int] = ...) -> None: ...

class DeleteSamplesRequest(_message.Message):
    __slots__ = ("sample_ids", "metrics", "source", "civil", "instant", "validate_only", "expected_count", "request_id")
    SAMPLE_IDS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CIVIL_FIELD_NUMBER: _ClassVar[int]
    INSTANT_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    sample_ids: _containers.RepeatedScalarFieldContainer[str]
    metrics: _containers.RepeatedScalarFieldContainer[str]
    source: _series_pb2.Source
    civil: CivilRange
    instant: InstantRange
    validate_only: bool
    expected_count: int
    request_id: str
    def __init__(self, sample_ids: _Optional[_Iterable[str]] = ..., metrics: _Optional[_Iterable[str]] = ..., source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., civil: _Optional[_Union[CivilRange, _Mapping]] = ..., instant: _Optional[_Union[InstantRange, _Mapping]] = ..., validate_only: _Optional[bool] = ..., expected_count: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteSamplesResponse(_message.Message):
    __slots__ = ("sample_count", "series_sample_count", "quarantined_count", "total_count", "day_count")
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SERIES_SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    DAY_COUNT_FIELD_NUMBER: _ClassVar[int]
    sample_count: int
    series_sample_count: int
    quarantined_count: int
    total_count: int
    day_count: int
    def __init__(self, sample_count: _Optional[int] = ..., series_sample_count: _Optional[int] = ..., quarantined_count: _Optional[int] = ..., total_count: _Optional[int] = ..., day_count: _Optional[int] = ...) -> None: ...

class ListQuarantineRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListQuarantineResponse(_message.Message):
    __slots__ = ("samples", "next_page_token", "total_count")
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    samples: _containers.RepeatedCompositeFieldContainer[_sample_pb2.QuarantinedSample]
    next_page_token: str
    total_count: int
    def __init__(self, samples: _Optional[_Iterable[_Union[_sample_pb2.QuarantinedSample, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_count: _Optional[int] = ...) -> None: ...

class GetRetentionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRetentionResponse(_message.Message):
    __slots__ = ("keep_days",)
    KEEP_DAYS_FIELD_NUMBER: _ClassVar[int]
    keep_days: int
    def __init__(self, keep_days: _Optional[int] = ...) -> None: ...

class SetRetentionRequest(_message.Message):
    __slots__ = ("keep_days", "validate_only")
    KEEP_DAYS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    keep_days: int
    validate_only: bool
    def __init__(self, keep_days: _Optional[int] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class SetRetentionResponse(_message.Message):
    __slots__ = ("keep_days", "older_count")
    KEEP_DAYS_FIELD_NUMBER: _ClassVar[int]
    OLDER_COUNT_FIELD_NUMBER: _ClassVar[int]
    keep_days: int
    older_count: int
    def __init__(self, keep_days: _Optional[int] = ..., older_count: _Optional[int] = ...) -> None: ...

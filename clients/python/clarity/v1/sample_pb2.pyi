import datetime

from clarity.v1 import series_pb2 as _series_pb2
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

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_STORED: _ClassVar[Verdict]
    VERDICT_REPLACED: _ClassVar[Verdict]
    VERDICT_DUPLICATE: _ClassVar[Verdict]
    VERDICT_SUPERSEDED: _ClassVar[Verdict]
    VERDICT_CONFLICT: _ClassVar[Verdict]
    VERDICT_QUARANTINED: _ClassVar[Verdict]

class QuarantineReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUARANTINE_REASON_UNSPECIFIED: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_IDENTITY_INVALID: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_METRIC_UNKNOWN: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_METRIC_NOT_DISCRETE: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_TIME_INVALID: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_TOO_LONG: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_IN_FUTURE: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_VALUE_INVALID: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_UNIT_UNKNOWN: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_UNIT_WRONG: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_OUT_OF_BOUNDS: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_FRACTION_SUSPECTED: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_CODE_UNKNOWN: _ClassVar[QuarantineReason]
    QUARANTINE_REASON_PARTS_INCONSISTENT: _ClassVar[QuarantineReason]

class DeviceKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEVICE_KIND_UNSPECIFIED: _ClassVar[DeviceKind]
    DEVICE_KIND_MEDICAL: _ClassVar[DeviceKind]
    DEVICE_KIND_CHEST_STRAP: _ClassVar[DeviceKind]
    DEVICE_KIND_WATCH: _ClassVar[DeviceKind]
    DEVICE_KIND_RING: _ClassVar[DeviceKind]
    DEVICE_KIND_BAND: _ClassVar[DeviceKind]
    DEVICE_KIND_BED_SENSOR: _ClassVar[DeviceKind]
    DEVICE_KIND_SCALE: _ClassVar[DeviceKind]
    DEVICE_KIND_PHONE: _ClassVar[DeviceKind]
    DEVICE_KIND_MANUAL: _ClassVar[DeviceKind]

class BucketState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUCKET_STATE_UNSPECIFIED: _ClassVar[BucketState]
    BUCKET_STATE_VALUE: _ClassVar[BucketState]
    BUCKET_STATE_UNSET: _ClassVar[BucketState]
    BUCKET_STATE_NOT_WORN: _ClassVar[BucketState]

class AggregateFunction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGGREGATE_FUNCTION_UNSPECIFIED: _ClassVar[AggregateFunction]
    AGGREGATE_FUNCTION_COUNT: _ClassVar[AggregateFunction]
    AGGREGATE_FUNCTION_SUM: _ClassVar[AggregateFunction]
    AGGREGATE_FUNCTION_MEAN: _ClassVar[AggregateFunction]
    AGGREGATE_FUNCTION_MIN: _ClassVar[AggregateFunction]
    AGGREGATE_FUNCTION_MAX: _ClassVar[AggregateFunction]
    AGGREGATE_FUNCTION_PERCENTILES: _ClassVar[AggregateFunction]
    AGGREGATE_FUNCTION_DURATION: _ClassVar[AggregateFunction]
VERDICT_UNSPECIFIED: Verdict
VERDICT_STORED: Verdict
VERDICT_REPLACED: Verdict
VERDICT_DUPLICATE: Verdict
VERDICT_SUPERSEDED: Verdict
VERDICT_CONFLICT: Verdict
VERDICT_QUARANTINED: Verdict
QUARANTINE_REASON_UNSPECIFIED: QuarantineReason
QUARANTINE_REASON_IDENTITY_INVALID: QuarantineReason
QUARANTINE_REASON_METRIC_UNKNOWN: QuarantineReason
QUARANTINE_REASON_METRIC_NOT_DISCRETE: QuarantineReason
QUARANTINE_REASON_TIME_INVALID: QuarantineReason
QUARANTINE_REASON_TOO_LONG: QuarantineReason
QUARANTINE_REASON_IN_FUTURE: QuarantineReason
QUARANTINE_REASON_VALUE_INVALID: QuarantineReason
QUARANTINE_REASON_UNIT_UNKNOWN: QuarantineReason
QUARANTINE_REASON_UNIT_WRONG: QuarantineReason
QUARANTINE_REASON_OUT_OF_BOUNDS: QuarantineReason
QUARANTINE_REASON_FRACTION_SUSPECTED: QuarantineReason
QUARANTINE_REASON_CODE_UNKNOWN: QuarantineReason
QUARANTINE_REASON_PARTS_INCONSISTENT: QuarantineReason
DEVICE_KIND_UNSPECIFIED: DeviceKind
DEVICE_KIND_MEDICAL: DeviceKind
DEVICE_KIND_CHEST_STRAP: DeviceKind
DEVICE_KIND_WATCH: DeviceKind
DEVICE_KIND_RING: DeviceKind
DEVICE_KIND_BAND: DeviceKind
DEVICE_KIND_BED_SENSOR: DeviceKind
DEVICE_KIND_SCALE: DeviceKind
DEVICE_KIND_PHONE: DeviceKind
DEVICE_KIND_MANUAL: DeviceKind
BUCKET_STATE_UNSPECIFIED: BucketState
BUCKET_STATE_VALUE: BucketState
BUCKET_STATE_UNSET: BucketState
BUCKET_STATE_NOT_WORN: BucketState
AGGREGATE_FUNCTION_UNSPECIFIED: AggregateFunction
AGGREGATE_FUNCTION_COUNT: AggregateFunction
AGGREGATE_FUNCTION_SUM: AggregateFunction
AGGREGATE_FUNCTION_MEAN: AggregateFunction
AGGREGATE_FUNCTION_MIN: AggregateFunction
AGGREGATE_FUNCTION_MAX: AggregateFunction
AGGREGATE_FUNCTION_PERCENTILES: AggregateFunction
AGGREGATE_FUNCTION_DURATION: AggregateFunction

class ObservationTime(_message.Message):
    __slots__ = ("civil", "instant")
    CIVIL_FIELD_NUMBER: _ClassVar[int]
    INSTANT_FIELD_NUMBER: _ClassVar[int]
    civil: _datetime_pb2.DateTime
    instant: _timestamp_pb2.Timestamp
    def __init__(self, civil: _Optional[_Union[_datetime_pb2.DateTime, _Mapping]] = ..., instant: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Quantity(_message.Message):
    __slots__ = ("value", "ucum_unit")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UCUM_UNIT_FIELD_NUMBER: _ClassVar[int]
    value: float
    ucum_unit: str
    def __init__(self, value: _Optional[float] = ..., ucum_unit: _Optional[str] = ...) -> None: ...

class Category(_message.Message):
    __slots__ = ("code", "vendor_code")
    CODE_FIELD_NUMBER: _ClassVar[int]
    VENDOR_CODE_FIELD_NUMBER: _ClassVar[int]
    code: str
    vendor_code: str
    def __init__(self, code: _Optional[str] = ..., vendor_code: _Optional[str] = ...) -> None: ...

class Component(_message.Message):
    __slots__ = ("metric", "quantity")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    metric: str
    quantity: Quantity
    def __init__(self, metric: _Optional[str] = ..., quantity: _Optional[_Union[Quantity, _Mapping]] = ...) -> None: ...

class Correlation(_message.Message):
    __slots__ = ("components",)
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    components: _containers.RepeatedCompositeFieldContainer[Component]
    def __init__(self, components: _Optional[_Iterable[_Union[Component, _Mapping]]] = ...) -> None: ...

class Sample(_message.Message):
    __slots__ = ("sample_id", "metric", "source", "client_record_id", "client_record_version", "start", "end", "quantity", "category", "correlation")
    SAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_RECORD_VERSION_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_FIELD_NUMBER: _ClassVar[int]
    sample_id: str
    metric: str
    source: _series_pb2.Source
    client_record_id: str
    client_record_version: int
    start: ObservationTime
    end: ObservationTime
    quantity: Quantity
    category: Category
    correlation: Correlation
    def __init__(self, sample_id: _Optional[str] = ..., metric: _Optional[str] = ..., source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., client_record_id: _Optional[str] = ..., client_record_version: _Optional[int] = ..., start: _Optional[_Union[ObservationTime, _Mapping]] = ..., end: _Optional[_Union[ObservationTime, _Mapping]] = ..., quantity: _Optional[_Union[Quantity, _Mapping]] = ..., category: _Optional[_Union[Category, _Mapping]] = ..., correlation: _Optional[_Union[Correlation, _Mapping]] = ...) -> None: ...

class SampleResult(_message.Message):
    __slots__ = ("sample_id", "verdict", "stored_digest", "sent_digest", "reason", "reason_text")
    SAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    STORED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REASON_TEXT_FIELD_NUMBER: _ClassVar[int]
    sample_id: str
    verdict: Verdict
    stored_digest: bytes
    sent_digest: bytes
    reason: QuarantineReason
    reason_text: str
    def __init__(self, sample_id: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., stored_digest: _Optional[bytes] = ..., sent_digest: _Optional[bytes] = ..., reason: _Optional[_Union[QuarantineReason, str]] = ..., reason_text: _Optional[str] = ...) -> None: ...

class QuarantinedSample(_message.Message):
    __slots__ = ("quarantine_id", "reason", "reason_text", "sample", "quarantine_time")
    QUARANTINE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REASON_TEXT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    QUARANTINE_TIME_FIELD_NUMBER: _ClassVar[int]
    quarantine_id: str
    reason: QuarantineReason
    reason_text: str
    sample: Sample
    quarantine_time: _timestamp_pb2.Timestamp
    def __init__(self, quarantine_id: _Optional[str] = ..., reason: _Optional[_Union[QuarantineReason, str]] = ..., reason_text: _Optional[str] = ..., sample: _Optional[_Union[Sample, _Mapping]] = ..., quarantine_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SourceState(_message.Message):
    __slots__ = ("source", "kind", "priority", "metrics")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    source: _series_pb2.Source
    kind: DeviceKind
    priority: int
    metrics: _containers.RepeatedCompositeFieldContainer[SourceMetric]
    def __init__(self, source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., kind: _Optional[_Union[DeviceKind, str]] = ..., priority: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[SourceMetric, _Mapping]]] = ...) -> None: ...

class SourceMetric(_message.Message):
    __slots__ = ("metric", "sample_count", "upload_count", "series_sample_count", "first_start", "last_end", "last_write_time")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    SERIES_SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_START_FIELD_NUMBER: _ClassVar[int]
    LAST_END_FIELD_NUMBER: _ClassVar[int]
    LAST_WRITE_TIME_FIELD_NUMBER: _ClassVar[int]
    metric: str
    sample_count: int
    upload_count: int
    series_sample_count: int
    first_start: ObservationTime
    last_end: ObservationTime
    last_write_time: _timestamp_pb2.Timestamp
    def __init__(self, metric: _Optional[str] = ..., sample_count: _Optional[int] = ..., upload_count: _Optional[int] = ..., series_sample_count: _Optional[int] = ..., first_start: _Optional[_Union[ObservationTime, _Mapping]] = ..., last_end: _Optional[_Union[ObservationTime, _Mapping]] = ..., last_write_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SeriesTombstone(_message.Message):
    __slots__ = ("metric", "source", "start", "end", "revision")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    metric: str
    source: _series_pb2.Source
    start: ObservationTime
    end: ObservationTime
    revision: int
    def __init__(self, metric: _Optional[str] = ..., source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., start: _Optional[_Union[ObservationTime, _Mapping]] = ..., end: _Optional[_Union[ObservationTime, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class SeriesPart(_message.Message):
    __slots__ = ("upload_id", "series", "first_sample", "values", "offsets_ms", "offset_changes")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_MS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_CHANGES_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    series: _series_pb2.SeriesDescriptor
    first_sample: int
    values: bytes
    offsets_ms: _containers.RepeatedScalarFieldContainer[int]
    offset_changes: _containers.RepeatedCompositeFieldContainer[_series_pb2.OffsetChange]
    def __init__(self, upload_id: _Optional[str] = ..., series: _Optional[_Union[_series_pb2.SeriesDescriptor, _Mapping]] = ..., first_sample: _Optional[int] = ..., values: _Optional[bytes] = ..., offsets_ms: _Optional[_Iterable[int]] = ..., offset_changes: _Optional[_Iterable[_Union[_series_pb2.OffsetChange, _Mapping]]] = ...) -> None: ...

class SeriesFinished(_message.Message):
    __slots__ = ("upload_id", "total_samples", "sha256")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    total_samples: int
    sha256: bytes
    def __init__(self, upload_id: _Optional[str] = ..., total_samples: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class SampleTombstone(_message.Message):
    __slots__ = ("sample_id", "metric", "source", "client_record_version")
    SAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_RECORD_VERSION_FIELD_NUMBER: _ClassVar[int]
    sample_id: str
    metric: str
    source: _series_pb2.Source
    client_record_version: int
    def __init__(self, sample_id: _Optional[str] = ..., metric: _Optional[str] = ..., source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., client_record_version: _Optional[int] = ...) -> None: ...

class ChangeReplaced(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ChangeDamaged(_message.Message):
    __slots__ = ("sample_id", "upload_id", "first_sample", "sample_count")
    SAMPLE_ID_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    sample_id: str
    upload_id: str
    first_sample: int
    sample_count: int
    def __init__(self, sample_id: _Optional[str] = ..., upload_id: _Optional[str] = ..., first_sample: _Optional[int] = ..., sample_count: _Optional[int] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("number", "sample", "sample_deleted", "series_part", "series_finished", "series_deleted", "replaced", "damaged")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_DELETED_FIELD_NUMBER: _ClassVar[int]
    SERIES_PART_FIELD_NUMBER: _ClassVar[int]
    SERIES_FINISHED_FIELD_NUMBER: _ClassVar[int]
    SERIES_DELETED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    DAMAGED_FIELD_NUMBER: _ClassVar[int]
    number: int
    sample: Sample
    sample_deleted: SampleTombstone
    series_part: SeriesPart
    series_finished: SeriesFinished
    series_deleted: SeriesTombstone
    replaced: ChangeReplaced
    damaged: ChangeDamaged
    def __init__(self, number: _Optional[int] = ..., sample: _Optional[_Union[Sample, _Mapping]] = ..., sample_deleted: _Optional[_Union[SampleTombstone, _Mapping]] = ..., series_part: _Optional[_Union[SeriesPart, _Mapping]] = ..., series_finished: _Optional[_Union[SeriesFinished, _Mapping]] = ..., series_deleted: _Optional[_Union[SeriesTombstone, _Mapping]] = ..., replaced: _Optional[_Union[ChangeReplaced, _Mapping]] = ..., damaged: _Optional[_Union[ChangeDamaged, _Mapping]] = ...) -> None: ...

class CodeDuration(_message.Message):
    __slots__ = ("code", "duration", "count")
    CODE_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    code: str
    duration: _duration_pb2.Duration
    count: int
    def __init__(self, code: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., count: _Optional[int] = ...) -> None: ...

class Percentile(_message.Message):
    __slots__ = ("percentile", "value")
    PERCENTILE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    percentile: float
    value: float
    def __init__(self, percentile: _Optional[float] = ..., value: _Optional[float] = ...) -> None: ...

class SourceShare(_message.Message):
    __slots__ = ("source", "chosen_minutes", "passed_over_minutes", "alone")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_MINUTES_FIELD_NUMBER: _ClassVar[int]
    PASSED_OVER_MINUTES_FIELD_NUMBER: _ClassVar[int]
    ALONE_FIELD_NUMBER: _ClassVar[int]
    source: _series_pb2.Source
    chosen_minutes: int
    passed_over_minutes: int
    alone: Bucket
    def __init__(self, source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., chosen_minutes: _Optional[int] = ..., passed_over_minutes: _Optional[int] = ..., alone: _Optional[_Union[Bucket, _Mapping]] = ...) -> None: ...

class Bucket(_message.Message):
    __slots__ = ("start", "end", "length", "state", "covered_minutes", "not_worn_minutes", "unset_minutes", "count", "sum", "mean", "min", "max", "percentiles", "durations", "shares")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COVERED_MINUTES_FIELD_NUMBER: _ClassVar[int]
    NOT_WORN_MINUTES_FIELD_NUMBER: _ClassVar[int]
    UNSET_MINUTES_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    PERCENTILES_FIELD_NUMBER: _ClassVar[int]
    DURATIONS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    start: ObservationTime
    end: ObservationTime
    length: _duration_pb2.Duration
    state: BucketState
    covered_minutes: int
    not_worn_minutes: int
    unset_minutes: int
    count: int
    sum: float
    mean: float
    min: float
    max: float
    percentiles: _containers.RepeatedCompositeFieldContainer[Percentile]
    durations: _containers.RepeatedCompositeFieldContainer[CodeDuration]
    shares: _containers.RepeatedCompositeFieldContainer[SourceShare]
    def __init__(self, start: _Optional[_Union[ObservationTime, _Mapping]] = ..., end: _Optional[_Union[ObservationTime, _Mapping]] = ..., length: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., state: _Optional[_Union[BucketState, str]] = ..., covered_minutes: _Optional[int] = ..., not_worn_minutes: _Optional[int] = ..., unset_minutes: _Optional[int] = ..., count: _Optional[int] = ..., sum: _Optional[float] = ..., mean: _Optional[float] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., percentiles: _Optional[_Iterable[_Union[Percentile, _Mapping]]] = ..., durations: _Optional[_Iterable[_Union[CodeDuration, _Mapping]]] = ..., shares: _Optional[_Iterable[_Union[SourceShare, _Mapping]]] = ...) -> None: ...

from clarity.v1 import series_pb2 as _series_pb2
from google.type import date_pb2 as _date_pb2
from google.type import datetime_pb2 as _datetime_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UnavailableReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNAVAILABLE_REASON_UNSPECIFIED: _ClassVar[UnavailableReason]
    UNAVAILABLE_REASON_NOT_WORN: _ClassVar[UnavailableReason]
    UNAVAILABLE_REASON_SHORT_RECORD: _ClassVar[UnavailableReason]
    UNAVAILABLE_REASON_UNKNOWN_OFFSET: _ClassVar[UnavailableReason]
    UNAVAILABLE_REASON_FAILED: _ClassVar[UnavailableReason]
    UNAVAILABLE_REASON_GAP: _ClassVar[UnavailableReason]
    UNAVAILABLE_REASON_NO_SLEEP: _ClassVar[UnavailableReason]
    UNAVAILABLE_REASON_UNDEFINED: _ClassVar[UnavailableReason]
    UNAVAILABLE_REASON_NO_MODEL: _ClassVar[UnavailableReason]
    UNAVAILABLE_REASON_OUT_OF_DISTRIBUTION: _ClassVar[UnavailableReason]
UNAVAILABLE_REASON_UNSPECIFIED: UnavailableReason
UNAVAILABLE_REASON_NOT_WORN: UnavailableReason
UNAVAILABLE_REASON_SHORT_RECORD: UnavailableReason
UNAVAILABLE_REASON_UNKNOWN_OFFSET: UnavailableReason
UNAVAILABLE_REASON_FAILED: UnavailableReason
UNAVAILABLE_REASON_GAP: UnavailableReason
UNAVAILABLE_REASON_NO_SLEEP: UnavailableReason
UNAVAILABLE_REASON_UNDEFINED: UnavailableReason
UNAVAILABLE_REASON_NO_MODEL: UnavailableReason
UNAVAILABLE_REASON_OUT_OF_DISTRIBUTION: UnavailableReason

class MinuteRange(_message.Message):
    __slots__ = ("start_minute", "end_minute")
    START_MINUTE_FIELD_NUMBER: _ClassVar[int]
    END_MINUTE_FIELD_NUMBER: _ClassVar[int]
    start_minute: int
    end_minute: int
    def __init__(self, start_minute: _Optional[int] = ..., end_minute: _Optional[int] = ...) -> None: ...

class Measure(_message.Message):
    __slots__ = ("measure", "value", "unavailable", "ucum_unit", "coverage_ratio", "algorithm", "algorithm_version", "parameters", "input_digest")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    UCUM_UNIT_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_RATIO_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_VERSION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    INPUT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    measure: str
    value: float
    unavailable: UnavailableReason
    ucum_unit: str
    coverage_ratio: float
    algorithm: str
    algorithm_version: str
    parameters: _containers.ScalarMap[str, str]
    input_digest: str
    def __init__(self, measure: _Optional[str] = ..., value: _Optional[float] = ..., unavailable: _Optional[_Union[UnavailableReason, str]] = ..., ucum_unit: _Optional[str] = ..., coverage_ratio: _Optional[float] = ..., algorithm: _Optional[str] = ..., algorithm_version: _Optional[str] = ..., parameters: _Optional[_Mapping[str, str]] = ..., input_digest: _Optional[str] = ...) -> None: ...

class MainSleep(_message.Message):
    __slots__ = ("start_minute", "onset_minute", "final_awakening_minute", "end_minute", "start_time", "onset_time", "final_awakening_time", "end_time", "total_sleep_minutes", "onset_latency_minutes", "wake_after_onset_minutes", "latency_to_arising_minutes", "awakening_count", "unscored_minutes")
    START_MINUTE_FIELD_NUMBER: _ClassVar[int]
    ONSET_MINUTE_FIELD_NUMBER: _ClassVar[int]
    FINAL_AWAKENING_MINUTE_FIELD_NUMBER: _ClassVar[int]
    END_MINUTE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    ONSET_TIME_FIELD_NUMBER: _ClassVar[int]
    FINAL_AWAKENING_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SLEEP_MINUTES_FIELD_NUMBER: _ClassVar[int]
    ONSET_LATENCY_MINUTES_FIELD_NUMBER: _ClassVar[int]
    WAKE_AFTER_ONSET_MINUTES_FIELD_NUMBER: _ClassVar[int]
    LATENCY_TO_ARISING_MINUTES_FIELD_NUMBER: _ClassVar[int]
    AWAKENING_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNSCORED_MINUTES_FIELD_NUMBER: _ClassVar[int]
    start_minute: int
    onset_minute: int
    final_awakening_minute: int
    end_minute: int
    start_time: _datetime_pb2.DateTime
    onset_time: _datetime_pb2.DateTime
    final_awakening_time: _datetime_pb2.DateTime
    end_time: _datetime_pb2.DateTime
    total_sleep_minutes: int
    onset_latency_minutes: int
    wake_after_onset_minutes: int
    latency_to_arising_minutes: int
    awakening_count: int
    unscored_minutes: int
    def __init__(self, start_minute: _Optional[int] = ..., onset_minute: _Optional[int] = ..., final_awakening_minute: _Optional[int] = ..., end_minute: _Optional[int] = ..., start_time: _Optional[_Union[_datetime_pb2.DateTime, _Mapping]] = ..., onset_time: _Optional[_Union[_datetime_pb2.DateTime, _Mapping]] = ..., final_awakening_time: _Optional[_Union[_datetime_pb2.DateTime, _Mapping]] = ..., end_time: _Optional[_Union[_datetime_pb2.DateTime, _Mapping]] = ..., total_sleep_minutes: _Optional[int] = ..., onset_latency_minutes: _Optional[int] = ..., wake_after_onset_minutes: _Optional[int] = ..., latency_to_arising_minutes: _Optional[int] = ..., awakening_count: _Optional[int] = ..., unscored_minutes: _Optional[int] = ...) -> None: ...

class Night(_message.Message):
    __slots__ = ("date", "sleep", "unavailable", "coverage_ratio")
    DATE_FIELD_NUMBER: _ClassVar[int]
    SLEEP_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_RATIO_FIELD_NUMBER: _ClassVar[int]
    date: _date_pb2.Date
    sleep: MainSleep
    unavailable: UnavailableReason
    coverage_ratio: float
    def __init__(self, date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., sleep: _Optional[_Union[MainSleep, _Mapping]] = ..., unavailable: _Optional[_Union[UnavailableReason, str]] = ..., coverage_ratio: _Optional[float] = ...) -> None: ...

class Day(_message.Message):
    __slots__ = ("result", "date", "metric", "source", "length_minutes", "recorded_minutes", "worn_minutes", "measures", "asleep", "not_worn", "conflict_minutes", "closed", "tzdata_version", "night")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_MINUTES_FIELD_NUMBER: _ClassVar[int]
    RECORDED_MINUTES_FIELD_NUMBER: _ClassVar[int]
    WORN_MINUTES_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    ASLEEP_FIELD_NUMBER: _ClassVar[int]
    NOT_WORN_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_MINUTES_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    TZDATA_VERSION_FIELD_NUMBER: _ClassVar[int]
    NIGHT_FIELD_NUMBER: _ClassVar[int]
    result: int
    date: _date_pb2.Date
    metric: str
    source: _series_pb2.Source
    length_minutes: int
    recorded_minutes: int
    worn_minutes: int
    measures: _containers.RepeatedCompositeFieldContainer[Measure]
    asleep: _containers.RepeatedCompositeFieldContainer[MinuteRange]
    not_worn: _containers.RepeatedCompositeFieldContainer[MinuteRange]
    conflict_minutes: int
    closed: bool
    tzdata_version: str
    night: Night
    def __init__(self, result: _Optional[int] = ..., date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., metric: _Optional[str] = ..., source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., length_minutes: _Optional[int] = ..., recorded_minutes: _Optional[int] = ..., worn_minutes: _Optional[int] = ..., measures: _Optional[_Iterable[_Union[Measure, _Mapping]]] = ..., asleep: _Optional[_Iterable[_Union[MinuteRange, _Mapping]]] = ..., not_worn: _Optional[_Iterable[_Union[MinuteRange, _Mapping]]] = ..., conflict_minutes: _Optional[int] = ..., closed: _Optional[bool] = ..., tzdata_version: _Optional[str] = ..., night: _Optional[_Union[Night, _Mapping]] = ...) -> None: ...

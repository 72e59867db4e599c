from clarity.v1 import day_pb2 as _day_pb2
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

class AnalysisState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANALYSIS_STATE_UNSPECIFIED: _ClassVar[AnalysisState]
    ANALYSIS_STATE_QUEUED: _ClassVar[AnalysisState]
    ANALYSIS_STATE_SUCCEEDED: _ClassVar[AnalysisState]
    ANALYSIS_STATE_FAILED: _ClassVar[AnalysisState]
    ANALYSIS_STATE_SUPERSEDED: _ClassVar[AnalysisState]
ANALYSIS_STATE_UNSPECIFIED: AnalysisState
ANALYSIS_STATE_QUEUED: AnalysisState
ANALYSIS_STATE_SUCCEEDED: AnalysisState
ANALYSIS_STATE_FAILED: AnalysisState
ANALYSIS_STATE_SUPERSEDED: AnalysisState

class Window(_message.Message):
    __slots__ = ("metric", "source", "start_date", "start_time", "length_minutes", "recorded_minutes", "worn_minutes", "longest_gap_minutes", "worn_days", "offset_change_minutes", "conflict_minutes", "input_digest", "tzdata_version")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    LENGTH_MINUTES_FIELD_NUMBER: _ClassVar[int]
    RECORDED_MINUTES_FIELD_NUMBER: _ClassVar[int]
    WORN_MINUTES_FIELD_NUMBER: _ClassVar[int]
    LONGEST_GAP_MINUTES_FIELD_NUMBER: _ClassVar[int]
    WORN_DAYS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_CHANGE_MINUTES_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_MINUTES_FIELD_NUMBER: _ClassVar[int]
    INPUT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TZDATA_VERSION_FIELD_NUMBER: _ClassVar[int]
    metric: str
    source: _series_pb2.Source
    start_date: _date_pb2.Date
    start_time: _datetime_pb2.DateTime
    length_minutes: int
    recorded_minutes: int
    worn_minutes: int
    longest_gap_minutes: int
    worn_days: int
    offset_change_minutes: int
    conflict_minutes: int
    input_digest: str
    tzdata_version: str
    def __init__(self, metric: _Optional[str] = ..., source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., start_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., start_time: _Optional[_Union[_datetime_pb2.DateTime, _Mapping]] = ..., length_minutes: _Optional[int] = ..., recorded_minutes: _Optional[int] = ..., worn_minutes: _Optional[int] = ..., longest_gap_minutes: _Optional[int] = ..., worn_days: _Optional[int] = ..., offset_change_minutes: _Optional[int] = ..., conflict_minutes: _Optional[int] = ..., input_digest: _Optional[str] = ..., tzdata_version: _Optional[str] = ...) -> None: ...

class AnalysisParameters(_message.Message):
    __slots__ = ("wear", "sleep", "rescoring")
    WEAR_FIELD_NUMBER: _ClassVar[int]
    SLEEP_FIELD_NUMBER: _ClassVar[int]
    RESCORING_FIELD_NUMBER: _ClassVar[int]
    wear: str
    sleep: str
    rescoring: bool
    def __init__(self, wear: _Optional[str] = ..., sleep: _Optional[str] = ..., rescoring: _Optional[bool] = ...) -> None: ...

class HourlyMean(_message.Message):
    __slots__ = ("hour", "mean")
    HOUR_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    hour: int
    mean: float
    def __init__(self, hour: _Optional[int] = ..., mean: _Optional[float] = ...) -> None: ...

class Abstention(_message.Message):
    __slots__ = ("reason", "what", "found", "needed", "ucum_unit")
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    UCUM_UNIT_FIELD_NUMBER: _ClassVar[int]
    reason: _day_pb2.UnavailableReason
    what: str
    found: float
    needed: float
    ucum_unit: str
    def __init__(self, reason: _Optional[_Union[_day_pb2.UnavailableReason, str]] = ..., what: _Optional[str] = ..., found: _Optional[float] = ..., needed: _Optional[float] = ..., ucum_unit: _Optional[str] = ...) -> None: ...

class PatOutput(_message.Message):
    __slots__ = ("embedding", "attention", "patch_minutes")
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    PATCH_MINUTES_FIELD_NUMBER: _ClassVar[int]
    embedding: _containers.RepeatedScalarFieldContainer[float]
    attention: _containers.RepeatedScalarFieldContainer[float]
    patch_minutes: int
    def __init__(self, embedding: _Optional[_Iterable[float]] = ..., attention: _Optional[_Iterable[float]] = ..., patch_minutes: _Optional[int] = ...) -> None: ...

class PatReading(_message.Message):
    __slots__ = ("model", "model_digest", "demonstration", "scaler", "scaler_digest", "filled_minutes", "output", "unavailable")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DEMONSTRATION_FIELD_NUMBER: _ClassVar[int]
    SCALER_FIELD_NUMBER: _ClassVar[int]
    SCALER_DIGEST_FIELD_NUMBER: _ClassVar[int]
    FILLED_MINUTES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    model: str
    model_digest: str
    demonstration: bool
    scaler: str
    scaler_digest: str
    filled_minutes: int
    output: PatOutput
    unavailable: Abstention
    def __init__(self, model: _Optional[str] = ..., model_digest: _Optional[str] = ..., demonstration: _Optional[bool] = ..., scaler: _Optional[str] = ..., scaler_digest: _Optional[str] = ..., filled_minutes: _Optional[int] = ..., output: _Optional[_Union[PatOutput, _Mapping]] = ..., unavailable: _Optional[_Union[Abstention, _Mapping]] = ...) -> None: ...

class Analysis(_message.Message):
    __slots__ = ("analysis_id", "state", "window", "parameters", "measures", "nights", "hourly_means", "pat")
    ANALYSIS_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    NIGHTS_FIELD_NUMBER: _ClassVar[int]
    HOURLY_MEANS_FIELD_NUMBER: _ClassVar[int]
    PAT_FIELD_NUMBER: _ClassVar[int]
    analysis_id: str
    state: AnalysisState
    window: Window
    parameters: AnalysisParameters
    measures: _containers.RepeatedCompositeFieldContainer[_day_pb2.Measure]
    nights: _containers.RepeatedCompositeFieldContainer[_day_pb2.Night]
    hourly_means: _containers.RepeatedCompositeFieldContainer[HourlyMean]
    pat: PatReading
    def __init__(self, analysis_id: _Optional[str] = ..., state: _Optional[_Union[AnalysisState, str]] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., parameters: _Optional[_Union[AnalysisParameters, _Mapping]] = ..., measures: _Optional[_Iterable[_Union[_day_pb2.Measure, _Mapping]]] = ..., nights: _Optional[_Iterable[_Union[_day_pb2.Night, _Mapping]]] = ..., hourly_means: _Optional[_Iterable[_Union[HourlyMean, _Mapping]]] = ..., pat: _Optional[_Union[PatReading, _Mapping]] = ...) -> None: ...

import datetime

from clarity.v1 import day_pb2 as _day_pb2
from clarity.v1 import health_data_service_pb2 as _health_data_service_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import date_pb2 as _date_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InsightKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INSIGHT_KIND_UNSPECIFIED: _ClassVar[InsightKind]
    INSIGHT_KIND_SUMMARY: _ClassVar[InsightKind]
    INSIGHT_KIND_BRIEF: _ClassVar[InsightKind]
INSIGHT_KIND_UNSPECIFIED: InsightKind
INSIGHT_KIND_SUMMARY: InsightKind
INSIGHT_KIND_BRIEF: InsightKind

class Fact(_message.Message):
    __slots__ = ("fact_id", "analysis_id", "name", "date", "value", "unavailable", "ucum_unit", "text", "coverage_ratio", "algorithm", "algorithm_version", "parameters", "input_digest", "model_digest", "of_fact_ids", "minutes")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FACT_ID_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    UCUM_UNIT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_RATIO_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_VERSION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    INPUT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OF_FACT_IDS_FIELD_NUMBER: _ClassVar[int]
    MINUTES_FIELD_NUMBER: _ClassVar[int]
    fact_id: str
    analysis_id: str
    name: str
    date: _date_pb2.Date
    value: float
    unavailable: _day_pb2.UnavailableReason
    ucum_unit: str
    text: str
    coverage_ratio: float
    algorithm: str
    algorithm_version: str
    parameters: _containers.ScalarMap[str, str]
    input_digest: str
    model_digest: str
    of_fact_ids: _containers.RepeatedScalarFieldContainer[str]
    minutes: _health_data_service_pb2.ReadSeriesRequest
    def __init__(self, fact_id: _Optional[str] = ..., analysis_id: _Optional[str] = ..., name: _Optional[str] = ..., date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., value: _Optional[float] = ..., unavailable: _Optional[_Union[_day_pb2.UnavailableReason, str]] = ..., ucum_unit: _Optional[str] = ..., text: _Optional[str] = ..., coverage_ratio: _Optional[float] = ..., algorithm: _Optional[str] = ..., algorithm_version: _Optional[str] = ..., parameters: _Optional[_Mapping[str, str]] = ..., input_digest: _Optional[str] = ..., model_digest: _Optional[str] = ..., of_fact_ids: _Optional[_Iterable[str]] = ..., minutes: _Optional[_Union[_health_data_service_pb2.ReadSeriesRequest, _Mapping]] = ...) -> None: ...

class Citation(_message.Message):
    __slots__ = ("fact_id", "start", "end")
    FACT_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    fact_id: str
    start: int
    end: int
    def __init__(self, fact_id: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Sentence(_message.Message):
    __slots__ = ("text", "citations")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CITATIONS_FIELD_NUMBER: _ClassVar[int]
    text: str
    citations: _containers.RepeatedCompositeFieldContainer[Citation]
    def __init__(self, text: _Optional[str] = ..., citations: _Optional[_Iterable[_Union[Citation, _Mapping]]] = ...) -> None: ...

class Insight(_message.Message):
    __slots__ = ("insight_id", "analysis_id", "kind", "language", "narrator", "narrator_version", "sentences", "facts", "create_time")
    INSIGHT_ID_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    NARRATOR_FIELD_NUMBER: _ClassVar[int]
    NARRATOR_VERSION_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    insight_id: str
    analysis_id: str
    kind: InsightKind
    language: str
    narrator: str
    narrator_version: str
    sentences: _containers.RepeatedCompositeFieldContainer[Sentence]
    facts: _containers.RepeatedCompositeFieldContainer[Fact]
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, insight_id: _Optional[str] = ..., analysis_id: _Optional[str] = ..., kind: _Optional[_Union[InsightKind, str]] = ..., language: _Optional[str] = ..., narrator: _Optional[str] = ..., narrator_version: _Optional[str] = ..., sentences: _Optional[_Iterable[_Union[Sentence, _Mapping]]] = ..., facts: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

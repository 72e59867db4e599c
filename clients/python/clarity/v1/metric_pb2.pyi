from clarity.v1 import access_pb2 as _access_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Metric(_message.Message):
    __slots__ = ("metric", "kind", "ucum_unit", "loinc", "healthkit", "health_connect", "min", "max", "has_days", "family", "aggregation", "codes", "parts", "display_name")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Metric.Kind]
        KIND_QUANTITY: _ClassVar[Metric.Kind]
        KIND_CATEGORY: _ClassVar[Metric.Kind]
        KIND_SERIES: _ClassVar[Metric.Kind]
        KIND_CORRELATION: _ClassVar[Metric.Kind]
    KIND_UNSPECIFIED: Metric.Kind
    KIND_QUANTITY: Metric.Kind
    KIND_CATEGORY: Metric.Kind
    KIND_SERIES: Metric.Kind
    KIND_CORRELATION: Metric.Kind
    class Aggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        AGGREGATION_UNSPECIFIED: _ClassVar[Metric.Aggregation]
        AGGREGATION_SUM: _ClassVar[Metric.Aggregation]
        AGGREGATION_MEAN: _ClassVar[Metric.Aggregation]
        AGGREGATION_BOTH: _ClassVar[Metric.Aggregation]
        AGGREGATION_DURATION: _ClassVar[Metric.Aggregation]
    AGGREGATION_UNSPECIFIED: Metric.Aggregation
    AGGREGATION_SUM: Metric.Aggregation
    AGGREGATION_MEAN: Metric.Aggregation
    AGGREGATION_BOTH: Metric.Aggregation
    AGGREGATION_DURATION: Metric.Aggregation
    METRIC_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    UCUM_UNIT_FIELD_NUMBER: _ClassVar[int]
    LOINC_FIELD_NUMBER: _ClassVar[int]
    HEALTHKIT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CONNECT_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    HAS_DAYS_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    metric: str
    kind: Metric.Kind
    ucum_unit: str
    loinc: str
    healthkit: str
    health_connect: str
    min: float
    max: float
    has_days: bool
    family: _access_pb2.DataFamily
    aggregation: Metric.Aggregation
    codes: _containers.RepeatedScalarFieldContainer[str]
    parts: _containers.RepeatedScalarFieldContainer[str]
    display_name: str
    def __init__(self, metric: _Optional[str] = ..., kind: _Optional[_Union[Metric.Kind, str]] = ..., ucum_unit: _Optional[str] = ..., loinc: _Optional[str] = ..., healthkit: _Optional[str] = ..., health_connect: _Optional[str] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., has_days: _Optional[bool] = ..., family: _Optional[_Union[_access_pb2.DataFamily, str]] = ..., aggregation: _Optional[_Union[Metric.Aggregation, str]] = ..., codes: _Optional[_Iterable[str]] = ..., parts: _Optional[_Iterable[str]] = ..., display_name: _Optional[str] = ...) -> None: ...

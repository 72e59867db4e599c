from clarity.v1 import access_pb2 as _access_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Metric(_message.Message):
    __slots__ = ("metric", "kind", "ucum_unit", "loinc", "healthkit", "health_connect", "min", "max", "has_days", "family")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Metric.Kind]
        KIND_QUANTITY: _ClassVar[Metric.Kind]
        KIND_CATEGORY: _ClassVar[Metric.Kind]
        KIND_SERIES: _ClassVar[Metric.Kind]
    KIND_UNSPECIFIED: Metric.Kind
    KIND_QUANTITY: Metric.Kind
    KIND_CATEGORY: Metric.Kind
    KIND_SERIES: Metric.Kind
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
    def __init__(self, metric: _Optional[str] = ..., kind: _Optional[_Union[Metric.Kind, str]] = ..., ucum_unit: _Optional[str] = ..., loinc: _Optional[str] = ..., healthkit: _Optional[str] = ..., health_connect: _Optional[str] = ..., min: _Optional[float] = ..., max: _Optional[float] = ..., has_days: _Optional[bool] = ..., family: _Optional[_Union[_access_pb2.DataFamily, str]] = ...) -> None: ...

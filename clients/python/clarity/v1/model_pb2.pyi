import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_KIND_UNSPECIFIED: _ClassVar[ModelKind]
    MODEL_KIND_PRETRAINED: _ClassVar[ModelKind]
    MODEL_KIND_DEMONSTRATION: _ClassVar[ModelKind]
    MODEL_KIND_TEST: _ClassVar[ModelKind]
MODEL_KIND_UNSPECIFIED: ModelKind
MODEL_KIND_PRETRAINED: ModelKind
MODEL_KIND_DEMONSTRATION: ModelKind
MODEL_KIND_TEST: ModelKind

class Model(_message.Message):
    __slots__ = ("name", "size", "variant", "kind", "digest", "source", "licence", "attribution", "summary", "scaler", "install_time", "serving")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    SCALER_FIELD_NUMBER: _ClassVar[int]
    INSTALL_TIME_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    name: str
    size: str
    variant: str
    kind: ModelKind
    digest: str
    source: str
    licence: str
    attribution: str
    summary: str
    scaler: str
    install_time: _timestamp_pb2.Timestamp
    serving: bool
    def __init__(self, name: _Optional[str] = ..., size: _Optional[str] = ..., variant: _Optional[str] = ..., kind: _Optional[_Union[ModelKind, str]] = ..., digest: _Optional[str] = ..., source: _Optional[str] = ..., licence: _Optional[str] = ..., attribution: _Optional[str] = ..., summary: _Optional[str] = ..., scaler: _Optional[str] = ..., install_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., serving: _Optional[bool] = ...) -> None: ...

from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DataFamily(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATA_FAMILY_UNSPECIFIED: _ClassVar[DataFamily]
    DATA_FAMILY_ACTIVITY: _ClassVar[DataFamily]
    DATA_FAMILY_SLEEP: _ClassVar[DataFamily]
    DATA_FAMILY_HEART: _ClassVar[DataFamily]
    DATA_FAMILY_RESPIRATION: _ClassVar[DataFamily]
    DATA_FAMILY_BODY: _ClassVar[DataFamily]
    DATA_FAMILY_METABOLISM: _ClassVar[DataFamily]
    DATA_FAMILY_MIND: _ClassVar[DataFamily]
    DATA_FAMILY_ENVIRONMENT: _ClassVar[DataFamily]
    DATA_FAMILY_ANALYSIS: _ClassVar[DataFamily]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_MEMBER: _ClassVar[Role]
    ROLE_CLINICIAN: _ClassVar[Role]
    ROLE_RESEARCHER: _ClassVar[Role]
    ROLE_OPERATOR: _ClassVar[Role]

class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PURPOSE_UNSPECIFIED: _ClassVar[Purpose]
    PURPOSE_STORAGE: _ClassVar[Purpose]
    PURPOSE_ANALYSIS: _ClassVar[Purpose]
    PURPOSE_NARRATION: _ClassVar[Purpose]
    PURPOSE_RESEARCH: _ClassVar[Purpose]

class DataUse(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATA_USE_UNSPECIFIED: _ClassVar[DataUse]
    DATA_USE_READ: _ClassVar[DataUse]
    DATA_USE_WRITE: _ClassVar[DataUse]
DATA_FAMILY_UNSPECIFIED: DataFamily
DATA_FAMILY_ACTIVITY: DataFamily
DATA_FAMILY_SLEEP: DataFamily
DATA_FAMILY_HEART: DataFamily
DATA_FAMILY_RESPIRATION: DataFamily
DATA_FAMILY_BODY: DataFamily
DATA_FAMILY_METABOLISM: DataFamily
DATA_FAMILY_MIND: DataFamily
DATA_FAMILY_ENVIRONMENT: DataFamily
DATA_FAMILY_ANALYSIS: DataFamily
ROLE_UNSPECIFIED: Role
ROLE_MEMBER: Role
ROLE_CLINICIAN: Role
ROLE_RESEARCHER: Role
ROLE_OPERATOR: Role
PURPOSE_UNSPECIFIED: Purpose
PURPOSE_STORAGE: Purpose
PURPOSE_ANALYSIS: Purpose
PURPOSE_NARRATION: Purpose
PURPOSE_RESEARCH: Purpose
DATA_USE_UNSPECIFIED: DataUse
DATA_USE_READ: DataUse
DATA_USE_WRITE: DataUse
ACCESS_FIELD_NUMBER: _ClassVar[int]
access: _descriptor.FieldDescriptor

class Access(_message.Message):
    __slots__ = ("public", "scope", "data_use", "family", "purposes", "role", "shareable")
    PUBLIC_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    DATA_USE_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SHAREABLE_FIELD_NUMBER: _ClassVar[int]
    public: bool
    scope: str
    data_use: DataUse
    family: DataFamily
    purposes: _containers.RepeatedScalarFieldContainer[Purpose]
    role: Role
    shareable: bool
    def __init__(self, public: _Optional[bool] = ..., scope: _Optional[str] = ..., data_use: _Optional[_Union[DataUse, str]] = ..., family: _Optional[_Union[DataFamily, str]] = ..., purposes: _Optional[_Iterable[_Union[Purpose, str]]] = ..., role: _Optional[_Union[Role, str]] = ..., shareable: _Optional[bool] = ...) -> None: ...

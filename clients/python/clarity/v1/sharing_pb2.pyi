import datetime

from clarity.v1 import access_pb2 as _access_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Consent(_message.Message):
    __slots__ = ("purpose", "given", "text_version", "effective_time")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    GIVEN_FIELD_NUMBER: _ClassVar[int]
    TEXT_VERSION_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    purpose: _access_pb2.Purpose
    given: bool
    text_version: str
    effective_time: _timestamp_pb2.Timestamp
    def __init__(self, purpose: _Optional[_Union[_access_pb2.Purpose, str]] = ..., given: _Optional[bool] = ..., text_version: _Optional[str] = ..., effective_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("grant_id", "member_id", "member_name", "reader_id", "reader_name", "families", "create_time", "expire_time", "revoke_time", "state")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Grant.State]
        STATE_ACTIVE: _ClassVar[Grant.State]
        STATE_EXPIRED: _ClassVar[Grant.State]
        STATE_REVOKED: _ClassVar[Grant.State]
    STATE_UNSPECIFIED: Grant.State
    STATE_ACTIVE: Grant.State
    STATE_EXPIRED: Grant.State
    STATE_REVOKED: Grant.State
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_NAME_FIELD_NUMBER: _ClassVar[int]
    READER_ID_FIELD_NUMBER: _ClassVar[int]
    READER_NAME_FIELD_NUMBER: _ClassVar[int]
    FAMILIES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REVOKE_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    member_id: str
    member_name: str
    reader_id: str
    reader_name: str
    families: _containers.RepeatedScalarFieldContainer[_access_pb2.DataFamily]
    create_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    revoke_time: _timestamp_pb2.Timestamp
    state: Grant.State
    def __init__(self, grant_id: _Optional[str] = ..., member_id: _Optional[str] = ..., member_name: _Optional[str] = ..., reader_id: _Optional[str] = ..., reader_name: _Optional[str] = ..., families: _Optional[_Iterable[_Union[_access_pb2.DataFamily, str]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoke_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[Grant.State, str]] = ...) -> None: ...

class AccessEvent(_message.Message):
    __slots__ = ("number", "access_time", "reader_id", "reader_name", "grant_id", "method", "families")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ACCESS_TIME_FIELD_NUMBER: _ClassVar[int]
    READER_ID_FIELD_NUMBER: _ClassVar[int]
    READER_NAME_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    FAMILIES_FIELD_NUMBER: _ClassVar[int]
    number: int
    access_time: _timestamp_pb2.Timestamp
    reader_id: str
    reader_name: str
    grant_id: str
    method: str
    families: _containers.RepeatedScalarFieldContainer[_access_pb2.DataFamily]
    def __init__(self, number: _Optional[int] = ..., access_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reader_id: _Optional[str] = ..., reader_name: _Optional[str] = ..., grant_id: _Optional[str] = ..., method: _Optional[str] = ..., families: _Optional[_Iterable[_Union[_access_pb2.DataFamily, str]]] = ...) -> None: ...

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

class Account(_message.Message):
    __slots__ = ("account_id", "email", "display_name", "create_time", "state", "roles", "first_name", "last_name", "time_zone", "language", "preferences", "new_email", "totp_enabled", "recovery_code_count", "terms_version", "privacy_version", "erase_time")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Account.State]
        STATE_PENDING: _ClassVar[Account.State]
        STATE_ACTIVE: _ClassVar[Account.State]
        STATE_SUSPENDED: _ClassVar[Account.State]
        STATE_DISABLED: _ClassVar[Account.State]
        STATE_ERASING: _ClassVar[Account.State]
    STATE_UNSPECIFIED: Account.State
    STATE_PENDING: Account.State
    STATE_ACTIVE: Account.State
    STATE_SUSPENDED: Account.State
    STATE_DISABLED: Account.State
    STATE_ERASING: Account.State
    class PreferencesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    FIRST_NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_NAME_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    NEW_EMAIL_FIELD_NUMBER: _ClassVar[int]
    TOTP_ENABLED_FIELD_NUMBER: _ClassVar[int]
    RECOVERY_CODE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TERMS_VERSION_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_VERSION_FIELD_NUMBER: _ClassVar[int]
    ERASE_TIME_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    email: str
    display_name: str
    create_time: _timestamp_pb2.Timestamp
    state: Account.State
    roles: _containers.RepeatedScalarFieldContainer[_access_pb2.Role]
    first_name: str
    last_name: str
    time_zone: str
    language: str
    preferences: _containers.ScalarMap[str, str]
    new_email: str
    totp_enabled: bool
    recovery_code_count: int
    terms_version: str
    privacy_version: str
    erase_time: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., email: _Optional[str] = ..., display_name: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[Account.State, str]] = ..., roles: _Optional[_Iterable[_Union[_access_pb2.Role, str]]] = ..., first_name: _Optional[str] = ..., last_name: _Optional[str] = ..., time_zone: _Optional[str] = ..., language: _Optional[str] = ..., preferences: _Optional[_Mapping[str, str]] = ..., new_email: _Optional[str] = ..., totp_enabled: _Optional[bool] = ..., recovery_code_count: _Optional[int] = ..., terms_version: _Optional[str] = ..., privacy_version: _Optional[str] = ..., erase_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("device_id", "name", "kind", "os", "app")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OS_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    name: str
    kind: str
    os: str
    app: str
    def __init__(self, device_id: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., os: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("session_id", "account_id", "access_token", "access_expire_time", "refresh_token", "refresh_expire_time", "scopes")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCESS_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REFRESH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REFRESH_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    account_id: str
    access_token: str
    access_expire_time: _timestamp_pb2.Timestamp
    refresh_token: str
    refresh_expire_time: _timestamp_pb2.Timestamp
    scopes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, session_id: _Optional[str] = ..., account_id: _Optional[str] = ..., access_token: _Optional[str] = ..., access_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refresh_token: _Optional[str] = ..., refresh_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., scopes: _Optional[_Iterable[str]] = ...) -> None: ...

class SessionInfo(_message.Message):
    __slots__ = ("session_id", "create_time", "refresh_time", "expire_time", "device", "network", "current", "scopes")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    REFRESH_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    create_time: _timestamp_pb2.Timestamp
    refresh_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    device: Device
    network: str
    current: bool
    scopes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, session_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refresh_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., device: _Optional[_Union[Device, _Mapping]] = ..., network: _Optional[str] = ..., current: _Optional[bool] = ..., scopes: _Optional[_Iterable[str]] = ...) -> None: ...

class Confirmation(_message.Message):
    __slots__ = ("ticket", "email", "expire_time", "resend_time")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    RESEND_TIME_FIELD_NUMBER: _ClassVar[int]
    ticket: str
    email: str
    expire_time: _timestamp_pb2.Timestamp
    resend_time: _timestamp_pb2.Timestamp
    def __init__(self, ticket: _Optional[str] = ..., email: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resend_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Challenge(_message.Message):
    __slots__ = ("kind", "ticket", "expire_time")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Challenge.Kind]
        KIND_TOTP: _ClassVar[Challenge.Kind]
        KIND_NEW_PASSWORD: _ClassVar[Challenge.Kind]
        KIND_CONFIRM_EMAIL: _ClassVar[Challenge.Kind]
    KIND_UNSPECIFIED: Challenge.Kind
    KIND_TOTP: Challenge.Kind
    KIND_NEW_PASSWORD: Challenge.Kind
    KIND_CONFIRM_EMAIL: Challenge.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    TICKET_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    kind: Challenge.Kind
    ticket: str
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, kind: _Optional[_Union[Challenge.Kind, str]] = ..., ticket: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

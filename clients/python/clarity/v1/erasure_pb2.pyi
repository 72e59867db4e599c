import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErasureReceipt(_message.Message):
    __slots__ = ("erasure_id", "state", "request_time", "erase_time", "done_time", "stores", "signed_receipt")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[ErasureReceipt.State]
        STATE_SCHEDULED: _ClassVar[ErasureReceipt.State]
        STATE_CANCELLED: _ClassVar[ErasureReceipt.State]
        STATE_RUNNING: _ClassVar[ErasureReceipt.State]
        STATE_DONE: _ClassVar[ErasureReceipt.State]
    STATE_UNSPECIFIED: ErasureReceipt.State
    STATE_SCHEDULED: ErasureReceipt.State
    STATE_CANCELLED: ErasureReceipt.State
    STATE_RUNNING: ErasureReceipt.State
    STATE_DONE: ErasureReceipt.State
    class Store(_message.Message):
        __slots__ = ("store", "erased_count", "left_count")
        STORE_FIELD_NUMBER: _ClassVar[int]
        ERASED_COUNT_FIELD_NUMBER: _ClassVar[int]
        LEFT_COUNT_FIELD_NUMBER: _ClassVar[int]
        store: str
        erased_count: int
        left_count: int
        def __init__(self, store: _Optional[str] = ..., erased_count: _Optional[int] = ..., left_count: _Optional[int] = ...) -> None: ...
    ERASURE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_TIME_FIELD_NUMBER: _ClassVar[int]
    ERASE_TIME_FIELD_NUMBER: _ClassVar[int]
    DONE_TIME_FIELD_NUMBER: _ClassVar[int]
    STORES_FIELD_NUMBER: _ClassVar[int]
    SIGNED_RECEIPT_FIELD_NUMBER: _ClassVar[int]
    erasure_id: str
    state: ErasureReceipt.State
    request_time: _timestamp_pb2.Timestamp
    erase_time: _timestamp_pb2.Timestamp
    done_time: _timestamp_pb2.Timestamp
    stores: _containers.RepeatedCompositeFieldContainer[ErasureReceipt.Store]
    signed_receipt: str
    def __init__(self, erasure_id: _Optional[str] = ..., state: _Optional[_Union[ErasureReceipt.State, str]] = ..., request_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., erase_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., done_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stores: _Optional[_Iterable[_Union[ErasureReceipt.Store, _Mapping]]] = ..., signed_receipt: _Optional[str] = ...) -> None: ...

from google.rpc import error_details_pb2 as _error_details_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_PAGE_TOKEN_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_MESSAGE_OUT_OF_ORDER: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_ID_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_FEATURE_OFF: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_EXPIRED: _ClassVar[ErrorReason]
    ERROR_REASON_SESSION_ENDED: _ClassVar[ErrorReason]
    ERROR_REASON_STREAM_EXPIRED: _ClassVar[ErrorReason]
    ERROR_REASON_CREDENTIALS_WRONG: _ClassVar[ErrorReason]
    ERROR_REASON_REFRESH_TOKEN_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_REFRESH_TOKEN_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_EMAIL_TAKEN: _ClassVar[ErrorReason]
    ERROR_REASON_METRIC_UNKNOWN: _ClassVar[ErrorReason]
    ERROR_REASON_METRIC_NOT_STREAMABLE: _ClassVar[ErrorReason]
    ERROR_REASON_VALUE_NOT_FINITE: _ClassVar[ErrorReason]
    ERROR_REASON_CHUNK_CORRUPT: _ClassVar[ErrorReason]
    ERROR_REASON_CHUNK_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_CHUNK_MALFORMED: _ClassVar[ErrorReason]
    ERROR_REASON_SEQUENCE_GAP: _ClassVar[ErrorReason]
    ERROR_REASON_CONTENT_CONFLICT: _ClassVar[ErrorReason]
    ERROR_REASON_UPLOAD_TAKEN_OVER: _ClassVar[ErrorReason]
    ERROR_REASON_UPLOAD_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_UPLOAD_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_UPLOAD_FINISHED: _ClassVar[ErrorReason]
    ERROR_REASON_TOTAL_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_DIGEST_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_TIME_KIND_WRONG: _ClassVar[ErrorReason]
    ERROR_REASON_WINDOW_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_ANALYSIS_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_ANALYSIS_NOT_DONE: _ClassVar[ErrorReason]
    ERROR_REASON_INSIGHT_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_RESUME_TOKEN_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_STREAMS: _ClassVar[ErrorReason]
    ERROR_REASON_BUSY: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_SHUTTING_DOWN: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_DAMAGED: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_REQUEST_INVALID: ErrorReason
ERROR_REASON_PAGE_TOKEN_INVALID: ErrorReason
ERROR_REASON_MESSAGE_OUT_OF_ORDER: ErrorReason
ERROR_REASON_REQUEST_ID_REUSED: ErrorReason
ERROR_REASON_FEATURE_OFF: ErrorReason
ERROR_REASON_TOKEN_MISSING: ErrorReason
ERROR_REASON_TOKEN_INVALID: ErrorReason
ERROR_REASON_TOKEN_EXPIRED: ErrorReason
ERROR_REASON_SESSION_ENDED: ErrorReason
ERROR_REASON_STREAM_EXPIRED: ErrorReason
ERROR_REASON_CREDENTIALS_WRONG: ErrorReason
ERROR_REASON_REFRESH_TOKEN_INVALID: ErrorReason
ERROR_REASON_REFRESH_TOKEN_REUSED: ErrorReason
ERROR_REASON_EMAIL_TAKEN: ErrorReason
ERROR_REASON_METRIC_UNKNOWN: ErrorReason
ERROR_REASON_METRIC_NOT_STREAMABLE: ErrorReason
ERROR_REASON_VALUE_NOT_FINITE: ErrorReason
ERROR_REASON_CHUNK_CORRUPT: ErrorReason
ERROR_REASON_CHUNK_TOO_LARGE: ErrorReason
ERROR_REASON_CHUNK_MALFORMED: ErrorReason
ERROR_REASON_SEQUENCE_GAP: ErrorReason
ERROR_REASON_CONTENT_CONFLICT: ErrorReason
ERROR_REASON_UPLOAD_TAKEN_OVER: ErrorReason
ERROR_REASON_UPLOAD_MISMATCH: ErrorReason
ERROR_REASON_UPLOAD_NOT_FOUND: ErrorReason
ERROR_REASON_UPLOAD_FINISHED: ErrorReason
ERROR_REASON_TOTAL_MISMATCH: ErrorReason
ERROR_REASON_DIGEST_MISMATCH: ErrorReason
ERROR_REASON_TIME_KIND_WRONG: ErrorReason
ERROR_REASON_WINDOW_NOT_FOUND: ErrorReason
ERROR_REASON_ANALYSIS_NOT_FOUND: ErrorReason
ERROR_REASON_ANALYSIS_NOT_DONE: ErrorReason
ERROR_REASON_INSIGHT_NOT_FOUND: ErrorReason
ERROR_REASON_RESUME_TOKEN_INVALID: ErrorReason
ERROR_REASON_STORE_FULL: ErrorReason
ERROR_REASON_TOO_MANY_STREAMS: ErrorReason
ERROR_REASON_BUSY: ErrorReason
ERROR_REASON_STORE_UNAVAILABLE: ErrorReason
ERROR_REASON_SHUTTING_DOWN: ErrorReason
ERROR_REASON_DEADLINE_EXCEEDED: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_STORE_DAMAGED: ErrorReason

class ErrorDetails(_message.Message):
    __slots__ = ("info", "bad_request", "retry")
    INFO_FIELD_NUMBER: _ClassVar[int]
    BAD_REQUEST_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    info: _error_details_pb2.ErrorInfo
    bad_request: _error_details_pb2.BadRequest
    retry: _error_details_pb2.RetryInfo
    def __init__(self, info: _Optional[_Union[_error_details_pb2.ErrorInfo, _Mapping]] = ..., bad_request: _Optional[_Union[_error_details_pb2.BadRequest, _Mapping]] = ..., retry: _Optional[_Union[_error_details_pb2.RetryInfo, _Mapping]] = ...) -> None: ...

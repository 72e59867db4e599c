"""Errors on the wire: which code and reason each class of domain.errors has, and the status that carries them."""

from collections.abc import Mapping

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from clarity.v1 import error_pb2
from clarity_server.domain import errors

DOMAIN = "clarity.v1"
PREFIX = "ERROR_REASON_"
INTERNAL_TEXT = "internal error; the server's log has it under the request id"

_CODES: Mapping[type[errors.ClarityError], tuple[grpc.StatusCode, str]] = {
    errors.InvalidInput: (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID"),
    errors.PageTokenInvalid: (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"),
    errors.MessageOutOfOrder: (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_OUT_OF_ORDER"),
    errors.RequestIdReused: (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    errors.FeatureOff: (grpc.StatusCode.FAILED_PRECONDITION, "FEATURE_OFF"),
    errors.TokenMissing: (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING"),
    errors.TokenInvalid: (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
    errors.TokenExpired: (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED"),
    errors.SessionEnded: (grpc.StatusCode.UNAUTHENTICATED, "SESSION_ENDED"),
    errors.StreamExpired: (grpc.StatusCode.UNAUTHENTICATED, "STREAM_EXPIRED"),
    errors.CredentialsWrong: (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_WRONG"),
    errors.RefreshTokenInvalid: (grpc.StatusCode.UNAUTHENTICATED, "REFRESH_TOKEN_INVALID"),
    errors.RefreshTokenReused: (grpc.StatusCode.UNAUTHENTICATED, "REFRESH_TOKEN_REUSED"),
    errors.EmailTaken: (grpc.StatusCode.ALREADY_EXISTS, "EMAIL_TAKEN"),
    errors.CodeWrong: (grpc.StatusCode.UNAUTHENTICATED, "CODE_WRONG"),
    errors.ChallengeEnded: (grpc.StatusCode.UNAUTHENTICATED, "CHALLENGE_ENDED"),
    errors.AccountSuspended: (grpc.StatusCode.PERMISSION_DENIED, "ACCOUNT_SUSPENDED"),
    errors.AccountDisabled: (grpc.StatusCode.PERMISSION_DENIED, "ACCOUNT_DISABLED"),
    errors.AccountErasing: (grpc.StatusCode.PERMISSION_DENIED, "ACCOUNT_ERASING"),
    errors.ScopeMissing: (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING"),
    errors.ScopeNotAllowed: (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_NOT_ALLOWED"),
    errors.RoleMissing: (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING"),
    errors.ConsentMissing: (grpc.StatusCode.PERMISSION_DENIED, "CONSENT_MISSING"),
    errors.AccessNotGranted: (grpc.StatusCode.PERMISSION_DENIED, "ACCESS_NOT_GRANTED"),
    errors.SessionNotFound: (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND"),
    errors.TotpEnrolled: (grpc.StatusCode.FAILED_PRECONDITION, "TOTP_ENROLLED"),
    errors.TotpNotEnrolled: (grpc.StatusCode.FAILED_PRECONDITION, "TOTP_NOT_ENROLLED"),
    errors.ReaderNotFound: (grpc.StatusCode.NOT_FOUND, "READER_NOT_FOUND"),
    errors.GrantNotFound: (grpc.StatusCode.NOT_FOUND, "GRANT_NOT_FOUND"),
    errors.GrantsFull: (grpc.StatusCode.RESOURCE_EXHAUSTED, "GRANTS_FULL"),
    errors.ReceiptNotFound: (grpc.StatusCode.NOT_FOUND, "RECEIPT_NOT_FOUND"),
    errors.AccountNotFound: (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND"),
    errors.RateLimited: (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED"),
    errors.MetricUnknown: (grpc.StatusCode.INVALID_ARGUMENT, "METRIC_UNKNOWN"),
    errors.MetricNotStreamable: (grpc.StatusCode.INVALID_ARGUMENT, "METRIC_NOT_STREAMABLE"),
    errors.ValueNotFinite: (grpc.StatusCode.INVALID_ARGUMENT, "VALUE_NOT_FINITE"),
    errors.ChunkCorrupt: (grpc.StatusCode.INVALID_ARGUMENT, "CHUNK_CORRUPT"),
    errors.ChunkTooLarge: (grpc.StatusCode.INVALID_ARGUMENT, "CHUNK_TOO_LARGE"),
    errors.ChunkMalformed: (grpc.StatusCode.INVALID_ARGUMENT, "CHUNK_MALFORMED"),
    errors.SequenceGap: (grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_GAP"),
    errors.ContentConflict: (grpc.StatusCode.ABORTED, "CONTENT_CONFLICT"),
    errors.UploadTakenOver: (grpc.StatusCode.ABORTED, "UPLOAD_TAKEN_OVER"),
    errors.UploadMismatch: (grpc.StatusCode.ALREADY_EXISTS, "UPLOAD_MISMATCH"),
    errors.UploadNotFound: (grpc.StatusCode.NOT_FOUND, "UPLOAD_NOT_FOUND"),
    errors.UploadFinished: (grpc.StatusCode.FAILED_PRECONDITION, "UPLOAD_FINISHED"),
    errors.TotalMismatch: (grpc.StatusCode.FAILED_PRECONDITION, "TOTAL_MISMATCH"),
    errors.DigestMismatch: (grpc.StatusCode.FAILED_PRECONDITION, "DIGEST_MISMATCH"),
    errors.TimeKindWrong: (grpc.StatusCode.INVALID_ARGUMENT, "TIME_KIND_WRONG"),
    errors.WindowNotFound: (grpc.StatusCode.NOT_FOUND, "WINDOW_NOT_FOUND"),
    errors.AnalysisNotFound: (grpc.StatusCode.NOT_FOUND, "ANALYSIS_NOT_FOUND"),
    errors.AnalysisNotDone: (grpc.StatusCode.FAILED_PRECONDITION, "ANALYSIS_NOT_DONE"),
    errors.InsightNotFound: (grpc.StatusCode.NOT_FOUND, "INSIGHT_NOT_FOUND"),
    errors.ResumeTokenInvalid: (grpc.StatusCode.INVALID_ARGUMENT, "RESUME_TOKEN_INVALID"),
    errors.SampleNotFound: (grpc.StatusCode.NOT_FOUND, "SAMPLE_NOT_FOUND"),
    errors.SourceNotFound: (grpc.StatusCode.NOT_FOUND, "SOURCE_NOT_FOUND"),
    errors.AggregateInapplicable: (grpc.StatusCode.INVALID_ARGUMENT, "AGGREGATE_INAPPLICABLE"),
    errors.ChangeTokenExpired: (grpc.StatusCode.OUT_OF_RANGE, "CHANGE_TOKEN_EXPIRED"),
    errors.QuarantineFull: (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUARANTINE_FULL"),
    errors.CountChanged: (grpc.StatusCode.ABORTED, "COUNT_CHANGED"),
    errors.QueryTooLarge: (grpc.StatusCode.INVALID_ARGUMENT, "QUERY_TOO_LARGE"),
    errors.StoreFull: (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL"),
    errors.TooManyStreams: (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS"),
    errors.Busy: (grpc.StatusCode.RESOURCE_EXHAUSTED, "BUSY"),
    errors.StoreUnavailable: (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"),
    errors.StoreDamaged: (grpc.StatusCode.DATA_LOSS, "STORE_DAMAGED"),
    errors.BlobNotFound: (grpc.StatusCode.DATA_LOSS, "STORE_DAMAGED"),
    errors.ShuttingDown: (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN"),
    errors.DeadlineExceeded: (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
}
_LOGGED_ONLY = frozenset({"STORE_DAMAGED"})  # their facts name keys of the store, which are the operator's business


def code_of(status: status_pb2.Status) -> grpc.StatusCode:
    """Return the canonical code of a status."""
    return next(code for code in grpc.StatusCode if code.value[0] == status.code)


def reason_of(status: status_pb2.Status) -> str:
    """Return the reason of one of our statuses."""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            return info.reason
    return ""


def to_status(error: BaseException, request_id: str = "") -> status_pb2.Status:
    """Return the status of an error; of an unexpected one nothing but the request id is told."""
    if not isinstance(error, errors.ClarityError):
        return _status(grpc.StatusCode.INTERNAL, INTERNAL_TEXT, "INTERNAL", {"request_id": request_id})
    code, reason = _CODES[type(error)]
    status = _status(code, str(error), reason, {} if reason in _LOGGED_ONLY else error.facts)
    if isinstance(error, errors.InvalidInput):
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=field, description=rule)
            for field, rule in error.violations.items()
        ]
        status.details.append(_packed(error_details_pb2.BadRequest(field_violations=violations)))
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after_s * 1000))
        status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status


def _status(code: grpc.StatusCode, text: str, reason: str, facts: Mapping[str, str]) -> status_pb2.Status:
    error_pb2.ErrorReason.Value(PREFIX + reason)  # the list is closed: a reason outside of it is our mistake
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=dict(facts))
    return status_pb2.Status(code=code.value[0], message=text, details=[_packed(info)])


def _packed(
    detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed

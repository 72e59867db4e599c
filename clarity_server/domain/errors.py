"""Everything that can go wrong, as classes with facts.

The floor above decides codes and texts on the wire (server/errors.py); here stands only what happened and what to do.
"""

from collections.abc import Mapping


class ClarityError(Exception):
    """Is the root of all expected failures; its text is safe to show to the caller."""

    retry_after_s: float | None = None

    def __init__(self, text: str, **facts: str | int) -> None:
        """Keep the text for a person and the facts for a program."""
        super().__init__(text)
        self.facts: Mapping[str, str] = {name: str(value) for name, value in facts.items()}


class InvalidInput(ClarityError):
    """A request field broke its documented rule."""

    def __init__(self, **violations: str) -> None:
        """Take one sentence per field; `__` in a name stands for the dot of a nested field."""
        self.violations = {name.replace("__", "."): rule for name, rule in violations.items()}
        super().__init__("; ".join(f"{name}: {rule}" for name, rule in self.violations.items()))


class PageTokenInvalid(ClarityError):
    """A page token is damaged or belongs to another query."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("the page token does not belong to this query; start at the first page")


class MessageOutOfOrder(ClarityError):
    """A stream's messages came in an order the contract does not allow."""


class RequestIdReused(ClarityError):
    """A request_id came again with another body."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("this request_id was used with another body; choose a new one")


class FeatureOff(ClarityError):
    """The operator has turned the feature off."""

    def __init__(self, feature: str) -> None:
        """Name the feature."""
        super().__init__(f"{feature} is turned off on this server", feature=feature)


class TokenMissing(ClarityError):
    """A call that needs a token has none."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("this call needs an access token: send `authorization: Bearer <token>`")


class TokenInvalid(ClarityError):
    """The token is not one of ours, is damaged, or is of another use."""

    def __init__(self) -> None:
        """Say what to do, and nothing of why: that helps only a forger."""
        super().__init__("the access token is not valid; sign in")


class TokenExpired(ClarityError):
    """The access token is past its time."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("the access token has expired; refresh the session and retry")


class SessionEnded(ClarityError):
    """The session was signed out or revoked."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("the session has ended; sign in (committed samples are kept)")


class StreamExpired(ClarityError):
    """A stream outlived its access token by more than the named age."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("the stream outlived its access token; refresh the session and resume")


class CredentialsWrong(ClarityError):
    """No account has this address and this password."""

    def __init__(self) -> None:
        """Tell neither which of the two is wrong."""
        super().__init__("no account has this e-mail address and password")


class RefreshTokenInvalid(ClarityError):
    """The refresh token is unknown, expired or of an ended session."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("the refresh token is not valid; sign in")


class RefreshTokenReused(ClarityError):
    """A spent refresh token came again; its session is ended."""

    def __init__(self) -> None:
        """Say what happened and what to do."""
        super().__init__("a spent refresh token came again, so the session was ended; sign in")


class EmailTaken(ClarityError):
    """An account with this address exists."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("an account with this e-mail address exists; sign in")


class CodeWrong(ClarityError):
    """A code is not the one that was sent or is shown, or counts no more."""

    def __init__(self, attempts_left: int = 0) -> None:
        """Tell how many attempts are left, and not what was wrong."""
        super().__init__("the code is wrong or counts no more", attempts_left=attempts_left)


class ChallengeEnded(ClarityError):
    """The sign-in that waited for an answer has ended."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("this sign-in has ended; sign in again")


class AccountSuspended(ClarityError):
    """An operator has suspended the account."""

    def __init__(self) -> None:
        """Say whom to ask."""
        super().__init__("this account is suspended; ask the operator")


class AccountDisabled(ClarityError):
    """An operator has disabled the account."""

    def __init__(self) -> None:
        """Say whom to ask."""
        super().__init__("this account is disabled; ask the operator")


class AccountErasing(ClarityError):
    """The account waits for its erasure."""

    def __init__(self) -> None:
        """Say how to keep it."""
        super().__init__("this account waits for its erasure; sign in to keep it")


class ScopeMissing(ClarityError):
    """The access token does not hold a scope."""

    def __init__(self, scope: str) -> None:
        """Name the scope."""
        super().__init__(f"the access token does not hold {scope}; sign in with it", scope=scope)


class ScopeNotAllowed(ClarityError):
    """A sign-in asked for a scope that the account's roles do not allow."""

    def __init__(self, scope: str) -> None:
        """Name the scope."""
        super().__init__(f"this account's roles do not allow {scope[:64]!r}", scope=scope[:64])


class RoleMissing(ClarityError):
    """The account lacks a role."""

    def __init__(self, role: str) -> None:
        """Name the role."""
        super().__init__(f"this call needs the role {role}", role=role)


class ConsentMissing(ClarityError):
    """Consent to a purpose is not given."""

    def __init__(self, purpose: str) -> None:
        """Name the purpose."""
        super().__init__(f"consent to {purpose} is not given; SetConsent gives it", purpose=purpose)


class AccessNotGranted(ClarityError):
    """No grant lets the caller read this of that account."""

    def __init__(self) -> None:
        """Say it alike for an account that does not exist."""
        super().__init__("no grant in force lets you read this of that account")


class SessionNotFound(ClarityError):
    """This account has no such session."""

    def __init__(self) -> None:
        """Say it alike for an unknown id and for another account's."""
        super().__init__("there is no session with this id")


class TotpEnrolled(ClarityError):
    """One-time codes are on already."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("one-time codes are on already; RemoveTotp turns them off")


class TotpNotEnrolled(ClarityError):
    """One-time codes are not on, or no secret waits to be confirmed."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("there is no secret for one-time codes; EnrollTotp makes one")


class ReaderNotFound(ClarityError):
    """Nobody with this id can be named in a grant."""

    def __init__(self) -> None:
        """Say it alike for an unknown id and for somebody who is no reader."""
        super().__init__("nobody with this id can be named in a grant")


class GrantNotFound(ClarityError):
    """This account has given no such grant."""

    def __init__(self) -> None:
        """Say it alike for an unknown id and for another account's."""
        super().__init__("there is no grant with this id")


class GrantsFull(ClarityError):
    """As many grants are in force as there may be."""

    def __init__(self, limit: int) -> None:
        """Name the limit."""
        super().__init__(f"at most {limit} grants may be in force; revoke one", limit=limit)


class ReceiptNotFound(ClarityError):
    """No erasure has this receipt secret."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("no erasure has this receipt secret")


class AccountNotFound(ClarityError):
    """There is no such account. For operators."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("there is no such account")


class RateLimited(ClarityError):
    """A limit on calls is reached."""

    def __init__(self, limit: str, retry_after_s: float) -> None:
        """Name the limit, and say when the next call would be served."""
        super().__init__(f"too many calls ({limit}); wait {retry_after_s:.0f} s", limit=limit)
        self.retry_after_s = retry_after_s


class MetricUnknown(ClarityError):
    """The catalogue has no such metric."""

    def __init__(self, metric: str, nearest: str | None = None) -> None:
        """Name the metric and the nearest one there is."""
        hint = f"; did you mean {nearest!r}?" if nearest else "; see ListMetrics"
        super().__init__(f"the catalogue has no metric {metric[:64]!r}{hint}", metric=metric[:64])


class MetricNotStreamable(ClarityError):
    """The metric is a category."""

    def __init__(self, metric: str) -> None:
        """Name the metric."""
        super().__init__(f"{metric} is a category and cannot be streamed as a series", metric=metric)


class ValueNotFinite(ClarityError):
    """A value is infinite or a NaN other than the canonical one."""

    def __init__(self, sample: int) -> None:
        """Name the sample."""
        super().__init__(
            f"sample {sample} is infinite or a non-canonical NaN; 'no value' is 00 00 C0 7F", sample=sample
        )


class ChunkCorrupt(ClarityError):
    """A chunk's bytes do not match its checksum."""

    def __init__(self, first_sample: int) -> None:
        """Name the chunk."""
        super().__init__(
            f"the chunk at sample {first_sample} does not match its crc32c; send it again", first_sample=first_sample
        )


class ChunkTooLarge(ClarityError):
    """A chunk is over the limit."""

    def __init__(self, size: int, limit: int) -> None:
        """Give both sizes in bytes."""
        super().__init__(f"a chunk of {size} bytes is over the limit of {limit}", size=size, limit=limit)


class ChunkMalformed(ClarityError):
    """A chunk holds no whole sample, or offsets that do not fit."""


class SequenceGap(ClarityError):
    """A chunk starts beyond what was received."""

    def __init__(self, expected: int, received: int) -> None:
        """Name both samples."""
        super().__init__(
            f"expected sample {expected} and received {received}; continue from {expected}",
            expected=expected,
            received=received,
        )


class ContentConflict(ClarityError):
    """Samples sent again differ from those received."""

    def __init__(self, first_sample: int) -> None:
        """Name the first sample that differs, or the chunk it is in."""
        super().__init__(
            f"from sample {first_sample} on, what was sent again differs from what is stored; the stored samples stay",
            first_sample=first_sample,
        )


class UploadTakenOver(ClarityError):
    """A newer stream opened the same upload."""

    def __init__(self) -> None:
        """Say what happened."""
        super().__init__("a newer stream has opened this upload; the newer one goes on")


class UploadMismatch(ClarityError):
    """The upload id exists with another descriptor."""

    def __init__(self, field: str) -> None:
        """Name the first field that differs."""
        super().__init__(f"this upload_id exists with another {field}; choose another id", field=field)


class UploadNotFound(ClarityError):
    """This account has no such upload."""

    def __init__(self) -> None:
        """Say it alike for an unknown id and for another account's."""
        super().__init__("there is no upload with this id")


class UploadFinished(ClarityError):
    """The upload takes no further samples."""

    def __init__(self) -> None:
        """Say what happened."""
        super().__init__("the upload is finished and takes no further samples")


class TotalMismatch(ClarityError):
    """The client's total is not the committed count."""

    def __init__(self, expected: int, received: int) -> None:
        """Give the committed count and the client's total."""
        super().__init__(
            f"{expected} samples are committed and the total says {received}; the upload stays open",
            expected=expected,
            received=received,
        )


class DigestMismatch(ClarityError):
    """The stored bytes have another sha256 than the client's."""

    def __init__(self) -> None:
        """Say what it means."""
        super().__init__("the stored bytes have another sha256 than yours; the upload stays open")


class TimeKindWrong(ClarityError):
    """The range is of a kind the data has no time for."""


class WindowNotFound(ClarityError):
    """The source has no sample in that week."""

    def __init__(self) -> None:
        """Say it alike for any reason."""
        super().__init__("there is no sample in the week that begins on this date; see ListDays")


class AnalysisNotFound(ClarityError):
    """This account has no such analysis."""

    def __init__(self) -> None:
        """Say it alike for an unknown id and for another account's."""
        super().__init__("there is no such analysis; ListAnalyses has those there are")


class AnalysisNotDone(ClarityError):
    """The analysis has no numbers yet."""

    def __init__(self, state: str) -> None:
        """Name its state."""
        super().__init__(f"the analysis is {state}; WatchAnalyses tells when it is done", state=state)


class InsightNotFound(ClarityError):
    """This account has no such insight."""

    def __init__(self) -> None:
        """Say it alike for an unknown id and for another account's."""
        super().__init__("there is no insight with this id")


class ResumeTokenInvalid(ClarityError):
    """A resume token is damaged or of another account."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("the resume token is not one of yours; start from the beginning, without one")


class StoreFull(ClarityError):
    """The disk or the quota is full."""

    retry_after_s = 30.0

    def __init__(self) -> None:
        """Say what is safe."""
        super().__init__("the store is full; what was committed stays, resume when there is room")


class TooManyStreams(ClarityError):
    """A limit on open streams is reached."""

    retry_after_s = 5.0

    def __init__(self, limit: int) -> None:
        """Name the limit."""
        super().__init__(f"at most {limit} streams may be open; close one or wait", limit=limit)


class Busy(ClarityError):
    """A bounded queue of the server is full."""

    retry_after_s = 1.0

    def __init__(self, work: str) -> None:
        """Name the work that waits."""
        super().__init__(f"too much {work} is waiting; retry shortly", work=work)


class SampleNotFound(ClarityError):
    """The account has no sample with this id."""

    def __init__(self, sample_id: str) -> None:
        """Name the first one."""
        super().__init__("there is no sample with this id; nothing was deleted", sample_id=sample_id)


class SourceNotFound(ClarityError):
    """The account has no source with this device and app."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("this account has nothing from such a source; ListSources tells which there are")


class AggregateInapplicable(ClarityError):
    """A function or bucket does not apply to the metric."""

    def __init__(self, field: str, why: str) -> None:
        """Name the request's field and say why."""
        super().__init__(f"{field}: {why}", field=field)


class ChangeTokenExpired(ClarityError):
    """A change token is of a store that is no more as it was."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("the store was restored since; resync: drop the mirror and ListChanges without a token")


class QuarantineFull(ClarityError):
    """An account has as many samples in quarantine as there may be."""

    def __init__(self, maximum: int) -> None:
        """Name the limit."""
        super().__init__(
            f"{maximum:,} samples are in quarantine; nothing of this request was stored. "
            "ListQuarantine shows them: send them again, mended, or delete them",
            limit="quarantined_samples",
            maximum=maximum,
        )


class CountChanged(ClarityError):
    """There is more or less to delete than the caller expects."""

    def __init__(self, expected: int, found: int) -> None:
        """Name both counts."""
        super().__init__(
            f"there are {found:,} to delete and not {expected:,}; nothing was deleted. Count again with validate_only",
            expected=expected,
            found=found,
        )


class QueryTooLarge(ClarityError):
    """An answer would take more than one call may."""

    def __init__(self, limit: str, maximum: int, what_to_do: str) -> None:
        """Name the limit and say what to ask instead."""
        super().__init__(f"at most {maximum:,} {limit}; {what_to_do}", limit=limit, maximum=maximum)


class StoreUnavailable(ClarityError):
    """The store cannot be read or written at present."""

    retry_after_s = 1.0

    def __init__(self, why: str) -> None:
        """Say why in words that are safe to show."""
        super().__init__(f"the store is not available: {why}")


class StoreDamaged(ClarityError):
    """A stored piece failed its authentication or checksum."""

    def __init__(self, piece: str) -> None:
        """Name the piece by its key."""
        super().__init__("a stored piece is damaged; it is named in the server's log", piece=piece)


class BlobNotFound(ClarityError):
    """The store has no bytes of this name."""

    def __init__(self, name: str) -> None:
        """Name the blob."""
        super().__init__("there is no blob of this name", piece=name)


class ShuttingDown(ClarityError):
    """The server is draining."""

    retry_after_s = 1.0

    def __init__(self) -> None:
        """Say what is safe."""
        super().__init__("the server is restarting; what was received is committed, reconnect and resume")


class DeadlineExceeded(ClarityError):
    """The call took longer than the server allows it."""

    def __init__(self, limit_s: float) -> None:
        """Name the limit in seconds."""
        super().__init__(f"the call took longer than {limit_s:g} s", limit_s=f"{limit_s:g}")


class MailRefused(Exception):
    """A mail cannot be delivered, and trying again is pointless."""


class MailDelayed(Exception):
    """A mail cannot be delivered at present."""


class StartRefused(Exception):
    """The server must not start as things are. For the operator: the text names paths and says what to do."""


class BackupRefused(Exception):
    """A backup cannot be made, or put back, as things are. For the operator: the text names paths."""

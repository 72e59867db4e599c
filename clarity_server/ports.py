"""What the flows need of the world, one screen each. Adapters implement it; tests/contracts hold them to it.

All methods block and may be called from several threads. Vendor errors an adapter understands leave it as
domain.errors (StoreFull, StoreUnavailable, StoreDamaged, …); the rest fly.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clarity_server.domain.accounts import Account, Standing
from clarity_server.domain.analysis import State
from clarity_server.domain.audit import AuditEvent
from clarity_server.domain.chain import Row, Verdict
from clarity_server.domain.civil import TimeRange
from clarity_server.domain.erasure import Erasure, ErasureState
from clarity_server.domain.insight import Fact, Kind, Sentence
from clarity_server.domain.mail import Mail
from clarity_server.domain.models import Manifest
from clarity_server.domain.samples import (
    Fault,
    Moment,
    Outcome,
    Reason,
    SourceSetting,
    Tombstone,
    Wanted,
)
from clarity_server.domain.series import (
    Append,
    Closing,
    ClosingKind,
    Descriptor,
    Receipt,
    Segment,
    Source,
    StoredUpload,
)
from clarity_server.domain.sharing import AccessEvent, Consent, Grant
from clarity_server.domain.tickets import Ticket

T = TypeVar("T")
A = TypeVar("A")


class Keys(Protocol):
    """Secrets, outside the stores and their backups."""

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes that are the same for a purpose as long as the server lives (HKDF of its root key)."""

    def create_data_key(self, account_id: str) -> bytes:
        """Make an account's data key if there is none, keep it wrapped, and return it."""

    def data_key(self, account_id: str) -> bytes:
        """Return an account's data key. Raises StoreDamaged when it is gone or cannot be unwrapped."""

    def destroy_data_key(self, account_id: str) -> None:
        """Destroy an account's data key, durably: what it sealed, in stores and backups, is noise from then on.

        A process that uses it at this moment notices within a second.
        """

    def signing_key(self) -> tuple[str, Ed25519PrivateKey]:
        """Return the key id and key that sign access tokens now."""

    def rotate_signing_key(self) -> str:
        """Make a new signing key; return its id. It signs once all who verify have had time to learn of it."""

    def refresh(self) -> bool:
        """Look for keys that another process made or retired; tell whether the JWKS has changed."""

    def jwks(self) -> dict[str, object]:
        """Return the public keys that verify access tokens, as a JSON Web Key Set (RFC 7517, 8037)."""


Change = Callable[[T | None], tuple[T | None, A]]
"""What is stored → what shall be stored, and an answer. Pure: it may be called again where another came first."""


class Accounts(Protocol):
    """Who there is. What tells who somebody is lies sealed with their data key; an address is found by a keyed hash.

    An address belongs to one account; those that are PENDING own theirs not yet, and there may be several of them.
    """

    def create(self, account: Account) -> None:
        """Store a new account and make its data key. Raises EmailTaken unless it is PENDING; of two one wins."""

    def confirm(self, account_id: str) -> Account:
        """Make a PENDING account ACTIVE and its address its own; one that is already is returned as it is.

        Raises EmailTaken where the address belongs to another meanwhile, AccountNotFound.
        """

    def by_email(self, email: str) -> str | None:
        """Find the id of the account that has an address, without regard to case, or else of the newest PENDING one."""

    def get(self, account_id: str) -> Account | None:
        """Find an account."""

    def change(self, account_id: str, change: Callable[[Account], Account]) -> Account:
        """Replace an account by what a pure function makes of it; return it. Raises AccountNotFound, EmailTaken."""

    def standings_since(self, at: float) -> Sequence[Standing]:
        """List the standings of accounts whose state or `not_before` was changed at or after a time, by the clock."""

    def remove_pending(self, before: float, limit: int) -> Sequence[str]:
        """Remove PENDING accounts made before a time, with their keys and passwords; return their ids."""

    def erasing(self, before: float, limit: int) -> Sequence[str]:
        """List the ids of ERASING accounts whose `erase_time` is before a time."""


class Passwords(Protocol):
    """Who knows the password: argon2id hashes here, a vendor's user pool elsewhere."""

    def put(self, account_id: str, password: str) -> None:
        """Set a password. Raises Busy."""

    def check(self, account_id: str | None, password: str) -> None:
        """Check a password. Raises CredentialsWrong, after the same time where there is none to compare with; Busy."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as the store has it. Refresh tokens are kept as hashes only."""

    session_id: str
    account_id: str
    counter: int  # of the newest refresh token; each refresh adds one
    refresh_hash: bytes  # of the newest refresh token
    spent_request_id: str  # of the refresh that made the newest token; empty where none was given
    spent_time: float  # when it was made, in seconds since 1970
    expire_time: float
    ended_time: float | None = None
    create_time: float = 0.0
    lasts_s: float = 0.0  # from a refresh to the end
    scopes: str = ""  # by name, joined by blanks
    about: bytes = b""  # sealed: the device and the network


class Sessions(Protocol):
    """Chains of refresh tokens."""

    def create(self, row: SessionRow) -> SessionRow:
        """Store a new session; if its id exists, change nothing and return the stored one."""

    def get(self, session_id: str) -> SessionRow | None:
        """Find a session."""

    def advance(self, old: SessionRow, new: SessionRow) -> bool:
        """Replace `old` by `new` if the stored counter is still the old one and the session lives; tell whether."""

    def end(self, session_id: str, at: float) -> None:
        """End a session; ending it again changes nothing."""

    def end_all(self, account_id: str, at: float, but: str = "") -> Sequence[str]:
        """End all sessions of an account, but one; return the ids of those that ended now."""

    def ended_since(self, at: float) -> Sequence[str]:
        """List the ids of sessions ended at or after a time."""

    def of_account(
        self, account_id: str, now: float, after: tuple[float, str] | None, limit: int
    ) -> Sequence[SessionRow]:
        """List sessions that live, the newest first by (create_time, session_id), after one."""


class Tickets(Protocol):
    """What waits for a code or another answer."""

    def change(self, ticket_hash: bytes, change: Change[Ticket, A]) -> A:
        """Replace a ticket, or none, by what a pure function makes of it, and return the function's answer.

        Of two at once the second sees what the first left. One that has expired may be gone.
        """


@dataclass(frozen=True, slots=True)
class Factor:
    """An account's second factor as the store has it."""

    account_id: str
    secret: bytes  # sealed
    confirmed: bool
    last_step: int  # the newest time step that was accepted: no step counts twice
    recovery_hashes: tuple[bytes, ...]  # of the codes that are left


class Factors(Protocol):
    """Second factors."""

    def get(self, account_id: str) -> Factor | None:
        """Find an account's."""

    def change(self, account_id: str, change: Change[Factor, A]) -> A:
        """Replace it, or none, by what a pure function makes of it, and return the function's answer. As Tickets."""


class Consents(Protocol):
    """What people agreed to. While one to ANALYSIS is stored as not given, nothing of the account is due."""

    def of_account(self, account_id: str) -> Sequence[Consent]:
        """List what was ever said, by purpose."""

    def put(self, account_id: str, consents: Sequence[Consent]) -> None:
        """Store consents in place of the older ones, all in one transaction."""


class Grants(Protocol):
    """Who may read whose data."""

    def create(self, grant: Grant, in_force_max: int, now: datetime) -> Grant:
        """Store a grant unless its id is there; return the stored one. Raises GrantsFull."""

    def get(self, grant_id: str) -> Grant | None:
        """Find a grant."""

    def revoke(self, member_id: str, grant_id: str, at: datetime) -> Grant:
        """Revoke a grant of a member; the first time counts. Raises GrantNotFound."""

    def covering(self, member_id: str, reader_id: str, now: datetime) -> Sequence[Grant]:
        """List the grants in force from one to the other."""

    def given(self, member_id: str, after: tuple[float, str] | None, limit: int) -> Sequence[Grant]:
        """List a member's, the newest first by (create_time, grant_id), after one."""

    def received(self, reader_id: str, after: tuple[float, str] | None, limit: int) -> Sequence[Grant]:
        """List a reader's, as `given` does."""


class AccessEvents(Protocol):
    """Who has read."""

    def add(self, event: AccessEvent) -> AccessEvent:
        """Store an event under the member's next number; return it with that."""

    def list(self, member_id: str, before: int | None, limit: int) -> Sequence[AccessEvent]:
        """List events by number, the highest first, from below a number on."""


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A mail that waits, with its place and how often it was tried."""

    place: int
    mail: Mail
    tries: int


class Outbox(Protocol):
    """Mails on their way: sealed, durable, and sent beside the calls that queue them."""

    def put(self, mail: Mail, now: float) -> None:
        """Queue a mail. One of kind NONE takes as long, and goes nowhere."""

    def due(self, now: float, limit: int) -> Sequence[QueuedMail]:
        """List what is to be sent, in order."""

    def sent(self, place: int) -> None:
        """Forget a mail that was handed over, or given up."""

    def failed(self, place: int, retry_time: float) -> None:
        """Let a mail wait for another try."""


class Carrier(Protocol):
    """Hands a mail over to whoever brings it."""

    def carry(self, mail: Mail) -> None:
        """Hand it over. Raises MailRefused where trying again is pointless, MailDelayed where it is not."""


class Audit(Protocol):
    """What happened, appended and chained by hash: a row cannot be edited, dropped or moved unseen."""

    def append(self, event: AuditEvent) -> None:
        """Write an event durably. What it raises must fail the operation that it stands for.

        Of the event's `origin`, a network address, nothing is kept but a keyed digest.
        """

    def anchor(self) -> bool:
        """Sign what is the last row now and keep that outside the store; tell whether there was anything new."""

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        """List rows numbered above `after`, as they stand in the store."""

    def verify(self) -> Verdict:
        """Read all of it again, beside whoever appends, and say where it is first broken. Raises StoreDamaged."""


class Ledger(Protocol):
    """Erasures, outside the stores and their backups: what is in it stays erased whatever is put back."""

    def create(self, erasure: Erasure) -> None:
        """Store a new erasure, durably."""

    def advance(self, old: Erasure, new: Erasure) -> bool:
        """Replace `old` by `new`, durably, if what is stored is still in the state of `old`; tell whether."""

    def by_secret(self, secret_hash: bytes) -> Erasure | None:
        """Find an erasure by the hash of its receipt secret."""

    def of_account(self, account_id: str) -> Erasure | None:
        """Find the newest erasure of an account."""

    def newest(self, states: Collection[ErasureState]) -> Sequence[Erasure]:
        """List the newest erasure of each account where it is in one of these states."""


class Holder(Protocol):
    """Whatever keeps something of an account: a table, a directory, a cache."""

    @property
    def name(self) -> str:
        """What the receipt calls it."""

    def count(self, account_id: str) -> int:
        """Count what there is of an account."""

    def erase(self, account_id: str) -> int:
        """Remove all of it and return how much there was. Erasing again finds nothing."""


class Requests(Protocol):
    """First answers under a request_id, so that a repeat gets the same one."""

    def first(self, scope: str, request_id: str, body_digest: bytes, answer: str, *, now: float, keep_s: float) -> str:
        """Keep the answer if the id is new in its scope; return the first answer kept. Raises RequestIdReused.

        An answer counts for `keep_s` from when it was kept; then the id is new again.
        """

    def find(self, scope: str, request_id: str, body_digest: bytes, *, now: float) -> str | None:
        """Return the first answer kept, or None; keeps nothing. Raises RequestIdReused."""


class Blobs(Protocol):
    """Immutable bytes by name: `[a-z0-9-_.|=]` parts joined by `/`."""

    def put(self, name: str, data: bytes) -> None:
        """Store durably unless the name exists; of two at once one wins. Raises StoreFull."""

    def get(self, name: str) -> bytes:
        """Return the bytes. Raises BlobNotFound."""

    def delete(self, name: str) -> None:
        """Remove the bytes; a missing name is fine."""

    def names(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Yield (name, age in seconds) of all below a name, by whole parts: `a/a1` never lists `a/a10`."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment with the upload it belongs to."""

    segment: Segment
    upload: StoredUpload


@dataclass(frozen=True, slots=True)
class Bearing:
    """On which civil days of a source a deletion bears. Ranges are [first, end), in days since 1970-01-01."""

    metric: str
    source: Source
    near: tuple[int, int]  # Days that may come out otherwise: they are derived again
    held: tuple[int, int]  # Days that may tell of what is deleted: they and their results are gone until then
    windows: tuple[int, int]  # first days of windows that may: their analyses are removed, and the insights on them


@dataclass(frozen=True, slots=True)
class SeriesDeletion:
    """One transaction that deletes ranges of series, and lets all follow that was derived from them."""

    account_id: str
    tombstones: tuple[Tombstone, ...]  # without numbers
    bearings: tuple[Bearing, ...]  # of metrics with days
    change: int  # the account's newest when this was worked out: where another came, it bears on a day more around


@dataclass(frozen=True, slots=True)
class Scattered:
    """Runs of neighbouring segments, as (account_id, upload_id, first sample, end sample), and where to look on."""

    runs: Sequence[tuple[str, str, int, int]]
    after: tuple[str, str, int, str] | None  # None: from the beginning again


class Series(Protocol):
    """Uploads and their segments. Readers see committed samples only."""

    def open(self, account_id: str, upload_id: str, descriptor: Descriptor) -> StoredUpload:
        """Make the upload or find it, and raise its epoch by one. Raises UploadMismatch."""

    def upload(self, account_id: str, upload_id: str) -> StoredUpload:
        """Find an upload. Raises UploadNotFound."""

    def commit(self, append: Append) -> None:
        """Make an append durable, all or nothing, and return after the fsync.

        Writes segments (put-if-absent), the upload as `after`, the touched days, the due closings, and a change under
        the account's next number. Appends of several callers share one transaction; each fails alone. Raises
        UploadTakenOver when count or epoch are no longer those of `before`, StoreFull.
        """

    def finish(
        self,
        account_id: str,
        before: StoredUpload,
        receipt: Receipt,
        closings: Sequence[Closing],
        touched_days: Sequence[int],
    ) -> StoredUpload:
        """Close an upload with its receipt, last closings and touches; return it as stored.

        Raises UploadTakenOver as commit does. Finishing what is finished returns it unchanged.
        """

    def segments(self, account_id: str, upload_id: str, first_sample: int, end_sample: int) -> Iterator[Segment]:
        """Yield an upload's segments that overlap [first_sample, end_sample), in order, paging inside.

        Where neighbours are joined meanwhile, one may begin before the end of the last.
        """

    def pieces(self, account_id: str, metric: str, days: tuple[int, int], source: Source | None) -> Iterator[Piece]:
        """Yield the segments of a metric whose storage days are in [start, end), by source, upload_id and first_sample.

        Yields segments of floating and of instant-known uploads alike; the descriptor tells which axis is meant.
        """

    def uploads(self, account_id: str, metric: str, limit: int | None = None) -> Sequence[StoredUpload]:
        """List a metric's uploads, by upload_id; at most so many."""

    def committed_at(self, account_id: str, upload_id: str, change: int) -> int:
        """Return how many samples of an upload were committed once the account had a change of this number."""

    def change_count(self, account_id: str) -> int:
        """Return the account's newest change number."""

    def near(self, account_id: str, metric: str, span: TimeRange) -> Sequence[StoredUpload]:
        """List a metric's uploads that may reach into a range, by upload_id: at the cost of those, not of all."""

    def metrics(self, account_id: str) -> Sequence[str]:
        """List the metrics that have uploads."""

    def tombstones(self, account_id: str, metric: str) -> Sequence[Tombstone]:
        """List a metric's deleted ranges, by number, but those of which a later one says all."""

    def newest_deletion(self, account_id: str) -> int:
        """Return the number of the account's newest deletion; 0 for none."""

    def delete(self, deletion: SeriesDeletion) -> None:
        """Store tombstones, each under a change number, and let all follow, in one transaction.

        The days are touched; their results are due again; analyses of the windows and the insights on them are removed,
        and the windows are due. A derivation that began before and ends after it stores nothing: what it was to store
        names, as `deletion`, the newest one it knew of. Finished uploads in a range are unpurged.
        """

    def scattered(self, after: tuple[str, str, int, str] | None, limit: int, bytes_max: int) -> Scattered:
        """List runs of neighbouring segments of a storage day that together have at most so many bytes as sent.

        Each call looks at a part of the store: go on `after` the place where the last one stopped. It stops with the
        day in which there are `limit` runs or more. Of a day that may still grow, only long runs are listed.
        """

    def join(self, joined: Segment, instead_of: Sequence[Segment]) -> bool:
        """Put one segment in the place of neighbours, or of one, if they are still as they were read; tell whether."""

    def unpurged(self, after: tuple[str, str] | None, limit: int) -> Sequence[tuple[str, str, int]]:
        """List finished uploads that may still have deleted samples in them, as (account_id, upload_id, deletion).

        By account_id and upload_id, after a place.
        """

    def purged(self, account_id: str, upload_id: str, deletion: int) -> None:
        """Note that an upload has none of them left; where it was deleted from again since, that stays to be done."""


@dataclass(frozen=True, slots=True)
class StoredSample:
    """A sample as the store has it, its content sealed; of one that is deleted the body is empty."""

    account_id: str
    sample_id: str
    metric: str
    source: Source
    version: int
    start: Moment
    duration_ms: int
    digest: bytes  # keyed, of the content: 32 bytes
    body: bytes
    deleted: bool = False
    number: int = 0  # of the change that it was last in

    @property
    def name(self) -> str:
        """What its seal is bound to."""
        return f"{self.account_id}|sample|{self.sample_id}|{self.version}"


@dataclass(frozen=True, slots=True)
class StoredFault:
    """A sample that was put aside, its content and what is wrong with it sealed."""

    account_id: str
    quarantine_id: str  # the sample's id where its identity is valid
    metric: str  # as sent, cut to a metric's length; and so the source
    source: Source
    start: Moment | None  # None where that cannot be told
    reason: Reason
    time: float
    body: bytes
    place: int = 0

    @property
    def name(self) -> str:
        """What its seal is bound to."""
        return f"{self.account_id}|quarantine|{self.quarantine_id}"


@dataclass(frozen=True, slots=True)
class Kept:
    """Under which request_id an answer is kept, as in Requests.first."""

    scope: str
    request_id: str
    body_digest: bytes
    now: float
    keep_s: float


@dataclass(frozen=True, slots=True)
class Written:
    """One sample of a write: to store, or to put aside; and what the latter's outcome says."""

    put: StoredSample | StoredFault
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """How much there is to delete, or was."""

    samples: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class SourceMetricRow:
    """What a source has of a metric in discrete samples that are not deleted, and when anything of it came last."""

    metric: str
    source: Source
    sample_count: int
    first_start: Moment | None
    last_end: Moment | None
    last_write_time: float | None
    civil_days: frozenset[int]  # on which samples begin; those without civil time are on none


@dataclass(frozen=True, slots=True)
class Speaker:
    """A source that has samples in a range: some that float, or some that are placed at an instant, or both."""

    source: Source
    floating: bool
    placed: bool


class Samples(Protocol):
    """Discrete samples: one row each, keyed by identity; the highest version wins, a delete is a tombstone."""

    def write(self, account_id: str, writes: Sequence[Written], kept: Kept | None, now: float) -> Sequence[Outcome]:
        """Judge and store samples in order, all in one transaction, durably; return what became of each.

        Stored and replaced ones take the account's next change numbers, one each, and clear what was put aside under
        their id; so does a duplicate. With `kept` the outcomes are kept in the same transaction; a repeat, which brings
        the same samples in the same order, returns the first ones and stores nothing. Raises RequestIdReused,
        QuarantineFull (nothing is stored), StoreFull.
        """

    def get(self, account_id: str, sample_ids: Collection[str]) -> Sequence[StoredSample]:
        """Find samples, deleted ones too, in any order; those that are not there are left out."""

    def list(
        self,
        account_id: str,
        metrics: Collection[str],
        source: Source | None,
        span: TimeRange | None,
        after: tuple[int, int, str] | None,
        limit: int,
    ) -> Sequence[StoredSample]:
        """List samples that overlap a range, or begin in it, by (floating, start, sample_id) from after a place on.

        `start` is on the range's kind of time; without a range, instants come first and floating ones after, each by
        its axis. A sample without the kind of time that is asked for is in no range. The floating flag in `after` is 0
        throughout where a range is given.
        """

    def speakers(
        self, account_id: str, metrics: Collection[str], source: Source | None, span: TimeRange
    ) -> Sequence[Speaker]:
        """List the sources with samples that `list` would give for a range, by device and app."""

    def faults(self, account_id: str, before: int | None, limit: int) -> Sequence[StoredFault]:
        """List what was put aside, the newest first, from below a place on."""

    def fault_count(self, account_id: str) -> int:
        """Count what was put aside."""

    def count(self, account_id: str, wanted: Wanted) -> SampleCounts:
        """Count what `delete` would delete. Samples count where they begin in the range. Raises SampleNotFound."""

    def delete(self, account_id: str, wanted: Wanted, limit: int) -> SampleCounts:
        """Delete at most `limit` samples, and quarantined ones, in one transaction, each under a change number.

        Of quarantined ones at most as many. Called until it returns none; ids go all at once, in one call, and those
        that are deleted already count nothing. Raises SampleNotFound for an id that is neither a sample's, deleted or
        not, nor that of one in quarantine; nothing is deleted then.
        """

    def summary(self, account_id: str, metrics: Collection[str] | None) -> Sequence[SourceMetricRow]:
        """List what each source has, by metric, device and app; of series only that there is something."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change as the store has it: the numbers [number, number + span)."""

    number: int
    span: int
    kind: str  # append, finish, samples, series_deleted
    metric: str  # empty for samples, which may be of several
    upload_id: str
    first_sample: int
    count: int


class Changes(Protocol):
    """The account's numbered changes."""

    def lineage(self) -> str:
        """Return the id of the history that the numbers are of: a store that was put back has another one."""

    def rows(self, account_id: str, after: int, limit: int) -> Sequence[ChangeRow]:
        """List changes that have a number above `after`, by number."""

    def samples(self, account_id: str, after: int, until: int, limit: int) -> Sequence[StoredSample]:
        """List samples, deleted ones too, whose last change is in (after, until], by number."""

    def tombstone(self, account_id: str, number: int) -> Tombstone:
        """Find the deleted range of a change. Raises StoreDamaged."""

    def newest(self, account_id: str) -> int:
        """Return the account's newest change number; 0 for none."""


class Sources(Protocol):
    """What an account says of its sources."""

    def settings(self, account_id: str) -> Sequence[SourceSetting]:
        """List what was said, by device and app."""

    def put(self, account_id: str, setting: SourceSetting) -> None:
        """Say it anew. Raises SourceNotFound where nothing ever came from it."""


class Retentions(Protocol):
    """How long accounts keep their data. None is listed that keeps it for ever."""

    def get(self, account_id: str) -> int:
        """Return the days; 0 for ever."""

    def put(self, account_id: str, keep_days: int) -> None:
        """Say it anew."""

    def all(self) -> Sequence[tuple[str, int]]:
        """List accounts and their days."""


@dataclass(frozen=True, slots=True)
class DayKey:
    """Which Day: of whom, of what, from where, when."""

    account_id: str
    metric: str
    source: Source
    civil_day: int

    @property
    def name(self) -> str:
        """What the Day's seal is bound to."""
        parts = [self.account_id, self.metric, self.source.device, self.source.app, self.civil_day]
        return json.dumps(parts)  # a device may be called anything: no separator is safe


CHANGE_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class DueResult:
    """A closing whose result has not been derived, and the number of the change that closed it, where it is known."""

    account_id: str
    upload_id: str
    closing: Closing
    change: int = field(default=CHANGE_MAX, compare=False)
    deletion: int = field(default=CHANGE_MAX, compare=False)  # the account's newest when this was read


@dataclass(frozen=True, slots=True)
class DueDay:
    """A touched day, and the touch that was seen; a later touch makes it due again."""

    key: DayKey
    touch: int
    deletion: int = field(default=CHANGE_MAX, compare=False)  # the account's newest when this was read


@dataclass(frozen=True, slots=True)
class PutResult:
    """A result to store. `failed` with a body stands for one that could not be derived; without, it blocks the next."""

    due: DueResult
    body: bytes
    failed: bool = False


@dataclass(frozen=True, slots=True)
class PutDay:
    """A Day to store. An empty body says that there is none: the older one is removed, or with `failed` kept."""

    due: DueDay
    body: bytes
    closed: bool
    failed: bool = False
    windows: tuple[int, ...] = ()  # first civil days of the windows that have to be looked at again


class Analyses(Protocol):
    """Derived results and Days, and what is still to derive. The touched days and due closings are the queue."""

    def due_results(self, kind: ClosingKind, limit: int) -> Sequence[DueResult]:
        """List closings of a kind without a result, oldest first, fair between accounts; not those that failed."""

    def due_days(self, limit: int, account_id: str | None = None) -> Sequence[DueDay]:
        """List touched days, oldest first, of an account or of all in turn; one that failed waits for a new touch."""

    def put_results(self, puts: Sequence[PutResult]) -> None:
        """Store sealed results under their numbers, all in one transaction; the first one under a number stays.

        Nothing is stored of an account that has deleted more than a result knows of; it stays due.
        """

    def put_days(self, puts: Sequence[PutDay]) -> None:
        """Store sealed Days in place of the older ones, all in one transaction, and clear their touches.

        A touch that came meanwhile stays, and so does a Day that was derived for a later touch. The `windows` of each
        are due from now on, in the same transaction. Of an account that has deleted more than a Day knows of, nothing
        is stored or cleared.
        """

    def results(self, account_id: str, upload_id: str, after: int, limit: int) -> Sequence[tuple[Closing, bytes]]:
        """List sealed results by number, stopping before the first one not yet derived."""

    def analysed(self, account_id: str, upload_id: str) -> tuple[int, int]:
        """Return (number, end_sample) of the last result before the first one not yet derived; (0, 0) for none."""

    def is_closed(self, key: DayKey) -> bool:
        """Tell whether some upload of this metric and source has closed this day."""

    def day(self, key: DayKey) -> bytes | None:
        """Return a sealed Day, or None where there is none."""

    def days(
        self,
        account_id: str,
        metric: str,
        dates: tuple[date | None, date | None],
        after: tuple[int, str, str] | None,
        limit: int,
    ) -> Sequence[tuple[DayKey, bytes]]:
        """List sealed Days with dates in [start, end), by (civil day, device, app), after a key."""


@dataclass(frozen=True, slots=True)
class WindowKey:
    """Which Window: of whom, of what, from where, beginning on which civil day."""

    account_id: str
    metric: str
    source: Source
    civil_day: int


@dataclass(frozen=True, slots=True)
class DueWindow:
    """A touched window, and the touch that was seen; a later touch makes it due again."""

    key: WindowKey
    touch: int
    deletion: int = field(default=CHANGE_MAX, compare=False)  # the account's newest when this was read


@dataclass(frozen=True, slots=True)
class StoredAnalysis:
    """An Analysis as the store has it. `number` counts the account's analyses as they come and change."""

    key: WindowKey
    analysis_id: str
    state: State
    input_digest: str
    method: str  # its parameters, spelled in one way only
    model_digest: str
    body: bytes  # sealed; of one that is queued, its window and parameters
    number: int = 0
    deletion: int = field(default=CHANGE_MAX, compare=False)  # the account's newest when it, or its data, was read

    @property
    def name(self) -> str:
        """What its seal is bound to."""
        return f"{self.key.account_id}|analysis|{self.analysis_id}"


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a touched window has found: its analysis, if it has one now, and which minutes it has.

    Without `input_digest` nothing is known of them.
    """

    due: DueWindow
    current: StoredAnalysis | None
    input_digest: str | None


class Windows(Protocol):
    """Analyses of windows, by id and by window, and the queues of what is still to analyse."""

    def due_windows(self, limit: int) -> Sequence[DueWindow]:
        """List touched windows, oldest touch first, fair between accounts; none of an account with touched days."""

    def due_analyses(self, limit: int) -> Sequence[StoredAnalysis]:
        """List queued analyses, oldest first, fair between accounts."""

    def waiting_count(self, account_id: str) -> int:
        """Count an account's touched windows and queued analyses, and one for touched days, which may touch more."""

    def queue(
        self, analysis: StoredAnalysis, waiting_max: int, instead_of: StoredAnalysis | None = None
    ) -> StoredAnalysis:
        """Store an analysis as QUEUED, unless its id is there and has not FAILED; return it as stored.

        `instead_of`, as it was found, gives way in any state. Raises Busy where the account has `waiting_max` queued,
        or has deleted more than the analysis knows of.
        """

    def put(self, analyses: Sequence[StoredAnalysis], *, touch: bool = False) -> None:
        """Store analyses, all in one transaction, each under the account's next number; one that SUCCEEDED stays.

        Nothing is stored of an account that has deleted more than an analysis knows of. With `touch` the window of each
        that is stored is due, so that it is settled which one is current.
        """

    def settle(self, looks: Sequence[Look]) -> None:
        """Make each current analysis, stored before, that of its window, all in one transaction; clear the touches.

        A touch that came meanwhile stays; so does all of an account that has deleted more than a look knows of. Every
        other analysis of the window that SUCCEEDED with another input, or in the same way as the current one, is
        SUPERSEDED and numbered anew; so is one that FAILED, where the current one did not. A superseded one that is
        current again has SUCCEEDED, numbered anew.
        """

    def touch_older(self, method: str, model_digest: str) -> int:
        """Make due every window whose analysis of this method was made with another model; return how many."""

    def get(self, account_id: str, analysis_id: str) -> StoredAnalysis | None:
        """Find an analysis."""

    def list(
        self,
        account_id: str,
        metric: str,
        dates: tuple[date | None, date | None],
        after: tuple[int, str, str, str] | None,
        limit: int,
        *,
        superseded: bool = False,
    ) -> Sequence[StoredAnalysis]:
        """List analyses of windows that begin in [start, end), by (civil day, device, app, id), after a key."""

    def newest(self, account_id: str, method: str) -> StoredAnalysis | None:
        """Find the analysis of this method that SUCCEEDED and whose window begins last, of any metric and source."""

    def of_window(self, key: WindowKey, method: str) -> StoredAnalysis | None:
        """Find the analysis of a window and method that SUCCEEDED."""

    def since(self, account_id: str, number: int, limit: int) -> Sequence[StoredAnalysis]:
        """List analyses numbered above `number`, by number."""


@dataclass(frozen=True, slots=True)
class StoredInsight:
    """An Insight as the store has it, sealed. `number` counts the account's insights."""

    account_id: str
    insight_id: str
    analysis_id: str
    create_time: datetime
    body: bytes
    number: int = 0
    deletion: int = field(default=CHANGE_MAX, compare=False)  # the account's newest when its analyses were read

    @property
    def name(self) -> str:
        """What its seal is bound to."""
        return f"{self.account_id}|insight|{self.insight_id}"


class Insights(Protocol):
    """What was told."""

    def put(self, insight: StoredInsight) -> StoredInsight:
        """Store an insight under the account's next number unless its id is there; return the stored one.

        Raises Busy where the account has deleted more than the insight knows of.
        """

    def get(self, account_id: str, insight_id: str) -> StoredInsight | None:
        """Find an insight."""

    def list(self, account_id: str, before: int | None, limit: int) -> Sequence[StoredInsight]:
        """List insights by number, the highest first, from below a number on."""


class Narrator(Protocol):
    """Puts facts into words. What it says is verified before anyone reads it."""

    @property
    def name(self) -> str:
        """Who it is, for example `template`."""

    @property
    def version(self) -> str:
        """Rises whenever the same facts could give other words."""

    def tell(self, facts: Sequence[Fact], kind: Kind) -> Sequence[Sentence]:
        """Return sentences about a week; every number, unit, time and direction in them within a citation."""


class Models(Protocol):
    """Installed models: weights and a manifest under a name, never replaced in place."""

    def list(self) -> Sequence[Manifest]:
        """List what is installed, by name."""

    def get(self, name: str) -> tuple[Manifest, bytes]:
        """Return a model. Raises ModelNotFound, and ModelChanged unless its bytes are those that were installed."""

    def install(self, manifest: Manifest, content: bytes) -> Manifest:
        """Keep a model durably and return its manifest; the same one again changes nothing and returns the first.

        Raises ModelExists when the name has other weights, SourceChanged when the name's first file was another,
        StoreFull.
        """

    def verify(self, name: str) -> Manifest:
        """Read all of a model's bytes again and return its manifest. Raises ModelNotFound, ModelChanged."""

    def remove(self, name: str, *, forget: bool = False) -> None:
        """Remove a model; `forget` its first file's digest, too, so that another may come under the name.

        Raises ModelNotFound where there is neither.
        """


class Downloads(Protocol):
    """Published files, fetched from the web."""

    def fetch(self, url: str, name: str, bytes_max: int, tell: Callable[[int, int | None], None]) -> bytes:
        """Return a file's bytes, going on where an earlier attempt under the same name and address was cut off.

        `tell` gets how many bytes are here, and how many there will be where the server says so. Raises DownloadFailed
        (what came is kept for the next attempt), FileTooLarge, HtmlPage.
        """

    def discard(self, name: str) -> None:
        """Forget what was fetched under a name."""

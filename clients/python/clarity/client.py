"""The client: sign in, stream a recording in, read days and values back.

    with Client("127.0.0.1:50051", MemoryTokens()) as client:
        client.sign_in(email, password)
        receipt = client.upload(parcel_of(recording, metric, upload_id), on_event=print)

What to send and what an answer means is decided by `Sending`, a value without a wire; `Client` and `AsyncClient` only
carry its messages, each in its own kind of thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import random
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import Enum, auto
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, Self, TypeVar, cast
from urllib.parse import urlsplit

import google_crc32c
import grpc
import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from google.type.date_pb2 import Date
from google.type.datetime_pb2 import DateTime
from numpy.typing import NDArray

from clarity.credentials import SignedIn, Tokens
from clarity.recordings import Recording
from clarity.v1 import account_pb2
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1 import health_data_service_pb2 as health
from clarity.v1.auth_service_pb2_grpc import AuthServiceStub
from clarity.v1.day_pb2 import Day
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.metric_pb2 import Metric
from clarity.v1.series_pb2 import (
    ENCODING_FLOAT32,
    ENCODING_INT16,
    Chunk,
    OffsetChange,
    SeriesDescriptor,
    Source,
    UploadOpened,
    UploadProgress,
    UploadReceipt,
)

CHUNK_BYTES = 64 * 1024
CHUNK_BYTES_MAX = 256 * 1024
CALL_TIMEOUT_S = 30.0
TOKEN_LEEWAY_S = 30.0  # a token this close to its end is renewed before it is used
PAGES_MAX = 10_000  # of one list: a server that never comes to an end is not believed
REASON_DOMAIN = "clarity.v1"
CHANNEL_OPTIONS = (
    # gRPC waits up to two minutes before it tries a server again; a restart takes two seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A peer that vanished without a word is noticed: the server's own heartbeat comes every 30 s.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)

Q = TypeVar("Q")
A = TypeVar("A")


# ---- what can go wrong ---------------------------------------------------------------------------------------


class ClarityError(Exception):
    """A call failed. Branch on `reason`, show the text.

    `reason` is a name of clarity.v1.ErrorReason without its prefix, or one that only a client can find: NO_SERVER
    (nobody answers), TLS_MISMATCH, CUT_OFF (the answer broke off), NOT_SIGNED_IN, PREFIX_DIFFERS, RECEIPT_DIFFERS; a
    failure that names no reason carries its canonical code instead.
    """

    def __init__(
        self,
        reason: str,
        text: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.code = code
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s


class _Failed(Protocol):
    """What both kinds of grpc.RpcError can tell."""

    def code(self) -> grpc.StatusCode | None: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


CODES = {code.value[0]: code for code in grpc.StatusCode}
CUTS = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
STATUS_KEY = "grpc-status-details-bin"


def problem(status: Status) -> ClarityError:
    """Return the error that a status tells of, in band or in the trailers."""
    info, retry = ErrorInfo(), RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(retry)
    code = CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    waits = retry.HasField("retry_delay")
    return ClarityError(
        info.reason if info.domain == REASON_DOMAIN else _unnamed(code, status.message),
        status.message,
        code=code,
        metadata=info.metadata,
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if waits else None,
    )


def failure(error: grpc.RpcError, target: Target) -> ClarityError:
    """Return the error that a failed call tells of."""
    failed = cast("_Failed", error)
    code, text = failed.code() or grpc.StatusCode.UNKNOWN, failed.details() or ""
    status = Status(code=code.value[0], message=text)
    for key, value in failed.trailing_metadata() or ():
        if key == STATUS_KEY and isinstance(value, bytes):
            status = _status(value) or status
    found = problem(status)
    return found if found.reason != "CUT_OFF" else _way_lost(text, target)


def _way_lost(details: str, target: Target) -> ClarityError:
    """Say what is in the way, from gRPC's own words for it."""
    plain = f"http://{target.address}"
    reason, text = "CUT_OFF", f"the connection to {target} broke off"
    if "WRONG_VERSION_NUMBER" in details:
        reason, text = "TLS_MISMATCH", f"{target} does not speak TLS: say {plain} if you trust the network in between"
    elif "Hostname Verification" in details:
        reason, text = "TLS_MISMATCH", f"{target} shows the certificate of another name: use the name it was made for"
    elif "CERTIFICATE_VERIFY_FAILED" in details:
        text = (
            f"{target} shows a certificate this machine does not trust: name yours in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
        )
        reason = "TLS_MISMATCH"
    elif "Failed parsing HTTP/2" in details or ("failed to connect" in details and "Socket closed" in details):
        way = (
            "speaks something else"
            if target.tls
            else f"does not speak plain gRPC: say https://{target.address} for TLS"
        )
        reason, text = "NO_SERVER", f"what listens at {target} {way}"
    elif "failed to connect" in details or "errors resolving" in details:
        reason, text = "NO_SERVER", f"no server answers at {target}"
    return ClarityError(reason, text, code=grpc.StatusCode.UNAVAILABLE, metadata={"details": details})


def _status(data: bytes) -> Status | None:
    try:
        return Status.FromString(data)
    except DecodeError:
        return None


def _unnamed(code: grpc.StatusCode, text: str) -> str:
    """A reason for a failure that comes without one: from the wire, or from a proxy."""
    if code is grpc.StatusCode.UNAUTHENTICATED and "expired" in text:
        return "TOKEN_EXPIRED"  # Envoy verifies tokens before the server does, and says it in its own words
    # A stream reset on the way is INTERNAL by gRPC's book, though nothing is wrong with the call.
    return "CUT_OFF" if code in CUTS or "RST_STREAM" in text else code.name


class Remedy(Enum):
    """What a client does about an error by itself."""

    WAIT = auto()
    RENEW = auto()
    NONE = auto()


PASSING = frozenset(
    {"NO_SERVER", "CUT_OFF", "SHUTTING_DOWN", "STORE_UNAVAILABLE", "BUSY", "TOO_MANY_STREAMS", "CHUNK_CORRUPT"}
)
OUTLIVED = frozenset({"TOKEN_EXPIRED", "STREAM_EXPIRED"})


def remedy(error: ClarityError) -> Remedy:
    """Tell what helps. A reason this client does not know is judged by its code."""
    if error.reason in OUTLIVED:
        return Remedy.RENEW
    if error.reason == "TLS_MISMATCH":
        return Remedy.NONE
    passing = error.reason in PASSING or error.code is grpc.StatusCode.UNAVAILABLE
    return Remedy.WAIT if passing else Remedy.NONE


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a client tries again: doubling waits with jitter, up to a cap."""

    base_s: float = 0.1
    cap_s: float = 5.0
    tries: int = 10  # in a row without any progress
    first_tries: int = 3  # of a server that has never answered

    def wait_s(self, failures: int, error: ClarityError, chance: float) -> float:
        """Return how long to wait after so many failures in a row; `chance` in [0, 1) spreads the clients."""
        backoff_s = min(self.cap_s, self.base_s * 2.0**failures) * (0.5 + chance / 2)
        return max(backoff_s, error.retry_after_s or 0.0)


# ---- what is sent --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parcel:
    """A recording packed for sending: its descriptor, all its value bytes, and how they are cut into chunks."""

    upload_id: str
    series: SeriesDescriptor
    values: bytes
    chunk_samples: int
    sha256: bytes
    offset_changes: tuple[tuple[int, int], ...] = ()  # (first sample, UTC offset in seconds)
    offsets_ms: tuple[int, ...] = ()  # only of an irregular series

    @property
    def sample_bytes(self) -> int:
        """Bytes per sample, all channels."""
        return _sample_bytes(self.series)

    @property
    def total(self) -> int:
        """How many samples there are."""
        return len(self.values) // self.sample_bytes

    def bytes_of(self, start: int, end: int) -> bytes:
        """Return the value bytes of samples [start, end)."""
        return self.values[start * self.sample_bytes : end * self.sample_bytes]

    def items(self, start: int) -> Iterator[health.StreamSeriesRequest]:
        """Yield everything from a sample on: clock changes in their places, and chunks that end before them."""
        changes = {sample: offset_s for sample, offset_s in self.offset_changes if sample >= start}
        stops = [*sorted(changes), self.total]
        for stop in stops:
            while start < stop:
                end = min(start + self.chunk_samples, stop)
                yield health.StreamSeriesRequest(chunk=self._chunk(start, end))
                start = end
            if stop in changes:
                change = OffsetChange(first_sample=stop, utc_offset=Duration(seconds=changes[stop]))
                yield health.StreamSeriesRequest(offset_change=change)

    def _chunk(self, start: int, end: int) -> Chunk:
        values, offsets_ms = self.bytes_of(start, end), self.offsets_ms[start:end]
        crc32c = google_crc32c.extend(google_crc32c.value(values), np.asarray(offsets_ms, "<i8").tobytes())
        return Chunk(first_sample=start, values=values, crc32c=crc32c, offsets_ms=offsets_ms)


def pack(
    upload_id: str,
    series: SeriesDescriptor,
    values: bytes | NDArray[np.generic],
    *,
    chunk_samples: int | None = None,
    offset_changes: Iterable[tuple[int, int]] = (),
    offsets_ms: Iterable[int] = (),
) -> Parcel:
    """Pack values for sending: bytes as the contract encodes them, or an array of (samples,) or (samples, channels).

    Raises ValueError for what no server would take: nothing, a part of a sample, too large a chunk.
    """
    sample_bytes = _sample_bytes(series)
    data = values if isinstance(values, bytes) else _encoded(series, values)
    chunk_samples = CHUNK_BYTES // sample_bytes if chunk_samples is None else chunk_samples
    if not data or len(data) % sample_bytes:
        raise ValueError(f"{len(data)} bytes are no whole number of samples of {sample_bytes} bytes, 1 or more")
    if not 1 <= chunk_samples <= CHUNK_BYTES_MAX // sample_bytes:
        raise ValueError(f"a chunk has 1 to {CHUNK_BYTES_MAX // sample_bytes} of these samples, not {chunk_samples}")
    sha256 = hashlib.sha256(data).digest()
    return Parcel(upload_id, series, data, chunk_samples, sha256, tuple(offset_changes), tuple(offsets_ms))


def _sample_bytes(series: SeriesDescriptor) -> int:
    return (2 if series.encoding == ENCODING_INT16 else 4) * (series.channels or 1)


def _encoded(series: SeriesDescriptor, values: NDArray[np.generic]) -> bytes:
    if series.encoding == ENCODING_INT16:
        return values.astype("<i2", casting="safe").tobytes()
    floats = values.astype("<f4")
    floats[np.isnan(floats)] = np.nan  # one NaN of the many that there are: 00 00 C0 7F
    return floats.tobytes()


def describe(recording: Recording, metric: str, device: str = "") -> SeriesDescriptor:
    """Describe a recording to the server; `device` in place of the one that the file names."""
    series = SeriesDescriptor(
        metric=metric,
        source=Source(device=device or recording.device, app="clarity"),
        period=Duration(seconds=recording.period_s),
        encoding=ENCODING_FLOAT32,
    )
    if recording.offset_known:
        series.civil.CopyFrom(civil_time(recording.start))
    else:
        series.instant.FromDatetime(recording.start)
    return series


def parcel_of(
    recording: Recording, series: SeriesDescriptor, upload_id: str, chunk_samples: int | None = None
) -> Parcel:
    """Pack a recording as `describe` described it."""
    changes = recording.offset_changes if recording.offset_known else ()
    return pack(upload_id, series, recording.values, chunk_samples=chunk_samples, offset_changes=changes)


def civil_time(moment: datetime) -> DateTime:
    """Return a wall-clock time for the wire, with its UTC offset if it has one."""
    offset = moment.utcoffset()
    return DateTime(
        year=moment.year,
        month=moment.month,
        day=moment.day,
        hours=moment.hour,
        minutes=moment.minute,
        seconds=moment.second,
        nanos=moment.microsecond * 1000,
        utc_offset=None if offset is None else Duration(seconds=int(offset.total_seconds())),
    )


def naive(moment: DateTime) -> datetime:
    """Return a wall-clock time from the wire, without its offset."""
    whole = datetime(moment.year, moment.month, moment.day, moment.hours, moment.minutes, moment.seconds)
    return whole.replace(microsecond=moment.nanos // 1000)


def upload_id_of(file_sha256: bytes, metric: str, source: Source) -> str:
    """Derive an upload's id, so that a client started again finds its upload again."""
    parts = (file_sha256.hex(), metric, source.device, source.app)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


# ---- the upload as a value -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The stream ended early; after `wait_s` it goes on from `committed`, with a new token if `renew` says so."""

    error: ClarityError
    wait_s: float
    renew: bool
    committed: int


Event = UploadOpened | UploadProgress | Day | UploadReceipt | Interrupted
Chances = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Sending:
    """One client's side of an upload: what it knows of the server's, and so what it sends next.

    Nothing of the parcel is let go before the receipt, and nothing the server says of the recording is believed that
    the recording does not bear out.
    """

    parcel: Parcel
    committed: int = 0
    crc32c: int = 0  # of the committed values, computed here
    result: int = 0  # the newest one seen
    openings: int = 0
    finished: bool = False
    failures: int = 0  # in a row, without any progress
    receipt: UploadReceipt | None = None

    def open(self) -> health.StreamSeriesRequest:
        """Return the first message of a stream: the upload, and which results are still wanted."""
        opening = health.OpenUpload(
            upload_id=self.parcel.upload_id, series=self.parcel.series, after_result=self.result
        )
        return health.StreamSeriesRequest(open=opening)

    def rest(self) -> Iterator[health.StreamSeriesRequest]:
        """Yield what follows the opening: all that is not committed, and the end; nothing for a finished upload."""
        if self.finished:
            return
        yield from self.parcel.items(self.committed)
        finish = health.FinishUpload(total_samples=self.parcel.total, sha256=self.parcel.sha256)
        yield health.StreamSeriesRequest(finish=finish)

    def receive(self, message: health.StreamSeriesResponse) -> tuple[Sending, Event | None]:
        """Take in a message; return the sending after it, and the event to report unless it is known already.

        Raises ClarityError for a problem the server reports, and for what does not fit the recording.
        """
        match message.WhichOneof("message"):
            case "opened":
                return self._opened(message.opened), message.opened
            case "progress":
                progress = message.progress
                return self._committed(progress.committed_samples, progress.crc32c), progress
            case "day":
                return self._day(message.day)
            case "receipt":
                return self._balanced(message.receipt), message.receipt
            case "problem":
                raise problem(message.problem)
            case _:
                return self, None  # a newer server's news, which this client does not understand

    def interrupted(
        self, error: ClarityError, patience: Patience, chances: Chances = random.random
    ) -> tuple[Sending, Interrupted]:
        """Decide on an error: return the sending that goes on and how. Raises the error where nothing helps."""
        what = remedy(error)
        tries = patience.tries if self.openings else patience.first_tries
        if what is Remedy.NONE or self.failures + 1 >= tries:
            raise error
        renew = what is Remedy.RENEW
        wait_s = 0.0 if renew and not self.failures else patience.wait_s(self.failures, error, chances())
        return replace(self, failures=self.failures + 1), Interrupted(error, wait_s, renew, self.committed)

    def _opened(self, opened: UploadOpened) -> Sending:
        after = self._committed(opened.committed_samples, opened.crc32c)
        return replace(after, openings=self.openings + 1, finished=opened.finished)

    def _committed(self, committed: int, crc32c: int) -> Sending:
        if not self.committed <= committed <= self.parcel.total:
            raise self._differs(f"{committed:,} samples where {self.committed:,} to {self.parcel.total:,} are possible")
        ours = google_crc32c.extend(self.crc32c, self.parcel.bytes_of(self.committed, committed))
        if ours != crc32c:
            raise self._differs(f"other values in its first {committed:,} samples")
        failures = 0 if committed > self.committed else self.failures
        return replace(self, committed=committed, crc32c=ours, failures=failures)

    def _differs(self, what: str) -> ClarityError:
        text = f"the server holds {what} under upload id {self.parcel.upload_id}: choose another id for this recording"
        return ClarityError("PREFIX_DIFFERS", text, code=grpc.StatusCode.ABORTED)

    def _day(self, day: Day) -> tuple[Sending, Day | None]:
        if day.result <= self.result:
            return self, None
        return replace(self, result=day.result, failures=0), day

    def _balanced(self, receipt: UploadReceipt) -> Sending:
        crc32c = google_crc32c.extend(self.crc32c, self.parcel.bytes_of(self.committed, self.parcel.total))
        balance = receipt.value_samples + receipt.missing_samples
        theirs = (receipt.total_samples, balance, receipt.sha256, receipt.crc32c)
        if theirs != (self.parcel.total, self.parcel.total, self.parcel.sha256, crc32c):
            text = "the server's receipt does not fit the recording that was sent: keep the recording, and report this"
            raise ClarityError("RECEIPT_DIFFERS", text, code=grpc.StatusCode.DATA_LOSS)
        return replace(self, committed=self.parcel.total, crc32c=crc32c, receipt=receipt)


def cut_off() -> ClarityError:
    """Return the error of a stream that ended without its last message."""
    return ClarityError("CUT_OFF", "the stream ended before its last message", code=grpc.StatusCode.UNAVAILABLE)


# ---- where the server is -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """An address and whether TLS protects the way to it."""

    address: str
    tls: bool

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.address}"


def target_of(text: str) -> Target:
    """Read `host:port`, `http://host:port` or `https://host:port`. Raises ValueError.

    A bare address means TLS, except on this machine: passwords and tokens travel in the clear only where somebody wrote
    `http://`.
    """
    scheme, _, rest = text.rpartition("://")
    parts = urlsplit(f"//{rest}")
    if scheme not in {"", "http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f"{text!r} is no server: write host:port, http://host:port or https://host:port")
    tls = scheme == "https" or (not scheme and not _is_here(parts.hostname))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Target(f"{host}:{parts.port or (443 if tls else 50051)}", tls)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# ---- the calls -----------------------------------------------------------------------------------------------


def _kept(session: account_pb2.Session, email: str) -> SignedIn:
    return SignedIn(
        email=email,
        account_id=session.account_id,
        session_id=session.session_id,
        access_expire_s=session.access_expire_time.ToDatetime(UTC).timestamp(),
        access_token=session.access_token,
        refresh_token=session.refresh_token,
        refresh_request_id=uuid.uuid4().hex,
    )


class Client:
    """Calls one server on behalf of one person. Threads may share it; close it, or use it as a context manager."""

    def __init__(self, target: str | Target, tokens: Tokens | None = None, patience: Patience | None = None) -> None:
        self.target = target_of(target) if isinstance(target, str) else target
        self.tokens = tokens
        self.patience = patience or Patience()
        self._channel = _channel(self.target)
        self._auth = AuthServiceStub(self._channel)
        self._health = HealthDataServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what runs and hang up."""
        self._channel.close()

    def sign_up(self, email: str, password: str, display_name: str = "") -> account_pb2.Account:
        """Make an account. Does not sign in."""
        request = auth.SignUpRequest(
            email=email, password=password, display_name=display_name, request_id=uuid.uuid4().hex
        )
        return self._call(self._auth.SignUp, request, public=True).account

    def sign_in(self, email: str, password: str) -> SignedIn:
        """Begin a session and keep its tokens."""
        request = auth.SignInRequest(email=email, password=password, request_id=uuid.uuid4().hex)
        session = _kept(self._call(self._auth.SignIn, request, public=True).session, email)
        if self.tokens is not None:
            self.tokens.keep(session)
        return session

    def sign_out(self) -> None:
        """End the session and forget its tokens; a session that has ended already is as good."""
        try:
            self._call(self._auth.SignOut, auth.SignOutRequest())
        except ClarityError as error:
            if error.code is not grpc.StatusCode.UNAUTHENTICATED:
                raise
        if self.tokens is not None:
            self.tokens.forget()

    def account(self) -> account_pb2.Account:
        """Return the account that is signed in."""
        return self._call(self._auth.GetAccount, auth.GetAccountRequest()).account

    def metrics(self) -> Iterator[Metric]:
        """Yield the catalogue, by name."""
        request = health.ListMetricsRequest()
        for _ in range(PAGES_MAX):
            page = self._call(self._health.ListMetrics, request)
            yield from page.metrics
            request.page_token = page.next_page_token
            if not request.page_token:
                return
        raise _endless("metrics")

    def days(self, metric: str = "", start: date | None = None, end: date | None = None) -> Iterator[Day]:
        """Yield the civil days of [start, end), by date and source."""
        request = health.ListDaysRequest(metric=metric, start_date=_date(start), end_date=_date(end))
        for _ in range(PAGES_MAX):
            page = self._call(self._health.ListDays, request)
            yield from page.days
            request.page_token = page.next_page_token
            if not request.page_token:
                return
        raise _endless("days")

    def get_upload(self, upload_id: str, after_result: int = 0) -> health.GetUploadResponse:
        """Return an upload and its results after a number, at most 100 of them."""
        return self._call(
            self._health.GetUpload, health.GetUploadRequest(upload_id=upload_id, after_result=after_result)
        )

    def read(
        self, metric: str, start: datetime, end: datetime, source: Source | None = None
    ) -> Iterator[health.SeriesBlock | health.ReadSeriesDone]:
        """Yield the values of [start, end) block by block, and last what they came to.

        Times are civil without an offset and instants with one, both alike. A reading that breaks off raises
        ClarityError with CUT_OFF: what came before it is right, and not all.
        """
        request = _read_request(metric, start, end, source)
        counts = [0, 0]
        for message in self._reading(request):
            match message.WhichOneof("message"):
                case "block":
                    counts = [counts[0] + 1, counts[1] + _sample_count(message.block)]
                    yield message.block
                case "done":
                    if counts != [message.done.block_count, message.done.sample_count]:
                        raise cut_off()
                    yield message.done
                    return
                case "problem":
                    raise problem(message.problem)
        raise cut_off()

    def upload(
        self,
        parcel: Parcel,
        *,
        on_event: Callable[[Event], None] | None = None,
        before_chunk: Callable[[int], None] | None = None,
    ) -> UploadReceipt:
        """Stream a parcel until the server has all of it, through any interruption, and return the receipt."""
        for event in self.uploading(parcel, before_chunk=before_chunk):
            if on_event is not None:
                on_event(event)
            if isinstance(event, UploadReceipt):
                return event
        raise cut_off()

    def uploading(self, parcel: Parcel, *, before_chunk: Callable[[int], None] | None = None) -> Generator[Event]:
        """Stream a parcel and yield what happens, last the receipt. Leaving the iteration leaves the upload open.

        `before_chunk` is called with the first sample of each chunk and may block: it sets the pace, in its own thread.
        """
        sending = Sending(parcel)
        token = ""
        while sending.receipt is None:
            try:
                token = self.token()
                for after, event in self._stream(sending, token, before_chunk):
                    sending = after
                    if event is not None:
                        yield event
            except ClarityError as error:
                sending, interrupted = sending.interrupted(error, self.patience)
                yield interrupted
                time.sleep(interrupted.wait_s)
                if interrupted.renew:
                    self.renew(token)

    def token(self) -> str:
        """Return an access token that is good for a while, renewed if need be. Raises ClarityError."""
        session = self.tokens.read() if self.tokens is not None else None
        if session is None:
            raise _not_signed_in(self.target)
        if session.access_expire_s - time.time() > TOKEN_LEEWAY_S:
            return session.access_token
        return self.renew(session.access_token)

    def renew(self, stale: str) -> str:
        """Return an access token other than this one; many who ask at once get the same."""
        session = self.tokens.renew(stale, self._spend) if self.tokens is not None else None
        if session is None:
            raise _not_signed_in(self.target)
        return session.access_token

    def _spend(self, session: SignedIn) -> SignedIn:
        request = auth.RefreshSessionRequest(refresh_token=session.refresh_token, request_id=session.refresh_request_id)
        return _kept(self._call(self._auth.RefreshSession, request, public=True).session, session.email)

    def _call(self, method: grpc.UnaryUnaryMultiCallable[Q, A], request: Q, *, public: bool = False) -> A:
        """Call until it answers, as often as patience allows: all calls here are safe to repeat."""
        failures = 0
        while True:
            token = "" if public else self.token()
            try:
                return method(request, timeout=CALL_TIMEOUT_S, metadata=_bearer(token))
            except grpc.RpcError as error:
                self._recover(failure(error, self.target), failures, token)
                failures += 1

    def _recover(self, error: ClarityError, failures: int, token: str) -> None:
        """Do what helps against an error, or raise it."""
        what = remedy(error)
        if what is Remedy.NONE or failures + 1 >= self.patience.first_tries or (what is Remedy.RENEW and not token):
            raise error
        if what is Remedy.RENEW:
            self.renew(token)
        else:
            time.sleep(self.patience.wait_s(failures, error, random.random()))  # noqa: S311  spreads clients

    def _reading(self, request: health.ReadSeriesRequest) -> Iterator[health.ReadSeriesResponse]:
        """Read; a call that fails before its first message is repeated."""
        failures = 0
        while True:
            token = self.token()
            call = self._health.ReadSeries(request, metadata=_bearer(token))
            begun = False
            try:
                for message in call:
                    begun = True
                    yield message
            except grpc.RpcError as error:
                if begun:
                    raise failure(error, self.target) from error
                self._recover(failure(error, self.target), failures, token)
                failures += 1
            else:
                return
            finally:
                call.cancel()

    def _stream(
        self, sending: Sending, token: str, before_chunk: Callable[[int], None] | None
    ) -> Iterator[tuple[Sending, Event | None]]:
        """Carry one opening of an upload: requests in gRPC's thread, answers in the caller's."""
        outbox = _Outbox(sending, before_chunk)
        call = self._health.StreamSeries(outbox.requests(), metadata=_bearer(token))
        try:
            for message in call:
                sending, event = sending.receive(message)
                if isinstance(event, UploadOpened):
                    outbox.opened.put(sending)
                yield sending, event
        except grpc.RpcError as error:
            if outbox.error is not None:
                raise outbox.error from error
            if sending.receipt is None:
                raise failure(error, self.target) from error
        finally:
            outbox.opened.put(None)
            call.cancel()
        if sending.receipt is None:
            raise cut_off()


class _Outbox:
    """What one opening sends. gRPC asks for it in a thread of its own, and hides errors: here they are kept."""

    def __init__(self, sending: Sending, before_chunk: Callable[[int], None] | None) -> None:
        self.opened: SimpleQueue[Sending | None] = SimpleQueue()
        self.error: BaseException | None = None
        self._sending = sending
        self._before_chunk = before_chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.error = None if isinstance(error, GeneratorExit) else error

    def requests(self) -> Iterator[health.StreamSeriesRequest]:
        """Yield the opening; and when the server has said how far it is, the rest."""
        with self:
            yield self._sending.open()
            after = self.opened.get()
            for request in after.rest() if after is not None else ():
                if self._before_chunk is not None and request.HasField("chunk"):
                    self._before_chunk(request.chunk.first_sample)
                yield request


class AsyncClient:
    """Uploads from an event loop. Signing in and renewing are a `Client`'s, called in a thread."""

    def __init__(self, target: str | Target, tokens: Tokens, patience: Patience | None = None) -> None:
        self.client = Client(target, tokens, patience)
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        self._channel = _async_channel(self.client.target)  # belongs to the loop that runs now
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is not None:
            await self._channel.close()
        self.client.close()

    async def upload(self, parcel: Parcel, *, on_event: Callable[[Event], None] | None = None) -> UploadReceipt:
        """Stream a parcel until the server has all of it, through any interruption, and return the receipt."""
        async for event in self.uploading(parcel):
            if on_event is not None:
                on_event(event)
            if isinstance(event, UploadReceipt):
                return event
        raise cut_off()

    async def uploading(self, parcel: Parcel) -> AsyncGenerator[Event]:
        """Stream a parcel and yield what happens, last the receipt. Leaving the iteration leaves the upload open."""
        sending = Sending(parcel)
        token = ""
        while sending.receipt is None:
            try:
                token = await asyncio.to_thread(self.client.token)
                async with aclosing(self._stream(sending, token)) as stream:
                    async for after, event in stream:
                        sending = after
                        if event is not None:
                            yield event
            except ClarityError as error:
                sending, interrupted = sending.interrupted(error, self.client.patience)
                yield interrupted
                await asyncio.sleep(interrupted.wait_s)
                if interrupted.renew:
                    await asyncio.to_thread(self.client.renew, token)

    async def _stream(self, sending: Sending, token: str) -> AsyncGenerator[tuple[Sending, Event | None]]:
        assert self._channel is not None, "use AsyncClient as a context manager"
        opened: asyncio.Queue[Sending] = asyncio.Queue()
        stub = HealthDataServiceStub(self._channel)
        call = stub.StreamSeries(_async_requests(sending, opened), metadata=_bearer(token))
        try:
            async for message in call:
                sending, event = sending.receive(message)
                if isinstance(event, UploadOpened):
                    opened.put_nowait(sending)
                yield sending, event
        except grpc.RpcError as error:
            if sending.receipt is None:
                raise failure(error, self.client.target) from error
        finally:
            call.cancel()
        if sending.receipt is None:
            raise cut_off()


async def _async_requests(
    sending: Sending, opened: asyncio.Queue[Sending]
) -> AsyncIterator[health.StreamSeriesRequest]:
    yield sending.open()
    for request in (await opened.get()).rest():
        yield request


def _channel(target: Target) -> grpc.Channel:
    if target.tls:
        return grpc.secure_channel(target.address, grpc.ssl_channel_credentials(), _options(target))
    return grpc.insecure_channel(target.address, _options(target))


def _async_channel(target: Target) -> grpc.aio.Channel:
    if target.tls:
        return grpc.aio.secure_channel(target.address, grpc.ssl_channel_credentials(), _options(target))
    return grpc.aio.insecure_channel(target.address, _options(target))


def _options(target: Target) -> tuple[tuple[str, int], ...]:
    # A proxy knows nothing of this machine's own servers.
    here = _is_here(target.address.rpartition(":")[0].strip("[]"))
    return (*CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0)) if here else CHANNEL_OPTIONS


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),) if token else ()


def _not_signed_in(target: Target) -> ClarityError:
    text = f"nobody is signed in at {target}"
    return ClarityError("NOT_SIGNED_IN", text, code=grpc.StatusCode.UNAUTHENTICATED)


def _endless(what: str) -> ClarityError:
    text = f"the server's list of {what} does not end after {PAGES_MAX} pages"
    return ClarityError("CUT_OFF", text, code=grpc.StatusCode.OUT_OF_RANGE)


def _date(day: date | None) -> Date | None:
    return None if day is None else Date(year=day.year, month=day.month, day=day.day)


def _read_request(metric: str, start: datetime, end: datetime, source: Source | None) -> health.ReadSeriesRequest:
    if (start.tzinfo is None) != (end.tzinfo is None):
        raise ValueError("start and end are both civil times (without an offset) or both instants (with one)")
    request = health.ReadSeriesRequest(metric=metric, source=source)
    if start.tzinfo is None:
        request.civil.CopyFrom(health.CivilRange(start=civil_time(start), end=civil_time(end)))
    else:
        request.instant.CopyFrom(health.InstantRange(start=_instant(start), end=_instant(end)))
    return request


def _instant(moment: datetime) -> Timestamp:
    instant = Timestamp()
    instant.FromDatetime(moment)
    return instant


def _sample_count(block: health.SeriesBlock) -> int:
    return len(block.values) // (4 * max(1, block.channels))

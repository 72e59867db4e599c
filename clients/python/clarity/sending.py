"""Sending: one client's side of an upload as a value, without a wire; value in, messages out."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import google_crc32c
import grpc
import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.type.datetime_pb2 import DateTime
from numpy.typing import NDArray

from clarity.calls import ClarityError, Patience, Remedy, problem, remedy
from clarity.recordings import Recording
from clarity.v1 import health_data_service_pb2 as health
from clarity.v1.day_pb2 import Day
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
        changes = {sample: offset_s for sample, offset_s in self.offset_changes if start <= sample < self.total}
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


Event = UploadOpened | UploadProgress | Day | health.WindowAnalysed | UploadReceipt | Interrupted
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
                return self._result(message.day)
            case "window":
                return self._result(message.window)
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

    def _result(self, found: Day | health.WindowAnalysed) -> tuple[Sending, Event | None]:
        if found.result <= self.result:
            return self, None
        return replace(self, result=found.result, failures=0), found

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

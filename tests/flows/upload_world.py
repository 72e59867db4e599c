"""A small world for uploads: a real store and real keys on disk, all the verbs, and a client's hand on a recording."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.analysis import Analysed, Analysis
from clarity_server.domain.civil import MINUTE_MS, Start, StartKind
from clarity_server.domain.days import Day
from clarity_server.domain.ids import new_id
from clarity_server.domain.measures import Unavailable
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.domain.series import Append, Chunk, Descriptor, Source, StoredUpload
from clarity_server.flows.analyze import Analyze
from clarity_server.flows.describe import Model
from clarity_server.flows.ingest import Ingest, open_segment
from clarity_server.flows.intake import Intake, checksum
from clarity_server.flows.list_days import Lists
from clarity_server.flows.read import Read
from clarity_server.flows.weeks import Weeks
from tests.contracts.worlds import LocalWorld, local

ACCOUNT = "a" * 26
WRIST = Source("wrist", "app")
HEART = Descriptor("heart_rate", WRIST, Start(StartKind.FLOATING, 0), 1000)
COUNTS = Descriptor(ACTIVITY_COUNTS, WRIST, Start(StartKind.FLOATING, 0), MINUTE_MS)


def flies(job: Callable[[], object]) -> bool:
    """The boundary of derivations, without mercy: whatever fails fails the test."""
    job()
    return False


@dataclass(frozen=True)
class Recording:
    """What a client has, whole."""

    upload_id: str
    descriptor: Descriptor
    values: bytes
    offsets_ms: NDArray[np.int64] | None = None
    moves: tuple[tuple[int, int], ...] = ()  # (first sample, offset in s)

    @property
    def count(self) -> int:
        return len(self.values) // self.descriptor.sample_bytes

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.values).digest()

    def chunk(self, first: int, end: int) -> Chunk:
        width = self.descriptor.sample_bytes
        offsets = None if self.offsets_ms is None else self.offsets_ms[first:end]
        return Chunk(first, self.values[first * width : end * width], offsets)


@dataclass
class UploadWorld:
    """The verbs over one store, and how often the worker was woken."""

    store: LocalWorld
    woken: list[None] = field(default_factory=list)
    model: Model | None = None

    @property
    def ingest(self) -> Ingest:
        store = self.store
        return Ingest(store.series, store.analyses, store.windows, store.keys, lambda: self.woken.append(None))

    @property
    def read(self) -> Read:
        return Read(self.store.series, self.store.keys)

    @property
    def analyze(self) -> Analyze:
        return Analyze(self.store.series, self.store.analyses, self.store.windows, self.store.keys, flies, self.model)

    @property
    def weeks(self) -> Weeks:
        store = self.store
        return Weeks(store.series, store.windows, store.requests, store.keys, time.time, lambda: None, self.model)

    @property
    def lists(self) -> Lists:
        return Lists(self.store.analyses, self.store.keys, self.analyze)

    def open(self, recording: Recording, account_id: str = ACCOUNT) -> "Hand":
        return Hand(self, recording, self.ingest.open(account_id, recording.upload_id, recording.descriptor))

    def upload(
        self, recording: Recording, account_id: str = ACCOUNT, *, step: int = 1000, finish: bool = True
    ) -> "Hand":
        """Bring a recording in as one clean run, in chunks of `step` samples and a commit for every three."""
        hand = self.open(recording, account_id)
        for _ in range(0, recording.count, 3 * step):
            hand.send_all(step, chunks=3)
            hand.commit()
        if finish:
            hand.finish()
        return hand

    def derive(self) -> None:
        """Derive all that is due."""
        analyze = self.analyze
        pages = (
            analyze.derive_day_results,
            analyze.derive_days,
            analyze.derive_window_results,
            analyze.derive_analyses,
            analyze.derive_windows,
        )
        while sum(page() for page in pages):
            pass

    def stored(self, upload_id: str, account_id: str = ACCOUNT) -> StoredUpload:
        return self.ingest.upload(account_id, upload_id)

    def content(self, upload_id: str, account_id: str = ACCOUNT) -> tuple[bytes, list[int]]:
        """What the store has of an upload: all value bytes in order and all offsets; every sample once."""
        key, values, offsets, at = self.store.keys.data_key(account_id), b"", list[int](), 0
        for segment in self.store.series.segments(account_id, upload_id, 0, 1 << 60):
            assert segment.first_sample == at
            plain = open_segment(key, segment)
            values += plain.values
            offsets += [] if plain.offsets_ms is None else plain.offsets_ms.tolist()
            at += segment.count
        return values, offsets

    def results(self, upload_id: str, account_id: str = ACCOUNT) -> list[Day]:
        """All Days among an upload's results that are derived."""
        return [one for one in self.all_results(upload_id, account_id) if isinstance(one, Day)]

    def all_results(self, upload_id: str, account_id: str = ACCOUNT) -> list[Day | Analysed]:
        """All results of an upload that are derived, page after page."""
        found: list[Day | Analysed] = []
        while page := self.ingest.results(account_id, upload_id, len(found)):
            found += page
        return found

    def days(self, account_id: str = ACCOUNT) -> list[Day]:
        """All days, as ListDays has them."""
        found, token = list[Day](), ""
        while True:
            page, token = self.lists.days(account_id, "", (None, None), 0, token)
            found += page
            if not token:
                return found


@dataclass
class Hand:
    """A client on one opened upload, and the server's side of it."""

    world: UploadWorld
    recording: Recording
    intake: Intake

    @property
    def received(self) -> int:
        return self.intake.upload.received

    def send(self, chunk: Chunk, crc32c: int | None = None) -> None:
        """Send a chunk, as a stream takes it: check, compare, take."""
        known = self.intake.check(chunk, checksum(chunk) if crc32c is None else crc32c)
        if known is not None:
            self.world.ingest.verify(self.intake, known)
        size, before = self.intake.fresh_bytes(chunk), self.intake.waiting_bytes
        self.intake.take(chunk)
        assert self.intake.waiting_bytes == before + size

    def send_range(self, first: int, end: int) -> None:
        """Send samples [first, end), with the moves of the clock that stand before or among them."""
        at = first
        for move, offset_s in self.recording.moves:
            if first <= move < end:
                if at < move:
                    self.send(self.recording.chunk(at, move))
                self.intake.move_clock(move, offset_s)
                at = move
        self.send(self.recording.chunk(at, end))

    def send_all(self, step: int, chunks: int = 1 << 30) -> None:
        """Send what is missing, in at most so many chunks."""
        while self.received < self.recording.count and chunks:
            chunks -= 1
            self.send_range(self.received, min(self.received + step, self.recording.count))

    def prepare(self) -> Append | None:
        """Take a batch and prepare it, as a stream does while the one before is being written."""
        batch = self.intake.batch()
        if batch is None:
            return None
        append = self.world.ingest.prepare(self.intake, batch)
        self.intake.prepared(append)
        return append

    def write(self, append: Append) -> None:
        self.world.ingest.commit(append)
        self.intake.committed(append)

    def commit(self) -> None:
        """Commit all that waits."""
        while (append := self.prepare()) is not None:
            self.write(append)
        assert self.intake.waiting_bytes == 0

    def finish(self) -> StoredUpload:
        account_id, recording = self.intake.account_id, self.recording
        finished = self.world.ingest.finish(account_id, self.intake.stored, recording.count, recording.sha256)
        self.intake.finish(finished)
        return finished


@contextmanager
def upload_world(root: Path) -> Iterator[UploadWorld]:
    """Open the world under a directory."""
    with local(root) as store:
        store.keys.create_data_key(ACCOUNT)
        yield UploadWorld(store)


def fresh_account(world: UploadWorld) -> str:
    """An account of its own, so that many examples can share one store."""
    account_id = new_id()
    world.store.keys.create_data_key(account_id)
    return account_id


def outcome_of(analysis: Analysis, measure: str) -> float | Unavailable:
    return next(one.outcome for one in analysis.measures if one.measure == measure)


def float32(values: Sequence[float] | NDArray[np.float32]) -> bytes:
    return np.asarray(values, dtype="<f4").tobytes()

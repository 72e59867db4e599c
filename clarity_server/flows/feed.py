"""The feed: what changed, number by number, enough to keep a mirror.

Nothing is held between pages: a page is what the store says now of the numbers after a place. A number whose sample was
changed again meanwhile is told as replaced, for the later number tells all of it; so numbers have no gaps, and whoever
applies them in order ends with what is stored.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain import paging
from clarity_server.domain.civil import OffsetChange
from clarity_server.domain.errors import ChangeTokenExpired, PageTokenInvalid, ResumeTokenInvalid, StoreDamaged
from clarity_server.domain.reach import Elapsed, hidden
from clarity_server.domain.samples import Sample, Tombstone
from clarity_server.domain.segments import Plain
from clarity_server.domain.series import Descriptor, Segment, Source, StoredUpload
from clarity_server.flows.deleted import blanked, hidden_samples
from clarity_server.flows.ingest import open_segment
from clarity_server.flows.samples import SampleSeal
from clarity_server.ports import ChangeRow, Changes, Keys, Series, StoredSample

CHANGES_PAGE = 1000
CHANGES_PAGE_MAX = 10_000
PAGE_BYTES_MAX = 3 * 1024 * 1024  # about, as a message
PART_BYTES_MAX = 256 * 1024  # of values
LOOKED_AT_MAX = 50_000  # numbers in one page, told or left out
ROWS = 256  # of changes read at once
SAMPLES = "samples"  # kinds of changes, as the store names them
APPEND = "append"
FINISH = "finish"
SERIES_DELETED = "series_deleted"
# Bytes of a message, on the safe side, beside what is counted exactly.
REPLACED_BYTES = 16
SAMPLE_BYTES = 200
PART_BYTES = 1600  # two names of 128 characters may take four bytes each
OFFSET_BYTES = 6  # a varint up to ten years in ms
MOVE_BYTES = 24

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SampleTold:
    """A sample, as it is stored now."""

    sample_id: str
    sample: Sample


@dataclass(frozen=True, slots=True)
class SampleGone:
    """A sample that is deleted now."""

    sample_id: str
    metric: str
    source: Source
    version: int


@dataclass(frozen=True, slots=True)
class PartTold:
    """Samples of an upload as the store has them; those that are deleted have no value."""

    upload_id: str
    descriptor: Descriptor
    first_sample: int
    values: bytes
    offsets_ms: NDArray[np.int64] | None
    offset_changes: tuple[OffsetChange, ...]


@dataclass(frozen=True, slots=True)
class FinishedTold:
    """That an upload was finished."""

    upload_id: str
    total_samples: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class SampleDamaged:
    """That a sample is there and cannot be read any more."""

    sample_id: str


@dataclass(frozen=True, slots=True)
class PartDamaged:
    """That samples of an upload are there and cannot be read any more."""

    upload_id: str
    first_sample: int
    count: int


What: TypeAlias = SampleTold | SampleGone | PartTold | FinishedTold | Tombstone | SampleDamaged | PartDamaged | None


@dataclass(frozen=True, slots=True)
class Told:
    """A number, and what changed under it; None where a later number tells all of it."""

    number: int
    what: What


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of changes, where to go on, whether there is more now, and up to which number all was told."""

    changes: Sequence[Told]
    next_token: str
    has_more: bool
    told_number: int


@dataclass(frozen=True, slots=True)
class _Place:
    """All numbers up to `number` are told, and of the next one so many samples of its upload."""

    number: int = 0
    part: int = 0


@dataclass(frozen=True, slots=True)
class _Step(_Place):
    """A place that was reached by telling a change, or by leaving it out; and its bytes as a message."""

    told: Told | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Feed:
    """The verb, over its ports."""

    changes: Changes
    series: Series
    keys: Keys
    page_bytes_max: int = PAGE_BYTES_MAX
    part_bytes_max: int = PART_BYTES_MAX
    looked_at_max: int = LOOKED_AT_MAX

    def page(self, account_id: str, metrics: frozenset[str] | None, token: str, page_size: int) -> FeedPage:
        """Return the changes after a token, by number.

        Of some metrics only, numbers of others are left out, and a page may be empty though there is more. Raises
        ResumeTokenInvalid; ChangeTokenExpired where the store was put back since; StoreDamaged.
        """
        query = ("changes", account_id, "" if metrics is None else sorted(metrics))
        key, lineage = self.keys.derived("page-token"), self.changes.lineage()
        begin = _place(key, query, token, lineage)
        # Before the rows: what comes while they are read is another page's, or a lower number might come after it.
        newest = self.changes.newest(account_id)
        size = min(page_size or CHANGES_PAGE, CHANGES_PAGE_MAX)
        at_once = size if metrics is None else max(size, ROWS)  # most may be left out
        found, place = self._filled(_Telling(self, account_id, metrics, newest, at_once).steps(begin), begin, size)
        following = paging.page_token(key, query, [lineage, place.number, place.part])
        return FeedPage(found, following, has_more=place.number < newest, told_number=place.number)

    def _filled(self, steps: Iterator[_Step], begin: _Place, size: int) -> tuple[Sequence[Told], _Place]:
        """Take steps until a page is full; return what they tell, and the place after them."""
        found, place, room = list[Told](), begin, self.page_bytes_max
        for step in steps:
            if step.told is not None:
                room -= step.size
                if found and room < 0:
                    break
                found.append(step.told)
            place = step
            if len(found) >= size or place.number - begin.number >= self.looked_at_max:
                break
        return found, place


def _place(key: bytes, query: Sequence[object], token: str, lineage: str) -> _Place:
    """Return where a token goes on. Raises ResumeTokenInvalid, ChangeTokenExpired."""
    try:
        after = paging.position(key, query, token)
    except PageTokenInvalid as why:
        raise ResumeTokenInvalid from why
    if after is None:
        return _Place()
    if after[0] != lineage:
        raise ChangeTokenExpired
    return _Place(int(after[1]), int(after[2]))


@dataclass(slots=True)
class _Telling:
    """Tells changes up to a number, as far as its reader goes. Remembers what one page needs again and again."""

    feed: Feed
    account_id: str
    metrics: frozenset[str] | None
    newest: int
    samples_max: int  # read at once
    _uploads: dict[str, tuple[StoredUpload, Sequence[Elapsed]]] = field(default_factory=dict)  # and what is deleted
    _opened: tuple[str, Plain] | None = None
    _seal: SampleSeal | None = None

    def steps(self, begin: _Place) -> Iterator[_Step]:
        """Yield what there is after a place, by number. Raises StoreDamaged where a number is missing."""
        at = begin
        while at.number < self.newest:
            before = at
            for run in _runs(self.feed.changes.rows(self.account_id, at.number, ROWS)):
                if at.number == self.newest:
                    return
                if run[0].number > at.number + 1:
                    break
                for step in self._run(run, at):
                    yield step
                    at = step
            if at is before:
                raise StoreDamaged(piece=f"{self.account_id}|change|{at.number + 1}")

    def _run(self, run: Sequence[ChangeRow], at: _Place) -> Iterator[_Step]:
        if run[0].kind != SAMPLES:
            return self._series(run[0], at.part)
        return self._samples(at.number, min(run[-1].number + run[-1].span - 1, self.newest))

    def _samples(self, after: int, until: int) -> Iterator[_Step]:
        """Tell the numbers (after, until], all of samples."""
        while after < until:
            rows = self.feed.changes.samples(self.account_id, after, until, self.samples_max)
            high = until if len(rows) < self.samples_max else rows[-1].number
            known = {row.number: row for row in rows}
            for number in range(after + 1, high + 1):
                yield self._sample(number, known.get(number))
            after = high

    def _sample(self, number: int, row: StoredSample | None) -> _Step:
        if row is None:  # changed again since: of which metric it was, its later number tells
            return _Step(number, 0, Told(number, None) if self.metrics is None else None, REPLACED_BYTES)
        if not self._wanted(row.metric):
            return _Step(number)
        source = row.source
        size = SAMPLE_BYTES + len(row.body) + len(source.device.encode()) + len(source.app.encode())
        if row.deleted:
            return _Step(number, 0, Told(number, SampleGone(row.sample_id, row.metric, source, row.version)), size)
        if self._seal is None:
            self._seal = SampleSeal(self.account_id, self.feed.keys.data_key(self.account_id))
        sample = self._seal.open_whole(row)
        what = SampleDamaged(row.sample_id) if sample is None else SampleTold(row.sample_id, sample)
        return _Step(number, 0, Told(number, what), size)

    def _series(self, row: ChangeRow, part: int) -> Iterator[_Step]:
        """Tell a change of a series, of an append from a sample on."""
        if not self._wanted(row.metric):
            yield _Step(row.number)
        elif row.kind == APPEND:
            yield from self._parts(row, part)
        elif row.kind == FINISH:
            yield _Step(row.number, 0, Told(row.number, self._finished(row)), PART_BYTES)
        else:
            assert row.kind == SERIES_DELETED, row
            deleted = self.feed.changes.tombstone(self.account_id, row.number)
            yield _Step(row.number, 0, Told(row.number, deleted), PART_BYTES)

    def _finished(self, row: ChangeRow) -> FinishedTold:
        receipt = self._upload(row.upload_id)[0].receipt
        if receipt is None:
            raise StoreDamaged(piece=f"{self.account_id}|{row.upload_id}")
        return FinishedTold(row.upload_id, receipt.total_samples, receipt.sha256)

    def _parts(self, row: ChangeRow, part: int) -> Iterator[_Step]:
        """Tell an append as the store has it now: its segments may have been joined with others since."""
        upload, deleted = self._upload(row.upload_id)
        step = max(1, self.feed.part_bytes_max // upload.descriptor.sample_bytes)
        at, end = row.first_sample + part, row.first_sample + row.count
        for segment in self.feed.series.segments(self.account_id, row.upload_id, at, end):
            if segment.first_sample > at:
                break
            reached = min(end, segment.first_sample + segment.count)
            plain = self._plain(upload.descriptor, deleted, segment)
            while at < reached:
                high = reached if plain is None else min(reached, at + step)
                told = _part(upload, segment, plain, (at, high))
                at = high
                after = (row.number, 0) if at == end else (row.number - 1, at - row.first_sample)
                yield _Step(*after, Told(row.number, told), _size(told))
        if at < end:
            raise StoreDamaged(piece=f"{self.account_id}|{row.upload_id}|{at}")

    def _upload(self, upload_id: str) -> tuple[StoredUpload, Sequence[Elapsed]]:
        if upload_id not in self._uploads:
            upload = self.feed.series.upload(self.account_id, upload_id)
            tombstones = self.feed.series.tombstones(self.account_id, upload.descriptor.metric)
            self._uploads[upload_id] = (upload, hidden(upload, tombstones))
        return self._uploads[upload_id]

    def _plain(self, descriptor: Descriptor, deleted: Sequence[Elapsed], segment: Segment) -> Plain | None:
        """Open a segment, without what is deleted of it, or name it in the log and return None where it is damaged.

        Many small appends may have become one that all ask for.
        """
        if self._opened is None or self._opened[0] != segment.key:
            try:
                plain = open_segment(self.feed.keys.data_key(self.account_id), segment)
            except StoreDamaged as why:
                log.error("a segment is damaged piece=%s", why.facts["piece"])  # noqa: TRY400  no trace: it is ours
                return None
            mask = hidden_samples(descriptor, deleted, segment, plain)
            self._opened = (segment.key, blanked(descriptor, plain, mask) if mask.any() else plain)
        return self._opened[1]

    def _wanted(self, metric: str) -> bool:
        return self.metrics is None or metric in self.metrics


def _runs(rows: Sequence[ChangeRow]) -> Iterator[Sequence[ChangeRow]]:
    """Put neighbouring changes of samples together, to be read at once; each other change stands alone."""
    run: list[ChangeRow] = []
    for row in rows:
        follows = run and row.kind == run[-1].kind == SAMPLES and row.number == run[-1].number + run[-1].span
        if run and not follows:
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _part(upload: StoredUpload, segment: Segment, plain: Plain | None, span: tuple[int, int]) -> PartTold | PartDamaged:
    """Cut samples [first, end) out of a segment."""
    width, (first, end) = upload.descriptor.sample_bytes, span
    if plain is None:
        return PartDamaged(upload.upload_id, first, end - first)
    low, high = first - segment.first_sample, end - segment.first_sample
    return PartTold(
        upload_id=upload.upload_id,
        descriptor=upload.descriptor,
        first_sample=first,
        values=plain.values[low * width : high * width],
        offsets_ms=None if plain.offsets_ms is None else plain.offsets_ms[low:high],
        offset_changes=tuple(move for move in upload.offset_changes if first <= move.first_sample < end),
    )


def _size(part: PartTold | PartDamaged) -> int:
    if isinstance(part, PartDamaged):
        return PART_BYTES
    offsets = 0 if part.offsets_ms is None else len(part.offsets_ms)
    return PART_BYTES + len(part.values) + OFFSET_BYTES * offsets + MOVE_BYTES * len(part.offset_changes)

"""Derive days: the worker's verbs. What is due stands in the store; nothing here is asked for by an upload."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain import merge
from clarity_server.domain.civil import (
    DAY_MS,
    MINUTE_MS,
    Clock,
    StartKind,
    Stay,
    as_date,
    stays,
    tzdata_version,
    zone_instant_ms,
)
from clarity_server.domain.days import CONTEXT_MINUTES, Day, Measure, Unavailable
from clarity_server.domain.errors import Busy
from clarity_server.domain.metrics import ACTIVITY_COUNTS, find
from clarity_server.domain.series import StoredUpload, as_float32
from clarity_server.flows.ingest import clock_of, open_segment
from clarity_server.flows.results import seal_day, seal_result
from clarity_server.ports import Analyses, DayKey, DueDay, DueResult, Keys, Piece, Series
from clarity_server.rhythm.algorithm import Algorithm
from clarity_server.rhythm.bouts import bouts
from clarity_server.rhythm.sleep import OAKLEY, oakley
from clarity_server.rhythm.wear import CHOI, choi

DUE_PAGE = 32
SETTLE_S = 20.0
TOTAL = Algorithm("sum", "1", {"epoch_s": "60"})

Failing = Callable[[Callable[[], None]], bool]
"""Runs a derivation and tells whether it failed unexpectedly; the boundary provides it."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """A day and its context, minute by minute: `core` are the day's own minutes."""

    counts: NDArray[np.float64]
    core: slice
    conflict_minutes: int
    zoned: bool


@dataclass(frozen=True, slots=True)
class _Until:
    """Leaves out what an upload brought at or after a sample."""

    upload_id: str
    end_sample: int


@dataclass(slots=True)
class Analyze:
    """The verbs, over their ports."""

    series: Series
    analyses: Analyses
    keys: Keys
    failing: Failing

    def derive_results(self) -> int:
        """Derive a page of due results; return how many there were."""
        due = self.analyses.due_results(DUE_PAGE)
        for one in due:
            if self.failing(lambda one=one: self._derive_result(one)):  # type: ignore[misc]
                self.analyses.put_result(one, b"", failed=True)
        return len(due)

    def derive_days(self, account_id: str | None = None) -> int:
        """Derive a page of touched days, of one account or of all; return how many there were."""
        due = self.analyses.due_days(DUE_PAGE, account_id)
        for one in due:
            if self.failing(lambda one=one: self._derive_day(one)):  # type: ignore[misc]
                self.analyses.put_day(one, b"", closed=False, failed=True)
        return len(due)

    def settle(self, account_id: str) -> None:
        """Derive all touched days of an account, so that a reader sees what is committed. Raises Busy in the end."""
        deadline = time.monotonic() + SETTLE_S
        while self.derive_days(account_id):
            if time.monotonic() > deadline:
                raise Busy("derivation of days")

    def _derive_result(self, due: DueResult) -> None:
        upload = self.series.upload(due.account_id, due.upload_id)
        descriptor, closing = upload.descriptor, due.closing
        key = DayKey(due.account_id, descriptor.metric, descriptor.source, closing.civil_day)
        assert descriptor.period_ms is not None
        context = CONTEXT_MINUTES * MINUTE_MS // descriptor.period_ms
        day = self._day(key, closed=True, until=_Until(due.upload_id, closing.end_sample + context))
        assert day is not None, "a closed day has samples"
        data_key = self.keys.data_key(due.account_id)
        self.analyses.put_result(due, seal_result(data_key, due.account_id, due.upload_id, closing.number, day))

    def _derive_day(self, due: DueDay) -> None:
        closed = self.analyses.is_closed(due.key)
        day = self._day(due.key, closed=closed)
        body = b"" if day is None else seal_day(self.keys.data_key(due.key.account_id), due.key, day)
        self.analyses.put_day(due, body, closed=closed)

    def _day(self, key: DayKey, *, closed: bool, until: _Until | None = None) -> Day | None:
        """Derive a Day from what is committed; None where there is no sample of it."""
        days = (key.civil_day - 1, key.civil_day + 2)  # storage days: an offset moves a civil day by 14 hours at most
        pieces = list(self.series.pieces(key.account_id, key.metric, days, key.source))
        grid = _grid(pieces, self.keys.data_key(key.account_id), key.civil_day, until) if pieces else None
        return None if grid is None else describe(key, grid, closed=closed)


def describe(key: DayKey, grid: _Grid, *, closed: bool) -> Day | None:
    """Compute a Day's numbers from its minutes; None where no minute of the day itself was sent."""
    recorded = np.isfinite(grid.counts)
    worn = choi(grid.counts)
    asleep = (oakley(grid.counts) & worn)[grid.core]
    counts, recorded, worn = grid.counts[grid.core], recorded[grid.core], worn[grid.core]
    length, present, used = len(counts), int(recorded.sum()), int(worn.sum())
    digest = hashlib.sha256(grid.counts.astype("<f4").tobytes()).hexdigest()

    def measure(name: str, outcome: float | Unavailable, unit: str, minutes: int, algorithm: Algorithm) -> Measure:
        parameters = dict(algorithm.parameters)
        return Measure(name, outcome, unit, minutes / length, algorithm.id, algorithm.version, parameters, digest)

    total = float(counts[recorded].sum()) if present else Unavailable.SHORT_RECORD
    sleep = float(asleep.sum()) if used else Unavailable.NOT_WORN
    scored = Algorithm(OAKLEY.id, OAKLEY.version, {**OAKLEY.parameters, "wear": CHOI.id})
    return Day(
        date=as_date(key.civil_day),
        metric=key.metric,
        source=key.source,
        length_minutes=length,
        recorded_minutes=present,
        worn_minutes=used,
        measures=(
            measure("wear_coverage", used / length, "1", present, CHOI),
            measure("activity_counts", total, find(ACTIVITY_COUNTS).ucum_unit.removesuffix("/min"), present, TOTAL),
            measure("sleep_minutes", sleep, "min", used, scored),
        ),
        asleep=tuple(bouts(asleep)),
        not_worn=tuple(bouts(recorded & ~worn)),
        conflict_minutes=grid.conflict_minutes,
        closed=closed,
        tzdata_version=tzdata_version() if grid.zoned else "",
    )


def _grid(pieces: Sequence[Piece], key: bytes, civil_day: int, until: _Until | None) -> _Grid | None:
    """Lay a source's uploads over the minutes of a civil day and its context; None where none has a sample of it."""
    uploads = sorted({piece.upload.upload_id: piece.upload for piece in pieces}.values(), key=merge.precedence)
    within = [one for one in uploads if _stays_on(one, civil_day)]
    if not within:
        return None
    # A floating recording lies on no instant: where one takes part, all are laid on the person's clock.
    floating = any(one.descriptor.start.kind is StartKind.FLOATING for one in within)
    start, end = (civil_day * DAY_MS, (civil_day + 1) * DAY_MS) if floating else _bounds(within[0], civil_day)
    length = (end - start) // MINUTE_MS
    count = length + 2 * CONTEXT_MINUTES
    covers = {
        one.upload_id: _cover(_of(pieces, one.upload_id), key, start, floating, until)
        for one in uploads
        if _knows(one, floating=floating)
    }
    ranked = [one for one in uploads if one.upload_id in covers]
    ordered = [covers[one.upload_id] for one in ranked]
    owner, conflicts = merge.winners([one.descriptor.revision for one in ranked], ordered, -CONTEXT_MINUTES, count)
    counts = np.full(count, np.nan)
    for index, cover in enumerate(ordered):
        slots = cover.minutes + CONTEXT_MINUTES
        inside = (slots >= 0) & (slots < count)
        mine = slots[inside]
        won = owner[mine] == index
        counts[mine[won]] = cover.values[inside][won, 0]
    if (owner[CONTEXT_MINUTES : CONTEXT_MINUTES + length] < 0).all():
        return None
    zoned = any(one.descriptor.start.kind is StartKind.ZONE for one in within)
    return _Grid(counts, slice(CONTEXT_MINUTES, CONTEXT_MINUTES + length), conflicts, zoned)


def _of(pieces: Sequence[Piece], upload_id: str) -> list[Piece]:
    return [piece for piece in pieces if piece.upload.upload_id == upload_id]


def _elapsed_end(upload: StoredUpload) -> int:
    assert upload.descriptor.period_ms is not None
    return upload.committed * upload.descriptor.period_ms


def _stays_on(upload: StoredUpload, civil_day: int) -> list[Stay]:
    """Return the upload's stays on a civil day."""
    clock = clock_of(upload.descriptor, upload.offset_changes)
    low, high = 0, _elapsed_end(upload)
    # Only what can lie on the day: its civil time is at most 14 hours from the axis, on either side.
    near = (civil_day * DAY_MS - clock.axis_ms - DAY_MS, (civil_day + 2) * DAY_MS - clock.axis_ms)
    found = stays(clock, max(low, near[0]), min(high, near[1])) if near[0] < high and near[1] > low else []
    return [stay for stay in found if stay.civil_day == civil_day]


def _bounds(upload: StoredUpload, civil_day: int) -> tuple[int, int]:
    """Return a civil day's first and last instant by the clock of an upload that has samples of it."""
    start = upload.descriptor.start
    if start.time_zone is not None:
        midnights = (zone_instant_ms(start.time_zone, (civil_day + more) * DAY_MS) for more in (0, 1))
        return next(midnights), next(midnights)
    clock = clock_of(upload.descriptor, upload.offset_changes)
    theirs = _stays_on(upload, civil_day)
    offsets = [_offset_s(clock, theirs[0].start_ms), _offset_s(clock, theirs[-1].end_ms - 1)]
    return civil_day * DAY_MS - offsets[0] * 1000, (civil_day + 1) * DAY_MS - offsets[1] * 1000


def _offset_s(clock: Clock, elapsed_ms: int) -> int:
    offset = next(iter(clock.stretches(elapsed_ms, elapsed_ms + 1))).utc_offset_s
    assert offset is not None, "a stay has a civil time"
    return offset


def _knows(upload: StoredUpload, *, floating: bool) -> bool:
    """Tell whether an upload has a place on the axis: civil times for all, instants for those that do not float."""
    if floating:
        return upload.descriptor.start.kind is not StartKind.INSTANT or bool(upload.offset_changes)
    return upload.descriptor.start.kind is not StartKind.FLOATING


def _cover(pieces: Sequence[Piece], key: bytes, start_ms: int, floating: bool, until: _Until | None) -> merge.Cover:  # noqa: FBT001
    """Return what one upload has around a day: minutes since `start_ms` on the axis, in order."""
    minutes, values = [np.empty(0, dtype=np.int64)], [np.empty((0, 1), dtype=np.float32)]
    for piece in pieces:
        descriptor, segment = piece.upload.descriptor, piece.segment
        assert descriptor.period_ms is not None
        clock = clock_of(descriptor, piece.upload.offset_changes)
        content = as_float32(open_segment(key, segment).values, descriptor).reshape(-1, descriptor.channels)
        count = segment.count
        if until is not None and until.upload_id == piece.upload.upload_id:
            count = max(0, min(count, until.end_sample - segment.first_sample))
        elapsed = np.arange(segment.first_sample, segment.first_sample + count, dtype=np.int64) * descriptor.period_ms
        if not count:
            continue
        for stretch in clock.stretches(int(elapsed[0]), int(elapsed[-1]) + 1):
            base = clock.civil_ms(stretch, 0) if floating else clock.axis_ms
            if base is None:
                continue
            low, high = np.searchsorted(elapsed, [stretch.start_ms, stretch.end_ms])
            minutes.append((elapsed[low:high] + base - start_ms) // MINUTE_MS)
            values.append(content[low:high])
    joined = np.concatenate(minutes)
    order = np.argsort(joined, kind="stable")
    return merge.Cover(joined[order], np.concatenate(values)[order])

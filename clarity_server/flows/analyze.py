"""Derive days: the worker's verbs. What is due stands in the store; nothing here is asked for by an upload."""

import hashlib
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain import merge
from clarity_server.domain.civil import (
    DAY_MS,
    MINUTE_MS,
    Clock,
    StartKind,
    as_date,
    tzdata_version,
)
from clarity_server.domain.days import CONTEXT_MINUTES, REACH_DAYS, Day, Measure, Unavailable, on_days
from clarity_server.domain.errors import Busy, ClarityError, StoreFull, StoreUnavailable
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
class _Part:
    """What one upload has around a day: its samples from `first_sample` on, and its clock as far as they go."""

    upload: StoredUpload
    clock: Clock
    first_sample: int
    counts: NDArray[np.float32]  # (samples,)

    @property
    def floating(self) -> bool:
        return self.clock.floating

    @property
    def period_ms(self) -> int:
        period_ms = self.upload.descriptor.period_ms
        assert period_ms is not None, "a metric with days has a fixed period"
        return period_ms

    @property
    def end_sample(self) -> int:
        return self.first_sample + len(self.counts)

    def has(self, civil_day: int) -> bool:
        """Whether a sample begins on a civil day, by this upload's own clock."""
        days = on_days(self.clock, self.period_ms, self.first_sample, self.end_sample)
        return any(day == civil_day for day, _ in days)


@dataclass(slots=True)
class Analyze:
    """The verbs, over their ports."""

    series: Series
    analyses: Analyses
    keys: Keys
    failing: Failing
    settle_s: float = SETTLE_S

    def derive_results(self) -> int:
        """Derive a page of due results; return how many there were."""
        due = self.analyses.due_results(DUE_PAGE)
        for one in due:
            if self._fails(partial(self._derive_result, one)) and self._fails(partial(self._give_up, one)):
                self.analyses.put_result(one, b"", failed=True)  # blocks what follows: the key itself is gone
        return len(due)

    def derive_days(self, account_id: str | None = None) -> int:
        """Derive a page of touched days, of one account or of all; return how many there were."""
        due = self.analyses.due_days(DUE_PAGE, account_id)
        for one in due:
            if self._fails(partial(self._derive_day, one)):
                self.analyses.put_day(one, b"", closed=False, failed=True)
        return len(due)

    def settle(self, account_id: str) -> None:
        """Derive all touched days of an account, so that a reader sees what is committed. Raises Busy in the end."""
        deadline = time.monotonic() + self.settle_s
        while self.derive_days(account_id):
            if time.monotonic() > deadline:
                raise Busy("derivation of days")

    def _fails(self, derive: Callable[[], None]) -> bool:
        """Run a derivation and tell whether it failed for good; what only has to wait for the store flies."""
        waits: list[ClarityError] = []

        def attempt() -> None:
            try:
                derive()
            except (Busy, StoreFull, StoreUnavailable) as why:
                waits.append(why)

        failed = self.failing(attempt)
        if waits:
            raise waits[0]
        return failed

    def _give_up(self, due: DueResult) -> None:
        """Store a result that says it failed, so that those after it are not kept waiting."""
        descriptor = self.series.upload(due.account_id, due.upload_id).descriptor
        key = DayKey(due.account_id, descriptor.metric, descriptor.source, due.closing.civil_day)
        data_key = self.keys.data_key(due.account_id)
        body = seal_result(data_key, due.account_id, due.upload_id, due.closing.number, failed_day(key))
        self.analyses.put_result(due, body, failed=True)

    def _derive_result(self, due: DueResult) -> None:
        upload = self.series.upload(due.account_id, due.upload_id)
        descriptor, closing = upload.descriptor, due.closing
        key = DayKey(due.account_id, descriptor.metric, descriptor.source, closing.civil_day)
        day = self._day(key, closed=True, of=due.upload_id)
        assert day is not None, "a closed day has samples"
        data_key = self.keys.data_key(due.account_id)
        self.analyses.put_result(due, seal_result(data_key, due.account_id, due.upload_id, closing.number, day))

    def _derive_day(self, due: DueDay) -> None:
        closed = self.analyses.is_closed(due.key)
        day = self._day(due.key, closed=closed)
        body = b"" if day is None else seal_day(self.keys.data_key(due.key.account_id), due.key, day)
        self.analyses.put_day(due, body, closed=closed)

    def _day(self, key: DayKey, *, closed: bool, of: str | None = None) -> Day | None:
        """Derive a Day from what is committed; None where there is no sample of it.

        `of` makes it the result of that upload: the day is then as its clock has it.
        """
        days = (key.civil_day - REACH_DAYS, key.civil_day + REACH_DAYS + 1)
        pieces = list(self.series.pieces(key.account_id, key.metric, days, key.source))
        parts = _parts(pieces, self.keys.data_key(key.account_id)) if pieces else []
        own = next((part for part in parts if part.upload.upload_id == of), None)
        grid = _grid(parts, key.civil_day, own)
        return None if grid is None else describe(key, grid, closed=closed)


def failed_day(key: DayKey) -> Day:
    """Return the Day that stands for one whose derivation failed."""
    named = (("wear_coverage", "1", CHOI), ("activity_counts", "{counts}", TOTAL), ("sleep_minutes", "min", OAKLEY))
    measures = tuple(
        Measure(name, Unavailable.FAILED, unit, 0.0, one.id, one.version, dict(one.parameters), "")
        for name, unit, one in named
    )
    return Day(
        date=as_date(key.civil_day),
        metric=key.metric,
        source=key.source,
        length_minutes=0,
        recorded_minutes=0,
        worn_minutes=0,
        measures=measures,
        asleep=(),
        not_worn=(),
        conflict_minutes=0,
        closed=True,
        tzdata_version="",
    )


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


def _parts(pieces: Sequence[Piece], key: bytes) -> list[_Part]:
    """Open the segments around a day and join them, upload by upload, in order of precedence."""
    by_upload = itertools.groupby(pieces, key=lambda piece: piece.upload.upload_id)
    return sorted((_part(list(theirs), key) for _, theirs in by_upload), key=lambda part: merge.precedence(part.upload))


def _part(pieces: Sequence[Piece], key: bytes) -> _Part:
    upload, first = pieces[0].upload, pieces[0].segment.first_sample
    counts = np.concatenate(
        [as_float32(open_segment(key, piece.segment).values, upload.descriptor) for piece in pieces]
    )
    # A day must be the same whenever it is derived: of the clock, too, only what these samples know.
    known = [move for move in upload.offset_changes if move.first_sample < first + len(counts)]
    return _Part(upload, clock_of(upload.descriptor, known), first, counts)


def _grid(parts: Sequence[_Part], civil_day: int, own: _Part | None) -> _Grid | None:
    """Lay a source's uploads over the minutes of a civil day and its context; None where none has a sample of it."""
    on_day = [own] if own is not None else [part for part in parts if part.has(civil_day)]
    # A floating recording lies on no instant: where one takes part, all are laid on the person's clock.
    floating = any(part.floating for part in on_day)
    placed = [part for part in parts if part.clock.known_from_ms is not None and (floating or not part.floating)]
    voices = on_day if floating or own is not None else placed
    if not voices:
        return None
    bounds = (_border(voices, civil_day, floating=floating), _border(voices, civil_day + 1, floating=floating))
    length = _minutes(bounds)
    if length <= 0:
        return None
    count, core = length + 2 * CONTEXT_MINUTES, slice(CONTEXT_MINUTES, CONTEXT_MINUTES + length)
    covers = [_cover(part, bounds, floating=floating) for part in placed]
    revisions = [part.upload.descriptor.revision for part in placed]
    owner, conflicted = merge.winners(revisions, covers, -CONTEXT_MINUTES, count)
    if (owner[core] < 0).all():
        return None
    zoned = any(part.clock.start.kind is StartKind.ZONE for part in (*on_day, *voices))
    return _Grid(_read(covers, owner), core, int(np.count_nonzero(conflicted[core])), zoned)


def _read(covers: Sequence[merge.Cover], owner: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the count of each minute as its owner has it; NaN where there is none."""
    counts = np.full(len(owner), np.nan)
    for index, cover in enumerate(covers):
        slots = cover.minutes + CONTEXT_MINUTES
        inside = (slots >= 0) & (slots < len(owner))
        won = owner[slots[inside]] == index
        counts[slots[inside][won]] = cover.values[inside][won, 0]
    return counts


def _border(parts: Sequence[_Part], day: int, *, floating: bool) -> int:
    """Return when a civil day begins, on the axis: by the clock that ran nearest to that moment.

    Two days that meet ask for the same border. So each minute is on one of them, whatever offsets the uploads have.
    """
    if floating:
        return day * DAY_MS

    def distance(part: _Part) -> int:
        at = part.clock.day_start_ms(day)
        return max(part.first_sample * part.period_ms - at, at - part.end_sample * part.period_ms, 0)

    nearest = min(parts, key=distance)  # of two as near, the one that is read
    return nearest.clock.axis_ms + nearest.clock.day_start_ms(day)


def _minutes(bounds: tuple[int, int]) -> int:
    """Return how many minutes a day has; the last one is cut short where the clock changed within it."""
    return -(-(bounds[1] - bounds[0]) // MINUTE_MS)


def _cover(part: _Part, bounds: tuple[int, int], *, floating: bool) -> merge.Cover:
    """Return what one upload has around a day: minutes since it began, those after its end counted on from there."""
    elapsed = np.arange(part.first_sample, part.end_sample, dtype=np.int64) * part.period_ms
    minutes, counts = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    for stretch in part.clock.stretches(int(elapsed[0]), int(elapsed[-1]) + 1):
        base = part.clock.civil_ms(stretch, 0)
        if base is None:  # no civil time, no civil day
            continue
        low, high = np.searchsorted(elapsed, [stretch.start_ms, stretch.end_ms])
        at = elapsed[low:high] + (base if floating else part.clock.axis_ms)
        after = _minutes(bounds) + (at - bounds[1]) // MINUTE_MS
        minutes.append(np.where(at < bounds[1], (at - bounds[0]) // MINUTE_MS, after))
        counts.append(part.counts[low:high])
    joined = np.concatenate(minutes)
    order = np.argsort(joined, kind="stable")
    return merge.Cover(joined[order], np.concatenate(counts)[order].reshape(-1, 1))

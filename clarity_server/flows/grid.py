"""Minutes laid out: what all uploads of a source say of a civil day or a window, minute by minute."""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain import merge
from clarity_server.domain.analysis import WINDOW_MINUTES
from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Clock, StartKind
from clarity_server.domain.days import (
    CONTEXT_AFTER_MINUTES,
    CONTEXT_BEFORE_MINUTES,
    REACH_AFTER_DAYS,
    REACH_BEFORE_DAYS,
    on_days,
)
from clarity_server.domain.reach import clock_of, hidden, positions, under, without
from clarity_server.domain.samples import Tombstone
from clarity_server.domain.series import Source, StoredUpload, as_float32
from clarity_server.flows.ingest import open_segment, unread
from clarity_server.ports import Keys, Piece, Series

WINDOW_DAYS = 8  # civil days a window may lie on: seven, and one more where the clock was put on


@dataclass(frozen=True, slots=True)
class Track:
    """Whose minutes: of which account, of what, from where."""

    account_id: str
    metric: str
    source: Source


@dataclass(frozen=True, eq=False)  # without slots: `digest` is kept
class Grid:
    """A day or window and its context, minute by minute. All arrays have the shape (n,)."""

    counts: NDArray[np.float64]  # NaN where there is none
    civil: NDArray[np.int64]  # what the person's clock showed, in minutes since 1970-01-01 00:00
    core: slice  # the minutes of the day or window itself
    sent: slice  # from the first minute that somebody sent, with or without a value, to the last
    start_ms: int  # of its first minute: an instant, or a civil time where `floating`
    floating: bool
    zoned: bool  # whether the tz database was asked
    conflict_minutes: int

    @cached_property
    def moves(self) -> list[tuple[int, int]]:
        """The moves of the clock as (minute of the grid, shift in minutes)."""
        shifts = np.diff(self.civil) - 1
        return [(int(at) + 1, int(shifts[at])) for at in np.flatnonzero(shifts)]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all there is to tell: counts, clock, conflicts, and which are the day's or window's own."""
        told = hashlib.sha256(self.counts.astype("<f4").tobytes())
        clock = (int(self.civil[0]), self.moves, self.start_ms, self.floating)
        told.update(f"{clock} {self.core} {self.sent} {self.conflict_minutes}".encode())
        return told.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one upload has around a day: its samples from `first_sample` on, and its clock as far as they go."""

    upload: StoredUpload
    clock: Clock
    first_sample: int
    counts: NDArray[np.float32]  # (samples,)
    deleted: tuple[tuple[int, int], ...] = ()  # samples [first, end) among these that are as if they were never sent

    @property
    def floating(self) -> bool:
        """Whether only its civil time is known."""
        return self.clock.floating

    @property
    def period_ms(self) -> int:
        """The time from one sample to the next."""
        period_ms = self.upload.descriptor.period_ms
        assert period_ms is not None, "a metric with days has a fixed period"
        return period_ms

    @property
    def end_sample(self) -> int:
        """The sample after its last."""
        return self.first_sample + len(self.counts)

    def has(self, days: range) -> bool:
        """Whether a sample begins on one of these civil days, by this upload's own clock."""
        return any(day in days for low, high in self.runs for day, _ in on_days(self.clock, self.period_ms, low, high))

    @property
    def runs(self) -> list[tuple[int, int]]:
        """The samples [first, end) that are not deleted."""
        return without([(self.first_sample, self.end_sample)], self.deleted)

    @property
    def left(self) -> NDArray[np.bool_]:
        """Which of the samples are not deleted, (samples,)."""
        return ~under(self.deleted, np.arange(self.first_sample, self.end_sample))


class Reels:
    """Segments read and opened once for a page of work: neighbouring days and windows share nearly all of theirs."""

    def __init__(self, series: Series, keys: Keys, wanted: Iterable[tuple[Track, range]]) -> None:
        """Take what will be asked for: civil days of tracks. Nothing is read before it is asked for."""
        self._series, self._keys = series, keys
        self._runs = _runs(wanted)
        self._pieces: dict[tuple[Track, range], Sequence[Piece]] = {}
        self._tombstones: dict[tuple[str, str], Sequence[Tombstone]] = {}
        self._opened: dict[str, NDArray[np.float32]] = {}

    def parts(self, track: Track, days: range, upto: int | None = None) -> list[Part]:
        """Return what each upload has around civil days, in order of precedence. Raises StoreDamaged.

        `upto` leaves out what was committed after the account's change of this number.
        """
        near = _storage_days(days)
        run = next(run for run in self._runs[track] if run.start <= near.start and near.stop <= run.stop)
        if (track, run) not in self._pieces:
            span = (run.start, run.stop)
            self._pieces[track, run] = list(self._series.pieces(track.account_id, track.metric, span, track.source))
        pieces = [one for one in self._pieces[track, run] if one.segment.day in near]
        key = self._keys.data_key(track.account_id) if pieces else b""
        by_upload = itertools.groupby(pieces, key=lambda one: one.upload.upload_id)
        parts = [self._part(track, list(theirs), key, upto) for _, theirs in by_upload]
        return sorted((part for part in parts if part.runs), key=lambda part: merge.precedence(part.upload))

    def _part(self, track: Track, pieces: Sequence[Piece], key: bytes, upto: int | None) -> Part:
        upload, first = pieces[0].upload, pieces[0].segment.first_sample
        end = pieces[-1].segment.first_sample + pieces[-1].segment.count
        if upto is not None:
            end = max(first, min(end, self._series.committed_at(track.account_id, upload.upload_id, upto)))
        counts = self._joined(pieces, key)[: end - first]
        left = without([(first, end)], self._deleted(track, upload))
        # Nobody knows of samples that were deleted at the ends; those in between are between two that are there.
        low, high = (left[0][0], left[-1][1]) if left else (first, first)
        # A day must be the same whenever it is derived: of the clock, too, only what these samples know.
        known = [move for move in upload.offset_changes if move.first_sample < high]
        inside = counts[low - first : high - first]
        return Part(upload, clock_of(upload.descriptor, known), low, inside, tuple(without([(low, high)], left)))

    def _joined(self, pieces: Sequence[Piece], key: bytes) -> NDArray[np.float32]:
        """Return the counts of neighbouring pieces, each sample once. They are opened once for all that asks."""
        at, parts = pieces[0].segment.first_sample, list[NDArray[np.float32]]()
        for piece in pieces:
            name = piece.segment.key
            if name not in self._opened:
                self._opened[name] = as_float32(open_segment(key, piece.segment).values, piece.upload.descriptor)
            parts.append(self._opened[name][unread(piece.segment, at) :])
            at = max(at, piece.segment.first_sample + piece.segment.count)
        return np.concatenate(parts)

    def _deleted(self, track: Track, upload: StoredUpload) -> list[tuple[int, int]]:
        """Return the samples [first, end) of an upload that are deleted."""
        name = (track.account_id, track.metric)
        if name not in self._tombstones:
            self._tombstones[name] = self._series.tombstones(*name)
        period_ms = upload.descriptor.period_ms
        assert period_ms is not None, "a metric with days has a fixed period"
        found = [positions(period_ms, part) for part in hidden(upload, self._tombstones[name])]
        return [(first, end) for first, end in found if first < end]


def day_grid(parts: Sequence[Part], civil_day: int, of: str | None = None) -> Grid | None:
    """Lay uploads over a civil day and its context; None where no minute of the day itself was sent.

    `of` names the upload whose result it is: the day is then as its clock has it.
    """
    return _grid(parts, range(civil_day, civil_day + 1), of, window=False)


def window_grid(parts: Sequence[Part], civil_day: int, of: str | None = None) -> Grid | None:
    """Lay uploads over the window that begins on a civil day, as `day_grid` does over a day."""
    return _grid(parts, range(civil_day, civil_day + WINDOW_DAYS), of, window=True)


def empty_grid(clock: Clock, civil_day: int, *, window: bool) -> Grid:
    """Return the grid of a day, or of the window that begins on it, of which all was deleted: as a clock has it."""
    start_ms = clock.axis_ms + clock.day_start_ms(civil_day)
    end_ms = clock.axis_ms + clock.day_start_ms(civil_day + 1)
    length = WINDOW_MINUTES if window else _minutes((start_ms, end_ms))
    count = CONTEXT_BEFORE_MINUTES + length + CONTEXT_AFTER_MINUTES
    times = start_ms + (np.arange(count, dtype=np.int64) - CONTEXT_BEFORE_MINUTES) * MINUTE_MS
    core = slice(CONTEXT_BEFORE_MINUTES, CONTEXT_BEFORE_MINUTES + length)
    return Grid(
        counts=np.full(count, np.nan),
        civil=(times if clock.floating else times + _offsets_s(clock, times) * 1000) // MINUTE_MS,
        core=core,
        sent=core,
        start_ms=start_ms,
        floating=clock.floating,
        zoned=clock.start.kind is StartKind.ZONE,
        conflict_minutes=0,
    )


def _runs(wanted: Iterable[tuple[Track, range]]) -> Mapping[Track, list[range]]:
    """Join the storage days that are wanted of each track wherever they meet."""
    spans: dict[Track, list[range]] = defaultdict(list)
    for track, days in sorted(wanted, key=lambda one: one[1].start):
        near, runs = _storage_days(days), spans[track]
        if runs and near.start <= runs[-1].stop:
            runs[-1] = range(runs[-1].start, max(near.stop, runs[-1].stop))
        else:
            runs.append(near)
    return spans


def _storage_days(days: range) -> range:
    return range(days.start - REACH_BEFORE_DAYS, days.stop + REACH_AFTER_DAYS)


def _grid(parts: Sequence[Part], days: range, of: str | None, *, window: bool) -> Grid | None:
    own = next((part for part in parts if part.upload.upload_id == of), None)
    there = [own] if own is not None else [part for part in parts if part.has(days)]
    # A floating recording lies on no instant: where one takes part, all are laid on the person's clock.
    floating = any(part.floating for part in there)
    placed = [part for part in parts if part.clock.known_from_ms is not None and (floating or not part.floating)]
    voices = there if floating or own is not None else placed
    if not voices:
        return None
    start_ms = _border(voices, days.start, floating=floating)
    end_ms = start_ms + WINDOW_MINUTES * MINUTE_MS if window else _border(voices, days.stop, floating=floating)
    bounds = (start_ms, end_ms)
    length = _minutes(bounds)
    if length <= 0:
        return None
    count = CONTEXT_BEFORE_MINUTES + length + CONTEXT_AFTER_MINUTES
    core = slice(CONTEXT_BEFORE_MINUTES, CONTEXT_BEFORE_MINUTES + length)
    covers = [_cover(part, bounds, floating=floating) for part in placed]
    revisions = [part.upload.descriptor.revision for part in placed]
    owner, conflicted = merge.winners(revisions, covers, -CONTEXT_BEFORE_MINUTES, count)
    if (owner[core] < 0).all():
        return None
    if floating:
        civil = start_ms // MINUTE_MS - CONTEXT_BEFORE_MINUTES + np.arange(count, dtype=np.int64)
    else:
        civil = _civil(placed, owner, start_ms, own)
    return Grid(
        counts=_read(covers, owner),
        civil=civil,
        core=core,
        sent=slice(int(np.argmax(owner >= 0)), count - int(np.argmax(owner[::-1] >= 0))),
        start_ms=start_ms,
        floating=floating,
        zoned=any(part.clock.start.kind is StartKind.ZONE for part in (*there, *voices)),
        conflict_minutes=int(np.count_nonzero(conflicted[core])),
    )


def _read(covers: Sequence[merge.Cover], owner: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the count of each minute as its owner has it; NaN where there is none, and none is below 0."""
    counts = np.full(len(owner), np.nan)
    for index, cover in enumerate(covers):
        slots = cover.minutes + CONTEXT_BEFORE_MINUTES
        inside = (slots >= 0) & (slots < len(owner))
        won = owner[slots[inside]] == index
        counts[slots[inside][won]] = cover.values[inside][won, 0]
    counts[counts < 0] = np.nan
    return counts


def _civil(placed: Sequence[Part], owner: NDArray[np.int32], start_ms: int, own: Part | None) -> NDArray[np.int64]:
    """Return what the clock of each minute's owner showed, or that of `own`; where there is none, the nearest one's."""
    instants = start_ms + (np.arange(len(owner), dtype=np.int64) - CONTEXT_BEFORE_MINUTES) * MINUTE_MS
    if own is not None:
        return (instants + _offsets_s(own.clock, instants) * 1000) // MINUTE_MS
    # Where nobody has a minute, the clock of the last one who had runs on; before the first, that of the first.
    owned = np.flatnonzero(owner >= 0)
    last = np.searchsorted(owned, np.arange(len(owner)), side="right") - 1
    speaker = owner[owned[np.maximum(last, 0)]]
    offsets = np.zeros(len(owner), dtype=np.int64)
    for index in np.unique(speaker):
        theirs = speaker == index
        offsets[theirs] = _offsets_s(placed[index].clock, instants)[theirs]
    return (instants + offsets * 1000) // MINUTE_MS


def _offsets_s(clock: Clock, instants: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the clock's offset from UTC at each instant, in seconds east."""
    offsets, elapsed = np.zeros(len(instants), dtype=np.int64), instants - clock.axis_ms
    if clock.start.kind is StartKind.ZONE:
        found = clock.stretches(int(elapsed[0]), int(elapsed[-1]) + 1)
        known = [(one.start_ms, one.end_ms, one.utc_offset_s or 0) for one in found]
    else:
        known = clock.told()
    for start_ms, end_ms, offset_s in known:
        low, high = np.searchsorted(elapsed, [start_ms, end_ms])
        offsets[low:high] = offset_s
    return offsets


def _border(parts: Sequence[Part], day: int, *, floating: bool) -> int:
    """Return when a civil day begins, on the axis: by the clock that ran nearest to that moment.

    Two days that meet ask for the same border. So each minute is on one of them, whatever offsets the uploads have.
    """
    if floating:
        return day * DAY_MS

    def distance(part: Part) -> int:
        at = part.clock.day_start_ms(day)
        return max(part.first_sample * part.period_ms - at, at - part.end_sample * part.period_ms, 0)

    nearest = min(parts, key=distance)  # of two as near, the one that is read
    return nearest.clock.axis_ms + nearest.clock.day_start_ms(day)


def _minutes(bounds: tuple[int, int]) -> int:
    """Return how many minutes a day has; the last one is cut short where the clock changed within it."""
    return -(-(bounds[1] - bounds[0]) // MINUTE_MS)


def _cover(part: Part, bounds: tuple[int, int], *, floating: bool) -> merge.Cover:
    """Return what one upload has around a day: minutes since it began, those after its end counted on from there."""
    left = part.left
    elapsed = np.arange(part.first_sample, part.end_sample, dtype=np.int64)[left] * part.period_ms
    there = part.counts[left]
    minutes, counts = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    for stretch in part.clock.stretches(int(elapsed[0]), int(elapsed[-1]) + 1):
        base = part.clock.civil_ms(stretch, 0)
        if base is None:  # no civil time, no civil day
            continue
        low, high = np.searchsorted(elapsed, [stretch.start_ms, stretch.end_ms])
        at = elapsed[low:high] + (base if floating else part.clock.axis_ms)
        after = _minutes(bounds) + (at - bounds[1]) // MINUTE_MS
        minutes.append(np.where(at < bounds[1], (at - bounds[0]) // MINUTE_MS, after))
        counts.append(there[low:high])
    joined = np.concatenate(minutes)
    order = np.argsort(joined, kind="stable")
    return merge.Cover(joined[order], np.concatenate(counts)[order].reshape(-1, 1))

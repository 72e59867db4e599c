"""Delete ranges of series: count first, then leave tombstones; what was derived follows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain import metrics
from clarity_server.domain.civil import DAY_MS, FAR_MS, MINUTE_MS, StartKind, TimeKind, TimeRange, stays
from clarity_server.domain.days import (
    CONTEXT_AFTER_MINUTES,
    CONTEXT_BEFORE_MINUTES,
    REACH_AFTER_DAYS,
    REACH_BEFORE_DAYS,
)
from clarity_server.domain.reach import (
    Elapsed,
    clock_of,
    elapsed_end,
    hidden,
    joined,
    positions,
    under,
    within,
    without,
)
from clarity_server.domain.samples import Tombstone, Wanted
from clarity_server.domain.segments import Plain
from clarity_server.domain.series import (
    NO_VALUE_FLOAT32_BITS,
    NO_VALUE_INT16,
    Descriptor,
    Encoding,
    Segment,
    Source,
    StoredUpload,
)
from clarity_server.flows.ingest import open_segment, unread
from clarity_server.ports import Bearing, Keys, Series, SeriesDeletion

WINDOW_DAYS_BEFORE = 7  # a window that begins so many days before may hold a minute of a day
ALL_TIME = (TimeRange(TimeKind.CIVIL, -FAR_MS, FAR_MS), TimeRange(TimeKind.INSTANT, -FAR_MS, FAR_MS))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deletion would delete: samples of series that are not deleted yet, and the civil days these lie on."""

    deletion: SeriesDeletion
    sample_count: int
    day_count: int  # of metrics that have days, each source for itself


@dataclass(frozen=True, slots=True)
class _Part:
    """What a deletion takes of one source of a metric."""

    uploads: Sequence[StoredUpload]  # all of the source
    sample_count: int
    civil_days: frozenset[int]


@dataclass(frozen=True, slots=True)
class Deletions:
    """The verbs, over their ports. `wake` tells the worker that something is to be derived again."""

    series: Series
    keys: Keys
    wake: Callable[[], None]

    def plan(self, account_id: str, wanted: Wanted) -> Plan:
        """Work out what is to be deleted: nothing of series where samples are named by their ids.

        Where there is nothing left to delete, the plan has no tombstone.
        """
        change = self.series.change_count(account_id)
        wanted_metrics = self.series.metrics(account_id) if wanted.metrics is None else sorted(wanted.metrics)
        ranges = ALL_TIME if wanted.range is None else (wanted.range,)
        found = [
            (metric, source, part)
            for metric in (() if wanted.sample_ids else wanted_metrics)
            for source, part in self._parts(account_id, metric, wanted, ranges)
            if part.sample_count
        ]
        deletion = SeriesDeletion(
            account_id,
            tuple(
                Tombstone(metric, source, span, 1 + max(one.descriptor.revision for one in part.uploads))
                for metric, source, part in found
                for span in ranges
            ),
            tuple(
                _bearing(metric, source, ranges, part.uploads)
                for metric, source, part in found
                if metrics.find(metric).has_days
            ),
            change,
        )
        return Plan(
            deletion,
            sum(part.sample_count for _, _, part in found),
            sum(len(part.civil_days) for _, _, part in found),
        )

    def carry_out(self, plan: Plan) -> None:
        """Delete as planned, all in one transaction. Raises StoreFull, StoreUnavailable."""
        if plan.deletion.tombstones:
            self.series.delete(plan.deletion)
            self.wake()

    def _parts(
        self, account_id: str, metric: str, wanted: Wanted, ranges: Sequence[TimeRange]
    ) -> Iterator[tuple[Source, _Part]]:
        """Yield what is to be deleted of each source of a metric."""
        tombstones = self.series.tombstones(account_id, metric)
        stored = self.series.uploads(account_id, metric)
        uploads = [one for one in stored if wanted.source in {None, one.descriptor.source}]
        for theirs, of_source in groupby(sorted(uploads, key=_source), key=lambda one: one.descriptor.source):
            found = list(of_source)
            meant = [one for one in found if one.committed and (_floats(one) or not wanted.floating)]
            taken = [(one, _taken(one, ranges, tombstones)) for one in meant]
            count = sum(self._count(account_id, one, parts) for one, parts in taken)
            days = {day for one, parts in taken for day in _civil_days(one, parts)} if count else set[int]()
            yield theirs, _Part(found, count, frozenset(days))

    def _count(self, account_id: str, upload: StoredUpload, parts: Sequence[Elapsed]) -> int:
        """Count the samples that begin in some elapsed time."""
        period_ms = upload.descriptor.period_ms
        if period_ms is None:
            return self._count_irregular(account_id, upload, parts) if parts else 0
        runs = [positions(period_ms, part) for part in parts]
        return sum(min(end, upload.committed) - first for first, end in runs)

    def _count_irregular(self, account_id: str, upload: StoredUpload, parts: Sequence[Elapsed]) -> int:
        """Count by reading: only a segment at an edge has to be opened."""
        axis_ms = clock_of(upload.descriptor, upload.offset_changes).axis_ms
        key, at, count = self.keys.data_key(account_id), 0, 0
        for segment in self.series.segments(account_id, upload.upload_id, 0, upload.committed):
            skipped = unread(segment, at)
            at = segment.first_sample + segment.count
            inside = (segment.start_ms - axis_ms, segment.end_ms - axis_ms)
            left = without([inside], parts)
            if not left:
                count += segment.count - skipped
            elif left != [inside]:
                offsets = open_segment(key, segment).offsets_ms
                assert offsets is not None
                count += int(np.count_nonzero(under(parts, offsets)[skipped:]))
        return count


def hidden_samples(
    descriptor: Descriptor, deleted: Sequence[Elapsed], segment: Segment, plain: Plain
) -> NDArray[np.bool_]:
    """Return which of a segment's samples are deleted, (samples,); `deleted` is that of the upload."""
    if plain.offsets_ms is not None:
        return under(deleted, plain.offsets_ms)
    assert descriptor.period_ms is not None, "irregular samples come with their offsets"
    mask = np.zeros(segment.count, dtype=bool)
    for part in deleted:
        first, end = positions(descriptor.period_ms, part)
        mask[max(0, first - segment.first_sample) : max(0, end - segment.first_sample)] = True
    return mask


def blanked(descriptor: Descriptor, plain: Plain, mask: NDArray[np.bool_]) -> Plain:
    """Return a segment's content with "no value" in the samples under a mask, as it would have been sent."""
    if descriptor.encoding is Encoding.INT16:
        values = np.frombuffer(plain.values, "<i2").copy()
        none = NO_VALUE_INT16
    else:
        values = np.frombuffer(plain.values, "<i4").copy()
        none = NO_VALUE_FLOAT32_BITS
    values.reshape(-1, descriptor.channels)[mask] = none
    return replace(plain, values=values.tobytes())


def _source(upload: StoredUpload) -> tuple[str, str]:
    return (upload.descriptor.source.device, upload.descriptor.source.app)


def _floats(upload: StoredUpload) -> bool:
    return upload.descriptor.start.kind is StartKind.FLOATING


def _taken(upload: StoredUpload, ranges: Iterable[TimeRange], tombstones: Sequence[Tombstone]) -> list[Elapsed]:
    """Return the elapsed time of an upload that lies in a range and is not deleted yet."""
    inside = joined([part for span in ranges for part in within(upload, span)])
    return without(inside, hidden(upload, tombstones))


def _civil_days(upload: StoredUpload, parts: Sequence[Elapsed]) -> set[int]:
    """Return the civil days of some elapsed time of an upload; none of a metric that has no days."""
    if not metrics.find(upload.descriptor.metric).has_days:
        return set()
    clock = clock_of(upload.descriptor, upload.offset_changes)
    return {stay.civil_day for start, end in parts for stay in stays(clock, start, end)}


def _bearing(metric: str, source: Source, ranges: Sequence[TimeRange], uploads: Sequence[StoredUpload]) -> Bearing:
    """Return the civil days on which deleted ranges bear, by whichever clock of the source."""
    offsets_ms = _offsets_ms(uploads)
    low, high = min(offsets_ms), max(offsets_ms)
    starts_ends = [
        (span.start_ms - (high - low), span.end_ms + (high - low))
        if span.kind is TimeKind.CIVIL
        else (span.start_ms + low - (high - low), span.end_ms + high)
        for span in ranges
    ]
    # A day, and a window, is judged by the minutes around it, too.
    first = (min(start for start, _ in starts_ends) - CONTEXT_AFTER_MINUTES * MINUTE_MS) // DAY_MS
    end = (max(end for _, end in starts_ends) - 1 + CONTEXT_BEFORE_MINUTES * MINUTE_MS) // DAY_MS + 1
    return Bearing(
        metric=metric,
        source=source,
        near=(first - REACH_AFTER_DAYS, end + REACH_BEFORE_DAYS),
        held=(first, end),
        windows=(first - WINDOW_DAYS_BEFORE, end),
    )


def _offsets_ms(uploads: Sequence[StoredUpload]) -> set[int]:
    """Return the offsets from UTC that a source's clocks have had; of those that float, 0."""
    clocks = [(clock_of(one.descriptor, one.offset_changes), max(1, elapsed_end(one))) for one in uploads]
    known = {stretch.utc_offset_s for clock, end in clocks for stretch in clock.stretches(0, end)}
    return {1000 * (offset_s or 0) for offset_s in known}

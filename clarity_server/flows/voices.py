"""What sources say around some buckets: series and samples, laid on one axis, and the clocks they were seen with."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.borders import Rank, Voice, day_borders, manner_of, manner_seen
from clarity_server.domain.civil import DAY_MS, FAR_MS, MINUTE_MS, Clock, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.errors import AggregateInapplicable, QueryTooLarge
from clarity_server.domain.metrics import Kind, Metric
from clarity_server.domain.reach import Elapsed, clock_of, elapsed_end, hidden, within, without
from clarity_server.domain.samples import Coded, Sample, SourceSetting, Tombstone, belief, by_belief
from clarity_server.domain.series import Source, StoredUpload
from clarity_server.domain.stretches import Stay
from clarity_server.domain.summing import VALUES_MAX, Said, only, too_many_values
from clarity_server.flows.describe import day_wear
from clarity_server.flows.grid import Part, Reels, Track, day_grid
from clarity_server.flows.read import Block, Read, Tally
from clarity_server.flows.samples import SampleSeal, with_wholes
from clarity_server.ports import Keys, Samples, Series, StoredSample

SAMPLES_MAX = 250_000  # held at once
SAMPLES_PAGE = 5_000
SAMPLE_VALUES = 400
CONTEXT_DAYS = 3
"""How far around some days to look for clocks. A border is told by what is nearest; no offset is a day, so whatever is
within a day of a border is found with this."""
WIDER_DAYS = (CONTEXT_DAYS, 12, 48, 192, 768)  # and then all there is
FAR_DAYS = 400 * 366  # the calendar has no more


@dataclass(frozen=True, slots=True)
class Speakers:
    """Who speaks of a range, and of what kinds of time."""

    sources: Sequence[Source]  # the most believed first
    floating: bool
    placed: bool  # at instants
    zoned: bool  # some clock runs by a zone
    values: int  # about how many values their series have


@dataclass(slots=True)
class Voices:
    """All that speaks of a metric, of one source or of all, to one call."""

    samples: Samples
    series: Series
    read: Read
    keys: Keys
    account_id: str
    metric: Metric
    source: Source | None
    settings: Sequence[SourceSetting]
    values_max: int = VALUES_MAX
    samples_max: int = SAMPLES_MAX
    taken: int = 0  # values read so far; a sample takes as long as SAMPLE_VALUES of them
    _tombstones: Sequence[Tombstone] | None = None
    _listed: tuple[TimeRange, Sequence[StoredSample]] | None = None
    _found: tuple[TimeRange, Sequence[tuple[int, StoredUpload]]] | None = None  # and where each begins on its axis

    # ---- who speaks --------------------------------------------------------------------------------------------------

    def speakers(self, span: TimeRange) -> Speakers:
        """Say who speaks of a range."""
        uploads = [one for one in self._near(span) if without(within(one, span), self._hidden(one))]
        sampled = self.samples.speakers(self.account_id, self._names, self.source, span)
        kinds = {one.descriptor.start.kind for one in uploads}
        sources = [one.descriptor.source for one in uploads] + [one.source for one in sampled]
        return Speakers(
            by_belief(sources, self.settings),
            StartKind.FLOATING in kinds or any(one.floating for one in sampled),
            bool(kinds - {StartKind.FLOATING}) or any(one.placed for one in sampled),
            StartKind.ZONE in kinds,
            sum(_value_count(one, span) for one in uploads),
        )

    def ever(self, kind: TimeKind | None) -> bool:
        """Tell whether there is anything at all with a kind of time, or with any."""
        span = None if kind is None else TimeRange(kind, -FAR_MS, FAR_MS)
        if self.samples.list(self.account_id, self._names, self.source, span, None, 1):
            return True
        everywhere = span or TimeRange(TimeKind.INSTANT, -FAR_MS, FAR_MS)
        return any(span is None or within(one, span) for one in self._near(everywhere))

    @property
    def _names(self) -> frozenset[str]:
        return with_wholes(self.metric.metric)

    def _near(self, span: TimeRange) -> Sequence[StoredUpload]:
        """List uploads that have something and may reach into a range: no more is asked of the store than is new."""
        if self.metric.kind not in {Kind.QUANTITY, Kind.SERIES}:
            return ()
        # A civil time is less than a day from its instant, which is where an upload lies that has both.
        slack = 0 if span.kind is TimeKind.INSTANT else DAY_MS
        wanted = TimeRange(TimeKind.INSTANT, span.start_ms - slack, span.end_ms + slack)
        if self._found is None or not _contains(self._found[0], wanted):
            around = CONTEXT_DAYS * DAY_MS  # which is asked for next
            wide = TimeRange(TimeKind.INSTANT, wanted.start_ms - around, wanted.end_ms + around)
            near = self.series.near(self.account_id, self.metric.metric, wide)
            mine = [one for one in near if one.committed and self.source in {None, one.descriptor.source}]
            self._found = (wide, [(clock_of(one.descriptor, ()).axis_ms, one) for one in mine])
        return [
            one
            for start_ms, one in self._found[1]
            if start_ms < wanted.end_ms and start_ms + elapsed_end(one) > wanted.start_ms
        ]

    def _hidden(self, upload: StoredUpload) -> Sequence[Elapsed]:
        if self._tombstones is None:
            self._tombstones = self.series.tombstones(self.account_id, self.metric.metric)
        return hidden(upload, self._tombstones) if self._tombstones else ()

    # ---- the person's clock ------------------------------------------------------------------------------------------

    def borders(self, days: Sequence[int]) -> NDArray[np.int64]:
        """Return the instants at which civil days begin."""
        sampled = self._sample_clocks(days)
        for reach in WIDER_DAYS:
            known = ((days[0] - reach) * DAY_MS, (days[-1] + reach) * DAY_MS)
            found = day_borders([*sampled, *self._series_clocks(known)], days, known)
            if found is not None:
                return found
        everything = self._series_clocks((-FAR_DAYS * DAY_MS, FAR_DAYS * DAY_MS))
        found = day_borders([*sampled, *everything], days)
        assert found is not None, "nothing is missing"
        return found

    def _series_clocks(self, known: tuple[int, int]) -> Iterator[Voice]:
        for one in self._near(TimeRange(TimeKind.INSTANT, *known)):
            clock = clock_of(one.descriptor, one.offset_changes)
            if clock.floating or clock.known_from_ms is None:
                continue
            parts = without([(clock.known_from_ms, elapsed_end(one))], self._hidden(one))
            seen = [(clock.axis_ms + start, clock.axis_ms + end) for start, end in parts]
            if seen:
                rank = self._rank(one.descriptor.source, (0, -one.descriptor.revision, one.upload_id))
                yield Voice(manner_of(clock), seen, rank)

    def _sample_clocks(self, days: Sequence[int]) -> Sequence[Voice]:
        """Return the clocks of samples: an offset is in force from the first sample that shows it."""
        span = TimeRange(TimeKind.INSTANT, (days[0] - CONTEXT_DAYS) * DAY_MS, (days[-1] + CONTEXT_DAYS) * DAY_MS)
        ever = TimeRange(TimeKind.INSTANT, -FAR_MS, FAR_MS)
        there = self.samples.speakers(self.account_id, self._names, self.source, ever)
        by_source: dict[Source, list[StoredSample]] = {one.source: [] for one in there}
        for row in self._rows(span):
            by_source[row.source].append(row)
        found = list[Voice]()
        for source, rows in by_source.items():
            known = [one for one in self._with_neighbours(source, rows, days) if one.start.utc_offset_s is not None]
            if known:
                seen = [(_instant(one), _instant(one) + one.duration_ms) for one in known]
                manner = manner_seen((_instant(one), one.start.utc_offset_s or 0) for one in known)
                found.append(Voice(manner, seen, self._rank(source, (1, 0, ""))))
        return found

    def _with_neighbours(
        self, source: Source, rows: Sequence[StoredSample], days: Sequence[int]
    ) -> Iterator[StoredSample]:
        """Yield a source's samples around some days, with those before and after that tell the clock of their edges."""
        before, after = (days[0] - CONTEXT_DAYS + 1) * DAY_MS, (days[-1] + CONTEXT_DAYS - 1) * DAY_MS
        if not rows or _instant(rows[0]) >= before:
            yield from self._last_before(source, _instant(rows[0]) if rows else before)
        yield from rows
        if not rows or _instant(rows[-1]) < after:
            place = (0, _instant(rows[-1]), rows[-1].sample_id) if rows else None
            since = TimeRange(TimeKind.INSTANT, before, FAR_MS)
            yield from self.samples.list(self.account_id, self._names, source, since, place, 1)

    def _last_before(self, source: Source, end_ms: int) -> Sequence[StoredSample]:
        """Find the last sample of a source that begins before an instant; none or one."""

        def any_in(start_ms: int, until_ms: int) -> bool:
            span = TimeRange(TimeKind.INSTANT, start_ms, until_ms)
            return bool(self.samples.list(self.account_id, self._names, source, span, None, 1))

        reaches = (reach * DAY_MS for reach in (*WIDER_DAYS, FAR_DAYS))
        start_ms = next((end_ms - reach for reach in reaches if any_in(end_ms - reach, end_ms)), None)
        if start_ms is None:
            return ()
        until_ms = end_ms
        while until_ms - start_ms > MINUTE_MS:
            middle = (start_ms + until_ms) // 2
            start_ms, until_ms = (middle, until_ms) if any_in(middle, until_ms) else (start_ms, middle)
        return self._all(source, TimeRange(TimeKind.INSTANT, start_ms, until_ms))[-1:]

    def _rank(self, source: Source, place: tuple[int, int, str]) -> Rank:
        setting = next((one for one in self.settings if one.source == source), SourceSetting(source))
        return (belief(setting), *place)

    # ---- what they say -----------------------------------------------------------------------------------------------

    def said(self, span: TimeRange, *, civil: bool) -> Sequence[Said]:
        """Return what each voice says in a range, the most believed first; `civil` leaves out unknown offsets.

        Raises AggregateInapplicable, QueryTooLarge.
        """
        found: dict[Source, list[Said]] = defaultdict(list)
        for source, blocks in self._blocks(span, civil=civil):
            found[source] += [self._series_said(source, blocks, span)]
        for source, samples in self._opened(span, civil=civil):
            found[source] += [_samples_said(source, samples, self.metric.metric, span.kind)]
        return [one for source in by_belief(list(found), self.settings) for one in found[source]]

    def stays(self, span: TimeRange, *, civil: bool) -> Sequence[tuple[Source, Sequence[Stay]]]:
        """Return the codes of each source in a range, the most believed first. Raises QueryTooLarge."""
        found = {
            source: [_stay(one, span.kind) for one in samples] for source, samples in self._opened(span, civil=civil)
        }
        return [(source, found[source]) for source in by_belief(list(found), self.settings)]

    def _blocks(self, span: TimeRange, *, civil: bool) -> Iterator[tuple[Source, Sequence[Block]]]:
        near = [one for one in self._near(span) if _has(one, span.kind)]
        wide = next((one.descriptor for one in near if one.descriptor.channels > 1 and within(one, span)), None)
        if wide is not None:
            raise AggregateInapplicable("metric", f"a recording of {wide.metric} has {wide.channels} values a sample")
        if not near:
            return
        # A value that stands for longer than a minute reaches into the range from before.
        long_ms = max(0 if one.descriptor.period_ms is None else one.descriptor.period_ms for one in near)
        start_ms = span.start_ms - (long_ms if long_ms > MINUTE_MS else 0)
        blocks = self.read.blocks(
            self.account_id, self.metric.metric, self.source, span.kind, start_ms, span.end_ms, Tally()
        )
        known = (block for block in blocks if not civil or block.utc_offset_s is not None)
        count = 0
        for source, theirs in itertools.groupby(known, key=lambda block: block.source):
            kept = list[Block]()
            for block in theirs:
                kept.append(block)
                count += len(block.values)
                if count > self.values_max:
                    raise too_many_values(self.values_max)
            self.taken += sum(len(block.values) for block in kept)
            yield source, kept

    def _series_said(self, source: Source, blocks: Sequence[Block], span: TimeRange) -> Said:
        times = _times(blocks)
        values = np.concatenate([block.values for block in blocks], dtype=np.float64)
        values += 0.0  # -0.0 becomes 0.0: it is no other number
        until = None
        if any(_is_long(block) for block in blocks):
            stands_ms = [(block.period_ms or 0) if _is_long(block) else 0 for block in blocks]
            until = times + np.repeat(stands_ms, [len(block.values) for block in blocks])
        said = Said(source, times, values, until)
        if until is not None or np.isnan(values.min()):
            said = only(said, ~np.isnan(values) & (said.last_ms >= span.start_ms))
        if span.kind is TimeKind.CIVIL:  # the clock may have been moved back
            said = only(said, np.argsort(said.at_ms, kind="stable"))
        return self._worn(said, span) if self.metric.has_days else said

    def _opened(self, span: TimeRange, *, civil: bool) -> Iterator[tuple[Source, Sequence[Sample]]]:
        """Yield each source's samples that overlap a range or begin in it, by their start."""
        rows = [one for one in self._rows(span) if not civil or one.start.civil_ms is not None]
        if not rows:
            return
        self.taken += SAMPLE_VALUES * len(rows)
        seal = SampleSeal(self.account_id, self.keys.data_key(self.account_id))
        by_source: dict[Source, list[Sample]] = defaultdict(list)
        for row in rows:
            by_source[row.source].append(seal.open(row))
        yield from by_source.items()

    def _rows(self, span: TimeRange) -> Sequence[StoredSample]:
        """List samples that overlap a range or begin in it; what was listed for a wider one is not asked for again."""
        if self.metric.kind is Kind.SERIES:
            return ()
        if self._listed is None or not _contains(self._listed[0], span):
            self._listed = (span, self._all(self.source, span))
        listed, rows = self._listed
        if listed == span:
            return rows
        starts = ((_at(one, span.kind), one) for one in rows)
        return [
            one
            for at, one in starts
            if at < span.end_ms and (at >= span.start_ms or at + one.duration_ms > span.start_ms)
        ]

    def _all(self, source: Source | None, span: TimeRange) -> Sequence[StoredSample]:
        found, place = list[StoredSample](), None
        while page := self.samples.list(self.account_id, self._names, source, span, place, SAMPLES_PAGE):
            found += page
            if len(found) > self.samples_max:
                advice = "ask for shorter buckets, or for one source"
                raise QueryTooLarge("samples in one bucket", self.samples_max, advice)
            if len(page) < SAMPLES_PAGE:
                break
            place = (0, _at(page[-1], span.kind), page[-1].sample_id)
        return found

    # ---- wear --------------------------------------------------------------------------------------------------------

    def _worn(self, said: Said, span: TimeRange) -> Said:
        """Put apart what the source's Days call not worn, worked out as they are; none is below 0, as there."""
        days = range(span.start_ms // DAY_MS - 1, span.end_ms // DAY_MS + 2)
        track = Track(self.account_id, self.metric.metric, said.source)
        reels = Reels(self.series, self.keys, [(track, days)])
        idle, apart = np.zeros(len(said.at_ms), dtype=bool), np.zeros(len(said.at_ms), dtype=bool)
        for day in days:
            parts = reels.parts(track, range(day, day + 1))
            if span.kind is TimeKind.INSTANT:  # a day lies on one axis: what floats would take all of it with it
                parts = [part for part in parts if not part.floating]
                _mark(apart, said.at_ms, [part for one in parts for part in _without_civil(one)], day, span.kind)
            _mark(idle, said.at_ms, parts, day, span.kind)
        idle |= apart
        return replace(only(said, ~idle & (said.values >= 0)), idle_ms=said.at_ms[idle])


def _mark(idle: NDArray[np.bool_], at_ms: NDArray[np.int64], parts: Sequence[Part], day: int, kind: TimeKind) -> None:
    """Mark which of these samples, in order, are minutes of a day that were recorded and not worn."""
    for start_ms, mask in _idle_of(parts, day, kind):
        low, high = np.searchsorted(at_ms, [start_ms, start_ms + len(mask) * MINUTE_MS])
        idle[low:high] = mask[(at_ms[low:high] - start_ms) // MINUTE_MS]


def _idle_of(parts: Sequence[Part], day: int, kind: TimeKind) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield runs of minutes, each with when it begins on the axis and which of them were recorded and not worn."""
    grid = day_grid(parts, day) if parts else None
    if grid is None:
        return
    idle = (np.isfinite(grid.counts) & ~day_wear(grid))[grid.core]
    if kind is TimeKind.INSTANT:
        yield grid.start_ms, idle
        return
    # By the person's clock, which may move within the day: in runs of minutes that follow each other.
    civil = grid.civil[grid.core]
    cuts = [0, *(np.flatnonzero(np.diff(civil) != 1) + 1).tolist(), len(civil)]
    yield from ((int(civil[low]) * MINUTE_MS, idle[low:high]) for low, high in itertools.pairwise(cuts))


def _without_civil(part: Part) -> Iterator[Part]:
    """Yield what has no civil time as if its clock showed UTC, so that wear is judged in pieces of a day there, too."""
    known_from = part.clock.known_from_ms
    if known_from == 0:
        return
    count = len(part.counts) if known_from is None else max(0, -(-known_from // part.period_ms) - part.first_sample)
    clock = Clock(Start(StartKind.OFFSET, part.clock.axis_ms, 0))
    if part.counts[:count].size:
        yield Part(part.upload, clock, part.first_sample, part.counts[:count])


# ---- one by one ------------------------------------------------------------------------------------------------------


def _has(upload: StoredUpload, kind: TimeKind) -> bool:
    """Tell whether an upload has this kind of time."""
    start = upload.descriptor.start.kind
    if kind is TimeKind.INSTANT:
        return start is not StartKind.FLOATING
    return start is not StartKind.INSTANT or bool(upload.offset_changes)


def _value_count(upload: StoredUpload, span: TimeRange) -> int:
    """Return about how many values an upload has in a range."""
    parts = within(upload, span)
    return upload.committed * sum(end - start for start, end in parts) // max(1, elapsed_end(upload))


def _is_long(block: Block) -> bool:
    """Whether a value stands for longer than the minute in which it begins."""
    return block.period_ms is not None and block.period_ms > MINUTE_MS


def _times(blocks: Sequence[Block]) -> NDArray[np.int64]:
    times, at = np.empty(sum(len(block.values) for block in blocks), dtype=np.int64), 0
    for block in blocks:
        times[at : (at := at + len(block.values))] = block.times_ms
    return times


def _samples_said(source: Source, samples: Sequence[Sample], metric: str, kind: TimeKind) -> Said:
    numbers = [(one, value) for one in samples if (value := _number(one, metric)) is not None]
    times = np.array([_moment(one, kind) for one, _ in numbers], dtype=np.int64)
    values = np.array([value for _, value in numbers], dtype=np.float64) + 0.0
    lasting = np.array([one.duration_ms for one, _ in numbers], dtype=np.int64)
    return Said(source, times, values, times + lasting if lasting.any() else None)


def _number(sample: Sample, metric: str) -> float | None:
    """Return a sample's value of a metric; None where a correlation has no such part."""
    if isinstance(sample.value, tuple):
        return dict(sample.value).get(metric)
    return None if isinstance(sample.value, Coded) else sample.value


def _stay(sample: Sample, kind: TimeKind) -> Stay:
    assert isinstance(sample.value, Coded), "a category has codes"
    start_ms = _moment(sample, kind)
    return Stay(start_ms, start_ms + sample.duration_ms, sample.value.code, sample.client_record_id)


def _moment(sample: Sample, kind: TimeKind) -> int:
    ms = sample.start.instant_ms if kind is TimeKind.INSTANT else sample.start.civil_ms
    assert ms is not None, "it was found by this kind of time"
    return ms


def _at(stored: StoredSample, kind: TimeKind) -> int:
    ms = stored.start.instant_ms if kind is TimeKind.INSTANT else stored.start.civil_ms
    assert ms is not None, "it was found by this kind of time"
    return ms


def _instant(stored: StoredSample) -> int:
    return _at(stored, TimeKind.INSTANT)


def _contains(outer: TimeRange, inner: TimeRange) -> bool:
    return outer.kind is inner.kind and outer.start_ms <= inner.start_ms and inner.end_ms <= outer.end_ms

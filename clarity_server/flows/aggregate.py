"""Aggregate: sum up samples and series over buckets of time, one source believed in each minute."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain import metrics, paging
from clarity_server.domain.buckets import (
    APPLICABLE,
    BUCKETS_MAX,
    PAGE_BUCKETS,
    PAGE_BUCKETS_MAX,
    Bucket,
    BucketState,
    CodeDuration,
    Function,
    Share,
    Unit,
)
from clarity_server.domain.civil import DAY_MS, MINUTE_MS, TimeKind, TimeRange, as_date, tzdata_version
from clarity_server.domain.errors import AggregateInapplicable, InvalidInput, QueryTooLarge, TimeKindWrong
from clarity_server.domain.metrics import Aggregation, Metric
from clarity_server.domain.samples import SourceSetting, by_belief
from clarity_server.domain.series import Source
from clarity_server.domain.stretches import LANES, Stay, Stretch, durations, joined, lane_of, one_at_a_time, within
from clarity_server.domain.summing import (
    NOBODY,
    VALUES_MAX,
    Belief,
    Ground,
    Heard,
    Said,
    begun,
    believe,
    exact_sums,
    parts,
)
from clarity_server.flows.read import Read
from clarity_server.flows.voices import SAMPLES_MAX, Speakers, Voices
from clarity_server.ports import Keys, Samples, Series, Sources

MONDAY = 4  # 1970-01-05, in days since 1970-01-01
PAGE_BYTES = 3 * 1024 * 1024  # about, as a message
# Bytes of a message, on the safe side.
BUCKET_BYTES = 160
PERCENTILE_BYTES = 20
CODE_BYTES = 100
CODES_USUAL = 20  # in a bucket of a metric that takes any code
PAGE_VALUES = 8 * VALUES_MAX  # then a page ends early, so that no call takes too long


@dataclass(frozen=True, slots=True)
class Query:
    """What to sum up. Physical buckets have a length, civil ones a unit; no functions stand for all that apply."""

    metric: str
    source: Source | None
    range: TimeRange
    length_ms: int | None = None
    unit: Unit | None = None
    functions: frozenset[Function] = frozenset()
    percentiles: tuple[float, ...] = ()
    show_sources: bool = False


@dataclass(frozen=True, slots=True)
class AggregatePage:
    """A page of buckets, in order, with values or without."""

    buckets: Sequence[Bucket]
    token: str
    ucum_unit: str
    sources: Sequence[Source]  # that speak of the range, the most believed first
    tzdata_version: str  # empty where none was needed
    sum_ucum_unit: str


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The verb, over its ports."""

    samples: Samples
    series: Series
    sources: Sources
    read: Read
    keys: Keys
    page_values: int = PAGE_VALUES
    values_max: int = VALUES_MAX
    samples_max: int = SAMPLES_MAX

    def page(self, account_id: str, query: Query, page_size: int, token: str) -> AggregatePage:
        """Return a page of buckets and the next token. A page may end early where there is much in its buckets.

        Raises MetricUnknown, InvalidInput, AggregateInapplicable, TimeKindWrong, QueryTooLarge, PageTokenInvalid.
        """
        metric = metrics.find(query.metric)
        query = replace(query, functions=_functions(query, metric))
        borders = _borders(query)
        key, bound = self.keys.derived("page-token"), _bound(account_id, query)
        place = paging.position(key, bound, token)
        first = 0 if place is None else int(place[0])
        last = min(first + min(page_size or PAGE_BUCKETS, PAGE_BUCKETS_MAX), borders.count)
        settings = self.sources.settings(account_id)
        ports = (self.samples, self.series, self.read, self.keys)
        limits = (self.values_max, self.samples_max)
        voices = Voices(*ports, account_id, metric, query.source, settings, *limits)
        speakers = voices.speakers(query.range)
        told = _Telling(query, metric, borders, voices, speakers, _axis(query, voices, speakers))
        last = min(last, first + max(1, PAGE_BYTES // _bucket_bytes(query, metric, speakers.sources)))
        buckets = told.buckets(first, last, self.page_values)
        at = first + len(buckets)
        return AggregatePage(
            buckets=buckets,
            token=paging.page_token(key, bound, [at]) if at < borders.count else "",
            ucum_unit=metric.ucum_unit,
            sum_ucum_unit=metric.sum_ucum_unit,
            sources=speakers.sources,
            tzdata_version=tzdata_version() if query.unit is not None and speakers.zoned else "",
        )


def _bound(account_id: str, query: Query) -> Sequence[object]:
    """Return what a page token is bound to: all of a query, spelled in one way only."""
    asked = (query.metric, query.source, query.range, query.length_ms, query.unit, query.percentiles)
    return ("aggregate", account_id, *asked, sorted(query.functions), query.show_sources)


def _functions(query: Query, metric: Metric) -> frozenset[Function]:
    """Return the functions asked for, or all that apply. Raises AggregateInapplicable."""
    there = APPLICABLE[metric.aggregation]
    if not there:
        raise AggregateInapplicable("metric", f"{metric.metric} is not summed up; see Metric.aggregation")
    wrong = query.functions - there
    if wrong:
        names = ", ".join(one.name for one in sorted(wrong))
        raise AggregateInapplicable("functions", f"{metric.metric} has no {names}; see Metric.aggregation")
    unnamed = there if query.percentiles else there - {Function.PERCENTILES}
    asked = query.functions or unnamed
    if query.percentiles and Function.PERCENTILES not in asked:
        raise AggregateInapplicable("percentiles", "goes only with the function PERCENTILES")
    if Function.PERCENTILES in asked and not query.percentiles:
        raise AggregateInapplicable("percentiles", "says which ones; it is empty")
    return asked


def _bucket_bytes(query: Query, metric: Metric, sources: Sequence[Source]) -> int:
    """Return about how many bytes a bucket takes in an answer, with what each source says of it where that is asked."""
    codes = (len(metric.codes) or CODES_USUAL) if Function.DURATION in query.functions else 0
    one = BUCKET_BYTES + PERCENTILE_BYTES * len(query.percentiles) + CODE_BYTES * codes
    told = sources if query.show_sources else ()
    return one + sum(one + len(source.device.encode()) + len(source.app.encode()) for source in told)


def _axis(query: Query, voices: Voices, speakers: Speakers) -> TimeKind:
    """Return the kind of time in which all is laid side by side. Raises TimeKindWrong."""
    if speakers.floating and speakers.placed and len(speakers.sources) > 1:
        raise TimeKindWrong(
            f"some sources of {query.metric} have floating times and others instants: nobody knows how they lie side "
            "by side; name one `source`"
        )
    if speakers.floating:
        return TimeKind.CIVIL
    if not speakers.placed and not voices.ever(query.range.kind) and voices.ever(None):
        raise TimeKindWrong(f"nothing of {query.metric} has {query.range.kind} time; all has the other kind")
    return TimeKind.INSTANT


# ---- where buckets lie -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Borders:
    """Where the buckets of a range begin and end, on its kind of time."""

    start_ms: int
    end_ms: int
    length_ms: int | None = None
    days: Sequence[int] = ()  # of civil buckets

    @property
    def count(self) -> int:
        """How many buckets there are."""
        return len(self.days) - 1 if self.length_ms is None else -(-(self.end_ms - self.start_ms) // self.length_ms)

    def edges(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the borders of buckets [first, last), shape (last - first + 1,)."""
        if self.length_ms is None:
            return np.array(self.days[first : last + 1], dtype=np.int64) * DAY_MS
        return np.minimum(self.start_ms + np.arange(first, last + 1, dtype=np.int64) * self.length_ms, self.end_ms)


def _borders(query: Query) -> _Borders:
    """Return the buckets of a range. Raises TimeKindWrong, InvalidInput, QueryTooLarge."""
    span, civil = query.range, query.range.kind is TimeKind.CIVIL
    if civil != (query.unit is not None):
        raise TimeKindWrong("a civil range goes with civil buckets, and a range of instants with physical ones")
    if query.unit is None:
        borders = _Borders(span.start_ms, span.end_ms, query.length_ms)
    else:
        wrong = {
            f"civil__{name}": f"must be where a {query.unit.name.lower()} begins"
            for name, ms in (("start", span.start_ms), ("end", span.end_ms))
            if ms % DAY_MS or not _begins(query.unit, ms // DAY_MS)
        }
        if wrong:
            raise InvalidInput(**wrong)
        days = range(span.start_ms // DAY_MS, span.end_ms // DAY_MS + 1)
        borders = _Borders(span.start_ms, span.end_ms, days=[day for day in days if _begins(query.unit, day)])
    if borders.count > BUCKETS_MAX:
        raise QueryTooLarge("buckets in a range", BUCKETS_MAX, "ask for longer buckets, or for a shorter range")
    return borders


def _begins(unit: Unit, day: int) -> bool:
    """Tell whether a bucket begins on a civil day."""
    if unit is Unit.MONTH:
        return as_date(day).day == 1
    return unit is Unit.DAY or day % 7 == MONDAY


# ---- what is told of them --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lane:
    """What voices say that exclude each other; of codes, the stretches of each, too."""

    heard: Sequence[Heard]
    stretches: Sequence[Sequence[Stretch]] = ()

    def of(self, source: Source) -> "_Lane":
        """Return what one source says."""
        mine = [place for place, one in enumerate(self.heard) if one.said.source == source]
        return _Lane([self.heard[at] for at in mine], [self.stretches[at] for at in mine] if self.stretches else ())


@dataclass(frozen=True, slots=True)
class _Stand:
    """Some buckets: where they begin and end as it is told, and on the axis."""

    told_ms: NDArray[np.int64]  # (buckets + 1,)
    ground: Ground


@dataclass(frozen=True, slots=True)
class _Telling:
    """One call's buckets."""

    query: Query
    metric: Metric
    borders: _Borders
    voices: Voices
    speakers: Speakers
    axis: TimeKind

    def buckets(self, first: int, last: int, values_max: int) -> Sequence[Bucket]:
        """Tell of buckets [first, last), as many at a time as may be held; fewer where they have too much in them.

        Raises QueryTooLarge where one alone has too much in it.
        """
        found, step = list[Bucket](), self._step(last - first)
        while (at := first + len(found)) < last and (not found or self.voices.taken < values_max):
            try:
                found += self._some(at, min(at + step, last))
            except QueryTooLarge:
                if step == 1:
                    raise
                step = max(1, step // 2)
        return found

    def _step(self, count: int) -> int:
        """Return how many buckets at a time are likely to fit."""
        per_bucket = self.speakers.values / max(1, self.borders.count)
        return max(1, min(count, int(self.voices.values_max / 2 / max(1e-9, per_bucket))))

    def _some(self, first: int, last: int) -> Sequence[Bucket]:
        told_ms = self.borders.edges(first, last)
        edges_ms = told_ms
        if self.query.unit is not None and self.axis is TimeKind.INSTANT:
            edges_ms = self.voices.borders((told_ms // DAY_MS).tolist())
        coded = self.metric.aggregation is Aggregation.DURATION
        # Whether a stretch begins in the first bucket is known from the minute before.
        stand = _Stand(told_ms, Ground(edges_ms, lead_minutes=int(coded)))
        lanes = self._lanes(stand.ground) if stand.ground.count else [_Lane([])]
        return _told(self.query, stand, lanes, self.voices.settings)

    def _lanes(self, ground: Ground) -> Sequence[_Lane]:
        span, civil = TimeRange(self.axis, *ground.span_ms), self.query.unit is not None
        # Where all is laid on civil time nothing else is found; on instants an unknown offset has to be left out.
        if self.metric.aggregation is not Aggregation.DURATION:
            said = self.voices.said(span, civil=civil and self.axis is TimeKind.INSTANT)
            return [_Lane([Heard(ground, one) for one in said])]
        stays = self.voices.stays(span, civil=civil and self.axis is TimeKind.INSTANT)
        return [_coded_lane(ground, stays, number) for number in LANES]


def _coded_lane(ground: Ground, stays: Sequence[tuple[Source, Sequence[Stay]]], number: int) -> _Lane:
    mine = [(source, [stay for stay in theirs if lane_of(stay.code) == number]) for source, theirs in stays]
    mine = [(source, theirs) for source, theirs in mine if theirs]
    return _Lane(
        [Heard(ground, _occupied(source, theirs)) for source, theirs in mine],
        [one_at_a_time(theirs) for _, theirs in mine],
    )


def _occupied(source: Source, stays: Sequence[Stay]) -> Said:
    times = np.array([(one.start_ms, one.end_ms) for one in stays], dtype=np.int64)
    return Said(source, times[:, 0], np.zeros(len(times)), times[:, 1])


def _told(query: Query, stand: _Stand, lanes: Sequence[_Lane], settings: Sequence[SourceSetting]) -> Sequence[Bucket]:
    """Tell what these voices say of some buckets."""
    beliefs = [believe(stand.ground, lane.heard) for lane in lanes]
    buckets = _summed(query, stand, lanes, beliefs)
    if not query.show_sources:
        return buckets
    sources = by_belief([one.said.source for lane in lanes for one in lane.heard], settings)
    shares = [_shares(query, stand, lanes, beliefs, source) for source in sources]
    return [
        replace(bucket, shares=tuple(share for share in theirs if share.alone.state is not BucketState.UNSET))
        for bucket, *theirs in zip(buckets, *shares, strict=True)
    ]


def _shares(
    query: Query, stand: _Stand, lanes: Sequence[_Lane], beliefs: Sequence[Belief], source: Source
) -> Sequence[Share]:
    """Return what one source says of each bucket, and for how much of it it is believed."""
    own = [lane.of(source) for lane in lanes]
    alone = _summed(query, stand, own, [believe(stand.ground, lane.heard) for lane in own])
    chosen = stand.ground.counted(np.logical_or.reduce([belief.chosen(source) for belief in beliefs])).tolist()
    return [
        Share(source, minutes, bucket.covered_minutes - minutes, bucket)
        for minutes, bucket in zip(chosen, alone, strict=True)
    ]


def _summed(query: Query, stand: _Stand, lanes: Sequence[_Lane], beliefs: Sequence[Belief]) -> Sequence[Bucket]:
    ground = stand.ground
    spoken = np.logical_or.reduce([belief.cells != NOBODY for belief in beliefs])
    idle = np.logical_or.reduce([belief.idle for belief in beliefs]) & ~spoken
    covered, not_worn = ground.counted(spoken), ground.counted(idle)
    unset = ground.minutes - covered - not_worn
    columns = (stand.told_ms[:-1], stand.told_ms[1:], np.diff(ground.edges_ms), covered, not_worn, unset)
    told = _columns(query, ground, lanes, beliefs)
    found = list[Bucket]()
    for at, (start, end, length, *minutes) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        state = _state(minutes[0], minutes[1])
        fields = {name: column[at] for name, column in told.items()} if state is BucketState.VALUE else {}
        found.append(Bucket(start, end, length, state, *minutes, **fields))
    return found


def _state(covered_minutes: int, not_worn_minutes: int) -> BucketState:
    if covered_minutes:
        return BucketState.VALUE
    return BucketState.NOT_WORN if not_worn_minutes else BucketState.UNSET


def _columns(
    query: Query, ground: Ground, lanes: Sequence[_Lane], beliefs: Sequence[Belief]
) -> Mapping[str, Sequence[Any]]:
    """Return what the functions asked for say of each bucket, by the name of their field."""
    asked, began = query.functions, [begun(belief) for belief in beliefs]
    found: dict[str, Sequence[Any]] = {}
    if Function.COUNT in asked:
        found["count"] = np.sum([one.counts for one in began], axis=0).tolist()
    if Function.DURATION in asked:
        found["durations"] = _durations(ground, lanes, beliefs)
    if Function.SUM in asked:
        found["sum"] = exact_sums(parts(beliefs[0])).tolist()
    if asked & {Function.MEAN, Function.MIN, Function.MAX}:
        there = (began[0].counts > 0).tolist()
        lows, highs = began[0].reduced(np.minimum), began[0].reduced(np.maximum)
        # Rounded twice it may lie just outside of what it is the mean of.
        means = np.clip(exact_sums(began[0]) / np.maximum(began[0].counts, 1), lows, highs)
        numbers = {Function.MEAN: ("mean", means), Function.MIN: ("min", lows), Function.MAX: ("max", highs)}
        for name, column in (numbers[one] for one in numbers if one in asked):
            found[name] = [value if some else None for value, some in zip(column.tolist(), there, strict=True)]
    if Function.PERCENTILES in asked:
        values = began[0].percentiles(query.percentiles).tolist()
        found["percentiles"] = [
            tuple(zip(query.percentiles, row, strict=True)) if some else ()
            for row, some in zip(values, began[0].counts.tolist(), strict=True)
        ]
    return found


def _durations(ground: Ground, lanes: Sequence[_Lane], beliefs: Sequence[Belief]) -> Sequence[tuple[CodeDuration, ...]]:
    """Return how long each code lasts in each bucket while its source is believed."""
    found: list[dict[str, tuple[int, int]]] = [{} for _ in ground.edges_ms[1:]]
    for lane, belief in zip(lanes, beliefs, strict=True):
        mine = (
            within(stretches, belief.minutes == place, ground.span_ms[0], MINUTE_MS)
            for place, stretches in enumerate(lane.stretches)
        )
        told = durations(joined(itertools.chain.from_iterable(mine)), ground.edges_ms.tolist())
        for codes, more in zip(found, told, strict=True):
            codes.update(more)
    return [
        tuple(CodeDuration(code, lasted, count) for code, (lasted, count) in sorted(codes.items())) for codes in found
    ]

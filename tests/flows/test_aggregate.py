"""Sums are those that a slow and simple working out comes to, whatever came when and however it was cut."""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clarity_server.domain.buckets import Bucket, BucketState, CodeDuration, Function, Unit
from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.errors import (
    AggregateInapplicable,
    InvalidInput,
    MetricUnknown,
    PageTokenInvalid,
    QueryTooLarge,
    TimeKindWrong,
)
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.domain.samples import DeviceKind, Moment, Sample, SourceSetting, Wanted
from clarity_server.domain.series import Descriptor, Source
from clarity_server.flows.aggregate import Query
from clarity_server.flows.deleted import Deletions
from clarity_server.services.wire_samples import to_aggregate
from tests.flows.aggregate_world import (
    HOUR_MS,
    PHONE,
    WATCH,
    aggregate,
    believe,
    buckets,
    floating,
    instant,
    put,
    sample,
)
from tests.flows.naive_sums import Item, Seen, Told, naive_borders, naive_durations, naive_sums
from tests.flows.test_read import naive
from tests.flows.upload_world import ACCOUNT, COUNTS, HEART, Recording, UploadWorld, float32, fresh_account

NOON = 20_000 * DAY_MS + 12 * HOUR_MS
RING = Source("ring", "")
SOURCES = (WATCH, PHONE, RING)
COMMON = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def physical(metric: str, start_ms: int, end_ms: int, length_ms: int, **more: object) -> Query:
    span = TimeRange(TimeKind.INSTANT, start_ms, end_ms)
    return Query(metric, None, span, length_ms=length_ms, **more)  # type: ignore[arg-type]


def civil(metric: str, first: str, last: str, unit: Unit = Unit.DAY, **more: object) -> Query:
    span = TimeRange(TimeKind.CIVIL, civil_ms(first), civil_ms(last))
    return Query(metric, None, span, unit=unit, **more)  # type: ignore[arg-type]


def civil_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def in_zone(zone: str, text: str) -> Moment:
    """A wall-clock time of a zone, as a client's phone tells it."""
    at = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    offset = at.utcoffset()
    assert offset is not None
    return Moment(civil_ms(text) - int(offset.total_seconds() * 1000), civil_ms(text))


# ---- random worlds ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """What several sources say of a few hours."""

    metric: str
    recordings: tuple[Recording, ...]
    samples: tuple[Sample, ...]
    settings: tuple[SourceSetting, ...]

    def items(self) -> list[Item]:
        found = list[Item]()
        for source in SOURCES:
            theirs = [one for one in self.recordings if one.descriptor.source == source]
            periods = {one.upload_id: one.descriptor.period_ms or 0 for one in theirs}
            read, _ = naive(theirs, TimeKind.INSTANT, (-(10**15), 10**15))
            for one in read:
                (value,) = np.frombuffer(one.values, "<f4").tolist()
                stands = periods[one.upload_id] if periods[one.upload_id] > MINUTE_MS else 0
                if not math.isnan(value):
                    found.append(Item(source, True, one.ms, one.ms + stands, value))
        return found + [
            Item(
                one.source,
                False,
                one.start.axis_ms,
                one.start.axis_ms + one.duration_ms,
                one.value,
                one.client_record_id,
            )
            for one in self.samples
            if not isinstance(one.value, tuple)
        ]

    def told(self, edges: Sequence[int]) -> list[Told]:
        return naive_sums(self.items(), edges, {one.source: one for one in self.settings})

    def write(self, uploads: UploadWorld, seed: int = 0) -> str:
        """Write it all to an account of its own, in an order and in pieces that the seed says."""
        account_id, rng = fresh_account(uploads), random.Random(seed)
        acts: list[Recording | Sample] = [*self.recordings, *self.samples]
        rng.shuffle(acts)
        for act in acts:
            if isinstance(act, Recording):
                uploads.upload(act, account_id, step=rng.choice([7, 40, 1000]), finish=rng.random() < 0.5)
            else:
                put(uploads, [act], account_id)
        believe(uploads, *self.settings, account_id=account_id)
        return account_id


@st.composite
def some_recordings(draw: st.DrawFn, metric: str) -> list[Recording]:
    found = []
    for upload_id in draw(st.lists(st.sampled_from("abcd"), max_size=3, unique=True)):
        rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
        count = draw(st.integers(1, 60))
        period = draw(st.sampled_from([None, 5_000, 45_000, MINUTE_MS, 150_000, 11 * MINUTE_MS]))
        offsets = None if period else np.cumsum(rng.integers(1, draw(st.sampled_from([1000, 3 * MINUTE_MS])), count))
        values = rng.integers(0, 9, count).astype(np.float32) if draw(st.booleans()) else rng.normal(9, 3, count)
        values = np.where(rng.random(count) < 0.2, np.nan, values).astype(np.float32)
        values.view("<u4")[np.isnan(values)] = 0x7FC00000
        start = Start(
            StartKind.INSTANT, NOON + draw(st.integers(-120, 120)) * 30_000 + draw(st.sampled_from([0, 1, 777]))
        )
        revision = draw(st.integers(0, 1))
        source = draw(st.sampled_from(SOURCES))
        descriptor = Descriptor(metric, source, start, period, revision=revision)
        found.append(
            Recording(upload_id, descriptor, float32(values), None if offsets is None else offsets - offsets[0])
        )
    return found


@st.composite
def some_samples(draw: st.DrawFn, metric: str, codes: Sequence[str] = ()) -> list[Sample]:
    count = draw(st.integers(0, 12))
    found = []
    for index in range(count):
        start = NOON + draw(st.integers(-4000, 4000)) * 1000
        duration = draw(st.sampled_from([0, 1, 17, 59, 60, 61, 600, 3600, 20_000])) * 1000
        value = draw(st.sampled_from(codes)) if codes else draw(st.one_of(st.integers(0, 50), st.floats(0, 50)))
        found.append(sample(metric, draw(st.sampled_from(SOURCES)), f"{index:02}", instant(start), value, duration))
    return found


@st.composite
def settings_said(draw: st.DrawFn) -> tuple[SourceSetting, ...]:
    kinds, priorities = st.sampled_from(list(DeviceKind)), st.sampled_from([0, 0, 1, 5])
    return tuple(SourceSetting(source, draw(kinds), draw(priorities)) for source in SOURCES)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    metric = draw(st.sampled_from(["step_count", "heart_rate"]))
    recordings, samples = draw(some_recordings(metric)), draw(some_samples(metric))
    there = {one.descriptor.source for one in recordings} | {one.source for one in samples}
    said = tuple(one for one in draw(settings_said()) if one.source in there)
    return Story(metric, tuple(recordings), tuple(samples), said)


@st.composite
def lengths(draw: st.DrawFn) -> tuple[int, int, int]:
    """Start, end and length of physical buckets."""
    length = draw(st.sampled_from([1, 7, 60, 90, 600, 3600, 86_400])) * 1000
    start = NOON + draw(st.integers(-3000, 3000)) * 1000 + draw(st.sampled_from([0, 0, 500]))
    return start, start + draw(st.integers(1, 30 * length)), length


def edges_of(start: int, end: int, length: int) -> list[int]:
    return [*range(start, end, length), end]


@COMMON
@given(stories(), lengths(), st.integers(1, 9))
def test_sums_are_those_of_a_naive_working_out(
    uploads: UploadWorld, story: Story, where: tuple[int, int, int], page_size: int
) -> None:
    account_id = story.write(uploads)
    query = physical(story.metric, *where)
    spread = story.metric == "heart_rate"
    query = replace(query, percentiles=(0.0, 25.0, 99.5) if spread else ())
    found = buckets(uploads, query, account_id, page_size)
    told = story.told(edges_of(*where))
    assert [(one.start_ms, one.end_ms) for one in found] == list(
        zip(edges_of(*where), edges_of(*where)[1:], strict=False)
    )
    for bucket, naively in zip(found, told, strict=True):
        assert bucket.length_ms == bucket.end_ms - bucket.start_ms
        assert (bucket.covered_minutes, bucket.unset_minutes) == (naively.covered, naively.minutes - naively.covered)
        assert bucket.state is (BucketState.VALUE if naively.covered else BucketState.UNSET)
        if not naively.covered:
            assert (bucket.count, bucket.sum, bucket.mean, bucket.min, bucket.percentiles) == (
                None,
                None,
                None,
                None,
                (),
            )
        elif spread:
            assert (bucket.count, bucket.sum, bucket.mean) == (naively.count, None, naively.mean)
            assert (bucket.min, bucket.max) == (min(naively.values, default=None), max(naively.values, default=None))
            wanted = [(which, naively.percentile(which)) for which in query.percentiles] if naively.values else []
            assert [which for which, _ in bucket.percentiles] == [which for which, _ in wanted]
            assert [value for _, value in bucket.percentiles] == pytest.approx(
                [value for _, value in wanted], rel=1e-12
            )
        else:
            assert (bucket.count, bucket.sum, bucket.mean) == (naively.count, naively.sum, None)


@COMMON
@given(stories(), lengths())
def test_what_each_source_says_is_what_it_would_say_alone(
    uploads: UploadWorld, story: Story, where: tuple[int, int, int]
) -> None:
    account_id = story.write(uploads)
    query = replace(physical(story.metric, *where), show_sources=True)
    found = buckets(uploads, query, account_id)
    assert [replace(one, shares=()) for one in found] == buckets(
        uploads, replace(query, show_sources=False), account_id
    )
    for source in SOURCES:
        alone = buckets(uploads, replace(query, source=source, show_sources=False), account_id)
        for bucket, lonely in zip(found, alone, strict=True):
            shares = [share for share in bucket.shares if share.source == source]
            assert [share.alone for share in shares] == ([lonely] if lonely.state is BucketState.VALUE else [])
    for bucket in found:
        assert sum(share.chosen_minutes for share in bucket.shares) == bucket.covered_minutes
        assert all(share.passed_over_minutes >= 0 for share in bucket.shares)


@settings(COMMON, max_examples=25)
@given(stories(), lengths(), st.integers(0, 1 << 20))
def test_the_order_in_which_data_came_changes_nothing(
    uploads: UploadWorld, story: Story, where: tuple[int, int, int], seed: int
) -> None:
    query = replace(physical(story.metric, *where), show_sources=True)
    first = buckets(uploads, query, story.write(uploads))
    assert repr(buckets(uploads, query, story.write(uploads, seed))) == repr(first)


@COMMON
@given(some_samples("sleep_stage", ["light", "deep", "rem", "in_bed"]), settings_said(), lengths())
def test_codes_last_as_long_as_a_naive_working_out_says(
    uploads: UploadWorld, samples: list[Sample], said: tuple[SourceSetting, ...], where: tuple[int, int, int]
) -> None:
    start, end, length = where
    start, end = start // 1000 * 1000, max(end // 1000, start // 1000 + 1) * 1000
    there = {one.source for one in samples}
    story = Story("sleep_stage", (), tuple(samples), tuple(one for one in said if one.source in there))
    found = buckets(uploads, physical("sleep_stage", start, end, length), story.write(uploads))
    told = naive_durations(story.items(), edges_of(start, end, length), {one.source: one for one in story.settings})
    for bucket, naively in zip(found, told, strict=True):
        assert (bucket.covered_minutes, bucket.unset_minutes) == (naively.covered, naively.minutes - naively.covered)
        assert bucket.count == (naively.count if naively.covered else None)
        assert {one.code: (one.duration_ms, one.count) for one in bucket.durations} == {
            code: (naively.lasted[code], naively.began[code])
            for code in {*naively.lasted, *naively.began}
            if naively.lasted[code] or naively.began[code]
        }
        assert sum(one.duration_ms for one in bucket.durations if one.code != "in_bed") <= bucket.length_ms


# ---- the calendar ----------------------------------------------------------------------------------------------------


def lengths_h(found: Sequence[Bucket]) -> list[float]:
    return [one.length_ms / HOUR_MS for one in found]


def walk(uploads: UploadWorld, zone: str, first: str, count: int) -> None:
    """A step at each half hour of a zone's clock, streamed as one recording: each counts 1."""
    descriptor = Descriptor("step_count", WATCH, Start(StartKind.ZONE, civil_ms(first), time_zone=zone), 30 * MINUTE_MS)
    uploads.upload(Recording("walk", descriptor, float32(np.ones(count, dtype=np.float32))))


@pytest.mark.parametrize(
    ("zone", "first", "last", "hours"),
    [
        ("America/New_York", "2024-03-09", "2024-03-12", [24, 23, 24]),
        ("America/New_York", "2024-11-02", "2024-11-05", [24, 25, 24]),
        ("Asia/Kolkata", "2024-03-30", "2024-04-02", [24, 24, 24]),
        ("Australia/Lord_Howe", "2024-04-06", "2024-04-09", [24, 24.5, 24]),
        ("Australia/Lord_Howe", "2024-10-05", "2024-10-08", [24, 23.5, 24]),
        ("Pacific/Apia", "2011-12-29", "2012-01-01", [24, 0, 24]),
        ("America/Toronto", "1919-03-29", "1919-04-02", [24, 23.5, 23.5, 24]),
    ],
)
def test_a_day_is_as_long_as_the_clock_says(
    uploads: UploadWorld, zone: str, first: str, last: str, hours: list[float]
) -> None:
    """With one step in each half hour a day's steps tell its length, too."""
    walk(uploads, zone, first, int(2 * sum(hours)))
    found = buckets(uploads, civil("step_count", first, last))
    assert lengths_h(found) == hours
    assert [one.sum for one in found] == [2 * length or None for length in hours]
    assert [one.covered_minutes for one in found] == [60 * length for length in hours]
    assert [one.state for one in found] == [BucketState.VALUE if length else BucketState.UNSET for length in hours]


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])
def test_samples_tell_the_clock_as_a_zone_does(uploads: UploadWorld, zone: str) -> None:
    """A phone knows only its own offset at each sample; a sample an hour is enough to tell the days."""
    begin = datetime(2011, 12, 20, tzinfo=ZoneInfo(zone)).timestamp()
    samples = []
    for hour in range(24 * 30):
        at = datetime.fromtimestamp(begin + hour * 3600, tz=ZoneInfo(zone))
        offset = at.utcoffset()
        assert offset is not None
        ms = int(at.timestamp() * 1000)
        samples.append(sample("step_count", PHONE, f"{hour}", instant(ms, int(offset.total_seconds())), 1))
    put(uploads, samples)
    by_phone = buckets(uploads, civil("step_count", "2011-12-21", "2012-01-15"))
    walk(uploads, zone, "2011-12-20", 48 * 30)
    by_both = buckets(uploads, civil("step_count", "2011-12-21", "2012-01-15"))
    assert lengths_h(by_phone) == lengths_h(by_both)
    assert [one.count or 0 for one in by_phone] == lengths_h(by_phone)


def test_weeks_begin_on_monday_and_months_on_the_first(uploads: UploadWorld) -> None:
    walk(uploads, "America/New_York", "2024-01-01", 48 * 366)
    weeks = buckets(uploads, civil("step_count", "2024-03-04", "2024-03-18", Unit.WEEK))
    assert [one.sum for one in weeks] == [7 * 48 - 2, 7 * 48]
    months = buckets(uploads, civil("step_count", "2024-01-01", "2025-01-01", Unit.MONTH))
    days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert lengths_h(months) == [day * 24 + {2: -1, 10: 1}.get(at, 0) for at, day in enumerate(days)]
    assert months[0].start_ms == civil_ms("2024-01-01")
    assert months[-1].end_ms == civil_ms("2025-01-01")


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("text", ["2024-03-05", "2024-03-04T12:00"])
def test_a_civil_range_begins_and_ends_with_a_bucket(uploads: UploadWorld, unit: Unit, text: str) -> None:
    if (unit, text) == (Unit.DAY, "2024-03-05"):
        return
    with pytest.raises(InvalidInput) as caught:
        buckets(uploads, civil("step_count", text, "2024-07-01", unit))
    assert "civil.start" in caught.value.violations


def test_a_journey_over_the_date_line_makes_a_day_as_long_as_it_was(uploads: UploadWorld) -> None:
    """From Honolulu west to Apia, which skips a day, and back, which repeats one."""
    west, east = -10 * 3600, 14 * 3600
    start = civil_ms("2024-05-01")
    samples = [
        sample(
            "step_count", PHONE, f"{hour}", instant(start + hour * HOUR_MS, west if not 60 <= hour < 130 else east), 1
        )
        for hour in range(240)
    ]
    put(uploads, samples)
    found = buckets(uploads, civil("step_count", "2024-05-01", "2024-05-10"))
    # 02:00 on the 3rd in Honolulu is 02:00 on the 4th in Apia; at 00:00 on the 7th it is the 6th again.
    assert lengths_h(found)[:4] == [24, 24, 2, 22]
    assert sum(lengths_h(found)) == (found[-1].end_ms - found[0].start_ms) / HOUR_MS
    assert [one.sum for one in found[1:-1]] == lengths_h(found)[1:-1]
    assert max(lengths_h(found)) > 24


def test_a_recording_that_floats_in_1918_has_days_of_24_hours(uploads: UploadWorld) -> None:
    start = civil_ms("1918-03-30")
    descriptor = Descriptor("step_count", WATCH, Start(StartKind.FLOATING, start), 30 * MINUTE_MS)
    uploads.upload(Recording("a", descriptor, float32(np.ones(48 * 3, dtype=np.float32))))
    put(uploads, [sample("step_count", WATCH, "1", floating(start + 3 * DAY_MS), 5)])
    found = buckets(uploads, civil("step_count", "1918-03-30", "1918-04-03"))
    assert lengths_h(found) == [24] * 4
    assert [one.sum for one in found] == [48, 48, 48, 5]
    page = aggregate(uploads).page(ACCOUNT, civil("step_count", "1918-03-30", "1918-04-03"), 0, "")
    assert page.tzdata_version == ""


def test_each_instant_is_on_one_day_where_two_clocks_disagree(uploads: UploadWorld) -> None:
    """A phone that moved on and a watch that did not: what is counted on two days in all is counted once."""
    night = civil_ms("2024-05-02")
    samples = [
        sample("step_count", source, f"{at}", instant(night + at * 10 * MINUTE_MS, offset), 1)
        for source, offset in ((PHONE, 3600), (WATCH, -3600))
        for at in range(-144, 144)
    ]
    put(uploads, samples)
    believe(uploads, SourceSetting(WATCH, DeviceKind.WATCH))
    found = buckets(uploads, civil("step_count", "2024-04-30", "2024-05-05"))
    assert sum(one.sum or 0 for one in found) == 288
    assert lengths_h(found) == [24] * 5


@settings(COMMON, max_examples=15)
@given(st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]), st.integers(0, 300), st.data())
def test_a_bucket_does_not_depend_on_the_range_it_was_asked_in(
    uploads: UploadWorld, zone: str, shift: int, data: st.DataObject
) -> None:
    """Sparse samples and short recordings, far apart: pages and shorter ranges have the same buckets."""
    account_id = fresh_account(uploads)
    first = civil_ms("2024-01-01") // DAY_MS + shift
    for index in range(data.draw(st.integers(0, 4))):
        day = data.draw(st.integers(-40, 60))
        at = (first + day) * DAY_MS + data.draw(st.integers(0, 23)) * HOUR_MS
        where = data.draw(st.sampled_from([zone, "Europe/Berlin", "Pacific/Kiritimati"]))
        if data.draw(st.booleans()):
            descriptor = Descriptor("step_count", WATCH, Start(StartKind.ZONE, at, time_zone=where), HOUR_MS)
            uploads.upload(Recording(f"{index}", descriptor, float32(np.ones(30, dtype=np.float32))), account_id)
        else:
            text = datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=None).isoformat()
            put(uploads, [sample("step_count", PHONE, f"{index}", in_zone(where, text), 1)], account_id)
    span = TimeRange(TimeKind.CIVIL, first * DAY_MS, (first + 20) * DAY_MS)
    query = Query("step_count", None, span, unit=Unit.DAY)
    whole = buckets(uploads, query, account_id)
    assert buckets(uploads, query, account_id, page_size=3) == whole
    low = data.draw(st.integers(0, 19))
    part = replace(query, range=TimeRange(TimeKind.CIVIL, span.start_ms + low * DAY_MS, span.end_ms))
    assert buckets(uploads, part, account_id) == whole[low:]


@st.composite
def journeys(draw: st.DrawFn) -> tuple[Story, list[Seen], int]:
    """A few days around a change of the clock, with people who move, and the clocks that they were seen to have."""
    zone, text = draw(st.sampled_from([("America/New_York", "2024-03-10"), ("Australia/Lord_Howe", "2024-04-07")]))
    noon, seen, recordings, samples = civil_ms(text) + 12 * HOUR_MS, list[Seen](), list[Recording](), list[Sample]()
    for upload_id in draw(st.lists(st.sampled_from("abcd"), max_size=3, unique=True)):
        start, where = noon + draw(st.integers(-90, 90)) * HOUR_MS, draw(st.sampled_from([zone, zone, "Asia/Kolkata"]))
        period, count = draw(st.sampled_from([5, 30, 60])) * MINUTE_MS, draw(st.integers(1, 60))
        source, revision = draw(st.sampled_from(SOURCES)), draw(st.integers(0, 1))
        moment = in_zone(where, datetime.fromtimestamp(start / 1000, UTC).replace(tzinfo=None).isoformat())
        began = Start(StartKind.ZONE, start, time_zone=where)
        descriptor = Descriptor("step_count", source, began, period, revision=revision)
        recordings.append(Recording(upload_id, descriptor, float32([float(at % 7) for at in range(count)])))
        spans = ((moment.axis_ms, moment.axis_ms + count * period),)
        seen.append(Seen(source, spans, (0, -revision, upload_id), where))
    for index in range(draw(st.integers(0, 14))):
        at = noon + draw(st.integers(-90 * 60, 90 * 60)) * MINUTE_MS
        offset = draw(st.sampled_from([-18_000, -14_400, 37_800, 39_600]))
        duration = draw(st.sampled_from([0, 10, 600])) * MINUTE_MS
        source = draw(st.sampled_from(SOURCES))
        samples.append(sample("step_count", source, f"{index:02}", instant(at, offset), index, duration))
    for source in {one.source for one in samples}:
        theirs = sorted((one for one in samples if one.source == source), key=lambda one: one.start.axis_ms)
        their_spans = tuple((one.start.axis_ms, one.start.axis_ms + one.duration_ms) for one in theirs)
        offsets = tuple((one.start.axis_ms, (one.start.civil_ms or 0) - one.start.axis_ms) for one in theirs)
        if len({at for at, _ in offsets}) == len(offsets):
            seen.append(Seen(source, their_spans, (1, 0, ""), offsets=offsets))
        else:  # which of two at one instant is read is told by their ids
            samples = [one for one in samples if one.source != source]
    there = {one.source for one in seen}
    said = tuple(one for one in draw(settings_said()) if one.source in there)
    return Story("step_count", tuple(recordings), tuple(samples), said), seen, noon // DAY_MS


@COMMON
@given(journeys())
def test_days_are_those_of_a_naive_working_out(uploads: UploadWorld, told: tuple[Story, list[Seen], int]) -> None:
    story, seen, day = told
    if not seen:
        return
    days, said = range(day - 5, day + 7), {one.source: one for one in story.settings}
    edges = naive_borders(seen, days, said)
    span = TimeRange(TimeKind.CIVIL, days[0] * DAY_MS, days[-1] * DAY_MS)
    found = buckets(uploads, Query("step_count", None, span, unit=Unit.DAY), story.write(uploads))
    assert [one.length_ms for one in found] == [end - start for start, end in itertools.pairwise(edges)]
    for bucket, naively in zip(found, naive_sums(story.items(), edges, said), strict=True):
        assert (bucket.covered_minutes, bucket.unset_minutes) == (naively.covered, naively.minutes - naively.covered)
        assert (bucket.count, bucket.sum) == ((naively.count, naively.sum) if naively.covered else (None, None))


def test_a_clock_is_known_from_before_and_after_the_range(uploads: UploadWorld) -> None:
    """Who is at -5 and is next seen at +9, at 9 in the morning of the 16th, has lost 14 hours of two days."""
    tenth = civil_ms("2024-05-10")
    moves = ((tenth - 100 * DAY_MS, -5), (tenth + 6 * DAY_MS, 9))
    put(uploads, [sample("body_mass", PHONE, f"{at}", instant(at, hours * 3600), 70) for at, hours in moves])
    found = buckets(uploads, civil("body_mass", "2024-05-10", "2024-05-20"))
    assert lengths_h(found) == [24] * 5 + [19, 15] + [24] * 3
    assert buckets(uploads, civil("body_mass", "2024-05-15", "2024-05-20")) == found[5:]
    put(uploads, [sample("step_count", PHONE, "1", instant(tenth - DAY_MS, -5 * 3600), 1)])
    put(uploads, [sample("step_count", WATCH, "1", instant(tenth + 20 * DAY_MS, 9 * 3600), 1)])
    found = buckets(uploads, civil("step_count", "2024-05-10", "2024-05-25"))
    assert sorted(lengths_h(found)) == [10] + [24] * 14
    assert buckets(uploads, civil("step_count", "2024-05-18", "2024-05-25")) == found[8:]


def test_of_a_clock_that_is_told_late_civil_days_have_what_came_after(uploads: UploadWorld) -> None:
    descriptor = Descriptor("step_count", WATCH, Start(StartKind.INSTANT, NOON), MINUTE_MS)
    ones = float32(np.ones(180, dtype=np.float32))
    uploads.upload(Recording("a", descriptor, ones, moves=((60, 3600),)), step=60)
    found = buckets(uploads, civil("step_count", "2024-10-01", "2024-10-08"))
    assert [one.sum for one in found if one.sum] == [120]
    (found_all,) = buckets(uploads, physical("step_count", NOON, NOON + DAY_MS, DAY_MS))
    assert found_all.sum == 180


# ---- zero, unset and not worn ----------------------------------------------------------------------------------------


def week_of_counts(seed: int) -> "np.typing.NDArray[np.float32]":
    """Six days of a wrist: still nights, a device taken off for a morning, an afternoon lost."""
    rng = np.random.default_rng(seed)
    counts = np.where(rng.random(6 * 1440) < 0.4, 0, rng.gamma(0.8, 200, 6 * 1440).round()).astype(np.float32)
    counts[1440 + 500 : 1440 + 800] = 0  # not worn
    counts[1440 + 640] = 3  # somebody moves the table
    counts[2 * 1440 : 3 * 1440] = 0  # a day in the drawer
    counts[3 * 1440 - 30 : 3 * 1440 + 200] = 0  # over midnight
    counts[4 * 1440 + 700 : 4 * 1440 + 1000] = np.nan
    return counts


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "", "Africa/Monrovia"])
@pytest.mark.parametrize("derived", [False, True])
def test_minutes_not_worn_are_those_of_the_day(uploads: UploadWorld, zone: str, derived: bool) -> None:
    start = civil_ms("2024-04-03T09:30") if zone != "Africa/Monrovia" else civil_ms("1970-01-02T09:30")
    began = Start(StartKind.ZONE, start, time_zone=zone) if zone else Start(StartKind.FLOATING, start)
    counts = week_of_counts(3)
    uploads.upload(Recording("a", replace(COUNTS, start=began), counts.tobytes()))
    uploads.upload(Recording("b", replace(COUNTS, start=began, revision=1), counts[2000:2300].tobytes()))
    if derived:
        uploads.derive()
    first = start // DAY_MS
    span = TimeRange(TimeKind.CIVIL, first * DAY_MS, (first + 7) * DAY_MS)
    found = buckets(uploads, Query(ACTIVITY_COUNTS, None, span, unit=Unit.DAY))
    days = uploads.days()
    assert len(days) == 7
    for bucket, day in zip(found, days, strict=True):
        assert bucket.length_ms == pytest.approx(day.length_minutes * MINUTE_MS, abs=MINUTE_MS)
        assert bucket.covered_minutes == day.worn_minutes
        assert bucket.not_worn_minutes == day.recorded_minutes - day.worn_minutes
        assert bucket.not_worn_minutes == sum(end - start for start, end in day.not_worn)
    assert sum(bucket.not_worn_minutes for bucket in found) > 1440
    if zone:
        hours = buckets(uploads, physical(ACTIVITY_COUNTS, start - 6 * DAY_MS, start + 9 * DAY_MS, 37 * MINUTE_MS))
        assert sum(one.not_worn_minutes for one in hours) == sum(one.not_worn_minutes for one in found)
        assert sum(one.sum or 0 for one in hours) == sum(one.sum or 0 for one in found)


def test_an_unknown_offset_is_no_reason_to_take_a_drawer_for_a_person(uploads: UploadWorld) -> None:
    counts = np.concatenate([np.full(600, 5), np.zeros(600), np.full(600, 5)]).astype(np.float32)
    start = Start(StartKind.INSTANT, NOON)
    uploads.upload(Recording("a", replace(COUNTS, start=start), counts.tobytes()))
    (found,) = buckets(uploads, physical(ACTIVITY_COUNTS, NOON, NOON + DAY_MS * 2, 2 * DAY_MS))
    assert (found.covered_minutes, found.not_worn_minutes, found.unset_minutes) == (1200, 600, 1080)
    assert (found.sum, found.min) == (6000, 5)


def test_a_recording_that_floats_does_not_move_the_wear_of_one_that_does_not(uploads: UploadWorld) -> None:
    counts = np.concatenate([np.full(600, 5), np.zeros(600), np.full(600, 5)]).astype(np.float32)
    for upload_id, start in (("a", Start(StartKind.OFFSET, NOON, -5 * 3600)), ("b", Start(StartKind.FLOATING, NOON))):
        uploads.upload(Recording(upload_id, replace(COUNTS, start=start), counts.tobytes()))
    began = NOON + 5 * HOUR_MS
    (found,) = buckets(uploads, physical(ACTIVITY_COUNTS, began, began + 30 * HOUR_MS, 30 * HOUR_MS))
    assert (found.covered_minutes, found.not_worn_minutes, found.min) == (1200, 600, 5)


def test_a_count_below_zero_is_no_value_as_in_a_day(uploads: UploadWorld) -> None:
    start = Start(StartKind.OFFSET, NOON, 0)
    uploads.upload(Recording("a", replace(COUNTS, start=start), float32([5, -5, 5])))
    (found,) = buckets(uploads, physical(ACTIVITY_COUNTS, NOON, NOON + HOUR_MS, HOUR_MS))
    assert (found.covered_minutes, found.unset_minutes, found.sum) == (2, 58, 10)


def test_zero_unset_and_not_worn_are_three_answers(uploads: UploadWorld) -> None:
    counts = np.concatenate([np.tile([0, 0, 9], 480), np.zeros(1440)]).astype(np.float32)
    start = civil_ms("2024-05-01")
    uploads.upload(Recording("a", replace(COUNTS, start=Start(StartKind.FLOATING, start)), counts.tobytes()))
    put(uploads, [sample("step_count", WATCH, "1", instant(start), 0, HOUR_MS)])
    query = civil(ACTIVITY_COUNTS, "2024-05-01", "2024-05-04")
    worn, drawer, nothing = buckets(uploads, query)
    assert (worn.state, worn.covered_minutes, worn.min, worn.sum) == (BucketState.VALUE, 1440, 0, 480 * 9)
    assert (drawer.state, drawer.not_worn_minutes, drawer.sum, drawer.count) == (BucketState.NOT_WORN, 1440, None, None)
    assert (nothing.state, nothing.unset_minutes, nothing.sum) == (BucketState.UNSET, 1440, None)
    still, gone = buckets(uploads, physical("step_count", start, start + 2 * HOUR_MS, HOUR_MS))
    assert (still.state, still.sum, still.covered_minutes) == (BucketState.VALUE, 0, 60)
    assert (gone.state, gone.sum, gone.unset_minutes) == (BucketState.UNSET, None, 60)


def test_what_lies_in_a_drawer_does_not_silence_what_is_worn(uploads: UploadWorld) -> None:
    start = Start(StartKind.OFFSET, NOON, 0)
    for source, counts in ((WATCH, [0.0] * 600), (PHONE, [7.0] * 300)):
        recording = Recording(source.device, replace(COUNTS, source=source, start=start), float32(counts))
        uploads.upload(recording)
    believe(uploads, SourceSetting(WATCH, DeviceKind.MEDICAL))
    query = replace(physical(ACTIVITY_COUNTS, NOON, NOON + 10 * HOUR_MS, 10 * HOUR_MS), show_sources=True)
    (found,) = buckets(uploads, query)
    assert (found.covered_minutes, found.not_worn_minutes, found.sum) == (300, 300, 2100)
    assert [(one.source, one.chosen_minutes, one.alone.state) for one in found.shares] == [
        (WATCH, 0, BucketState.NOT_WORN),
        (PHONE, 300, BucketState.VALUE),
    ]


# ---- who is believed -------------------------------------------------------------------------------------------------


def test_one_walk_that_two_devices_counted_is_one_walk(uploads: UploadWorld) -> None:
    put(uploads, [sample("step_count", PHONE, "1", instant(NOON), 1000, HOUR_MS)])
    put(
        uploads,
        [sample("step_count", WATCH, f"{at}", instant(NOON + at * MINUTE_MS), 20, MINUTE_MS) for at in range(30)],
    )
    believe(uploads, SourceSetting(WATCH, DeviceKind.WATCH), SourceSetting(PHONE, DeviceKind.PHONE))
    query = replace(physical("step_count", NOON, NOON + HOUR_MS, HOUR_MS), show_sources=True)
    (found,) = buckets(uploads, query)
    assert found.sum == 30 * 20 + 1000 / 2
    watch, phone = found.shares
    assert (watch.source, watch.chosen_minutes, watch.passed_over_minutes, watch.alone.sum) == (WATCH, 30, 0, 600)
    assert (phone.source, phone.chosen_minutes, phone.passed_over_minutes, phone.alone.sum) == (PHONE, 30, 30, 1000)
    assert aggregate(uploads).page(ACCOUNT, query, 0, "").sources == [WATCH, PHONE]

    believe(uploads, SourceSetting(PHONE, DeviceKind.PHONE, priority=1))
    (found,) = buckets(uploads, query)
    assert (found.sum, found.covered_minutes) == (1000, 60)
    assert [share.source for share in found.shares] == [PHONE, WATCH]
    assert [share.passed_over_minutes for share in found.shares] == [0, 30]
    assert aggregate(uploads).page(ACCOUNT, query, 0, "").sources == [PHONE, WATCH]


def test_one_night_that_two_devices_scored_is_one_night(uploads: UploadWorld) -> None:
    """A mat knows that somebody lies in bed, a ring knows how they sleep: neither hides the other."""
    night = civil_ms("2024-05-01T22:00")
    mat = Source("mat", "")
    put(
        uploads,
        [
            sample("sleep_stage", mat, "1", instant(night), "in_bed", 8 * HOUR_MS),
            sample("sleep_stage", mat, "2", instant(night + HOUR_MS), "asleep", 6 * HOUR_MS),
            sample("sleep_stage", RING, "1", instant(night + HOUR_MS), "light", 3 * HOUR_MS),
            sample("sleep_stage", RING, "2", instant(night + 2 * HOUR_MS), "deep", HOUR_MS),
        ],
    )
    believe(uploads, SourceSetting(RING, DeviceKind.RING), SourceSetting(mat, DeviceKind.BED_SENSOR))
    query = replace(physical("sleep_stage", night, night + 10 * HOUR_MS, 10 * HOUR_MS), show_sources=True)
    (found,) = buckets(uploads, query)
    assert found.durations == (
        CodeDuration("asleep", 3 * HOUR_MS, 1),
        CodeDuration("deep", HOUR_MS, 1),
        CodeDuration("in_bed", 8 * HOUR_MS, 1),
        CodeDuration("light", 2 * HOUR_MS, 2),
    )
    assert (found.covered_minutes, found.unset_minutes) == (480, 120)
    ring, mats = found.shares
    assert (ring.chosen_minutes, ring.passed_over_minutes) == (180, 0)
    assert (mats.source, mats.chosen_minutes, mats.passed_over_minutes) == (mat, 480, 0)
    assert mats.alone.durations == (CodeDuration("asleep", 6 * HOUR_MS, 1), CodeDuration("in_bed", 8 * HOUR_MS, 1))


def test_a_stretch_over_midnight_begins_on_one_day(uploads: UploadWorld) -> None:
    night = civil_ms("2024-05-01T22:00")
    halves = [
        sample("sleep_stage", RING, "1", instant(night), "light", 2 * HOUR_MS),
        sample("sleep_stage", RING, "2", instant(night + 2 * HOUR_MS), "light", 2 * HOUR_MS),
    ]
    put(uploads, halves)
    found = buckets(uploads, civil("sleep_stage", "2024-05-01", "2024-05-03"), page_size=1)
    assert [one.durations for one in found] == [
        (CodeDuration("light", 2 * HOUR_MS, 1),),
        (CodeDuration("light", 2 * HOUR_MS, 0),),
    ]
    assert [one.count for one in found] == [1, 1]


def test_the_parts_of_a_correlation_are_summed_up_by_themselves(uploads: UploadWorld) -> None:
    parts = (("blood_pressure_diastolic", 80.0), ("blood_pressure_systolic", 120.0))
    together = Sample("blood_pressure", WATCH, "1", 0, instant(NOON), None, parts)
    put(uploads, [together, sample("blood_pressure_systolic", WATCH, "2", instant(NOON + HOUR_MS), 130)])
    (found,) = buckets(uploads, physical("blood_pressure_systolic", NOON, NOON + DAY_MS, DAY_MS))
    assert (found.count, found.mean, found.min) == (2, 125, 120)
    (found,) = buckets(uploads, physical("blood_pressure_diastolic", NOON, NOON + DAY_MS, DAY_MS))
    assert (found.count, found.mean) == (1, 80)


def test_a_value_for_five_minutes_is_not_counted_with_those_of_others(uploads: UploadWorld) -> None:
    """A series of a long period speaks of all the time to its next value, not of the minute in which each begins."""
    descriptor = Descriptor("step_count", WATCH, Start(StartKind.OFFSET, NOON, 0), 5 * MINUTE_MS)
    uploads.upload(Recording("a", descriptor, float32([50, 50])))
    put(uploads, [sample("step_count", PHONE, f"{at}", instant(NOON + at * MINUTE_MS), 9) for at in range(12)])
    believe(uploads, SourceSetting(WATCH, DeviceKind.WATCH))
    first, second = buckets(uploads, physical("step_count", NOON, NOON + 14 * MINUTE_MS, 7 * MINUTE_MS))
    assert (first.sum, second.sum) == (70, 30 + 2 * 9)


def test_deleted_samples_and_ranges_are_in_no_sum(uploads: UploadWorld) -> None:
    descriptor = Descriptor("step_count", WATCH, Start(StartKind.OFFSET, NOON, 0), MINUTE_MS)
    uploads.upload(Recording("a", descriptor, float32(np.ones(60, dtype=np.float32))))
    put(uploads, [sample("step_count", PHONE, "1", instant(NOON + 2 * HOUR_MS), 9)])
    wanted = Wanted(metrics=frozenset({"step_count"}), range=TimeRange(TimeKind.INSTANT, NOON, NOON + HOUR_MS // 2))
    deletions = Deletions(uploads.store.series, uploads.store.keys, lambda: None)
    deletions.carry_out(deletions.plan(ACCOUNT, wanted))
    (found,) = buckets(uploads, physical("step_count", NOON, NOON + 3 * HOUR_MS, 3 * HOUR_MS))
    assert (found.sum, found.covered_minutes) == (39, 31)


# ---- the two kinds of time -------------------------------------------------------------------------------------------


def test_what_has_no_civil_time_is_in_no_civil_bucket(uploads: UploadWorld) -> None:
    put(uploads, [sample("step_count", PHONE, "1", instant(NOON, None), 5)])
    query = civil("step_count", "2024-10-01", "2024-10-08")
    with pytest.raises(TimeKindWrong):
        buckets(uploads, query)
    put(uploads, [sample("step_count", WATCH, "1", instant(NOON, 3600), 3)])
    assert [one.sum for one in buckets(uploads, query) if one.sum] == [3]
    assert aggregate(uploads).page(ACCOUNT, query, 0, "").sources == [WATCH]
    (found,) = buckets(uploads, physical("step_count", NOON, NOON + DAY_MS, DAY_MS))
    assert found.sum == 5


def test_what_floats_is_in_no_physical_bucket(uploads: UploadWorld) -> None:
    put(uploads, [sample("step_count", PHONE, "1", floating(NOON), 5)])
    with pytest.raises(TimeKindWrong):
        buckets(uploads, physical("step_count", NOON, NOON + DAY_MS, DAY_MS))
    put(uploads, [sample("step_count", WATCH, "1", instant(NOON, 3600), 3)])
    assert [one.sum for one in buckets(uploads, physical("step_count", NOON, NOON + DAY_MS, DAY_MS))] == [3]


def test_what_floats_does_not_lie_side_by_side_with_what_does_not(uploads: UploadWorld) -> None:
    put(uploads, [sample("step_count", PHONE, "1", floating(NOON), 5)])
    uploads.upload(
        Recording("a", Descriptor("step_count", WATCH, Start(StartKind.OFFSET, NOON, 0), MINUTE_MS), float32([3, 4]))
    )
    query = civil("step_count", "2024-10-01", "2024-10-08")
    with pytest.raises(TimeKindWrong, match="name one `source`"):
        buckets(uploads, query)
    for source, expected in ((PHONE, 5), (WATCH, 7)):
        assert [one.sum for one in buckets(uploads, replace(query, source=source)) if one.sum] == [expected]


def test_an_account_with_nothing_has_empty_buckets(uploads: UploadWorld) -> None:
    page = aggregate(uploads).page(ACCOUNT, civil("step_count", "2024-02-01", "2024-03-01", Unit.MONTH), 0, "")
    assert [one.state for one in page.buckets] == [BucketState.UNSET]
    assert lengths_h(page.buckets) == [29 * 24]
    assert (page.sources, page.token, page.ucum_unit, page.tzdata_version) == ([], "", "{steps}", "")
    assert page.sum_ucum_unit == "{steps}"


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "functions", "percentiles", "field"),
    [
        ("ecg_waveform", set(), (), "metric"),
        ("blood_pressure", set(), (), "metric"),
        ("heart_rate", {Function.SUM}, (), "functions"),
        ("step_count", {Function.MEAN}, (), "functions"),
        ("step_count", {Function.MAX, Function.COUNT}, (), "functions"),
        ("sleep_stage", {Function.SUM}, (), "functions"),
        ("heart_rate", {Function.DURATION}, (), "functions"),
        ("heart_rate", {Function.PERCENTILES}, (), "percentiles"),
        ("heart_rate", {Function.MEAN}, (50.0,), "percentiles"),
        ("step_count", set(), (50.0,), "percentiles"),
    ],
)
def test_what_does_not_apply_is_refused(
    uploads: UploadWorld, metric: str, functions: set[Function], percentiles: tuple[float, ...], field: str
) -> None:
    query = physical(metric, NOON, NOON + DAY_MS, DAY_MS, functions=frozenset(functions), percentiles=percentiles)
    with pytest.raises(AggregateInapplicable) as caught:
        buckets(uploads, query)
    assert caught.value.facts["field"] == field


def test_only_what_was_asked_for_is_told(uploads: UploadWorld) -> None:
    put(uploads, [sample("heart_rate", WATCH, f"{at}", instant(NOON + at), 60 + at) for at in range(5)])
    (found,) = buckets(uploads, physical("heart_rate", NOON, NOON + 1000, 1000, functions=frozenset({Function.MAX})))
    assert (found.count, found.sum, found.mean, found.min, found.max, found.percentiles) == (
        None,
        None,
        None,
        None,
        64,
        (),
    )
    (found,) = buckets(uploads, physical("heart_rate", NOON, NOON + 1000, 1000, percentiles=(50.0, 100.0)))
    assert (found.count, found.sum, found.mean, found.percentiles) == (5, None, 62, ((50.0, 62.0), (100.0, 64.0)))


def test_several_values_a_sample_are_not_summed_up(uploads: UploadWorld) -> None:
    descriptor = replace(HEART, start=Start(StartKind.INSTANT, NOON), channels=2)
    uploads.upload(Recording("a", descriptor, float32([1, 2, 3, 4])))
    with pytest.raises(AggregateInapplicable):
        buckets(uploads, physical("heart_rate", NOON, NOON + DAY_MS, DAY_MS))
    assert buckets(uploads, physical("heart_rate", NOON - DAY_MS, NOON, DAY_MS))[0].state is BucketState.UNSET


@pytest.mark.parametrize("unit", [None, Unit.DAY])
def test_a_range_goes_with_buckets_of_its_kind(uploads: UploadWorld, unit: Unit | None) -> None:
    kind = TimeKind.CIVIL if unit is None else TimeKind.INSTANT
    query = Query("step_count", None, TimeRange(kind, 0, DAY_MS), None if unit else DAY_MS, unit)
    with pytest.raises(TimeKindWrong):
        buckets(uploads, query)


def test_a_range_has_a_million_buckets_at_most(uploads: UploadWorld) -> None:
    query = physical("step_count", NOON, NOON + 1_000_000_000, 1000)
    page = aggregate(uploads).page(ACCOUNT, query, 10_000, "")
    assert len(page.buckets) == 5000
    with pytest.raises(QueryTooLarge):
        buckets(uploads, physical("step_count", NOON, NOON + 1_000_000_001, 1000))


def test_a_metric_must_be_known(uploads: UploadWorld) -> None:
    with pytest.raises(MetricUnknown):
        buckets(uploads, physical("step_counts", NOON, NOON + 1000, 1000))


def test_a_page_token_is_bound_to_all_of_its_query(uploads: UploadWorld) -> None:
    query = physical("step_count", NOON, NOON + 10_000, 1000)
    token = aggregate(uploads).page(ACCOUNT, query, 3, "").token
    assert aggregate(uploads).page(ACCOUNT, query, 3, token).buckets[0].start_ms == NOON + 3000
    others = [
        replace(query, metric="flights_climbed"),
        replace(query, source=WATCH),
        replace(query, length_ms=2000),
        replace(query, show_sources=True),
        replace(query, functions=frozenset({Function.SUM})),
        replace(query, range=TimeRange(TimeKind.INSTANT, NOON, NOON + 10_001)),
    ]
    for other in others:
        with pytest.raises(PageTokenInvalid):
            aggregate(uploads).page(ACCOUNT, other, 3, token)
    with pytest.raises(PageTokenInvalid):
        aggregate(uploads).page(fresh_account(uploads), query, 3, token)


def test_a_page_ends_early_where_there_is_much_in_it(uploads: UploadWorld) -> None:
    descriptor = replace(HEART, start=Start(StartKind.OFFSET, NOON, 0))
    uploads.upload(Recording("a", descriptor, float32(np.arange(3600, dtype=np.float32))))
    query = physical("heart_rate", NOON, NOON + HOUR_MS, MINUTE_MS)
    hasty = replace(aggregate(uploads), page_values=100)
    page = hasty.page(ACCOUNT, query, 0, "")
    assert 0 < len(page.buckets) <= 60
    found, token = list(page.buckets), page.token
    while token:
        page = hasty.page(ACCOUNT, query, 7, token)
        found, token = [*found, *page.buckets], page.token
    assert found == buckets(uploads, query)


def test_a_page_of_many_sources_fits_into_a_message(uploads: UploadWorld) -> None:
    """Ten sources in each of 600 minutes, each with twenty percentiles of its own."""
    moments = [instant(NOON + at * MINUTE_MS) for at in range(600)]
    for number in range(10):
        source = Source(f"watch {number}", "app")
        put(uploads, [sample("heart_rate", source, str(at), start, 60.0 + at) for at, start in enumerate(moments)])
    whole = physical("heart_rate", NOON, NOON + 10 * HOUR_MS, MINUTE_MS)
    query = replace(whole, show_sources=True, functions=frozenset(), percentiles=tuple(range(0, 100, 5)))
    first = aggregate(uploads).page(ACCOUNT, query, 5000, "")
    rest = aggregate(uploads).page(ACCOUNT, query, 5000, first.token)
    assert (len(first.buckets) + len(rest.buckets), rest.token) == (600, "")
    told = to_aggregate(first, TimeKind.INSTANT).ByteSize()
    assert 2 * 1024 * 1024 < told < 4 * 1024 * 1024


def test_a_mean_lies_within_what_it_is_the_mean_of(uploads: UploadWorld) -> None:
    """Of three times 0.1 the sum is rounded up, and so is a third of it."""
    put(uploads, [sample("heart_rate", PHONE, f"{at}", instant(NOON + at), 0.1) for at in range(3)])
    (found,) = buckets(uploads, physical("heart_rate", NOON, NOON + HOUR_MS, HOUR_MS))
    assert found.mean == found.min == found.max == 0.1


def test_a_negative_zero_is_a_zero(uploads: UploadWorld) -> None:
    """Which of the two is the lowest would be told by who came first."""
    descriptor = replace(HEART, start=Start(StartKind.OFFSET, NOON, 0))
    uploads.upload(Recording("a", descriptor, float32([-0.0, 0.0, -0.0])))
    put(uploads, [sample("heart_rate", PHONE, "1", instant(NOON + HOUR_MS), -0.0)])
    for found in buckets(uploads, physical("heart_rate", NOON, NOON + 2 * HOUR_MS, HOUR_MS)):
        assert repr((found.mean, found.min, found.max)) == "(0.0, 0.0, 0.0)"


def test_what_is_held_at_once_is_bounded(uploads: UploadWorld) -> None:
    """As few buckets at a time as fit; where one alone does not, the caller hears of it."""
    descriptor = replace(HEART, start=Start(StartKind.OFFSET, NOON, 0))
    ramp = np.arange(600, dtype=np.float32)
    uploads.upload(Recording("a", descriptor, float32(ramp)))
    put(uploads, [sample("heart_rate", PHONE, f"{at}", instant(NOON + at * 3000), at) for at in range(400)])
    query = physical("heart_rate", NOON - HOUR_MS, NOON + HOUR_MS, MINUTE_MS)
    expected = buckets(uploads, query)
    small = replace(aggregate(uploads), values_max=70, samples_max=45)
    assert small.page(ACCOUNT, query, 0, "").buckets == expected
    for less in (replace(small, values_max=59), replace(small, samples_max=19)):
        with pytest.raises(QueryTooLarge):
            less.page(ACCOUNT, query, 0, "")

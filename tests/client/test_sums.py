"""Sums: the buckets a person means, and that zero, unset and not worn are told apart wherever they are shown."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from clarity import show, sums
from clarity.moments import observation
from clarity.samples import Aggregate, By, Unit, over
from clarity.sending import civil_time
from clarity.v1.sample_pb2 import Bucket, BucketState, CodeDuration, ObservationTime, Percentile, SourceShare
from clarity.v1.series_pb2 import Source

FIRST = datetime(2026, 3, 28)
HOUR = timedelta(hours=1)
VALUE, UNSET, NOT_WORN = (
    BucketState.BUCKET_STATE_VALUE,
    BucketState.BUCKET_STATE_UNSET,
    BucketState.BUCKET_STATE_NOT_WORN,
)


def day(at: int, state: BucketState, hours: int = 24) -> Bucket:
    """Returns the bucket of the day `at` days after the first."""
    start, end = FIRST + timedelta(days=at), FIRST + timedelta(days=at + 1)
    made = Bucket(
        start=ObservationTime(civil=civil_time(start)), end=ObservationTime(civil=civil_time(end)), state=state
    )
    made.length.FromTimedelta(hours * HOUR)
    return made


def four_days() -> list[Bucket]:
    """Returns a day with steps, one of 23 hours with none, one unset, one not worn."""
    walked, sat, unset, off = day(0, VALUE), day(1, VALUE, 23), day(2, UNSET), day(3, NOT_WORN)
    walked.count, walked.sum, walked.covered_minutes, walked.unset_minutes = 3, 1234.5, 1400, 40
    sat.count, sat.sum, sat.covered_minutes = 2, 0.0, 1380
    unset.unset_minutes = off.not_worn_minutes = 1440
    return [walked, sat, unset, off]


def shown(found: Aggregate) -> list[str]:
    """Returns the lines that a person sees."""
    console = Console(file=StringIO(), width=240, soft_wrap=True, theme=show.THEME)
    for part in sums.parts(found):
        console.print(part)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def of(buckets: list[Bucket], unit: str = "{steps}") -> Aggregate:
    return Aggregate(buckets, unit, [Source(device="Watch", app="Health"), Source(device="Phone")], "", unit)


def test_zero_unset_and_not_worn_look_different() -> None:
    head, walked, sat, unset, off, *below = shown(of(four_days()))
    assert head.split() == ["from", "state", "count", "sum", "covered", "not", "worn", "unset"]
    assert walked.startswith("Sat 28 Mar 2026  value         3  1,234.5  23 h 20 min")
    assert sat.split("value")[1].split()[:2] == ["2", "0"]
    assert sat.rstrip().endswith("23 h long")
    assert unset.split("unset")[1].split()[:2] == ["–", "–"]
    assert off.split("not worn")[1].split()[:2] == ["–", "–"]
    assert below == ["in {steps}", "from Watch (Health); then Phone"]


def test_for_programs_what_is_not_there_is_empty_and_never_zero() -> None:
    file = StringIO()
    sums.write_csv(of(four_days()), file)
    rows = list(csv.DictReader(StringIO(file.getvalue())))
    assert [row["state"] for row in rows] == ["value", "value", "unset", "not worn"]
    assert [row["sum"] for row in rows] == ["1234.5", "0.0", "", ""]
    assert [row["covered_minutes"] for row in rows] == ["1400", "1380", "0", "0"]
    assert rows[0]["start"] == "2026-03-28T00:00:00"


def test_percentiles_and_codes_have_columns_of_their_own() -> None:
    slept, awake = day(0, VALUE), day(1, VALUE)
    slept.durations.append(CodeDuration(code="deep", count=2))
    slept.durations[0].duration.FromTimedelta(90 * timedelta(minutes=1))
    awake.percentiles.append(Percentile(percentile=50, value=61.25))
    names = [column.name for column in sums.columns([slept, awake, day(2, UNSET)])]
    assert names == ["p50", "deep min"]
    values = [[column.of(one) for column in sums.columns([slept, awake])] for one in (slept, awake, day(2, UNSET))]
    assert values == [[None, 90.0], [61.25, 0.0], [None, None]]


def test_what_each_source_says_stands_below_its_bucket() -> None:
    (bucket, *_) = four_days()
    alone = Bucket(state=VALUE, sum=900.0, covered_minutes=600)
    share = SourceShare(source=Source(device="Phone"), chosen_minutes=30, passed_over_minutes=570, alone=alone)
    bucket.shares.append(share)
    lines = shown(of([bucket]))
    assert "  Phone " in lines[2]
    assert lines[2].rstrip().endswith("believed for 30 min, passed over for 9 h 30 min")


def test_long_answers_are_cut_for_people_and_say_so() -> None:
    lines = shown(of([day(at, UNSET) for at in range(sums.ROWS_SHOWN + 5)]))
    assert "… and 5 more; --csv and --json print every one." in lines


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("day", Unit.DAY),
        ("week", Unit.WEEK),
        ("month", Unit.MONTH),
        ("1h", HOUR),
        ("5m", HOUR / 12),
        ("90s", HOUR / 40),
    ],
)
def test_buckets_are_named_as_people_name_them(text: str, meant: By) -> None:
    assert sums.bucket(text) == meant


@pytest.mark.parametrize("text", ["", "3d", "0h", "-1h", "1.5h", "year", "1h5m"])
def test_what_is_no_bucket_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither day, week, month nor a length"):
        sums.bucket(text)


@pytest.mark.parametrize(
    ("by", "start", "end"),
    [
        (Unit.DAY, datetime(2026, 1, 23), datetime(2026, 1, 25)),
        (Unit.WEEK, datetime(2026, 1, 19), datetime(2026, 1, 26)),
        (Unit.MONTH, datetime(2026, 1, 1), datetime(2026, 2, 1)),
    ],
)
def test_days_weeks_and_months_are_widened_to_whole_ones_and_no_further(
    by: Unit, start: datetime, end: datetime
) -> None:
    assert sums.asked(datetime(2026, 1, 23, 13, 58), datetime(2026, 1, 24, 0, 0, 1), by) == (start, end)
    assert sums.asked(start, end, by) == (start, end)


def test_a_month_ends_where_the_next_begins_whatever_its_length() -> None:
    for month in range(1, 12):
        assert sums.ceiling(datetime(2026, month, 28, 12), Unit.MONTH) == datetime(2026, month + 1, 1)
    assert sums.ceiling(datetime(2026, 12, 1, 12), Unit.MONTH) == datetime(2027, 1, 1)


def test_lengths_are_counted_from_where_a_person_says() -> None:
    start, end = datetime(2026, 1, 23, 7, 34, tzinfo=UTC), datetime(2026, 1, 23, 9, tzinfo=UTC)
    assert sums.asked(start, end, HOUR) == (start, end)


def at(text: str) -> ObservationTime:
    return observation(text)


def test_without_a_range_the_buckets_hold_all_data_whatever_is_known_of_its_times() -> None:
    seven = datetime(2026, 1, 23, 7, tzinfo=UTC)
    hours = sums.fitting(at("2026-01-23T07:34Z"), at("2026-01-23T09:00Z"), HOUR)
    assert hours == (seven, seven + 3 * HOUR)  # a moment at nine is within
    civil = sums.fitting(at("2026-01-23T07:34+01:00"), at("2026-01-24T23:00-08:00"), Unit.DAY)
    assert civil == (datetime(2026, 1, 23), datetime(2026, 1, 25))
    unknown = sums.fitting(at("2026-01-23T12:00Z"), at("2026-01-23T12:00Z"), Unit.DAY)
    assert unknown == (datetime(2026, 1, 22), datetime(2026, 1, 25))  # somewhere it was another day
    floating = sums.fitting(at("1918-01-23T12:00"), at("1918-01-24T12:00"), HOUR)
    assert floating[0].tzinfo is None


@pytest.mark.parametrize(
    ("head", "tail", "left"), [(True, True, [1, 2]), (True, False, [1, 2, 3]), (False, True, [0, 1, 2])]
)
def test_empty_ends_are_left_out_only_where_they_were_not_asked_for(head: bool, tail: bool, left: list[int]) -> None:
    made = [day(0, UNSET), day(1, NOT_WORN), day(2, VALUE), day(3, UNSET)]
    assert sums.trimmed(of(made), head=head, tail=tail).buckets == [made[one] for one in left]
    assert sums.trimmed(of([made[0]]), head=True, tail=True).buckets == []


@pytest.mark.parametrize(
    ("start", "end", "by", "told"),
    [
        (FIRST, FIRST + HOUR, HOUR, "goes with times with an offset"),
        (FIRST.replace(tzinfo=UTC), FIRST + HOUR, Unit.DAY, "give times without an offset"),
        (FIRST, FIRST, Unit.DAY, "not after"),
        (FIRST, FIRST.replace(year=2040), Unit.DAY, "more than ten years"),
    ],
)
def test_a_range_that_cannot_be_is_refused(start: datetime, end: datetime, by: By, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        sums.asked(start, end, by)


def test_a_request_asks_for_the_buckets_that_were_meant() -> None:
    days = over("step_count", FIRST, FIRST + timedelta(days=2), Unit.WEEK)
    assert (days.WhichOneof("range"), days.calendar.unit) == ("civil", 2)
    hours = over("step_count", FIRST.replace(tzinfo=UTC), FIRST.replace(tzinfo=UTC) + HOUR, HOUR)
    assert (hours.WhichOneof("range"), hours.physical.length.seconds) == ("instant", 3600)
    with pytest.raises(ValueError, match="lengths of time go with instants"):
        over("step_count", FIRST, FIRST + HOUR, HOUR)

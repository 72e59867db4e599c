"""Sums are exact whatever their order; days are as long as the clocks say, and none is lost between two of them."""

import math
import random
import zoneinfo
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clarity_server.domain.borders import Rank, Voice, day_borders, manner_of, manner_seen
from clarity_server.domain.civil import DAY_MS, EPOCH, Clock, stays
from clarity_server.domain.stretches import Stay, Stretch, joined, one_at_a_time
from clarity_server.domain.summing import Values, exact_sums, percentiles
from tests.strategies import ZONES, clocks

HOUR_MS = 3600 * 1000
NEW_YEAR = 19_723  # 2024-01-01


def rank(priority: int = 1001, upload_id: str = "") -> Rank:
    return ((priority, 0, "", ""), 0, 0, upload_id)


# ---- sums ------------------------------------------------------------------------------------------------------------


def values_of(buckets: Sequence[Sequence[float]]) -> Values:
    flat = np.array([value for bucket in buckets for value in bucket], dtype=np.float64)
    return Values(flat, np.cumsum([0, *(len(bucket) for bucket in buckets)]))


NUMBERS = st.one_of(
    st.integers(-1000, 1000).map(float),
    st.floats(-1e6, 1e6, width=32),
    st.floats(-1e300, 1e300),
    st.sampled_from([1e16, 1.0, -1e16, 0.1, 5e-324, 2.0**53, 2.0**-1022, 1e300]),
)


@given(st.lists(st.lists(NUMBERS, max_size=12), min_size=1, max_size=5))
@example([[2.0**996, 5e-324, -(2.0**996)], [0.1] * 10])
def test_a_sum_is_the_number_nearest_to_the_true_one(buckets: list[list[float]]) -> None:
    sums = exact_sums(values_of(buckets))
    assert sums.tolist() == [float(sum(map(Fraction, bucket))) for bucket in buckets]


def test_a_sum_of_many_is_the_number_nearest_to_the_true_one() -> None:
    rng = np.random.default_rng(7)
    whole, rough = rng.integers(0, 200, 20_000).astype(float), rng.normal(0, 1, 20_000)
    sums = exact_sums(values_of([whole.tolist(), [], rough.tolist(), rough[::-1].tolist()]))
    assert sums.tolist() == [math.fsum(whole), 0.0, math.fsum(rough), math.fsum(rough)]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30), st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_percentiles_are_those_of_numpy(values: list[float], which: list[float]) -> None:
    found = percentiles(np.sort(np.array(values)), which)
    assert found == pytest.approx(np.percentile(values, which), rel=1e-9, abs=1e-9)
    assert (found >= min(values)).all()
    assert (found <= max(values)).all()


# ---- days ------------------------------------------------------------------------------------------------------------


def test_the_days_of_a_year_add_up_in_every_zone() -> None:
    days = list(range(NEW_YEAR - 365, NEW_YEAR + 1))
    for name in sorted(zoneinfo.available_timezones()):
        borders = day_borders([Voice(name, [(days[0] * DAY_MS, days[-1] * DAY_MS)], rank())], days)
        assert borders is not None
        lengths = np.diff(borders)
        zone = zoneinfo.ZoneInfo(name)
        ends = [datetime(year, 1, 1, tzinfo=zone) for year in (2023, 2024)]
        assert lengths.sum() == (ends[1] - EPOCH) // timedelta(milliseconds=1) - (ends[0] - EPOCH) // timedelta(
            milliseconds=1
        ), name
        assert ((lengths > 20 * HOUR_MS) & (lengths < 28 * HOUR_MS)).all(), name


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        ("America/New_York", "2024-03-09", [24, 23, 24]),
        ("America/New_York", "2024-11-02", [24, 25, 24]),
        ("Asia/Kolkata", "2024-03-30", [24, 24, 24]),
        ("Australia/Lord_Howe", "2024-04-06", [24, 24.5, 24]),
        ("Australia/Lord_Howe", "2024-10-05", [24, 23.5, 24]),
        ("Pacific/Apia", "2011-12-29", [24, 0, 24]),
        ("Pacific/Kwajalein", "1993-08-20", [24, 0, 24]),
        ("America/Juneau", "1867-10-17", [24, 24, 48]),
        ("America/Toronto", "1919-03-29", [24, 23.5, 23.5, 24]),
        ("Europe/London", "1918-03-23", [24, 23, 24]),
    ],
)
def test_golden_days(zone: str, first: str, hours: list[float]) -> None:
    start = (datetime.fromisoformat(first) - EPOCH.replace(tzinfo=None)).days
    borders = day_borders(
        [Voice(zone, [(start * DAY_MS, start * DAY_MS)], rank())], range(start, start + len(hours) + 1)
    )
    assert borders is not None
    assert (np.diff(borders) / HOUR_MS).tolist() == pytest.approx(hours)


@given(clocks(samples=3000, period_ms=10 * 60_000))
def test_one_clock_has_its_own_days(clock: Clock) -> None:
    if clock.floating or clock.known_from_ms is None:
        return
    end = 3000 * 600_000
    seen = [(clock.axis_ms + clock.known_from_ms, clock.axis_ms + end)]
    found = stays(clock, 0, end)
    days = range(found[0].civil_day, found[-1].civil_day + 2) if found else range(0)
    borders = day_borders([Voice(manner_of(clock), seen, rank())], days) if days else None
    for stay in found[1:]:
        assert borders is not None
        assert borders[stay.civil_day - days[0]] == clock.axis_ms + stay.start_ms


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(ZONES), st.integers(1, 3)), min_size=1, max_size=6))
def test_borders_never_fall_whatever_the_clocks_say(told: list[tuple[int, str, int]]) -> None:
    voices = [
        Voice(zone, [((NEW_YEAR + day) * DAY_MS, (NEW_YEAR + day) * DAY_MS + HOUR_MS)], rank(priority, str(at)))
        for at, (day, zone, priority) in enumerate(told)
    ]
    days = range(NEW_YEAR - 5, NEW_YEAR + 70)
    borders = day_borders(voices, days)
    assert borders is not None
    assert (np.diff(borders) >= 0).all()
    shuffled = random.Random(1).sample(voices, len(voices))
    again = day_borders(shuffled, days[20:40])
    assert again is not None
    assert again.tolist() == borders[20:40].tolist()


def test_no_day_begins_before_the_one_before_it() -> None:
    """From Pago Pago at -11 to Kiritimati at +14 it is a day and an hour: Monday there begins before Sunday here."""
    day = NEW_YEAR * DAY_MS
    here = Voice("Pacific/Pago_Pago", [(day, day + 11 * HOUR_MS)], rank(upload_id="a"))
    there = Voice("Pacific/Kiritimati", [(day + 10 * HOUR_MS, day + DAY_MS)], rank(upload_id="b"))
    borders = day_borders([here, there], [NEW_YEAR, NEW_YEAR + 1])
    assert borders is not None
    assert (borders - day).tolist() == [11 * HOUR_MS, 11 * HOUR_MS]


def test_a_clock_that_was_not_seen_may_lie_nearer() -> None:
    day = NEW_YEAR * DAY_MS
    far = Voice("UTC", [(day - 10 * DAY_MS, day - 9 * DAY_MS)], rank())
    assert day_borders([far], [NEW_YEAR], (day - 20 * DAY_MS, day + 3 * DAY_MS)) is None
    assert day_borders([far], [NEW_YEAR], (day - 30 * DAY_MS, day + 30 * DAY_MS)) is not None
    assert day_borders([], [NEW_YEAR], (day - 30 * DAY_MS, day + 30 * DAY_MS)) is None
    assert day_borders([far], [NEW_YEAR]) is not None


def border(voices: Sequence[Voice]) -> int:
    """Where the first day of 2024 begins, as these have it."""
    found = day_borders(voices, [NEW_YEAR])
    assert found is not None
    return int(found[0])


def test_the_most_believed_of_those_who_speak_tells_the_day() -> None:
    day = NEW_YEAR * DAY_MS
    watch = Voice("America/New_York", [(day - HOUR_MS, day)], rank(1))
    phone = Voice("Europe/Berlin", [(day - 2 * DAY_MS, day + 2 * DAY_MS)], rank(2))
    assert border([phone, watch]) == day + 5 * HOUR_MS
    later = Voice("America/New_York", [(day + 9 * DAY_MS, day + 9 * DAY_MS)], rank(1))
    assert border([phone, later]) == day - HOUR_MS


def test_of_two_recordings_of_a_midnight_the_one_that_is_read_tells_it() -> None:
    day = NEW_YEAR * DAY_MS
    around = [(day - DAY_MS, day + DAY_MS)]
    for zone, hours in (("Europe/Berlin", -1), ("America/New_York", 5)):
        voices = [
            Voice(one, around, rank(upload_id="a" if one == zone else "b"))
            for one in ("America/New_York", "Europe/Berlin")
        ]
        assert border(voices) == day + hours * HOUR_MS


def test_an_offset_holds_from_the_first_observation_that_shows_it() -> None:
    day = NEW_YEAR * DAY_MS
    seen = [
        (day - 5 * HOUR_MS, 0),
        (day - HOUR_MS, 0),
        (day - HOUR_MS, 3600),
        (day + HOUR_MS, 3600),
        (day + 9 * HOUR_MS, 0),
    ]
    manner = manner_seen(seen)
    assert manner[1:] == ((day - HOUR_MS, 3600), (day + 9 * HOUR_MS, 0))
    assert border([Voice(manner, [(at, at) for at, _ in seen], rank())]) == day - HOUR_MS


# ---- stretches -------------------------------------------------------------------------------------------------------


def test_of_two_that_overlap_the_later_one_is_read() -> None:
    light, deep = Stay(0, 100, "light", "a"), Stay(20, 50, "deep", "b")
    expected = [Stretch(0, 20, "light"), Stretch(20, 50, "deep"), Stretch(50, 100, "light")]
    assert one_at_a_time([light, deep]) == expected
    assert one_at_a_time([deep, light]) == expected


def test_of_two_that_begin_at_once_the_smaller_id_is_read() -> None:
    found = one_at_a_time([Stay(0, 100, "light", "b"), Stay(0, 50, "deep", "a")])
    assert found == [Stretch(0, 50, "deep"), Stretch(50, 100, "light")]


def test_a_moment_within_its_own_code_is_no_stretch_of_its_own() -> None:
    pieces = [Stretch(0, 10, "a"), Stretch(5, 5, "a"), Stretch(5, 5, "b"), Stretch(10, 20, "a"), Stretch(21, 21, "a")]
    assert joined(pieces) == [Stretch(0, 20, "a"), Stretch(5, 5, "b"), Stretch(21, 21, "a")]

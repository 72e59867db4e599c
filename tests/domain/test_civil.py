"""Civil time as the tz database and the person's clock have it: every elapsed millisecond lies on one civil day."""

import itertools
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from importlib import metadata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clarity_server.domain import civil
from clarity_server.domain.civil import DAY_MS, EPOCH, EPOCH_DATE, MINUTE_MS, Clock, Start, StartKind, Stay, stays
from tests.strategies import MS_1800, MS_2200, ZONES, clocks

HOUR_MS = 60 * MINUTE_MS
SAMPLES = 3 * 1440


def ms(text: str) -> int:
    """A wall-clock time, or an instant, in milliseconds."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


def day(text: str) -> int:
    return (date.fromisoformat(text) - EPOCH_DATE).days


def floating(text: str) -> Clock:
    return Clock(Start(StartKind.FLOATING, ms(text)))


def zoned(zone: str, text: str) -> Clock:
    return Clock(Start(StartKind.ZONE, ms(text), time_zone=zone))


def offset(hours: float, text: str, *moves: tuple[float, float]) -> Clock:
    """A clock with an offset, moved after so many hours to other offsets."""
    return Clock(
        Start(StartKind.OFFSET, ms(text), utc_offset_s=int(hours * 3600)),
        [(int(after * HOUR_MS), int(then * 3600)) for after, then in moves],
    )


def naive_civil_ms(clock: Clock, elapsed_ms: int) -> int | None:
    """What the clock shows, worked out one moment at a time."""
    start = clock.start
    if start.kind is StartKind.FLOATING:
        return start.ms + elapsed_ms
    if start.time_zone is not None:
        zone = zoneinfo.ZoneInfo(start.time_zone)
        began = datetime(1970, 1, 1, tzinfo=zone) + timedelta(milliseconds=start.ms)
        now = (began.astimezone(UTC) + timedelta(milliseconds=elapsed_ms)).astimezone(zone)
        return (now.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    offset_s = start.utc_offset_s
    for at, then in clock.moves:
        if at <= elapsed_ms:
            offset_s = then
    if offset_s is None:
        return None
    instant = start.ms - (start.utc_offset_s or 0) * 1000 + elapsed_ms
    return instant + offset_s * 1000


def lengths(clock: Clock, days: int) -> dict[str, float]:
    """The hours of each whole civil day."""
    found = stays(clock, 0, days * DAY_MS)[1:-1]
    return {civil.as_date(stay.civil_day).isoformat(): (stay.end_ms - stay.start_ms) / HOUR_MS for stay in found}


# ---- days ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "from_", "expected"),
    [
        ("Europe/Berlin", "2024-03-29 12:00", {"2024-03-30": 24, "2024-03-31": 23, "2024-04-01": 24}),
        ("Europe/Berlin", "2024-10-25 12:00", {"2024-10-26": 24, "2024-10-27": 25, "2024-10-28": 24}),
        ("Asia/Kolkata", "2024-03-29 12:00", {"2024-03-30": 24, "2024-03-31": 24, "2024-04-01": 24}),
        ("Australia/Lord_Howe", "2023-09-29 12:00", {"2023-09-30": 24, "2023-10-01": 23.5, "2023-10-02": 24}),
        ("Australia/Lord_Howe", "2024-04-05 12:00", {"2024-04-06": 24, "2024-04-07": 24.5, "2024-04-08": 24}),
        # The clock jumps from midnight to one, and back from midnight to eleven.
        ("America/Sao_Paulo", "2018-11-02 12:00", {"2018-11-03": 24, "2018-11-04": 23, "2018-11-05": 24}),
        ("America/Sao_Paulo", "2018-02-15 12:00", {"2018-02-16": 24, "2018-02-17": 25, "2018-02-18": 24}),
        ("America/Havana", "2024-03-08 12:00", {"2024-03-09": 24, "2024-03-10": 23, "2024-03-11": 24}),
        ("America/Havana", "2024-11-01 12:00", {"2024-11-02": 24, "2024-11-03": 25, "2024-11-04": 24}),
        # One minute past midnight the clock goes back to 23:01: the day has begun and does not end again.
        ("America/St_Johns", "2010-11-05 12:00", {"2010-11-06": 24, "2010-11-07": 25, "2010-11-08": 24}),
        # From 23:30 to 00:30: there is no midnight between the two days.
        ("America/Toronto", "1919-03-29 12:00", {"1919-03-30": 23.5, "1919-03-31": 23.5, "1919-04-01": 24}),
        ("Asia/Kathmandu", "1985-12-30 12:00", {"1985-12-31": 24, "1986-01-01": 23.75, "1986-01-02": 24}),
        ("Africa/Monrovia", "1972-01-05 12:00", {"1972-01-06": 24, "1972-01-07": 24 - 44.5 / 60, "1972-01-08": 24}),
        ("Europe/Berlin", "1893-03-30 12:00", {"1893-03-31": 24, "1893-04-01": 24 - 392 / 3600, "1893-04-02": 24}),
        # Across the date line: a day that never was, and one that was lived twice (Alaska, when it was bought).
        ("Pacific/Apia", "2011-12-28 12:00", {"2011-12-29": 24, "2011-12-31": 24, "2012-01-01": 24}),
        ("America/Juneau", "1867-10-17 12:00", {"1867-10-18": 24, "1867-10-19": 48}),
    ],
)
def test_days_are_as_long_as_the_tz_database_has_them(zone: str, from_: str, expected: dict[str, float]) -> None:
    assert list(lengths(zoned(zone, from_), 6).items())[: len(expected)] == list(expected.items())


def test_a_floating_recording_of_1918_has_days_of_24_hours() -> None:
    """The clocks of that year changed; a floating one did not."""
    clock = floating("1918-01-23 13:58")
    found = stays(clock, 0, 13 * DAY_MS)
    assert [civil.as_date(stay.civil_day) for stay in found] == [
        date(1918, 1, 23) + timedelta(one) for one in range(14)
    ]
    assert found[0] == Stay(day("1918-01-23"), 0, ms("1918-01-24") - ms("1918-01-23 13:58"))
    assert {stay.end_ms - stay.start_ms for stay in found[1:-1]} == {DAY_MS}


def test_times_before_1970_lie_on_their_own_day() -> None:
    assert civil.civil_day(-1) == -1
    assert civil.civil_day(-DAY_MS) == -1
    assert civil.civil_day(-DAY_MS - 1) == -2
    assert civil.as_date(-1) == date(1969, 12, 31)
    assert [stay.civil_day for stay in stays(floating("1969-12-31 23:59"), 0, 2 * MINUTE_MS)] == [-1, 0]


def test_a_move_of_the_clock_makes_the_day_longer_or_shorter() -> None:
    assert lengths(offset(1, "2024-05-01 12:00", (48, 9)), 4) == {"2024-05-02": 24, "2024-05-03": 16, "2024-05-04": 24}
    assert lengths(offset(9, "2024-05-01 12:00", (48, 1)), 4) == {"2024-05-02": 24, "2024-05-03": 32, "2024-05-04": 24}


def test_a_clock_moved_back_over_midnight_brings_no_day_again() -> None:
    """At 01:00 on the 3rd it is 22:00 on the 2nd again; that evening counts to the 3rd, which had begun."""
    found = stays(offset(5, "2024-05-02 00:00", (25, 2)), 0, 3 * DAY_MS)
    assert [(stay.civil_day - day("2024-05-02"), stay.start_ms / HOUR_MS) for stay in found] == [
        (0, 0),
        (1, 24),
        (2, 51),
    ]


def test_a_clock_moved_forward_over_midnight_ends_the_day_there() -> None:
    found = stays(offset(2, "2024-05-02 00:00", (22, 5)), 0, 2 * DAY_MS)
    assert [(stay.civil_day - day("2024-05-02"), stay.end_ms / HOUR_MS) for stay in found] == [
        (0, 22),
        (1, 45),
        (2, 48),
    ]


def test_over_the_date_line_a_day_may_be_skipped() -> None:
    found = stays(offset(-14, "2024-05-02 00:00", (23, 14)), 0, 2 * DAY_MS)
    assert [stay.civil_day - day("2024-05-02") for stay in found] == [0, 2, 3]


def test_without_an_offset_there_are_no_days_until_one_is_told() -> None:
    start = Start(StartKind.INSTANT, ms("2024-05-02 12:00"))
    assert stays(Clock(start), 0, 9 * DAY_MS) == []
    told = Clock(start, [(HOUR_MS, -12 * 3600)])
    assert told.known_from_ms == HOUR_MS
    assert stays(told, 0, HOUR_MS) == []
    assert stays(told, 0, 13 * HOUR_MS) == [Stay(day("2024-05-02"), HOUR_MS, 13 * HOUR_MS)]


def test_the_day_of_a_first_offset_begins_at_its_midnight_although_nobody_knew() -> None:
    """Its length in a result is that of the day and not that of what was recorded."""
    told = Clock(Start(StartKind.INSTANT, ms("2024-05-02 12:00")), [(HOUR_MS, 0)])
    assert told.day_start_ms(day("2024-05-02")) == -12 * HOUR_MS
    assert told.day_start_ms(day("2024-05-03")) == 12 * HOUR_MS


@settings(max_examples=600, deadline=None)
@given(clocks(SAMPLES), st.integers(1, SAMPLES))
@example(offset(14, "2024-05-02 00:00", (1, -14), (2, 14), (3, -14)), SAMPLES)
@example(offset(0, "2024-05-02 00:30", (0, 14)), SAMPLES)
def test_every_elapsed_time_lies_on_one_day_and_days_come_in_order(clock: Clock, samples: int) -> None:
    """The sum of the stays is the elapsed time from the first known civil time on."""
    end_ms = samples * MINUTE_MS
    found = stays(clock, 0, end_ms)
    if clock.known_from_ms is None or clock.known_from_ms >= end_ms:
        assert found == []
        return
    assert (found[0].start_ms, found[-1].end_ms) == (clock.known_from_ms, end_ms)
    assert all(stay.start_ms < stay.end_ms for stay in found)
    for one, two in itertools.pairwise(found):
        assert one.end_ms == two.start_ms
        assert one.civil_day < two.civil_day


@settings(max_examples=300, deadline=None)
@given(clocks(SAMPLES), st.integers(0, SAMPLES), st.integers(0, SAMPLES))
def test_a_part_of_a_recording_has_the_days_of_the_whole(clock: Clock, one: int, other: int) -> None:
    low, high = sorted((one * MINUTE_MS, other * MINUTE_MS))
    whole = stays(clock, 0, SAMPLES * MINUTE_MS)
    clipped = [Stay(stay.civil_day, max(low, stay.start_ms), min(high, stay.end_ms)) for stay in whole]
    assert stays(clock, low, high) == [stay for stay in clipped if stay.start_ms < stay.end_ms]


@settings(max_examples=60, deadline=None)
@given(clocks(SAMPLES))
@example(Clock(Start(StartKind.OFFSET, 1, utc_offset_s=60), [(0, 0)]))  # moved before anything of it was shown
def test_a_day_is_the_latest_the_clock_has_shown(clock: Clock) -> None:
    """Against a walk, minute by minute, just before it and at it."""
    shown: int | None = None
    found = stays(clock, 0, SAMPLES * MINUTE_MS)
    for minute in range(SAMPLES):
        for at in (minute * MINUTE_MS - 1, minute * MINUTE_MS):
            now = naive_civil_ms(clock, at)
            if now is not None and at >= 0:
                shown = max(civil.civil_day(now), civil.civil_day(now) if shown is None else shown)
        on = [stay.civil_day for stay in found if stay.start_ms <= minute * MINUTE_MS < stay.end_ms]
        assert on == ([] if shown is None else [shown])


# ---- stretches -------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(clocks(SAMPLES), st.integers(0, SAMPLES * MINUTE_MS), st.integers(0, SAMPLES * MINUTE_MS))
def test_stretches_cover_all_elapsed_time_and_tell_the_civil_time_of_each(clock: Clock, one: int, other: int) -> None:
    low, high = sorted((one, other))
    found = list(clock.stretches(low, high))
    assert [stretch.start_ms for stretch in found] == [low, *(stretch.end_ms for stretch in found)][: len(found)]
    assert (found[-1].end_ms if found else low) == high
    for stretch in found:
        for at in (stretch.start_ms, (stretch.start_ms + stretch.end_ms) // 2, stretch.end_ms - 1):
            assert clock.civil_ms(stretch, at) == naive_civil_ms(clock, at)


def test_a_stretch_ends_on_the_second_the_zone_changes() -> None:
    clock = zoned("Europe/Berlin", "2024-03-30 12:00:00.250")
    found = list(clock.stretches(0, 2 * DAY_MS))
    assert [(one.utc_offset_s, one.start_ms, one.end_ms) for one in found] == [
        (3600, 0, 14 * HOUR_MS - 250),
        (7200, 14 * HOUR_MS - 250, 2 * DAY_MS),
    ]


def test_a_start_the_clock_skips_or_repeats_is_read_with_its_earlier_offset() -> None:
    skipped, repeated = zoned("Europe/Berlin", "2024-03-31 02:30"), zoned("Europe/Berlin", "2024-10-27 02:30")
    assert skipped.axis_ms == ms("2024-03-31 01:30")
    assert repeated.axis_ms == ms("2024-10-27 00:30")


def test_an_offset_gives_the_instant_and_a_floating_start_stays_civil() -> None:
    assert offset(5.5, "2024-05-02 05:30").axis_ms == ms("2024-05-02 00:00")
    assert floating("2024-05-02 05:30").axis_ms == ms("2024-05-02 05:30")


# ---- the tz database -------------------------------------------------------------------------------------------------


def test_the_tz_database_is_the_package_and_never_the_machine() -> None:
    assert zoneinfo.TZPATH == ()
    assert civil.tzdata_version() == metadata.version("tzdata")


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT-14"])
def test_a_zone_of_the_database_exists(name: str) -> None:
    assert civil.zone_exists(name)


@pytest.mark.parametrize(
    "name", ["", "Europe/Berlln", "europe/berlin", "../UTC", "/etc/localtime", "tzdata.zi", "GMT+1"]
)
def test_anything_else_does_not(name: str) -> None:
    assert not civil.zone_exists(name)


def changes(zone: str, first_ms: int, last_ms: int) -> list[int]:
    """The instants at which a zone's offset changes, to the second: looked for week by week."""
    found, week = [], 7 * DAY_MS
    for low in range(first_ms, last_ms, week):
        before = civil.zone_offset_s(zone, low // 1000)
        if civil.zone_offset_s(zone, (low + week) // 1000) != before:
            known, late = low // 1000, (low + week) // 1000
            while late - known > 1:
                middle = (known + late) // 2
                known, late = (middle, late) if civil.zone_offset_s(zone, middle) == before else (known, middle)
            found.append(late * 1000)
    return found


def first_shown(zone: str, one: int, near_ms: int) -> int:
    """The first second near an instant at which a zone's clock shows a day or a later one, minute by minute."""
    low, high = near_ms - 30 * HOUR_MS, near_ms + 30 * HOUR_MS
    for at in range(low, high, MINUTE_MS):
        if at + civil.zone_offset_s(zone, at // 1000) * 1000 >= one * DAY_MS:
            within = range(at - MINUTE_MS, at + 1, 1000)
            return next(
                when for when in within if when + civil.zone_offset_s(zone, when // 1000) * 1000 >= one * DAY_MS
            )
    raise AssertionError("a day begins within 30 hours of any moment near it")


SWEPT = sorted({*ZONES, *sorted(zoneinfo.available_timezones())[::40]} - {"Factory"})


@pytest.mark.parametrize("zone", SWEPT)
def test_around_every_clock_change_of_a_zone_days_begin_when_its_clock_first_shows_them(zone: str) -> None:
    """A sweep over the zones above and every fortieth of all: the era of rules, and a few of the changes before it."""
    eras = (*changes(zone, MS_1800, ms("1920-01-01")), *changes(zone, ms("1965-01-01"), ms("2030-01-01"))[::7])
    for change in eras:
        clock = Clock(Start(StartKind.ZONE, ms("2000-01-01"), time_zone=zone))
        today = civil.civil_day(change + civil.zone_offset_s(zone, change // 1000) * 1000)
        for one in (today - 1, today, today + 1):
            begins = clock.axis_ms + clock.day_start_ms(one)
            near = one * DAY_MS - civil.zone_offset_s(zone, one * DAY_MS // 1000) * 1000
            assert begins == first_shown(zone, one, near), (zone, civil.as_date(one))


@pytest.mark.parametrize("zone", ZONES)
def test_the_whole_calendar_can_be_walked_in_every_zone(zone: str) -> None:
    for at in (MS_1800, ms("1900-06-15"), ms("2024-06-15"), MS_2200 - 1):
        clock = Clock(Start(StartKind.ZONE, at, time_zone=zone))
        found = stays(clock, 0, 400 * DAY_MS)
        assert sum(stay.end_ms - stay.start_ms for stay in found) == 400 * DAY_MS
        assert sum(stretch.end_ms - stretch.start_ms for stretch in clock.stretches(0, 400 * DAY_MS)) == 400 * DAY_MS

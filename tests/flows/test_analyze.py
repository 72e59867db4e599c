"""Days are what their minutes say, whenever and in whatever order those came."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clarity_server.domain.analysis import Analysed
from clarity_server.domain.civil import DAY_MS, EPOCH_DATE, MINUTE_MS, Start, StartKind, tzdata_version
from clarity_server.domain.days import CONTEXT_AFTER_MINUTES, CONTEXT_BEFORE_MINUTES, Day
from clarity_server.domain.errors import Busy, ClarityError, StoreFull
from clarity_server.domain.measures import Measure, Unavailable
from clarity_server.domain.series import ClosingKind, Encoding, Source
from clarity_server.ports import Analyses, DayKey, DueDay, Keys
from clarity_server.rhythm.bouts import bouts
from clarity_server.rhythm.sleep import oakley
from clarity_server.rhythm.wear import choi
from tests.flows.upload_world import (
    ACCOUNT,
    COUNTS,
    WRIST,
    Hand,
    Recording,
    UploadWorld,
    float32,
    fresh_account,
)
from tests.strategies import counts

TODAY = 19_812  # 30 March 2024: the day before Berlin's clocks change
NOON = TODAY * DAY_MS + DAY_MS // 2
BERLIN = "Europe/Berlin"


def recording(start: Start, size: int, upload_id: str = "u", *, seed: int = 1, **more: object) -> Recording:
    descriptor = replace(COUNTS, start=start, **more)  # type: ignore[arg-type]  # fields of it
    return Recording(upload_id, descriptor, float32(counts(seed, size)))


def floating(ms: int = NOON) -> Start:
    return Start(StartKind.FLOATING, ms)


def offset(hours: float, ms: int = NOON) -> Start:
    return Start(StartKind.OFFSET, ms, utc_offset_s=int(hours * 3600))


def berlin(ms: int = NOON) -> Start:
    return Start(StartKind.ZONE, ms, time_zone=BERLIN)


def measures(day: Day) -> dict[str, Measure]:
    return {measure.measure: measure for measure in day.measures}


def due(uploads: UploadWorld) -> list[int]:
    return [one.key.civil_day for one in uploads.store.analyses.due_days(1000, ACCOUNT)]


# ---- what a day says -------------------------------------------------------------------------------------------------


def test_the_numbers_of_a_day_are_those_of_its_minutes_and_their_context(uploads: UploadWorld) -> None:
    """The second of three days, against the arrays themselves."""
    made = recording(floating(), 3 * 1440)
    uploads.upload(made)
    uploads.derive()
    minutes = np.frombuffer(made.values, "<f4").astype(float)
    first = 720
    context = minutes[first - CONTEXT_BEFORE_MINUTES : first + 1440 + CONTEXT_AFTER_MINUTES]
    core = slice(CONTEXT_BEFORE_MINUTES, CONTEXT_BEFORE_MINUTES + 1440)
    worn = choi(context)
    asleep = (oakley(context) & worn)[core]
    day = uploads.results("u")[1]
    assert day.date == EPOCH_DATE + timedelta(days=TODAY + 1)
    assert (day.length_minutes, day.recorded_minutes) == (1440, int(np.isfinite(context[core]).sum()))
    assert day.worn_minutes == int(worn[core].sum())
    assert day.asleep == tuple(bouts(asleep))
    assert day.not_worn == tuple(bouts(np.isfinite(context[core]) & ~worn[core]))
    said = measures(day)
    assert said["wear_coverage"].outcome == pytest.approx(worn[core].sum() / 1440)
    assert said["activity_counts"].outcome == pytest.approx(np.nansum(context[core]))
    assert said["sleep_minutes"].outcome == asleep.sum()
    assert said["sleep_minutes"].coverage_ratio == pytest.approx(worn[core].sum() / 1440)
    assert [said[name].ucum_unit for name in said] == ["1", "{counts}", "min"]
    assert {measure.input_digest for measure in day.measures} == {measures(day)["wear_coverage"].input_digest}
    assert day.tzdata_version == ""


def test_every_measure_says_how_it_was_made(uploads: UploadWorld) -> None:
    uploads.upload(recording(floating(), 2000))
    uploads.derive()
    for measure in uploads.days()[0].measures:
        assert measure.algorithm
        assert measure.algorithm_version
        assert measure.parameters
        assert len(measure.input_digest) == 64


def test_missing_is_not_zero(uploads: UploadWorld) -> None:
    """A day of "no value" has a reason for each number, and no number."""
    nothing = replace(recording(floating(TODAY * DAY_MS), 1440), values=float32([float("nan")] * 1440))
    uploads.upload(nothing)
    uploads.derive()
    day = uploads.days()[0]
    assert (day.recorded_minutes, day.worn_minutes) == (0, 0)
    said = measures(day)
    assert said["activity_counts"].outcome is Unavailable.SHORT_RECORD
    assert said["sleep_minutes"].outcome is Unavailable.NOT_WORN
    assert said["wear_coverage"].coverage_ratio == 0


def test_a_negative_count_is_no_count(uploads: UploadWorld) -> None:
    values = counts(1, 1440)
    values[600:610] = -5
    uploads.upload(replace(recording(floating(TODAY * DAY_MS), 1440), values=float32(values)))
    uploads.derive()
    day = uploads.days()[0]
    known = values[np.isfinite(values) & (values >= 0)]
    assert day.recorded_minutes == len(known)
    assert measures(day)["activity_counts"].outcome == pytest.approx(float(known.sum(dtype=np.float64)))


def test_a_device_on_the_table_sleeps_no_minute(uploads: UploadWorld) -> None:
    uploads.upload(replace(recording(floating(TODAY * DAY_MS), 1440), values=float32([0.0] * 1440)))
    uploads.derive()
    day = uploads.days()[0]
    assert measures(day)["sleep_minutes"].outcome is Unavailable.NOT_WORN
    assert measures(day)["activity_counts"].outcome == 0
    assert day.not_worn == ((0, 1440),)


def test_int16_counts_are_scaled(uploads: UploadWorld) -> None:
    shorts = np.array([100, -32768, 300] * 500, dtype="<i2").tobytes()
    made = replace(recording(floating(), 1, encoding=Encoding.INT16, scale=0.5), values=shorts)
    uploads.upload(made)
    uploads.derive()
    total = sum(float(measures(day)["activity_counts"].outcome) for day in uploads.days())
    assert total == 500 * 200
    assert sum(day.recorded_minutes for day in uploads.days()) == 1000


@pytest.mark.parametrize(
    ("zone", "from_day", "lengths"),
    [
        (BERLIN, TODAY, [1440, 1380, 1440]),  # 31 March 2024
        (BERLIN, 20_022, [1440, 1500, 1440]),  # 27 October 2024
        ("Australia/Lord_Howe", 19_819, [1440, 1470, 1440]),  # 7 April 2024
        ("Pacific/Apia", 15_337, [1440, 1440]),  # 29 December 2011, and then the 31st
        (BERLIN, -28_034, [1440, 1434, 1440]),  # 1 April 1893: six minutes and 32 seconds less than a day
    ],
)
def test_a_day_is_as_long_as_its_civil_day(uploads: UploadWorld, zone: str, from_day: int, lengths: list[int]) -> None:
    uploads.upload(recording(Start(StartKind.ZONE, from_day * DAY_MS, time_zone=zone), len(lengths) * 1440))
    uploads.derive()
    days = uploads.results("u")[: len(lengths)]
    assert [day.length_minutes for day in days] == lengths
    assert {day.tzdata_version for day in days} == {tzdata_version()}
    assert sum(day.recorded_minutes for day in uploads.days()) == int(np.isfinite(counts(1, len(lengths) * 1440)).sum())


def test_a_day_of_travel_is_longer_or_shorter(uploads: UploadWorld) -> None:
    """From Berlin to Tokyo at noon, and back two days later."""
    made = recording(offset(1), 5 * 1440)
    uploads.upload(replace(made, moves=((1440, 9 * 3600), (3 * 1440, 3600))))
    uploads.derive()
    days = uploads.results("u")
    assert [day.length_minutes for day in days] == [1440, 1440 - 8 * 60, 1440, 1440 + 8 * 60, 1440, 1440]
    assert [day.date for day in days] == [days[0].date + timedelta(days=more) for more in range(6)]


def test_without_an_offset_there_are_no_days(uploads: UploadWorld) -> None:
    uploads.upload(recording(Start(StartKind.INSTANT, NOON), 4000))
    uploads.derive()
    assert uploads.results("u") == []
    assert uploads.days() == []


def test_with_an_offset_the_days_begin_there(uploads: UploadWorld) -> None:
    made = recording(Start(StartKind.INSTANT, NOON), 4000)
    uploads.upload(replace(made, moves=((1000, 3600),)))
    uploads.derive()
    days = uploads.results("u")
    known = np.frombuffer(made.values, "<f4")[1000:]
    assert days[0].date == EPOCH_DATE + timedelta(days=TODAY + 1)
    assert days[0].length_minutes == 1440
    assert sum(day.recorded_minutes for day in days) == int(np.isfinite(known).sum())


# ---- results and days ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start", [floating(-18_970 * DAY_MS + 838 * MINUTE_MS), berlin(NOON), offset(-9.5, NOON + 31_250)]
)
def test_the_results_of_a_recording_are_its_days_once_they_are_closed(uploads: UploadWorld, start: Start) -> None:
    """Thirteen days of a wrist, in hours."""
    uploads.upload(recording(start, 18_401), step=60)
    uploads.derive()
    results, everything = uploads.results("u"), uploads.all_results("u")
    assert [one.result for one in everything] == list(range(1, len(everything) + 1))
    assert len(everything) == len(results) + 6  # weeks
    assert [replace(day, result=0) for day in results] == uploads.days()
    assert all(day.closed for day in results)
    assert len(results) in {13, 14}
    assert sum(day.recorded_minutes for day in results) == int(np.isfinite(counts(1, 18_401)).sum())


def test_a_day_in_progress_is_listed_open(uploads: UploadWorld) -> None:
    hand = uploads.open(recording(floating(), 3000))
    hand.send_range(0, 800)
    hand.commit()
    assert [(day.recorded_minutes, day.closed) for day in uploads.days()] == [
        (int(np.isfinite(counts(1, 3000)[:720]).sum()), False),
        (int(np.isfinite(counts(1, 3000)[720:800]).sum()), False),
    ]
    hand.send_all(3000)
    hand.commit()
    assert [day.closed for day in uploads.days()] == [True, True, False]


@pytest.mark.parametrize("extra", [0, 1, 500, 20_000])
def test_a_result_does_not_depend_on_how_far_its_upload_has_gone_when_it_is_derived(
    uploads: UploadWorld, extra: int
) -> None:
    whole = recording(offset(1), 720 + 1440 + CONTEXT_AFTER_MINUTES + 20_000)
    slow, fast = fresh_account(uploads), fresh_account(uploads)
    for account_id, first in (
        (slow, 720 + 1440 + CONTEXT_AFTER_MINUTES),
        (fast, 720 + 1440 + CONTEXT_AFTER_MINUTES + extra),
    ):
        hand = uploads.open(whole, account_id)
        for at in range(0, first, 5000):
            hand.send_range(at, min(at + 5000, first))
        hand.commit()
        uploads.derive()
    assert uploads.results("u", slow)[:2] == uploads.results("u", fast)[:2]
    assert len(uploads.results("u", slow)) == 2


def test_a_later_move_of_the_clock_does_not_reach_back_into_a_result(uploads: UploadWorld) -> None:
    """Back over the date line, the wearer lives the evening of a closed day again: the result stays as it was."""
    made = replace(recording(offset(12), 6000), moves=((720 + 1440 + CONTEXT_AFTER_MINUTES + 60, -11 * 3600),))
    slow, fast = fresh_account(uploads), fresh_account(uploads)
    hand = uploads.open(made, slow)
    for first in range(0, 6000, 60):
        hand.send_range(first, first + 60)
        hand.commit()
        uploads.derive()
    uploads.upload(made, fast)
    uploads.derive()
    hand.finish()
    uploads.derive()
    assert uploads.results("u", slow) == uploads.results("u", fast)
    assert [replace(day, result=0) for day in uploads.results("u", fast)] == uploads.days(fast) == uploads.days(slow)


# ---- several uploads -------------------------------------------------------------------------------------------------


def test_conflicts_of_equal_revisions_are_counted_within_the_day(uploads: UploadWorld) -> None:
    """Ten minutes around midnight differ: five on each day, and no day counts those of its context."""
    one = recording(floating(TODAY * DAY_MS), 2880, "a")
    altered = counts(1, 2880)
    altered[1435:1445] += 1
    uploads.upload(one)
    uploads.upload(replace(one, upload_id="b", values=float32(altered)))
    differing = np.isfinite(counts(1, 2880)[1435:1445])
    assert [day.conflict_minutes for day in uploads.days()] == [int(differing[:5].sum()), int(differing[5:].sum())]


def test_the_higher_revision_is_read_and_nothing_conflicts(uploads: UploadWorld) -> None:
    one = recording(floating(TODAY * DAY_MS), 1440, "a")
    other = recording(floating(TODAY * DAY_MS), 1440, "b", seed=2, revision=1)
    uploads.upload(one)
    uploads.upload(other)
    uploads.upload(other, alone := fresh_account(uploads))
    day, only = uploads.days()[0], uploads.days(alone)[0]
    assert day == only
    assert day.conflict_minutes == 0


def test_sources_have_days_of_their_own(uploads: UploadWorld) -> None:
    uploads.upload(recording(floating(TODAY * DAY_MS), 1440, "a"))
    uploads.upload(recording(floating(TODAY * DAY_MS), 1440, "b", seed=2, source=Source("ankle")))
    assert [(day.source.device, day.conflict_minutes) for day in uploads.days()] == [("ankle", 0), ("wrist", 0)]


def test_late_data_is_derived_again_on_the_days_it_may_bear_on_and_on_no_other(uploads: UploadWorld) -> None:
    whole = recording(floating(TODAY * DAY_MS), 6 * 1440)
    uploads.upload(whole)
    uploads.derive()
    assert due(uploads) == []
    before = uploads.days()
    late = recording(floating((TODAY + 3) * DAY_MS + 600 * MINUTE_MS), 60, "late", seed=5, revision=1)
    uploads.upload(late, finish=False)
    assert due(uploads) == [TODAY + 2, TODAY + 3, TODAY + 4, TODAY + 5]
    after = uploads.days()
    # The night that leads to the fourth day has become another, and its digest knows of the afternoon before.
    assert [one != two for one, two in zip(before, after, strict=True)] == [False, False, False, True, False, False]


def test_a_day_that_no_sample_is_on_is_not_listed(uploads: UploadWorld) -> None:
    uploads.upload(recording(floating(TODAY * DAY_MS + 600 * MINUTE_MS), 60))
    assert sorted(due(uploads)) == [TODAY - 1, TODAY, TODAY + 1, TODAY + 2]
    assert [day.date for day in uploads.days()] == [EPOCH_DATE + timedelta(days=TODAY)]


def test_uploads_of_an_hour_each_make_the_days_that_one_of_all_makes(uploads: UploadWorld) -> None:
    """As a phone sends them, each with the offset of its hour, over a clock change: 23 hours and not 24."""
    minutes = counts(4, 4 * 1440)
    start_utc = TODAY * DAY_MS
    for hour in range(96):
        instant = start_utc + hour * 60 * MINUTE_MS
        shift = 7200 if instant >= (TODAY + 1) * DAY_MS + 60 * MINUTE_MS else 3600
        start = Start(StartKind.OFFSET, instant + shift * 1000, utc_offset_s=shift)
        values = float32(minutes[60 * hour : 60 * hour + 60])
        uploads.upload(Recording(f"h{hour:02}", replace(COUNTS, start=start), values))
    whole = Start(StartKind.ZONE, start_utc + 3_600_000, time_zone=BERLIN)
    uploads.upload(Recording("all", replace(COUNTS, start=whole), float32(minutes)), alone := fresh_account(uploads))
    found, expected = uploads.days(), uploads.days(alone)
    assert [replace(day, tzdata_version=tzdata_version()) for day in found] == expected
    assert [day.length_minutes for day in found] == [1440, 1380, 1440, 1440, 1440]


def test_two_uploads_on_either_side_of_a_journey_share_out_all_minutes(uploads: UploadWorld) -> None:
    """One ends with the evening in Berlin, the next begins in New York: no minute is lost, none counted twice."""
    one = recording(offset(1, TODAY * DAY_MS), 1440 + 20 * 60, "berlin")
    lands = TODAY * DAY_MS + (1440 + 20 * 60) * MINUTE_MS - 6 * 3_600_000
    two = recording(offset(-5, lands), 3000, "new-york", seed=2)
    uploads.upload(one)
    uploads.upload(two)
    recorded = sum(int(np.isfinite(np.frombuffer(made.values, "<f4")).sum()) for made in (one, two))
    assert sum(day.recorded_minutes for day in uploads.days()) == recorded
    assert [day.length_minutes for day in uploads.days()][:2] == [1440, 1440 + 6 * 60]


def test_a_floating_recording_lays_the_others_on_its_clock(uploads: UploadWorld) -> None:
    uploads.upload(recording(floating(TODAY * DAY_MS), 600, "a"))
    uploads.upload(recording(offset(5, TODAY * DAY_MS + 600 * MINUTE_MS), 840, "b", seed=2))
    days = uploads.days()
    assert [day.length_minutes for day in days] == [1440]
    assert days[0].recorded_minutes == int(np.isfinite(counts(1, 600)).sum() + np.isfinite(counts(2, 840)).sum())


def test_an_offset_told_later_changes_no_day_that_it_says_nothing_of(uploads: UploadWorld) -> None:
    """Of an upload without an offset nothing is known on these days, before and after it learns of one."""
    known = recording(offset(0, (TODAY + 1) * DAY_MS + 600 * MINUTE_MS), 500, "b")
    silent = recording(Start(StartKind.INSTANT, TODAY * DAY_MS), 9 * 1440, "a", seed=2)
    silent = replace(silent, moves=((8 * 1440, 9 * 3600),))
    uploads.upload(silent, late := fresh_account(uploads))
    uploads.upload(known, late)
    uploads.upload(known)
    hand = uploads.open(silent)
    for _ in range(9):
        hand.send_all(1440, chunks=1)
        hand.commit()
        uploads.derive()
    hand.finish()
    days = uploads.days()
    assert days == uploads.days(late)
    assert (days[0].length_minutes, days[0].recorded_minutes) == (1440, int(np.isfinite(counts(1, 500)).sum()))


KINDS: list[Callable[[int], Start]] = [
    floating,
    lambda ms: offset(1, ms),
    lambda ms: offset(-9, ms),
    lambda ms: offset(13.5, ms),
    berlin,
    lambda ms: Start(StartKind.INSTANT, ms),
]


@dataclass
class Arrivals:
    """Several uploads of one source that arrive in pieces."""

    recordings: list[Recording]

    def bring(self, uploads: UploadWorld, order: list[int], *, derive_every: int) -> tuple[list[Day], list[list[Day]]]:
        """Commit a piece of one upload after the other in this order, and derive now and then."""
        account_id = fresh_account(uploads)
        hands: dict[int, Hand] = {}
        for step, which in enumerate(order):
            which %= len(self.recordings)  # noqa: PLW2901
            hand = hands.get(which) or hands.setdefault(which, uploads.open(self.recordings[which], account_id))
            hand.send_all(500, chunks=1)
            hand.commit()
            if step % derive_every == 0:
                uploads.derive()
        for which, made in enumerate(self.recordings):
            hand = hands.get(which) or uploads.open(made, account_id)
            hand.send_all(500)
            hand.commit()
            hand.finish()
        uploads.derive()
        return uploads.days(account_id), [uploads.results(made.upload_id, account_id) for made in self.recordings]


@st.composite
def worn(draw: st.DrawFn, upload_id: str = "u") -> Recording:
    """A recording of up to two days by any kind of clock, perhaps moved."""
    ms = TODAY * DAY_MS + draw(st.integers(-1500, 1500)) * MINUTE_MS + draw(st.sampled_from([0, 0, 30_000, 59_999]))
    start = draw(st.sampled_from(KINDS))(ms)
    size = draw(st.integers(1, 2500))
    made = recording(start, size, upload_id, seed=draw(st.integers(0, 50)), revision=draw(st.integers(0, 1)))
    if start.kind not in {StartKind.OFFSET, StartKind.INSTANT} or draw(st.booleans()):
        return made
    at = sorted(draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=3, unique=True)))
    hours = st.sampled_from([-12, -5, 0, 1, 2, 9, 14])
    return replace(made, moves=tuple((one, draw(hours) * 3600) for one in at))


@st.composite
def arrivals(draw: st.DrawFn) -> Arrivals:
    """Up to four uploads within some days."""
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True))
    return Arrivals([draw(worn(name)) for name in names])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrivals(), st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12), st.integers(1, 5)
)
def test_days_do_not_depend_on_the_order_of_arrival(
    uploads: UploadWorld, several: Arrivals, one_order: list[int], other_order: list[int], derive_every: int
) -> None:
    one, _ = several.bring(uploads, one_order, derive_every=derive_every)
    other, _ = several.bring(uploads, other_order, derive_every=100)
    assert one == other
    assert len({day.date for day in one}) == len(one)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worn())
@example(recording(floating((TODAY + 1) * DAY_MS - 30_000), 1))
@example(replace(recording(offset(5, TODAY * DAY_MS), 2500), moves=((1500, 2 * 3600),)))
@example(replace(recording(offset(-9, TODAY * DAY_MS + 30_000), 120), moves=((60, 14 * 3600),)))
def test_every_recorded_minute_of_an_upload_is_on_exactly_one_of_its_days(
    uploads: UploadWorld, made: Recording
) -> None:
    days, (results,) = Arrivals([made]).bring(uploads, [], derive_every=1)
    values = np.frombuffer(made.values, "<f4")
    first = 0
    if made.descriptor.start.kind is StartKind.INSTANT:
        first = made.moves[0][0] if made.moves else len(values)
    assert sum(day.recorded_minutes for day in days) == int(np.isfinite(values[first:]).sum())
    assert [replace(day, result=0) for day in results] == days
    for one, two in itertools.pairwise(days):
        assert one.date < two.date


def test_a_result_is_of_what_was_there_when_its_day_closed_however_late_it_is_derived(uploads: UploadWorld) -> None:
    """A second recording of higher revision comes over the first before the worker has looked at it, or after."""
    first = recording(floating(TODAY * DAY_MS), 10 * 1440, "first")
    second = recording(floating((TODAY + 2) * DAY_MS), 3 * 1440, "second", seed=2, revision=1)
    prompt, late = fresh_account(uploads), fresh_account(uploads)
    uploads.upload(first, prompt)
    uploads.derive()
    for account_id in (prompt, late):
        if account_id == late:
            uploads.upload(first, late)
        uploads.upload(second, account_id)
        uploads.derive()
    assert uploads.results("first", prompt) == uploads.results("first", late)
    assert uploads.results("second", prompt) == uploads.results("second", late)
    assert uploads.days(prompt) == uploads.days(late)

    def weeks(account_id: str) -> list[tuple[int, str]]:
        found = [one for one in uploads.all_results("first", account_id) if isinstance(one, Analysed)]
        return [(one.result, one.analysis.window.input_digest) for one in found]

    assert len(weeks(late)) == 4
    assert weeks(prompt) == weeks(late)


# ---- failures --------------------------------------------------------------------------------------------------------


def told(job: Callable[[], object]) -> bool:
    """The boundary of derivations as the server has it, but only for what these tests make fail."""
    try:
        job()
    except (ClarityError, AssertionError):
        return True
    return False


@dataclass
class FaultyKeys:
    """Keys of which one account's is gone, or the store is in the way."""

    keys: Keys
    error: Exception | None
    account_id: str

    def data_key(self, account_id: str) -> bytes:
        if self.error is not None and account_id == self.account_id:
            raise self.error
        return self.keys.data_key(account_id)


def damaged(uploads: UploadWorld, day: int) -> None:
    """Damage what the store has of a day."""
    uploads.store.database.write(
        lambda connection: connection.execute(
            "UPDATE segments SET body = zeroblob(length(body)) WHERE account_id = ? AND day = ?", (ACCOUNT, day)
        ).close()
    )


def test_a_day_that_fails_is_marked_and_the_others_go_on(uploads: UploadWorld) -> None:
    uploads.upload(recording(floating(TODAY * DAY_MS), 6 * 1440))
    damaged(uploads, TODAY + 4)
    analyze_ = replace(uploads.analyze, failing=told)
    while analyze_.derive_day_results() or analyze_.derive_days():
        pass
    dates = [
        key.civil_day for key, _ in uploads.store.analyses.days(ACCOUNT, "activity_counts_1min", (None, None), None, 99)
    ]
    assert dates == [TODAY, TODAY + 1, TODAY + 2]  # those that read nothing of the damaged day
    results = uploads.results("u")
    assert [day.result for day in results] == [1, 2, 3, 4, 5, 6]
    failed = [day.result for day in results if {one.outcome for one in day.measures} == {Unavailable.FAILED}]
    assert failed == [4, 5, 6]
    assert due(uploads) == []


def test_a_failed_day_is_tried_again_when_data_comes(uploads: UploadWorld) -> None:
    uploads.upload(recording(floating(TODAY * DAY_MS), 1440))
    broken = replace(uploads.analyze, failing=told, keys=FaultyKeys(uploads.store.keys, Broken(), ACCOUNT))  # type: ignore[arg-type]
    assert broken.derive_days() == 4
    assert due(uploads) == []
    uploads.upload(recording(floating(TODAY * DAY_MS), 10, "more", seed=3))
    assert [day.recorded_minutes for day in uploads.days()] == [int(np.isfinite(counts(1, 1440)).sum())]


class Broken(ClarityError):
    """Something that will not pass by waiting."""

    def __init__(self) -> None:
        super().__init__("broken for good")


def test_what_only_has_to_wait_for_the_store_is_not_marked_as_failed(uploads: UploadWorld) -> None:
    """A full disk or a busy one passes; a result given up for it would never come."""
    uploads.upload(recording(floating(TODAY * DAY_MS), 3000))
    for error in (StoreFull(), Busy("reads")):
        waiting = replace(uploads.analyze, failing=told, keys=FaultyKeys(uploads.store.keys, error, ACCOUNT))  # type: ignore[arg-type]
        with pytest.raises(type(error)):
            waiting.derive_day_results()
        with pytest.raises(type(error)):
            waiting.derive_days()
    uploads.derive()
    assert [day.result for day in uploads.results("u")] == [1, 2, 3]


@dataclass
class Busybody:
    """An analysis queue to which days are added as fast as they are derived."""

    analyses: Analyses
    due: DueDay

    def due_days(self, limit: int, account_id: str | None = None) -> list[DueDay]:
        assert limit
        assert account_id
        return [self.due]

    def __getattr__(self, name: str) -> object:
        return getattr(self.analyses, name)


def test_a_reader_does_not_wait_for_days_for_ever(uploads: UploadWorld) -> None:
    uploads.upload(recording(floating(TODAY * DAY_MS), 10))
    key = DayKey(ACCOUNT, "activity_counts_1min", WRIST, TODAY)
    busy = Busybody(uploads.store.analyses, DueDay(key, 0))
    slow = replace(uploads.analyze, analyses=busy, settle_s=0.05)  # type: ignore[arg-type]
    with pytest.raises(Busy):
        slow.settle(ACCOUNT)


def test_days_of_another_account_are_not_derived_for_this_one(uploads: UploadWorld) -> None:
    uploads.upload(recording(floating(), 10))
    other = fresh_account(uploads)
    uploads.upload(recording(floating(), 10), other)
    uploads.analyze.settle(ACCOUNT)
    assert due(uploads) == []
    assert len(uploads.store.analyses.due_days(99, other)) == 4


def test_results_are_derived_for_whoever_is_due(uploads: UploadWorld) -> None:
    for _ in range(3):
        uploads.upload(recording(floating(), 2000), fresh_account(uploads))
    assert uploads.analyze.derive_day_results() == 6
    assert uploads.analyze.derive_day_results() == 0
    assert uploads.store.analyses.due_results(ClosingKind.DAY, 10) == []

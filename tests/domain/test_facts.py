"""Facts: every number of a week with an id, the words it is said in, and the minutes it rests on."""

from dataclasses import replace
from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.domain.analysis import Abstention, Analysis, Output, PatReading
from clarity_server.domain.facts import (
    CLOCK,
    COMPARED,
    DURATION,
    MANNERS,
    RATIO,
    SHARE,
    TENTHS,
    Manner,
    attention_by_hour,
    facts_of,
    rounded,
    said,
    said_change,
)
from clarity_server.domain.insight import Fact, Form
from clarity_server.domain.measures import Sleep, Unavailable
from tests.domain.weeks_made_up import DAY, FIRST_DAY, a_week, two_weeks

MINUTE_MS = 60_000
FIRST_DATE = date(2024, 10, 4)


def week(seed: int = 1, start_day: int = FIRST_DAY, **outcomes: float | Unavailable) -> Analysis:
    """A week that lacks nothing, seven days worn, with these measures."""
    made = a_week(Random(seed), start_day, missing=0)
    window = replace(made.window, recorded_minutes=10080, worn_minutes=10000, worn_days=7, longest_gap_minutes=0)
    return replace(with_outcomes(made, **outcomes), window=window, pat=None)


def with_outcomes(analysis: Analysis, **outcomes: float | Unavailable) -> Analysis:
    measures = [replace(one, outcome=outcomes.get(one.measure, one.outcome)) for one in analysis.measures]
    return replace(analysis, measures=tuple(measures))


def without_night(analysis: Analysis, *places: int, reason: Unavailable = Unavailable.NOT_WORN) -> Analysis:
    nights = [replace(one, outcome=reason) if at in places else one for at, one in enumerate(analysis.nights)]
    return replace(analysis, nights=tuple(nights))


def slept(analysis: Analysis, *minutes: int) -> Analysis:
    """The nights with these lengths of sleep."""
    nights = []
    for night, total in zip(analysis.nights, minutes, strict=True):
        assert isinstance(night.outcome, Sleep)
        nights.append(replace(night, outcome=replace(night.outcome, total_sleep=total)))
    return replace(analysis, nights=tuple(nights))


def looked(attention: tuple[float, ...], patch_minutes: int = 18, *, demonstration: bool = False) -> PatReading:
    output = Output((0.0,) * 96, attention, patch_minutes)
    return PatReading("pat-s", "e" * 64, demonstration, "own_week", "", 252, output)


def fact(facts: tuple[Fact, ...], name: str, day: date | None = None) -> Fact:
    [found] = [one for one in facts if one.name == name and (day is None or one.day == day)]
    return found


def names(facts: tuple[Fact, ...]) -> list[str]:
    return [one.name for one in facts]


# ---- how a value is said ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "manner", "text"),
    [
        (432, "min", DURATION, "7 h 12 min"),
        (24, "min", DURATION, "24 min"),
        (59.5, "min", DURATION, "1 h 0 min"),
        (59.49, "min", DURATION, "59 min"),
        (0, "min", DURATION, "0 min"),
        (1428, "min", CLOCK, "23:48"),
        (0, "min", CLOCK, "00:00"),
        (1439.5, "min", CLOCK, "00:00"),
        (85.6, "%", Manner(), "86 %"),
        (0.855, "1", SHARE, "86 %"),
        (0.615, "1", RATIO, "0.62"),
        (412.4, "{counts}/min", Manner(), "412 counts/min"),
        (5, "{nights}", Manner(), "5 nights"),
        (1, "{nights}", Manner(), "1 night"),
        (3.45, "{awakenings}", TENTHS, "3.5 awakenings"),
        (-12.5, "1", Manner(), "-13"),
        (-0.4, "1", Manner(), "0"),
        (8640, "{pairs}", Manner(), "8,640 pairs"),
    ],
)
def test_a_value_is_said_as_a_person_reads_it(value: float, unit: str, manner: Manner, text: str) -> None:
    assert said(value, unit, manner) == text


@pytest.mark.parametrize(
    ("value", "unit", "manner", "text"),
    [
        (24, "min", DURATION, "24 min longer"),
        (-84, "min", DURATION, "1 h 24 min shorter"),
        (20, "min", CLOCK, "20 min later"),
        (-20, "min", CLOCK, "20 min earlier"),
        (0.4, "min", CLOCK, "about the same"),
        (-0.4, "min", DURATION, "about the same"),
        (3.2, "%", Manner(), "3 percentage points higher"),
        (-0.012, "1", SHARE, "1 percentage point lower"),
        (0.05, "1", RATIO, "0.05 higher"),
        (0.004, "1", RATIO, "about the same"),
        (-1.2, "{awakenings}", TENTHS, "1.2 awakenings fewer"),
        (40, "{counts}/min", Manner(), "40 counts/min higher"),
    ],
)
def test_a_change_is_said_with_its_direction(value: float, unit: str, manner: Manner, text: str) -> None:
    assert said_change(value, unit, manner) == text


def test_halves_are_rounded_away_from_zero_as_they_are_written() -> None:
    assert [str(rounded(value, 2)) for value in (0.125, 1.005, -0.125, 2.675)] == ["0.13", "1.01", "-0.13", "2.68"]


def test_values_are_not_rounded() -> None:
    assert fact(facts_of(week(night_total_sleep=432.4321), None), "night_total_sleep").outcome == 432.4321


# ---- which facts there are -------------------------------------------------------------------------------------------


def test_every_measure_is_a_fact_in_the_order_a_person_would_ask() -> None:
    made = week()
    facts = facts_of(made, None)
    of_week = [one.name for one in facts if one.day is None]
    assert set(of_week) >= {one.measure for one in made.measures}
    order = list(MANNERS)
    assert of_week == sorted(of_week, key=order.index)
    asked = (
        "night_total_sleep",
        "night_onset_time",
        "sleep_regularity_index",
        "l5_onset",
        "activity_mean",
        "worn_days",
    )
    assert [of_week.index(name) for name in asked] == sorted(of_week.index(name) for name in asked)


def test_a_measure_that_is_new_is_a_fact_too_said_by_its_unit() -> None:
    made = week()
    new = replace(made.measures[0], measure="nap_time", outcome=95.0, ucum_unit="min")
    facts = facts_of(replace(made, measures=(*made.measures, new)), None)
    assert fact(facts, "nap_time").text == "1 h 35 min"


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_equal_analyses_have_equal_facts_and_every_id_is_another(seed: int) -> None:
    facts = facts_of(*two_weeks(Random(seed)))
    assert facts == facts_of(*two_weeks(Random(seed)))
    assert len({one.fact_id for one in facts}) == len(facts)
    assert all(len(one.fact_id) == 26 for one in facts)


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_what_is_unavailable_has_no_words_and_what_has_a_value_has(seed: int) -> None:
    for one in facts_of(*two_weeks(Random(seed))):
        assert (one.text == "") is isinstance(one.outcome, Unavailable)


def test_different_analyses_share_no_id() -> None:
    one, other = facts_of(week(1), None), facts_of(week(2), None)
    assert not {made.fact_id for made in one} & {made.fact_id for made in other}


def test_a_fact_says_where_it_comes_from() -> None:
    made = week()
    [measure] = [one for one in made.measures if one.measure == "l5_onset"]
    found = fact(facts_of(made, None), "l5_onset")
    assert (found.algorithm, found.algorithm_version) == (measure.algorithm, measure.algorithm_version)
    assert (found.parameters, found.input_digest) == (measure.parameters, measure.input_digest)
    assert (found.coverage_ratio, found.model_digest) == (measure.coverage_ratio, "")


# ---- nights ----------------------------------------------------------------------------------------------------------


def test_each_night_has_its_facts_under_the_date_of_its_morning() -> None:
    facts = facts_of(without_night(week(), 2), None)
    of_nights = [one for one in facts if one.name == "total_sleep"]
    assert [one.day for one in of_nights] == [date(2024, 10, 4 + place) for place in range(7)]
    assert [one.outcome for one in facts if one.day == date(2024, 10, 6)] == [Unavailable.NOT_WORN] * 6


def test_the_longest_and_shortest_night_rest_on_the_nights() -> None:
    facts = facts_of(slept(week(), 400, 390, 500, 410, 300, 420, 430), None)
    longest, shortest = fact(facts, "night_longest"), fact(facts, "night_shortest")
    assert (longest.outcome, longest.day) == (500, date(2024, 10, 6))
    assert (shortest.outcome, shortest.day) == (300, date(2024, 10, 8))
    assert longest.of_facts == tuple(one.fact_id for one in facts if one.name == "total_sleep")
    assert longest.minutes == fact(facts, "total_sleep", longest.day).minutes


def test_of_two_nights_alike_none_is_the_longest() -> None:
    found = names(facts_of(slept(week(), 400, 390, 500, 500, 300, 420, 430), None))
    assert "night_longest" not in found
    assert "night_shortest" in found


def test_two_nights_have_no_longest() -> None:
    assert "night_longest" not in names(facts_of(without_night(week(), 0, 1, 2, 3, 4), None))


def test_a_mean_over_nights_leads_to_the_nights_it_was_made_of() -> None:
    facts = facts_of(without_night(week(), 3), None)
    known = [one.fact_id for one in facts if one.name == "total_sleep" and one.text]
    assert fact(facts, "night_total_sleep").of_facts == tuple(known)
    assert len(known) == 6


# ---- changes ---------------------------------------------------------------------------------------------------------


def change(name: str, now: float, then: float) -> Fact:
    return fact(
        facts_of(with_outcomes(week(1), **{name: now}), with_outcomes(week(2, FIRST_DAY - 7), **{name: then})),
        f"{name}_change",
    )


def test_a_change_of_clock_time_goes_the_shorter_way_over_midnight() -> None:
    later = change("night_onset_time", 10, 1430)
    assert (later.outcome, later.text, later.form) == (20, "20 min later", Form.CHANGE)
    earlier = change("night_onset_time", 1430, 10)
    assert (earlier.outcome, earlier.text) == (-20, "20 min earlier")


def test_a_change_leads_to_both_values() -> None:
    now, before = week(1), week(2, FIRST_DAY - 7)
    facts = facts_of(now, before)
    found = fact(facts, "night_total_sleep_change")
    old = fact(facts_of(before, None), "night_total_sleep")
    assert found.of_facts == (old.fact_id, fact(facts, "night_total_sleep").fact_id)
    assert (found.minutes.start_ms, found.minutes.end_ms) == (
        before.window.start_ms,
        now.window.start_ms + 10080 * MINUTE_MS,
    )


def test_a_change_to_another_week_before_is_another_fact() -> None:
    now = week(1)
    one, other = (facts_of(now, week(seed, FIRST_DAY - 7)) for seed in (2, 3))
    assert fact(one, "activity_mean_change").fact_id != fact(other, "activity_mean_change").fact_id
    assert fact(one, "activity_mean").fact_id == fact(other, "activity_mean").fact_id


def test_everything_a_person_would_compare_is_compared() -> None:
    found = names(facts_of(week(1), week(2, FIRST_DAY - 7)))
    assert [name for name in found if name.endswith("_change")] == [f"{name}_change" for name in COMPARED]


def test_no_change_is_told_where_a_number_is_missing_in_either_week() -> None:
    now, before, gone = week(1), week(2, FIRST_DAY - 7), Unavailable.GAP
    for pair in (
        (with_outcomes(now, activity_mean=gone), before),
        (now, with_outcomes(before, activity_mean=gone)),
    ):
        assert "activity_mean_change" not in names(facts_of(*pair))


def test_no_change_is_told_where_too_little_of_either_week_was_worn() -> None:
    now, before = week(1), week(2, FIRST_DAY - 7)
    little = replace(before, window=replace(before.window, worn_days=3))
    changes = [name for name in names(facts_of(now, little)) if name.endswith("_change")]
    assert changes
    assert all(name.startswith("night_") for name in changes)
    few = without_night(now, 0, 1, 2, 3)
    changes = [name for name in names(facts_of(few, before)) if name.endswith("_change")]
    assert changes
    assert not any(name.startswith("night_") for name in changes)


def test_no_change_is_told_across_algorithms() -> None:
    before = week(2, FIRST_DAY - 7)
    older = tuple(replace(one, algorithm_version="0") for one in before.measures)
    assert not [name for name in names(facts_of(week(1), replace(before, measures=older))) if name.endswith("_change")]


def test_no_change_is_told_between_floating_weeks_and_others() -> None:
    before = week(2, FIRST_DAY - 7)
    instants = replace(before, window=replace(before.window, floating=False))
    assert not [name for name in names(facts_of(week(1), instants)) if name.endswith("_change")]


# ---- where the minutes are -------------------------------------------------------------------------------------------


def test_a_fact_of_the_week_rests_on_the_whole_window() -> None:
    made = week()
    start = made.window.start_ms
    for one in facts_of(made, None):
        assert (one.minutes.metric, one.minutes.source) == (made.window.metric, made.window.source)
        assert one.minutes.floating is True
        if one.day is None:
            assert (one.minutes.start_ms, one.minutes.end_ms) == (start, start + 10080 * MINUTE_MS)


def test_a_fact_of_a_night_rests_on_its_rest() -> None:
    made = week()
    for night, found in zip(
        made.nights, [one for one in facts_of(made, None) if one.name == "onset_time"], strict=True
    ):
        assert isinstance(night.outcome, Sleep)
        since = made.window.start_ms
        assert found.minutes.start_ms == since + night.outcome.start * MINUTE_MS
        assert found.minutes.end_ms == since + night.outcome.end * MINUTE_MS


@pytest.mark.parametrize("moved", [0, 60])
def test_a_night_without_a_sleep_rests_on_noon_to_noon_by_either_clock(moved: int) -> None:
    made = without_night(week(), 2)
    made = replace(made, window=replace(made.window, offset_change_minutes=moved))
    found = fact(facts_of(made, None), "total_sleep", date(2024, 10, 6)).minutes
    noon = made.window.start_ms + (2 * DAY - 720) * MINUTE_MS
    assert (found.start_ms, found.end_ms) == (noon - moved * MINUTE_MS, noon + (DAY + moved) * MINUTE_MS)


# ---- where PAT looked ------------------------------------------------------------------------------------------------


def test_attention_is_folded_to_the_hours_of_the_clock() -> None:
    patches = [0.0] * 560
    for day in range(7):
        patches[day * 80 + 47] = 1 / 7  # minutes 846 to 864: 14:06 to 14:24
    made = replace(week(), pat=looked(tuple(patches), demonstration=True))
    facts = facts_of(made, None)
    hour, share = fact(facts, "attention_peak_hour"), fact(facts, "attention_peak_share")
    assert (hour.outcome, hour.text) == (14 * 60, "14:00")
    assert share.outcome == pytest.approx(1)
    assert (hour.model_digest, hour.parameters["demonstration"]) == ("e" * 64, "true")
    assert hour.coverage_ratio == 1 - 252 / 10080


@pytest.mark.parametrize(("patches", "patch_minutes"), [(560, 18), (1120, 9)])
def test_even_attention_gives_each_hour_the_same_share(patches: int, patch_minutes: int) -> None:
    output = Output((), (1 / patches,) * patches, patch_minutes)
    assert attention_by_hour(output, FIRST_DAY * DAY) == pytest.approx([1 / 24] * 24)


def test_the_hours_are_those_of_the_clock_the_week_began_by() -> None:
    output = Output((), (1.0, *[0.0] * 559), 18)
    assert attention_by_hour(output, FIRST_DAY * DAY + 60)[1] == pytest.approx(1)


def test_without_a_reading_attention_has_its_reason_and_no_number() -> None:
    nothing = Abstention(Unavailable.NO_MODEL, "models_installed", 0, 1, "{models}")
    made = replace(week(), pat=replace(looked(()), outcome=nothing))
    found = fact(facts_of(made, None), "attention_peak_hour")
    assert (found.outcome, found.text, found.coverage_ratio) == (Unavailable.NO_MODEL, "", 0)


def test_where_the_clock_was_moved_no_hour_is_named() -> None:
    made = replace(week(), pat=looked((1 / 560,) * 560))
    moved = replace(made, window=replace(made.window, offset_change_minutes=60))
    assert "attention_peak_hour" not in names(facts_of(moved, None))

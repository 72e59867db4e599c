"""The template narrator tells a week as a person would, and says plainly what it cannot tell."""

import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.adapters.local.narrator import BRIEF_SENTENCES_MAX, REASONS, TemplateNarrator
from clarity_server.domain.analysis import Abstention, Analysis
from clarity_server.domain.facts import facts_of
from clarity_server.domain.grounding import violations
from clarity_server.domain.insight import Kind
from clarity_server.domain.measures import Unavailable
from clarity_server.ports import Narrator
from tests.adapters.real_weeks import FILES, real_weeks
from tests.domain.test_facts import looked, slept, week, with_outcomes, without_night
from tests.domain.weeks_made_up import FIRST_DAY, two_weeks

NARRATOR: Narrator = TemplateNarrator()
EVEN = (1 / 560,) * 560
NOW = slept(
    replace(
        week(
            1,
            night_total_sleep=432,
            nights=7,
            night_efficiency=86.4,
            night_onset_time=1428,
            night_final_awakening_time=425,
            night_wake_after_onset=64,
            night_awakenings=2.4,
            sleep_regularity_index=62,
            l5_onset=70,
            m10_onset=560,
            relative_amplitude=0.92,
            activity_mean=252,
            wear_coverage=0.97,
        ),
        pat=looked(EVEN),
    ),
    *(400, 390, 500, 410, 300, 420, 430),
)
BEFORE = week(
    2,
    FIRST_DAY - 7,
    night_total_sleep=408,
    night_onset_time=1408,
    night_final_awakening_time=425.2,
    sleep_regularity_index=58,
)


# One sentence a line.
WHOLE = """\
You wore the device for 97 % of the time it recorded, and it was worn long enough for a full picture on 7 days.
On average you slept 7 h 12 min a night, 86 % of the time you lay at rest; this rests on the 7 nights that can be read.
On the average night you fell asleep at 23:48 and woke for the day at 07:05.
Between falling asleep and waking for the day you were awake for 1 h 4 min a night, \
and 2.4 awakenings a night were long enough to note.
The longest night, with 8 h 20 min of sleep, led to Sunday, 6 October, \
and the shortest night, with 5 h 0 min of sleep, led to Tuesday, 8 October.
Your sleep regularity index was 62.
On that index, sleep at random scores nothing, \
and sleep that repeats itself exactly from day to day scores in full.
Your quietest stretch of the day began at 01:10, your busiest stretch at 09:20.
The contrast between them was 0.92, \
on a scale from days and nights that look alike to nights of complete stillness.
Your activity averaged 252 counts/min, as the sensor measures movement.
Compared with the week before, your sleep was 24 min longer, you fell asleep 20 min later, \
you woke for the day at about the same time and your regularity index was 4 higher.
The model looked most at the hour from 00:00, which received 4 % of its attention.
This shows where it looked, and only that."""


def text(now: Analysis, before: Analysis | None = None, kind: Kind = Kind.SUMMARY) -> list[str]:
    """What is told, after its verification."""
    facts = facts_of(now, before)
    told = NARRATOR.tell(facts, kind)
    assert [found for sentence in told for found in violations(sentence, facts)] == []
    return [sentence.text for sentence in told]


def has(told: Sequence[str], words: str) -> bool:
    return any(words in sentence for sentence in told)


def worn(analysis: Analysis, days: int) -> Analysis:
    return replace(analysis, window=replace(analysis.window, worn_days=days))


def test_it_has_a_name_and_a_version() -> None:
    assert (NARRATOR.name, NARRATOR.version) == ("template", "1")


def test_a_whole_week_is_told_in_this_order() -> None:
    assert "\n".join(text(NOW, BEFORE)) == WHOLE


def test_a_brief_says_the_most_telling_things() -> None:
    assert text(NOW, BEFORE, Kind.BRIEF) == [text(NOW, BEFORE)[place] for place in (1, 10, 2)]
    assert text(NOW, None, Kind.BRIEF) == [text(NOW)[place] for place in (1, 2, 4)]


def test_without_a_week_before_nothing_is_compared() -> None:
    assert not has(text(NOW), "week before")


@pytest.mark.parametrize("days", [0, 1, 3])
@pytest.mark.parametrize("kind", Kind)
def test_a_week_of_few_worn_days_says_so_first(days: int, kind: Kind) -> None:
    counted = "1 day" if days == 1 else f"{days} days"
    assert text(worn(NOW, days), None, kind)[0] == (
        f"To begin with, the device was worn long enough for a full picture on only {counted} of this week."
    )


def test_a_demonstration_shows_where_it_looked_and_only_that() -> None:
    made = replace(NOW, pat=looked(EVEN, demonstration=True))
    assert text(made)[-1] == "The model is a demonstration: this shows where it looked, and only that."


@pytest.mark.parametrize("reason", Unavailable)
def test_a_missing_reading_by_a_model_is_told_with_its_reason(reason: Unavailable) -> None:
    made = replace(NOW, pat=replace(looked(EVEN), outcome=Abstention(reason, "found", 0, 1, "1")))
    assert text(made)[-1] == f"We have no reading of the week by a model, because {REASONS[reason]}."


@pytest.mark.parametrize("reason", [one for one in Unavailable if one is not Unavailable.NO_MODEL])
def test_what_is_missing_is_told_with_its_reason_and_without_a_number(reason: Unavailable) -> None:
    gone = text(with_outcomes(NOW, night_total_sleep=reason, sleep_regularity_index=reason, l5_onset=reason))
    for what in ("how your nights were on average", "how regular your sleep was", "your daily rhythm"):
        assert f"We cannot tell {what}, because {REASONS[reason]}." in gone
    assert not has(gone, "On average")


def test_a_missing_night_is_named_and_of_many_only_how_many_are_left() -> None:
    told = text(without_night(NOW, 2, reason=Unavailable.GAP))
    assert "We cannot tell how the night to Sunday, 6 October was, because there are gaps in the recording." in told
    assert not has(text(without_night(NOW, 1, 2, 3)), "how the night to")


@pytest.mark.parametrize("reason", Unavailable)
@pytest.mark.parametrize("kind", Kind)
def test_a_week_of_which_nothing_is_known_is_one_reason_and_no_number(reason: Unavailable, kind: Kind) -> None:
    gone = with_outcomes(NOW, **{one.measure: reason for one in NOW.measures})
    nothing = replace(gone, window=replace(gone.window, recorded_minutes=0), pat=None)
    told = text(without_night(nothing, *range(7), reason=reason), None, kind)
    assert told == [f"We cannot tell your nights, your daily rhythm and how much you moved, because {REASONS[reason]}."]


@given(st.integers(0, 2**64))
@settings(max_examples=60, deadline=None)
def test_a_summary_and_a_brief_are_as_long_as_they_should_be(seed: int) -> None:
    now, before = two_weeks(Random(seed))
    assert 1 <= len(text(now, before)) <= 16
    assert 1 <= len(text(now, before, Kind.BRIEF)) <= BRIEF_SENTENCES_MAX


@given(st.integers(0, 2**64))
@settings(max_examples=60, deadline=None)
def test_a_sentence_begins_with_a_capital_ends_with_a_stop_and_has_no_gap(seed: int) -> None:
    for kind in Kind:
        for sentence in text(*two_weeks(Random(seed)), kind):
            assert re.fullmatch(r"[A-Z][^{}]*[^ ,]\.", sentence)
            assert "  " not in sentence


@pytest.mark.parametrize("file", FILES)
def test_real_weeks_are_told_and_grounded(file: str) -> None:
    weeks = real_weeks(file)
    assert weeks
    for day, analysis in weeks.items():
        summary = text(analysis, weeks.get(day - 7))
        assert 8 <= len(summary) <= 14
        assert has(summary, "week before") is (day - 7 in weeks)
        assert len(text(analysis, weeks.get(day - 7), Kind.BRIEF)) == BRIEF_SENTENCES_MAX

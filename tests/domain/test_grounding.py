"""A sentence is read only if every claim in it is what a cited Fact says."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.adapters.local.narrator import TemplateNarrator
from clarity_server.domain.analysis import Analysis
from clarity_server.domain.facts import facts_of
from clarity_server.domain.grounding import MEANINGS, Rule, violations
from clarity_server.domain.insight import Citation, Fact, Kind, Sentence
from clarity_server.domain.measures import Unavailable
from clarity_server.domain.wording import ClockTime, Loose, Quantity, tokens_of
from tests.domain.mutations import KINDS, is_still_true
from tests.domain.test_facts import fact, slept, week, with_outcomes
from tests.domain.weeks_made_up import FIRST_DAY, two_weeks

SEED = int(os.environ.get("MUTATION_SEED", "7"))
WEEKS = int(os.environ.get("MUTATION_WEEKS", "40"))
CAUGHT_MIN = 0.99
MUTATIONS_MIN = 2000

NOW = slept(
    week(
        1,
        night_total_sleep=432.4,
        night_onset_time=1428,
        l5_onset=1428,
        night_wake_after_onset=24,
        night_onset_latency=24,
        night_efficiency=86.4,
        sleep_regularity_index=62,
        relative_amplitude=0.873,
        activity_mean=412.2,
        wear_coverage=0.972,
        night_awakenings=3.42,
        cosinor_mesor=Unavailable.GAP,
    ),
    *(400, 390, 500, 410, 300, 420, 430),
)
BEFORE = week(2, FIRST_DAY - 7, night_total_sleep=408, night_onset_time=10, sleep_regularity_index=62)
FACTS = facts_of(NOW, BEFORE)


def told(text: str, *names: str | tuple[str, date], facts: Sequence[Fact] = FACTS) -> list[str]:
    """The rules that a text breaks; its citations are marked by square brackets, of these Facts in turn."""
    plain, citations = "", list[Citation]()
    opened = 0
    for letter in text:
        if letter == "[":
            opened = len(plain)
        elif letter == "]":
            wanted = names[len(citations)]
            name, day = wanted if isinstance(wanted, tuple) else (wanted, None)
            citations.append(Citation(fact(tuple(facts), name, day).fact_id, opened, len(plain)))
        else:
            plain += letter
    return [one.split()[0] for one in violations(Sentence(plain, tuple(citations)), facts)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("You [slept 7 h 12 min] a night.", "night_total_sleep"),
        ("You [slept 432 min] a night.", "night_total_sleep"),
        ("You [slept 432.4 minutes] a night.", "night_total_sleep"),
        ("You [slept 7 hours and 12 minutes].", "night_total_sleep"),
        ("You [slept 7h12min].", "night_total_sleep"),
        ("You [fell asleep at 23:48].", "night_onset_time"),
        ("You [fell asleep at 11:48 pm].", "night_onset_time"),
        ("That is [86 % of the time] at rest.", "night_efficiency"),
        ("That is [86.4 percent of the time] at rest.", "night_efficiency"),
        ("You [wore it for 97 %] of the week.", "wear_coverage"),
        ("Your [regularity index was 62].", "sleep_regularity_index"),
        ("Your [regularity index was sixty-two].", "sleep_regularity_index"),
        ("The [contrast was 0.87].", "relative_amplitude"),
        ("The [contrast was 0.873].", "relative_amplitude"),
        ("Your [activity was 412 counts a minute].", "activity_mean"),
        ("There were [3.4 awakenings] a night.", "night_awakenings"),
        ("Your [longest night was that to Sunday, with 8 h 20 min].", "night_longest"),
        ("Your [longest night had 8 h 20 min].", "night_longest"),
        ("Compared with the week before you [slept 24 min longer].", "night_total_sleep_change"),
        ("Compared with the week before you [slept more].", "night_total_sleep_change"),
        ("You [slept 24 min more] than the week before.", "night_total_sleep_change"),
        ("Against the week before you [fell asleep 22 min earlier].", "night_onset_time_change"),
        ("Your [regularity was about the same] as the week before.", "sleep_regularity_index_change"),
        ("We cannot tell the [rhythm, as there are gaps in the recording].", "cosinor_mesor"),
        ("Sleep at random scores nothing.", ""),
    ],
)
def test_what_a_fact_says_may_be_said(text: str, name: str) -> None:
    assert told(text, name) == []


@pytest.mark.parametrize(
    ("text", "name", "rule"),
    [
        ("You [slept 7 h 13 min] a night.", "night_total_sleep", Rule.VALUE),
        ("You [slept 7 h] a night.", "night_total_sleep", Rule.VALUE),
        ("You [slept 7.2 h] a night.", "night_total_sleep", Rule.VALUE),
        ("You [slept 432.5 min] a night.", "night_total_sleep", Rule.VALUE),
        ("You [slept -432 min] a night.", "night_total_sleep", Rule.VALUE),
        ("You [slept 432 h] a night.", "night_total_sleep", Rule.VALUE),
        ("You [slept 432] a night.", "night_total_sleep", Rule.UNIT),
        ("You [slept 432 %] a night.", "night_total_sleep", Rule.UNIT),
        ("You [slept 07:12] a night.", "night_total_sleep", Rule.UNIT),
        ("You [slept 7 h 12 min] for eight nights.", "night_total_sleep", Rule.UNCITED),
        ("You slept 7 h 12 min a night.", "", Rule.UNCITED),
        ("You [slept half] a night.", "night_total_sleep", Rule.CLAIMS),
        ("You [slept over 7 h 12 min].", "night_total_sleep", Rule.CLAIMS),
        ("You [slept at least 7 h 12 min].", "night_total_sleep", Rule.CLAIMS),
        ("You [slept 7 h 12 min, 24 min].", "night_total_sleep", Rule.CLAIMS),
        ("You [slept a lot].", "night_total_sleep", Rule.CLAIMS),
        ("You [slept 7 h 12 min longer].", "night_total_sleep", Rule.DIRECTION),
        ("You [slept 7 h 12 min on Sunday].", "night_total_sleep", Rule.DATE),
        ("You [lay awake for 7 h 12 min].", "night_total_sleep", Rule.MEANING),
        ("You [slept 7 h 12 min] the week before.", "night_total_sleep", Rule.MEANING),
        ("You never [slept 7 h 12 min].", "night_total_sleep", Rule.NEGATED),
        ("You didn't [sleep, but slept 7 h 12 min].", "night_total_sleep", Rule.NEGATED),
        ("You should have [slept 7 h 12 min].", "night_total_sleep", Rule.FORBIDDEN),
        ("You [slept 7 h 12 min], a sign of insomnia.", "night_total_sleep", Rule.FORBIDDEN),
        ("You [fell asleep at 23:49].", "night_onset_time", Rule.VALUE),
        ("You [fell asleep at 11:48 am].", "night_onset_time", Rule.VALUE),
        ("You [fell asleep at midnight].", "night_onset_time", Rule.VALUE),
        ("You [wore it for 9.7 %] of the week.", "wear_coverage", Rule.VALUE),
        ("The [contrast was 87 %].", "relative_amplitude", Rule.UNIT),
        ("The [contrast was 0.9].", "relative_amplitude", Rule.VALUE),
        ("Your [longest night was that to Monday, with 8 h 20 min].", "night_longest", Rule.DATE),
        ("Your [longest night was that to Sunday, 7 October, with 8 h 20 min].", "night_longest", Rule.DATE),
        ("Your [shortest night had 8 h 20 min].", "night_longest", Rule.MEANING),
        ("Since the week before you [slept 24 min shorter].", "night_total_sleep_change", Rule.DIRECTION),
        ("Since the week before you [slept 24 min later].", "night_total_sleep_change", Rule.DIRECTION),
        ("Since the week before you [slept 23 min longer].", "night_total_sleep_change", Rule.VALUE),
        ("Since the week before you [slept 24 min].", "night_total_sleep_change", Rule.CLAIMS),
        ("You [slept 24 min longer].", "night_total_sleep_change", Rule.MEANING),
        ("Since the week before you [slept about the same].", "night_total_sleep_change", Rule.DIRECTION),
        ("Since the week before your [regularity rose].", "sleep_regularity_index_change", Rule.DIRECTION),
        ("Your [rhythm's middle was 40 counts/min, there are gaps in the recording].", "cosinor_mesor", Rule.VALUE),
        ("We cannot tell the [rhythm, as it was not worn].", "cosinor_mesor", Rule.REASON),
        ("We cannot tell the rhythm, as there are gaps in the recording.", "", Rule.UNCITED),
        ("You [slept 7 h 12 min], steadier than ever.", "night_total_sleep", Rule.UNCITED),
        ("You [slept 7 h 12 min], as yesterday.", "night_total_sleep", Rule.UNCITED),
        ("You [slept 7 h 12 min], ½ of it well.", "night_total_sleep", Rule.TEXT),
        ("You [slept 7 h 12 min]; the c\u043eunt is right.", "night_total_sleep", Rule.TEXT),
    ],
)
def test_what_no_fact_says_may_not_be_said(text: str, name: str, rule: Rule) -> None:
    assert rule in told(text, name)


def test_a_night_is_named_by_its_date() -> None:
    day = date(2024, 10, 6)
    assert told("You [slept 8 h 20 min to Sunday, 6 October 2024].", ("total_sleep", day)) == []
    assert told("You [slept 8 h 20 min to 2024-10-06].", ("total_sleep", day)) == []
    assert told("You [slept 8 h 20 min].", ("total_sleep", day)) == [Rule.DATE]
    assert told("You [slept 8 h 20 min to Sunday, 6 October 2023].", ("total_sleep", day)) == [Rule.DATE]


def test_two_facts_of_one_value_are_told_apart_by_the_words() -> None:
    text = "You lay [awake for 24 min], took [24 min to fall asleep] and [fell asleep at 23:48]."
    assert told(text, "night_wake_after_onset", "night_onset_latency", "night_onset_time") == []
    assert told(text, "night_onset_latency", "night_wake_after_onset", "night_onset_time") == [Rule.MEANING] * 2
    assert Rule.MEANING in told(text, "night_wake_after_onset", "night_onset_latency", "l5_onset")


@pytest.mark.parametrize(
    ("start", "end"), [(-1, 20), (4, 99), (4, 4), (10, 4), (5, 20), (3, 20), (4, 19), (4, 21), (0, 21)]
)
def test_a_citation_lies_within_the_text_and_cuts_no_word(start: int, end: int) -> None:
    text, known = "You slept 7 h 12 min a night.", fact(FACTS, "night_total_sleep")
    assert violations(Sentence(text, (Citation(known.fact_id, 4, 20),)), FACTS) == []
    assert violations(Sentence(text, (Citation(known.fact_id, start, end),)), FACTS)


def test_citations_are_in_order_and_apart() -> None:
    sleep, onset = (fact(FACTS, name).fact_id for name in ("night_total_sleep", "night_onset_time"))
    text = "You slept 7 h 12 min and fell asleep at 23:48."
    cited = (Citation(sleep, 4, 20), Citation(onset, 25, 45))
    assert violations(Sentence(text, cited), FACTS) == []
    assert violations(Sentence(text, cited[::-1]), FACTS)
    assert violations(Sentence(text, (replace(cited[0], end=30), cited[1])), FACTS)


def test_a_fact_that_was_not_given_supports_nothing() -> None:
    stranger = fact(facts_of(week(9, night_total_sleep=432), None), "night_total_sleep")
    sentence = Sentence("You slept 7 h 12 min.", (Citation(stranger.fact_id, 4, 20),))
    assert violations(sentence, FACTS) == ["UNKNOWN_FACT [4, 20)"]


def test_what_is_broken_is_told_without_a_value() -> None:
    sentence = Sentence("You slept 9 h 59 min.", (Citation(fact(FACTS, "night_total_sleep").fact_id, 4, 20),))
    assert violations(sentence, FACTS) == ["VALUE [4, 20)"]


def test_a_unit_that_is_not_known_supports_no_number() -> None:
    odd = replace(NOW.measures[0], measure="mass", outcome=5.0, ucum_unit="kg")
    facts = facts_of(replace(NOW, measures=(odd,)), None)
    assert told("Your [mass was 5 kg].", "mass", facts=facts) == [Rule.UNIT]


@pytest.mark.parametrize(
    "written",
    [
        "½",
        "L5",
        "5th",
        "1e5",
        "1,23",
        "7.5.3",
        "24:10",
        "12:60",
        "+-5",
        "٣",
        "VII 7x",
        "3–5x",
        "7:5",
        "#9",
        "1 234",
        "13 pm",
    ],
)
def test_no_digit_goes_unseen(written: str) -> None:
    text = f"x {written} y"
    seen = tokens_of(text)
    covered = {place for token in seen for place in range(token.start, token.end)}
    assert all(place in covered for place, letter in enumerate(text) if letter.isnumeric())


@given(st.text(alphabet="0123456789.,:-+ hmin%½é", max_size=30))
def test_no_digit_goes_unseen_however_it_is_written(text: str) -> None:
    covered = {place for token in tokens_of(text) for place in range(token.start, token.end)}
    assert all(place in covered for place, letter in enumerate(text) if letter.isnumeric())


@pytest.mark.parametrize("text", ["fell asleep", "woke up", "get up", "the rest", "an interest", "honest"])
def test_words_that_only_look_like_claims_are_none(text: str) -> None:
    assert tokens_of(text) == ()


def test_every_measure_there_is_has_its_words() -> None:
    nameless = [one.name for one in FACTS if one.name.removesuffix("_change") not in MEANINGS]
    assert {f"night_{name}" for name in nameless} <= set(MEANINGS)


def test_a_number_is_a_token_of_its_kind() -> None:
    kinds = [type(token) for token in tokens_of("7 h 12 min at 07:12, 5th")]
    assert kinds == [Quantity, ClockTime, Loose]


# ---- whatever the template narrator says -----------------------------------------------------------------------------


def sentences(now: Analysis, before: Analysis | None) -> tuple[tuple[Fact, ...], list[Sentence]]:
    facts = facts_of(now, before)
    return facts, [sentence for kind in Kind for sentence in TemplateNarrator().tell(facts, kind)]


@given(st.integers(0, 2**64))
@settings(max_examples=150, deadline=None)
def test_everything_the_template_narrator_tells_is_grounded(seed: int) -> None:
    facts, found = sentences(*two_weeks(Random(seed)))
    assert found
    assert {sentence.text: violations(sentence, facts) for sentence in found if violations(sentence, facts)} == {}


@pytest.mark.slow
def test_of_a_hundred_mutations_that_make_a_sentence_untrue_ninety_nine_are_caught(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`MUTATION_SEED` and `MUTATION_WEEKS` try others: python -m pytest tests/domain/test_grounding.py -k mutations."""
    chance = Random(SEED)
    made, caught, still_true = Counter[str](), Counter[str](), Counter[str]()
    for _ in range(WEEKS):
        facts, found = sentences(*two_weeks(chance))
        for sentence in found:
            for kind, mutate in KINDS.items():
                mutated = mutate(chance, sentence, facts)
                if mutated is None or mutated == sentence:
                    continue
                if is_still_true(sentence, mutated, facts):
                    still_true[kind] += 1
                    continue
                made[kind] += 1
                caught[kind] += bool(violations(mutated, facts))
    with capsys.disabled():
        print(f"\n{'mutation':20} {'untrue':>7} {'caught':>7}   share  (still true, not counted)")  # noqa: T201
        for kind in KINDS:
            share = caught[kind] / made[kind]
            print(f"{kind:20} {made[kind]:7} {caught[kind]:7} {share:7.2%}  ({still_true[kind]})")  # noqa: T201
        print(f"{'all':20} {made.total():7} {caught.total():7} {caught.total() / made.total():7.2%}")  # noqa: T201
    assert made.total() >= MUTATIONS_MIN
    assert set(made) == set(KINDS)
    assert caught.total() >= CAUGHT_MIN * made.total()


def test_an_analysis_in_which_all_is_unavailable_has_no_number_in_its_words() -> None:
    for reason in Unavailable:
        gone = with_outcomes(NOW, **{one.measure: reason for one in NOW.measures})
        empty = replace(gone.window, recorded_minutes=0, worn_minutes=0, worn_days=0)
        nights = tuple(replace(night, outcome=reason) for night in gone.nights)
        facts, found = sentences(replace(gone, window=empty, nights=nights), None)
        assert found
        assert not [sentence.text for sentence in found if any(letter.isdigit() for letter in sentence.text)]
        assert not [one for sentence in found for one in violations(sentence, facts)]

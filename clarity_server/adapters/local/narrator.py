"""The narrator on this machine: a week in fixed sentences, filled with Facts and citing each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from clarity_server.domain.analysis import WORN_DAYS_MIN
from clarity_server.domain.facts import UNCHANGED
from clarity_server.domain.insight import Citation, Fact, Kind, Sentence
from clarity_server.domain.measures import Unavailable

BRIEF_SENTENCES_MAX = 3
MISSING_NIGHTS_MAX = 2  # told one by one; beyond that, how many nights could be read says enough

REASONS: Mapping[Unavailable, str] = {
    Unavailable.SHORT_RECORD: "the recording is too short",
    Unavailable.GAP: "there are gaps in the recording",
    Unavailable.NOT_WORN: "the device was not worn for long enough",
    Unavailable.NO_SLEEP: "no sleep was found",
    Unavailable.UNDEFINED: "nothing in the recording varied",
    Unavailable.UNKNOWN_OFFSET: "the local time is not known",
    Unavailable.NO_MODEL: "no model is installed",
    Unavailable.OUT_OF_DISTRIBUTION: "the week is unlike any the model has seen",
    Unavailable.FAILED: "the calculation failed by a fault of ours",
}


class TemplateNarrator:
    """Fixed sentences. What there is no Fact for is not told."""

    @property
    def name(self) -> str:
        """Who it is."""
        return "template"

    @property
    def version(self) -> str:
        """Rises whenever the same facts could give other words."""
        return "1"

    def tell(self, facts: Sequence[Fact], kind: Kind) -> Sequence[Sentence]:
        """Return a week in sentences: all of it, or its most telling ones."""
        week = _Week({(fact.name, fact.day): fact for fact in facts})
        return tuple(_brief(week) if kind is Kind.BRIEF else _summary(week))


@dataclass(frozen=True, slots=True)
class _Cited:
    """Words of a sentence that say what a Fact says."""

    fact: Fact
    words: str


@dataclass(frozen=True, slots=True)
class _Week:
    """The Facts of a week by name and night."""

    facts: Mapping[tuple[str, date | None], Fact]

    def known(self, name: str) -> Fact | None:
        """Return the Fact of the week that has a value."""
        fact = self.facts.get((name, None))
        return fact if fact is not None and fact.text else None

    def missing(self, name: str) -> Fact | None:
        """Return the Fact of the week that says why it has none."""
        fact = self.facts.get((name, None))
        return fact if fact is not None and isinstance(fact.outcome, Unavailable) else None

    def nights(self, name: str) -> list[Fact]:
        """Return the Facts of this name of each night."""
        return [fact for (found, day), fact in self.facts.items() if found == name and day is not None]


def _say(*parts: str | _Cited) -> Sentence:
    """Put a sentence together, and its citations where they fall."""
    text, citations = "", list[Citation]()
    for part in parts:
        words = part if isinstance(part, str) else part.words
        if isinstance(part, _Cited):
            citations.append(Citation(part.fact.fact_id, len(text), len(text) + len(words)))
        text += words
    return Sentence(text, tuple(citations))


def _cite(fact: Fact, words: str) -> _Cited:
    """Fill words with what a Fact says: `{}` is its value, `{night}` its date."""
    night = f"{fact.day:%A}, {fact.day.day} {fact.day:%B}" if fact.day is not None else ""
    return _Cited(fact, words.format(fact.text, night=night))


def _number(fact: Fact) -> float:
    assert not isinstance(fact.outcome, Unavailable), "only what has a value is asked for it"
    return fact.outcome


def _listed(parts: Sequence[_Cited]) -> list[str | _Cited]:
    """Join parts as a list in prose: a, b and c."""
    joined = list[str | _Cited]()
    for place, part in enumerate(parts):
        joined += ["" if not place else " and " if place == len(parts) - 1 else ", ", part]
    return joined


# ---- what is told, in which order ------------------------------------------------------------------------------------


def _summary(week: _Week) -> Iterator[Sentence]:
    yield from _of_wear(week)
    if _nothing(week):
        yield from _of_nothing(week)
    else:
        yield from _of_sleep(week)
        yield from _of_regularity(week)
        yield from _of_rhythm(week)
        yield from _of_activity(week)
        yield from _of_changes(week)
    yield from _of_attention(week)


def _brief(week: _Week) -> list[Sentence]:
    first = list(_of_few_days(week))
    if _nothing(week):
        return [*first, *_of_nothing(week)][:BRIEF_SENTENCES_MAX]
    sleep = [*_of_length(week), *_of_missing(week, "night_total_sleep", "how your nights were on average")]
    most = [*sleep, *_of_changes(week), *_of_timing(week), *_of_extremes(week), *_of_stretches(week)]
    return [*first, *most][:BRIEF_SENTENCES_MAX]


# ---- wear ------------------------------------------------------------------------------------------------------------


def _of_wear(week: _Week) -> Iterator[Sentence]:
    few = list(_of_few_days(week))
    if few:
        yield from few
        return
    coverage, days = week.known("wear_coverage"), week.known("worn_days")
    if coverage and days:
        yield _say(
            "You ",
            _cite(coverage, "wore the device for {}"),
            " of the time it recorded, and it was ",
            _cite(days, "worn long enough for a full picture on {}"),
            ".",
        )


def _of_few_days(week: _Week) -> Iterator[Sentence]:
    days = week.known("worn_days")
    if days is not None and _number(days) < WORN_DAYS_MIN:
        yield _say(
            "To begin with, the device was ",
            _cite(days, "worn long enough for a full picture on only {}"),
            " of this week.",
        )


_TOLD = ("night_total_sleep", "sleep_regularity_index", "l5_onset", "activity_mean")


def _nothing(week: _Week) -> bool:
    """Tell whether the week has nothing to tell, for one reason."""
    missing = [week.missing(name) for name in _TOLD]
    return all(missing) and len({fact.outcome for fact in missing if fact}) == 1


def _of_nothing(week: _Week) -> Iterator[Sentence]:
    yield from _of_missing(week, "night_total_sleep", "your nights, your daily rhythm and how much you moved")


def _of_missing(week: _Week, name: str, what: str) -> Iterator[Sentence]:
    """Say why there is no number."""
    fact = week.missing(name)
    if fact is not None:
        yield _say("We cannot tell ", _because(fact, what), ".")


def _because(fact: Fact, what: str) -> _Cited:
    assert isinstance(fact.outcome, Unavailable), "there is a number to tell"
    return _cite(fact, f"{what}, because {REASONS[fact.outcome]}")


# ---- sleep -----------------------------------------------------------------------------------------------------------


def _of_sleep(week: _Week) -> Iterator[Sentence]:
    yield from _of_length(week)
    yield from _of_missing(week, "night_total_sleep", "how your nights were on average")
    yield from _of_timing(week)
    yield from _of_wake(week)
    yield from _of_extremes(week)
    yield from _of_missing_nights(week)


def _of_length(week: _Week) -> Iterator[Sentence]:
    slept, nights, efficiency = map(week.known, ("night_total_sleep", "nights", "night_efficiency"))
    if slept is None or nights is None:
        return
    yield _say(
        "On average you ",
        _cite(slept, "slept {} a night"),
        *((", ", _cite(efficiency, "{} of the time you lay at rest")) if efficiency else ()),
        "; this rests on ",
        _cite(nights, "the {} that can be read" if _number(nights) > 1 else "{}"),
        ".",
    )


def _of_timing(week: _Week) -> Iterator[Sentence]:
    onset, awakening = week.known("night_onset_time"), week.known("night_final_awakening_time")
    if onset and awakening:
        yield _say(
            "On the average night you ",
            _cite(onset, "fell asleep at {}"),
            " and ",
            _cite(awakening, "woke for the day at {}"),
            ".",
        )


def _of_wake(week: _Week) -> Iterator[Sentence]:
    awake, awakenings = week.known("night_wake_after_onset"), week.known("night_awakenings")
    if awake and awakenings:
        yield _say(
            "Between falling asleep and waking for the day you were ",
            _cite(awake, "awake for {} a night"),
            ", and ",
            _cite(awakenings, "{} a night"),
            " were long enough to note.",
        )


def _of_extremes(week: _Week) -> Iterator[Sentence]:
    found = [*week.nights("night_longest"), *week.nights("night_shortest")]
    words = {
        "night_longest": "longest night, with {} of sleep, led to {night}",
        "night_shortest": "shortest night, with {} of sleep, led to {night}",
    }
    if found:
        parts = [_cite(fact, words[fact.name]) for fact in found]
        yield _say("The ", parts[0], *((", and the ", parts[1]) if len(parts) > 1 else ()), ".")


def _of_missing_nights(week: _Week) -> Iterator[Sentence]:
    nights = [fact for fact in week.nights("total_sleep") if isinstance(fact.outcome, Unavailable)]
    if len(nights) <= MISSING_NIGHTS_MAX:
        for fact in nights:
            yield _say("We cannot tell ", _because(fact, "how the night to {night} was"), ".")


# ---- regularity, rhythm, activity ------------------------------------------------------------------------------------


def _of_regularity(week: _Week) -> Iterator[Sentence]:
    index = list(_of_index(week))
    yield from index
    if index:
        yield _say(
            "On that index, sleep at random scores nothing, and sleep that repeats itself exactly from day to day "
            "scores in full."
        )
    yield from _of_missing(week, "sleep_regularity_index", "how regular your sleep was")


def _of_index(week: _Week) -> Iterator[Sentence]:
    index = week.known("sleep_regularity_index")
    if index:
        yield _say("Your ", _cite(index, "sleep regularity index was {}"), ".")


def _of_rhythm(week: _Week) -> Iterator[Sentence]:
    yield from _of_stretches(week)
    contrast = week.known("relative_amplitude")
    if contrast:
        yield _say(
            "The ",
            _cite(contrast, "contrast between them was {}"),
            ", on a scale from days and nights that look alike to nights of complete stillness.",
        )
    yield from _of_missing(week, "l5_onset", "your daily rhythm")


def _of_stretches(week: _Week) -> Iterator[Sentence]:
    quiet, busy = week.known("l5_onset"), week.known("m10_onset")
    if quiet and busy:
        yield _say(
            "Your ",
            _cite(quiet, "quietest stretch of the day began at {}"),
            ", your ",
            _cite(busy, "busiest stretch at {}"),
            ".",
        )


def _of_activity(week: _Week) -> Iterator[Sentence]:
    activity = week.known("activity_mean")
    if activity:
        yield _say("Your ", _cite(activity, "activity averaged {}"), ", as the sensor measures movement.")
    yield from _of_missing(week, "activity_mean", "how much you moved")


# ---- the week before -------------------------------------------------------------------------------------------------

_CHANGES: Mapping[str, tuple[str, str]] = {  # as told where it changed, and where it did not
    "night_total_sleep_change": ("your sleep was {}", "your sleep was {}"),
    "night_onset_time_change": ("you fell asleep {}", "you fell asleep at {} time"),
    "night_final_awakening_time_change": ("you woke for the day {}", "you woke for the day at {} time"),
    "sleep_regularity_index_change": ("your regularity index was {}", "your regularity index was {}"),
}


def _of_changes(week: _Week) -> Iterator[Sentence]:
    found = [
        _cite(fact, unchanged if fact.text == UNCHANGED else changed)
        for name, (changed, unchanged) in _CHANGES.items()
        if (fact := week.known(name)) is not None
    ]
    if found:
        yield _say("Compared with the week before, ", *_listed(found), ".")


# ---- where the model looked ------------------------------------------------------------------------------------------


def _of_attention(week: _Week) -> Iterator[Sentence]:
    hour, share = week.known("attention_peak_hour"), week.known("attention_peak_share")
    if hour and share:
        yield _say(
            "The ",
            _cite(hour, "model looked most at the hour from {}"),
            ", which received ",
            _cite(share, "{} of its attention"),
            ".",
        )
        demonstration = hour.parameters.get("demonstration") == "true"
        whose = "The model is a demonstration: this" if demonstration else "This"
        yield _say(f"{whose} shows where it looked, and only that.")
    fact = week.missing("attention_peak_hour")
    if fact is not None:
        yield _say("We have no ", _because(fact, "reading of the week by a model"), ".")

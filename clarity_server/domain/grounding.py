"""Whether a sentence says what its Facts say: the gate between whoever tells and whoever reads.

Every claim of a sentence (a number, a unit, a time, a date, a direction, an extreme, a reason; see `wording`) must lie
in one of its citations, and what a citation spans must say precisely what its Fact says: the value to the digits shown,
no fewer digits than the Fact itself has, in its unit, in the words of its measure, on its date. What the verifier does
not understand it refuses; that a narrator can be told of, a wrong number cannot be taken back.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from clarity_server.domain.facts import rounded
from clarity_server.domain.insight import Citation, Fact, Form, Sentence
from clarity_server.domain.measures import Unavailable
from clarity_server.domain.wording import (
    BareUnit,
    CalendarDate,
    ClockTime,
    Direction,
    Extreme,
    Loose,
    Negation,
    Quantity,
    Reason,
    Scale,
    Token,
    tokens_of,
)

SENTENCE_CHARS_MAX = 1000
DAY_MINUTES = 24 * 60
CHANGE = "_change"


class Rule(StrEnum):
    """What a sentence can break."""

    TEXT = "TEXT"  # too long, or with letters that look like others
    FORBIDDEN = "FORBIDDEN"  # a diagnosis, a judgement or advice
    CITATION = "CITATION"  # out of range or order, overlapping, or cutting a word
    UNKNOWN_FACT = "UNKNOWN_FACT"  # of no Fact that was given
    UNCITED = "UNCITED"  # a claim in no citation
    NEGATED = "NEGATED"  # a claim beside a `not`
    CLAIMS = "CLAIMS"  # a citation with no claim, too many, or one of another kind than its Fact
    VALUE = "VALUE"  # not the Fact's value, or fewer digits than it has
    UNIT = "UNIT"
    DIRECTION = "DIRECTION"
    DATE = "DATE"
    MEANING = "MEANING"  # the words are of another measure
    REASON = "REASON"  # not the Fact's reason


def violations(sentence: Sentence, facts: Iterable[Fact]) -> list[str]:
    """Return what a sentence breaks, each as `RULE [start, end)` in characters; empty if it is grounded.

    No value of a person's is in the answer, so it may be logged.
    """
    known = {fact.fact_id: fact for fact in facts}
    found = [*_faults_of_text(sentence.text), *_faults_of_citations(sentence, known)]
    if not any(fault.rule in {Rule.CITATION, Rule.UNKNOWN_FACT} for fault in found):
        found += _faults_of_claims(sentence, known)
    return [f"{fault.rule} [{fault.start}, {fault.end})" for fault in sorted(set(found))]


@dataclass(frozen=True, slots=True, order=True)
class _Fault:
    """A broken rule, and where."""

    start: int
    end: int
    rule: Rule


# ---- the text --------------------------------------------------------------------------------------------------------

_PLAIN = re.compile(r"[ -~\u00a0\u202f–—−’‘“”…]*")  # noqa: RUF001 - what English is typeset with
_STEMS = (
    *("abnorm", "addict", "advic", "advis", "alarm", "anomal", "anxi", "apnea", "apnoea", "bipolar", "clinic", "cure"),
    *("concern", "danger", "deficien", "deficit", "depress", "deteriorat", "diagnos", "diseas", "disorder", "doctor"),
    *("drug", "dysfunction", "excellent", "hazard", "health", "hospital", "hypersomn", "ideal", "illness", "impair"),
    *("improv", "inadequa", "indicat", "insomn", "irregularit", "mania", "manic", "medic", "mental", "narcolep"),
    *(
        "optimal",
        "optimum",
        "overweight",
        "parasomn",
        "patholog",
        "patient",
        "prescri",
        "prognos",
        "psych",
        "recommend",
    ),
    *("recover", "risk", "schizo", "severe", "sick", "suboptimal", "suffer", "suggest", "suicid", "symptom", "syndrom"),
    *("therap", "toxic", "treat", "unhealth", "unusual", "unwell", "warn", "worr", "worse"),
)
_WORDS = (
    *("avoid", "bad", "best", "better", "condition", "fit", "good", "great", "ill", "must", "need", "needs", "normal"),
    *("normally", "ought", "perfect", "poor", "poorly", "problem", "problems", "should", "try", "typical", "typically"),
    *("well", "worst"),
)
_FORBIDDEN = re.compile(rf"\b(?:(?:{'|'.join(_STEMS)})\w*|(?:{'|'.join(_WORDS)}))\b", re.IGNORECASE)


def _faults_of_text(text: str) -> Iterator[_Fault]:
    if len(text) > SENTENCE_CHARS_MAX or not _PLAIN.fullmatch(text):
        yield _Fault(0, len(text), Rule.TEXT)
    yield from (_Fault(found.start(), found.end(), Rule.FORBIDDEN) for found in _FORBIDDEN.finditer(text))


# ---- the citations ---------------------------------------------------------------------------------------------------


def _faults_of_citations(sentence: Sentence, known: Mapping[str, Fact]) -> Iterator[_Fault]:
    for cited in sentence.citations:
        if cited.fact_id not in known:
            yield _Fault(cited.start, cited.end, Rule.UNKNOWN_FACT)
        if not 0 <= cited.start < cited.end <= len(sentence.text) or _cuts(sentence.text, cited):
            yield _Fault(cited.start, cited.end, Rule.CITATION)
    for one, following in pairwise(sentence.citations):
        if one.end > following.start:
            yield _Fault(following.start, following.end, Rule.CITATION)


def _cuts(text: str, cited: Citation) -> bool:
    """Tell whether a citation begins or ends within a word, or with what is none of one."""
    part = text[cited.start : cited.end]
    if part != part.strip(" ,.;:"):
        return True
    cut_before = cited.start > 0 and (text[cited.start - 1].isalnum() or text[cited.start - 1] in "-−+%")
    return cut_before or text[cited.end : cited.end + 1].isalnum()


def _faults_of_claims(sentence: Sentence, known: Mapping[str, Fact]) -> Iterator[_Fault]:
    tokens = tokens_of(sentence.text)
    claims = [token for token in tokens if not isinstance(token, Negation)]
    denials = [token for token in tokens if isinstance(token, Negation)]
    for claim in claims:
        if not any(cited.start <= claim.start and claim.end <= cited.end for cited in sentence.citations):
            yield _Fault(claim.start, claim.end, Rule.UNCITED)
    denied = not all(isinstance(claim, Reason | CalendarDate) for claim in claims)
    for denial in denials:  # `we cannot tell` may stand before a reason, and within a citation nothing may
        if denied or any(cited.start < denial.end and denial.start < cited.end for cited in sentence.citations):
            yield _Fault(denial.start, denial.end, Rule.NEGATED)
    for cited in sentence.citations:
        within = [claim for claim in claims if cited.start <= claim.start and claim.end <= cited.end]
        said = _Said(sentence.text, sentence.text[cited.start : cited.end], within)
        for rule in sorted(set(_broken(known[cited.fact_id], said))):
            yield _Fault(cited.start, cited.end, rule)


# ---- what one citation says ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Said:
    """What stands in a citation: its words, and the claims among them."""

    sentence: str
    words: str
    claims: Sequence[Token]

    @property
    def values(self) -> list[Quantity | ClockTime]:
        """The numbers and times of day."""
        return [claim for claim in self.claims if isinstance(claim, Quantity | ClockTime)]

    @property
    def directions(self) -> list[Direction]:
        """The directions."""
        return [claim for claim in self.claims if isinstance(claim, Direction)]


_WEEK_BEFORE = re.compile(r"\b(?:the week before|the previous week)\b", re.IGNORECASE)


def _broken(fact: Fact, said: _Said) -> Iterator[Rule]:
    meaning = meaning_of(fact)
    if not meaning.fits(said.words):
        yield Rule.MEANING
    if any(isinstance(claim, Loose) for claim in said.claims):
        yield Rule.CLAIMS
    extremes = [claim.word for claim in said.claims if isinstance(claim, Extreme | BareUnit)]
    if len(extremes) > len(set(extremes)) or not meaning.may.issuperset(extremes):
        yield Rule.CLAIMS
    yield from _broken_date(fact, said, meaning)
    if isinstance(fact.outcome, Unavailable):
        yield from _broken_reason(fact.outcome, said)
    elif fact.form is Form.CHANGE:
        yield from _broken_change(fact, fact.outcome, said)
    else:
        yield from _broken_value(fact, fact.outcome, said)


def _broken_reason(reason: Unavailable, said: _Said) -> Iterator[Rule]:
    """Yield what is wrong with saying why there is no number."""
    reasons = {claim.reason for claim in said.claims if isinstance(claim, Reason)}
    if reasons != {reason}:
        yield Rule.REASON
    if said.values or said.directions:
        yield Rule.VALUE


def _broken_value(fact: Fact, outcome: float, said: _Said) -> Iterator[Rule]:
    """Yield what is wrong with saying a value."""
    if len(said.values) != 1 or any(isinstance(claim, Reason) for claim in said.claims):
        yield Rule.CLAIMS
    if said.directions:
        yield Rule.DIRECTION
    if _WEEK_BEFORE.search(said.sentence):  # of which week would it be?
        yield Rule.MEANING
    if len(said.values) == 1:
        yield from _broken_number(fact, outcome, said.values[0])


def _broken_change(fact: Fact, outcome: float, said: _Said) -> Iterator[Rule]:
    """Yield what is wrong with saying a change: a direction, by how much, and since when."""
    if not _WEEK_BEFORE.search(said.sentence):
        yield Rule.MEANING
    if len(said.directions) != 1 or len(said.values) > 1 or any(isinstance(claim, Reason) for claim in said.claims):
        yield Rule.CLAIMS
        return
    direction = said.directions[0]
    [told] = [claim for claim in tokens_of(fact.text) if isinstance(claim, Direction)]
    if direction.sign != told.sign or not _same_scale(direction.scale, told.scale):
        yield Rule.DIRECTION
    if said.values and direction.sign:
        yield from _broken_number(fact, abs(outcome), said.values[0])
    elif said.values:
        yield Rule.VALUE


def _same_scale(said: Scale | None, told: Scale | None) -> bool:
    """Tell whether a direction is of the Fact's scale; a length of time may also be more or less."""
    return said == told or None in {said, told} or (said, told) == (Scale.AMOUNT, Scale.LENGTH)


def _broken_number(fact: Fact, outcome: float, said: Quantity | ClockTime) -> Iterator[Rule]:
    """Yield what is wrong with a number: judged by the value, and by the unit and digits that the Fact itself shows."""
    told = next((claim for claim in tokens_of(fact.text) if isinstance(claim, Quantity | ClockTime)), None)
    if isinstance(said, ClockTime) or isinstance(told, ClockTime):
        if type(said) is not type(told):
            yield Rule.UNIT
        elif isinstance(said, ClockTime) and said.minute != int(rounded(outcome, 0)) % DAY_MINUTES:
            yield Rule.VALUE
        return
    if told is None or said.ucum_unit != told.ucum_unit or not _is_all(told, fact):
        yield Rule.UNIT
        return
    percent = fact.ucum_unit == "1" and told.ucum_unit in {"%", "points"}
    exact = Decimal(repr(outcome)) * (100 if percent else 1) / said.factor
    coarse = said.step > told.step
    odd = said.signed and (fact.form is Form.CHANGE or not said.value)  # a direction has the sign; zero has none
    if coarse or odd or rounded(exact, said.digits) != said.value:
        yield Rule.VALUE


def _is_all(told: Quantity, fact: Fact) -> bool:
    """Tell whether a quantity is all that a Fact says, so that no word of an unknown unit is left."""
    rest = fact.text[told.end :].strip()
    return told.start == 0 and (not rest or (fact.form is Form.CHANGE and len(rest.split()) == 1))


def _broken_date(fact: Fact, said: _Said, meaning: "Meaning") -> Iterator[Rule]:
    """Yield what is wrong with the date: that of the Fact, and named unless an extreme tells which night it is."""
    dates = [claim for claim in said.claims if isinstance(claim, CalendarDate)]
    if len(dates) > 1 or any(not _is_on(fact, claim) for claim in dates):
        yield Rule.DATE
    if fact.day is not None and not dates and not meaning.must:
        yield Rule.DATE


def _is_on(fact: Fact, said: CalendarDate) -> bool:
    day = fact.day
    if day is None:
        return False
    parts = ((said.weekday, day.weekday()), (said.day, day.day), (said.month, day.month), (said.year, day.year))
    return all(part is None or part == real for part, real in parts)


# ---- which words are of which measure --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Meaning:
    """The words by which a reader knows a measure: one of `words` must be in the citation, and every one of `must`."""

    words: str
    must: frozenset[str] = frozenset()  # an extreme that is this measure
    also: frozenset[str] = frozenset()  # claims that are no claims here

    @property
    def may(self) -> frozenset[str]:
        """The extremes and bare units that are the measure's own."""
        return self.must | self.also

    def fits(self, said: str) -> bool:
        """Tell whether the words are of this measure."""
        lower = said.lower()
        return bool(re.search(rf"\b(?:{self.words})\b", lower)) and all(word in lower for word in self.must)


def _of(words: str, must: str = "", also: str = "") -> Meaning:
    return Meaning(words, frozenset(must.split()), frozenset(also.split()))


MEANINGS: Mapping[str, Meaning] = {
    "night_total_sleep": _of("slept|sleep lasted|sleep was"),
    "night_longest": _of("night|sleep|slept", must="longest"),
    "night_shortest": _of("night|sleep|slept", must="shortest"),
    "night_time_in_bed": _of("in bed|lay at rest|rested"),
    "night_efficiency": _of("of (?:the|that|your) (?:time|rest)|efficiency"),
    "night_onset_latency": _of("to fall asleep|falling asleep took"),
    "night_wake_after_onset": _of("awake|wakefulness"),
    "night_awakenings": _of("awakenings?"),
    "night_latency_to_arising": _of("getting up|to get up"),
    "nights": _of("nights?"),
    "asleep_ratio": _of("asleep"),
    "night_onset_time": _of("fell asleep|sleep began"),
    "night_midpoint_time": _of("middle of (?:your|the) (?:sleep|night)|halfway"),
    "night_final_awakening_time": _of("woke(?: up)? for the day|woke up|woke|sleep ended"),
    "sleep_regularity_index": _of("regularity|regular"),
    "sleep_regularity_valid_pair_ratio": _of("pairs"),
    "sleep_regularity_pairs": _of("regularity"),
    "interdaily_stability": _of("stability|stable|resembled"),
    "interdaily_stability_hours": _of("stability|stable"),
    "intradaily_variability": _of("fragmentation|fragmented|variability"),
    "intradaily_variability_pairs": _of("fragmentation|fragmented|variability"),
    "relative_amplitude": _of("contrast|amplitude"),
    "l5_onset": _of("stretch|hours", must="quietest", also="hours"),
    "l5": _of("stretch|hours", must="quietest", also="hours"),
    "l5_onsets_tied": _of("stretch|hours", must="quietest", also="hours"),
    "m10_onset": _of("stretch|hours", must="busiest", also="hours"),
    "m10": _of("stretch|hours", must="busiest", also="hours"),
    "m10_onsets_tied": _of("stretch|hours", must="busiest", also="hours"),
    "cosinor_peak": _of("curve|wave|cosine", must="peak", also="peaked"),
    "cosinor_mesor": _of("middle of the (?:curve|wave)|mesor"),
    "cosinor_amplitude": _of("swing|height of the (?:curve|wave)"),
    "cosinor_percent_rhythm": _of("(?:curve|wave|cosine) (?:explains?|follows)|explained by"),
    "activity_mean": _of("activity|moved|movement"),
    "worn_days": _of("wore|worn"),
    "wear_coverage": _of("wore|worn"),
    "worn_time": _of("wore|worn"),
    "recorded_time": _of("recorded|recording"),
    "longest_gap": _of("gap", must="longest"),
    "attention_peak_hour": _of("(?:model|it) looked", must="most", also="hour"),
    "attention_peak_share": _of("attention"),
}
_UNAVAILABLE_WORDS = (  # a group of measures is named by what it is about
    ("night", "sleep|night|nights|slept"),
    ("sleep", "regularity|regular"),
    ("attention", "model|week"),
    ("activity", "activity|movement|moved"),
    ("", "rhythm|day|days|device|week|stretch|curve|recording|pattern"),
)


def meaning_of(fact: Fact) -> Meaning:
    """Return the words of a Fact; those of one night are those of the nights, and of a change those of its measure."""
    name = fact.name.removesuffix(CHANGE) if fact.form is Form.CHANGE else fact.name
    known = MEANINGS.get(name) or MEANINGS.get(f"night_{name}") or Meaning(name.replace("_", " "))
    if not isinstance(fact.outcome, Unavailable):
        return known
    group = f"night_{name}" if fact.day is not None else name
    words = next(words for prefix, words in _UNAVAILABLE_WORDS if group.startswith(prefix))
    return Meaning(words)

"""Sentences changed so that they say, or cite, something else: what a careless or inventive narrator might do.

Nothing here knows how the verifier reads. A mutation works on the letters and the citations; whether it leaves the
sentence true is judged from the Facts alone, by other means than the verifier's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

from clarity_server.domain.insight import Citation, Fact, Form, Sentence
from clarity_server.domain.measures import Unavailable

UNITS = ("h", "min", "%", "counts/min", "nights", "days", "awakenings", "percentage points")
OPPOSITES = {"longer": "shorter", "later": "earlier", "more": "fewer", "higher": "lower"} | {
    "longest": "shortest",
    "quietest": "busiest",
    "most": "least",
}
OPPOSITE = OPPOSITES | {there: here for here, there in OPPOSITES.items()}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August")
NUMBERS = (
    "7",
    "30 min",
    "at 06:15",
    "twice",
    "12 %",
    "three",
    "3.5",
    "two thirds",
    "half",
    "1,200",
    "8 hours",
    "a dozen",
)
CLAIMS = (
    "longer",
    "more",
    "later than usual",
    "the most",
    "on Friday",
    "less",
    "up to",
    "at midnight",
    "increasingly higher",
    "yesterday",
    "at least",
    "the latest",
    "rising",
    "two hours earlier",
    "minutes",
)
FORBIDDEN = (
    "insomnia",
    "depressed",
    "at risk",
    "healthy",
    "abnormal",
    "which suggests apnea",
    "so you should rest",
    "a sleep disorder",
    "unhealthy",
    "we recommend",
    "as a doctor knows",
    "normal",
)
WORDS = ("two", "three", "five", "six", "seven", "nine", "eleven", "twenty")
Mutation = Callable[[Random, Sentence, Sequence[Fact]], Sentence | None]


def edited(sentence: Sentence, start: int, end: int, new: str, *, inside: bool = True) -> Sentence:
    """The sentence with other letters in [start, end), its citations moved along."""
    by = len(new) - (end - start)

    def moved(citation: Citation) -> Citation:
        if citation.end < start or (citation.end == start and not inside):
            return citation
        if citation.start > start or (citation.start == start == end and not inside):
            return replace(citation, start=max(citation.start + by, 0), end=citation.end + by)
        return replace(citation, end=citation.end + by)

    return Sentence(sentence.text[:start] + new + sentence.text[end:], tuple(map(moved, sentence.citations)))


def _pick(chance: Random, pattern: str, text: str) -> re.Match[str] | None:
    found = list(re.finditer(pattern, text))
    return chance.choice(found) if found else None


def digit_changed(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(chance, r"\d", sentence.text)
    return at and edited(sentence, at.start(), at.end(), chance.choice([one for one in "0123456789" if one != at[0]]))


def digits_swapped(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(chance, r"(?=(\d)(\D{0,4})(\d))", sentence.text)
    if at is None:
        return None
    return edited(sentence, at.start(1), at.end(3), at[3] + at[2] + at[1])


def digit_added(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(chance, r"\d", sentence.text)
    return at and edited(sentence, at.end(), at.end(), chance.choice("0123456789"))


def digit_removed(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(chance, r"\d", sentence.text)
    return at and edited(sentence, at.start(), at.end(), "")


def unit_changed(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(
        chance, r"(?<=\d )(?:h|min|%|counts/min|nights?|days?|awakenings?|percentage points?)(?!\w)", sentence.text
    )
    return at and edited(
        sentence, at.start(), at.end(), chance.choice([unit for unit in UNITS if unit.rstrip("s") != at[0].rstrip("s")])
    )


def unit_dropped(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(
        chance, r"(?<=\d) (?:h|min|%|counts/min|nights?|days?|awakenings?|percentage points?)(?!\w)", sentence.text
    )
    return at and edited(sentence, at.start(), at.end(), "")


def time_moved(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(chance, r"\d\d:\d\d", sentence.text)
    if at is None:
        return None
    minute = (int(at[0][:2]) * 60 + int(at[0][3:]) + chance.choice((-60, -12, -1, 1, 10, 60, 720))) % 1440
    return edited(sentence, at.start(), at.end(), f"{minute // 60:02}:{minute % 60:02}")


def direction_swapped(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(chance, rf"\b(?:{'|'.join(OPPOSITE)})\b", sentence.text)
    return at and edited(sentence, at.start(), at.end(), OPPOSITE[at[0]])


def citations_swapped(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    if len(sentence.citations) < 2:
        return None
    one, other = chance.sample(range(len(sentence.citations)), 2)
    cited = list(sentence.citations)
    cited[one] = replace(sentence.citations[one], fact_id=sentence.citations[other].fact_id)
    cited[other] = replace(sentence.citations[other], fact_id=sentence.citations[one].fact_id)
    return replace(sentence, citations=tuple(cited))


def citation_dropped(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    if not sentence.citations:
        return None
    gone = chance.randrange(len(sentence.citations))
    return replace(sentence, citations=sentence.citations[:gone] + sentence.citations[gone + 1 :])


def citation_shifted(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    if not sentence.citations:
        return None
    place, by = chance.randrange(len(sentence.citations)), chance.choice((-9, -5, -3, -2, -1, 1, 2, 3, 5, 9))
    start, end = chance.choice(((by, by), (by, by), (by, 0), (0, by)))
    cited = list(sentence.citations)
    cited[place] = replace(cited[place], start=cited[place].start + start, end=cited[place].end + end)
    return replace(sentence, citations=tuple(cited))


def other_fact_cited(chance: Random, sentence: Sentence, facts: Sequence[Fact]) -> Sentence | None:
    if not sentence.citations:
        return None
    place = chance.randrange(len(sentence.citations))
    cited = list(sentence.citations)
    cited[place] = replace(cited[place], fact_id=chance.choice(facts).fact_id)
    return replace(sentence, citations=tuple(cited))


def like_fact_cited(chance: Random, sentence: Sentence, facts: Sequence[Fact]) -> Sentence | None:
    """Another Fact of the same form and unit, said by its own value: only the words tell that it is another one."""
    if not sentence.citations:
        return None
    place = chance.randrange(len(sentence.citations))
    cited = sentence.citations[place]
    [fact] = [fact for fact in facts if fact.fact_id == cited.fact_id]
    alike = [
        one
        for one in facts
        if one.name != fact.name and one.text and (one.form, one.ucum_unit) == (fact.form, fact.ucum_unit)
    ]
    if not alike or not fact.text:
        return None
    other = chance.choice(alike)
    at = sentence.text.index(fact.text, cited.start)
    citations = list(sentence.citations)
    citations[place] = replace(cited, fact_id=other.fact_id)
    return edited(Sentence(sentence.text, tuple(citations)), at, at + len(fact.text), other.text)


def value_of_another(chance: Random, sentence: Sentence, facts: Sequence[Fact]) -> Sentence | None:
    """The value of another Fact in the words of this one."""
    told = [(one, fact) for one in sentence.citations for fact in facts if fact.fact_id == one.fact_id and fact.text]
    if not told:
        return None
    cited, fact = chance.choice(told)
    other = chance.choice([one for one in facts if one.text])
    at = sentence.text.index(fact.text, cited.start)
    return edited(sentence, at, at + len(fact.text), other.text)


def _inserted(chance: Random, sentence: Sentence, words: Sequence[str]) -> Sentence | None:
    at = _pick(chance, r"(?<=[\w%,]) (?=\w)|(?=\.$)", sentence.text)
    new = f" {chance.choice(words)}"
    return at and edited(sentence, at.start(), at.start(), new, inside=chance.random() < 0.5)


def number_inserted(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    return _inserted(chance, sentence, NUMBERS)


def claim_inserted(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    return _inserted(chance, sentence, CLAIMS)


def forbidden_added(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    return _inserted(chance, sentence, FORBIDDEN)


def number_negated(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(chance, r"(?<![\d:.,])\d", sentence.text)
    if at is None:
        return None
    new = chance.choice(("-", "−", "not ", "minus ", "never "))
    return edited(sentence, at.start(), at.start(), new, inside=chance.random() < 0.5)


def number_worded(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(chance, r"(?<![\d:.,])\d+(?![\d:.,]\d)", sentence.text)
    return at and edited(sentence, at.start(), at.end(), chance.choice(WORDS))


def date_replaced(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    at = _pick(chance, rf"{'|'.join(WEEKDAYS)}|(?:{'|'.join(MONTHS)}|October|September)", sentence.text)
    if at is None:
        return None
    names = WEEKDAYS if at[0] in WEEKDAYS else MONTHS
    return edited(sentence, at.start(), at.end(), chance.choice([name for name in names if name != at[0]]))


def reason_replaced(chance: Random, sentence: Sentence, _: Sequence[Fact]) -> Sentence | None:
    reasons = (
        "the device was not worn",
        "there are gaps in the recording",
        "the recording is too short",
        "no sleep was found",
    )
    at = _pick(chance, r"(?<=because ).*(?=\.)", sentence.text)
    if at is None:
        return None
    other = chance.choice([one for one in reasons if one[:16] != at[0][:16]])
    return edited(sentence, at.start(), at.end(), other)


KINDS: Mapping[str, Mutation] = {
    one.__name__: one
    for one in (
        *(digit_changed, digits_swapped, digit_added, digit_removed, number_worded, number_negated, number_inserted),
        *(unit_changed, unit_dropped, time_moved, date_replaced, value_of_another, reason_replaced),
        *(direction_swapped, claim_inserted, forbidden_added),
        *(citations_swapped, citation_dropped, citation_shifted, other_fact_cited, like_fact_cited),
    )
}


# ---- what is still true ----------------------------------------------------------------------------------------------

WORTH = {"two": "2", "three": "3", "five": "5", "six": "6", "seven": "7", "nine": "9", "eleven": "11", "twenty": "20"}


def is_still_true(before: Sentence, after: Sentence, facts: Sequence[Fact]) -> bool:
    """Whether a mutated sentence says and cites what it did: the same but for how a number is written.

    The same: 7:05 for 07:05, 0.5 for 0.50, `six nights` for `6 nights`; more digits of a value, if they are its digits;
    a citation that covers the same words and whole words more, without a number; a citation of another Fact that is
    unavailable for the same reason, on the same night or of the same model.
    """
    if _plain(before.text) == _plain(after.text):
        return _cites_the_same(before, after, facts)
    return before.citations != after.citations and _has_more_digits(before, after, facts)


def _plain(text: str) -> str:
    """The text in digits, without zeros that say nothing."""
    text = re.sub(rf"\b(?:{'|'.join(WORTH)})\b", lambda word: WORTH[word[0]], text)
    text = re.sub(r"(?<![\d.:,])0+(?=\d)", "", text)
    return re.sub(r"(\d\.\d*?)0+(?!\d)", r"\1", text).replace(". ", " ")


def _cites_the_same(before: Sentence, after: Sentence, facts: Sequence[Fact]) -> bool:
    if len(before.citations) != len(after.citations):
        return False
    known = {fact.fact_id: fact for fact in facts}
    return all(
        _is_as_good(known[old.fact_id], known[new.fact_id])
        and _covers(before.text, (old.start, old.end), after.text, (new.start, new.end))
        for old, new in zip(before.citations, after.citations, strict=True)
    )


def _is_as_good(fact: Fact, other: Fact) -> bool:
    if fact == other:
        return True
    of_one_thing = (fact.day is not None and fact.day == other.day) or fact.name[:9] == other.name[:9] == "attention"
    return isinstance(fact.outcome, Unavailable) and fact.outcome == other.outcome and of_one_thing


def _covers(text: str, old: tuple[int, int], new_text: str, new: tuple[int, int]) -> bool:
    """Whether the new part is the old one, or it and whole words around it, none of which has a digit."""
    if text != new_text:
        return _plain(text[slice(*old)]) == _plain(new_text[slice(*new)])
    if not 0 <= new[0] <= old[0] < old[1] <= new[1] <= len(text):
        return False
    more = text[new[0] : old[0]] + text[old[1] : new[1]]
    whole = not re.match(r"\w\w", text[new[0] - 1 : new[0] + 1]) and not re.match(
        r"\w\w", text[new[1] - 1 : new[1] + 1]
    )
    return whole and not re.search(r"\d", more)


def _has_more_digits(before: Sentence, after: Sentence, facts: Sequence[Fact]) -> bool:
    """Whether only the digits of one decimal differ, and what it says now is the value, as far as it goes."""
    number = r"(?<![\d.,:-])\d+\.\d+(?![\d:])"
    if re.sub(number, "#", before.text) != re.sub(number, "#", after.text):
        return False
    if [one.fact_id for one in before.citations] != [one.fact_id for one in after.citations]:
        return False
    known = {fact.fact_id: fact for fact in facts}
    for old, new in zip(before.citations, after.citations, strict=True):
        was, told, fact = before.text[old.start : old.end], after.text[new.start : new.end], known[new.fact_id]
        if was == told:
            continue
        decimal = re.search(number, told)
        if decimal is None or fact.form is not Form.NUMBER or isinstance(fact.outcome, Unavailable):
            return False
        places = len(decimal[0].partition(".")[2])
        exact = Decimal(repr(fact.outcome)) * (100 if "%" in fact.text and fact.ucum_unit == "1" else 1)
        if abs(exact - Decimal(decimal[0])) > Decimal("0.5").scaleb(-places) or len(told) < len(was):
            return False
    return True

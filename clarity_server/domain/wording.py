"""What a sentence claims, word by word: its numbers, units, times, dates, directions, extremes and reasons.

Whatever looks like a number or a comparison is a token, understood or not: one that is not understood is `Loose`, and
nothing supports it. So a text cannot say a number in a way that goes unseen.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from clarity_server.domain.measures import Unavailable

HOUR_MINUTES = 60
NOON_HOUR = 12


@dataclass(frozen=True, slots=True)
class Token:
    """Characters [start, end) that claim something."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Quantity(Token):
    """A number with its unit: `value` in `ucum_unit`, one of which is `factor` of its dimension's first unit."""

    value: Decimal
    digits: int  # decimals shown
    ucum_unit: str
    factor: Decimal
    signed: bool  # whether a sign is written

    @property
    def step(self) -> Decimal:
        """How much the last digit shown is worth, in the dimension's first unit."""
        return self.factor.scaleb(-self.digits)


@dataclass(frozen=True, slots=True)
class ClockTime(Token):
    """A time of day, in minutes after midnight."""

    minute: int


@dataclass(frozen=True, slots=True)
class CalendarDate(Token):
    """A date, or as much of it as is said."""

    weekday: int | None = None  # Monday is 0
    day: int | None = None
    month: int | None = None
    year: int | None = None


class Scale(StrEnum):
    """What a direction is a direction of."""

    TIME = "TIME"  # earlier, later
    LENGTH = "LENGTH"  # shorter, longer
    AMOUNT = "AMOUNT"  # less, more


@dataclass(frozen=True, slots=True)
class Direction(Token):
    """Says that something changed: +1 for more, -1 for less, 0 for neither."""

    sign: int
    scale: Scale | None  # None fits all


@dataclass(frozen=True, slots=True)
class Extreme(Token):
    """A superlative."""

    word: str


@dataclass(frozen=True, slots=True)
class BareUnit(Token):
    """A unit without a number."""

    word: str


@dataclass(frozen=True, slots=True)
class Reason(Token):
    """Says why there is no number."""

    reason: Unavailable


@dataclass(frozen=True, slots=True)
class Negation(Token):
    """Turns what is said around it into its opposite."""


@dataclass(frozen=True, slots=True)
class Loose(Token):
    """A number, a bound, a comparison or a date that is not understood: nothing supports it."""


def tokens_of(text: str) -> Sequence[Token]:
    """Return the tokens of a text in order."""
    return tuple(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        found = next((token for read in _READERS if (token := read(text, at)) is not None), None)
        if found is None:
            at += 1
            continue
        yield found
        at = found.end


# ---- numbers and their units -----------------------------------------------------------------------------------------

_UNITS: Sequence[tuple[str, str, str]] = (  # as written, in UCUM, of its dimension's first unit
    (r"counts?\s?(?:/|\s(?:a|per)\s)\s?min(?:ute)?", "{counts}/min", "1"),
    (r"percentage\spoints?", "points", "1"),
    (r"percent|per\scent|%", "%", "1"),
    (r"clock\shours?", "{hours}", "1"),
    (r"minutes?|mins?", "min", "1"),
    (r"hours?|hrs?|h", "min", "60"),
    (r"nights?", "{nights}", "1"),
    (r"days?", "{days}", "1"),
    (r"awakenings?", "{awakenings}", "1"),
    (r"pairs?", "{pairs}", "1"),
    (r"onsets?", "{onsets}", "1"),
)
_UNIT = "|".join(f"(?P<u{place}>{written})" for place, (written, _, _) in enumerate(_UNITS))
_APART = r"[ \u00a0\u202f\u2009-]"  # what may stand between a number and its unit
_SIGN = r"[+\-−–]"
_BEFORE = r"(?<![\w.,:+\-−–])"
_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?"
_WHOLE = r"(?![0-9]|[.,:][0-9])"  # and ends here

_QUANTITY = re.compile(
    rf"{_BEFORE}(?P<sign>{_SIGN})?(?P<number>{_DIGITS}){_WHOLE}(?:{_APART}?(?:{_UNIT})(?!\w)|(?!\w))", re.IGNORECASE
)
_DURATION = re.compile(
    rf"{_BEFORE}(?P<sign>{_SIGN})?(?P<hours>[0-9]+){_APART}?(?:hours?|hrs?|h)(?:\sand\s|,\s|{_APART})?"
    rf"(?P<minutes>[0-5]?[0-9]){_APART}?(?:minutes?|mins?|m)(?!\w)",
    re.IGNORECASE,
)

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORTH: Mapping[str, int] = {
    **{word: worth for worth, word in enumerate(_ONES)},
    **{word: 10 * worth for worth, word in enumerate(_TENS, start=2)},
}
_WORDED = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})(?:[- ](?P<rest>{'|'.join(_ONES[1:10])}))?|(?P<ones>{'|'.join(_ONES)}))(?!\w)"
    rf"(?:{_APART}(?:{_UNIT})(?!\w))?",
    re.IGNORECASE,
)
_LOOSE_NUMBER = re.compile(
    r"\b(?:half|halves|halved?|quarters?|thirds?|fourths?|fifths?|tenths?|doubled?|twice|tripled?|thrice|once|"
    r"hundreds?|thousands?|millions?|billions?|dozens?|couple|several|few|many|numerous|first|second(?:s|ly)?|"
    r"fourth|sixth|seventh|eighth|ninth|tenth|minus|plus|negative|positive|nought|nil)\b",
    re.IGNORECASE,
)


def _quantity(text: str, at: int) -> Token | None:
    found = _QUANTITY.match(text, at)
    if found is None:
        return None
    number = Decimal(found["number"].replace(",", ""))
    written = found["sign"] or ""
    digits = len(found["number"].partition(".")[2])
    value = number if written in {"", "+"} else -number
    return Quantity(at, found.end(), value, digits, *_unit_of(found), signed=bool(written))


def _worded(text: str, at: int) -> Token | None:
    found = _WORDED.match(text, at)
    if found is None:
        return None
    words = [found[part].lower() for part in ("tens", "rest", "ones") if found[part]]
    value = Decimal(sum(_WORTH[word] for word in words))
    return Quantity(at, found.end(), value, 0, *_unit_of(found), signed=False)


def _unit_of(found: re.Match[str]) -> tuple[str, Decimal]:
    for place, (_, ucum_unit, factor) in enumerate(_UNITS):
        if found[f"u{place}"] is not None:
            return ucum_unit, Decimal(factor)
    return "1", Decimal(1)


def _duration(text: str, at: int) -> Token | None:
    found = _DURATION.match(text, at)
    if found is None:
        return None
    written = found["sign"] or ""
    minutes = Decimal(HOUR_MINUTES * int(found["hours"]) + int(found["minutes"]))
    value = minutes if written in {"", "+"} else -minutes
    return Quantity(at, found.end(), value, 0, "min", Decimal(1), signed=bool(written))


def _numeric(text: str, at: int) -> Token | None:
    """Read whatever still has a digit in it, of any script, with the word around it."""
    if not text[at].isnumeric():
        return None
    start, end = at, at + 1
    while end < len(text) and (text[end].isalnum() or (text[end] in ".,:" and text[end + 1 : end + 2].isnumeric())):
        end += 1
    return Loose(start, end)


# ---- times of day, and dates -----------------------------------------------------------------------------------------

_CLOCK = re.compile(
    rf"{_BEFORE}(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])(?![0-9]|[:.,][0-9])"
    r"(?:\s?(?P<half>[ap])(?:\.m\.|m\b)|(?!\w))",
    re.IGNORECASE,
)
_HALF_DAY = re.compile(rf"{_BEFORE}(?P<hour>0?[1-9]|1[0-2])\s?(?P<half>[ap])(?:\.m\.|m\b)", re.IGNORECASE)
_NAMED_TIME = re.compile(r"\b(?:noon|midday|midnight)\b", re.IGNORECASE)

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTH = "|".join(rf"{name}|{name[:3]}\.?" for name in _MONTHS)
_WEEKDAY = "|".join(rf"{name}s?|{name[:3]}\.?" for name in _WEEKDAYS)
_DATE = re.compile(
    rf"\b(?:(?P<weekday>{_WEEKDAY})\b(?:,\s|\s)?(?:the\s)?)?"
    rf"(?:(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?(?P<month>{_MONTH})"
    rf"|(?P<month2>{_MONTH})\s(?P<day2>[0-9]{{1,2}})(?:st|nd|rd|th)?)(?![\w:.]\w|\w)"
    rf"(?:,?\s(?P<year>[12][0-9]{{3}})(?![0-9]|[.,:][0-9]|\w))?"
)
_DAY_ALONE = re.compile(rf"\b(?P<weekday>{_WEEKDAY})(?!\w)")
_ISO_DATE = re.compile(rf"{_BEFORE}(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}})(?![\w-])")
_LOOSE_DATE = re.compile(
    rf"\b(?:{'|'.join(name for name in _MONTHS if name not in {'March', 'May'})})\b|\b(?i:{'|'.join(_WEEKDAYS)})s?\b"
    r"|\b(?i:yesterday|today|tonight|tomorrow|weekends?|weekdays?|fortnight|months?|years?|(?:last|this|next) night)\b"
    r"|\b(?i:(?:last|next|past|coming) weeks?)\b"
)


def _clock(text: str, at: int) -> Token | None:
    found = _CLOCK.match(text, at) or _HALF_DAY.match(text, at)
    if found is None:
        named = _NAMED_TIME.match(text, at)
        if named is None:
            return None
        return ClockTime(at, named.end(), 0 if named[0].lower() == "midnight" else NOON_HOUR * HOUR_MINUTES)
    hour, minute = int(found["hour"]), int(found.groupdict().get("minute") or 0)
    if found["half"]:
        if not 1 <= hour <= NOON_HOUR:
            return Loose(at, found.end())
        hour = hour % NOON_HOUR + (NOON_HOUR if found["half"].lower() == "p" else 0)
    return ClockTime(at, found.end(), hour * HOUR_MINUTES + minute)


def _date(text: str, at: int) -> Token | None:
    iso = _ISO_DATE.match(text, at)
    if iso is not None:
        return CalendarDate(at, iso.end(), None, int(iso["day"]), int(iso["month"]), int(iso["year"]))
    found = _DATE.match(text, at)
    if found is not None:
        month, day = found["month"] or found["month2"], int(found["day"] or found["day2"])
        year = int(found["year"]) if found["year"] else None
        weekday = _place(_WEEKDAYS, found["weekday"])
        return CalendarDate(at, found.end(), weekday, day, (_place(_MONTHS, month) or 0) + 1, year)
    alone = _DAY_ALONE.match(text, at)
    return CalendarDate(at, alone.end(), _place(_WEEKDAYS, alone["weekday"])) if alone is not None else None


def _place(names: Sequence[str], written: str | None) -> int | None:
    if written is None:
        return None
    return next(place for place, name in enumerate(names) if name.startswith(written[:3]))


# ---- directions, extremes, reasons -----------------------------------------------------------------------------------

_MORE = (
    *("more", "higher", "greater", "larger", "bigger", "rose", "risen", "rises", "rising", "climbed", "up"),
    *("increase", "increased", "increases", "increasing", "grew", "grown", "grows"),
)
_LESS = (
    *("less", "fewer", "lower", "smaller", "fell", "falls", "fallen", "falling", "drop", "drops", "dropped", "down"),
    *(
        "decrease",
        "decreased",
        "decreases",
        "decreasing",
        "shrank",
        "shrunk",
        "declined",
        "declines",
        "reduced",
        "sank",
    ),
)
_DIRECTIONS: Mapping[str, tuple[int, Scale]] = {
    "later": (1, Scale.TIME),
    "earlier": (-1, Scale.TIME),
    "sooner": (-1, Scale.TIME),
    "longer": (1, Scale.LENGTH),
    "shorter": (-1, Scale.LENGTH),
    **dict.fromkeys(_MORE, (1, Scale.AMOUNT)),
    **dict.fromkeys(_LESS, (-1, Scale.AMOUNT)),
}
_WORD = re.compile(r"\b[a-z]+(?:'[a-z]+|’[a-z]+)?\b", re.IGNORECASE)
# Sleep begins by falling and ends by getting up: no direction.
_NO_DIRECTION = re.compile(
    r"\b(?:f[ae]ll(?:s|ing|en)? asleep|wak(?:e|es|ing) up|woke up|g[eo]t(?:s|ting)? up)\b(?! to\b)", re.IGNORECASE
)
_SAME = re.compile(
    r"\b(?:about the same|the same as|unchanged|no change|(?:hardly|barely) (?:any )?change\w*)\b", re.IGNORECASE
)
_EXTREMES = frozenset({"most", "least", "worst", "peak", "peaks", "peaked", "maximum", "minimum", "max", "record"})
_NO_EXTREMES = frozenset({"rest", "interest", "interests", "request", "forest", "honest"})  # though they end like one
_BOUND = re.compile(
    r"\b(?:over|under|above|below|beyond|nearly|almost|exceed\w*|within|mainly|mostly)\b", re.IGNORECASE
)
_BARE_UNITS = re.compile(
    r"\b(?:minutes?|mins?|hours?|hrs?|h|seconds?|secs?|percent|per cent|percentage|points?|counts?)\b|[%‰°]",
    re.IGNORECASE,
)
_NEGATIONS = frozenset(
    {"not", "no", "never", "none", "neither", "nor", "without", "cannot", "nothing", "nobody", "hardly", "barely"}
)

REASONS: Mapping[Unavailable, str] = {
    Unavailable.SHORT_RECORD: r"recording (?:is|was) too short|recording does not reach",
    Unavailable.GAP: r"gaps? in the recording|recording has (?:too many )?gaps|gaps",
    Unavailable.NOT_WORN: r"(?:was|were) not worn|did not wear|not worn",
    Unavailable.NO_SLEEP: r"no sleep was (?:found|seen)|no sleep",
    Unavailable.UNDEFINED: r"nothing (?:in it|in the recording) varied",
    Unavailable.UNKNOWN_OFFSET: r"local time is not known",
    Unavailable.NO_MODEL: r"no model is installed|no model",
    Unavailable.OUT_OF_DISTRIBUTION: r"unlike any (?:week )?the model has seen|unlike any",
    Unavailable.FAILED: r"failed by a fault of ours|went wrong|failed",
}
_REASONS = tuple((reason, re.compile(rf"\b(?:{words})\b", re.IGNORECASE)) for reason, words in REASONS.items())


def _reason(text: str, at: int) -> Token | None:
    for reason, words in _REASONS:
        found = words.match(text, at)
        if found is not None:
            return Reason(at, found.end(), reason)
    return None


def _direction(text: str, at: int) -> Token | None:
    same = _SAME.match(text, at)
    if same is not None:
        return Direction(at, same.end(), 0, None)
    found = _WORD.match(text, at)
    if found is None or found[0].lower() not in _DIRECTIONS or _idle(text, at):
        return None
    return Direction(at, found.end(), *_DIRECTIONS[found[0].lower()])


def _idle(text: str, at: int) -> bool:
    """Tell whether the word at this place belongs to falling asleep, waking up or getting up."""
    return any(found.start() <= at < found.end() for found in _NO_DIRECTION.finditer(text))


def _extreme(text: str, at: int) -> Token | None:
    found = _WORD.match(text, at)
    if found is None:
        return None
    word = found[0].lower()
    superlative = len(word) > len("best") and word.endswith("est") and word not in _NO_EXTREMES
    return Extreme(at, found.end(), word) if superlative or word in _EXTREMES else None


def _negation(text: str, at: int) -> Token | None:
    found = _WORD.match(text, at)
    if found is None:
        return None
    word = found[0].lower().replace("’", "'")
    return Negation(at, found.end()) if word in _NEGATIONS or word.endswith("n't") else None


_COMPARISON = re.compile(r"\b(?P<word>[a-z]+)\s+than\b", re.IGNORECASE)


def _comparison(text: str, at: int) -> Token | None:
    """Read a comparison that is none of the known directions: `steadier than`."""
    found = _COMPARISON.match(text, at)
    if found is None or found["word"].lower() in _DIRECTIONS:
        return None
    return Loose(at, found.end())


def _any(*patterns: re.Pattern[str]) -> Callable[[str, int], Token | None]:
    """Return a reader of what any of the patterns matches."""

    def read(text: str, at: int) -> Token | None:
        found = next((match for pattern in patterns if (match := pattern.match(text, at))), None)
        return None if found is None else Loose(at, found.end())

    return read


def _bare_unit(text: str, at: int) -> Token | None:
    found = _BARE_UNITS.match(text, at)
    return None if found is None else BareUnit(at, found.end(), found[0].lower())


# The first that reads a place has it.
_READERS: Sequence[Callable[[str, int], Token | None]] = (
    *(_date, _clock, _duration, _quantity, _worded, _numeric),
    *(_reason, _comparison, _direction, _extreme, _negation, _bare_unit),
    _any(_LOOSE_NUMBER, _LOOSE_DATE, _BOUND),
)

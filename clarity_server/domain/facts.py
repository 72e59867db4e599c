"""The Facts of an Analysis: every number a person could read about a week, with an id and what it rests on.

A Fact is said by one rule: rounded to the digits of its measure, half away from zero, from the shortest decimal that
is the number (`rounded`). The value itself is never rounded.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from clarity_server.domain.analysis import (
    DAY_MINUTES,
    WORN_DAY_MINUTES,
    WORN_DAYS_MIN,
    Abstention,
    Analysis,
    Output,
    PatReading,
    Window,
)
from clarity_server.domain.civil import MINUTE_MS, as_date
from clarity_server.domain.ids import ID_BYTES, spelled
from clarity_server.domain.insight import Fact, Form, Minutes
from clarity_server.domain.measures import Measure, Night, Sleep, Unavailable

VERSION = "1"
"""Rises whenever the same analyses could give other Facts; part of every fact_id."""
NIGHTS_COMPARED_MIN = 4  # of either week, for their means to be compared
EXTREME_NIGHTS_MIN = 3  # fewer have no longest or shortest one worth naming
HOUR_MINUTES = 60
NOON_MINUTES = DAY_MINUTES // 2


# ---- how a value is said ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Manner:
    """How a measure is said."""

    form: Form = Form.NUMBER
    digits: int = 0
    share: bool = False  # of 1, said in percent


CLOCK = Manner(Form.CLOCK)
DURATION = Manner(Form.DURATION)
SHARE = Manner(share=True)
RATIO = Manner(digits=2)
TENTHS = Manner(digits=1)

MANNERS: Mapping[str, Manner] = {
    # sleep
    "night_total_sleep": DURATION,
    "night_longest": DURATION,
    "night_shortest": DURATION,
    "night_time_in_bed": DURATION,
    "night_efficiency": Manner(),
    "night_onset_latency": DURATION,
    "night_wake_after_onset": DURATION,
    "night_awakenings": TENTHS,
    "night_latency_to_arising": DURATION,
    "nights": Manner(),
    "asleep_ratio": SHARE,
    # timing
    "night_onset_time": CLOCK,
    "night_midpoint_time": CLOCK,
    "night_final_awakening_time": CLOCK,
    # regularity
    "sleep_regularity_index": Manner(),
    "sleep_regularity_valid_pair_ratio": SHARE,
    "sleep_regularity_pairs": Manner(),
    # rhythm
    "interdaily_stability": RATIO,
    "interdaily_stability_hours": Manner(),
    "intradaily_variability": RATIO,
    "intradaily_variability_pairs": Manner(),
    "relative_amplitude": RATIO,
    "l5_onset": CLOCK,
    "l5": TENTHS,
    "l5_onsets_tied": Manner(),
    "m10_onset": CLOCK,
    "m10": Manner(),
    "m10_onsets_tied": Manner(),
    "cosinor_peak": CLOCK,
    "cosinor_mesor": Manner(),
    "cosinor_amplitude": Manner(),
    "cosinor_percent_rhythm": Manner(),
    # activity
    "activity_mean": Manner(),
    # wear
    "worn_days": Manner(),
    "wear_coverage": SHARE,
    "worn_time": DURATION,
    "recorded_time": DURATION,
    "longest_gap": DURATION,
    # one night
    "total_sleep": DURATION,
    "onset_time": CLOCK,
    "final_awakening_time": CLOCK,
    "efficiency": Manner(),
    "wake_after_onset": DURATION,
    "awakenings": Manner(),
    # where PAT looked
    "attention_peak_hour": CLOCK,
    "attention_peak_share": SHARE,
}
"""Every measure that becomes a Fact, in the order a person would ask."""

COMPARED = (
    "night_total_sleep",
    "night_time_in_bed",
    "night_efficiency",
    "night_onset_latency",
    "night_wake_after_onset",
    "night_awakenings",
    "night_latency_to_arising",
    "asleep_ratio",
    "night_onset_time",
    "night_midpoint_time",
    "night_final_awakening_time",
    "sleep_regularity_index",
    "interdaily_stability",
    "intradaily_variability",
    "relative_amplitude",
    "l5_onset",
    "l5",
    "m10_onset",
    "m10",
    "cosinor_peak",
    "cosinor_mesor",
    "cosinor_amplitude",
    "cosinor_percent_rhythm",
    "activity_mean",
)
"""The measures of which a change to the week before is told."""

UNIT_WORDS: Mapping[str, tuple[str, str]] = {
    "1": ("", ""),
    "min": (" min", " min"),
    "%": (" %", " %"),
    "{counts}/min": (" counts/min", " counts/min"),
    "{nights}": (" night", " nights"),
    "{days}": (" day", " days"),
    "{awakenings}": (" awakening", " awakenings"),
    "{hours}": (" clock hour", " clock hours"),
    "{pairs}": (" pair", " pairs"),
    "{onsets}": (" onset", " onsets"),
}
POINTS = (" percentage point", " percentage points")
UNCHANGED = "about the same"


def rounded(value: float | Decimal, digits: int) -> Decimal:
    """Return a value to so many decimals: half away from zero, from the shortest decimal that is the number."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP) + 0  # + 0: no negative zero


def said(value: float, ucum_unit: str, manner: Manner) -> str:
    """Return a value as a person reads it: `7 h 12 min`, `23:48`, `86 %`, `0.62`, `412 counts/min`."""
    if manner.form is Form.CLOCK:
        hour, minute = divmod(int(rounded(value, 0)) % DAY_MINUTES, HOUR_MINUTES)
        return f"{hour:02}:{minute:02}"
    if manner.form is Form.DURATION:
        return _duration(int(rounded(value, 0)))
    return _number(value, "%" if manner.share else ucum_unit, manner)


def said_change(value: float, ucum_unit: str, manner: Manner) -> str:
    """Return a signed difference as a person reads it: `24 min longer`, `20 min later`, `0.05 lower`."""
    if not rounded(_shown(value, manner), manner.digits):
        return UNCHANGED
    less, more = _directions(ucum_unit, manner.form)
    length = said(abs(value), "min", DURATION) if ucum_unit == "min" else _difference(abs(value), ucum_unit, manner)
    return f"{length} {more if value > 0 else less}"


def _directions(ucum_unit: str, form: Form) -> tuple[str, str]:
    if form is Form.CLOCK:
        return "earlier", "later"
    if form is Form.DURATION:
        return "shorter", "longer"
    return ("fewer", "more") if ucum_unit == "{awakenings}" else ("lower", "higher")


def _duration(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), HOUR_MINUTES)
    sign = "-" if minutes < 0 else ""
    return f"{sign}{hours} h {rest} min" if hours else f"{sign}{rest} min"


def _number(value: float, unit: str, manner: Manner) -> str:
    number = rounded(_shown(value, manner), manner.digits)
    one, several = UNIT_WORDS.get(unit, (f" {unit}", f" {unit}"))
    return f"{number:,}{one if number == 1 else several}"


def _difference(value: float, unit: str, manner: Manner) -> str:
    number = rounded(_shown(value, manner), manner.digits)
    # 3 % more of 80 % could be 82.4 %: a difference of shares is in points.
    words = POINTS if manner.share or unit == "%" else UNIT_WORDS.get(unit, (f" {unit}", f" {unit}"))
    return f"{number:,}{words[0] if number == 1 else words[1]}"


def _shown(value: float, manner: Manner) -> Decimal:
    return Decimal(repr(value)) * (100 if manner.share else 1)


# ---- the facts -------------------------------------------------------------------------------------------------------


def facts_of(analysis: Analysis, before: Analysis | None) -> tuple[Fact, ...]:
    """Return the Facts of a week, in the order a person would ask: what it was, how it changed, its nights, PAT.

    `before` is the analysis of the window that begins seven days earlier, of the same source and method. A change is
    told only where both weeks have the number, by the same algorithm, and enough of both was worn. The same analyses
    always give the same Facts.
    """
    assert before is None or before.window.start_day == analysis.window.start_day - 7, "the week before is that one"
    rows = sorted(_rows_of_week(analysis), key=lambda row: _ORDER.get(row.name, len(_ORDER)))
    changes = _rows_of_changes(analysis, before) if before is not None else ()
    found = (*rows, *changes, *_rows_of_nights(analysis), *_rows_of_attention(analysis))
    return tuple(_fact(analysis, row) for row in found)


def fact_id(analysis_id: str, name: str, day: date | None = None, against: str = "") -> str:
    """Return the id of a Fact of an analysis; `against` is the analysis of the week before, of a change."""
    parts = json.dumps([VERSION, analysis_id, name, day.isoformat() if day else "", against])
    return spelled(hashlib.sha256(parts.encode()).digest()[:ID_BYTES])


@dataclass(frozen=True, slots=True)
class _Origin:
    """The algorithm that made a number, and the digest of the minutes it read."""

    algorithm: str
    version: str
    parameters: Mapping[str, str]
    input_digest: str
    model_digest: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """A Fact before it has its id and its words."""

    name: str
    outcome: float | Unavailable
    ucum_unit: str
    coverage_ratio: float
    origin: _Origin
    span_ms: tuple[int, int]  # [start, end) on the window's axis
    day: date | None = None
    of_facts: tuple[str, ...] = ()
    against: str = ""
    manner: Manner = field(default_factory=Manner)


def _fact(analysis: Analysis, row: _Row) -> Fact:
    speak, form = (said_change, Form.CHANGE) if row.against else (said, row.manner.form)
    window = analysis.window
    return Fact(
        fact_id=fact_id(analysis.analysis_id, row.name, row.day, row.against),
        analysis_id=analysis.analysis_id,
        name=row.name,
        day=row.day,
        outcome=row.outcome,
        ucum_unit=row.ucum_unit,
        form=form,
        text="" if isinstance(row.outcome, Unavailable) else speak(row.outcome, row.ucum_unit, row.manner),
        coverage_ratio=row.coverage_ratio,
        algorithm=row.origin.algorithm,
        algorithm_version=row.origin.version,
        parameters=dict(row.origin.parameters),
        input_digest=row.origin.input_digest,
        model_digest=row.origin.model_digest,
        of_facts=row.of_facts,
        minutes=Minutes(window.metric, window.source, window.floating, *row.span_ms),
    )


_ORDER = {name: place for place, name in enumerate(MANNERS)}


def _manner(name: str, ucum_unit: str) -> Manner:
    """Return how a measure is said; one that is new here, by its unit."""
    by_unit = {"min": DURATION, "1": RATIO}
    return MANNERS.get(name) or by_unit.get(ucum_unit, Manner())


# ---- of the week -----------------------------------------------------------------------------------------------------


def _rows_of_week(analysis: Analysis) -> Iterator[_Row]:
    span_ms = _whole(analysis.window)
    for measure in analysis.measures:
        yield _Row(
            measure.measure,
            measure.outcome,
            measure.ucum_unit,
            measure.coverage_ratio,
            _origin(measure),
            span_ms,
            of_facts=_nights_behind(analysis, measure.measure),
            manner=_manner(measure.measure, measure.ucum_unit),
        )
    yield from _rows_of_wear(analysis)
    yield from _rows_of_extremes(analysis)


def _origin(measure: Measure) -> _Origin:
    return _Origin(measure.algorithm, measure.algorithm_version, measure.parameters, measure.input_digest)


def _whole(window: Window) -> tuple[int, int]:
    return window.start_ms, window.start_ms + window.length_minutes * MINUTE_MS


def _nights_behind(analysis: Analysis, name: str) -> tuple[str, ...]:
    """Return the ids of the nights' Facts that a mean was made of."""
    of_night = name.removeprefix("night_")
    if name == of_night or of_night not in _NIGHT:
        return ()
    nights = [night for night in analysis.nights if isinstance(night.outcome, Sleep)]
    return tuple(fact_id(analysis.analysis_id, of_night, as_date(night.civil_day)) for night in nights)


def _rows_of_wear(analysis: Analysis) -> Iterator[_Row]:
    window = analysis.window
    wear = analysis.parameters.get("wear", "")
    counted = _Origin("wear_count", "1", {"wear": wear, "worn_day_minutes": str(WORN_DAY_MINUTES)}, window.input_digest)
    recorded = window.recorded_minutes / window.length_minutes
    for name, value, unit in (
        ("worn_days", window.worn_days, "{days}"),
        ("worn_time", window.worn_minutes, "min"),
        ("recorded_time", window.recorded_minutes, "min"),
        ("longest_gap", window.longest_gap_minutes, "min"),
    ):
        outcome = float(value) if window.recorded_minutes else Unavailable.GAP
        yield _Row(name, outcome, unit, recorded, counted, _whole(window), manner=MANNERS[name])


def _rows_of_extremes(analysis: Analysis) -> Iterator[_Row]:
    """Yield the longest and the shortest night, each only if no other is as long or as short."""
    slept = [(night.outcome.total_sleep, night) for night in analysis.nights if isinstance(night.outcome, Sleep)]
    lengths = [length for length, _ in slept]
    if len(slept) < EXTREME_NIGHTS_MIN:
        return
    for name, extreme in (("night_longest", max(lengths)), ("night_shortest", min(lengths))):
        nights = [night for length, night in slept if length == extreme]
        if len(nights) > 1:
            continue
        day = as_date(nights[0].civil_day)
        yield _Row(
            name,
            float(extreme),
            "min",
            len(slept) / len(analysis.nights),
            _Origin("extreme_night", "1", {"nights_min": str(EXTREME_NIGHTS_MIN)}, analysis.window.input_digest),
            _night_ms(analysis.window, nights[0]),
            day=day,
            of_facts=tuple(
                fact_id(analysis.analysis_id, "total_sleep", as_date(night.civil_day)) for _, night in slept
            ),
            manner=MANNERS[name],
        )


# ---- changes to the week before --------------------------------------------------------------------------------------


def _rows_of_changes(analysis: Analysis, before: Analysis) -> Iterator[_Row]:
    if analysis.window.floating is not before.window.floating:
        return  # no range of minutes could hold both
    now, then = _by_name(analysis), _by_name(before)
    for name in COMPARED:
        if name not in now or name not in then or not _comparable(analysis, before, name):
            continue
        change = _change(now[name], then[name])
        if change is not None:
            yield _row_of_change(analysis, before, now[name], then[name], change)


def _by_name(analysis: Analysis) -> dict[str, Measure]:
    return {measure.measure: measure for measure in analysis.measures}


def _comparable(analysis: Analysis, before: Analysis, name: str) -> bool:
    """Tell whether enough of both weeks was worn, in their nights or in their days."""
    if name.startswith("night_"):
        return min(_nights_known(analysis), _nights_known(before)) >= NIGHTS_COMPARED_MIN
    return min(analysis.window.worn_days, before.window.worn_days) >= WORN_DAYS_MIN


def _nights_known(analysis: Analysis) -> int:
    return sum(isinstance(night.outcome, Sleep) for night in analysis.nights)


def _change(now: Measure, then: Measure) -> float | None:
    """Return by how much a measure changed; None where that cannot be said. Clock times differ by the shorter way."""
    if isinstance(now.outcome, Unavailable) or isinstance(then.outcome, Unavailable) or _made(now) != _made(then):
        return None
    difference = now.outcome - then.outcome
    if _manner(now.measure, now.ucum_unit).form is Form.CLOCK:
        return (difference + NOON_MINUTES) % DAY_MINUTES - NOON_MINUTES
    return difference


def _made(measure: Measure) -> tuple[str, str, str, dict[str, str]]:
    return measure.ucum_unit, measure.algorithm, measure.algorithm_version, dict(measure.parameters)


def _row_of_change(analysis: Analysis, before: Analysis, now: Measure, then: Measure, change: float) -> _Row:
    both = hashlib.sha256(f"{then.input_digest} {now.input_digest}".encode()).hexdigest()
    return _Row(
        f"{now.measure}_change",
        change,
        now.ucum_unit,
        min(now.coverage_ratio, then.coverage_ratio),
        _Origin(now.algorithm, now.algorithm_version, now.parameters, both),
        (before.window.start_ms, _whole(analysis.window)[1]),
        of_facts=(fact_id(before.analysis_id, then.measure), fact_id(analysis.analysis_id, now.measure)),
        against=before.analysis_id,
        manner=_manner(now.measure, now.ucum_unit),
    )


# ---- of each night ---------------------------------------------------------------------------------------------------


_NIGHT: Mapping[str, tuple[str, Callable[[Sleep], float]]] = {
    "total_sleep": ("min", lambda sleep: sleep.total_sleep),
    "onset_time": ("min", lambda sleep: sleep.onset_civil % DAY_MINUTES),
    "final_awakening_time": ("min", lambda sleep: sleep.final_awakening_civil % DAY_MINUTES),
    "efficiency": ("%", lambda sleep: 100 * sleep.total_sleep / _scored(sleep)),
    "wake_after_onset": ("min", lambda sleep: sleep.wake_after_onset),
    "awakenings": ("{awakenings}", lambda sleep: sleep.awakenings),
}


def _scored(sleep: Sleep) -> int:
    return sleep.onset_latency + sleep.total_sleep + sleep.wake_after_onset + sleep.latency_to_arising


def _rows_of_nights(analysis: Analysis) -> Iterator[_Row]:
    origin = _origin_of_nights(analysis)
    for night in analysis.nights:
        for name, (unit, value) in _NIGHT.items():
            outcome = float(value(night.outcome)) if isinstance(night.outcome, Sleep) else night.outcome
            span_ms = _night_ms(analysis.window, night)
            day = as_date(night.civil_day)
            yield _Row(name, outcome, unit, night.coverage_ratio, origin, span_ms, day=day, manner=MANNERS[name])


def _origin_of_nights(analysis: Analysis) -> _Origin:
    """Return the algorithm that finds a night's sleep, as the means over the nights name it."""
    nightly = _by_name(analysis).get("nights")
    if nightly is None:
        return _Origin("main_sleep", "1", analysis.parameters, analysis.window.input_digest)
    algorithm, _, version = nightly.parameters.get("of", "main_sleep").partition(" ")
    judged = {name: value for name, value in nightly.parameters.items() if name in {"wear", "sleep"}}
    return _Origin(algorithm, version or nightly.algorithm_version, judged, nightly.input_digest)


def _night_ms(window: Window, night: Night) -> tuple[int, int]:
    """Return a night's rest, or where there is none all from noon to noon, on the window's axis."""
    start, end = _noons(window, night) if isinstance(night.outcome, Unavailable) else _rest(night.outcome)
    return window.start_ms + start * MINUTE_MS, window.start_ms + end * MINUTE_MS


def _rest(sleep: Sleep) -> tuple[int, int]:
    return sleep.start, sleep.end


def _noons(window: Window, night: Night) -> tuple[int, int]:
    """Return the minutes from noon to noon; where the clock was moved within the week, those of either clock."""
    noon = night.civil_day * DAY_MINUTES - NOON_MINUTES - window.start_civil
    return noon - window.offset_change_minutes, noon + DAY_MINUTES + window.offset_change_minutes


# ---- where PAT looked ------------------------------------------------------------------------------------------------


def _rows_of_attention(analysis: Analysis) -> Iterator[_Row]:
    """Yield the clock hour that received most of PAT's attention, and its share. Where it looked, not why."""
    pat, window = analysis.pat, analysis.window
    if pat is None or window.offset_change_minutes:
        return  # once the clock was moved, an hour of the week is not one hour of the clock
    peak, share = _peak(pat.outcome, window)
    origin = _origin_of_attention(pat, window)
    coverage = 0.0 if isinstance(pat.outcome, Abstention) else 1 - pat.filled_minutes / window.length_minutes
    for name, outcome, unit in (("attention_peak_hour", peak, "min"), ("attention_peak_share", share, "1")):
        yield _Row(name, outcome, unit, coverage, origin, _whole(window), manner=MANNERS[name])


def _peak(outcome: Output | Abstention, window: Window) -> tuple[float | Unavailable, float | Unavailable]:
    if isinstance(outcome, Abstention):
        return outcome.reason, outcome.reason
    shares = attention_by_hour(outcome, window.start_civil)
    hour = max(range(len(shares)), key=lambda hour: shares[hour])  # of equals the first after midnight
    return float(hour * HOUR_MINUTES), shares[hour]


def attention_by_hour(output: Output, start_civil: int) -> tuple[float, ...]:
    """Return the share of attention that each of the 24 hours of the clock received, (24,), of all seven days.

    A patch's attention is spread evenly over its minutes. Every hour has as many minutes in a week as any other, so
    shares of the week are also the means of its days.
    """
    hours = [0.0] * (DAY_MINUTES // HOUR_MINUTES)
    total = sum(output.attention)
    for patch, attention in enumerate(output.attention):
        first = start_civil + patch * output.patch_minutes
        for minute in range(first, first + output.patch_minutes):
            hours[minute % DAY_MINUTES // HOUR_MINUTES] += attention / output.patch_minutes / total
    return tuple(hours)


def _origin_of_attention(pat: PatReading, window: Window) -> _Origin:
    parameters = {
        "model": pat.model,
        "demonstration": str(pat.demonstration).lower(),
        "scaler": pat.scaler,
        "scaler_digest": pat.scaler_digest,
        "block": "last",
    }
    return _Origin("attention_by_hour", "1", parameters, window.input_digest, pat.model_digest)

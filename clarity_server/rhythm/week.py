"""One stretch of a recording, usually a week, made into every rhythm measure there is."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.measures import Unavailable
from clarity_server.rhythm import circadian
from clarity_server.rhythm.algorithm import Algorithm
from clarity_server.rhythm.circadian import Pairing
from clarity_server.rhythm.clock import DAY_HOURS, DAY_MINUTES, HOUR_MINUTES, civil_minutes, reached
from clarity_server.rhythm.measure import Measure
from clarity_server.rhythm.night import MAIN_SLEEP, MainSleep, Night, nights
from clarity_server.rhythm.sleep import SCORERS, WEBSTER, webster
from clarity_server.rhythm.wear import DETECTORS

WEEK_MINUTES = 7 * DAY_MINUTES
CONTEXT_BEFORE_MINUTES = DAY_MINUTES // 2  # back to noon: the first night of a week begins the evening before
CONTEXT_AFTER_MINUTES = 180  # a run of sleep or non-wear over the last midnight
NIGHTS_MIN = 3  # fewer have no mean worth naming

T = TypeVar("T")

MEAN = Algorithm("mean", "1", {"epoch_s": "60"})
NIGHTLY = Algorithm(
    "nightly_mean",
    "1",
    {"nights_min": str(NIGHTS_MIN), "clock_times": "circular mean", "of": f"{MAIN_SLEEP.id} {MAIN_SLEEP.version}"},
)


@dataclass(frozen=True, slots=True)
class Method:
    """How wear and sleep were judged, by the names of `DETECTORS` and `SCORERS`, and how SRI pairs minutes."""

    wear: str = "choi"
    sleep: str = "oakley"
    rescoring: bool = False  # Webster's rules, after the scoring
    pairing: Pairing = "civil"

    @property
    def scoring(self) -> Algorithm:
        """The algorithm that says asleep or awake, with everything that went before and after it."""
        scorer, _ = SCORERS[self.sleep]
        rescored = f"{WEBSTER.id} {WEBSTER.version}" if self.rescoring else "none"
        return self.of(Algorithm(scorer.id, scorer.version, {**scorer.parameters, "rescoring": rescored}))

    def of(self, algorithm: Algorithm) -> Algorithm:
        """Returns the algorithm as it runs on worn minutes only."""
        detector, _ = DETECTORS[self.wear]
        return Algorithm(algorithm.id, algorithm.version, {**algorithm.parameters, "wear": detector.id})

    def of_sleep(self, algorithm: Algorithm) -> Algorithm:
        """Returns the algorithm as it runs on minutes scored as sleep and wake."""
        scored = self.of(algorithm)
        rescored = "+webster" if self.rescoring else ""
        return Algorithm(
            scored.id, scored.version, {**scored.parameters, "sleep": f"{SCORERS[self.sleep][0].id}{rescored}"}
        )


@dataclass(frozen=True, slots=True)
class Week:
    """What one stretch of a recording says of its person's rhythm."""

    start_minute: int  # civil, since 1970-01-01 00:00
    minutes: int
    recorded_minutes: int
    worn_minutes: int
    clock_moves: tuple[tuple[int, int], ...]  # (minute of the stretch, shift in minutes)
    measures: tuple[Measure, ...]
    nights: tuple[Night, ...]  # their minutes are counted from the first of the stretch
    hourly_profile: tuple[float | None, ...]  # (24,): counts a minute in each clock hour, worn minutes only
    method: Method
    night_algorithm: Algorithm
    input_digest: str  # sha256 of all counts read, context included, as little-endian float32

    def outcome(self, name: str) -> float | Unavailable:
        """Returns the number of this name, or why there is none."""
        return next(measure.outcome for measure in self.measures if measure.name == name)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """A stretch minute by minute; all arrays have the shape (n,)."""

    counts: NDArray[np.float64]  # 0 where there is none
    recorded: NDArray[np.bool_]
    worn: NDArray[np.bool_]
    asleep: NDArray[np.bool_]
    civil: NDArray[np.int64]

    def cut(self, start: int, end: int) -> _Grid:
        """Returns the minutes [start, end)."""
        core = slice(start, end)
        return _Grid(self.counts[core], self.recorded[core], self.worn[core], self.asleep[core], self.civil[core])

    def known(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Returns the counts under a mask, NaN elsewhere."""
        return np.where(mask, self.counts, np.nan)


def analyse(
    counts: NDArray[np.floating],
    start_minute: int,
    *,
    core: tuple[int, int] | None = None,
    moves: Sequence[tuple[int, int]] = (),
    wear: str = "choi",
    sleep: str = "oakley",
    rescoring: bool = False,
    pairing: Pairing = "civil",
) -> Week:
    """Returns every measure of a stretch of minutes, each a number or the reason why there is none.

    Args:
        counts: Shape (n,), one count a minute without holes. NaN, an infinity or a negative number is a minute
            without a value. 65535 is a count like any other: what a device means by it, its reader must know.
        start_minute: Civil time of the first of them, in minutes since 1970-01-01 00:00 on the person's clock.
        core: The minutes asked about, [start, end); the rest is context, which only the judgement of wear, the
            scoring of sleep and the nights may look at. All by default.
        moves: Changes of the person's clock, see `clock.civil_minutes`; minutes are counted as in `counts`.
        wear: A name of `wear.DETECTORS`; what was not worn is left out of everything else.
        sleep: A name of `sleep.SCORERS`.
        rescoring: Whether Webster's rules follow the scoring.
        pairing: What 24 hours mean to SRI, see `circadian.sleep_regularity`.

    Raises:
        KeyError: No such detector or scorer.
    """
    method = Method(wear, sleep, rescoring, pairing)
    start, end = core if core is not None else (0, len(counts))
    assert 0 <= start <= end <= len(counts), "the core lies within the counts"
    around = _grid(counts, civil_minutes(start_minute, len(counts), moves), method)
    grid = around.cut(start, end)
    slept = [_since(start, night) for night in _nights(around, start, end)]
    return Week(
        start_minute=int(grid.civil[0]) if len(grid.civil) else start_minute,
        minutes=end - start,
        recorded_minutes=int(np.count_nonzero(grid.recorded)),
        worn_minutes=int(np.count_nonzero(grid.worn)),
        clock_moves=tuple((at - start, shift) for at, shift in sorted(moves) if start < at < end and shift),
        measures=tuple(_measures(grid, slept, method)),
        nights=tuple(slept),
        hourly_profile=_hourly_profile(grid),
        method=method,
        night_algorithm=method.of_sleep(MAIN_SLEEP),
        input_digest=hashlib.sha256(np.asarray(counts).astype("<f4").tobytes()).hexdigest(),
    )


def weeks(
    counts: NDArray[np.floating],
    start_minute: int,
    *,
    moves: Sequence[tuple[int, int]] = (),
    wear: str = "choi",
    sleep: str = "oakley",
    rescoring: bool = False,
    pairing: Pairing = "civil",
) -> Iterator[Week]:
    """Yields each whole week of a recording: 10,080 minutes from a local midnight, one civil day after the other.

    Each is analysed with 720 minutes of context before and 180 after, as far as there are any; so a week's numbers
    depend on these minutes alone. The arguments are those of `analyse`.
    """
    civil = civil_minutes(start_minute, len(counts), moves)
    for _, first in _midnights(civil, 0, len(counts) - WEEK_MINUTES + 1):
        low, high = max(0, first - CONTEXT_BEFORE_MINUTES), first + WEEK_MINUTES + CONTEXT_AFTER_MINUTES
        yield analyse(
            counts[low:high],
            int(civil[low]),
            core=(first - low, first - low + WEEK_MINUTES),
            moves=[(at - low, shift) for at, shift in moves if at > low],
            wear=wear,
            sleep=sleep,
            rescoring=rescoring,
            pairing=pairing,
        )


def _midnights(civil: NDArray[np.int64], start: int, end: int) -> list[tuple[int, int]]:
    """Returns (civil day, minute) of each day that the clock reaches in [start, end) and does not skip."""
    if start >= end:
        return []
    days = np.arange(civil[start] // DAY_MINUTES, civil[start:end].max() // DAY_MINUTES + 2)
    begins = reached(civil, days * DAY_MINUTES)
    return [
        (int(day), int(at))
        for day, at, until in zip(days[:-1], begins[:-1], begins[1:], strict=True)
        if start <= at < end and at < until
    ]


def _grid(counts: NDArray[np.floating], civil: NDArray[np.int64], method: Method) -> _Grid:
    """Judges wear and scores sleep."""
    recorded: NDArray[np.bool_] = np.isfinite(counts) & (counts >= 0)
    x = np.where(recorded, counts, np.nan).astype(np.float64)
    worn = DETECTORS[method.wear][1](x)
    asleep = SCORERS[method.sleep][1](x) & worn
    if method.rescoring:
        asleep = webster(asleep, worn)
    return _Grid(np.where(recorded, x, 0.0), recorded, worn, asleep, civil)


def _nights(around: _Grid, start: int, end: int) -> list[Night]:
    """Returns the night that leads to each day that begins within the core."""
    days = [day for day, _ in _midnights(around.civil, start, end)]
    return nights(around.asleep, around.worn, around.recorded, around.civil, days)


def _since(start: int, night: Night) -> Night:
    """Returns the night with its minutes counted from `start` on."""
    if isinstance(night.sleep, Unavailable):
        return night
    return Night(night.civil_day, night.sleep.moved(-start), night.coverage_ratio)


def _hourly_profile(grid: _Grid) -> tuple[float | None, ...]:
    hour = grid.civil[grid.worn] % DAY_MINUTES // HOUR_MINUTES
    minutes = np.bincount(hour, minlength=DAY_HOURS)
    totals = np.bincount(hour, weights=grid.counts[grid.worn], minlength=DAY_HOURS)
    return tuple(float(total / count) if count else None for total, count in zip(totals, minutes, strict=True))


# ---- the measures --------------------------------------------------------------------------------------------


def _measures(grid: _Grid, slept: Sequence[Night], method: Method) -> Iterator[Measure]:
    yield from _of_wear(grid, method)
    yield from _of_hours(grid, method)
    yield from _of_profile(grid, method)
    yield from _of_cosine(grid, method)
    yield from _of_sleep(grid, method)
    yield from _of_nights(grid, slept, method)


def _rows(
    outcome: T | Unavailable,
    coverage: float,
    algorithm: Algorithm,
    *rows: tuple[str, str, Callable[[T], float | Unavailable]],
) -> Iterator[Measure]:
    """Yields a measure for each row (name, unit, how to read it off the outcome)."""
    for name, unit, value in rows:
        number = outcome if isinstance(outcome, Unavailable) else value(outcome)
        yield Measure(name, number, unit, coverage, algorithm)


def _answer(grid: _Grid, compute: Callable[[NDArray[np.bool_]], T | Unavailable]) -> T | Unavailable:
    """Computes on the worn minutes; where they are too few, says whether wear, values or minutes are missing."""
    answer = compute(grid.worn)
    if answer is not Unavailable.SHORT_RECORD:
        return answer
    if compute(np.ones(len(grid.civil), dtype=np.bool_)) is Unavailable.SHORT_RECORD:
        return Unavailable.SHORT_RECORD
    return Unavailable.GAP if compute(grid.recorded) is Unavailable.SHORT_RECORD else Unavailable.NOT_WORN


def _share(part: float, minutes: int) -> float:
    return part / minutes if minutes else 0.0


def _of_wear(grid: _Grid, method: Method) -> Iterator[Measure]:
    minutes, recorded, worn = len(grid.civil), int(grid.recorded.sum()), int(grid.worn.sum())
    coverage = worn / recorded if recorded else Unavailable.GAP if minutes else Unavailable.SHORT_RECORD
    mean = _answer(grid, lambda mask: float(grid.counts[mask].mean()) if mask.any() else Unavailable.SHORT_RECORD)
    yield from _rows(
        coverage, _share(recorded, minutes), DETECTORS[method.wear][0], ("wear_coverage", "1", lambda share: share)
    )
    yield from _rows(
        mean, _share(worn, minutes), method.of(MEAN), ("activity_mean", "{counts}/min", lambda value: value)
    )


def _of_hours(grid: _Grid, method: Method) -> Iterator[Measure]:
    def hours(mask: NDArray[np.bool_]) -> circadian.ClockHours:
        return circadian.clock_hours(grid.known(mask), grid.civil)

    worn = hours(grid.worn)
    coverage = _share(HOUR_MINUTES * int(worn.whole.sum()), len(grid.civil))
    yield from _rows(
        _answer(grid, lambda mask: circadian.interdaily_stability(worn if mask is grid.worn else hours(mask))),
        coverage,
        method.of(circadian.INTERDAILY_STABILITY),
        ("interdaily_stability", "1", lambda stable: stable.value),
        ("interdaily_stability_hours", "{hours}", lambda stable: stable.hours),
    )
    yield from _rows(
        _answer(grid, lambda mask: circadian.intradaily_variability(worn if mask is grid.worn else hours(mask))),
        coverage,
        method.of(circadian.INTRADAILY_VARIABILITY),
        ("intradaily_variability", "1", lambda variable: variable.value),
        ("intradaily_variability_pairs", "{pairs}", lambda variable: variable.pairs),
    )


def _of_profile(grid: _Grid, method: Method) -> Iterator[Measure]:
    yield from _rows(
        _answer(grid, lambda mask: circadian.rest_activity(grid.known(mask), grid.civil)),
        _share(int(grid.worn.sum()), len(grid.civil)),
        method.of(circadian.REST_ACTIVITY),
        ("l5", "{counts}/min", lambda found: found.l5.mean),
        ("l5_onset", "min", lambda found: found.l5.onset_minute),
        ("l5_onsets_tied", "{onsets}", lambda found: found.l5.onsets_tied),
        ("m10", "{counts}/min", lambda found: found.m10.mean),
        ("m10_onset", "min", lambda found: found.m10.onset_minute),
        ("m10_onsets_tied", "{onsets}", lambda found: found.m10.onsets_tied),
        ("relative_amplitude", "1", lambda found: found.relative_amplitude),
    )


def _of_cosine(grid: _Grid, method: Method) -> Iterator[Measure]:
    yield from _rows(
        _answer(grid, lambda mask: circadian.cosinor(grid.known(mask), grid.civil)),
        _share(int(grid.worn.sum()), len(grid.civil)),
        method.of(circadian.COSINOR),
        ("cosinor_mesor", "{counts}/min", lambda fit: fit.mesor),
        ("cosinor_amplitude", "{counts}/min", lambda fit: fit.amplitude),
        ("cosinor_peak", "min", lambda fit: fit.peak_minute),
        ("cosinor_percent_rhythm", "%", lambda fit: fit.percent_rhythm),
    )


def _of_sleep(grid: _Grid, method: Method) -> Iterator[Measure]:
    def asleep(mask: NDArray[np.bool_]) -> float | Unavailable:
        minutes = int(mask.sum())
        return int((grid.asleep & mask).sum()) / minutes if minutes else Unavailable.SHORT_RECORD

    worn = int(grid.worn.sum())
    regular = _answer(
        grid, lambda mask: circadian.sleep_regularity(grid.asleep & mask, mask, grid.civil, method.pairing)
    )
    yield from _rows(
        _answer(grid, asleep), _share(worn, len(grid.civil)), method.scoring, ("asleep_ratio", "1", lambda share: share)
    )
    yield from _rows(
        regular,
        0.0 if isinstance(regular, Unavailable) else regular.valid_pair_ratio,
        method.of_sleep(circadian.SLEEP_REGULARITY.having(pairing=method.pairing)),
        ("sleep_regularity_index", "1", lambda found: found.value),
        ("sleep_regularity_pairs", "{pairs}", lambda found: found.pairs),
        ("sleep_regularity_valid_pair_ratio", "1", lambda found: found.valid_pair_ratio),
    )


def _of_nights(grid: _Grid, slept: Sequence[Night], method: Method) -> Iterator[Measure]:
    known = [night.sleep for night in slept if isinstance(night.sleep, MainSleep)]
    algorithm, coverage = method.of_sleep(NIGHTLY), _share(len(known), len(slept))
    yield Measure("nights", float(len(known)), "{nights}", coverage, algorithm)
    outcome = known if len(known) >= NIGHTS_MIN else _missing(slept)

    def mean(value: Callable[[MainSleep], float]) -> Callable[[list[MainSleep]], float]:
        return lambda sleeps: float(np.mean([value(sleep) for sleep in sleeps]))

    def clock(value: Callable[[MainSleep], int]) -> Callable[[list[MainSleep]], float | Unavailable]:
        return lambda sleeps: circular_mean([int(grid.civil[value(sleep)]) for sleep in sleeps])

    yield from _rows(
        outcome,
        coverage,
        algorithm,
        ("night_time_in_bed", "min", mean(lambda sleep: sleep.time_in_bed)),
        ("night_total_sleep", "min", mean(lambda sleep: sleep.total_sleep)),
        ("night_onset_latency", "min", mean(lambda sleep: sleep.onset_latency)),
        ("night_wake_after_onset", "min", mean(lambda sleep: sleep.wake_after_onset)),
        ("night_latency_to_arising", "min", mean(lambda sleep: sleep.latency_to_arising)),
        ("night_efficiency", "%", mean(lambda sleep: sleep.efficiency_percent)),
        ("night_awakenings", "{awakenings}", mean(lambda sleep: sleep.awakenings)),
    )
    yield from _rows(
        outcome,
        coverage,
        algorithm,
        ("night_onset_time", "min", clock(lambda sleep: sleep.onset)),
        ("night_midpoint_time", "min", clock(lambda sleep: (sleep.onset + sleep.final_awakening) // 2)),
        ("night_final_awakening_time", "min", clock(lambda sleep: sleep.final_awakening)),
    )


def _missing(slept: Sequence[Night]) -> Unavailable:
    """Returns why there are too few nights: what is said most often of those without a sleep."""
    reasons = [night.sleep for night in slept if isinstance(night.sleep, Unavailable)]
    if len(slept) < NIGHTS_MIN or not reasons:
        return Unavailable.SHORT_RECORD
    return max(reasons, key=reasons.count)


def circular_mean(clock_minutes: Sequence[float]) -> float | Unavailable:
    """Returns the mean of clock times in minutes after midnight, [0, 1440): of 23:45 and 00:15 it is midnight.

    UNDEFINED where they cancel out, like 06:00 and 18:00.
    """
    angles = [2 * math.pi * minute / DAY_MINUTES for minute in clock_minutes]
    east, north = math.fsum(map(math.cos, angles)), math.fsum(map(math.sin, angles))
    if math.hypot(east, north) <= circadian.TIE_RATIO * len(angles):
        return Unavailable.UNDEFINED
    return math.atan2(north, east) / (2 * math.pi) % 1 * DAY_MINUTES % DAY_MINUTES

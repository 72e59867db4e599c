"""Numbers out of minutes: a Grid becomes a Day, or an Analysis."""

import hashlib
import json
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.analysis import (
    EDGE_MINUTES,
    VERSION,
    WINDOW_MINUTES,
    Abstention,
    Analysis,
    Output,
    PatReading,
    State,
    Window,
)
from clarity_server.domain.civil import as_date, tzdata_version
from clarity_server.domain.days import Day
from clarity_server.domain.ids import ID_BYTES, spelled
from clarity_server.domain.measures import Measure, Night, Sleep, Unavailable
from clarity_server.domain.metrics import ACTIVITY_COUNTS, find
from clarity_server.domain.models import Kind, Manifest
from clarity_server.flows.grid import Grid
from clarity_server.flows.results import method_spelled
from clarity_server.pat import week as pat_week
from clarity_server.pat.scaling import OWN_WEEK, Scaler
from clarity_server.ports import DayKey, WindowKey
from clarity_server.rhythm import night as rhythm_night
from clarity_server.rhythm import week as rhythm_week
from clarity_server.rhythm.algorithm import Algorithm
from clarity_server.rhythm.bouts import bouts
from clarity_server.rhythm.night import MainSleep
from clarity_server.rhythm.sleep import OAKLEY, oakley
from clarity_server.rhythm.wear import CHOI, DETECTORS, choi
from clarity_server.rhythm.week import Method

TOTAL = Algorithm("sum", "1", {"epoch_s": "60"})
SCORED = Algorithm(OAKLEY.id, OAKLEY.version, {**OAKLEY.parameters, "wear": CHOI.id})


class Model(Protocol):
    """A model that answers."""

    @property
    def manifest(self) -> Manifest:
        """What is known about it."""

    @property
    def scaler(self) -> Scaler | None:
        """What it was trained with."""

    def read(self, scaled: NDArray[np.float32]) -> Output:
        """Return what it makes of a scaled week, shape (10080,)."""


# ---- days ------------------------------------------------------------------------------------------------------------


def day_of(key: DayKey, grid: Grid, *, closed: bool) -> Day:
    """Compute a Day from its minutes."""
    recorded = np.isfinite(grid.counts)
    worn = day_wear(grid)
    asleep = oakley(grid.counts) & worn
    # Beyond what was sent there is no recording, which is another reason than a gap in it.
    sent, core = grid.sent, grid.core
    (night,) = rhythm_night.nights(asleep[sent], worn[sent], recorded[sent], grid.civil[sent], [key.civil_day])
    masks = (recorded[core], worn[core], asleep[core])
    return _day(key, grid, masks, _night(_moved(night, sent.start), grid), closed=closed)


def day_wear(grid: Grid) -> NDArray[np.bool_]:
    """Tell which minutes of a day's grid were worn: all that tells of a day's wear asks here."""
    return choi(grid.counts)


def _day(
    key: DayKey,
    grid: Grid,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]],
    night: Night,
    *,
    closed: bool,
) -> Day:
    counts, (recorded, worn, asleep) = grid.counts[grid.core], masks
    length, present, used = len(counts), int(recorded.sum()), int(worn.sum())
    digest = grid.digest  # with the clock: a Day that stays the same makes no window due again

    def measure(name: str, outcome: float | Unavailable, unit: str, minutes: int, algorithm: Algorithm) -> Measure:
        return _measure(name, outcome, unit, minutes / length, algorithm, digest)

    total = float(counts[recorded].sum()) if present else Unavailable.SHORT_RECORD
    sleep = float(asleep.sum()) if used else Unavailable.NOT_WORN
    return Day(
        date=as_date(key.civil_day),
        metric=key.metric,
        source=key.source,
        length_minutes=length,
        recorded_minutes=present,
        worn_minutes=used,
        measures=(
            measure("wear_coverage", used / length, "1", present, CHOI),
            measure("activity_counts", total, find(ACTIVITY_COUNTS).ucum_unit.removesuffix("/min"), present, TOTAL),
            measure("sleep_minutes", sleep, "min", used, SCORED),
        ),
        asleep=tuple(bouts(asleep)),
        not_worn=tuple(bouts(recorded & ~worn)),
        conflict_minutes=grid.conflict_minutes,
        closed=closed,
        tzdata_version=tzdata_version() if grid.zoned else "",
        night=night,
    )


def failed_day(key: DayKey) -> Day:
    """Return the Day that stands for one whose derivation failed."""
    named = (("wear_coverage", "1", CHOI), ("activity_counts", "{counts}", TOTAL), ("sleep_minutes", "min", OAKLEY))
    return Day(
        date=as_date(key.civil_day),
        metric=key.metric,
        source=key.source,
        length_minutes=0,
        recorded_minutes=0,
        worn_minutes=0,
        measures=tuple(_measure(name, Unavailable.FAILED, unit, 0.0, one, "") for name, unit, one in named),
        asleep=(),
        not_worn=(),
        conflict_minutes=0,
        closed=True,
        tzdata_version="",
        night=Night(key.civil_day, Unavailable.FAILED, 0.0),
    )


def _night(night: rhythm_night.Night, grid: Grid) -> Night:
    """Return a night of the grid with its minutes since the day or window began, and by the person's clock."""
    sleep, began = night.sleep, grid.core.start
    if not isinstance(sleep, MainSleep):
        return Night(night.civil_day, sleep, night.coverage_ratio)

    def civil(at: int) -> int:  # the minute after the last may lie beyond the grid
        return int(grid.civil[at]) if at < len(grid.civil) else int(grid.civil[at - 1]) + 1

    return Night(
        night.civil_day,
        Sleep(
            start=sleep.start - began,
            onset=sleep.onset - began,
            final_awakening=sleep.final_awakening - began,
            end=sleep.end - began,
            start_civil=civil(sleep.start),
            onset_civil=civil(sleep.onset),
            final_awakening_civil=civil(sleep.final_awakening),
            end_civil=civil(sleep.end),
            total_sleep=sleep.total_sleep,
            onset_latency=sleep.onset_latency,
            wake_after_onset=sleep.wake_after_onset,
            latency_to_arising=sleep.latency_to_arising,
            awakenings=sleep.awakenings,
            unscored=sleep.unscored,
        ),
        night.coverage_ratio,
    )


def _measure(
    name: str, outcome: float | Unavailable, unit: str, coverage: float, algorithm: Algorithm, digest: str
) -> Measure:
    return Measure(name, outcome, unit, coverage, algorithm.id, algorithm.version, dict(algorithm.parameters), digest)


# ---- windows ---------------------------------------------------------------------------------------------------------


def parameters_of(method: Method) -> Mapping[str, str]:
    """Return a method as it is told with an Analysis."""
    return {"wear": method.wear, "sleep": method.sleep, "rescoring": str(method.rescoring).lower()}


def method_of(parameters: Mapping[str, str]) -> Method:
    """Return the method that was told with an Analysis."""
    return Method(parameters["wear"], parameters["sleep"], rescoring=parameters["rescoring"] == "true")


DEFAULT_METHOD = method_spelled(parameters_of(Method()))


def is_whole(grid: Grid) -> bool:
    """Tell whether a window has values near both of its ends."""
    there = np.flatnonzero(np.isfinite(grid.counts[grid.core]))
    return bool(len(there)) and there[0] <= EDGE_MINUTES and there[-1] >= WINDOW_MINUTES - 1 - EDGE_MINUTES


def analysis_id(key: WindowKey, grid: Grid, method: Method, model: Model | None) -> str:
    """Return the id of the Analysis of this window: a digest of account, window, data, model and parameters."""
    made_by = None if model is None else [model.manifest.digest, model.scaler.digest if model.scaler else OWN_WEEK]
    window = [key.account_id, key.metric, key.source.device, key.source.app, key.civil_day]
    told = [
        *window,
        grid.digest,
        tzdata_version() if grid.zoned else "",
        VERSION,
        made_by,
        method_spelled(parameters_of(method)),
    ]
    return spelled(hashlib.sha256(json.dumps(told).encode()).digest()[:ID_BYTES])


def queued(key: WindowKey, grid: Grid, method: Method, model: Model | None) -> Analysis:
    """Return the Analysis of a window before anything of it is computed but what is there."""
    worn = DETECTORS[method.wear][1](grid.counts)[grid.core]
    return Analysis(
        analysis_id(key, grid, method, model), State.QUEUED, _window(key, grid, worn), parameters_of(method)
    )


def analysis_of(key: WindowKey, grid: Grid, method: Method, model: Model | None) -> Analysis:
    """Compute the Analysis of a window."""
    core = grid.core
    low, high = min(grid.sent.start, core.start), max(grid.sent.stop, core.stop)
    week = rhythm_week.analyse(
        grid.counts[low:high],
        int(grid.civil[low]),
        core=(core.start - low, core.stop - low),
        moves=[(at - low, shift) for at, shift in grid.moves if low < at < high],
        wear=method.wear,
        sleep=method.sleep,
        rescoring=method.rescoring,
        pairing=method.pairing,
    )
    worn = DETECTORS[method.wear][1](grid.counts)[core]
    return Analysis(
        analysis_id=analysis_id(key, grid, method, model),
        state=State.SUCCEEDED,
        window=_window(key, grid, worn),
        parameters=parameters_of(method),
        measures=tuple(
            _measure(one.name, one.outcome, one.ucum_unit, one.coverage_ratio, one.algorithm, week.input_digest)
            for one in week.measures
        ),
        nights=tuple(_night(_moved(night, core.start), grid) for night in week.nights),
        hourly_means=tuple((hour, mean) for hour, mean in enumerate(week.hourly_profile) if mean is not None),
        pat=_pat(grid.counts[core], worn, model),
    )


def failed_analysis(key: WindowKey, why: str) -> Analysis:
    """Return the Analysis that stands for one that failed; `why` tells it from others of its window."""
    told = [key.account_id, key.metric, key.source.device, key.source.app, key.civil_day, VERSION, "failed", why]
    empty = Window(
        metric=key.metric,
        source=key.source,
        start_day=key.civil_day,
        start_civil=key.civil_day * 1440,
        start_ms=0,
        floating=True,
        length_minutes=WINDOW_MINUTES,
        recorded_minutes=0,
        worn_minutes=0,
        longest_gap_minutes=0,
        worn_days=0,
        offset_change_minutes=0,
        conflict_minutes=0,
        input_digest="",
        tzdata_version="",
    )
    name = spelled(hashlib.sha256(json.dumps(told).encode()).digest()[:ID_BYTES])
    return Analysis(name, State.FAILED, empty, parameters_of(Method()))


def _moved(night: rhythm_night.Night, minutes: int) -> rhythm_night.Night:
    """Return a night whose minutes were counted from the core on, with them counted from the grid's first."""
    sleep = night.sleep.moved(minutes) if isinstance(night.sleep, MainSleep) else night.sleep
    return rhythm_night.Night(night.civil_day, sleep, night.coverage_ratio)


def _window(key: WindowKey, grid: Grid, worn: NDArray[np.bool_]) -> Window:
    recorded = np.isfinite(grid.counts[grid.core])
    return Window(
        metric=key.metric,
        source=key.source,
        start_day=key.civil_day,
        start_civil=int(grid.civil[grid.core.start]),
        start_ms=grid.start_ms,
        floating=grid.floating,
        length_minutes=len(recorded),
        recorded_minutes=int(np.count_nonzero(recorded)),
        worn_minutes=int(np.count_nonzero(worn)),
        longest_gap_minutes=pat_week.longest_gap(recorded),
        worn_days=pat_week.worn_days(worn),
        offset_change_minutes=sum(abs(shift) for at, shift in grid.moves if grid.core.start < at < grid.core.stop),
        conflict_minutes=grid.conflict_minutes,
        input_digest=grid.digest,
        tzdata_version=tzdata_version() if grid.zoned else "",
    )


def _pat(counts: NDArray[np.float64], worn: NDArray[np.bool_], model: Model | None) -> PatReading:
    if model is None:
        nothing = Abstention(Unavailable.NO_MODEL, "models_installed", 0, 1, "{models}")
        return PatReading("", "", demonstration=False, scaler="", scaler_digest="", filled_minutes=0, outcome=nothing)
    week = pat_week.ready(counts, worn, model.scaler)
    return PatReading(
        model=model.manifest.name,
        model_digest=model.manifest.digest,
        demonstration=model.manifest.kind is Kind.DEMONSTRATION,
        scaler=model.scaler.name if model.scaler else OWN_WEEK,
        scaler_digest=model.scaler.digest if model.scaler else "",
        filled_minutes=0 if isinstance(week, Abstention) else week.filled_minutes,
        outcome=week if isinstance(week, Abstention) else model.read(week.scaled),
    )

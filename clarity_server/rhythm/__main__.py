"""`python -m clarity_server.rhythm FILE`: every rhythm measure of minute counts; no server, no account.

FILE (`-` is standard input) holds one count a minute, in one of two forms:

- JSON: `{"start": "1918-01-23T13:58", "counts": [0, 12, null, …], "moves": [[4000, 60]]}`. `start` is the civil time of
  the first minute, without an offset; `null` is a minute without a value; `moves` (may be left out) are changes of the
  person's clock as [minute of the recording, shift in minutes].
- NPY: a one-dimensional numeric array in numpy's format, its start given by `--start`; NaN is a minute without a value.

The answer has the whole stretch and each whole week from a local midnight, one civil day after the other.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.civil import EPOCH_DATE, as_date
from clarity_server.domain.measures import Unavailable
from clarity_server.rhythm.algorithm import Algorithm
from clarity_server.rhythm.clock import DAY_MINUTES, HOUR_MINUTES, civil_minutes
from clarity_server.rhythm.measure import Measure
from clarity_server.rhythm.night import Night
from clarity_server.rhythm.sleep import SCORERS
from clarity_server.rhythm.wear import DETECTORS
from clarity_server.rhythm.week import Week, analyse, weeks

BYTES_MAX = 256 * 1024 * 1024
MINUTES_MAX = 10_000_000  # 19 years
MOVES_MAX = 10_000
MOVE_MINUTES_MAX = 2 * DAY_MINUTES  # over the date line and back
NPY_MAGIC = b"\x93NUMPY"
EPOCH = datetime(EPOCH_DATE.year, EPOCH_DATE.month, EPOCH_DATE.day)
MINUTE = timedelta(minutes=1)
WEEK_DAYS = 7
WEEKS_SHOWN = 4


class Unreadable(ValueError):
    """An input that is none of the two forms: what is wrong with it, in a sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """What was read: one count a minute from a civil start on."""

    start_minute: int
    counts: NDArray[np.float64]  # (n,), NaN where there is no value
    moves: tuple[tuple[int, int], ...] = ()


# ---- reading -------------------------------------------------------------------------------------------------


def read(content: bytes, start: str | None) -> Minutes:
    """Returns the minutes in either form; `start` belongs to an NPY array. Raises `Unreadable`."""
    if content.startswith(NPY_MAGIC):
        if start is None:
            raise Unreadable("an NPY array does not say when it starts: add --start 1918-01-23T13:58")
        return Minutes(start_minute(start), _npy(content))
    if start is not None:
        raise Unreadable("--start belongs to an NPY array; the JSON form says itself when it starts")
    return _json(content)


def start_minute(text: object) -> int:
    """Returns a civil time in minutes since 1970-01-01 00:00, the seconds dropped."""
    try:
        start = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        start = None
    if start is None or start.tzinfo is not None:
        raise Unreadable(f"the start is {text!r}; write a civil time without an offset, like 1918-01-23T13:58")
    return (start - EPOCH) // MINUTE


def _npy(content: bytes) -> NDArray[np.float64]:
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError) as why:
        raise Unreadable(f"the NPY array cannot be read ({why})") from why
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise Unreadable(f"the NPY array is {array.dtype} of shape {array.shape}, not numbers in one dimension")
    return _bounded(array.astype(np.float64))


def _json(content: bytes) -> Minutes:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as why:
        raise Unreadable(f"neither JSON nor NPY ({why})") from why
    if not isinstance(document, dict) or not {"start", "counts"} <= document.keys() <= {"start", "counts", "moves"}:
        raise Unreadable('the JSON form is {"start": …, "counts": […], "moves": [[…, …]]}, the last if there are any')
    counts = document["counts"]
    if not isinstance(counts, list) or not all(count is None or _is_number(count) for count in counts):
        raise Unreadable("counts is a list of numbers, null where there is none")
    array = _bounded(np.array([np.nan if count is None else count for count in counts], dtype=np.float64))
    return Minutes(start_minute(document["start"]), array, _moves(document.get("moves", []), len(array)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < sys.float_info.max


def _bounded(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    if not 0 < len(counts) <= MINUTES_MAX:
        raise Unreadable(f"there are {len(counts):,} minutes; give 1 to {MINUTES_MAX:,}")
    return counts


def _moves(moves: object, minutes: int) -> tuple[tuple[int, int], ...]:
    sentence = f"moves is a list of [minute, shift in minutes], minutes rising from 1 to {minutes - 1}"
    if not isinstance(moves, list) or len(moves) > MOVES_MAX:
        raise Unreadable(sentence)
    for move in moves:
        if not isinstance(move, list) or [type(part) for part in move] != [int, int]:
            raise Unreadable(sentence)
    ats = [at for at, _ in moves]
    if ats != sorted(set(ats)) or not all(0 < at < minutes and abs(by) <= MOVE_MINUTES_MAX for at, by in moves):
        raise Unreadable(sentence)
    return tuple((at, by) for at, by in moves)


# ---- as JSON -------------------------------------------------------------------------------------------------


def as_json(week: Week) -> dict[str, Any]:
    """Returns a stretch as it is printed; clock times are civil, without an offset."""
    civil = civil_minutes(week.start_minute, week.minutes, week.clock_moves)
    return {
        "start": _clock(week.start_minute),
        "minutes": week.minutes,
        "recorded_minutes": week.recorded_minutes,
        "worn_minutes": week.worn_minutes,
        "clock_moves": [list(move) for move in week.clock_moves],
        "input_digest": week.input_digest,
        "measures": [_measure(measure) for measure in week.measures],
        "nights": [_night(night, civil, week.night_algorithm) for night in week.nights],
        "hourly_profile": list(week.hourly_profile),
    }


def _clock(civil_minute: int) -> str:
    return (EPOCH + civil_minute * MINUTE).isoformat(timespec="minutes")


def _algorithm(algorithm: Algorithm) -> dict[str, Any]:
    return {
        "algorithm": algorithm.id,
        "algorithm_version": algorithm.version,
        "parameters": dict(algorithm.parameters),
    }


def _measure(measure: Measure) -> dict[str, Any]:
    reason = isinstance(measure.outcome, Unavailable)
    return {
        "measure": measure.name,
        "unavailable" if reason else "value": measure.outcome,
        "ucum_unit": measure.ucum_unit,
        "coverage_ratio": measure.coverage_ratio,
        **_algorithm(measure.algorithm),
    }


def _night(night: Night, civil: NDArray[np.int64], algorithm: Algorithm) -> dict[str, Any]:
    told = {"date": as_date(night.civil_day).isoformat(), "coverage_ratio": night.coverage_ratio}
    sleep = night.sleep
    if isinstance(sleep, Unavailable):
        return {**told, "unavailable": sleep, **_algorithm(algorithm)}
    return {
        **told,
        "start": _clock(_at(civil, sleep.start)),
        "onset": _clock(_at(civil, sleep.onset)),
        "final_awakening": _clock(_at(civil, sleep.final_awakening)),
        "end": _clock(_at(civil, sleep.end)),
        "time_in_bed_min": sleep.time_in_bed,
        "onset_latency_min": sleep.onset_latency,
        "total_sleep_min": sleep.total_sleep,
        "wake_after_onset_min": sleep.wake_after_onset,
        "latency_to_arising_min": sleep.latency_to_arising,
        "efficiency_percent": sleep.efficiency_percent,
        "awakenings": sleep.awakenings,
        "unscored_min": sleep.unscored,
        **_algorithm(algorithm),
    }


def _at(civil: NDArray[np.int64], minute: int) -> int:
    """Returns the clock at a minute; before the stretch and after it the clock runs on."""
    inside = min(max(minute, 0), len(civil) - 1)
    return int(civil[inside]) + minute - inside


# ---- for people ----------------------------------------------------------------------------------------------

TABLE = (
    ("worn", "wear_coverage", "share"),
    ("movement, counts a minute", "activity_mean", "number"),
    ("asleep, of worn time", "asleep_ratio", "share"),
    ("interdaily stability IS", "interdaily_stability", "ratio"),
    ("intradaily variability IV", "intradaily_variability", "ratio"),
    ("relative amplitude RA", "relative_amplitude", "ratio"),
    ("L5, counts a minute", "l5", "number"),
    ("L5 from", "l5_onset", "clock"),
    ("M10, counts a minute", "m10", "number"),
    ("M10 from", "m10_onset", "clock"),
    ("cosine, mesor", "cosinor_mesor", "number"),
    ("cosine, amplitude", "cosinor_amplitude", "number"),
    ("cosine, peak at", "cosinor_peak", "clock"),
    ("sleep regularity SRI", "sleep_regularity_index", "number"),
    ("nights with a main sleep", "nights", "count"),
    ("sleep a night", "night_total_sleep", "length"),
    ("asleep at", "night_onset_time", "clock"),
    ("awake at", "night_final_awakening_time", "clock"),
    ("sleep efficiency, %", "night_efficiency", "number"),
)
NIGHT_COLUMNS = ("night to", "in bed", "asleep", "awake", "up", "TST", "SOL", "WASO", "SE %", "awakenings")


def as_text(whole: Week, found: Sequence[Week]) -> Iterator[str]:
    """Yields the lines of a table: the whole, up to a few weeks beside it, and the nights."""
    shown = found[::WEEK_DAYS][:WEEKS_SHOWN]  # that do not overlap
    heads = ["", "whole", *(f"week {_clock(week.start_minute)[:10]}" for week in shown)]
    rows = [[label, *(_cell(week, name, kind) for week in (whole, *shown))] for label, name, kind in TABLE]
    method = whole.method
    how = f"wear: {method.wear}; sleep: {method.sleep}{', rescored by Webster' if method.rescoring else ''}"
    yield f"{_clock(whole.start_minute)}, {whole.minutes:,} minutes; {how}"
    yield ""
    yield from _aligned([heads, *rows])
    yield ""
    civil = civil_minutes(whole.start_minute, whole.minutes, whole.clock_moves)
    yield from _aligned([list(NIGHT_COLUMNS), *(_night_row(night, civil) for night in whole.nights)])


def _cell(week: Week, name: str, kind: str) -> str:
    outcome = week.outcome(name)
    return outcome.value if isinstance(outcome, Unavailable) else _shown(outcome, kind)


def _shown(value: float, kind: str) -> str:
    match kind:
        case "share":
            return f"{value:.1%}"
        case "ratio":
            return f"{value:.3f}"
        case "count":
            return f"{value:.0f}"
        case "clock":
            return _hhmm(round(value) % DAY_MINUTES)
        case "length":
            return f"{int(value) // HOUR_MINUTES} h {int(value) % HOUR_MINUTES:02} min"
        case _:
            return f"{value:.1f}"


def _hhmm(minutes: int) -> str:
    return f"{minutes // HOUR_MINUTES:02}:{minutes % HOUR_MINUTES:02}"


def _night_row(night: Night, civil: NDArray[np.int64]) -> list[str]:
    day, sleep = as_date(night.civil_day).isoformat(), night.sleep
    if isinstance(sleep, Unavailable):
        return [day, sleep.value]
    marks = (sleep.start, sleep.onset, sleep.final_awakening, sleep.end)
    return [
        day,
        *(_hhmm(_at(civil, mark) % DAY_MINUTES) for mark in marks),
        _shown(sleep.total_sleep, "length"),
        str(sleep.onset_latency),
        str(sleep.wake_after_onset),
        f"{sleep.efficiency_percent:.1f}",
        str(sleep.awakenings),
    ]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yields rows with their columns under each other: the first to the left, the others to the right."""
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=False)),
        ]
        yield "  ".join(cells).rstrip()


# ---- the command ---------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """Returns the command's options."""
    made = argparse.ArgumentParser(
        prog="clarity_server.rhythm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("file", metavar="FILE", help="minute counts as JSON or NPY; - is standard input")
    made.add_argument("--json", action="store_true", help="print JSON instead of a table")
    made.add_argument("--start", metavar="TIME", help="civil time of the first minute of an NPY array")
    made.add_argument("--wear", choices=sorted(DETECTORS), default="choi", help="how wear is judged (choi)")
    made.add_argument("--sleep", choices=sorted(SCORERS), default="oakley", help="how sleep is scored (oakley)")
    made.add_argument("--webster", action="store_true", help="rescore sleep by Webster's rules")
    made.add_argument(
        "--pairing", choices=("civil", "physical"), default="civil", help="what 24 hours mean to SRI (civil)"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, analyse, print; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        minutes = read(_content(options.file), options.start)
    except (Unreadable, OSError) as why:
        sys.stderr.write(f"clarity: {why}\n")
        return 1
    chosen: Mapping[str, Any] = {
        "moves": minutes.moves,
        "wear": options.wear,
        "sleep": options.sleep,
        "rescoring": options.webster,
        "pairing": options.pairing,
    }
    whole = analyse(minutes.counts, minutes.start_minute, **chosen)
    found = list(weeks(minutes.counts, minutes.start_minute, **chosen))
    _print([_document(whole, found)] if options.json else as_text(whole, found))
    return 0


def _document(whole: Week, found: Sequence[Week]) -> str:
    document = {"whole": as_json(whole), "weeks": [as_json(week) for week in found]}
    return json.dumps(document, allow_nan=False)


def _content(file: str) -> bytes:
    if file == "-":
        content = sys.stdin.buffer.read(BYTES_MAX + 1)
    else:
        with Path(file).open("rb") as opened:
            content = opened.read(BYTES_MAX + 1)
    if len(content) > BYTES_MAX:
        raise Unreadable(f"more than {BYTES_MAX:,} bytes")
    return content


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())

"""Recordings: what a sensor wrote down, read from its file.

`read` takes Actiwatch files (`.awd`) and tables (`.csv`); `simulate` makes up a person where there is none.
What cannot be read faithfully is refused, with the line and what to do about it: nothing is guessed, sorted
or repaired.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from reprlib import repr as shown  # at most 30 letters: a broken file may be one endless line
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FILE_BYTES_MAX = 32 * 1024 * 1024
SAMPLES_MAX = 10_000_000  # 19 years of minutes, 115 days of seconds
SIMULATED_DAYS_MAX = 366

MINUTE_S = 60


# eq=False: arrays have no single answer to ==, so two recordings are the same only if they are one object.
@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One regular series as a sensor wrote it: sample i covers [start + i·period, start + (i + 1)·period).

    A naive `start` means that the file says nothing of an offset: the recording is floating, its civil time
    known and its instant not. An aware `start` carries the offset of the first sample; later ones stand in
    `offset_changes` as (first sample, UTC offset in seconds), while the instants run on regularly. If every
    timestamp was written in Z, `offset_known` is False: the instants are known, the person's clock is not.
    """

    name: str
    device: str
    start: datetime
    period_s: int
    values: NDArray[np.float32]  # (samples,), read-only; NaN = no value
    origin: str  # which file or simulation, in words a person can check
    simulated: bool = False
    offset_changes: tuple[tuple[int, int], ...] = ()
    offset_known: bool = True
    notes: tuple[str, ...] = ()  # what was left out or filled in, one sentence each


class Unreadable(ValueError):
    """A file that cannot be read faithfully: which file, which line, what is wrong, and what to do."""

    def __init__(self, file: str, problem: str, remedy: str, *, line: int | None = None) -> None:
        self.file = file
        self.line = line
        self.problem = problem
        self.remedy = remedy
        place = file if line is None else f"{file}, line {line}"
        super().__init__(f"{place}: {problem}. {remedy}.")


class RecordingError(Unreadable):
    """A file that is no recording."""


def read(path: Path | str) -> Recording:
    """Returns the recording in a file, read as its suffix says: `.awd` or `.csv`, in any case.

    Raises `RecordingError` for what cannot be read faithfully, and lets `OSError` fly for a file that cannot
    be opened.
    """
    path = Path(path)
    match path.suffix.lower():
        case ".awd":
            return _awd(path)
        case ".csv":
            return _csv(path)
        case suffix:
            problem = f"cannot tell the format from the suffix {suffix!r}"
            raise RecordingError(path.name, problem, "Give an Actiwatch .awd or a .csv file")


def _content(path: Path) -> bytes:
    """The whole file, if it is not too large to be a recording."""
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        problem = f"is larger than {FILE_BYTES_MAX:,} bytes"
        raise RecordingError(path.name, problem, "Split it into shorter recordings")
    return content


def _frozen(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """The values as Recording keeps them."""
    frozen = values.astype(np.float32)
    frozen.flags.writeable = False
    return frozen


# ---- Actiwatch -------------------------------------------------------------------------------------------

AWD_HEADER_LINES = 7  # name, date, time, epoch code, age, serial, sex; age and sex are nobody's business here
AWD_EPOCH_S = {1: 15, 2: 30, 4: 60, 8: 120}
AWD_DATE = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})", re.ASCII)
AWD_TIME = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
AWD_COUNT = re.compile(r"(\d{1,9})\s*(M?)", re.ASCII)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _awd(path: Path) -> Recording:
    """An Actiwatch file: seven header lines, then one count a line, an M where the button was pressed."""
    lines = _awd_lines(path)
    epoch_s = _awd_epoch_s(path.name, lines[3])
    counts, markers = _awd_counts(path.name, lines[AWD_HEADER_LINES:])
    minutes, left_out = _whole_minutes(counts, MINUTE_S // epoch_s)
    if not len(minutes):
        raise RecordingError(path.name, "holds no whole minute of counts", "Export the recording again")
    return Recording(
        name=lines[0] or path.stem,
        device=f"Actiwatch {lines[5]}".rstrip(),
        start=_awd_start(path.name, lines[1], lines[2]),
        period_s=MINUTE_S,
        values=_frozen(minutes),
        origin=f"{path.name}, an Actiwatch file in {epoch_s} s epochs",
        notes=tuple(_awd_notes(epoch_s, left_out, markers)),
    )


def _awd_lines(path: Path) -> list[str]:
    """The lines of the file, stripped, without the empty ones at its end."""
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # names written by an older Windows; the rest is ASCII anyway
    lines = [line.strip() for line in io.StringIO(text.rstrip(), newline=None)]
    if len(lines) <= AWD_HEADER_LINES:
        problem = f"has {len(lines)} lines, and the first count stands in line {AWD_HEADER_LINES + 1}"
        raise RecordingError(path.name, problem, "Export the recording again")
    return lines


def _awd_start(file: str, date: str, time: str) -> datetime:
    """The civil time of the first count; nothing in the file tells its offset."""
    day = AWD_DATE.fullmatch(date)
    if day is None or day[2].lower() not in MONTHS:
        raise RecordingError(file, f"{shown(date)} is not a date", "Write it like 23-Jan-1918", line=2)
    clock = AWD_TIME.fullmatch(time)
    if clock is None:
        raise RecordingError(file, f"{shown(time)} is not a time", "Write it like 13:58", line=3)
    month = MONTHS.index(day[2].lower()) + 1
    try:
        return datetime(int(day[3]), month, int(day[1]), int(clock[1]), int(clock[2]))
    except ValueError as error:
        problem = f"{date} {time} is not in the calendar ({error})"
        raise RecordingError(file, problem, "Correct the date or the time in line 3", line=2) from error


def _awd_epoch_s(file: str, code: str) -> int:
    """The seconds each count covers, if whole minutes can be made of them."""
    epoch_s = AWD_EPOCH_S.get(int(code)) if re.fullmatch(r"\d{1,3}", code, re.ASCII) else None
    if epoch_s is None:
        known = ", ".join(f"{code} = {seconds} s" for code, seconds in AWD_EPOCH_S.items())
        raise RecordingError(file, f"{shown(code)} is not an epoch code", f"Known are {known}", line=4)
    if epoch_s > MINUTE_S:
        problem = f"has {epoch_s} s epochs, and a count cannot be split into its minutes"
        raise RecordingError(file, problem, "Only recordings in epochs of 60, 30 or 15 s can be used", line=4)
    return epoch_s


def _awd_counts(file: str, lines: list[str]) -> tuple[NDArray[np.float64], int]:
    """The counts, and how many of them carry a marker."""
    counts = np.empty(len(lines))
    markers = 0
    for index, line in enumerate(lines):
        found = AWD_COUNT.fullmatch(line)
        if found is None:
            problem = f"{shown(line)} is not a count"
            remedy = "Write one whole number a line, an M after it for a pressed button"
            raise RecordingError(file, problem, remedy, line=AWD_HEADER_LINES + 1 + index)
        counts[index] = int(found[1])
        markers += bool(found[2])
    return counts, markers


def _whole_minutes(counts: NDArray[np.float64], per_minute: int) -> tuple[NDArray[np.float64], int]:
    """The sum of each whole minute, and how many counts at the end were left over."""
    whole, left_over = divmod(len(counts), per_minute)
    return counts[: whole * per_minute].reshape(whole, per_minute).sum(axis=1), left_over


def _awd_notes(epoch_s: int, left_over: int, markers: int) -> Iterator[str]:
    if epoch_s < MINUTE_S:
        yield f"Counts of {epoch_s} s were summed into minutes."
    if left_over:
        yield f"The last {left_over * epoch_s} s were left out: they do not fill a minute."
    if markers:
        yield f"Presses of the marker button, left out: {markers}."


# ---- tables ----------------------------------------------------------------------------------------------

# Which columns hold the time and the value, by header. The second is Depresjon's, recorded with an Actiwatch.
CSV_COLUMNS = {("timestamp", "value"): (0, 1), ("timestamp", "date", "activity"): (0, 2)}
CSV_DEVICE = {("timestamp", "value"): "unknown", ("timestamp", "date", "activity"): "Actiwatch"}
# Stricter than float(), which also reads 1_000 and the digits of any script.
NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?)", re.ASCII | re.IGNORECASE)
FLOAT32_MAX = float(np.finfo(np.float32).max)
MICROSECOND = timedelta(microseconds=1)
SECOND_US = 1_000_000


class _Row(NamedTuple):
    """One line of a table."""

    line: int
    time: datetime
    in_z: bool  # the offset is written as Z or -00:00: an instant, and no word about the local clock
    value: float


def _csv(path: Path) -> Recording:
    """A table of timestamps and values."""
    cells = _cells(path.name, _csv_text(path))
    header = _csv_header(path.name, cells)
    rows = _rows(path.name, cells, header)
    steps_us = _steps_us(path.name, rows)
    period_us = _period_us(path.name, rows, steps_us)
    at = _positions(path.name, rows, steps_us, period_us)
    values = np.full(at[-1] + 1, np.nan, dtype=np.float32)
    values[at] = [row.value for row in rows]
    return Recording(
        name=path.stem,
        device=CSV_DEVICE[header],
        start=rows[0].time,
        period_s=period_us // SECOND_US,
        values=_frozen(values),
        origin=f"{path.name}, a table of {','.join(header)}",
        offset_changes=_offset_changes(rows, at),
        offset_known=not all(row.in_z for row in rows),
        notes=tuple(_csv_notes(len(values), len(at))),
    )


def _csv_text(path: Path) -> str:
    """The file as text."""
    try:
        return _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 text ({error.reason} at byte {error.start})"
        raise RecordingError(path.name, problem, "Save it again as CSV in UTF-8") from error


def _cells(file: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line that is not blank: its number and its cells."""
    reader = csv.reader(io.StringIO(text, newline=None), strict=True)
    try:
        for cells in reader:
            if "".join(cells).strip() or len(cells) > 1:
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        remedy = "Correct the quotation marks, or write the file without any"
        raise RecordingError(file, f"is not a table ({error})", remedy, line=reader.line_num) from error


def _csv_header(file: str, lines: Iterator[tuple[int, list[str]]]) -> tuple[str, ...]:
    """The names of the columns, if they are known ones."""
    line, cells = next(lines, (1, [""]))
    header = tuple(cell.lower() for cell in cells)
    if header not in CSV_COLUMNS:
        known = " or ".join(",".join(names) for names in CSV_COLUMNS)
        problem = f"the header is {shown(','.join(cells))}"
        raise RecordingError(file, problem, f"Make the first line {known}", line=line)
    return header


def _rows(file: str, lines: Iterable[tuple[int, list[str]]], header: tuple[str, ...]) -> list[_Row]:
    """All rows as they stand: at least two, with an offset in every one or in none."""
    time_column, value_column = CSV_COLUMNS[header]
    rows: list[_Row] = []
    for line, cells in lines:
        if len(cells) != len(header):
            problem = f"the header has {len(header)} cells and this line {len(cells)}"
            remedy = "Write one cell for each column, with a point in decimals"
            raise RecordingError(file, problem, remedy, line=line)
        time, in_z = _time(file, line, cells[time_column])
        rows.append(_Row(line, time, in_z, _value(file, line, cells[value_column])))
    if len(rows) < 2:  # noqa: PLR2004 - a period is the distance of two
        problem = f"a period shows only between two rows, and the table has {len(rows)}"
        raise RecordingError(file, problem, "Give a longer recording")
    return rows


def _time(file: str, line: int, text: str) -> tuple[datetime, bool]:
    """A timestamp, and whether it is written in Z."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        remedy = "Write it like 2026-01-23T13:58:00 or 2026-01-23T13:58:00+01:00"
        raise RecordingError(file, f"{shown(text)} is not a timestamp", remedy, line=line) from error
    return time, text.endswith(("Z", "-00:00"))


def _value(file: str, line: int, text: str) -> float:
    """A value; nothing, or NaN, is no value."""
    if text.lower() in {"", "nan"}:
        return np.nan
    if not NUMBER.fullmatch(text):
        remedy = "Write it like 12.5, or leave it empty if there is none"
        raise RecordingError(file, f"{shown(text)} is not a number", remedy, line=line)
    value = float(text)
    if abs(value) > FLOAT32_MAX:
        problem = f"{shown(text)} is infinite, or too large for a 32-bit float"
        raise RecordingError(file, problem, "Leave the value empty if there is none", line=line)
    return value


def _steps_us(file: str, rows: Sequence[_Row]) -> NDArray[np.int64]:
    """The time from each row to the next in microseconds: physical time with offsets, civil time without."""
    steps = np.empty(len(rows) - 1, dtype=np.int64)
    for index, (before, row) in enumerate(pairwise(rows)):
        if (row.time.tzinfo is None) != (before.time.tzinfo is None):
            problem = f"{row.time} and the timestamp before it do not both carry a UTC offset"
            raise RecordingError(file, problem, "Write an offset in every line or in none", line=row.line)
        steps[index] = (row.time - before.time) // MICROSECOND
        if steps[index] <= 0:
            raise _not_later(file, row, before)
    return steps


def _not_later(file: str, row: _Row, before: _Row) -> RecordingError:
    if row.time == before.time:
        remedy = "Keep one of the two rows"
        return RecordingError(file, f"{row.time} stands in the line before already", remedy, line=row.line)
    remedy = "Put the rows in order"
    if row.time.tzinfo is None:
        remedy += "; where the clocks were put back, write every timestamp with its UTC offset"
    return RecordingError(file, f"{row.time} comes after {before.time}", remedy, line=row.line)


def _period_us(file: str, rows: Sequence[_Row], steps_us: NDArray[np.int64]) -> int:
    """The most common step, the shortest of them if several are; whole seconds."""
    lengths, how_often = np.unique(steps_us, return_counts=True)
    period_us = int(lengths[np.argmax(how_often)])
    if period_us % SECOND_US:
        first = rows[int(np.argmax(steps_us == period_us)) + 1]
        problem = f"comes {period_us / SECOND_US:g} s after the line before, as most lines do"
        raise RecordingError(file, problem, "Export it with a period of whole seconds", line=first.line)
    return period_us


def _positions(file: str, rows: Sequence[_Row], steps_us: NDArray[np.int64], period_us: int) -> NDArray[np.int64]:
    """The sample that each row is, counted from the first."""
    periods, rest_us = np.divmod(steps_us, period_us)
    if rest_us.any():
        first = int(np.flatnonzero(rest_us)[0])
        step_s, period_s = steps_us[first] / SECOND_US, period_us // SECOND_US
        problem = f"comes {step_s:g} s after the line before, no multiple of the period, {period_s} s"
        remedy = "Correct the timestamp, or split the file before this line"
        raise RecordingError(file, problem, remedy, line=rows[first + 1].line)
    at = np.concatenate(([0], np.cumsum(periods)))
    if at[-1] >= SAMPLES_MAX:
        first = int(np.searchsorted(at, SAMPLES_MAX))
        problem = f"lies more than {SAMPLES_MAX:,} samples after the first, gaps included"
        raise RecordingError(file, problem, "Split the file before this line", line=rows[first].line)
    return at


def _offset_changes(rows: Sequence[_Row], at: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Each sample whose UTC offset is another than the row's before, with that offset in seconds."""
    offsets = [row.time.utcoffset() for row in rows]
    return tuple(
        (int(at[index]), int(offset.total_seconds()))
        for index, (before, offset) in enumerate(pairwise(offsets), start=1)
        if offset is not None and offset != before
    )


def _csv_notes(samples: int, rows: int) -> Iterator[str]:
    if samples > rows:
        yield f"Samples without a row, kept as missing: {samples - rows}."


# ---- simulated -------------------------------------------------------------------------------------------

SIMULATED_START = datetime(2026, 1, 9, 14, 0)  # a Friday afternoon: somebody hands out the sensor
DAY_MINUTES = 1440
SATURDAY = 5
NAP_CHANCE = 0.35  # a day

# Awake, one lies still, sits, potters or walks: mean counts, share of minutes without any, how likely when.
WAKING_COUNTS = np.array([25.0, 90.0, 260.0, 780.0])
WAKING_ZEROS = np.array([0.62, 0.28, 0.06, 0.01])
WAKING_SHARES = {  # from this hour on
    0: (0.50, 0.38, 0.10, 0.02),
    7: (0.10, 0.30, 0.42, 0.18),
    9: (0.14, 0.48, 0.26, 0.12),
    12: (0.10, 0.30, 0.34, 0.26),
    14: (0.16, 0.46, 0.26, 0.12),
    17: (0.08, 0.22, 0.42, 0.28),
    20: (0.34, 0.42, 0.20, 0.04),
    22: (0.52, 0.38, 0.09, 0.01),
}


def simulate(seed: int, days: int = 13) -> Recording:
    """Returns `days` days of a made-up person, minute by minute: nights, naps, hours without the sensor.

    The same seed gives the same recording under one release of numpy. It looks like wrist counts, and nobody
    wore anything: use it to see the service work, never to judge an algorithm.
    """
    if not 1 <= days <= SIMULATED_DAYS_MAX:
        message = f"days is {days}; give 1 to {SIMULATED_DAYS_MAX}"
        raise ValueError(message)
    rng = np.random.default_rng(seed)
    civil_days = days + 1  # the recording starts within the first and ends within the last
    counts = _waking(rng, civil_days)
    for start, end in (*_nights(rng, civil_days), *_naps(rng, civil_days)):
        counts[start:end] = _sleeping(rng, len(counts[start:end]))
    for start, end in _unworn(rng, civil_days):
        counts[start:end] = 0
    first = SIMULATED_START.hour * MINUTE_S + SIMULATED_START.minute
    return Recording(
        name=f"SIMULATED {seed}",
        device="simulated",
        start=SIMULATED_START,
        period_s=MINUTE_S,
        values=_frozen(counts[first : first + days * DAY_MINUTES]),
        origin=f"simulated with seed {seed}: nobody wore anything",
        simulated=True,
    )


def _waking(rng: np.random.Generator, days: int) -> NDArray[np.float64]:
    """Whole days awake: one thing after the other, each for a while, each at its own pace."""
    minutes = days * DAY_MINUTES
    lengths = 3 + rng.geometric(1 / 14, size=minutes // 4)  # at least 4 minutes each, so enough of them
    starts = np.cumsum(lengths) - lengths
    state = np.repeat(_states(rng, starts // MINUTE_S % 24), lengths)[:minutes]
    pace = np.repeat(rng.lognormal(0, 0.35, size=len(lengths)), lengths)[:minutes]
    mood = np.repeat(rng.lognormal(0, 0.18, size=days), DAY_MINUTES)
    counts = np.floor(WAKING_COUNTS[state] * pace * mood * rng.gamma(1.6, 1 / 1.6, size=minutes))
    return np.where(rng.random(minutes) < WAKING_ZEROS[state], 0.0, counts)


def _states(rng: np.random.Generator, hours: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is done, for each hour of the day it is begun in."""
    until = np.cumsum(list(WAKING_SHARES.values()), axis=1)[:, :-1]  # (times of day, 3)
    chances = until[np.searchsorted(list(WAKING_SHARES), hours, side="right") - 1]
    states: NDArray[np.int64] = (rng.random((len(hours), 1)) > chances).sum(axis=1)
    return states


def _sleeping(rng: np.random.Generator, minutes: int) -> NDArray[np.float64]:
    """Minutes asleep: hardly a move, a few more as each cycle of 95 minutes ends, and now and then awake."""
    shallow = (1 + np.cos(2 * np.pi * np.arange(minutes) / 95)) / 2
    moves = rng.random(minutes) < 0.02 + 0.17 * shallow**3
    for start in rng.integers(0, minutes, size=rng.poisson(minutes / 260)):
        moves[start : start + rng.integers(2, 9)] = True
    return np.where(moves, np.ceil(rng.gamma(0.9, 60.0, size=minutes)), 0.0)


def _nights(rng: np.random.Generator, days: int) -> Iterator[tuple[int, int]]:
    """From bed to rising, in minutes from the first midnight; later before and after days off."""
    for day in range(days + 1):
        day_off = (SIMULATED_START.weekday() + day) % 7 >= SATURDAY  # the morning's day
        bed = (23 * MINUTE_S + 15 - DAY_MINUTES) + 70 * day_off + rng.normal(0, 22)
        rise = (6 * MINUTE_S + 55) + 95 * day_off + rng.normal(0, 16)
        yield max(0, day * DAY_MINUTES + round(bed)), day * DAY_MINUTES + round(rise)


def _naps(rng: np.random.Generator, days: int) -> Iterator[tuple[int, int]]:
    """A nap after lunch on every third day or so."""
    for day in range(days):
        start = day * DAY_MINUTES + 13 * MINUTE_S + 30 + int(rng.integers(0, 90))
        if rng.random() < NAP_CHANCE:
            yield start, start + int(rng.integers(22, 65))


def _unworn(rng: np.random.Generator, days: int) -> Iterator[tuple[int, int]]:
    """An evening of sport in every four days, and one night in two weeks on the bedside table."""
    for day in rng.choice(days - 1, size=max(1, days // 4), replace=False):
        start = int(day) * DAY_MINUTES + 17 * MINUTE_S + 40 + int(rng.integers(0, 90))
        yield start, start + int(rng.integers(105, 175))
    for day in range(8, days, 14):
        start = day * DAY_MINUTES + 21 * MINUTE_S + 40
        yield start, start + 11 * MINUTE_S + int(rng.integers(0, 60))

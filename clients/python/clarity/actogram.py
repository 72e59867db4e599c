"""The actogram: a recording on one page, a row for each day.

It is double-plotted: each row shows its day and the day after, so that every night is seen whole and a rhythm
that drifts shows as a slope.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # importing matplotlib takes as long as everything else together; only `draw` needs it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS_MAX = 120  # of one picture, empty ones included
DAY_MINUTES_MIN, DAY_MINUTES_MAX = 1380, 1500  # the days on which the clocks change
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

HOURS = 24
MOVEMENT_BINS = 288  # a day, whatever its length: bars of five minutes
SLEEP_BINS = 144  # single minutes of sleep fade into the ten around them instead of flickering
FULL_HEIGHT_PERCENTILE = 98.0
ROUND_NUMBERS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)

# The page, in inches; fonts in points.
DPI = 200
WIDTH = 10.0
LEFT, RIGHT, TOP, BOTTOM = 1.16, 0.5, 1.84, 0.94
STAMP_WIDTH = 1.6  # kept free at the end of the heading for SIMULATED
SWATCH_WIDTH, SWATCH_HEIGHT = 0.2, 0.11
ROWS_HEIGHT = 5.6  # of all rows together, as far as the limits of one allow
ROW_HEIGHT_MIN, ROW_HEIGHT_MAX = 0.2, 0.72
ROW_GAP = 0.14  # of a row
BASELINE = 0.025  # of a row: a worn minute without movement is a line, a missing one is nothing
TITLE, SUBTITLE, STAMP, DATES, SMALL = 24.0, 12.5, 12.0, 11.5, 10.0
SHRINK_MIN = 0.7  # a line too long is set smaller down to this, then cut
FONTS = ["STIXGeneral", "DejaVu Sans"]  # both come with matplotlib; the second lends letters the first lacks

# Told apart by lightness as well as by hue: it works for every colour vision, and in grey.
PAPER = "#fdfcf8"
INK = "#1f2d3a"
FAINT_INK = "#6c7275"
MOVEMENT = "#24455f"
SLEEP = "#bfd3e6"
NOT_WORN, NOT_WORN_LINES = "#f4ebd3", "#dcc89a"
NOT_WORN_HATCH = "////"
SWATCH_LINES = "#d8d4c8"
WARNING = "#a8431c"


@dataclass(frozen=True, slots=True, eq=False)
class DayTrace:
    """One civil day: its counts minute by minute, and ranges [start, end) of its minutes."""

    date: date
    counts: NDArray[np.float32]  # (1380 to 1500,); NaN = missing
    asleep: tuple[tuple[int, int], ...]
    not_worn: tuple[tuple[int, int], ...]


def draw(days: Sequence[DayTrace], path: Path, *, title: str, subtitle: str, simulated: bool = False) -> None:
    """Writes the double-plotted actogram of `days` to `path`: a PNG, 10 inches wide, 200 dots an inch.

    Rows run from the first date to the last, and a date without a trace is an empty row. The last row shows
    its own day only. A day of 23 or 25 hours is drawn as wide as the others. Simulated data is marked as such
    on the page and in the title inside the file.

    Raises `ValueError` for no days, two traces of one date, more than `ROWS_MAX` rows, a day of impossible
    length, and a range that leaves its day.
    """
    traces = _by_date(days)
    dates = _calendar(traces)
    full_height = _full_height(days)
    figure, page, rows = _sheet(len(dates))
    for row, day in enumerate(dates):
        if day in traces:
            _draw_day(rows, traces[day], row, 0, full_height)
            _draw_day(rows, traces[day], row - 1, HOURS, full_height)  # to the right of the day before
    _draw_hours(rows, len(dates))
    _draw_dates(rows, dates, traces)
    _draw_heading(page, title, subtitle)
    _draw_legend(page)
    _draw_caption(page, full_height)
    if simulated:
        _draw_stamp(page)
    inside = {"Title": f"SIMULATED: {title}" if simulated else title, "Description": subtitle}
    figure.savefig(path, format="png", metadata=inside)


def label(day: date) -> str:
    """Returns a date as its row is labelled, like Wed 23 Jan, in English whatever the machine speaks."""
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]}"


def _by_date(days: Sequence[DayTrace]) -> dict[date, DayTrace]:
    """The days by their date, if each can be drawn."""
    if not days:
        raise ValueError("there are no days to draw")
    for day in days:
        length = len(day.counts)
        if not DAY_MINUTES_MIN <= length <= DAY_MINUTES_MAX:
            raise ValueError(f"{day.date} has {length} minutes, and a day has {DAY_MINUTES_MIN} to {DAY_MINUTES_MAX}")
        for start, end in (*day.asleep, *day.not_worn):
            if not 0 <= start <= end <= length:
                raise ValueError(f"{day.date} has {length} minutes, and [{start}, {end}) leaves it")
    traces = {day.date: day for day in days}
    if len(traces) < len(days):
        raise ValueError(f"{len(days)} traces have only {len(traces)} dates: give one trace a date")
    return traces


def _calendar(dates: Collection[date]) -> list[date]:
    """Every date from the first to the last."""
    first, last = min(dates), max(dates)
    length = (last - first).days + 1
    if length > ROWS_MAX:
        raise ValueError(f"{first} to {last} are {length} rows, and a picture has at most {ROWS_MAX}")
    return [first + timedelta(days=row) for row in range(length)]


def _binned(minutes: NDArray[np.floating], bins: int) -> NDArray[np.float64]:
    """The mean of the known minutes in each of `bins` equal parts of the day; NaN where none is known."""
    part = np.arange(len(minutes)) * bins // len(minutes)
    known = np.isfinite(minutes)
    sums = np.bincount(part[known], weights=minutes[known], minlength=bins)
    numbers = np.bincount(part[known], minlength=bins)
    means = np.full(bins, np.nan)
    np.divide(sums, numbers, out=means, where=numbers > 0)
    return means


def _full_height(days: Sequence[DayTrace]) -> float:
    """The counts a minute that fill a row: a round number that only the highest bars reach."""
    bars = np.concatenate([_binned(day.counts, MOVEMENT_BINS) for day in days])
    moving = bars[bars > 0]
    if not len(moving):
        return 1.0
    high = float(np.percentile(moving, FULL_HEIGHT_PERCENTILE))
    unit = 10.0 ** math.floor(math.log10(high))
    return unit * next((number for number in ROUND_NUMBERS if number * unit >= high), ROUND_NUMBERS[-1])


def _sheet(rows: int) -> tuple[Figure, Axes, Axes]:
    """An empty page, its axes in inches from the lower left, and the axes of the rows in hours and rows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows_height = rows * min(ROW_HEIGHT_MAX, max(ROW_HEIGHT_MIN, ROWS_HEIGHT / rows))
    height = TOP + rows_height + BOTTOM
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)  # no window, no pyplot, no state outside this figure
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, height))
    page.set_axis_off()
    inside = (LEFT / WIDTH, BOTTOM / height, 1 - (LEFT + RIGHT) / WIDTH, rows_height / height)
    axes = figure.add_axes(inside)
    axes.set_axis_off()
    return figure, page, axes


def _draw_day(axes: Axes, day: DayTrace, row: int, hour: int, full_height: float) -> None:
    """One day in one row, from `hour` on; a row above the first lies outside the picture."""
    minute = HOURS / len(day.counts)
    _draw_sleep(axes, day, row, hour)
    axes.broken_barh(
        [(hour + start * minute, (end - start) * minute) for start, end in day.not_worn],
        (row + ROW_GAP, 1 - ROW_GAP),
        facecolor=NOT_WORN,
        edgecolor=NOT_WORN_LINES,
        linewidth=0,
        hatch=NOT_WORN_HATCH,
        hatch_linewidth=0.4,
        zorder=2,
    )
    bars = _binned(day.counts, MOVEMENT_BINS)
    known = np.isfinite(bars)
    share = np.sqrt(np.clip(np.where(known, bars, 0) / full_height, 0, 1))
    axes.stairs(
        row + 1 - np.where(known, np.maximum(share * (1 - ROW_GAP), BASELINE), 0),
        hour + np.linspace(0, HOURS, MOVEMENT_BINS + 1),
        baseline=row + 1,
        fill=True,
        color=MOVEMENT,
        linewidth=0,
        zorder=4,
    )


def _draw_sleep(axes: Axes, day: DayTrace, row: int, hour: int) -> None:
    """A band behind the day, as strong in each part of it as that part was slept."""
    from matplotlib.colors import to_rgb

    asleep = np.zeros(len(day.counts))
    for start, end in day.asleep:
        asleep[start:end] = 1
    band = np.empty((1, SLEEP_BINS, 4))
    band[..., :3] = to_rgb(SLEEP)
    band[..., 3] = _binned(asleep, SLEEP_BINS)
    place = (hour, hour + HOURS, row + 1, row + ROW_GAP)
    axes.imshow(band, extent=place, aspect="auto", interpolation="nearest", zorder=1)


def _draw_hours(axes: Axes, rows: int) -> None:
    """Clock hours above the rows, and a line through them every six hours."""
    axes.set(xlim=(0, 2 * HOURS), ylim=(rows, 0))
    for hour in range(0, 2 * HOURS + 1, 6):
        midnight = hour % HOURS == 0
        axes.vlines(hour, 0, rows, color=INK, linewidth=0.6, alpha=0.5 if midnight else 0.16, zorder=3)
        axes.annotate(
            "24:00" if hour == 2 * HOURS else f"{hour % HOURS:02}:00",
            (hour, 0),
            (0, 5),
            textcoords="offset points",
            ha="center",
            family=FONTS,
            size=SMALL,
            color=FAINT_INK,
        )


def _draw_dates(axes: Axes, dates: Sequence[date], present: Collection[date]) -> None:
    """The date of each row, at its foot; fainter where there is no trace."""
    for row, day in enumerate(dates):
        axes.annotate(
            label(day),
            (0, row + 1),
            (-8, 1.5),
            textcoords="offset points",
            ha="right",
            family=FONTS,
            size=DATES,
            color=INK if day in present else FAINT_INK,
        )


def _draw_heading(page: Axes, title: str, subtitle: str) -> None:
    top = page.get_ylim()[1]
    room = WIDTH - LEFT - RIGHT - STAMP_WIDTH
    _write(page, LEFT, top - 0.62, title, room, size=TITLE)
    _write(page, LEFT, top - 0.92, subtitle, room, size=SUBTITLE, style="italic", color=FAINT_INK)


def _draw_legend(page: Axes) -> None:
    """Swatches in a line under the heading."""
    from matplotlib.patches import Rectangle

    x, y = LEFT, page.get_ylim()[1] - 1.37
    for name, face, lines, hatch in (
        ("movement", MOVEMENT, MOVEMENT, None),
        ("asleep", SLEEP, SLEEP, None),
        ("not worn", NOT_WORN, NOT_WORN_LINES, NOT_WORN_HATCH),
        ("no recording", PAPER, SWATCH_LINES, None),
    ):
        swatch = Rectangle((x, y), SWATCH_WIDTH, SWATCH_HEIGHT, facecolor=face, edgecolor=lines)
        swatch.set(linewidth=0.6 if hatch is None else 0, hatch=hatch, hatch_linewidth=0.4)
        page.add_patch(swatch)
        x += SWATCH_WIDTH + 0.07
        x += _write(page, x, y + 0.005, name, WIDTH, size=SMALL) + 0.24


def _draw_caption(page: Axes, full_height: float) -> None:
    rows = "Each row shows a day and, to its right, the day after, so that every night is seen whole."
    scale = "Bars: five-minute means on a square-root scale."
    cap = f"A full row is {full_height:,g} counts a minute; higher bars are cut off there."
    for y, line in ((0.56, rows), (0.36, f"{scale} {cap}")):
        _write(page, LEFT, y, line, WIDTH - LEFT - RIGHT, size=SMALL, style="italic", color=FAINT_INK)


def _draw_stamp(page: Axes) -> None:
    """SIMULATED, in the heading and again beside the rows, where a picture cut to its rows still shows it."""
    top = page.get_ylim()[1]
    word = "SIMULATED"
    stamp = page.text(WIDTH - RIGHT - 0.08, top - 0.6, word, ha="right", size=STAMP, family=FONTS, color=WARNING)
    stamp.set_bbox({"boxstyle": "square,pad=0.45", "facecolor": "none", "edgecolor": WARNING, "linewidth": 0.8})
    middle = (BOTTOM + top - TOP) / 2
    beside = page.text(WIDTH - 0.2, middle, " ".join(word), size=SMALL, family=FONTS, color=WARNING, rotation=270)
    beside.set(ha="center", va="center")


def _write(
    page: Axes, x: float, y: float, words: str, room: float, *, size: float, style: str = "normal", color: str = INK
) -> float:
    """One line from (x, y) on, made to fit `room`; returns its width. All in inches but the size."""
    line = " ".join(words.split())
    text = page.text(x, y, line, size=size, style=style, color=color, family=FONTS, parse_math=False)
    width = text.get_window_extent().width / DPI
    if width > room:
        shrunk = max(room / width, SHRINK_MIN)
        text.set_fontsize(size * shrunk)
        fitting = int(len(line) * room / (width * shrunk))
        if fitting < len(line):
            text.set_text(line[: fitting - 1].rstrip() + "…")
    return width

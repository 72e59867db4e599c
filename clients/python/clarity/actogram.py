"""The actogram: a row for each day, on the paper and in the hand of the `page` that it is part of.

It is double-plotted: each row shows its day and the day after, so that every night is seen whole and a rhythm
that drifts shows as a slope. Beside the rows: the sheet, its heading, legend and stamp, and how it becomes a file.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # importing matplotlib takes as long as everything else together; only drawing needs it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

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
LEFT, RIGHT = 1.16, 0.5
STAMP_WIDTH = 1.6  # kept free at the end of the heading for SIMULATED
SWATCH_WIDTH, SWATCH_HEIGHT = 0.2, 0.11
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


def label(day: date) -> str:
    """Returns a date as its row is labelled, like Wed 23 Jan, in English whatever the machine speaks."""
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]}"


def by_date(days: Sequence[DayTrace]) -> dict[date, DayTrace]:
    """Returns the days by their date. Raises `ValueError` if one cannot be drawn, or two have one date."""
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


def calendar(dates: Collection[date]) -> list[date]:
    """Returns every date from the first to the last. Raises `ValueError` for more than `ROWS_MAX`."""
    first, last = min(dates), max(dates)
    length = (last - first).days + 1
    if length > ROWS_MAX:
        raise ValueError(f"{first} to {last} are {length} rows, and a picture has at most {ROWS_MAX}")
    return [first + timedelta(days=row) for row in range(length)]


def binned(minutes: NDArray[np.floating], bins: int) -> NDArray[np.float64]:
    """Returns the mean of the known minutes in each of `bins` equal parts of the day; NaN where none is known."""
    part = np.arange(len(minutes)) * bins // len(minutes)
    known = np.isfinite(minutes)
    sums = np.bincount(part[known], weights=minutes[known], minlength=bins)
    numbers = np.bincount(part[known], minlength=bins)
    means = np.full(bins, np.nan)
    np.divide(sums, numbers, out=means, where=numbers > 0)
    return means


def full_height(days: Sequence[DayTrace]) -> float:
    """Returns the counts a minute that fill a row: a round number that only the highest bars reach."""
    bars = np.concatenate([binned(day.counts, MOVEMENT_BINS) for day in days])
    moving = bars[bars > 0]
    if not len(moving):
        return 1.0
    high = float(np.percentile(moving, FULL_HEIGHT_PERCENTILE))
    unit = 10.0 ** math.floor(math.log10(high))
    return unit * next((number for number in ROUND_NUMBERS if number * unit >= high), ROUND_NUMBERS[-1])


def sheet(width: float, height: float) -> Axes:
    """Returns an empty page of so many inches: axes over all of it, in inches from the lower left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)  # no window, no pyplot, no state outside this figure
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    page.set_axis_off()
    return page


def panel(page: Axes, left: float, bottom: float, width: float, height: float) -> Axes:
    """Returns new axes on the page, their place in its inches."""
    _, right = page.get_xlim()
    _, top = page.get_ylim()
    axes = figure_of(page).add_axes((left / right, bottom / top, width / right, height / top))
    axes.set_axis_off()
    return axes


def figure_of(axes: Axes) -> Figure:
    """Returns the figure that holds the axes."""
    figure = axes.get_figure(root=True)
    assert figure is not None, "a sheet and its panels stand in a figure"
    return figure


def save(page: Axes, path: Path, *, title: str, subtitle: str, simulated: bool) -> None:
    """Writes the page as a PNG; simulated data is marked as such in the title inside the file."""
    inside = {"Title": f"SIMULATED: {title}" if simulated else title, "Description": subtitle}
    figure_of(page).savefig(path, format="png", metadata=inside)


def draw_rows(rows: Axes, traces: Mapping[date, DayTrace], dates: Sequence[date], full: float) -> None:
    """The rows with their dates to the left and clock hours above them; the axes become hours and rows.

    `dates` are those of `calendar`, and `full` is the counts a minute that fill a row. A date without a trace is an
    empty row, and the last row shows its own day only. A day of 23 or 25 hours is drawn as wide as the others.
    """
    for row, day in enumerate(dates):
        if day in traces:
            _draw_day(rows, traces[day], row, 0, full)
            _draw_day(rows, traces[day], row - 1, HOURS, full)  # to the right of the day before
    _draw_hours(rows, len(dates))
    _draw_dates(rows, dates, traces)


def _draw_day(axes: Axes, day: DayTrace, row: int, hour: int, full: float) -> None:
    """One day in one row, from `hour` on; a row above the first lies outside the picture."""
    minute = HOURS / len(day.counts)
    _draw_sleep(axes, day, row, hour)
    not_worn = [(hour + start * minute, (end - start) * minute) for start, end in day.not_worn]
    draw_not_worn(axes, not_worn, (row + ROW_GAP, 1 - ROW_GAP))
    bars = binned(day.counts, MOVEMENT_BINS)
    known = np.isfinite(bars)
    share = np.sqrt(np.clip(np.where(known, bars, 0) / full, 0, 1))
    axes.stairs(
        row + 1 - np.where(known, np.maximum(share * (1 - ROW_GAP), BASELINE), 0),
        hour + np.linspace(0, HOURS, MOVEMENT_BINS + 1),
        baseline=row + 1,
        fill=True,
        color=MOVEMENT,
        linewidth=0,
        zorder=4,
    )


def draw_not_worn(axes: Axes, spans: Sequence[tuple[float, float]], place: tuple[float, float]) -> None:
    """Hatched stretches, each (start, width); `place` is their edge and height."""
    axes.broken_barh(
        spans,
        place,
        facecolor=NOT_WORN,
        edgecolor=NOT_WORN_LINES,
        linewidth=0,
        hatch=NOT_WORN_HATCH,
        hatch_linewidth=0.4,
        zorder=2,
    )


def _draw_sleep(axes: Axes, day: DayTrace, row: int, hour: int) -> None:
    """A band behind the day, as strong in each part of it as that part was slept."""
    from matplotlib.colors import to_rgb

    asleep = np.zeros(len(day.counts))
    for start, end in day.asleep:
        asleep[start:end] = 1
    band = np.empty((1, SLEEP_BINS, 4))
    band[..., :3] = to_rgb(SLEEP)
    band[..., 3] = binned(asleep, SLEEP_BINS)
    place = (hour, hour + HOURS, row + 1, row + ROW_GAP)
    axes.imshow(band, extent=place, aspect="auto", interpolation="nearest", zorder=1)


def _draw_hours(axes: Axes, rows: int) -> None:
    """Clock hours above the rows, and a line through them every six hours."""
    axes.set(xlim=(0, 2 * HOURS), ylim=(rows, 0))
    for hour in range(0, 2 * HOURS + 1, 6):
        draw_hour(axes, hour, "24:00" if hour == 2 * HOURS else f"{hour % HOURS:02}:00")


def draw_hour(axes: Axes, hour: int, name: str = "") -> None:
    """A line through the axes from head to foot, stronger at midnight, and above it its name, if it is to have one."""
    foot, head = axes.get_ylim()
    alpha = 0.5 if hour % HOURS == 0 else 0.16
    axes.vlines(hour, head, foot, color=INK, linewidth=0.6, alpha=alpha, zorder=3)
    if not name:
        return
    axes.annotate(
        name,
        (hour, head),
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


def draw_heading(page: Axes, title: str, subtitle: str) -> None:
    """Title and subtitle at the head of the page."""
    (_, width), (_, top) = page.get_xlim(), page.get_ylim()
    room = width - LEFT - RIGHT - STAMP_WIDTH
    write(page, LEFT, top - 0.62, title, room, size=TITLE)
    write(page, LEFT, top - 0.92, subtitle, room, size=SUBTITLE, style="italic", color=FAINT_INK)


def draw_legend(page: Axes) -> None:
    """Swatches in a line under the heading."""
    from matplotlib.patches import Rectangle

    (_, width), (_, top) = page.get_xlim(), page.get_ylim()
    x, y = LEFT, top - 1.37
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
        x += write(page, x, y + 0.005, name, width - x, size=SMALL) + 0.24


def draw_stamp(page: Axes, middle: float) -> None:
    """SIMULATED, in the heading and again beside the rows, where a picture cut to its rows still shows it."""
    (_, width), (_, top) = page.get_xlim(), page.get_ylim()
    word = "SIMULATED"
    stamp = page.text(width - RIGHT - 0.08, top - 0.6, word, ha="right", size=STAMP, family=FONTS, color=WARNING)
    stamp.set_bbox({"boxstyle": "square,pad=0.45", "facecolor": "none", "edgecolor": WARNING, "linewidth": 0.8})
    beside = page.text(width - 0.2, middle, " ".join(word), size=SMALL, family=FONTS, color=WARNING, rotation=270)
    beside.set(ha="center", va="center")


def write(
    page: Axes, x: float, y: float, words: str, room: float, *, size: float, style: str = "normal", color: str = INK
) -> float:
    """Writes one line from (x, y) on, made to fit `room`; returns its width. All in inches but the size."""
    line = " ".join(words.split())
    text = page.text(x, y, line, size=size, style=style, color=color, family=FONTS, parse_math=False)
    width = text.get_window_extent().width / DPI
    fit(text, room)
    return width


def fit(text: Text, room: float) -> None:
    """Sets a text smaller, and cuts it if that is not enough, until it is at most `room` inches wide."""
    width = text.get_window_extent().width / DPI
    if width <= room:
        return
    shrunk = max(room / width, SHRINK_MIN)
    text.set_fontsize(float(text.get_fontsize()) * shrunk)
    line = text.get_text()
    fitting = int(len(line) * room / (width * shrunk)) + 1
    while text.get_window_extent().width / DPI > room and fitting > 1:
        fitting -= 1  # letters differ in width: the share of them is only where to begin
        text.set_text(line[: fitting - 1].rstrip() + "…")

"""The actogram: a recording on one page, a row for each day.

It is double-plotted: each row shows its day and the next, so that every night is seen whole and a rhythm that
drifts shows as a slope.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # matplotlib takes a second to import; only `draw` needs it
    from matplotlib.axes import Axes

DAYS_MAX = 120  # rows of one picture, empty ones included
DAY_MINUTES_MIN, DAY_MINUTES_MAX = 1380, 1500  # a day on which the clocks change
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

HOURS = 24
MOVEMENT_BINS = 288  # a day, whatever its length: bars of five minutes
SHADE_BINS = 144  # single minutes of sleep fade into the ten around them instead of flickering
FULL_HEIGHT_PERCENTILE = 98.0

# The page, in inches.
WIDTH = 10.0
LEFT, RIGHT, TOP, BOTTOM = 1.16, 0.5, 1.96, 0.98
ROWS_HEIGHT = 5.6
ROW_HEIGHT_MIN, ROW_HEIGHT_MAX = 0.2, 0.56
ROW_GAP = 0.14  # of a row
DPI = 200
FONTS = ("STIXGeneral", "DejaVu Sans")  # both come with matplotlib; the second fills in for missing letters

# Told apart by lightness as well as by hue: they hold for every colour vision, and in grey.
PAPER = "#fdfcf8"
INK = "#1f2d3a"
FAINT_INK = "#74797c"
HAIRLINE = "#dcd8cc"
MOVEMENT = "#24455f"
SLEEP = "#bfd3e6"
NOT_WORN = "#f4ebd3"
NOT_WORN_LINE = "#dcc89a"
WARNING = "#a8431c"


@dataclass(frozen=True, slots=True, eq=False)
class DayTrace:
    """One civil day: its counts minute by minute, and ranges [start, end) of its minutes."""

    date: date
    counts: NDArray[np.float32]  # (1380 to 1500,); NaN = missing
    asleep: tuple[tuple[int, int], ...]
    not_worn: tuple[tuple[int, int], ...]


def draw(
    days: Sequence[DayTrace], path: Path, *, title: str, subtitle: str, simulated: bool = False
) -> None:
    """Writes the double-plotted actogram of `days` to `path`: a PNG, 10 inches wide, 200 dots an inch.

    Rows run from the first date to the last, and a date without a trace is an empty row. The last row ends
    with its own day. A day of 23 or 25 hours is drawn as wide as the others. Simulated data is marked as such
    on the page and in the description inside the file.

    Raises `ValueError` for no days, two traces of one date, more than `DAYS_MAX` rows, a day of impossible
    length, or a range outside its day.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    calendar = _calendar(days)
    full_height = _full_height(days)
    rows_height = len(calendar) * min(ROW_HEIGHT_MAX, max(ROW_HEIGHT_MIN, ROWS_HEIGHT / len(calendar)))
    height = TOP + rows_height + BOTTOM
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, height))
    page.axis("off")
    box = (LEFT / WIDTH, BOTTOM / height, 1 - (LEFT + RIGHT) / WIDTH, rows_height / height)
    rows = figure.add_axes(box, facecolor="none")
    for row, trace in enumerate(calendar):
        if trace is not None:
            _draw_day(rows, trace, row, 0, full_height)
            if row:
                _draw_day(rows, trace, row - 1, HOURS, full_height)
    _draw_axes(rows, [trace.date for trace in days], len(calendar))
    _draw_words(page, height, title, subtitle, full_height, simulated=simulated)
    figure.savefig(path, format="png", metadata={"Title": title, "Description": subtitle})


def label(day: date) -> str:
    """Returns a date as its row is labelled, like Wed 23 Jan, in English whatever the machine speaks."""
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]}"


def _calendar(days: Sequence[DayTrace]) -> list[DayTrace | None]:
    """The rows: every date from the first to the last, None where there is no trace."""
    by_date = {trace.date: trace for trace in days}
    first = min(by_date)
    length = (max(by_date) - first).days + 1
    return [by_date.get(first + timedelta(days=k)) for k in range(length)]


def _binned(minutes, bins):
    """The mean of the known minutes of each of `bins` equal parts of the day; NaN where none is known."""
    at = np.arange(len(minutes)) * bins // len(minutes)
    known = np.isfinite(minutes)
    n = np.bincount(at[known], minlength=bins)
    sums = np.bincount(at[known], weights=minutes[known], minlength=bins)
    return np.divide(sums, n, out=np.full(bins, np.nan), where=n > 0)


def _share(ranges, length, bins):
    mask = np.zeros(length)
    for start, end in ranges:
        mask[start:end] = 1
    return _binned(mask, bins)


def _full_height(days):
    means = np.concatenate([_binned(t.counts, MOVEMENT_BINS) for t in days])
    means = means[np.isfinite(means) & (means > 0)]
    top = float(np.percentile(means, FULL_HEIGHT_PERCENTILE)) if len(means) else 1.0
    step = 10 ** math.floor(math.log10(top))
    return math.ceil(top / step) * step


def _draw_day(axes, trace, row, hour, top):
    n = len(trace.counts)
    share = _share(trace.asleep, n, SHADE_BINS)
    band = (hour, hour + HOURS, row + 1, row + ROW_GAP)
    from matplotlib.colors import to_rgb

    rgba = np.empty((1, SHADE_BINS, 4))
    rgba[0, :, :3] = to_rgb(SLEEP)
    rgba[0, :, 3] = share
    axes.imshow(rgba, extent=band, aspect="auto", interpolation="nearest", zorder=1)
    spans = [(hour + s * HOURS / n, (e - s) * HOURS / n) for s, e in trace.not_worn]
    axes.broken_barh(spans, (row + ROW_GAP, 1 - ROW_GAP), facecolor=NOT_WORN, edgecolor=NOT_WORN_LINE, hatch="////", linewidth=0, hatch_linewidth=0.4, zorder=2)
    means = _binned(trace.counts, MOVEMENT_BINS)
    h = np.sqrt(np.clip(np.nan_to_num(means) / top, 0, 1)) * (1 - ROW_GAP)
    x = hour + np.arange(MOVEMENT_BINS + 1) * HOURS / MOVEMENT_BINS
    axes.stairs(row + 1 - h, x, baseline=row + 1, fill=True, color=MOVEMENT, lw=0, zorder=4)
    # a baseline where there are values
    base = np.where(np.isfinite(means), row + 1.0, np.nan)
    axes.plot(x[:-1] , base, color=MOVEMENT, lw=0.5, zorder=3, alpha=.6)


def _draw_axes(axes, dates, rows):
    axes.set(xlim=(0, 48), ylim=(rows, 0))
    axes.tick_params(length=0, pad=5)
    for s in axes.spines.values():
        s.set_visible(False)
    axes.set_xticks(range(0, 49, 6), ["00:00", "06:00", "12:00", "18:00", "00:00", "06:00", "12:00", "18:00", "24:00"], family=FONTS, size=9.5, color=FAINT_INK)
    axes.xaxis.tick_top()
    first = min(dates)
    axes.set_yticks([])
    for k in range(rows):
        d = first + timedelta(days=k)
        axes.text(-0.55, k + 0.96, label(d), ha="right", va="baseline", family=FONTS, size=11.5, color=INK if d in dates else FAINT_INK)
    for x in range(0, 49, 6):
        axes.axvline(x, color=INK if not x % 24 else FAINT_INK, lw=0.5 if x % 24 else 0.6, alpha=0.22 if x % 24 else .5, zorder=2.5)


def _draw_words(page, height, title, subtitle, top, *, simulated):
    page.text(LEFT, height - 0.62, title, size=24, family=FONTS, color=INK, parse_math=False)
    page.text(LEFT, height - 0.92, subtitle, size=12.5, family=FONTS, style="italic", color=FAINT_INK, parse_math=False)
    y = height - 1.36
    x = LEFT
    for name, kw, w in (("movement", dict(facecolor=MOVEMENT), 0.95), ("asleep", dict(facecolor=SLEEP), 0.8), ("not worn", dict(facecolor=NOT_WORN, edgecolor=NOT_WORN_LINE, hatch="/////", lw=0, hatch_linewidth=.4), 0.92), ("blank: no recording",dict(facecolor=PAPER, edgecolor=HAIRLINE, lw=.6),1)):
        page.broken_barh([(x, 0.2)], (y, 0.11), **kw)
        page.text(x + 0.27, y+0.005, name, size=10.5, family=FONTS, color=INK)
        x += w
    page.text(LEFT, 0.56, "Each row is a day and, to its right, the day after: every night is seen whole.", size=10, family=FONTS, style="italic", color=FAINT_INK)
    page.text(LEFT, 0.36, f"Bars are means of five minutes on a square-root scale; the full height is {top:,g} counts a minute, and what is higher is cut.", size=10, family=FONTS, style="italic", color=FAINT_INK)
    if simulated:
        page.text(WIDTH - RIGHT, height - 0.58, "SIMULATED", size=12, family=FONTS, ha="right", color=WARNING, bbox=dict(boxstyle="square,pad=0.45", facecolor="none", edgecolor=WARNING, lw=0.8))

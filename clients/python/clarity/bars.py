"""Bars: a metric over buckets of time, and below each bar how far it is to be believed.

A bar that is zero is a line, a bucket that was not worn is hatched, and one of which nobody said anything is blank:
three different answers, and a picture that drew them alike would lie.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from clarity import actogram
from clarity.actogram import FAINT_INK, FONTS, INK, SMALL
from clarity.moments import known
from clarity.v1.sample_pb2 import Bucket, BucketState

if TYPE_CHECKING:  # as in `actogram`: only drawing needs matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BARS_MAX = 1000  # of one picture
SUFFIXES = ("png", "svg")
DAY = timedelta(days=1)
MINUTE_S = 60

# The sheet, in inches.
WIDTH, TOP, BOTTOM = 12.4, 1.95, 1.16
HEIGHT = 3.6  # of the bars
STRIP, BETWEEN = 0.16, 0.14  # of the coverage, and from the bars to it
BAR_SHARE = 0.78  # of the room of a bucket
SEEN = 0.03  # of that room: the least that is drawn of what is covered
LABELS_MAX = 14
LINE_SHARE = 0.006  # of the height: a zero is a line
AIR = 1.06  # above the highest bar
MEAN_MARK = 4.0  # points

MOVEMENT, WORN = actogram.MOVEMENT, "#54748e"
RANGE = actogram.SLEEP
CODES = ("#24455f", "#6f98bb", "#bfd3e6", "#c98a4b", "#e8cfa6", "#8a8f7a", "#a8431c", "#d7d2c3", "#5d4f73")  # by code


class Kind(Enum):
    """What the bars are."""

    SUM = auto()
    MEAN = auto()
    COUNT = auto()
    DURATION = auto()


NAMES = {Kind.SUM: "sum", Kind.MEAN: "mean", Kind.COUNT: "samples"}


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """Everything that stands on a sheet of bars."""

    buckets: Sequence[Bucket]
    title: str
    subtitle: str
    unit: str
    simulated: bool = False


def draw(chart: Chart, path: Path) -> None:
    """Write the chart to `path`, a `.png` or an `.svg`, as its suffix says. Equal charts give equal bytes.

    Raises ValueError for no buckets, more than BARS_MAX, and another suffix.
    """
    suffix = suffix_of(path)
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "clarity"}):
        title = f"SIMULATED: {chart.title}" if chart.simulated else chart.title
        inside: dict[str, str | None] = {"Title": title, "Description": chart.subtitle}
        compose(chart).savefig(path, format=suffix, metadata=inside | ({"Date": None} if suffix == "svg" else {}))


def suffix_of(path: Path) -> str:
    """Return what kind of picture a path names. Raises ValueError for one that cannot be drawn."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in SUFFIXES:
        raise ValueError(f"{path.name!r} is no picture that can be drawn: call it .png or .svg")
    return suffix


def compose(chart: Chart) -> Figure:
    """Return the sheet as `draw` writes it. Raises what `draw` raises."""
    if not 1 <= len(chart.buckets) <= BARS_MAX:
        raise ValueError(f"a picture has 1 to {BARS_MAX:,} bars, not {len(chart.buckets):,}")
    kind = kind_of(chart.buckets)
    sheet = actogram.sheet(WIDTH, BOTTOM + STRIP + BETWEEN + HEIGHT + TOP)
    width = WIDTH - actogram.LEFT - actogram.RIGHT
    strip = actogram.panel(sheet, actogram.LEFT, BOTTOM, width, STRIP)
    bars = actogram.panel(sheet, actogram.LEFT, BOTTOM + STRIP + BETWEEN, width, HEIGHT)
    _draw_bars(bars, chart.buckets, kind)
    _draw_strip(strip, chart.buckets)
    _draw_labels(strip, chart.buckets)
    actogram.draw_heading(sheet, chart.title, chart.subtitle)
    _draw_legend(sheet, chart, kind)
    _draw_caption(sheet)
    if chart.simulated:
        actogram.draw_stamp(sheet, BOTTOM + HEIGHT / 2)
    return actogram.figure_of(sheet)


def kind_of(buckets: Iterable[Bucket]) -> Kind:
    """Tell what is to be drawn: what adds up as a sum, codes as durations, and all else as means."""
    told = list(buckets)
    if any(bucket.durations for bucket in told):
        return Kind.DURATION
    if any(bucket.HasField("sum") for bucket in told):
        return Kind.SUM
    return Kind.MEAN if any(True for bucket in told for _ in _ends(bucket)) else Kind.COUNT


# ---- the bars --------------------------------------------------------------------------------------------------------


def _draw_bars(axes: Axes, buckets: Sequence[Bucket], kind: Kind) -> None:
    low, high = _limits(buckets, kind)
    axes.set(xlim=(0, len(buckets)), ylim=(low, high))
    _draw_scale(axes)
    not_worn = [(at, 1.0) for at, bucket in enumerate(buckets) if bucket.state == BucketState.BUCKET_STATE_NOT_WORN]
    actogram.draw_not_worn(axes, not_worn, (low, high - low))
    valued = [(at, one) for at, one in enumerate(buckets) if one.state == BucketState.BUCKET_STATE_VALUE]
    match kind:
        case Kind.MEAN:
            _draw_means(axes, valued)
        case Kind.DURATION:
            _draw_durations(axes, valued, codes_of(buckets))
        case _:
            _draw_heights(axes, [(at, _height(bucket, kind)) for at, bucket in valued])


def _height(bucket: Bucket, kind: Kind) -> float:
    return float(bucket.sum if kind is Kind.SUM else bucket.count)


def _limits(buckets: Sequence[Bucket], kind: Kind) -> tuple[float, float]:
    """The lowest and the highest that is drawn, with air; sums begin at 0, means where they are."""
    valued = [bucket for bucket in buckets if bucket.state == BucketState.BUCKET_STATE_VALUE]
    match kind:
        case Kind.MEAN:
            ends = [end for bucket in valued for end in _ends(bucket)]
            low, high = min(ends, default=0.0), max(ends, default=1.0)
            air = (high - low) * (AIR - 1) or abs(high) * (AIR - 1) or 1.0
            return low - air, high + air
        case Kind.DURATION:
            heights = [sum(_hours(bucket).values()) for bucket in valued]
        case _:
            heights = [_height(bucket, kind) for bucket in valued]
    low, high = min([0.0, *heights]), max([0.0, *heights])
    return low * AIR, high * AIR if high > 0 else max(1.0, -low * (AIR - 1))


def _ends(bucket: Bucket) -> Iterable[float]:
    """The lowest, the mean, the highest and the percentiles of a bucket, as far as they were asked for."""
    yield from (float(getattr(bucket, name)) for name in ("min", "mean", "max") if bucket.HasField(name))
    yield from (one.value for one in bucket.percentiles)


def _marks(bucket: Bucket) -> Iterable[float]:
    """What is marked: the mean, and where none was asked for all there is."""
    return [bucket.mean] if bucket.HasField("mean") else _ends(bucket)


def _draw_heights(axes: Axes, heights: Sequence[tuple[int, float]]) -> None:
    low, high = axes.get_ylim()
    line = (high - low) * LINE_SHARE
    axes.bar(
        [at + 0.5 for at, _ in heights],
        [height if abs(height) > line else math.copysign(line, height) for _, height in heights],
        BAR_SHARE,
        color=MOVEMENT,
        linewidth=0,
        zorder=4,
    )


def _draw_means(axes: Axes, buckets: Sequence[tuple[int, Bucket]]) -> None:
    """A band from the lowest to the highest, and the mean as a mark on it."""
    ranged = [(at, bucket) for at, bucket in buckets if bucket.HasField("min") and bucket.HasField("max")]
    axes.bar(
        [at + 0.5 for at, _ in ranged],
        [bucket.max - bucket.min for _, bucket in ranged],
        BAR_SHARE / 2,
        bottom=[bucket.min for _, bucket in ranged],
        color=RANGE,
        linewidth=0,
        zorder=3,
    )
    marks = [(at + 0.5, mark) for at, bucket in buckets for mark in _marks(bucket)]
    axes.plot(
        [at for at, _ in marks],
        [mark for _, mark in marks],
        linestyle="none",
        marker="o",
        markersize=MEAN_MARK,
        markeredgewidth=0,
        color=MOVEMENT,
        zorder=4,
    )


def _draw_durations(axes: Axes, buckets: Sequence[tuple[int, Bucket]], codes: Sequence[str]) -> None:
    """Codes on top of each other, in hours."""
    places, foot = [at + 0.5 for at, _ in buckets], [0.0] * len(buckets)
    for number, code in enumerate(codes):
        hours = [_hours(bucket).get(code, 0.0) for _, bucket in buckets]
        axes.bar(places, hours, BAR_SHARE, bottom=foot, color=CODES[number % len(CODES)], linewidth=0, zorder=4)
        foot = [low + more for low, more in zip(foot, hours, strict=True)]


def codes_of(buckets: Iterable[Bucket]) -> list[str]:
    """The codes of all buckets, each once, by name."""
    return sorted({one.code for bucket in buckets for one in bucket.durations})


def _hours(bucket: Bucket) -> dict[str, float]:
    return {one.code: one.duration.ToTimedelta() / timedelta(hours=1) for one in bucket.durations}


def _draw_scale(axes: Axes) -> None:
    """A few round numbers to the left, a faint line through each, and a stronger one at zero."""
    from matplotlib.ticker import MaxNLocator

    low, high = axes.get_ylim()
    for tick in MaxNLocator(nbins=5).tick_values(low, high):
        if low <= tick <= high:
            axes.axhline(tick, color=INK, linewidth=0.6, alpha=0.5 if tick == 0 else 0.14, zorder=1)
            axes.annotate(
                f"{tick:,.10g}",
                (0, tick),
                (-8, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                family=FONTS,
                size=SMALL,
                color=FAINT_INK,
            )


# ---- beside the bars -------------------------------------------------------------------------------------------------


def _draw_strip(axes: Axes, buckets: Sequence[Bucket]) -> None:
    """How the minutes of each bucket divide: with values, not worn, and not known."""
    axes.set(xlim=(0, len(buckets)), ylim=(0, 1))
    covered, not_worn = list[tuple[float, float]](), list[tuple[float, float]]()
    for at, bucket in enumerate(buckets):
        minutes = bucket.covered_minutes + bucket.not_worn_minutes + bucket.unset_minutes
        if minutes:
            edge = max(BAR_SHARE * bucket.covered_minutes / minutes, SEEN if bucket.covered_minutes else 0.0)
            covered.append((at + (1 - BAR_SHARE) / 2, edge))
            not_worn.append((at + (1 - BAR_SHARE) / 2 + edge, BAR_SHARE * bucket.not_worn_minutes / minutes))
    slots = [(at + (1 - BAR_SHARE) / 2, BAR_SHARE) for at in range(len(buckets))]
    axes.broken_barh(slots, (0, 1), facecolor="none", edgecolor=actogram.SWATCH_LINES, linewidth=0.6, zorder=1)
    actogram.draw_not_worn(axes, not_worn, (0, 1))
    axes.broken_barh(covered, (0, 1), facecolor=WORN, linewidth=0, zorder=3)


def _draw_labels(axes: Axes, buckets: Sequence[Bucket]) -> None:
    """When buckets begin, as many as have room."""
    step = math.ceil(len(buckets) / LABELS_MAX)
    by_day = all(_is_midnight(known(bucket.start)) for bucket in buckets)
    for at, bucket in list(enumerate(buckets))[::step]:
        axes.annotate(
            label_of(known(bucket.start), by_day=by_day),
            (at + 0.5, 0),
            (0, -6),
            textcoords="offset points",
            ha="center",
            va="top",
            family=FONTS,
            size=SMALL,
            color=INK,
        )


def label_of(start: datetime, *, by_day: bool) -> str:
    """When a bucket begins, on two lines."""
    day = f"{start.day} {actogram.MONTHS[start.month - 1]}"
    if by_day:
        return f"{actogram.WEEKDAYS[start.weekday()]}\n{day}"
    return f"{start:%H:%M}\n{day}"


def _is_midnight(time: datetime) -> bool:
    return time.tzinfo is None and not (time.hour or time.minute or time.second)


def _draw_legend(sheet: Axes, chart: Chart, kind: Kind) -> None:
    from matplotlib.patches import Rectangle

    x, y = actogram.LEFT, BOTTOM + STRIP + BETWEEN + HEIGHT + TOP - 1.37
    for name, face, lines, hatch in _swatches(chart, kind):
        swatch = Rectangle((x, y), actogram.SWATCH_WIDTH, actogram.SWATCH_HEIGHT, facecolor=face, edgecolor=lines)
        swatch.set(linewidth=0.6 if hatch is None else 0, hatch=hatch, hatch_linewidth=0.4)
        sheet.add_patch(swatch)
        x += actogram.SWATCH_WIDTH + 0.07
        x += actogram.write(sheet, x, y + 0.005, name, WIDTH - x, size=SMALL) + 0.24


def _swatches(chart: Chart, kind: Kind) -> Iterable[tuple[str, str, str, str | None]]:
    codes = codes_of(chart.buckets) if kind is Kind.DURATION else []
    for number, code in enumerate(codes):
        colour = CODES[number % len(CODES)]
        yield f"{code}, hours" if number == 0 else code, colour, colour, None
    if kind in NAMES:
        unit = f", {chart.unit}" if chart.unit and kind is not Kind.COUNT else ""
        yield f"{NAMES[kind]}{unit}", MOVEMENT, MOVEMENT, None
    if kind is Kind.MEAN:
        yield "lowest to highest", RANGE, RANGE, None
    yield "not worn", actogram.NOT_WORN, actogram.NOT_WORN_LINES, actogram.NOT_WORN_HATCH
    yield "nobody said anything", actogram.PAPER, actogram.SWATCH_LINES, None


def _draw_caption(sheet: Axes) -> None:
    words = (
        "Below the bars: for how much of the time there are values, how much was not worn, and how much is not known."
    )
    room = WIDTH - actogram.LEFT - actogram.RIGHT
    actogram.write(sheet, actogram.LEFT, 0.36, words, room, size=SMALL, style="italic", color=FAINT_INK)

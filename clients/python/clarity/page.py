"""The page: a recording on one sheet, to be read across and down.

Each row is a day: its movement, how much of it was worn, and the night that led to it. Under the rows stands the
average day, on the same hours, with its five quietest and its ten most active hours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clarity import actogram
from clarity.actogram import DAY_MINUTES_MAX, FAINT_INK, FONTS, HOURS, INK, SMALL, DayTrace

if TYPE_CHECKING:  # as in `actogram`: only drawing needs matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

DAY_MINUTES = 1440
HOUR_MINUTES = 60
L5_MINUTES, M10_MINUTES = 300, 600
FIGURES_MAX = 8  # lines of numbers beside the average day

# The page, in inches; every column from its left edge, or to its right one.
POINTS = 72  # an inch
WIDTH = 15.2
TOP, BOTTOM = 2.2, 1.34  # above the rows; below the average day, where its hours and the caption stand
ROWS_WIDTH = 7.2
WORN_LEFT, WORN_WIDTH, WORN_ROOM = 8.92, 0.7, 0.46
NIGHTS_LEFT, NIGHTS_WIDTH = 10.56, 2.75
SLEPT_RIGHT, EFFICIENCY_RIGHT = 14.02, 14.72
ROWS_HEIGHT = 4.9  # of all rows together, as far as the limits of one allow
BETWEEN = 1.08  # from the last row to the average day
PROFILE_HEIGHT = 1.4
LINE = 0.2  # from one line of small text to the next
BAR_HEIGHT, BAR_SHARE_MAX = 0.15, 0.66  # of a night, from the foot of its row: in inches, and of the row
STRIP_LIFT, STRIP_HEIGHT = 0.023, 0.09  # of a coverage, likewise: it stands before the middle of its number
TIME_ROOM = 0.44  # for a clock time beside its night
APART = 0.2  # the names of two windows

EVENING_HOUR, NOON_HOUR = -6, 12  # of the nights, from midnight; wider where a sleep needs it
NIGHT_STEP_HOURS = 3
NAMED_ALL_HOURS = 42  # on a longer axis only every other hour has room for its name
PROFILE_ROOM = 1.06  # its highest bar leaves a little air

# As in `actogram`, told apart by lightness too.
NIGHT, NIGHT_EDGE = actogram.SLEEP, "#86a5c1"
WORN = "#54748e"
M10_SHADE = "#f6dfcc"  # L5 has the shade of sleep
SLOT = "#cfcabb"
OVER_LINES = {"boxstyle": "square,pad=0.1", "facecolor": actogram.PAPER, "linewidth": 0}  # of words over lines


@dataclass(frozen=True, slots=True)
class Sleep:
    """The main sleep of a night; clock minutes from the midnight its date begins with, negative the evening before."""

    onset_minute: int
    final_awakening_minute: int
    total_sleep_minutes: int
    efficiency_percent: float | None = None  # None: not shown
    wakes: tuple[tuple[int, int], ...] = ()  # ranges [start, end) of the same minutes, left blank in the bar


@dataclass(frozen=True, slots=True)
class NightBar:
    """The night that leads to a date: its sleep, or in a word or two why there is none."""

    date: date
    sleep: Sleep | str


@dataclass(frozen=True, slots=True)
class Window:
    """Some hours of the average day; they may run over midnight."""

    onset_minute: int  # 0 to 1439
    mean: float  # counts a minute


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The average day, its five quietest hours and its ten most active, or in a word or two why there are none."""

    counts: NDArray[np.floating]  # (1440,): by minute of the clock; NaN = none
    l5: Window | str
    m10: Window | str
    over: str = "all days"  # what it is the mean of, in the middle of a sentence


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """Everything that stands on a page."""

    days: Sequence[DayTrace]
    nights: Sequence[NightBar]
    profile: Profile | None
    title: str
    subtitle: str
    figures: Sequence[tuple[str, str]] = ()  # name and value of more numbers, set as they are
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many minutes of a day were worn, recorded but not worn, and not recorded."""

    worn: int
    not_worn: int
    missing: int

    @property
    def minutes(self) -> int:
        """All of them."""
        return self.worn + self.not_worn + self.missing


def draw(page: Page, path: Path) -> None:
    """Writes the page to `path`: a PNG, 15 inches wide, 200 dots an inch.

    Rows run from the first day to the last, at most `actogram.ROWS_MAX`. A date without a trace is an empty row; a
    night without a sleep is an empty slot with its reason, one that is not given with a dash. Up to 24 rows share the
    height of a landscape page; with more the page grows, so that every night can still be read. Equal pages give
    equal bytes.

    Simulated data is marked as such on the page and in the title inside the file.

    Raises `ValueError` for no days, two traces of one date, too many rows, a day of impossible length, and a range
    that leaves its day; for a night without a row, two nights of one date, a sleep that ends before it begins or
    leaves the days around its midnight, a wake outside of its sleep, and numbers no sleep can have; for an average
    day that has not 1440 minutes or is the mean of nothing, a window that begins at no minute of the clock, a reason
    without words, and more than `FIGURES_MAX` figures.
    """
    sheet = _sheet(page)
    actogram.save(sheet, path, title=page.title, subtitle=page.subtitle, simulated=page.simulated)


def compose(page: Page) -> Figure:
    """Returns the page as `draw` writes it, before it is made into dots. Raises what `draw` raises."""
    return actogram.figure_of(_sheet(page))


def average_day(days: Iterable[DayTrace]) -> NDArray[np.float64]:
    """Returns the mean of each clock minute over all days, shape (1440,); NaN where none was recorded and worn.

    Days of 23 and 25 hours are left out: a trace does not tell when its clock was moved.
    """
    sums, numbers = np.zeros(DAY_MINUTES), np.zeros(DAY_MINUTES)
    for day in days:
        if len(day.counts) == DAY_MINUTES:
            worn = _worn(day)
            sums[worn] += day.counts[worn]
            numbers[worn] += 1
    means = np.full(DAY_MINUTES, np.nan)
    np.divide(sums, numbers, out=means, where=numbers > 0)
    return means


def coverage(day: DayTrace) -> Coverage:
    """Returns how the minutes of a day divide."""
    recorded, worn = int(np.isfinite(day.counts).sum()), int(_worn(day).sum())
    return Coverage(worn, recorded - worn, len(day.counts) - recorded)


def _worn(day: DayTrace) -> NDArray[np.bool_]:
    """Which minutes have a value and were worn, one for each of the day."""
    worn: NDArray[np.bool_] = np.isfinite(day.counts)
    for start, end in day.not_worn:
        worn[start:end] = False
    return worn


# ---- what is refused -----------------------------------------------------------------------------------------


def _nights_by_date(nights: Sequence[NightBar], dates: Sequence[date]) -> dict[date, Sleep | str]:
    """The nights by their date, if each can be drawn in a row of `dates`."""
    for night in nights:
        if not dates[0] <= night.date <= dates[-1]:
            raise ValueError(f"the night of {night.date} has no row: the days are {dates[0]} to {dates[-1]}")
        if isinstance(night.sleep, Sleep):
            _check_sleep(night.date, night.sleep)
        elif not night.sleep.strip():
            raise ValueError(f"the night of {night.date} has neither a sleep nor a reason")
    sleeps = {night.date: night.sleep for night in nights}
    if len(sleeps) < len(nights):
        raise ValueError(f"{len(nights)} nights have only {len(sleeps)} dates: give one night a date")
    return sleeps


def _check_sleep(day: date, sleep: Sleep) -> None:
    onset, awakening = sleep.onset_minute, sleep.final_awakening_minute
    if not -DAY_MINUTES <= onset < awakening <= DAY_MINUTES_MAX:
        raise ValueError(
            f"the sleep of {day} is [{onset}, {awakening}): it must end after it begins, "
            f"within {-DAY_MINUTES} and {DAY_MINUTES_MAX} minutes of midnight"
        )
    if not 0 <= sleep.total_sleep_minutes <= DAY_MINUTES_MAX:
        raise ValueError(f"the sleep of {day} has {sleep.total_sleep_minutes} minutes, not 0 to {DAY_MINUTES_MAX}")
    if sleep.efficiency_percent is not None and not 0 <= sleep.efficiency_percent <= 100:  # noqa: PLR2004 percent
        raise ValueError(f"the sleep of {day} has an efficiency of {sleep.efficiency_percent}, not 0 to 100")
    for start, end in sleep.wakes:
        if not onset <= start <= end <= awakening:
            raise ValueError(f"the sleep of {day} is [{onset}, {awakening}), and the wake [{start}, {end}) leaves it")


def _check_beside(page: Page) -> None:
    """What stands under the rows, if it can be drawn."""
    if len(page.figures) > FIGURES_MAX:
        raise ValueError(f"{len(page.figures)} figures are given, and a page has at most {FIGURES_MAX}")
    if page.profile is None:
        return
    counts = page.profile.counts
    if counts.shape != (DAY_MINUTES,):
        raise ValueError(f"the average day has shape {counts.shape}, not ({DAY_MINUTES},)")
    if np.isinf(counts).any() or (counts < 0).any():
        raise ValueError("the average day has counts that are infinite or below 0")
    if not page.profile.over.strip():
        raise ValueError("the average day does not say what it is the mean of")
    _check_window("L5", page.profile.l5)
    _check_window("M10", page.profile.m10)


def _check_window(name: str, window: Window | str) -> None:
    if isinstance(window, str):
        if not window.strip():
            raise ValueError(f"{name} is neither a window nor a reason")
        return
    if not 0 <= window.onset_minute < DAY_MINUTES:
        raise ValueError(f"{name} begins at minute {window.onset_minute}, not 0 to {DAY_MINUTES - 1}")
    if not 0 <= window.mean < math.inf:
        raise ValueError(f"{name} has a mean of {window.mean} counts a minute, which is no count")


# ---- the sheet -----------------------------------------------------------------------------------------------


def _sheet(page: Page) -> Axes:
    """The whole page, in inches."""
    traces = actogram.by_date(page.days)
    dates = actogram.calendar(traces)
    nights = _nights_by_date(page.nights, dates)
    _check_beside(page)
    full = actogram.full_height(page.days)
    row = min(actogram.ROW_HEIGHT_MAX, max(actogram.ROW_HEIGHT_MIN, ROWS_HEIGHT / len(dates)))
    foot, height = BOTTOM + PROFILE_HEIGHT + BETWEEN, row * len(dates)
    sheet = actogram.sheet(WIDTH, foot + height + TOP)
    rows = actogram.panel(sheet, actogram.LEFT, foot, ROWS_WIDTH, height)
    actogram.draw_rows(rows, traces, dates, full)
    _draw_coverage(actogram.panel(sheet, WORN_LEFT, foot, WORN_WIDTH, height), traces, dates)
    _draw_nights(actogram.panel(sheet, NIGHTS_LEFT, foot, NIGHTS_WIDTH, height), nights, dates)
    _draw_profile(sheet, page.profile)
    _draw_figures(sheet, [*_own_figures(page), *page.figures])
    _draw_heads(sheet, foot + height)
    _draw_caption(sheet, full, page.profile)
    actogram.draw_heading(sheet, page.title, page.subtitle)
    actogram.draw_legend(sheet)
    if page.simulated:
        actogram.draw_stamp(sheet, foot + height / 2)
    return sheet


def _draw_heads(sheet: Axes, head: float) -> None:
    """The names of the columns; `head` is where the rows begin."""
    for x, name in ((actogram.LEFT, "Movement"), (WORN_LEFT, "Worn"), (NIGHTS_LEFT, "The night before")):
        _put(sheet, x, head + 0.36, name, size=actogram.SUBTITLE)
    for x, name in ((SLEPT_RIGHT, "asleep"), (EFFICIENCY_RIGHT, "efficiency")):
        _put(sheet, x, head + 5 / POINTS, name, "right", color=FAINT_INK)


def _draw_caption(sheet: Axes, full: float, profile: Profile | None) -> None:
    rows = "Each row shows a day and, to its right, the day after, so that every night is seen whole;"
    beside = "then how much of the day was worn, and the night that led to it, from falling asleep to waking."
    scale = "Movement: five-minute means on a square-root scale."
    cap = f"A full row is {full:,g} counts a minute; higher bars are cut off there."
    night = "Blank in a night: awake. Efficiency: minutes asleep of those at rest."
    lines = [f"{rows} {beside}", f"{scale} {cap} {night}"]
    if profile is not None:
        mean = f"the mean of {profile.over} by the clock, worn minutes only, on an even scale, drawn twice."
        windows = "L5 and M10: its five quietest and its ten most active hours, and their means."
        lines.append(f"The average day: {mean} {windows}")
    for number, line in enumerate(reversed(lines)):
        room = WIDTH - actogram.LEFT - actogram.RIGHT
        actogram.write(
            sheet, actogram.LEFT, 0.36 + LINE * number, line, room, size=SMALL, style="italic", color=FAINT_INK
        )


def _put(
    sheet: Axes, x: float, y: float, words: str, align: str = "left", *, size: float = SMALL, color: str = INK
) -> Text:
    """One line, so many inches from the lower left."""
    return sheet.text(x, y, words, ha=align, size=size, color=color, family=FONTS, parse_math=False)


def _beside(axes: Axes, x: float, row: int, words: str, away: float, align: str, color: str = INK) -> None:
    """Small text at the foot of a row, so many inches away from x."""
    axes.annotate(
        words,
        (x, row + 1),
        (POINTS * away, 1.5),  # as high as the dates of the rows
        textcoords="offset points",
        ha=align,
        size=SMALL,
        color=color,
        family=FONTS,
        parse_math=False,
        bbox=OVER_LINES,
    )


def clock(minute: int) -> str:
    """Returns what a clock shows so many minutes after midnight, like 07:03; negative ones are of the day before."""
    hour, minute = divmod(minute % DAY_MINUTES, HOUR_MINUTES)
    return f"{hour:02}:{minute:02}"


# ---- beside the rows -----------------------------------------------------------------------------------------


def _foot(axes: Axes, row: int, lift: float, height: float) -> tuple[float, float]:
    """The upper edge and the height, in rows, of a bar that stands so many inches above the foot of its row."""
    upper, lower = axes.get_ylim()[::-1]
    inch = (lower - upper) * actogram.DPI / axes.get_window_extent().height
    return row + 1 - (lift + height) * inch, height * inch


def _draw_coverage(axes: Axes, traces: Mapping[date, DayTrace], dates: Sequence[date]) -> None:
    """A strip for each day, worn, not worn and nothing, and the share that was worn."""
    axes.set(xlim=(0, 1), ylim=(len(dates), 0))
    for row, day in enumerate(dates):
        place = _foot(axes, row, STRIP_LIFT, STRIP_HEIGHT)
        parts = coverage(traces[day]) if day in traces else Coverage(0, 0, DAY_MINUTES)
        worn, not_worn = parts.worn / parts.minutes, parts.not_worn / parts.minutes
        axes.broken_barh([(0, worn)], place, facecolor=WORN, linewidth=0)
        actogram.draw_not_worn(axes, [(worn, not_worn)], place)
        axes.broken_barh([(0, 1)], place, facecolor="none", edgecolor=SLOT, linewidth=0.6, zorder=3)
        color = INK if parts.worn else FAINT_INK
        _beside(axes, 1, row, _percent(100 * worn), WORN_ROOM, "right", color)


def _percent(percent: float) -> str:
    """A share that says 100 % only of all and 0 % only of nothing."""
    whole = round(percent)
    if 0 < percent < 100:  # noqa: PLR2004 percent
        whole = min(99, max(1, whole))
    return f"{whole} %"


def _draw_nights(axes: Axes, nights: Mapping[date, Sleep | str], dates: Sequence[date]) -> None:
    """A bar for each night between its two clock times; a slot with the reason where there is none."""
    first, last = _night_hours([sleep for sleep in nights.values() if isinstance(sleep, Sleep)])
    axes.set(xlim=(first, last), ylim=(len(dates), 0))
    named_hours = 6 if last - first <= NAMED_ALL_HOURS else 12
    for hour in range(math.ceil(first / 6) * 6, last + 1, 6):
        actogram.draw_hour(axes, hour, clock(hour * HOUR_MINUTES) if hour % named_hours == 0 else "")
    row_height = axes.get_window_extent().height / actogram.DPI / len(dates)
    height = min(BAR_HEIGHT, BAR_SHARE_MAX * row_height)
    for row, day in enumerate(dates):
        place = _foot(axes, row, 0, height)
        sleep = nights.get(day, "–")
        if isinstance(sleep, Sleep):
            _draw_sleep(axes, sleep, row, place)
        else:
            _draw_slot(axes, sleep, place)


def _night_hours(sleeps: Sequence[Sleep]) -> tuple[int, int]:
    """Where the axis of the nights begins and ends, in hours from midnight: every sleep and its times have room."""
    first, last = EVENING_HOUR, NOON_HOUR
    while True:
        room = TIME_ROOM / NIGHTS_WIDTH * (last - first)
        early = any(sleep.onset_minute / HOUR_MINUTES - room < first for sleep in sleeps)
        late = any(sleep.final_awakening_minute / HOUR_MINUTES + room > last for sleep in sleeps)
        if not early and not late:
            return first, last
        first, last = first - NIGHT_STEP_HOURS * early, last + NIGHT_STEP_HOURS * late


def _draw_sleep(axes: Axes, sleep: Sleep, row: int, place: tuple[float, float]) -> None:
    """The bar of a sleep with its wakes left blank, its times on either side, and how long and how well."""
    onset, awakening = sleep.onset_minute / HOUR_MINUTES, sleep.final_awakening_minute / HOUR_MINUTES
    wakes = [(start / HOUR_MINUTES, (end - start) / HOUR_MINUTES) for start, end in sleep.wakes]
    whole = [(onset, awakening - onset)]
    axes.broken_barh(whole, place, facecolor=NIGHT, linewidth=0, zorder=4)
    axes.broken_barh(wakes, place, facecolor=actogram.PAPER, linewidth=0, zorder=5)
    axes.broken_barh(whole, place, facecolor="none", edgecolor=NIGHT_EDGE, linewidth=0.5, zorder=6)
    _beside(axes, onset, row, clock(sleep.onset_minute), -0.06, "right", FAINT_INK)
    _beside(axes, awakening, row, clock(sleep.final_awakening_minute), 0.06, "left", FAINT_INK)
    _, right = axes.get_xlim()
    hours, minutes = divmod(sleep.total_sleep_minutes, HOUR_MINUTES)
    edge = NIGHTS_LEFT + NIGHTS_WIDTH
    _beside(axes, right, row, f"{hours} h {minutes:02}", SLEPT_RIGHT - edge, "right")
    if sleep.efficiency_percent is not None:
        _beside(axes, right, row, _percent(sleep.efficiency_percent), EFFICIENCY_RIGHT - edge, "right")


def _draw_slot(axes: Axes, reason: str, place: tuple[float, float]) -> None:
    """An empty frame for a night without a sleep, and why."""
    (first, last), (top, height) = axes.get_xlim(), place
    whole = [(first, last - first)]
    axes.broken_barh(whole, place, facecolor=actogram.PAPER, edgecolor=SLOT, linewidth=0.6, zorder=4)
    middle = ((first + last) / 2, top + height / 2)
    text = axes.annotate(" ".join(reason.split()), middle, (0, -2.8), textcoords="offset points", parse_math=False)
    text.set(ha="center", size=SMALL, style="italic", color=FAINT_INK, family=FONTS, zorder=5)
    actogram.fit(text, NIGHTS_WIDTH - 0.2)


# ---- under the rows ------------------------------------------------------------------------------------------


def _draw_profile(sheet: Axes, profile: Profile | None) -> None:
    """The average day on the hours of the rows, twice, with its two windows."""
    bars = actogram.binned(profile.counts, actogram.MOVEMENT_BINS) if profile is not None else np.array([np.nan])
    known = np.isfinite(bars)
    heights = np.where(known, bars, 0.0)
    axes = _profile_frame(sheet, float(heights.max()) or 1.0)
    if profile is not None:
        _draw_windows(sheet, axes, profile)
    if not known.any():
        words = "no minute was worn" if profile is not None else "there is none"
        text = axes.text(HOURS, sum(axes.get_ylim()) / 2, words, family=FONTS, size=SMALL, style="italic")
        text.set(ha="center", va="center", color=FAINT_INK, bbox=OVER_LINES, zorder=5)
        return
    _draw_counts(axes)
    edges = np.linspace(0, 2 * HOURS, 2 * len(bars) + 1)
    axes.stairs(np.tile(heights, 2), edges, fill=True, color=actogram.MOVEMENT, linewidth=0, zorder=2)


def _profile_frame(sheet: Axes, full: float) -> Axes:
    """The empty frame of an average day that reaches `full` counts a minute."""
    _put(sheet, actogram.LEFT, BOTTOM + PROFILE_HEIGHT + 0.56, "The average day", size=actogram.SUBTITLE)
    axes = actogram.panel(sheet, actogram.LEFT, BOTTOM, ROWS_WIDTH, PROFILE_HEIGHT)
    axes.set(xlim=(0, 2 * HOURS), ylim=(0, PROFILE_ROOM * full))
    axes.hlines(0, 0, 2 * HOURS, color=INK, linewidth=0.6, alpha=0.5, zorder=3)
    for hour in range(0, 2 * HOURS + 1, 6):
        actogram.draw_hour(axes, hour)
        name = "24:00" if hour == 2 * HOURS else clock(hour * HOUR_MINUTES)
        _put(sheet, _inches(hour), BOTTOM - 0.2, name, "center", color=FAINT_INK)
    return axes


def _inches(hour: float) -> float:
    """Where an hour of the average day stands on the page."""
    return actogram.LEFT + ROWS_WIDTH * hour / (2 * HOURS)


def _draw_counts(axes: Axes) -> None:
    """Round counts a minute to the left, two to four of them above 0."""
    full = axes.get_ylim()[1] / PROFILE_ROOM
    unit = 10.0 ** math.floor(math.log10(full / 2))
    step = next((number * unit for number in (5, 2) if number * unit <= full / 2), unit)
    for number in range(int(full / step) + 1):
        axes.hlines(number * step, 0, 2 * HOURS, color=INK, linewidth=0.6, alpha=0.1 if number else 0, zorder=1)
        axes.annotate(
            f"{number * step:,g}",
            (0, number * step),
            (-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            family=FONTS,
            size=SMALL,
            color=FAINT_INK,
        )


def _draw_windows(sheet: Axes, axes: Axes, profile: Profile) -> None:
    """L5 and M10: shaded wherever they show, their mean as a line, and their names above."""
    m10 = _draw_window(sheet, axes, "M10", profile.m10, M10_MINUTES, M10_SHADE, second=False)
    l5 = _draw_window(sheet, axes, "L5", profile.l5, L5_MINUTES, actogram.SLEEP, second=True)
    _part(l5, m10)


def _draw_window(
    sheet: Axes, axes: Axes, name: str, window: Window | str, length: int, shade: str, *, second: bool
) -> list[Text]:
    """One window; returns the two lines that name it."""
    if isinstance(window, str):
        middle = 1.125 * HOURS if second else 0.5 * HOURS
        return _name_window(sheet, middle, name, " ".join(window.split()))
    onset, hours = window.onset_minute / HOUR_MINUTES, length / HOUR_MINUTES
    for start in (onset - HOURS, onset, onset + HOURS):
        low, high = max(0.0, start), min(2.0 * HOURS, start + hours)
        if low < high:
            axes.axvspan(low, high, facecolor=shade, linewidth=0, zorder=0)
            axes.hlines(window.mean, low, high, color=actogram.PAPER, linewidth=2.4, zorder=4)
            axes.hlines(window.mean, low, high, color=INK, linewidth=1.2, zorder=5)
    if second and onset + HOURS + hours <= 2 * HOURS:
        onset += HOURS
    times = f"{name}  {clock(window.onset_minute)}–{clock(window.onset_minute + length)}"
    return _name_window(sheet, onset + hours / 2, times, f"{_short(window.mean)} counts a minute")


def _short(mean: float) -> str:
    """A mean with three digits or more."""
    return f"{mean:,.0f}" if mean >= 100 else f"{mean:.3g}"  # noqa: PLR2004 three digits


def _name_window(sheet: Axes, middle: float, name: str, fact: str) -> list[Text]:
    x, y = _inches(middle), BOTTOM + PROFILE_HEIGHT
    lines = [_put(sheet, x, y + 0.23, name, "center"), _put(sheet, x, y + 0.06, fact, "center", color=FAINT_INK)]
    for line in lines:
        actogram.fit(line, ROWS_WIDTH / 2 - APART)
    return lines


def _part(*names: list[Text]) -> None:
    """Moves names that would touch apart, and none beyond the hours."""
    widths = [max(text.get_window_extent().width for text in lines) / actogram.DPI for lines in names]
    middles = [lines[0].get_position()[0] for lines in names]
    one, other = sorted(range(2), key=lambda number: middles[number])
    need = sum(widths) / 2 + APART
    push = max(0.0, need - (middles[other] - middles[one])) / 2
    lowest, highest = actogram.LEFT + widths[one] / 2, actogram.LEFT + ROWS_WIDTH - widths[other] / 2
    left = min(max(lowest, middles[one] - push), highest - need)
    right = max(left + need, min(highest, middles[other] + push))
    for lines, x in ((names[one], left), (names[other], right)):
        for text in lines:
            text.set_x(x)


def _own_figures(page: Page) -> list[tuple[str, str]]:
    """What the page itself can count."""
    parts = [coverage(day) for day in page.days]
    worn, recorded = sum(part.worn for part in parts), sum(part.worn + part.not_worn for part in parts)
    named = sum(isinstance(night.sleep, Sleep) for night in page.nights)
    share = f" ({_percent(100 * worn / recorded)})" if recorded else ""
    figures = [("Worn", f"{worn:,} of {recorded:,} recorded minutes{share}")]
    if page.nights:
        figures.append(("Nights", f"{named} of {len(page.nights)} have a main sleep"))
    return figures


def _draw_figures(sheet: Axes, figures: Sequence[tuple[str, str]]) -> None:
    """Names and values in two columns beside the average day."""
    head = BOTTOM + PROFILE_HEIGHT
    _put(sheet, WORN_LEFT, head + 0.56, "In numbers", size=actogram.SUBTITLE)
    for number, (name, value) in enumerate(figures):
        y = head + 0.23 - LINE * number
        actogram.write(sheet, WORN_LEFT, y, name, NIGHTS_LEFT - WORN_LEFT - 0.1, size=SMALL, color=FAINT_INK)
        actogram.write(sheet, NIGHTS_LEFT, y, value, EFFICIENCY_RIGHT - NIGHTS_LEFT, size=SMALL)

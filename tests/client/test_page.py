"""The page: every column says what it shows, nothing is written over anything else, and what is missing is named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from io import BytesIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase
from numpy.typing import NDArray

from clarity import actogram, page
from clarity.actogram import DayTrace
from clarity.page import NightBar, Page, Profile, Sleep, Window, average_day, clock, compose, coverage, draw

FIRST = date(1918, 1, 23)
Pixels = NDArray[np.uint8]


def day(
    offset: int = 0,
    *,
    minutes: int = 1440,
    count: float = 100.0,
    asleep: tuple[tuple[int, int], ...] = (),
    not_worn: tuple[tuple[int, int], ...] = (),
) -> DayTrace:
    """Returns the day `offset` days after the first, with the same count in every minute."""
    counts = np.full(minutes, count, dtype=np.float32)
    return DayTrace(FIRST + timedelta(days=offset), counts, asleep, not_worn)


def night(offset: int, onset: int = -60, awakening: int = 420, *, total: int = 430) -> NightBar:
    """Returns the night that leads to the day `offset` days after the first."""
    sleep = Sleep(onset, awakening, total, 91.6, ((onset + 30, onset + 40),))
    return NightBar(FIRST + timedelta(days=offset), sleep)


def profile(l5: Window | str = "not worn", m10: Window | str = "not worn", *, count: float = 50.0) -> Profile:
    """Returns an average day with the same count in every minute."""
    return Profile(np.full(1440, count), l5, m10)


def sheet(
    days: Sequence[DayTrace],
    nights: Sequence[NightBar] = (),
    average: Profile | None = None,
    *,
    title: str = "Example",
    figures: Sequence[tuple[str, str]] = (),
    simulated: bool = False,
) -> Page:
    """Returns a page with a heading."""
    return Page(days, nights, average, title, "23 January 1918", figures, simulated)


def weeks(days: int) -> Page:
    """Returns a page of so many days, with a night before each, some unknown."""
    nights = [night(offset) if offset % 5 else NightBar(day(offset).date, "not worn") for offset in range(days)]
    windows = profile(Window(66, 14.3), Window(450, 279.6))
    figures = [(f"Number {number}", "0.75") for number in range(page.FIGURES_MAX)]
    return sheet([day(offset) for offset in range(days)], nights, windows, figures=figures)


def picture(shown: Page) -> Pixels:
    """Returns the drawn page, shape (height, width, 4), 0 to 255."""
    figure, dots = compose(shown), BytesIO()
    figure.savefig(dots, format="raw")  # what a file holds, without the time it takes to compress it
    width, height = figure.canvas.get_width_height()
    return np.frombuffer(dots.getbuffer(), np.uint8).reshape(height, width, 4)


def texts(figure: Figure) -> dict[Text, Bbox]:
    """Returns every text on the page with its place in dots."""
    figure.draw_without_rendering()  # only now does a text that stands beside something know where it is
    shown = [text for text in figure.findobj(lambda artist: isinstance(artist, Text)) if isinstance(text, Text)]
    return {text: Text.get_window_extent(text) for text in shown if text.get_text()}


def said(shown: Page) -> list[str]:
    """Returns the words on the page."""
    return [text.get_text() for text in texts(compose(shown))]


def touching(shown: Page) -> list[tuple[str, str]]:
    """Returns the texts that lie over each other, with "edge" those that leave the page, with "panel" a drawing."""
    figure = compose(shown)
    places = texts(figure)
    sheet_axes, *panels = figure.axes
    leaving = [(text.get_text(), "edge") for text, box in places.items() if not _within(box, figure.bbox)]
    covering = [
        (text.get_text(), "panel")
        for text, box in places.items()
        if text.axes is sheet_axes and any(_overlap(box, panel.bbox) for panel in panels)
    ]
    pairs = combinations(places.items(), 2)
    over = [(one.get_text(), other.get_text()) for (one, a), (other, b) in pairs if _overlap(a, b)]
    return leaving + covering + over


def _within(inner: Bbox, outer: BboxBase) -> bool:
    return bool(inner.x0 >= outer.x0 and inner.y0 >= outer.y0 and inner.x1 <= outer.x1 and inner.y1 <= outer.y1)


def _overlap(a: Bbox, b: BboxBase) -> bool:
    return bool(a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1)


def column(pixels: Pixels, left: float, width: float, rows: int) -> Pixels:
    """Returns the rows of a column that begins and is as wide as so many inches, without its edges."""
    height = rows * min(actogram.ROW_HEIGHT_MAX, page.ROWS_HEIGHT / rows)
    edges = (page.TOP, page.TOP + height, left, left + width)
    above, below, before, after = (round(inches * actogram.DPI) for inches in edges)
    return pixels[above:below, before + 3 : after - 3]


def average(pixels: Pixels) -> Pixels:
    """Returns the place of the average day, its upper fifth."""
    bottom, width = len(pixels), page.ROWS_WIDTH
    edges = (page.BOTTOM + page.PROFILE_HEIGHT, page.BOTTOM + 0.8 * page.PROFILE_HEIGHT)
    above, below = (bottom - round(inches * actogram.DPI) for inches in edges)
    before, after = (round(inches * actogram.DPI) for inches in (actogram.LEFT, actogram.LEFT + width))
    return pixels[above + 3 : below, before:after]


def share(pixels: Pixels, colour: str) -> float:
    """Returns how much of the pixels has a colour, give or take a rounding."""
    return float(np.mean(np.abs(pixels[..., :3] / 255 - to_rgb(colour)).max(axis=-1) < 2 / 255))


def hours_of(pixels: Pixels, colour: str) -> list[bool]:
    """Returns for each of the 48 hours of the average day whether it has this shade."""
    parts = np.array_split(average(pixels), 48, axis=1)
    return [share(part, colour) > 0.4 for part in parts]


# ---- the sheet -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, 4, 13, 40])
def test_no_text_touches_another_or_leaves_the_page(days: int) -> None:
    assert touching(weeks(days)) == []


def test_every_page_is_as_wide_and_days_that_fit_share_a_landscape_one() -> None:
    def height(rows: int) -> float:
        width, height = compose(sheet([day(offset) for offset in {0, rows - 1}])).get_size_inches()
        assert width == page.WIDTH
        return float(height)

    landscape = height(7)
    assert 1.3 < page.WIDTH / landscape < 1.45
    assert height(13) == height(24) == pytest.approx(landscape)
    assert 3 < height(1) < height(3) < landscape
    assert page.WIDTH < height(60) < height(actogram.ROWS_MAX)  # the rows grow no smaller: the page grows


def test_equal_pages_are_equal_files_whatever_the_order_of_what_is_given(tmp_path: Path) -> None:
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    draw(sheet([day(0), day(1, count=5)], [night(0), night(1, 30)], profile()), one)
    draw(sheet([day(1, count=5), day(0)], [night(1, 30), night(0)], profile()), other)
    assert one.read_bytes() == other.read_bytes()


def test_simulated_days_are_marked_on_the_page_and_in_the_file(tmp_path: Path) -> None:
    def filed(*, simulated: bool) -> tuple[Pixels, bytes]:
        path = tmp_path / "page.png"
        draw(sheet([day()], simulated=simulated), path)
        return (imread(path) * 255).round().astype(np.uint8), path.read_bytes()

    marked, inside = filed(simulated=True)
    assert share(marked, actogram.WARNING) > 0
    assert b"SIMULATED: Example" in inside
    real, inside = filed(simulated=False)
    assert share(real, actogram.WARNING) == 0
    assert b"SIMULATED" not in inside
    np.testing.assert_array_equal(real, picture(sheet([day()])))  # what the other tests look at is what is filed


@pytest.mark.parametrize("words", ["", r"$\frac{", "a\nb", "long " * 200, "W" * 300])
def test_any_words_are_set_as_they_are_and_touch_nothing(tmp_path: Path, words: str) -> None:
    reason = words or "gap"
    nights = [NightBar(FIRST, reason)]
    average = Profile(np.full(1440, 50.0), reason, reason, over=reason)
    shown = sheet([day()], nights, average, title=words, figures=[(words, words)], simulated=True)
    assert touching(shown) == []
    draw(shown, tmp_path / "page.png")
    assert imread(tmp_path / "page.png").shape[1] == round(page.WIDTH * actogram.DPI)


def test_a_page_is_drawn_without_a_display_and_without_pyplot(tmp_path: Path) -> None:
    client = Path(page.__file__).parents[1]
    program = f"""
import sys, datetime, pathlib, numpy
from clarity.actogram import DayTrace
from clarity.page import Page, draw
assert "matplotlib" not in sys.modules
day = DayTrace(datetime.date(1918, 1, 23), numpy.zeros(1440, "f4"), (), ())
draw(Page([day], [], None, "t", "s"), pathlib.Path({str(tmp_path / "page.png")!r}))
assert "matplotlib.pyplot" not in sys.modules
"""
    quiet = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=client, env=quiet)
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


# ---- the nights ----------------------------------------------------------------------------------------------


def test_a_night_tells_when_it_began_and_ended_and_how_long_and_how_well_it_was_slept() -> None:
    words = said(sheet([day()], [night(0, -98, 423, total=471)]))
    assert {"22:22", "07:03", "7 h 51", "92 %"} <= set(words)


def test_a_night_is_as_long_as_it_lasted_with_its_wakes_left_blank() -> None:
    def width(shown: Sleep) -> float:
        pixels = picture(sheet([day()], [NightBar(FIRST, shown)]))
        return share(column(pixels, page.NIGHTS_LEFT, page.NIGHTS_WIDTH, 1), page.NIGHT)

    whole = width(Sleep(-60, 420, 480))
    assert width(Sleep(0, 240, 240)) == pytest.approx(whole / 2, rel=0.05)
    assert width(Sleep(-60, 420, 360, wakes=((0, 120),))) == pytest.approx(whole * 3 / 4, rel=0.05)


@pytest.mark.parametrize("reason", ["not worn", "no recording", "too short"])
def test_a_night_without_a_sleep_is_an_empty_slot_with_its_reason(reason: str) -> None:
    shown = sheet([day()], [NightBar(FIRST, reason)])
    words = said(shown)
    assert reason in words
    assert not any(" h " in word for word in words)
    assert share(column(picture(shown), page.NIGHTS_LEFT, page.NIGHTS_WIDTH, 1), page.NIGHT) == 0


def test_a_night_that_is_not_given_is_a_dash() -> None:
    assert said(sheet([day(0), day(1)], [night(1)])).count("–") == 1


@pytest.mark.parametrize(
    ("onset", "awakening"),
    [(-720, -200), (-1440, -1380), (-1440, 1500), (700, 1200), (1400, 1500), (0, 1), (-361, 721), (-360, 720)],
)
def test_a_sleep_at_any_hour_finds_its_place(onset: int, awakening: int) -> None:
    shown = sheet([day(0), day(1)], [night(0), NightBar(day(1).date, Sleep(onset, awakening, 605))])
    assert {clock(onset), clock(awakening), "10 h 05"} <= set(said(shown))
    assert touching(shown) == []


def test_almost_all_is_not_rounded_to_all() -> None:
    words = said(sheet([day(not_worn=((0, 1),))], [NightBar(FIRST, Sleep(0, 400, 400, 99.8))]))
    assert words.count("99 %") == 2
    assert "1,439 of 1,440 recorded minutes (99 %)" in words


# ---- the coverage --------------------------------------------------------------------------------------------


def test_a_day_divides_into_worn_not_worn_and_missing_minutes() -> None:
    trace = day(not_worn=((0, 300),))
    trace.counts[200:500] = np.nan
    assert coverage(trace) == page.Coverage(worn=940, not_worn=200, missing=300)


def test_the_strip_of_a_day_shows_what_was_worn() -> None:
    def strip(trace: DayTrace) -> Pixels:
        return column(picture(sheet([trace])), page.WORN_LEFT, page.WORN_WIDTH, 1)

    whole = share(strip(day()), page.WORN)
    half = strip(day(not_worn=((0, 720),)))
    assert share(half, page.WORN) == pytest.approx(whole / 2, rel=0.05)
    assert share(half, actogram.NOT_WORN) > whole / 5
    assert share(strip(day(count=np.nan)), page.WORN) == 0


def test_the_numbers_given_stand_beside_those_that_the_page_counts() -> None:
    words = said(sheet([day()], [night(0)], figures=[("Interdaily stability", "0.54")]))
    assert {"Interdaily stability", "0.54", "1 of 1 have a main sleep"} <= set(words)


# ---- the average day -----------------------------------------------------------------------------------------


def test_the_average_day_leaves_out_what_is_missing_or_not_worn() -> None:
    days = [day(0, count=10), day(1, count=30, not_worn=((0, 60),)), day(2, count=np.nan)]
    days[0].counts[60:90] = np.nan
    mean = average_day(days)
    np.testing.assert_array_equal(mean[:60], 10)
    np.testing.assert_array_equal(mean[60:90], 30)
    np.testing.assert_array_equal(mean[90:], 20)


def test_a_minute_that_was_never_worn_has_no_average() -> None:
    mean = average_day([day(not_worn=((100, 200),))])
    assert np.isnan(mean[100:200]).all()
    assert np.isfinite(mean[200:]).all()
    assert np.isnan(average_day([])).all()


def test_the_page_says_what_the_average_day_is_the_mean_of_if_there_is_one() -> None:
    def captions(average: Profile | None) -> list[str]:
        return [line for line in said(sheet([day()], [], average)) if line.startswith("The average day: ")]

    week = Profile(np.full(1440, 50.0), "gap", "gap", over="the week from Fri 25 Jan")
    assert [line.partition(" by")[0] for line in captions(week)] == [
        "The average day: the mean of the week from Fri 25 Jan"
    ]
    assert [line.partition(" by")[0] for line in captions(profile())] == ["The average day: the mean of all days"]
    assert captions(None) == []


@pytest.mark.parametrize("minutes", [1380, 1500])
def test_a_day_of_a_clock_change_is_in_no_average_but_on_the_page(minutes: int) -> None:
    uneven = day(1, minutes=minutes, count=900)
    np.testing.assert_array_equal(average_day([day(0), uneven]), 100)
    assert touching(sheet([day(0), uneven], [night(1)], profile())) == []


def test_the_windows_are_shaded_at_their_hours_on_both_days() -> None:
    few = profile(Window(120, 1.0), Window(600, 50.0))
    few.counts[:] = 1.0
    few.counts[0] = 1000.0  # leaves the upper part to the shades
    pixels = picture(sheet([day()], [], few))
    assert np.flatnonzero(hours_of(pixels, actogram.SLEEP)).tolist() == [2, 3, 4, 5, 6, 26, 27, 28, 29, 30]
    assert np.flatnonzero(hours_of(pixels, page.M10_SHADE)).tolist() == [*range(10, 20), *range(34, 44)]


def test_a_window_over_midnight_is_shaded_whole_and_named_with_both_its_times() -> None:
    few = profile(Window(23 * 60, 1.0), Window(15 * 60, 50.0))
    few.counts[:] = 1.0
    few.counts[720] = 1000.0
    shown = sheet([day()], [], few)
    assert {"L5  23:00–04:00", "M10  15:00–01:00"} <= set(said(shown))
    assert np.flatnonzero(hours_of(picture(shown), actogram.SLEEP)).tolist() == [
        *range(4),
        *range(23, 28),
        47,
    ]


@pytest.mark.parametrize("l5", [0, 360, 720, 1139, 1141])
@pytest.mark.parametrize("m10", [0, 450, 900, 1439])
def test_the_names_of_the_windows_never_touch(l5: int, m10: int) -> None:
    assert touching(sheet([day()], [], profile(Window(l5, 0.0), Window(m10, 123_456.7)))) == []


def test_a_window_that_cannot_be_told_is_named_with_its_reason() -> None:
    words = said(sheet([day()], [], profile(Window(60, 2.0), "undefined")))
    assert {"L5  01:00–06:00", "2 counts a minute", "M10", "undefined"} <= set(words)


def test_nothing_worn_is_a_page_that_says_so() -> None:
    nobody = [day(offset, count=0, not_worn=((0, 1440),)) for offset in range(3)]
    shown = sheet(nobody, [NightBar(day(1).date, "not worn")], Profile(average_day(nobody), "not worn", "not worn"))
    words = said(shown)
    assert "no minute was worn" in words
    assert "0 of 4,320 recorded minutes (0 %)" in words
    assert words.count("not worn") == 4  # legend, night, L5, M10
    assert touching(shown) == []


@pytest.mark.parametrize("count", [0.0, np.nan, 1e-30, 3e38])
def test_any_counts_make_a_page(count: float) -> None:
    shown = sheet([day(count=count)], [night(0)], profile("gap", "gap", count=count))
    assert touching(shown) == []
    assert picture(shown).any()


# ---- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        (sheet([]), "no days"),
        (sheet([day(0), day(0)]), "2 traces have only 1 dates"),
        (sheet([day(0), day(120)]), "121 rows, and a picture has at most 120"),
        (sheet([day(minutes=1379)]), "1918-01-23 has 1379 minutes"),
        (sheet([day(minutes=1501)]), "1918-01-23 has 1501 minutes"),
        (sheet([day(asleep=((1400, 1441),))]), r"\[1400, 1441\) leaves it"),
        (sheet([day(not_worn=((-1, 5),))]), r"\[-1, 5\) leaves it"),
        (sheet([day()], [night(1)]), "1918-01-24 has no row: the days are 1918-01-23 to 1918-01-23"),
        (sheet([day()], [night(0), night(0)]), "2 nights have only 1 dates"),
        (sheet([day()], [NightBar(FIRST, " ")]), "neither a sleep nor a reason"),
        (sheet([day()], [NightBar(FIRST, Sleep(400, 400, 0))]), r"\[400, 400\): it must end after it begins"),
        (sheet([day()], [NightBar(FIRST, Sleep(-1441, 0, 0))]), "within -1440 and 1500"),
        (sheet([day()], [NightBar(FIRST, Sleep(0, 1501, 0))]), "within -1440 and 1500"),
        (sheet([day()], [NightBar(FIRST, Sleep(0, 60, -1))]), "-1 minutes"),
        (sheet([day()], [NightBar(FIRST, Sleep(0, 60, 1501))]), "1501 minutes"),
        (sheet([day()], [NightBar(FIRST, Sleep(0, 60, 60, 101.0))]), "efficiency of 101.0, not 0 to 100"),
        (sheet([day()], [NightBar(FIRST, Sleep(0, 60, 60, None, ((50, 61),)))]), r"the wake \[50, 61\) leaves it"),
        (sheet([day()], [], Profile(np.zeros(24), "gap", "gap")), r"shape \(24,\), not \(1440,\)"),
        (sheet([day()], [], profile(count=-1)), "infinite or below 0"),
        (sheet([day()], [], profile(count=np.inf)), "infinite or below 0"),
        (sheet([day()], [], Profile(np.zeros(1440), "gap", "gap", over=" ")), "does not say what it is the mean of"),
        (sheet([day()], [], profile(Window(1440, 1.0))), "L5 begins at minute 1440, not 0 to 1439"),
        (sheet([day()], [], profile("gap", Window(0, np.nan))), "M10 has a mean of nan"),
        (sheet([day()], [], profile("gap", "")), "M10 is neither a window nor a reason"),
        (sheet([day()], figures=[("a", "b")] * 9), "9 figures are given, and a page has at most 8"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_leaves_no_file(tmp_path: Path, shown: Page, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        draw(shown, tmp_path / "page.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("minute", "expected"), [(0, "00:00"), (-98, "22:22"), (423, "07:03"), (1440, "00:00"), (-1440, "00:00")]
)
def test_a_clock_runs_over_midnight_both_ways(minute: int, expected: str) -> None:
    assert clock(minute) == expected

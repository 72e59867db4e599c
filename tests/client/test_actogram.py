"""The actogram: the rows of a page show what was recorded, each day where and as wide as it should be."""

from __future__ import annotations

from datetime import date, timedelta
from io import BytesIO

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from clarity import actogram, page
from clarity.actogram import DayTrace, label

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


def drawn(*days: DayTrace) -> Pixels:
    """Returns a page with the rows of `days`, shape (height, width, 4), 0 to 255."""
    figure, dots = page.compose(page.Page(days, [], None, "Example", "23 January 1918")), BytesIO()
    figure.savefig(dots, format="raw")  # what a file holds, without the time it takes to compress it
    width, height = figure.canvas.get_width_height()
    return np.frombuffer(dots.getbuffer(), np.uint8).reshape(height, width, 4)


def cell(picture: Pixels, row: int, half: int) -> Pixels:
    """Returns one day's place in a page of few rows, without its edges."""
    top, left = page.TOP, actogram.LEFT
    width, height = page.ROWS_WIDTH / 2, actogram.ROW_HEIGHT_MAX
    edges = (top + row * height, top + (row + 1) * height, left + half * width, left + (half + 1) * width)
    above, below, before, after = (round(inches * actogram.DPI) for inches in edges)
    return picture[above + 5 : below - 5, before + 5 : after - 5]


def share(pixels: Pixels, colour: str) -> float:
    """Returns how much of the pixels has a colour, give or take a rounding."""
    return float(np.mean(np.abs(pixels[..., :3] / 255 - to_rgb(colour)).max(axis=-1) < 2 / 255))


def test_one_day_stands_alone_on_the_left() -> None:
    picture = drawn(day())
    assert share(cell(picture, 0, 0), actogram.MOVEMENT) > 0.5
    assert share(cell(picture, 0, 1), actogram.MOVEMENT) == 0


def test_each_row_shows_its_day_and_the_day_after() -> None:
    picture = drawn(day(0, count=0), day(1, count=100))
    still, moving, again, nothing = (cell(picture, row, half) for row in (0, 1) for half in (0, 1))
    assert share(still, actogram.MOVEMENT) < 0.1
    np.testing.assert_array_equal(share(moving, actogram.MOVEMENT), share(again, actogram.MOVEMENT))
    assert share(again, actogram.MOVEMENT) > 0.5
    assert share(nothing, actogram.MOVEMENT) == 0


def test_a_date_without_a_trace_is_an_empty_row() -> None:
    picture = drawn(day(0), day(2))
    assert picture.shape == drawn(day(0), day(1), day(2)).shape
    for row, half, moving in ((0, 0, True), (0, 1, False), (1, 0, False), (1, 1, True), (2, 0, True)):
        assert (share(cell(picture, row, half), actogram.MOVEMENT) > 0.5) is moving
        assert (share(cell(picture, row, half), actogram.PAPER) > 0.9) is not moving


def test_sleep_and_non_wear_are_shaded_and_missing_minutes_are_not() -> None:
    asleep = cell(drawn(day(count=0, asleep=((0, 720),))), 0, 0)
    assert share(asleep, actogram.SLEEP) == pytest.approx(0.4, abs=0.05)  # half the width, less the gap
    not_worn = cell(drawn(day(count=0, not_worn=((0, 720),))), 0, 0)
    assert share(not_worn, actogram.NOT_WORN) > 0.3
    missing = cell(drawn(day(count=np.nan)), 0, 0)
    assert share(missing, actogram.PAPER) > 0.95


def test_a_minute_of_sleep_is_a_tint_and_not_a_stripe() -> None:
    flicker = tuple((minute, minute + 1) for minute in range(0, 1440, 10))
    picture = cell(drawn(day(count=0, asleep=flicker)), 0, 0)
    assert share(picture, actogram.SLEEP) == 0


@pytest.mark.parametrize("minutes", [1380, 1440, 1500])
def test_a_day_of_a_clock_change_is_as_wide_as_any_other(minutes: int) -> None:
    picture = drawn(day(minutes=minutes))
    columns = cell(picture, 0, 0)[-20]
    assert share(columns[:20], actogram.MOVEMENT) == 1
    assert share(columns[-20:], actogram.MOVEMENT) == 1
    picture = drawn(day(minutes=minutes, count=np.nan, not_worn=((0, minutes),)))
    assert share(cell(picture, 0, 0)[:, -20:], actogram.PAPER) < 0.2  # the gap between rows
    assert share(cell(picture, 0, 1), actogram.NOT_WORN) == 0


def test_a_single_wild_count_does_not_flatten_the_rest() -> None:
    wild = day()
    wild.counts[700] = 65_535
    assert share(cell(drawn(wild), 0, 0), actogram.MOVEMENT) > 0.5


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (date(1918, 1, 23), "Wed 23 Jan"),
        (date(1918, 2, 5), "Tue 5 Feb"),
        (date(1970, 1, 1), "Thu 1 Jan"),
        (date(2024, 2, 29), "Thu 29 Feb"),
        (date(2026, 12, 31), "Thu 31 Dec"),
    ],
)
def test_a_row_is_labelled_with_its_weekday(when: date, expected: str) -> None:
    assert label(when) == expected

"""The actogram: a picture appears, it says what it shows, and it refuses what it cannot show."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from numpy.typing import NDArray

from clarity import actogram
from clarity.actogram import DayTrace, draw, label

FIRST = date(1918, 1, 23)
Pixels = NDArray[np.float32]


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


def drawn(tmp_path: Path, *days: DayTrace, title: str = "Example", simulated: bool = False) -> Pixels:
    """Returns the picture of `days`, shape (height, width, 4), 0 to 1."""
    path = tmp_path / "actogram.png"
    draw(days, path, title=title, subtitle="23 January 1918", simulated=simulated)
    return imread(path)


def cell(picture: Pixels, row: int, half: int) -> Pixels:
    """Returns one day's place in a picture of two rows, without its edges."""
    top, left = actogram.TOP, actogram.LEFT
    width = (actogram.WIDTH - left - actogram.RIGHT) / 2
    height = actogram.ROW_HEIGHT_MAX
    edges = (top + row * height, top + (row + 1) * height, left + half * width, left + (half + 1) * width)
    above, below, before, after = (round(inches * actogram.DPI) for inches in edges)
    return picture[above + 5 : below - 5, before + 5 : after - 5]


def share(pixels: Pixels, colour: str) -> float:
    """Returns how much of the pixels has a colour, give or take a rounding."""
    return float(np.mean(np.abs(pixels[..., :3] - to_rgb(colour)).max(axis=-1) < 2 / 255))


@pytest.mark.parametrize("days", [1, 2, 14, 40])
def test_a_picture_has_the_same_width_and_grows_with_its_days(tmp_path: Path, days: int) -> None:
    height, width, _ = drawn(tmp_path, *(day(offset) for offset in range(days))).shape
    assert width == 2000
    assert 600 < height < 2400


def test_no_days_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no days"):
        draw([], tmp_path / "none.png", title="", subtitle="")
    assert not list(tmp_path.iterdir())


def test_one_day_stands_alone_on_the_left(tmp_path: Path) -> None:
    picture = drawn(tmp_path, day())
    assert share(cell(picture, 0, 0), actogram.MOVEMENT) > 0.5
    assert share(cell(picture, 0, 1), actogram.MOVEMENT) == 0


def test_each_row_shows_its_day_and_the_day_after(tmp_path: Path) -> None:
    picture = drawn(tmp_path, day(0, count=0), day(1, count=100))
    still, moving, again, nothing = (cell(picture, row, half) for row in (0, 1) for half in (0, 1))
    assert share(still, actogram.MOVEMENT) < 0.1
    np.testing.assert_array_equal(share(moving, actogram.MOVEMENT), share(again, actogram.MOVEMENT))
    assert share(again, actogram.MOVEMENT) > 0.5
    assert share(nothing, actogram.MOVEMENT) == 0


def test_a_date_without_a_trace_is_an_empty_row(tmp_path: Path) -> None:
    without = drawn(tmp_path, day(0), day(2))
    full = drawn(tmp_path, day(0), day(1), day(2))
    assert without.shape == full.shape
    assert share(without, actogram.MOVEMENT) < 0.7 * share(full, actogram.MOVEMENT)


def test_sleep_and_non_wear_are_shaded_and_missing_minutes_are_not(tmp_path: Path) -> None:
    asleep = cell(drawn(tmp_path, day(count=0, asleep=((0, 720),))), 0, 0)
    assert share(asleep, actogram.SLEEP) == pytest.approx(0.4, abs=0.05)  # half the width, less the gap
    not_worn = cell(drawn(tmp_path, day(count=0, not_worn=((0, 720),))), 0, 0)
    assert share(not_worn, actogram.NOT_WORN) > 0.3
    missing = cell(drawn(tmp_path, day(count=np.nan)), 0, 0)
    assert share(missing, actogram.PAPER) > 0.95


def test_a_minute_of_sleep_is_a_tint_and_not_a_stripe(tmp_path: Path) -> None:
    flicker = tuple((minute, minute + 1) for minute in range(0, 1440, 10))
    picture = cell(drawn(tmp_path, day(count=0, asleep=flicker)), 0, 0)
    assert share(picture, actogram.SLEEP) == 0


@pytest.mark.parametrize("minutes", [1380, 1440, 1500])
def test_a_day_of_a_clock_change_is_as_wide_as_any_other(tmp_path: Path, minutes: int) -> None:
    picture = drawn(tmp_path, day(minutes=minutes))
    columns = cell(picture, 0, 0)[-20]
    assert share(columns[:20], actogram.MOVEMENT) == 1
    assert share(columns[-20:], actogram.MOVEMENT) == 1


def test_a_single_wild_count_does_not_flatten_the_rest(tmp_path: Path) -> None:
    wild = day()
    wild.counts[700] = 65_535
    assert share(cell(drawn(tmp_path, wild), 0, 0), actogram.MOVEMENT) > 0.5


@pytest.mark.parametrize("count", [0.0, np.nan, 1e-30, 3e38])
def test_any_counts_make_a_picture(tmp_path: Path, count: float) -> None:
    assert drawn(tmp_path, day(count=count)).shape[1] == 2000


def test_simulated_days_are_marked_on_the_page_and_in_the_file(tmp_path: Path) -> None:
    assert share(drawn(tmp_path, day(), simulated=True), actogram.WARNING) > 0
    assert b"SIMULATED: Example" in (tmp_path / "actogram.png").read_bytes()
    assert share(drawn(tmp_path, day()), actogram.WARNING) == 0
    assert b"SIMULATED" not in (tmp_path / "actogram.png").read_bytes()


def test_the_order_of_the_days_does_not_matter(tmp_path: Path) -> None:
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    draw([day(0), day(1, count=5)], one, title="t", subtitle="s")
    draw([day(1, count=5), day(0)], other, title="t", subtitle="s")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("title", ["", r"$\frac{", "a\nb", "long " * 200])
def test_any_title_is_set_as_it_is(tmp_path: Path, title: str) -> None:
    assert drawn(tmp_path, day(), title=title).shape[1] == 2000


@pytest.mark.parametrize(
    ("days", "problem"),
    [
        ([day(0), day(0)], "2 traces have only 1 dates"),
        ([day(0), day(120)], "121 rows, and a picture has at most 120"),
        ([day(minutes=1379)], "1918-01-23 has 1379 minutes"),
        ([day(minutes=1501)], "1918-01-23 has 1501 minutes"),
        ([day(asleep=((1400, 1441),))], "leaves it"),
        ([day(not_worn=((-1, 5),))], "leaves it"),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path: Path, days: list[DayTrace], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        drawn(tmp_path, *days)


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


def test_importing_the_module_does_not_import_matplotlib() -> None:
    client = Path(actogram.__file__).parents[1]
    program = "import sys, clarity.actogram; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=client)

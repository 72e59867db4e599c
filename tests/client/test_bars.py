"""Bars: a zero, a day not worn and a day that nobody spoke of do not look alike, nor do good and poor coverage."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from numpy.typing import NDArray

from clarity import actogram, bars
from clarity.sending import civil_time
from clarity.v1.sample_pb2 import Bucket, BucketState, CodeDuration, ObservationTime

FIRST = datetime(2026, 3, 20)
VALUE, UNSET, NOT_WORN = (
    BucketState.BUCKET_STATE_VALUE,
    BucketState.BUCKET_STATE_UNSET,
    BucketState.BUCKET_STATE_NOT_WORN,
)
Pixels = NDArray[np.uint8]


def day(at: int, state: BucketState = VALUE, *, covered: int = 1440, not_worn: int = 0) -> Bucket:
    """Returns the bucket of the day `at` days after the first."""
    start, end = FIRST + timedelta(days=at), FIRST + timedelta(days=at + 1)
    return Bucket(
        start=ObservationTime(civil=civil_time(start)),
        end=ObservationTime(civil=civil_time(end)),
        state=state,
        covered_minutes=covered,
        not_worn_minutes=not_worn,
        unset_minutes=1440 - covered - not_worn,
    )


def summed(at: int, value: float) -> Bucket:
    made = day(at)
    made.sum = value
    return made


def chart(*buckets: Bucket, simulated: bool = False) -> bars.Chart:
    return bars.Chart(buckets, "step count", "from Watch", "{steps}", simulated)


def picture(shown: bars.Chart) -> Pixels:
    """Returns the drawn sheet, shape (height, width, 4), 0 to 255."""
    figure, dots = bars.compose(shown), BytesIO()
    figure.savefig(dots, format="raw")
    width, height = figure.canvas.get_width_height()
    return np.frombuffer(dots.getbuffer(), np.uint8).reshape(height, width, 4)


def column(pixels: Pixels, at: int, of: int, low: float, high: float) -> Pixels:
    """Returns the place of one bucket, between so many inches from the foot of the sheet, without its edges."""
    room = (bars.WIDTH - actogram.LEFT - actogram.RIGHT) / of
    left, right = actogram.LEFT + at * room, actogram.LEFT + (at + 1) * room
    foot = pixels.shape[0]
    rows = slice(foot - round(high * actogram.DPI), foot - round(low * actogram.DPI))
    return pixels[rows, round(left * actogram.DPI) + 3 : round(right * actogram.DPI) - 3]


def bar(pixels: Pixels, at: int, of: int) -> Pixels:
    low = bars.BOTTOM + bars.STRIP + bars.BETWEEN
    return column(pixels, at, of, low, low + bars.HEIGHT)


def strip(pixels: Pixels, at: int, of: int) -> Pixels:
    return column(pixels, at, of, bars.BOTTOM, bars.BOTTOM + bars.STRIP)


def share(pixels: Pixels, colour: str) -> float:
    """Returns how much of the pixels has a colour, give or take a rounding."""
    return float(np.mean(np.abs(pixels[..., :3] / 255 - to_rgb(colour)).max(axis=-1) < 2 / 255))


def words(shown: bars.Chart) -> list[str]:
    """Returns what is written on the sheet."""
    return [text.get_text() for text in texts(shown) if text.get_text()]


def texts(shown: bars.Chart) -> list[Text]:
    figure = bars.compose(shown)
    figure.draw_without_rendering()  # only now does a text that stands beside something know where it is
    found = figure.findobj(lambda artist: isinstance(artist, Text))
    return [text for text in found if isinstance(text, Text)]


def test_zero_is_a_line_unset_is_blank_and_not_worn_is_hatched() -> None:
    drawn = picture(chart(summed(0, 100), summed(1, 0), day(2, UNSET, covered=0), day(3, NOT_WORN, covered=0)))
    full, zero, unset, off = (bar(drawn, at, 4) for at in range(4))
    assert share(full, bars.MOVEMENT) > 0.6
    assert 0.002 < share(zero, bars.MOVEMENT) < 0.02
    assert share(unset, bars.MOVEMENT) == 0
    assert share(unset, actogram.PAPER) > 0.97
    assert share(off, actogram.PAPER) == 0
    assert share(off, bars.MOVEMENT) == 0


def test_the_strip_below_shows_how_far_a_bar_is_to_be_believed() -> None:
    half = day(1, covered=720)
    half.sum = 50
    drawn = picture(chart(summed(0, 100), half, day(2, UNSET, covered=0)))
    whole, part, none = (share(strip(drawn, at, 3), bars.WORN) for at in range(3))
    assert whole == pytest.approx(2 * part, rel=0.1)
    assert none == 0
    assert whole > 0.6


def test_a_single_covered_minute_is_seen() -> None:
    weighed = day(0, covered=1)
    weighed.mean = weighed.min = weighed.max = 71.2
    drawn = picture(chart(weighed))
    assert share(strip(drawn, 0, 1), bars.WORN) > 0
    assert share(bar(drawn, 0, 1), bars.MOVEMENT) > 0


def test_means_are_drawn_where_they_are_and_not_from_zero() -> None:
    made = [day(at) for at in range(3)]
    for at, bucket in enumerate(made):
        bucket.mean, bucket.min, bucket.max = 71 + at, 70, 74
    assert "0" not in words(chart(*made))
    assert "lowest to highest" in words(chart(*made))
    assert share(bar(picture(chart(*made)), 0, 3), bars.RANGE) > 0.2


def test_codes_stand_on_each_other_each_in_a_colour_of_its_own() -> None:
    slept = day(0)
    for code in ("deep", "light"):
        slept.durations.append(CodeDuration(code=code, count=1))
        slept.durations[-1].duration.FromTimedelta(timedelta(hours=4))
    drawn = picture(chart(slept, day(1)))
    deep, light = (share(bar(drawn, 0, 2), colour) for colour in bars.CODES[:2])
    assert deep == pytest.approx(light, rel=0.05)
    assert deep > 0.3
    assert {"deep, hours", "light"} <= set(words(chart(slept)))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sum", bars.Kind.SUM), ("mean", bars.Kind.MEAN), ("count", bars.Kind.COUNT), ("max", bars.Kind.MEAN)],
)
def test_what_is_drawn_follows_from_what_there_is(name: str, kind: bars.Kind) -> None:
    made = day(0)
    setattr(made, name, 3)
    assert bars.kind_of([day(1, UNSET), made]) is kind
    assert share(bar(picture(chart(made)), 0, 1), actogram.PAPER) < 1


def test_below_zero_is_drawn_below_zero() -> None:
    made = picture(chart(summed(0, -5), summed(1, 5)))
    middle = bars.HEIGHT / 2 + bars.BOTTOM + bars.STRIP + bars.BETWEEN
    assert share(column(made, 0, 2, middle + 0.1, middle + 1), bars.MOVEMENT) == 0
    assert share(column(made, 0, 2, middle - 1, middle - 0.1), bars.MOVEMENT) > 0.6


def test_nothing_at_all_can_be_drawn() -> None:
    drawn = picture(chart(day(0, UNSET, covered=0)))
    assert share(drawn, bars.MOVEMENT) < 0.01


@pytest.mark.parametrize("suffix", bars.SUFFIXES)
def test_equal_charts_give_equal_bytes_and_say_when_they_are_simulated(tmp_path: Path, suffix: str) -> None:
    one, other, simulated = (tmp_path / f"{name}.{suffix}" for name in ("one", "other", "simulated"))
    bars.draw(chart(summed(0, 100)), one)
    bars.draw(chart(summed(0, 100)), other)
    bars.draw(chart(summed(0, 100), simulated=True), simulated)
    assert one.read_bytes() == other.read_bytes()
    assert b"SIMULATED: step count" in simulated.read_bytes()
    assert b"SIMULATED" not in one.read_bytes()


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"call it \.png or \.svg"):
        bars.draw(chart(summed(0, 1)), tmp_path / "some.pdf")
    with pytest.raises(ValueError, match="1 to 1,000 bars, not 0"):
        bars.draw(chart(), tmp_path / "some.png")
    with pytest.raises(ValueError, match="not 1,001"):
        bars.draw(chart(*(day(0) for _ in range(bars.BARS_MAX + 1))), tmp_path / "some.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 14, 15, 366, bars.BARS_MAX])
def test_labels_never_touch(count: int) -> None:
    found = texts(chart(*(summed(at, 1.0 + at) for at in range(count))))
    places = [Text.get_window_extent(text) for text in found if "\n" in text.get_text()]
    assert 0 < len(places) <= bars.LABELS_MAX
    assert all(left.x1 < right.x0 for left, right in pairwise(places))

"""Which weeks PAT may see: each objection at its very bound, with its figure, and what is made of the others."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clarity.recordings import read as read_recording
from clarity_server.domain.analysis import (
    DAY_MINUTES,
    EDGE_MINUTES,
    GAP_MINUTES_MAX,
    MISSING_MINUTES_MAX,
    WINDOW_MINUTES,
    WORN_DAY_MINUTES,
    Abstention,
)
from clarity_server.domain.measures import Unavailable
from clarity_server.pat import depresjon
from clarity_server.pat.scaling import OWN_WEEK, SEEN, SEEN_MARGIN, SEEN_PERCENTILE, Scaler, Transform, own_week
from clarity_server.pat.week import Ready, longest_gap, ready, worn_days
from clarity_server.pat.weights import content_of, read
from clarity_server.rhythm.wear import choi
from tests.strategies import counts

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
ARCHIVE, ACTIWATCH = DATA / "depresjon.tar.xz", DATA / "actiwatch"
needs_depresjon = pytest.mark.skipif(
    not ARCHIVE.exists(), reason="needs ../shared/data/depresjon.tar.xz, see its README"
)
needs_actiwatch = pytest.mark.skipif(not ACTIWATCH.is_dir(), reason="needs ../shared/data/actiwatch, see its README")
EVERY_MINUTE = np.ones(WINDOW_MINUTES, dtype=np.bool_)
PLAIN = Scaler("plain", "this test", Transform.NONE, np.array([100.0]), np.array([10.0]))


def week() -> NDArray[np.float64]:
    """A week of counts without a gap."""
    return np.nan_to_num(counts(1, WINDOW_MINUTES).astype(np.float64), nan=50.0)


def without(*gaps: tuple[int, int]) -> NDArray[np.float64]:
    """The week without the minutes [start, end) of each gap."""
    found = week()
    for start, end in gaps:
        found[start:end] = np.nan
    return found


def outcome(minutes: NDArray[np.float64], worn: NDArray[np.bool_] = EVERY_MINUTE, scaler: Scaler | None = PLAIN) -> str:
    """READY, or the objection and its figures."""
    found = ready(minutes, worn & np.isfinite(minutes), scaler)
    if isinstance(found, Ready):
        return "READY"
    return f"{found.reason} {found.what} {found.found:g} {found.needed:g} {found.ucum_unit}"


@cache
def demo() -> Scaler:
    """The scaler that the demonstration came with."""
    found = read(content_of(ROOT / "models" / "pat-s-depresjon-demo" / "model.safetensors")).scaler
    assert found is not None
    return found


# ---- what speaks against a week --------------------------------------------------------------------------------------


def test_a_gap_may_last_an_hour_and_no_minute_more() -> None:
    assert GAP_MINUTES_MAX == 60
    assert outcome(without((3000, 3060))) == "READY"
    assert outcome(without((3000, 3061))) == "GAP longest_gap 61 60 min"


def test_the_longest_gap_is_the_one_that_is_told() -> None:
    assert outcome(without((200, 270), (3000, 3200), (9000, 9061))) == "GAP longest_gap 200 60 min"


def test_a_twentieth_of_a_week_may_be_missing_and_no_minute_more() -> None:
    assert MISSING_MINUTES_MAX == 504 == WINDOW_MINUTES // 20
    hours = [(at, at + 56) for at in range(1000, 10_000, 1000)]  # nine times 56
    assert outcome(without(*hours)) == "READY"
    assert outcome(without(*hours, (500, 501))) == "GAP minutes_without_a_value 505 504 min"


def test_a_week_may_begin_and_end_an_hour_short_and_no_minute_more() -> None:
    assert EDGE_MINUTES == 60
    assert outcome(without((0, 60), (WINDOW_MINUTES - 60, WINDOW_MINUTES))) == "READY"
    short = "SHORT_RECORD minutes_from_first_to_last 10019 10080 min"
    assert outcome(without((0, 61))) == short
    assert outcome(without((WINDOW_MINUTES - 61, WINDOW_MINUTES))) == short


def test_a_short_record_is_told_before_the_gap_it_leaves() -> None:
    assert outcome(without((2880, WINDOW_MINUTES))) == "SHORT_RECORD minutes_from_first_to_last 2880 10080 min"


@pytest.mark.parametrize(
    ("worn", "told"),
    [
        ([960, 960, 960, 960, 0, 0, 0], "READY"),
        ([960, 960, 960, 959, 0, 0, 0], "NOT_WORN days_worn_for_16_hours 3 4 d"),
        ([959] * 7, "NOT_WORN days_worn_for_16_hours 0 4 d"),
        ([0, 1440, 960, 1000, 0, 0, 960], "READY"),
    ],
)
def test_four_days_of_sixteen_hours_must_have_been_worn(worn: list[int], told: str) -> None:
    assert WORN_DAY_MINUTES == 960
    mask = np.concatenate([np.arange(DAY_MINUTES) < minutes for minutes in worn])
    assert worn_days(mask) == sum(minutes >= WORN_DAY_MINUTES for minutes in worn)
    assert outcome(week(), mask) == told


def test_a_week_without_a_value_is_short_of_everything() -> None:
    nothing = np.full(WINDOW_MINUTES, np.nan)
    assert outcome(nothing) == "SHORT_RECORD minutes_from_first_to_last 0 10080 min"
    assert outcome(nothing, scaler=None) == "SHORT_RECORD minutes_from_first_to_last 0 10080 min"


def test_one_value_is_no_week() -> None:
    one = np.full(WINDOW_MINUTES, np.nan)
    one[5000] = 7.0
    assert outcome(one) == "SHORT_RECORD minutes_from_first_to_last 1 10080 min"


def test_a_week_on_the_table_was_not_worn() -> None:
    zeros = np.zeros(WINDOW_MINUTES)
    assert outcome(zeros, choi(zeros)) == "NOT_WORN days_worn_for_16_hours 0 4 d"


@pytest.mark.parametrize("level", [0.0, 1.0, 50.0, float(np.float32(33.3)), 65_535.0, float(np.float32(1e30))])
def test_a_week_in_which_nothing_varies_cannot_be_scaled_by_itself(level: float) -> None:
    told = "UNDEFINED standard_deviation 0 0 {counts}/min"
    assert outcome(np.full(WINDOW_MINUTES, level), scaler=None) == told
    assert own_week(np.full(WINDOW_MINUTES, level)) is None


def test_the_longest_gap_is_found_at_either_end_and_within() -> None:
    def gap(*values: int) -> int:
        return longest_gap(np.array(values, dtype=np.bool_))

    assert [gap(), gap(0), gap(1), gap(0, 0, 1), gap(1, 0, 0, 0), gap(1, 0, 1, 0, 0, 1), gap(0, 0)] == [
        0,
        1,
        0,
        2,
        3,
        2,
        2,
    ]


# ---- how a week is made ready ----------------------------------------------------------------------------------------


def test_a_missing_minute_is_at_the_scaler_s_mean_and_is_counted() -> None:
    found = ready(without((3000, 3060), (5000, 5001)), EVERY_MINUTE, PLAIN)
    assert isinstance(found, Ready)
    assert found.filled_minutes == 61
    assert (found.scaled[3000:3060] == 0).all()
    assert found.scaled[5000] == 0
    assert found.scaled.dtype == np.float32
    kept = np.delete(np.arange(WINDOW_MINUTES), [*range(3000, 3060), 5000])
    assert (found.scaled[kept] == ((week()[kept] - 100) / 10).astype(np.float32)).all()
    assert np.isfinite(found.scaled).all()


def test_the_counts_are_left_as_they_were() -> None:
    minutes = without((3000, 3060))
    minutes.flags.writeable = False
    before = minutes.copy()
    assert isinstance(ready(minutes, EVERY_MINUTE, demo()), Ready)
    assert np.array_equal(minutes, before, equal_nan=True)


def test_a_week_scaled_by_itself_has_another_name_and_no_volume() -> None:
    found, louder = own_week(week()), own_week(3 * week())
    assert found is not None
    assert louder is not None
    assert found.name == louder.name == OWN_WEEK == "week_zscore"
    ours, theirs = ready(week(), EVERY_MINUTE, None), ready(3 * week(), EVERY_MINUTE, None)
    assert isinstance(ours, Ready)
    assert isinstance(theirs, Ready)
    assert ours.scaled.mean() == pytest.approx(0, abs=1e-5)
    assert ours.scaled.std() == pytest.approx(1, abs=1e-5)
    assert np.abs(ours.scaled - theirs.scaled).max() < 1e-4


def test_a_gap_does_not_shift_a_week_that_is_scaled_by_itself() -> None:
    minutes = without((3000, 3060))
    found = own_week(minutes)
    assert found is not None
    assert found.mean[0] == pytest.approx(np.nanmean(minutes))
    assert found.deviation[0] == pytest.approx(np.nanstd(minutes))


def test_a_scaler_of_which_nothing_is_known_refuses_no_scale() -> None:
    """What its weeks were like has to be measured; a bound that nobody measured would be made up."""
    assert PLAIN.name not in SEEN
    assert outcome(1000 * week()) == "READY"


# ---- weeks unlike any that were seen ---------------------------------------------------------------------------------


def level(percentile: float) -> NDArray[np.float64]:
    """A week whose scaled 99th percentile is this: all minutes alike."""
    value = np.expm1(percentile * demo().deviation[0] + demo().mean[0])
    return np.full(WINDOW_MINUTES, float(value))


def test_a_week_just_beyond_what_was_seen_is_refused_with_both_figures() -> None:
    low, high = SEEN[demo().name]
    for inside, outside, bound in ((1, -1, low - SEEN_MARGIN), (-1, 1, high + SEEN_MARGIN)):
        assert isinstance(ready(level(bound + inside * 1e-4), EVERY_MINUTE, demo()), Ready)
        found = ready(level(bound + outside * 1e-4), EVERY_MINUTE, demo())
        assert isinstance(found, Abstention)
        assert (found.reason, found.what, found.ucum_unit) == (
            Unavailable.OUT_OF_DISTRIBUTION,
            "scaled_99th_percentile",
            "1",
        )
        assert found.needed == pytest.approx(bound)
        assert found.found == pytest.approx(bound + outside * 1e-4, abs=1e-6)


@dataclass(frozen=True)
class Real:
    """A week that somebody wore, and which of its minutes."""

    minutes: NDArray[np.float64]
    worn: NDArray[np.bool_]

    def told(self, scale: float = 1.0) -> Ready | Abstention:
        """What is made of it on another scale, worn as it was."""
        return ready(scale * self.minutes, self.worn, demo())


@cache
def real_weeks() -> list[Real]:
    """All weeks of Depresjon."""
    found = [one.astype(np.float64) for person in depresjon.people(ARCHIVE) for one in depresjon.weeks(person)]
    return [Real(one, choi(one)) for one in found]


@cache
def recorded(file: str) -> list[Real]:
    """The weeks of an Actiwatch recording, from each of its midnights."""
    recording = read_recording(ACTIWATCH / file)
    minutes = recording.values.astype(np.float64)
    first = -(recording.start.hour * 60 + recording.start.minute) % DAY_MINUTES
    starts = range(first, len(minutes) - WINDOW_MINUTES + 1, DAY_MINUTES)
    worn = choi(minutes)
    return [Real(minutes[at : at + WINDOW_MINUTES], worn[at : at + WINDOW_MINUTES]) for at in starts]


@needs_depresjon
def test_what_was_seen_is_what_is_measured_over_all_weeks_of_depresjon() -> None:
    scaled = demo().scale(np.stack([one.minutes for one in real_weeks()]))
    high = np.nanpercentile(scaled, SEEN_PERCENTILE, axis=1)
    assert len(high) == 364
    assert (round(float(high.min()), 2), round(float(high.max()), 2)) == SEEN[demo().name]


@needs_depresjon
def test_no_week_of_depresjon_is_out_of_distribution() -> None:
    told = [one.told() for one in real_weeks()]
    assert [one for one in told if isinstance(one, Abstention)] == []


@needs_depresjon
@pytest.mark.parametrize("scale", [10, 0.1, 100, 0.01])
def test_every_week_of_depresjon_on_another_scale_is_out_of_distribution(scale: float) -> None:
    told = [one.told(scale) for one in real_weeks()]
    assert {one.reason if isinstance(one, Abstention) else "READY" for one in told} == {Unavailable.OUT_OF_DISTRIBUTION}


@needs_actiwatch
@pytest.mark.parametrize("file", ["example_01.AWD", "example_03.AWD", "example_05.AWD"])
def test_an_actiwatch_s_weeks_are_ready_as_they_are_and_on_no_other_scale(file: str) -> None:
    assert len(recorded(file)) >= 5
    assert all(isinstance(one.told(), Ready) for one in recorded(file))
    for scale in (10, 0.1, 100):
        told = [one.told(scale) for one in recorded(file)]
        assert {one.reason if isinstance(one, Abstention) else "READY" for one in told} == {
            Unavailable.OUT_OF_DISTRIBUTION
        }

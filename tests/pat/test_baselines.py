"""The simple ways to fill in a week: each does what its name says, and looks at nothing that is hidden."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from clarity_server.pat import baselines
from clarity_server.pat.baselines import LinearGaussian, fit_linear_gaussian, patch_means
from clarity_server.pat.evaluate import BASELINES, error, masked
from clarity_server.pat.shapes import WINDOW_MINUTES, S
from clarity_server.pat.training import orders

Fill = Callable[[NDArray[np.floating]], NDArray[np.float64]]


def rhythm(days: int, seed: int = 0) -> NDArray[np.float32]:
    """Days of one person: a wave of 24 h and noise, (days, 1440)."""
    wave = np.sin(2 * np.pi * np.arange(1440) / 1440)
    return (wave + 0.3 * np.random.default_rng(seed).standard_normal((days, 1440))).astype(np.float32)


def fitted() -> LinearGaussian:
    return fit_linear_gaussian([rhythm(10, seed) for seed in range(6)])


FILLERS: dict[str, Fill] = {**BASELINES, "linear-Gaussian": fitted()}
EACH = pytest.mark.parametrize("fill", FILLERS.values(), ids=FILLERS)


def weeks_and_hidden(share: float = 0.75) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    weeks = np.stack([rhythm(7, seed).ravel() for seed in (11, 12)])
    return weeks, masked(orders(2, S.patches, 0), share, S)


@EACH
def test_every_hidden_minute_is_filled_and_every_visible_one_left(fill: Fill) -> None:
    weeks, hidden = weeks_and_hidden()
    found = fill(np.where(hidden, np.nan, weeks))
    assert found.shape == weeks.shape
    assert np.isfinite(found).all()
    assert (found[~hidden] == weeks[~hidden]).all()


@EACH
def test_a_week_is_filled_by_itself(fill: Fill) -> None:
    weeks, hidden = weeks_and_hidden()
    seen = np.where(hidden, np.nan, weeks)
    assert fill(seen[1:])[0] == pytest.approx(fill(seen)[1])


def test_zero_is_the_mean_of_everybody() -> None:
    assert baselines.zero(np.array([[np.nan, 2.0]])).tolist() == [[0, 2]]


def test_the_day_before_is_taken_where_it_is_seen() -> None:
    week = np.arange(WINDOW_MINUTES, dtype=np.float64)[None].copy()
    week[0, [5, 1445, 3000]] = np.nan
    found = baselines.previous_day(week)
    assert found[0, [5, 1445, 3000]].tolist() == [0, 0, 1560]


def test_the_own_profile_of_a_constant_person_is_that_constant() -> None:
    week = np.full((1, WINDOW_MINUTES), 1.5)
    week[0, ::3] = np.nan
    assert baselines.own_profile(week) == pytest.approx(1.5)


def test_the_own_profile_follows_the_time_of_day_over_midnight() -> None:
    weeks, hidden = weeks_and_hidden()
    found = baselines.own_profile(np.where(hidden, np.nan, weeks))
    assert error(found, weeks, hidden) < 0.15  # noise 0.09, and the wave is worth 0.5
    late = np.full((1, 7, 1440), np.nan)
    late[0, 0, 1439], late[0, 0, 720] = 4.0, 1.0
    assert baselines.own_profile(late.reshape(1, -1)).reshape(7, 1440)[3, 0] == pytest.approx(4.0)


def test_a_line_goes_from_patch_to_patch() -> None:
    patches = np.full((1, 560, 18), np.nan)
    patches[0, 10], patches[0, 14] = 1.0, 5.0
    found = baselines.interpolated(patches.reshape(1, -1)).reshape(560, 18)
    assert found[[9, 11, 12, 13, 20], 0].tolist() == [1, 2, 3, 4, 5]


def test_the_mean_of_a_patch_is_of_its_known_minutes() -> None:
    week = np.full((1, WINDOW_MINUTES), np.nan)
    week[0, :2] = 1.0, 2.0
    found = patch_means(week)
    assert found[0, 0] == 1.5
    assert np.isnan(found[0, 1:]).all()


def test_the_linear_gaussian_has_the_covariance_of_a_gaussian() -> None:
    model = fitted()
    assert model.covariance.shape == (560, 560)
    assert model.covariance == pytest.approx(model.covariance.T)
    assert np.linalg.eigvalsh(model.covariance).min() > 0.9 * baselines.EIGENVALUE_MIN
    assert model.mean.reshape(7, 80) == pytest.approx(np.tile(model.mean[:80], (7, 1)))


def test_the_linear_gaussian_learns_what_a_person_does_every_day() -> None:
    """Two kinds of people whose days differ in level: seeing some of it, the rest is known."""
    people = [rhythm(9, seed) + (1.0 if seed % 2 else -1.0) for seed in range(10)]
    model = fit_linear_gaussian(people)
    weeks, hidden = weeks_and_hidden()
    weeks = weeks + np.array([[1.0], [-1.0]], dtype=np.float32)
    assert error(model(np.where(hidden, np.nan, weeks)), weeks, hidden) < 0.15


def test_the_linear_gaussian_with_nothing_seen_is_the_mean_day() -> None:
    model = fitted()
    found = model(np.full((1, WINDOW_MINUTES), np.nan))
    assert found.reshape(560, 18)[:, 0] == pytest.approx(model.mean)


def test_an_error_is_of_hidden_and_known_minutes_only() -> None:
    weeks = np.array([[1.0, 2.0, np.nan, 4.0]])
    hidden = np.array([[True, False, True, True]])
    assert error(np.array([[2.0, 99.0, 99.0, 6.0]]), weeks, hidden) == (1 + 4) / 2

"""The evaluation: the same masks for all, people kept apart, and a gate that can be missed."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clarity_server.domain.models import DataRefused
from clarity_server.pat import depresjon, evaluate, scaling
from clarity_server.pat.depresjon import Person, folds, weeks
from clarity_server.pat.evaluate import INTERPOLATION, PAT, Table, masked
from clarity_server.pat.scaling import Scaler, Transform, filled
from clarity_server.pat.shapes import WINDOW_MINUTES, L, S
from clarity_server.pat.training import fresh, orders

ARCHIVE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "depresjon.tar.xz"
needs_depresjon = pytest.mark.skipif(
    not ARCHIVE.exists(), reason="needs ../shared/data/depresjon.tar.xz, see its README"
)


def person(name: str, days: int) -> Person:
    return Person(name, np.random.default_rng(days).gamma(1, 100, (days, 1440)).astype(np.float32))


def scaled(days: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((days, 1440)).astype(np.float32)


# ---- the table -----------------------------------------------------------------------------------------------


def test_a_table_has_every_method_at_every_share() -> None:
    found = evaluate.table(fresh(S, 0), [scaled(8, seed) for seed in range(4)], [scaled(14, 9).reshape(2, -1)])
    assert (found.shares, found.people, found.weeks) == ((0.90, 0.75, 0.50), 1, 2)
    assert set(found.rows) == {*evaluate.BASELINES, evaluate.LINEAR_GAUSSIAN, PAT}
    assert all(math.isfinite(value) for row in found.rows.values() for value in row)
    assert found.rows["zero (the mean of everybody)"] == pytest.approx((1, 1, 1), abs=0.05)


def test_the_masks_are_the_same_every_time_and_of_the_share_asked_for() -> None:
    for share in evaluate.SHARES:
        hidden = masked(orders(3, S.patches, 1), share, S)
        assert hidden.mean() == pytest.approx(share)
        assert (hidden.reshape(3, 560, 18).all(axis=2) == hidden.reshape(3, 560, 18).any(axis=2)).all()
        assert (hidden == masked(orders(3, S.patches, 1), share, S)).all()
    assert masked(orders(1, L.patches, 1), 0.75, L).shape == (1, WINDOW_MINUTES)


def test_pat_s_error_is_measured_as_the_table_does() -> None:
    model, held_out = fresh(S, 0), scaled(7, 3).reshape(1, -1)
    found = evaluate.table(model, [scaled(8, seed) for seed in range(4)], [held_out])
    assert evaluate.hidden_mse(model, held_out) == found.rows[PAT][1]


@pytest.mark.parametrize(
    ("ours", "line", "passes"), [(0.54, 0.55, True), (0.541, 0.60, False), (0.53, 0.53, False), (math.nan, 0.55, False)]
)
def test_the_gate(ours: float, line: float, *, passes: bool) -> None:
    found = Table(evaluate.SHARES, 1, 1, {PAT: (0.6, ours, 0.5), INTERPOLATION: (0.7, line, 0.5)})
    assert found.passes is passes


# ---- the data ------------------------------------------------------------------------------------------------


def test_folds_keep_people_apart_and_groups_alike() -> None:
    everybody = [person(f"condition_{n}", 8) for n in range(23)] + [person(f"control_{n}", 8) for n in range(32)]
    parts = folds(everybody, 0)
    assert sorted(one.name for part in parts for one in part) == sorted(one.name for one in everybody)
    assert [len(part) for part in parts] == [11] * 5
    assert {sum(one.name.startswith("condition") for one in part) for part in parts} <= {4, 5}
    assert [[one.name for one in part] for part in folds(everybody, 0)] == [
        [one.name for one in part] for part in parts
    ]


def test_weeks_are_seven_days_in_a_row() -> None:
    someone = person("control_1", 9)
    found = weeks(someone)
    assert found.shape == (3, WINDOW_MINUTES)
    assert (found[2] == someone.counts[2:9].ravel()).all()
    assert weeks(person("control_2", 6)).shape == (0, WINDOW_MINUTES)


def test_another_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "depresjon.tar.xz").write_bytes(b"an edited copy")
    with pytest.raises(DataRefused, match="another copy"):
        depresjon.people(tmp_path / "depresjon.tar.xz")


@needs_depresjon
@pytest.mark.slow
def test_depresjon_is_read_as_its_authors_describe_it() -> None:
    """Its README's own figures; nothing of a single person."""
    everybody = depresjon.people(ARCHIVE)
    assert len(everybody) == 55
    assert sum(len(one.counts) for one in everybody) == 693
    assert sum(len(one.counts) for one in everybody if one.name.startswith("condition")) == 291
    assert sum(len(weeks(one)) for one in everybody) == 364
    counts = np.concatenate([one.counts for one in everybody])
    assert np.nanmean(counts == 0) == pytest.approx(0.35, abs=0.01)
    assert int(np.isnan(counts).sum()) in range(1, 5 * 60 + 1)  # the hour that spring took from five of them


# ---- the scaler ----------------------------------------------------------------------------------------------


def test_a_scaler_does_what_it_says_and_leaves_gaps() -> None:
    scaler = Scaler("n", "s", Transform.LOG1P, np.array([2.0]), np.array([0.5]))
    found = scaler.scale(np.array([0.0, math.e**2 - 1, math.nan, -5.0]))
    assert found[:2] == pytest.approx([-4, 0], abs=1e-6)
    assert np.isnan(found[2])
    assert found[3] == -4
    assert filled(found)[2] == 0


def test_a_scaler_may_have_a_mean_for_every_minute_of_the_week() -> None:
    means = np.arange(WINDOW_MINUTES, dtype=np.float64)
    scaler = Scaler("n", "s", Transform.NONE, means, np.ones(WINDOW_MINUTES))
    assert (scaler.scale(means) == 0).all()
    assert (scaler.scale(np.stack([means, means + 1]))[1] == 1).all()


def test_a_digest_is_of_what_a_scaler_does_and_not_of_its_name() -> None:
    scaler = Scaler("n", "s", Transform.LOG1P, np.array([2.0]), np.array([0.5]))
    assert replace(scaler, name="m", source="t").digest == scaler.digest
    for other in (
        replace(scaler, transform=Transform.NONE),
        replace(scaler, mean=np.array([2.1])),
        replace(scaler, deviation=np.array([0.6])),
    ):
        assert other.digest != scaler.digest


@pytest.mark.parametrize(
    ("mean", "deviation"),
    [([0.0, 1.0], [1.0, 1.0]), ([0.0], [0.0]), ([math.nan], [1.0]), ([0.0], [math.inf]), ([], [])],
)
def test_what_would_not_scale_is_refused(mean: list[float], deviation: list[float]) -> None:
    with pytest.raises(ValueError, match="scaler"):
        Scaler("n", "s", Transform.NONE, np.array(mean), np.array(deviation))


def test_a_scaler_is_fitted_to_what_is_known() -> None:
    scaler = scaling.fitted("n", "s", np.array([[0.0, math.nan], [math.e**2 - 1, math.nan]]))
    assert (scaler.mean[0], scaler.deviation[0]) == pytest.approx((1, 1))

"""What a week is answered with: 96 numbers and where the model looked, the same every time, and nothing else."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clarity_server.domain.errors import InvalidInput
from clarity_server.pat.infer import Pat, Reading, loaded
from clarity_server.pat.model import serving
from clarity_server.pat.shapes import WINDOW_MINUTES
from tests.pat.goldens import LEGACY_CONV_S, LEGACY_S


@pytest.fixture(scope="module", params=[LEGACY_S, LEGACY_CONV_S], ids=["S", "Conv-S"])
def pat(request: pytest.FixtureRequest) -> Pat:
    return Pat(request.param.read()[0])


def week(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(WINDOW_MINUTES).astype(np.float32)


def same(one: Reading, other: Reading) -> bool:
    return one.embedding.tobytes() == other.embedding.tobytes() and one.attention.tobytes() == other.attention.tobytes()


def test_a_week_gives_an_embedding_and_attention_and_no_estimate(pat: Pat) -> None:
    found = pat.read(week())
    assert [field.name for field in fields(Reading)] == ["embedding", "attention"]
    assert found.embedding.shape == (96,)
    assert found.embedding.dtype == np.dtype(np.float32)
    assert found.attention.shape == (WINDOW_MINUTES,)
    assert found.attention.sum() == pytest.approx(1, abs=1e-12)
    assert (found.attention > 0).all()


def test_the_embedding_is_the_mean_of_the_tokens() -> None:
    found, expected = LEGACY_S.read()
    embedding = Pat(found).read(expected.weeks[0]).embedding
    assert np.abs(embedding - expected.tokens[0].mean(axis=0)).max() <= 5e-6


def test_attention_is_what_each_patch_receives_by_the_mean_of_the_heads() -> None:
    found, expected = LEGACY_S.read()
    attention = Pat(found).read(expected.weeks[0]).attention.reshape(560, 18)
    wanted = expected.received[0].astype(np.float64).mean(axis=0)
    assert (attention == attention[:, :1]).all()
    assert attention.sum(axis=1) == pytest.approx(wanted / wanted.sum(), rel=1e-4)


def test_the_same_week_gives_the_same_bytes(pat: Pat) -> None:
    """Dropout would show here. Random weights pass too: that the weights are right is for the parity to prove."""
    first = pat.read(week())
    assert same(first, pat.read(week()))
    assert not pat.encoder.training
    assert not any(weight.requires_grad for weight in pat.encoder.parameters())


def test_a_batch_is_its_rows(pat: Pat) -> None:
    weeks = [week(seed) for seed in range(3)]
    assert all(same(one, pat.read(row)) for one, row in zip(pat.read_all(weeks), weeks, strict=True))


def test_the_encoder_s_batch_is_its_rows_too() -> None:
    """Also where a tensor holds several weeks, as in training: to rounding, for other sums come in another order."""
    encoder = serving(loaded(LEGACY_S.read()[0]))
    weeks = torch.from_numpy(np.stack([week(seed) for seed in range(3)]))
    with torch.inference_mode():
        together, received = encoder.explained(weeks)
        apart = torch.cat([encoder(one[None]) for one in weeks])
    assert (together - apart).abs().max() < 5e-6
    assert received.sum(dim=2) == pytest.approx(1, abs=1e-5)


def test_two_patches_exchanged_are_another_week(pat: Pat) -> None:
    """Positions work: without them the embedding would not know."""
    one = week()
    one[3 * 18 : 4 * 18] = 5.0
    other = one.copy().reshape(-1, pat.shape.patch_minutes)
    other[[3, 400]] = other[[400, 3]]
    moved = np.abs(pat.read(one).embedding - pat.read(other.ravel()).embedding).max()
    assert moved > 1e-4


def test_a_convolution_does_not_see_the_neighbouring_patch() -> None:
    encoder = loaded(LEGACY_CONV_S.read()[0])
    minutes = torch.from_numpy(week())[None]
    other = minutes.clone()
    other[0, 18] += 9.0  # the first minute of the second patch
    with torch.inference_mode():
        moved = (encoder.embedded(minutes) - encoder.embedded(other)).abs().amax(dim=2)[0]
    assert moved.nonzero().ravel().tolist() == [1]


@pytest.mark.parametrize(
    "other",
    [
        lambda one: one.astype(np.float64),
        lambda one: one.astype(">f4"),
        lambda one: np.repeat(one, 2)[::2],
        lambda one: one[::-1].copy()[::-1],
    ],
    ids=["float64", "big-endian", "strided", "reversed view"],
)
def test_how_an_array_lies_in_memory_changes_nothing(pat: Pat, other: object) -> None:
    assert callable(other)
    one = week()
    one.flags.writeable = False
    assert same(pat.read(one), pat.read(other(one)))


def test_the_input_is_left_as_it_was(pat: Pat) -> None:
    one = week()
    before = one.copy()
    pat.read(one)
    assert (one == before).all()


@pytest.mark.parametrize("minutes", [0, 1, 10_079, 10_081, 20_160])
def test_another_length_than_a_week_is_refused(pat: Pat, minutes: int) -> None:
    with pytest.raises(InvalidInput, match="10080 minutes"):
        pat.read(np.zeros(minutes, dtype=np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gap_that_nobody_filled_is_refused(pat: Pat, value: float) -> None:
    one = week()
    one[5000] = value
    with pytest.raises(InvalidInput, match="NaN or Inf"):
        pat.read(one)


@pytest.mark.parametrize("level", [0.0, 7.0, -3.0])
def test_a_constant_week_is_answered(pat: Pat, level: float) -> None:
    found = pat.read(np.full(WINDOW_MINUTES, level, dtype=np.float32))
    assert np.isfinite(found.embedding).all()
    assert np.isfinite(found.attention).all()

"""Training: hidden is hidden, order comes back, and a run that was interrupted ends in the same bytes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clarity_server.domain.models import DataRefused
from clarity_server.pat.shapes import CONV_S, WINDOW_MINUTES, S, Shape
from clarity_server.pat.training import MaskedAutoencoder, Recipe, Run, fresh, orders, taken, unshuffled

VISIBLE = 140  # a quarter of 560
TINY = Recipe(seed=5, steps=4, batch=2, warmup_steps=2)


def model_and_week(shape: Shape = S) -> tuple[MaskedAutoencoder, torch.Tensor, torch.Tensor]:
    """An untrained model, a week (1, 10080) and an order (1, 560)."""
    model = fresh(shape, seed=1).eval()
    week = torch.from_numpy(np.random.default_rng(2).standard_normal((1, WINDOW_MINUTES)).astype(np.float32))
    return model, week, torch.from_numpy(orders(1, shape.patches, 3))


def loss(model: MaskedAutoencoder, week: torch.Tensor, order: torch.Tensor) -> float:
    with torch.inference_mode():
        return float(model.loss(week, order, VISIBLE))


def people(count: int = 3, days: int = 8) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(4)
    return [rng.standard_normal((days, 1440)).astype(np.float32) for _ in range(count)]


def test_unshuffling_undoes_shuffling() -> None:
    tokens = torch.randn(3, 560, 4, generator=torch.Generator().manual_seed(0))
    order = torch.from_numpy(orders(3, 560, 0))
    assert torch.equal(unshuffled(taken(tokens, order), order), tokens)
    assert not torch.equal(taken(tokens, order), tokens)


def test_an_order_has_every_patch_once_and_differs_from_row_to_row() -> None:
    found = orders(4, 560, 9)
    assert (np.sort(found, axis=1) == np.arange(560)).all()
    assert len({row.tobytes() for row in found}) == 4


@pytest.mark.parametrize("shape", [S, CONV_S], ids=["S", "Conv-S"])
def test_what_was_hidden_is_not_seen(shape: Shape) -> None:
    """Changing every hidden minute leaves the reconstruction as it is, to the bit; changing a visible one does not."""
    model, week, order = model_and_week(shape)
    with torch.inference_mode():
        before = model(week, order, VISIBLE)
        hidden = week.clone().view(1, 560, 18)
        hidden[:, order[0, VISIBLE:]] += 1.0
        assert torch.equal(model(hidden.flatten(1), order, VISIBLE), before)
        visible = week.clone().view(1, 560, 18)
        visible[:, order[0, 0], 7] += 1.0
        assert not torch.equal(model(visible.flatten(1), order, VISIBLE), before)


def test_the_loss_is_of_the_hidden_minutes_only() -> None:
    """A visible minute is no target: with the same reconstruction, changing it leaves the masked loss alone."""
    model, week, order = model_and_week()
    with torch.no_grad():
        model.decoder.output.weight.zero_()  # the same reconstruction whatever is seen
    before = loss(model, week, order)
    for patch in order[0, :VISIBLE:20].tolist():
        changed = week.clone()
        changed[0, patch * 18 : patch * 18 + 18] += 5.0
        assert loss(model, changed, order) == before
    for patch in order[0, VISIBLE::60].tolist():
        changed = week.clone()
        changed[0, patch * 18 + 17] += 5.0
        assert loss(model, changed, order) != before


def test_the_loss_takes_every_row_of_the_batch() -> None:
    model, week, order = model_and_week()
    both, orders_of_both = torch.cat([week, week]), torch.cat([order, order])
    before = loss(model, both, orders_of_both)
    both[1, int(order[0, -1]) * 18] += 5.0
    assert loss(model, both, orders_of_both) != before


def test_the_loss_of_a_reconstruction_is_its_mean_squared_error() -> None:
    model, week, order = model_and_week()
    with torch.inference_mode():
        found = model(week, order, VISIBLE)[0].numpy()
    wanted = week[0].numpy().reshape(560, 18)[order[0, VISIBLE:].numpy()]
    assert loss(model, week, order) == pytest.approx(float(np.square(found - wanted).mean()), rel=1e-5)


def test_a_missing_minute_is_never_scored() -> None:
    model, week, order = model_and_week()
    missing = week.clone()
    missing[0, int(order[0, -1]) * 18] = torch.nan
    with torch.inference_mode():
        found = model(missing.nan_to_num(0.0), order, VISIBLE)[0].numpy()
    wanted = missing[0].numpy().reshape(560, 18)[order[0, VISIBLE:].numpy()]
    assert loss(model, missing, order) == pytest.approx(float(np.nanmean(np.square(found - wanted))), rel=1e-5)


def test_a_fresh_output_is_far_from_saturated() -> None:
    model, week, order = model_and_week()
    with torch.inference_mode():
        assert model(week, order, VISIBLE).abs().max() < 1.0  # of 2·tanh, which is still nearly straight there


def test_the_rate_warms_up_and_comes_down_to_nothing() -> None:
    recipe = Recipe(steps=1000)
    rates = [recipe.rate_at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(recipe.learning_rate / 50)
    assert max(rates) == rates[49] == rates[50] == recipe.learning_rate
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[-1] < recipe.learning_rate * 1e-5


def test_an_interrupted_run_ends_in_the_same_bytes(tmp_path: Path) -> None:
    unbroken = Run(S, people(), TINY)
    unbroken.advance(TINY.steps)
    first = Run(S, people(), TINY)
    first.advance(2)
    first.save(tmp_path / "checkpoint.pt")
    torch.manual_seed(99)  # another process has other random numbers behind it
    second = Run(S, people(), TINY)
    second.restore(tmp_path / "checkpoint.pt")
    second.advance(TINY.steps)
    assert second.losses == unbroken.losses
    assert len(second.losses) == TINY.steps
    for name, weight in unbroken.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], weight), name


def test_a_seed_decides_everything() -> None:
    def losses(seed: int) -> list[float]:
        run = Run(S, people(), Recipe(seed=seed, steps=2, batch=2))
        run.advance(2)
        return run.losses

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_training_lowers_the_loss() -> None:
    """On people who are one sine wave each there is something to learn."""
    wave = np.sin(2 * np.pi * np.arange(1440) / 1440).astype(np.float32)
    run = Run(S, [np.tile(wave, (8, 1))], Recipe(seed=0, steps=40, batch=2, warmup_steps=5))
    run.advance(40)
    assert np.mean(run.losses[-5:]) < 0.5 * run.losses[0]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    run = Run(S, people(), TINY)
    run.save(tmp_path / "checkpoint.pt")
    with pytest.raises(DataRefused, match="checkpoint of another run"):
        Run(S, people(), Recipe(seed=6, steps=4, batch=2, warmup_steps=2)).restore(tmp_path / "checkpoint.pt")


def test_nobody_with_seven_days_is_nothing_to_train_on() -> None:
    with pytest.raises(DataRefused, match="nobody has 7 days"):
        Run(S, people(days=6), TINY)

"""Training as a command does it: it can be interrupted anywhere, and what it exports is a model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clarity_server.adapters.local.models import DiskModels
from clarity_server.domain.models import Kind
from clarity_server.flows import models as flow
from clarity_server.flows import train
from clarity_server.flows.train import GateMissed, Material
from clarity_server.pat.evaluate import INTERPOLATION, PAT, SHARES, Table
from clarity_server.pat.scaling import Scaler, Transform
from clarity_server.pat.shapes import S
from clarity_server.pat.training import Progress, Recipe
from clarity_server.pat.weights import read

RECIPE = Recipe(seed=3, steps=6, batch=2, warmup_steps=2)


class Interrupted(Exception):
    """Ctrl-C, as it comes in the middle of a step's report."""


@pytest.fixture
def data() -> Material:
    rng = np.random.default_rng(0)
    days = [rng.standard_normal((8, 1440)).astype(np.float32) for _ in range(3)]
    scaler = Scaler("a-test", "made up", Transform.LOG1P, np.array([3.0]), np.array([2.0]))
    return Material(scaler, days, [rng.standard_normal((2, 10_080)).astype(np.float32)])


def quiet(_progress: Progress, _held_out: float | None) -> None:
    """Say nothing."""


@pytest.mark.parametrize("at_step", [1, 2, 3, 5])
def test_a_run_that_was_interrupted_anywhere_ends_in_the_same_bytes(
    data: Material, tmp_path: Path, at_step: int
) -> None:
    def interrupt(progress: Progress, _held_out: float | None) -> None:
        if progress.step == at_step:
            raise Interrupted

    whole = train.train(data, S, RECIPE, tmp_path / "whole", quiet, save_steps=2)
    with pytest.raises(Interrupted):
        train.train(data, S, RECIPE, tmp_path / "broken", interrupt, save_steps=2)
    resumed = train.train(data, S, RECIPE, tmp_path / "broken", quiet, save_steps=2)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], weight), name
    assert (tmp_path / "whole" / train.HISTORY).read_text() == (tmp_path / "broken" / train.HISTORY).read_text()


def test_every_step_and_every_checkpoint_is_told(data: Material, tmp_path: Path) -> None:
    told: list[tuple[int, bool]] = []
    train.train(data, S, RECIPE, tmp_path, lambda progress, error: told.append((progress.step, error is not None)), 4)
    assert told == [(1, False), (2, False), (3, False), (4, False), (4, True), (5, False), (6, False), (6, True)]


def test_a_run_that_is_done_is_only_read_again(data: Material, tmp_path: Path) -> None:
    first = train.train(data, S, RECIPE, tmp_path, quiet)
    again = train.train(data, S, RECIPE, tmp_path, lambda *_: pytest.fail("it trained again"))
    assert again.losses == first.losses


def test_what_is_exported_can_be_installed_and_is_a_demonstration(data: Material, tmp_path: Path) -> None:
    run = train.train(data, S, RECIPE, tmp_path / "run", quiet)
    manifest = train.export(run, data, tmp_path / "run")
    models = DiskModels(tmp_path / "models")
    kept = flow.install_card(models, tmp_path / "run")
    assert (kept.name, kept.kind, kept.digest) == ("pat-s-depresjon-demo", Kind.DEMONSTRATION, manifest.digest)
    assert kept.scaler_digest == data.scaler.digest
    found = read((tmp_path / "run" / flow.CARD_WEIGHTS).read_bytes())
    state = run.model.encoder.state_dict()
    assert all((state[name].numpy() == value).all() for name, value in found.tensors.items())


def test_the_table_is_written_down(data: Material, tmp_path: Path) -> None:
    run = train.train(data, S, RECIPE, tmp_path, quiet)
    table = train.measured(run, data, tmp_path)
    written = json.loads((tmp_path / train.EVALUATION).read_text())
    assert written["rows"] == {name: list(row) for name, row in table.rows.items()}
    assert written["passes"] is table.passes is False


def test_a_model_below_the_gate_is_not_to_be_shown() -> None:
    table = Table(SHARES, 11, 74, {PAT: (0.7, 0.617, 0.6), INTERPOLATION: (0.7, 0.555, 0.5)})
    assert "0.617" in str(GateMissed(table))
    assert "(0.555)" in str(GateMissed(replace(table, weeks=1)))

"""Train a model and measure it: the verb behind `clarity models train`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.errors import StartRefused
from clarity_server.domain.models import Kind, Manifest
from clarity_server.flows.models import CARD_MANIFEST, CARD_WEIGHTS, Told, describe
from clarity_server.pat import depresjon, evaluate, scaling
from clarity_server.pat.evaluate import Table
from clarity_server.pat.scaling import Scaler
from clarity_server.pat.shapes import Shape
from clarity_server.pat.training import Progress, Recipe, Run
from clarity_server.pat.weights import Weights, to_safetensors

FOLD_SEED = 0
HELD_OUT_FOLD = 0  # chosen before any was measured
SAVE_STEPS = 200
CHECKPOINT, HISTORY, EVALUATION = "checkpoint.pt", "training.json", "evaluation.json"
SCALER_NAME = "depresjon-log1p-global-1"
SCALER_SOURCE = (
    "Depresjon (Garcia-Ceja et al. 2018), the people in training: log1p of Actiwatch counts, one mean for all"
)
NAME = "pat-s-depresjon-demo"
TOLD = Told(
    source="trained for CLARITY on Depresjon by `clarity models train`; see models/pat-s-depresjon-demo/README.md",
    licence="Apache-2.0 for the weights; the licence of the data is unconfirmed (believed CC BY 4.0)",
    attribution="Depresjon: Garcia-Ceja et al., ACM MMSys 2018, data by Simula",
    summary="A demonstration: PAT-S trained on 44 people; simple methods beat it. It is for no decision about anybody.",
    kind=Kind.DEMONSTRATION,
)


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Who is in training and who is held out, scaled."""

    scaler: Scaler
    train: list[NDArray[np.float32]]  # of each person, (days, 1440)
    held_out: list[NDArray[np.float32]]  # of each person, (weeks, 10080)


def material(archive: Path) -> Material:
    """Returns Depresjon split by person, scaled by those in training. Raises DataRefused for another archive."""
    parts = depresjon.folds(depresjon.people(archive), FOLD_SEED)
    train = [person for fold, part in enumerate(parts) if fold != HELD_OUT_FOLD for person in part]
    scaler = scaling.fitted(SCALER_NAME, SCALER_SOURCE, np.concatenate([person.counts for person in train]))
    weeks = [depresjon.weeks(person) for person in parts[HELD_OUT_FOLD]]
    return Material(
        scaler,
        [scaler.scale(person.counts) for person in train],
        [scaler.scale(one) for one in weeks if len(one)],
    )


Tell = Callable[[Progress, float | None], None]


def train(data: Material, shape: Shape, recipe: Recipe, folder: Path, tell: Tell, save_steps: int = SAVE_STEPS) -> Run:
    """Train to the end, from the folder's checkpoint where there is one, and leave checkpoint and history there.

    `tell` gets every step, and with every `save_steps` the held-out error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(shape, data.train, recipe)
    history: dict[str, float] = {}
    if (folder / CHECKPOINT).exists():
        run.restore(folder / CHECKPOINT)
        history = json.loads((folder / HISTORY).read_text(encoding="utf-8"))["held_out_mse"]
    weeks = np.concatenate(data.held_out)
    while run.step < recipe.steps:
        run.advance(run.step + save_steps - run.step % save_steps, lambda progress: tell(progress, None))
        history[str(run.step)] = evaluate.hidden_mse(run.model, weeks)
        _write(folder / HISTORY, _history(run, history))  # before the checkpoint: it may know more, never less
        run.save(folder / CHECKPOINT)
        tell(Progress(run.step, recipe.steps, run.losses[-1], 0.0), history[str(run.step)])
    return run


def _history(run: Run, held_out: Mapping[str, float]) -> dict[str, object]:
    """What a curve is drawn from: the training loss, a mean of every 20 steps, and the held-out error by step."""
    losses = [round(float(np.mean(run.losses[start : start + 20])), 5) for start in range(0, len(run.losses), 20)]
    return {"recipe": asdict(run.recipe), "loss_every_20_steps": losses, "held_out_mse": dict(held_out)}


def measured(run: Run, data: Material, folder: Path) -> Table:
    """Measure the trained model beside the baselines, write the table down, and return it."""
    found = evaluate.table(run.model, data.train, data.held_out)
    _write(folder / EVALUATION, {**asdict(found), "gate_mse": evaluate.GATE_MSE, "passes": found.passes})
    return found


class GateMissed(StartRefused):
    """The model is not good enough to be shown."""

    def __init__(self, table: Table) -> None:
        """Give the figures."""
        at = table.shares.index(evaluate.GATE_SHARE)
        ours, line = table.rows[evaluate.PAT][at], table.rows[evaluate.INTERPOLATION][at]
        super().__init__(
            f"held-out MSE {ours:.3f} at {evaluate.GATE_SHARE}, not at most {evaluate.GATE_MSE} and below linear "
            f"interpolation ({line:.3f}): nothing is exported"
        )


def export(run: Run, data: Material, folder: Path) -> Manifest:
    """Write the encoder and its scaler as a model that `install` takes; the decoder is thrown away."""
    shape = run.model.encoder.shape
    state = run.model.encoder.state_dict()
    found = Weights(shape, {name: state[name].numpy() for name in shape.tensors()}, data.scaler)
    content = to_safetensors(found)
    manifest = describe(found, content, content, NAME, TOLD)
    (folder / CARD_WEIGHTS).write_bytes(content)
    (folder / CARD_MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _write(path: Path, body: object) -> None:
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)

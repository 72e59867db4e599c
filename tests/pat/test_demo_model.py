"""The committed demonstration: it installs, it is what its card says, and the card leads with what beats it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clarity_server.adapters.local.models import DiskModels
from clarity_server.domain.models import Kind, from_json
from clarity_server.flows import models as flow
from clarity_server.pat.evaluate import GATE_MSE, INTERPOLATION, LINEAR_GAUSSIAN, PAT
from clarity_server.pat.infer import Pat
from clarity_server.pat.scaling import filled
from clarity_server.pat.shapes import S

CARD = Path(__file__).parents[2] / "models" / "pat-s-depresjon-demo"
PAT_IN_CARD = "PAT-S, this model"


def test_it_installs_and_answers_as_a_demonstration(tmp_path: Path) -> None:
    models = DiskModels(tmp_path / "models")
    kept = flow.install_card(models, CARD)
    said = from_json((CARD / flow.CARD_MANIFEST).read_text(encoding="utf-8"))
    assert replace(kept, installed_time=said.installed_time) == said
    assert kept.kind is Kind.DEMONSTRATION
    found = flow.served(models)
    assert found is not None
    manifest, weights = found
    assert (manifest, weights.shape) == (kept, S)
    assert weights.scaler is not None
    counts = np.random.default_rng(0).gamma(0.5, 200, 10_080)
    counts[:30] = np.nan
    reading = Pat(weights).read(filled(weights.scaler.scale(counts)))
    assert np.isfinite(reading.embedding).all()
    assert reading.attention.sum() == pytest.approx(1)


def test_it_passes_the_gate_it_was_exported_by() -> None:
    table = json.loads((CARD / "evaluation.json").read_text(encoding="utf-8"))
    at = table["shares"].index(0.75)
    assert table["rows"][PAT][at] <= GATE_MSE
    assert table["rows"][PAT][at] < table["rows"][INTERPOLATION][at]
    assert table["passes"] is True


def test_its_card_has_the_figures_that_were_measured() -> None:
    table = json.loads((CARD / "evaluation.json").read_text(encoding="utf-8"))
    lines = (CARD / "README.md").read_text(encoding="utf-8").splitlines()
    for name, row in table["rows"].items():
        (line,) = [one for one in lines if one.startswith(f"| {PAT_IN_CARD if name == PAT else name} |")]
        written = [float(cell.strip(" *")) for cell in line.strip("|").split("|")[1:]]
        assert written == pytest.approx([round(value, 3) for value in row], abs=1e-9)


def test_its_card_leads_with_what_beats_it_and_says_what_it_is_not_for() -> None:
    table = json.loads((CARD / "evaluation.json").read_text(encoding="utf-8"))
    text = (CARD / "README.md").read_text(encoding="utf-8")
    assert all(theirs < ours for theirs, ours in zip(table["rows"][LINEAR_GAUSSIAN], table["rows"][PAT], strict=True))
    assert "linear-Gaussian imputer" in text.split("\n\n")[1]
    for word in ("no decision about anybody", "No licence text", "CC BY 4.0", "Diagnosis", "clarity models train"):
        assert word in text


def test_its_curve_is_of_the_run_that_is_described() -> None:
    history = json.loads((CARD / "training.json").read_text(encoding="utf-8"))
    table = json.loads((CARD / "evaluation.json").read_text(encoding="utf-8"))
    steps = history["recipe"]["steps"]
    assert steps >= 4000
    assert len(history["loss_every_20_steps"]) == steps // 20
    assert history["held_out_mse"][str(steps)] == table["rows"][PAT][1]
    assert (CARD / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert (CARD / "loss.png").stat().st_size < 100_000

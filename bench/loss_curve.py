"""`python -m bench.loss_curve FOLDER`: draw a training's loss from its training.json and evaluation.json.

Writes loss.png beside them: the picture of a model card. Sums over people only; nothing of a single person is in it.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no display is needed, and none is looked for

import matplotlib.pyplot as plt
import numpy as np

INK, QUIET, OURS, TRAINING = "#222222", "#777777", "#b3541e", "#c9c2b8"
LINES = ("linear interpolation of patch means", "linear-Gaussian imputer")
SMOOTH = 10  # points of 20 steps each


def draw(folder: Path) -> Path:
    """Write the picture and return its path."""
    history = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    table = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    at = table["shares"].index(history["recipe"]["hidden_share"])
    losses = np.array(history["loss_every_20_steps"])
    smooth = np.convolve(losses, np.ones(SMOOTH) / SMOOTH, mode="valid")
    steps = 20 * (np.arange(len(smooth)) + SMOOTH / 2 + 0.5)
    figure, axes = plt.subplots(figsize=(7.2, 3.6), dpi=110)
    axes.plot(steps, smooth, color=TRAINING, linewidth=1.6, label="people in training (mean of 200 steps)")
    held_out = history["held_out_mse"]
    axes.plot(
        [int(step) for step in held_out], list(held_out.values()), color=OURS, linewidth=2, label="people held out"
    )
    for name in LINES:
        level = table["rows"][name][at]
        axes.axhline(level, color=QUIET, linewidth=0.9, linestyle=(0, (4, 3)))
        place = axes.get_yaxis_transform()  # x in parts of the picture, y in errors
        axes.text(
            0.995, level - 0.004, f"{name}  {level:.3f}", transform=place, ha="right", va="top", fontsize=8, color=QUIET
        )
    axes.set_xlabel("step", color=INK)
    axes.set_ylabel("squared error of hidden minutes", color=INK)
    axes.set_title("PAT-S on Depresjon, 75 % of patches hidden", loc="left", fontsize=11, color=INK)
    axes.set_ylim(0.45, 0.8)
    axes.set_xlim(0, history["recipe"]["steps"])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    figure.tight_layout()
    path = folder / "loss.png"
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
    return path


if __name__ == "__main__":
    sys.stdout.write(f"{draw(Path(sys.argv[1]))}\n")

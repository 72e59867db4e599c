"""How well hidden minutes of people it never saw are filled in: PAT beside the simple ways.

Read it soberly: it shows that structure was learned, not that anything about a person can be told from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from clarity_server.pat import baselines
from clarity_server.pat.shapes import Shape
from clarity_server.pat.training import MaskedAutoencoder, orders

SHARES = (0.90, 0.75, 0.50)
GATE_SHARE = 0.75
GATE_MSE = 0.54
MASK_SEED = 2411  # of the evaluation's masks, apart from every seed of training
PAT = "PAT"
INTERPOLATION = "linear interpolation of patch means"
BASELINES: Mapping[str, Callable[[NDArray[np.floating]], NDArray[np.float64]]] = {
    "zero (the mean of everybody)": baselines.zero,
    "previous day, same minute": baselines.previous_day,
    "own profile of visible patches (60 min)": baselines.own_profile,
    INTERPOLATION: baselines.interpolated,
}
LINEAR_GAUSSIAN = "linear-Gaussian imputer"


@dataclass(frozen=True, slots=True)
class Table:
    """Mean squared errors of hidden minutes: method → one for each of `shares`, on so many weeks of so many people."""

    shares: tuple[float, ...]
    people: int
    weeks: int
    rows: Mapping[str, tuple[float, ...]]

    @property
    def passes(self) -> bool:
        """Whether PAT may be shown: at the gate's share at most GATE_MSE, and below linear interpolation."""
        at = self.shares.index(GATE_SHARE)
        return self.rows[PAT][at] <= GATE_MSE and self.rows[PAT][at] < self.rows[INTERPOLATION][at]


def table(model: MaskedAutoencoder, train: list[NDArray[np.float32]], held_out: list[NDArray[np.float32]]) -> Table:
    """Measure PAT and the baselines on every week in a row of the people held out.

    `train`: scaled days of the people in training, for the linear-Gaussian imputer; `held_out`: scaled weeks of each
    person that was not, (weeks, 10080), NaN for a missing minute, which is never scored.
    """
    weeks = np.concatenate(held_out)
    fillers = dict(BASELINES) | {LINEAR_GAUSSIAN: baselines.fit_linear_gaussian(train)}
    rows: dict[str, list[float]] = {name: [] for name in (*fillers, PAT)}
    for share in SHARES:
        order = orders(len(weeks), model.encoder.shape.patches, MASK_SEED, round(100 * share))
        hidden = masked(order, share, model.encoder.shape)
        for name, fill in fillers.items():
            rows[name].append(error(fill(np.where(hidden, np.nan, weeks)), weeks, hidden))
        rows[PAT].append(error(filled(model, weeks, order, share), weeks, hidden))
    measured = {name: tuple(found) for name, found in rows.items()}
    return Table(SHARES, len(held_out), len(weeks), measured)


def hidden_mse(model: MaskedAutoencoder, weeks: NDArray[np.float32], share: float = GATE_SHARE) -> float:
    """Returns PAT's own error on weeks, (n, 10080), with the masks that `table` uses."""
    order = orders(len(weeks), model.encoder.shape.patches, MASK_SEED, round(100 * share))
    return error(filled(model, weeks, order, share), weeks, masked(order, share, model.encoder.shape))


def masked(order: NDArray[np.int64], share: float, shape: Shape) -> NDArray[np.bool_]:
    """Returns which minutes are hidden, (n, 10080): those of the last patches in each order."""
    hidden = np.zeros(order.shape, dtype=np.bool_)
    np.put_along_axis(hidden, order[:, _visible(share, shape) :], values=True, axis=1)
    return np.repeat(hidden, shape.patch_minutes, axis=1)


def _visible(share: float, shape: Shape) -> int:
    return shape.patches - round(shape.patches * share)


def filled(
    model: MaskedAutoencoder, weeks: NDArray[np.float32], order: NDArray[np.int64], share: float
) -> NDArray[np.float64]:
    """Returns weeks with the hidden patches as PAT fills them, one week at a time."""
    shape = model.encoder.shape
    visible = _visible(share, shape)
    patches = weeks.reshape(len(weeks), shape.patches, shape.patch_minutes).astype(np.float64)
    with torch.inference_mode():
        for row, (week, one) in enumerate(zip(np.nan_to_num(weeks), order, strict=True)):
            guess = model.eval()(torch.from_numpy(week)[None], torch.from_numpy(one)[None], visible)  # (1, hidden, P)
            patches[row, one[visible:]] = guess[0].numpy()
    return patches.reshape(weeks.shape)


def error(found: NDArray[np.floating], weeks: NDArray[np.floating], hidden: NDArray[np.bool_]) -> float:
    """Returns the mean squared error over the hidden minutes that are known."""
    scored = hidden & np.isfinite(weeks)
    return float(np.square(found[scored].astype(np.float64) - weeks[scored]).mean())

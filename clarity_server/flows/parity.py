"""Hold weights against golden files made by the original: how far apart our answer and theirs are."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from clarity_server.domain.models import DataRefused
from clarity_server.pat.infer import Pat
from clarity_server.pat.shapes import WIDTH, WINDOW_MINUTES
from clarity_server.pat.weights import Weights

GOLDEN_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gates:
    """The largest differences that may be."""

    tokens: float
    pooled: float
    attention: float


ANY_CPU = Gates(tokens=2e-4, pooled=5e-6, attention=1e-7)
TIGHT = Gates(tokens=5e-6, pooled=2.5e-6, attention=1e-7)  # with Keras's own positions in place of ours


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest absolute differences found."""

    tokens_max_abs: float
    pooled_max_abs: float
    attention_max_abs: float  # what each token receives in the last block

    def passes(self, gates: Gates) -> bool:
        """Whether all are within the gates; a NaN is not."""
        return (
            self.tokens_max_abs <= gates.tokens
            and self.pooled_max_abs <= gates.pooled
            and self.attention_max_abs <= gates.attention
        )


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """Inputs, and what the original made of them."""

    weeks: NDArray[np.float32]  # (n, 10080)
    tokens: NDArray[np.float32]  # (n, N, 96)
    received: NDArray[np.float32]  # (n, h, N), of the last block


def golden(path: Path, found: Weights) -> Golden:
    """Returns the arrays `x`, `y` and `attn{last}_rowmean` of an .npz. Raises DataRefused where they do not fit."""
    last = f"attn{found.shape.layers - 1}_rowmean"
    arrays = _arrays(path, ("x", "y", last))
    count = len(arrays["x"]) if arrays["x"].ndim else 0
    wanted = {
        "x": (count, WINDOW_MINUTES),
        "y": (count, found.shape.patches, WIDTH),
        last: (count, found.shape.heads, found.shape.patches),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape or not count:
            raise DataRefused(
                f"{path.name}: {name} has the shape {arrays[name].shape} where {found.shape.name} has {shape}"
            )
    return Golden(arrays["x"], arrays["y"], arrays[last])


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    if path.stat().st_size > GOLDEN_BYTES_MAX:
        raise DataRefused(f"{path.name} is larger than any golden file")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return {name: np.asarray(file[name], dtype=np.float32) for name in names}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as why:
        raise DataRefused(f"{path.name} is not a golden file with the arrays {', '.join(names)}") from why


def parity(found: Weights, expected: Golden, keras_positions: NDArray[np.float32] | None = None) -> Parity:
    """Returns how far our served model is from the original; `keras_positions` (≥ N, 96) takes our positions' place."""
    pat = Pat(found)
    if keras_positions is not None:
        pat.encoder.positions.copy_(torch.from_numpy(keras_positions[: found.shape.patches].copy()))
    answers = [pat.explained(week) for week in expected.weeks]
    tokens = torch.cat([answer[0] for answer in answers]).numpy()  # (n, N, 96)
    received = torch.cat([answer[1] for answer in answers]).numpy()  # (n, h, N)
    return Parity(
        tokens_max_abs=_apart(tokens, expected.tokens),
        pooled_max_abs=_apart(tokens.mean(axis=1), expected.tokens.mean(axis=1)),
        attention_max_abs=_apart(received, expected.received),
    )


def _apart(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    return float(np.abs(ours.astype(np.float64) - theirs).max())

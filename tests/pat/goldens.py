"""The golden files: where they are, and what belongs to what."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clarity_server.flows.parity import Golden, golden
from clarity_server.pat.shapes import CONV_S, L, S, Shape
from clarity_server.pat.weights import Weights, content_of, read

HERE = Path(__file__).parent / "golden"
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "pat_golden"


@dataclass(frozen=True)
class Case:
    """Weights as Keras wrote them, and the answers Keras gave with them."""

    weights: Path
    answers: Path
    shape: Shape

    def read(self) -> tuple[Weights, Golden]:
        if not self.weights.exists():
            pytest.skip("needs ../shared/data/pat_golden, see ../shared/data/README.md")
        found = read(content_of(self.weights))
        return found, golden(self.answers, found)


LEGACY_S = Case(HERE / "legacy_S_weights.h5", HERE / "legacy_S_golden.npz", S)
LEGACY_S_FULL = Case(HERE / "legacy_S_full.h5", HERE / "legacy_S_golden.npz", S)
LEGACY_CONV_S = Case(HERE / "legacy_conv_S_weights.h5", HERE / "legacy_conv_S_golden.npz", CONV_S)
KERAS3_S_FULL = Case(HERE / "keras3_S_full.h5", HERE / "keras3_S_golden.npz", S)
LEGACY_L = Case(SHARED / "legacy_L_weights.h5", SHARED / "legacy_L_golden.npz", L)
CASES = {
    "legacy_S": LEGACY_S,
    "legacy_S_full": LEGACY_S_FULL,
    "legacy_conv_S": LEGACY_CONV_S,
    "keras3_S_full": KERAS3_S_FULL,
    "legacy_L": LEGACY_L,
}
KERAS3_WEIGHTS = HERE / "keras3_S.weights.h5"


def keras_positions() -> NDArray[np.float32]:
    """TensorFlow's own table, (1120, 96)."""
    found: NDArray[np.float32] = np.load(HERE / "keras_positions.npy", allow_pickle=False)
    return found

"""A scaled week in; what PAT makes of it out: an embedding, and where it looked. Never an estimate: that needs a head.

The same build, kind of CPU and number of threads give the same bytes. Weeks are answered one by one, so a batch is its
rows (and no slower: on a CPU, batching does not pay).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clarity_server.domain.errors import InvalidInput
from clarity_server.pat.model import Encoder, serving
from clarity_server.pat.shapes import WINDOW_MINUTES
from clarity_server.pat.weights import Weights

KEPT_BYTES = 16 * 1024 * 1024  # glibc heeds no more than 32 MiB


# eq=False: arrays have no single answer to ==.
@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What PAT makes of a week."""

    embedding: NDArray[np.float32]  # (96,): the mean of all tokens
    attention: NDArray[np.float64]  # (10080,), sums to 1: what each minute received in the last block


class Pat:
    """One encoder, ready to answer. Not for several threads at once: it has one of its own in the server."""

    def __init__(self, weights: Weights) -> None:
        """Fold the attention in float64; whether these weights may answer at all was judged before."""
        self.shape = weights.shape
        self.encoder = serving(loaded(weights))
        _keep_freed_memory()

    def read(self, week: NDArray[np.floating]) -> Reading:
        """Returns the reading of a scaled week, shape (10080,), oldest minute first.

        Raises InvalidInput for another length, and for NaN or Inf: whoever fills gaps does so before, and says how.
        """
        tokens, received = self.explained(week)
        looked = received[0].double().mean(dim=0)  # (N,), over the heads
        shares = (looked / looked.sum() / self.shape.patch_minutes).numpy()
        return Reading(
            embedding=tokens[0].mean(dim=0).numpy(),
            attention=np.repeat(shares, self.shape.patch_minutes),
        )

    def read_all(self, weeks: Iterable[NDArray[np.floating]]) -> list[Reading]:
        """Returns the reading of each week, exactly as `read` gives it."""
        return [self.read(week) for week in weeks]

    def explained(self, week: NDArray[np.floating]) -> tuple[Tensor, Tensor]:
        """Returns the tokens, (1, N, 96), and what each receives in the last block, (1, h, N). Raises InvalidInput."""
        if week.shape != (WINDOW_MINUTES,):
            raise InvalidInput(week=f"a week has {WINDOW_MINUTES} minutes; this has the shape {week.shape}")
        if not np.isfinite(week).all():
            raise InvalidInput(week="NaN or Inf in a scaled week; a gap is filled by a named rule, or refused")
        # A copy: PyTorch wants its own byte order, contiguous and writable.
        minutes = torch.from_numpy(np.array(week, dtype=np.float32, order="C"))  # (10080,)
        with torch.inference_mode():
            return self.encoder.explained(minutes[None])


def loaded(weights: Weights) -> Encoder:
    """Returns the encoder with these weights as it was trained: not folded, in evaluation mode."""
    encoder = Encoder(weights.shape)
    encoder.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in weights.tensors.items()})
    return encoder.eval()


def _keep_freed_memory() -> None:
    """Let the C library keep what a week's matrices took, for the next ones.

    glibc returns freed memory above a threshold to the system, which hands it out again page by page: up to half of the
    time of a week went there. The threshold follows the largest block that was freed, so this one raises it, untouched.
    """
    torch.empty(KEPT_BYTES, dtype=torch.uint8)

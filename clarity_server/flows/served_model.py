"""The model that answers, in the one thread that ever runs it."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.analysis import WINDOW_MINUTES, Output
from clarity_server.domain.models import Manifest
from clarity_server.pat.scaling import Scaler
from clarity_server.pat.weights import Weights

if TYPE_CHECKING:
    from clarity_server.pat.infer import Pat

NICENESS = 10  # of the thread: calls come before analyses


class ServedModel:
    """One PAT encoder. Implements flows.describe.Model: several threads may ask, and take turns."""

    def __init__(self, manifest: Manifest, weights: Weights, threads: int) -> None:
        """Take judged weights, and how many threads PyTorch may use; read a week of nothing, so that all is loaded."""
        self.manifest = manifest
        self._weights = weights
        self._executor = ThreadPoolExecutor(1, "model", initializer=_give_way)
        self._pat: Pat = self._executor.submit(_loaded, weights, threads).result()
        self.read(np.zeros(WINDOW_MINUTES, dtype=np.float32))

    @property
    def scaler(self) -> Scaler | None:
        """What it was trained with."""
        return self._weights.scaler

    def read(self, scaled: NDArray[np.float32]) -> Output:
        """Return what it makes of a scaled week, shape (10080,). Blocks until it had its turn."""
        return self._executor.submit(self._read, scaled).result()

    def alive(self) -> None:
        """Pass through the thread's queue; raises where it takes no more work."""
        self._executor.submit(int).result()

    def close(self) -> None:
        """End the thread after the week it is at."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _read(self, scaled: NDArray[np.float32]) -> Output:
        reading, minutes = self._pat.read(scaled), self._weights.shape.patch_minutes
        shares = reading.attention[::minutes] * minutes  # of a whole patch
        return Output(tuple(reading.embedding.tolist()), tuple(shares.tolist()), minutes)


def _loaded(weights: Weights, threads: int) -> Pat:
    # Only where a model answers: PyTorch takes seconds and hundreds of megabytes.
    import torch

    from clarity_server.pat.infer import Pat

    torch.set_num_threads(threads)
    return Pat(weights)


def _give_way() -> None:
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

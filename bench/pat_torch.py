"""PAT in PyTorch, for `python -m bench pat`: ours as the server runs it, ours without the explanation, and unfolded."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  as everybody who reads PyTorch knows it
from numpy.typing import NDArray
from torch import Tensor

from clarity_server.pat.infer import Pat, loaded
from clarity_server.pat.model import Encoder, packed
from clarity_server.pat.weights import Weights

SIDES = (384, 512, 768, 1024, 1536)  # of the square matrices that look for the peak
PRODUCTS = 5


def limit(threads: int) -> None:
    """Compute with so many threads."""
    torch.set_num_threads(threads)


def ways(weights: Weights) -> Mapping[str, Callable[[NDArray[np.float32]], object]]:
    """Returns what is timed, by its name: each takes a scaled week."""
    pat = Pat(weights)
    unfolded = loaded(weights)
    return {
        "served": pat.read,
        "forward": lambda week: tokens(pat.encoder, week),
        "torch": lambda week: tokens(unfolded, week),
    }


def answers(weights: Weights, week: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
    """Returns the tokens, (N, 96), that every way makes of a week."""
    pat = Pat(weights)
    return {
        "served": pat.explained(week)[0][0].numpy(),
        "forward": tokens(pat.encoder, week),
        "torch": tokens(loaded(weights), week),
    }


def tokens(encoder: Encoder, week: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the tokens, (N, 96), of a scaled week."""
    with torch.inference_mode():
        found: NDArray[np.float32] = encoder(torch.from_numpy(week)[None])[0].numpy()
    return found


def peaks() -> Mapping[str, float]:
    """Returns the most GFLOP/s at which square float32 matrices are multiplied, by MKL (`torch.mm`) and by oneDNN."""
    squares = [torch.rand(side, side) for side in SIDES]
    with torch.inference_mode():
        return {
            "torch.mm": max(rate(torch.mm, a, a) for a in squares),
            "oneDNN": max(rate(F.linear, packed(a), a) for a in squares),
        }


def rate(product: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> float:
    """Returns the GFLOP/s of the fastest of a few products of two square matrices."""
    product(a, b)
    taken = []
    for _ in range(PRODUCTS):
        began = time.perf_counter()
        product(a, b)
        taken.append(time.perf_counter() - began)
    return float(2 * len(b) ** 3 / min(taken) / 1e9)

"""PAT's sizes, and the tensors each is made of. No torch here: a file is judged before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WINDOW_MINUTES = 7 * 24 * 60  # 10,080
WIDTH = 96
FEED_FORWARD = 256
KERNEL_MINUTES = 3  # of the Conv variant


@dataclass(frozen=True, slots=True)
class Shape:
    """One size of PAT (Ruan et al., arXiv 2411.15240): all else is the same in every size."""

    size: str
    patch_minutes: int
    heads: int
    layers: int
    conv: bool = False

    @property
    def patches(self) -> int:
        """How many tokens a week becomes: 560 or 1,120."""
        return exact_div(WINDOW_MINUTES, self.patch_minutes)

    @property
    def variant(self) -> str:
        """How a patch becomes a token."""
        return "conv" if self.conv else "linear"

    @property
    def name(self) -> str:
        """What a person calls it: `PAT-S`, `PAT-Conv-S`."""
        return f"PAT-{'Conv-' if self.conv else ''}{self.size}"

    def tensors(self) -> Mapping[str, tuple[int, ...]]:
        """The encoder's tensors in PyTorch's layout: name → shape, in the order they are computed with."""
        inner = self.heads * WIDTH  # a head is as wide as the model: key_dim 96, not 96/h
        embedding = (WIDTH, 1, KERNEL_MINUTES) if self.conv else (WIDTH, self.patch_minutes)
        found: dict[str, tuple[int, ...]] = {"embedding.weight": embedding, "embedding.bias": (WIDTH,)}
        for layer in range(self.layers):
            for name, outputs, inputs in (
                ("attention.query", inner, WIDTH),
                ("attention.key", inner, WIDTH),
                ("attention.value", inner, WIDTH),
                ("attention.output", WIDTH, inner),
                ("widen", FEED_FORWARD, WIDTH),
                ("narrow", WIDTH, FEED_FORWARD),
            ):
                found[f"blocks.{layer}.{name}.weight"] = (outputs, inputs)
                found[f"blocks.{layer}.{name}.bias"] = (outputs,)
            for name in ("norm1", "norm2"):
                found[f"blocks.{layer}.{name}.weight"] = found[f"blocks.{layer}.{name}.bias"] = (WIDTH,)
        return found


def exact_div(whole: int, part: int) -> int:
    """Divide where nothing may be left over."""
    assert whole % part == 0, f"{part} does not divide {whole}"
    return whole // part


S = Shape("S", patch_minutes=18, heads=6, layers=1)
M = Shape("M", patch_minutes=18, heads=12, layers=2)
L = Shape("L", patch_minutes=9, heads=12, layers=4)
CONV_S = Shape("S", patch_minutes=18, heads=6, layers=1, conv=True)
CONV_M = Shape("M", patch_minutes=18, heads=12, layers=2, conv=True)
CONV_L = Shape("L", patch_minutes=9, heads=12, layers=4, conv=True)
SHAPES = (S, M, L, CONV_S, CONV_M, CONV_L)

"""PAT's encoder: a week of scaled minutes in, 560 or 1,120 tokens of 96 numbers out.

Ruan et al., arXiv 2411.15240, and the notebooks of njacobsonlab/Pretrained-Actigraphy-Transformer at 57ad9c7. Written
from the description; held to the original, tensor by tensor, by tests/pat/test_parity.py.

    week (batch, minutes) ─ patches (batch, N, P) ─ embedding ─ + positions ─ block ×layers ─ tokens (batch, N, 96)
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F  # noqa: N812  as everybody who reads PyTorch knows it
from torch import Tensor, nn

from clarity_server.pat.shapes import FEED_FORWARD, KERNEL_MINUTES, WIDTH, Shape

NORM_EPS = 1e-6  # Keras's, as PAT was trained; PyTorch's default is 1e-5
DROPOUT = 0.1
LONGEST_WAVE = 10_000.0
QUERIES = 672  # attended to at a time: what they look at, 3 MB at most, is still in the cache


def packed(x: Tensor) -> Tensor:
    """Returns the tensor in oneDNN's keeping, where there is one for it; `F.linear` and softmax then run there.

    PyTorch multiplies plain matrices with MKL. On the AMD CPU with AVX-512 that we measured, oneDNN is twice as fast;
    held to AVX2 it is as fast as MKL (docs/performance.md). An Intel CPU was not measured.
    """
    known = x.dtype is torch.float32 and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return x.to_mkldnn() if known else x


def plain(x: Tensor) -> Tensor:
    """Returns the tensor in PyTorch's own keeping."""
    return x.to_dense() if x.is_mkldnn else x


def positions(tokens: int, width: int = WIDTH) -> Tensor:
    """Returns the fixed positions, shape (tokens, width), float32: width/2 sines, then width/2 cosines.

    Not interleaved, and from 0. Computed in float64: at p = 1,119 one unit in the last place of a float32 `exp`
    would be 1e-4 in the sine.
    """
    waves = torch.exp(-2 * torch.arange(width // 2, dtype=torch.float64) * math.log(LONGEST_WAVE) / width)  # (width/2,)
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] * waves  # (tokens, width/2)
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


class PatchEmbedding(nn.Linear):
    """A patch becomes a token: one dense layer over its minutes, no activation."""

    def __init__(self, patch_minutes: int) -> None:
        super().__init__(patch_minutes, WIDTH)


class ConvEmbedding(nn.Conv1d):
    """A patch becomes a token: a convolution that does not see the neighbouring patch, ReLU, the mean over minutes."""

    def __init__(self) -> None:
        super().__init__(1, WIDTH, KERNEL_MINUTES, padding="same")

    def forward(self, patches: Tensor) -> Tensor:
        """Returns the tokens, (batch, N, 96), of patches (batch, N, P)."""
        minutes = patches.flatten(0, 1).unsqueeze(1)  # (batch·N, 1, P): each patch is padded by itself
        seen = F.relu(super().forward(minutes))  # (batch·N, 96, P)
        return seen.mean(dim=2).view(*patches.shape[:2], WIDTH)  # (batch, N, 96)


class Attention(nn.Module):
    """Attention as it is trained: each head has its own queries, keys and values, `head_width` wide."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, self.head_width = heads, head_width
        self.query = nn.Linear(width, heads * head_width)
        self.key = nn.Linear(width, heads * head_width)
        self.value = nn.Linear(width, heads * head_width)
        self.output = nn.Linear(heads * head_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the output, (batch, N, width) as the input is."""
        q, k, v = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))  # (batch, h, N, d)
        mixed = F.scaled_dot_product_attention(q, k, v)  # (batch, h, N, d); the scale is 1/√d
        return self._joined(mixed)

    def explained(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the output and what each token receives, (batch, h, N): the mean over queries of every head."""
        q, k, v = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))  # (batch, h, N, d)
        looks = torch.softmax(q @ k.mT / math.sqrt(self.head_width), dim=-1)  # (batch, h, queries, keys)
        return self._joined(looks @ v), looks.mean(dim=2)

    def _split(self, joined: Tensor) -> Tensor:
        return joined.view(*joined.shape[:2], self.heads, self.head_width).transpose(1, 2)  # (batch, h, N, d)

    def _joined(self, mixed: Tensor) -> Tensor:
        out: Tensor = self.output(mixed.transpose(1, 2).flatten(2))  # (batch, N, h·d) → (batch, N, width)
        return out


class FoldedAttention(nn.Module):
    """The same attention with keys folded into queries and values into the output: exact where a head is full width.

    logit(n, m) = (x_n·A_h + c_h)·x_m, A_h = Wq_h·Wk_hᵀ/√d, c_h = bq_h·Wk_hᵀ/√d; what is dropped (the key's bias) is
    the same for all m, so softmax cancels it. Output: Σ_h P_h·x·M_h + b, M_h = Wv_h·Wo_h, b = bo + Σ_h bv_h·Wo_h, for
    the rows of P sum to 1. Keys and values of all heads are x itself, so that all h·N queries are alike: a few tokens'
    at a time, the whole way through, no matrix leaves the cache (all of P would be 60 MB for L).
    """

    ask: Tensor  # (h·96, 96): all A_h
    ask_bias: Tensor  # (h·96,): all c_h
    answer: Tensor  # (96, h·96): all M_h
    answer_bias: Tensor  # (96,): b

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        heads, width = attention.heads, attention.head_width
        self.heads = heads
        # In float64, once: afterwards it is as near to the truth as the unfolded form is.
        wq, wk, wv = (
            layer.weight.detach().double().view(heads, width, width)  # (h, d, 96): [h, o, i]
            for layer in (attention.query, attention.key, attention.value)
        )
        bq, bv = (layer.bias.detach().double().view(heads, width) for layer in (attention.query, attention.value))
        wo = attention.output.weight.detach().double().view(width, heads, width)  # (96, h, d): [e, h, o]
        scale = 1 / math.sqrt(width)
        ask = torch.einsum("hoj,hoi->hji", wk, wq) * scale  # (h, 96, 96)
        ask_bias = torch.einsum("ho,hoj->hj", bq, wk) * scale  # (h, 96)
        answer = torch.einsum("eho,hoi->ehi", wo, wv)  # (96, h, 96)
        answer_bias = attention.output.bias.detach().double() + torch.einsum("eho,ho->e", wo, bv)  # (96,)
        self.register_buffer("ask", ask.flatten(0, 1).to(attention.query.weight.dtype))
        self.register_buffer("ask_bias", ask_bias.flatten().to(attention.query.weight.dtype))
        self.register_buffer("answer", answer.flatten(1).to(attention.query.weight.dtype))
        self.register_buffer("answer_bias", answer_bias.to(attention.query.weight.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the output, (batch, N, 96) as the input is."""
        return torch.stack([self._week(week) for week in x])

    def explained(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the output and what each token receives, (batch, h, N): the mean over queries of every head."""
        received = x.new_zeros(len(x), self.heads, x.shape[1])
        out = torch.stack([self._week(week, sums) for week, sums in zip(x, received, strict=True)])
        return out, received / x.shape[1]

    def _week(self, x: Tensor, received: Tensor | None = None) -> Tensor:
        """Returns the output of a week (N, 96); adds to `received`, (h, N), what each token receives from each."""
        values = x.T.contiguous()  # (96, N): F.linear turns it back
        some = torch.split(x, QUERIES // self.heads)  # (n, 96) each
        return torch.cat([self._answers(self._looks(tokens, x), values, received) for tokens in some])  # (N, 96)

    def _looks(self, tokens: Tensor, x: Tensor) -> Tensor:
        asked = F.linear(packed(tokens), self.ask, self.ask_bias).reshape(-1, WIDTH)  # (n, h·96) → (n·h, 96)
        return torch.softmax(F.linear(asked, x), dim=-1)  # (n·h, N)

    def _answers(self, looks: Tensor, values: Tensor, received: Tensor | None) -> Tensor:
        if received is not None:
            received += plain(looks).view(-1, *received.shape).sum(dim=0)  # (n, h, N) → (h, N)
        mixed = F.linear(looks, values).reshape(-1, self.heads * WIDTH)  # (n·h, 96) → (n, h·96)
        return plain(F.linear(mixed, self.answer, self.answer_bias))  # (n, 96)


class Block(nn.Module):
    """Attention, then two dense layers; each is added to its input and then normalised (post-norm)."""

    attention: Attention | FoldedAttention

    def __init__(self, width: int, heads: int, head_width: int, feed_forward: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads, head_width)
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.widen = nn.Linear(width, feed_forward)
        self.narrow = nn.Linear(feed_forward, width)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the output, (batch, N, width) as the input is."""
        return self._after(x, self.attention(x))

    def explained(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the output and the attention each token receives, (batch, h, N)."""
        attended, received = self.attention.explained(x)
        return self._after(x, attended), received

    def _after(self, x: Tensor, attended: Tensor) -> Tensor:
        u = self.norm1(x + self.dropout(attended))  # (batch, N, width)
        out: Tensor = self.norm2(u + self.dropout(self.narrow(F.relu(self.widen(u)))))
        return out


class Encoder(nn.Module):
    """PAT. Made in training mode with fresh weights; `serving` makes the one that answers."""

    positions: Tensor  # (N, 96)

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = ConvEmbedding() if shape.conv else PatchEmbedding(shape.patch_minutes)
        self.blocks = nn.ModuleList(Block(WIDTH, shape.heads, WIDTH, FEED_FORWARD) for _ in range(shape.layers))
        self.register_buffer("positions", positions(shape.patches), persistent=False)

    def forward(self, weeks: Tensor) -> Tensor:
        """Returns the tokens, (batch, N, 96), of scaled weeks (batch, 10080)."""
        return self.attended(self.embedded(weeks))

    def embedded(self, weeks: Tensor) -> Tensor:
        """Returns the tokens before the first block, (batch, N, 96): what is where."""
        patches = weeks.reshape(-1, self.shape.patches, self.shape.patch_minutes)  # (batch, N, P)
        tokens: Tensor = self.embedding(patches)
        return tokens + self.positions

    def attended(self, tokens: Tensor) -> Tensor:
        """Returns any of the embedded tokens after all blocks, (batch, n, 96)."""
        for block in self.blocks:
            tokens = block(tokens)
        return tokens

    def explained(self, weeks: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the tokens, (batch, N, 96), and the attention each receives in the last block, (batch, h, N)."""
        *before, last = self.blocks
        x = self.embedded(weeks)
        for block in before:
            x = block(x)
        assert isinstance(last, Block)
        return last.explained(x)


def serving(encoder: Encoder) -> Encoder:
    """Returns a copy that answers: attention folded, no dropout, no gradients."""
    served = copy.deepcopy(encoder).eval().requires_grad_(requires_grad=False)
    for block in served.blocks:
        assert isinstance(block, Block)
        assert isinstance(block.attention, Attention), "an encoder is folded once"
        block.attention = FoldedAttention(block.attention)
    return served

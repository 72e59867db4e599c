"""Training PAT: a masked autoencoder that sees a part of a week's patches and says what the others were.

    week ─ patches ─ embedding + positions ─ the visible only ─ encoder ─┐
                                                                         ├ in order again ─ + positions ─ decoder
                                              a mask token for the rest ─┘                 │
                                                     loss: mean squared error over the minutes of the hidden patches

Free of two faults of the upstream notebook: tokens come back in the order they were taken out (`unshuffled`), and the
loss is taken from the patches that were hidden (tests/pat/test_training.py holds both). Every step's weeks, masks and
dropout are functions of (seed, step) alone, so a run that was interrupted goes on to the same bytes.
"""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clarity_server.domain.models import DataRefused
from clarity_server.pat.depresjon import DAY_MINUTES, WEEK_DAYS
from clarity_server.pat.model import Block, Encoder, positions
from clarity_server.pat.shapes import WIDTH, Shape

DECODER_WIDTH = 64
DECODER_HEADS = 4
DECODER_FEED_FORWARD = 256
REACH = 2.0  # the output is 2·tanh: no scaled minute is much further from the mean
OUTPUT_GAIN = 0.1  # at full gain the output starts saturated behind the tanh
STREAM_BATCH, STREAM_MASK, STREAM_DROPOUT = 0, 1, 2  # independent random streams of one step


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a run beside its data."""

    seed: int = 0
    steps: int = 6_000
    batch: int = 8
    hidden_share: float = 0.75
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup_steps: int = 50

    def rate_at(self, step: int) -> float:
        """The learning rate of a step: up in a line, down in half a cosine."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


# ---- the model -----------------------------------------------------------------------------------------------


def taken(tokens: Tensor, order: Tensor) -> Tensor:
    """Returns tokens (batch, N, w) in an order, (batch, n): row i of the result was token order[i]."""
    return tokens.gather(1, order[:, :, None].expand(-1, -1, tokens.shape[2]))


def unshuffled(tokens: Tensor, order: Tensor) -> Tensor:
    """Undoes `taken` with a whole order, (batch, N)."""
    return taken(tokens, order.argsort(dim=1))


class Decoder(nn.Module):
    """One small block that fills in the hidden patches. Thrown away after training."""

    positions: Tensor  # (N, 64)

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.narrow = nn.Linear(WIDTH, DECODER_WIDTH)
        self.mask = nn.Parameter(torch.zeros(DECODER_WIDTH))
        self.block = Block(DECODER_WIDTH, DECODER_HEADS, DECODER_WIDTH // DECODER_HEADS, DECODER_FEED_FORWARD)
        self.output = nn.Linear(DECODER_WIDTH, shape.patch_minutes)
        self.register_buffer("positions", positions(shape.patches, DECODER_WIDTH), persistent=False)

    def forward(self, seen: Tensor, order: Tensor) -> Tensor:
        """Returns the hidden patches, (batch, hidden, P), after the visible tokens (batch, visible, 96)."""
        batch, visible, _ = seen.shape
        masks = self.mask.expand(batch, order.shape[1] - visible, -1)  # (batch, hidden, 64)
        tokens = unshuffled(torch.cat([self.narrow(seen), masks], dim=1), order)  # (batch, N, 64), in order again
        tokens = self.block(tokens + self.positions)
        hidden = taken(tokens, order[:, visible:])  # (batch, hidden, 64)
        return REACH * torch.tanh(self.output(hidden))


class MaskedAutoencoder(nn.Module):
    """Encoder and decoder; an order says which patches are visible (its first ones) and which are hidden."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)

    def forward(self, weeks: Tensor, order: Tensor, visible: int) -> Tensor:
        """Returns what the hidden patches were, (batch, hidden, P), in the order given."""
        tokens = taken(self.encoder.embedded(weeks), order[:, :visible])  # (batch, visible, 96)
        found: Tensor = self.decoder(self.encoder.attended(tokens), order)
        return found

    def loss(self, weeks: Tensor, order: Tensor, visible: int) -> Tensor:
        """Returns the mean squared error over the known minutes of the hidden patches; NaN is a missing minute."""
        shape = self.encoder.shape
        patches = weeks.reshape(-1, shape.patches, shape.patch_minutes)  # (batch, N, P)
        wanted = taken(patches, order[:, visible:])  # (batch, hidden, P)
        known = wanted.isfinite()
        found = self(weeks.nan_to_num(0.0), order, visible)
        squares = (found - wanted.nan_to_num(0.0)).square() * known
        mean: Tensor = squares.sum() / known.sum()
        return mean


def fresh(shape: Shape, seed: int) -> MaskedAutoencoder:
    """Returns an untrained model: Xavier's weights, no biases, and an output that starts small."""
    with _seeded(seed):
        model = MaskedAutoencoder(shape)
        for layer in model.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d):
                nn.init.xavier_uniform_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        nn.init.xavier_uniform_(model.decoder.output.weight, gain=OUTPUT_GAIN)
        nn.init.normal_(model.decoder.mask, std=0.02)
    return model


@contextmanager
def _seeded(*seed: int) -> Iterator[None]:
    """Make PyTorch's random numbers a function of a seed, for a while."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> 1))
        yield


# ---- the run -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """One step that was done."""

    step: int
    steps: int
    loss: float
    seconds: float  # since this process began


class Run:
    """A training run: `advance` to a step, `save` and `restore` to go on later, to the same bytes."""

    def __init__(self, shape: Shape, people: list[NDArray[np.float32]], recipe: Recipe) -> None:
        """Take scaled days of people, each (days, 1440), NaN for a missing minute. Raises DataRefused for no week."""
        self.recipe, self.step, self.losses = recipe, 0, list[float]()
        self.model = fresh(shape, recipe.seed)
        self.people = [days for days in people if len(days) >= WEEK_DAYS]
        self._starts = [
            (index, day) for index, days in enumerate(self.people) for day in range(len(days) - WEEK_DAYS + 1)
        ]
        if not self._starts:
            raise DataRefused("nobody has 7 days: there is nothing to train on")
        decay = [weight for weight in self.model.parameters() if weight.ndim > 1]
        plain = [weight for weight in self.model.parameters() if weight.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decay, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=recipe.learning_rate,
        )

    def advance(self, until: int, tell: Callable[[Progress], None] = lambda _: None) -> None:
        """Train up to a step."""
        began = time.monotonic()
        self.model.train()
        while self.step < min(until, self.recipe.steps):
            loss = self._one()
            self.losses.append(loss)
            self.step += 1
            tell(Progress(self.step, self.recipe.steps, loss, time.monotonic() - began))
        self.model.eval()

    def _one(self) -> float:
        recipe, shape = self.recipe, self.model.encoder.shape
        visible = shape.patches - round(shape.patches * recipe.hidden_share)
        weeks = torch.from_numpy(self._weeks())
        order = torch.from_numpy(orders(recipe.batch, shape.patches, recipe.seed, self.step, STREAM_MASK))
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(self.step)
        with _seeded(recipe.seed, self.step, STREAM_DROPOUT):
            loss = self.model.loss(weeks, order, visible)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        self.optimizer.step()
        return float(loss.detach())

    def _weeks(self) -> NDArray[np.float32]:
        """A batch, (batch, 10080): weeks in a row, and weeks of 7 days of one person in any order, in turn."""
        rng = np.random.default_rng((self.recipe.seed, self.step, STREAM_BATCH))
        return np.stack([self._row(rng) if row % 2 else self._mixed(rng) for row in range(self.recipe.batch)])

    def _row(self, rng: np.random.Generator) -> NDArray[np.float32]:
        index, day = self._starts[rng.integers(len(self._starts))]
        return self.people[index][day : day + WEEK_DAYS].reshape(WEEK_DAYS * DAY_MINUTES)

    def _mixed(self, rng: np.random.Generator) -> NDArray[np.float32]:
        days = self.people[rng.integers(len(self.people))]
        chosen = rng.choice(len(days), size=WEEK_DAYS, replace=False)
        return days[chosen].reshape(WEEK_DAYS * DAY_MINUTES)

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        body = io.BytesIO()
        torch.save(
            {
                "recipe": asdict(self.recipe),
                "shape": asdict(self.model.encoder.shape),
                "step": self.step,
                "losses": self.losses,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
            body,
        )
        aside = path.with_suffix(".part")
        with aside.open("wb") as file:
            file.write(body.getvalue())
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises DataRefused when it is of another recipe or size."""
        found = torch.load(path, weights_only=True)
        asked = {"recipe": asdict(self.recipe), "shape": asdict(self.model.encoder.shape)}
        if any(found[name] != value for name, value in asked.items()):
            raise DataRefused(f"{path} is a checkpoint of another run: give the same options, or another directory")
        self.model.load_state_dict(found["model"])
        self.optimizer.load_state_dict(found["optimizer"])
        self.step, self.losses = found["step"], list(found["losses"])


def orders(count: int, patches: int, *seed: int) -> NDArray[np.int64]:
    """Returns random orders of the patches, (count, patches), the same for the same seed."""
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(np.arange(patches, dtype=np.int64), (count, 1)), axis=1)

"""PAT's inference, a week at a time, against Keras as its authors call it, and others. `python -m bench pat`.

Every framework computes in a process of its own for each number of threads; their rounds take turns. The weights are
noise, the same for all (they are nowhere kept, and never served), and before anything is timed the tokens of all are
held against each other. Ours as served answers more than the others do: it also says where it looked.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarity_server.pat.shapes import FEED_FORWARD, WIDTH, WINDOW_MINUTES, L, M, S, Shape
from clarity_server.pat.weights import Weights

THREADS = (1, 2)
CALLS = {S: 12, M: 6, L: 3}  # in a round, after one that is not timed
ROUNDS = 7
SEED = 1
END_WITHIN_S = 10.0

TOKENS_APART_MAX, POOLED_APART_MAX = 2e-4, 5e-6  # the gates of flows/parity.py, on any CPU

NAMES = {
    "served": "ours, as served: explained",
    "forward": "ours, the tokens only",
    "torch": "PyTorch, unfolded, SDPA",
    "function": "TensorFlow, tf.function",
    "predict": "Keras, model.predict",
}
OURS = ("served", "forward")


@dataclass(frozen=True, slots=True)
class Aim:
    """How many times as fast as another way ours wants to be."""

    way: str
    times: float


AIMS = (Aim("predict", 4.0), Aim("function", 1.9))
PEAK_AIM, PEAK_AIM_SHAPES = 0.8, (M, L)


@dataclass
class Figures:
    """What one number of threads came to."""

    taken_s: dict[tuple[Shape, str], list[float]] = field(default_factory=dict)  # a round each: the median call
    peaks: dict[str, list[float]] = field(default_factory=dict)  # GFLOP/s, a round each

    def median_s(self, shape: Shape, way: str) -> float:
        """The seconds a week takes: the median of the rounds' medians."""
        return statistics.median(self.taken_s[shape, way])

    @property
    def peak(self) -> float:
        """The most GFLOP/s that any product of matrices reached."""
        return max(max(rates) for rates in self.peaks.values())


def main() -> None:
    """Measure in interleaved rounds, print the medians, and say which aims are met."""
    modules = ["bench.pat_torch"]
    if find_spec("tensorflow") and find_spec("keras"):
        modules.append("bench.pat_keras")
        print(import_module("bench.pat_keras").versions())
    else:
        print("Keras and TensorFlow are not measured: they are not installed here; `make bench` installs them")
    print(f"batch 1, noise for weights, {ROUNDS} rounds interleaved: median (fastest–slowest round), share of the peak")
    print(f"{os.getloadavg()[0]:.1f} processes were running before; other work spoils two threads more than one")
    for threads in THREADS:
        figures = measured(modules, threads)
        for line in (*table(figures, threads), *verdicts(figures)):
            print(line, flush=True)


def measured(modules: list[str], threads: int) -> Figures:
    """Start a process for every framework, check that they compute the same, and let them take turns."""
    figures = Figures()
    with ExitStack() as held:
        children = [held.enter_context(child(module, threads)) for module in modules]
        for shape, calls in CALLS.items():
            agreeing([ask(one, "answers", shape) for one in children])
            for _ in range(ROUNDS):
                for name, rate in ask(children[0], "peaks").items():
                    figures.peaks.setdefault(name, []).append(rate)
                for one in children:
                    for name, taken in ask(one, "times", calls).items():
                        figures.taken_s.setdefault((shape, name), []).append(taken)
    return figures


def agreeing(found: list[Mapping[str, NDArray[np.float32]]]) -> None:
    """Hold every way's tokens against the unfolded PyTorch: otherwise different things would be timed."""
    tokens = {name: array for each in found for name, array in each.items()}
    for name, array in tokens.items():
        apart = float(np.abs(array - tokens["torch"]).max())
        pooled = float(np.abs(array.mean(axis=0) - tokens["torch"].mean(axis=0)).max())
        assert apart <= TOKENS_APART_MAX, f"{NAMES[name]}: tokens {apart:.1e} apart"
        assert pooled <= POOLED_APART_MAX, f"{NAMES[name]}: pooled {pooled:.1e} apart"


# ---- the processes -------------------------------------------------------------------------------------------


@contextmanager
def child(module: str, threads: int) -> Iterator[Connection]:
    """A process that computes with one framework; it ends with the benchmark."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=computing, args=(theirs, module, threads), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join(END_WITHIN_S)
        process.kill()


def ask(connection: Connection, *question: object) -> Any:  # noqa: ANN401  each question has its own answer
    """Returns a process's answer; EOFError when it has died, its reason is on stderr."""
    connection.send(question)
    return connection.recv()


def computing(connection: Connection, module: str, threads: int) -> None:
    """Answer what `measured` asks until it has no more questions."""
    framework = import_module(module)
    framework.limit(threads)
    week = np.random.default_rng(SEED).standard_normal(WINDOW_MINUTES, dtype=np.float32)
    ways: Mapping[str, Any] = {}
    while question := next_question(connection):
        match question:
            case ("answers", Shape() as shape):
                weights = noise(shape)
                ways = framework.ways(weights)
                connection.send(framework.answers(weights, week))
            case ("times", int(calls)):
                connection.send({name: median_s(way, week, calls) for name, way in ways.items()})
            case ("peaks",):
                connection.send(framework.peaks())


def next_question(connection: Connection) -> tuple[object, ...]:
    """Returns the next question, or nothing when there will be none."""
    try:
        question: tuple[object, ...] = connection.recv()
    except EOFError:
        return ()
    return question


def median_s(way: Any, week: NDArray[np.float32], calls: int) -> float:  # noqa: ANN401  whatever it returns
    """Call once, and then so many times; return the median of the seconds these took."""
    way(week)
    taken = []
    for _ in range(calls):
        began = time.perf_counter()
        way(week)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def noise(shape: Shape) -> Weights:
    """Returns random weights, the same every time: kernels as Keras starts them, biases and norms as training might."""
    random = np.random.default_rng(SEED)
    tensors = {}
    for name, size in shape.tensors().items():
        spread = np.sqrt(2 / sum(size)) if len(size) > 1 else 0.05
        around = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        tensors[name] = (around + spread * random.standard_normal(size)).astype(np.float32)
    return Weights(shape, tensors)


# ---- the table -----------------------------------------------------------------------------------------------


def operations(shape: Shape, *, folded: bool) -> int:
    """How many floating-point operations the matrix products of a week are: additions and multiplications."""
    tokens, inner = shape.patches, shape.heads * WIDTH
    projections = (2 if folded else 4) * tokens * WIDTH * inner  # folded: A and M; as trained: q, k, v and output
    attention = 2 * shape.heads * tokens * tokens * WIDTH  # every query with every key, and its share of every value
    feed_forward = 2 * tokens * WIDTH * FEED_FORWARD
    embedding = tokens * shape.patch_minutes * WIDTH
    return 2 * (embedding + shape.layers * (projections + attention + feed_forward))


def peak_share(figures: Figures, shape: Shape, way: str) -> float:
    """The operations a way does in a second, as a share of the peak."""
    return operations(shape, folded=way in OURS) / figures.median_s(shape, way) / 1e9 / figures.peak


def table(figures: Figures, threads: int) -> Iterator[str]:
    """Yield the lines of the table: milliseconds a week, their spread, and the share of the peak."""
    rates = ", ".join(f"{max(found):.0f} by {name}" for name, found in figures.peaks.items())
    yield f"\n{threads} thread{'s' if threads > 1 else ''}; sgemm peak in GFLOP/s: {rates}"
    yield f"{'':28}" + "".join(f"{f'{shape.name}, ms':>23} {'peak':>5}" for shape in CALLS)
    for way, name in NAMES.items():
        if (S, way) in figures.taken_s:
            yield f"{name:28}" + "".join(cell(figures, shape, way) for shape in CALLS)
    for named, folded in (("folded", True), ("as trained", False)):
        counted = "".join(f"{operations(shape, folded=folded) / 1e9:23.2f} {'':5}" for shape in CALLS)
        yield f"{f'GFLOP a week, {named}':28}{counted}"


def cell(figures: Figures, shape: Shape, way: str) -> str:
    """One figure of the table."""
    rounds = figures.taken_s[shape, way]
    spread = f"({1000 * min(rounds):.1f}–{1000 * max(rounds):.1f})"
    return f"{1000 * figures.median_s(shape, way):8.1f} {spread:>14} {peak_share(figures, shape, way):5.0%}"


def verdicts(figures: Figures) -> Iterator[str]:
    """Yield a line for each aim and each of our two ways: how far it is met in every size."""
    for way in OURS:
        for aim in AIMS:
            if (S, aim.way) in figures.taken_s:
                ratios = {shape: figures.median_s(shape, aim.way) / figures.median_s(shape, way) for shape in CALLS}
                said = ", ".join(
                    f"{shape.size} {ratio:.2f}x{judged(ratio, aim.times)}" for shape, ratio in ratios.items()
                )
                yield f"{NAMES[way]}, against {NAMES[aim.way]} (aim {aim.times:g}x): {said}"
        shares = {shape: peak_share(figures, shape, way) for shape in PEAK_AIM_SHAPES}
        said = ", ".join(f"{shape.size} {share:.0%}{judged(share, PEAK_AIM)}" for shape, share in shares.items())
        yield f"{NAMES[way]}, of the sgemm peak (aim {PEAK_AIM:.0%}): {said}"


def judged(found: float, aim: float) -> str:
    """What is said behind a figure."""
    return "" if found >= aim else " NOT MET"


if __name__ == "__main__":
    main()

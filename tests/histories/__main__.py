"""`python -m tests.histories --seed 1 --count 5000`: concurrent writes, deletes and reads, and whether they hold."""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.histories.stage import stage

LINES = 20  # of progress


def main() -> int:
    """Play the histories and print what they had in them; return 1 where one did not hold."""
    parser = argparse.ArgumentParser(prog="histories", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first history; the next one has the next seed")
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    began, wrong = time.perf_counter(), 0
    every = max(1, options.count // LINES)
    with TemporaryDirectory(prefix="histories-") as root, stage(Path(root), with_processes=True) as on_stage:
        for done, seed in enumerate(range(options.seed, options.seed + options.count), start=1):
            if found := on_stage.play(seed):
                wrong += 1
                print(found, flush=True)
            if done % every == 0:
                seconds = time.perf_counter() - began
                print(f"{done:>7} of {options.count} histories  {wrong} wrong  {seconds:6.1f} s", flush=True)
    print(table(on_stage.tally, options.count, wrong))
    return 1 if wrong else 0


def table(tally: Counter[str], count: int, wrong: int) -> str:
    """The closing table."""
    figures = {"histories": count, **tally, "not linearizable": wrong}
    return "\n".join(f"{name:>28}  {number}" for name, number in figures.items())


if __name__ == "__main__":
    sys.exit(main())

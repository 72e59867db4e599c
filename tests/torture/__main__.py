"""`make torture SEED=… POINTS=…`: kill, cut, double and corrupt, and compare with one clean run."""

import argparse
import asyncio
import sys
import time
import traceback

from clarity.local import tidy
from tests.torture.ledger import Lost, Wrong
from tests.torture.run import Failure, Torture

LINES = 20  # of progress


def main() -> int:
    """Run the points and print the closing table; return 1 where one did not hold."""
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first point; the next one has the next seed")
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2, help="points at a time, each on a server of its own")
    options = parser.parse_args()
    began = time.perf_counter()
    every = max(1, options.points // LINES)

    def tell(so_far: Torture) -> None:
        for failure in so_far.failures[len(shown) :]:  # at once: a long run may be interrupted
            shown.append(failure)
            print(told(failure), flush=True)
        if so_far.tally.points % every == 0:
            print(progress(so_far, options.points, time.perf_counter() - began), flush=True)

    shown: list[Failure] = []
    torture = Torture(tell)
    with tidy():
        asyncio.run(torture.run(options.seed, options.points, options.jobs))
    print(table(torture, time.perf_counter() - began))
    return 1 if torture.failures else 0


def progress(torture: Torture, points: int, seconds: float) -> str:
    """One line on the way."""
    done, wrong = torture.tally.points, len(torture.failures)
    return f"{done:>6} of {points} points  {torture.tally.resumes:>5} resumes  {wrong} wrong  {seconds:6.1f} s"


def table(torture: Torture, seconds: float) -> str:
    """The closing table."""
    tally, lost = torture.tally, sum(failure.lost for failure in torture.failures)
    figures = {
        "points": tally.points,
        "server kills": torture.kills,
        "resumes": tally.resumes,
        "samples acknowledged": tally.acknowledged,
        "windows compared": tally.windows,
        "analyses compared": tally.analyses,
        "with a model": tally.modelled,
        "watches resumed": tally.watches,
        "losses": lost,
        "wrong": len(torture.failures) - lost,
        "files found whole": torture.files,
        "seconds": round(seconds),
    }
    lines = ["", "points by fault"]
    lines += [f"  {count:>9,}  {fault.value}" for fault, count in sorted(tally.faults.items())]
    lines += ["", "streams refused by reason"]
    lines += [f"  {count:>9,}  {reason}" for reason, count in sorted(tally.refused.items())]
    lines += ["", "in all", *(f"  {value:>9,}  {name}" for name, value in figures.items())]
    return "\n".join(lines)


def told(failure: Failure) -> str:
    """What went wrong at a point, and the command that does it again."""
    expected = isinstance(failure.error, Lost | Wrong)
    error = str(failure.error) if expected else "".join(traceback.format_exception(failure.error))
    again = f"make torture SEED={failure.seed} POINTS=1"
    return f"\nseed {failure.seed}: {type(failure.error).__name__}: {error}\n  again: {again}{failure.log}"


if __name__ == "__main__":
    sys.exit(main())

"""`clarity rhythm FILE`: sleep and rhythm of a recording on this machine, with no server and no account.

The file is read here; the numbers are made by the very code of the server, run beside us for the length of one call.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from json import dumps
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from clarity import recordings
from clarity.recordings import Recording, RecordingError

MINUTE_S = 60


class Wear(StrEnum):
    """How wear is judged."""

    CHOI = "choi"
    TROIANO = "troiano"
    NONE = "none"


class Sleep(StrEnum):
    """How sleep is scored."""

    OAKLEY = "oakley"
    COLE_KRIPKE = "cole-kripke"
    COLE_KRIPKE_ACTILIFE = "cole-kripke-actilife"
    SADEH = "sadeh"
    SADEH_ACTILIFE = "sadeh-actilife"


def rhythm(
    file: Annotated[Path, typer.Argument(help="An Actiwatch .AWD file, or a .csv table of timestamp,value.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON: the whole recording, and each whole week.")] = False,
    wear: Annotated[Wear, typer.Option(help="How wear is judged; `none` takes every minute as worn.")] = Wear.CHOI,
    sleep: Annotated[Sleep, typer.Option(help="How sleep is scored.")] = Sleep.OAKLEY,
    webster: Annotated[bool, typer.Option("--webster", help="Rescore sleep by Webster's rules.")] = False,
) -> None:
    """Sleep, wear and circadian rhythm of a recording of counts, made here: no server, no account."""
    document = minutes_of(recordings.read(file), file.name)
    command = [sys.executable, "-m", "clarity_server.rhythm", "-", "--wear", wear, "--sleep", sleep]
    command += [*(["--json"] if json else []), *(["--webster"] if webster else [])]
    sys.stdout.flush()
    done = subprocess.run(command, input=document.encode(), check=False)
    raise typer.Exit(done.returncode)


def minutes_of(recording: Recording, file: str) -> str:
    """Returns a recording in the form that `python -m clarity_server.rhythm` reads; counts are summed into minutes.

    Raises `RecordingError` where that cannot be done faithfully.
    """
    if not recording.offset_known:
        problem = "tells instants in Z and not the person's clock, and a rhythm has clock times"
        raise RecordingError(file, problem, "Write the timestamps with the person's UTC offset, or without any")
    if MINUTE_S % recording.period_s:
        problem = f"has a value every {recording.period_s} s, and minutes cannot be made of them"
        raise RecordingError(
            file, problem, "Give a recording in epochs of 60, 30, 20, 15 s or another part of a minute"
        )
    counts = _minutes(recording.values, MINUTE_S // recording.period_s)
    if not len(counts):
        raise RecordingError(file, "holds no whole minute", "Give a longer recording")
    document = {
        "start": recording.start.replace(tzinfo=None).isoformat(),
        "counts": [count if np.isfinite(count) else None for count in counts.tolist()],
        "moves": _moves(recording, len(counts)),
    }
    return dumps(document)


def _minutes(values: NDArray[np.float32], per_minute: int) -> NDArray[np.float64]:
    """Sums into minutes; one without all of its values has none. What does not fill a minute at the end is left out."""
    whole = len(values) // per_minute
    total: NDArray[np.float64] = values[: whole * per_minute].reshape(whole, per_minute).sum(axis=1, dtype=np.float64)
    return total


def _moves(recording: Recording, minutes: int) -> list[tuple[int, int]]:
    """The changes of the person's clock, as (minute, shift in minutes)."""
    offset = recording.start.utcoffset()
    if offset is None:
        return []
    offsets = [(0, offset // timedelta(seconds=1)), *recording.offset_changes]
    moves: dict[int, int] = {}
    for (_, before), (sample, after) in pairwise(offsets):
        minute = -(-sample * recording.period_s // MINUTE_S)
        moves[minute] = moves.get(minute, 0) + (after - before) // MINUTE_S
    return [(minute, shift) for minute, shift in moves.items() if 0 < minute < minutes and shift]

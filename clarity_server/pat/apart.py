"""Weights judged in a process of their own: on some damaged files the HDF5 library loops for ever, or worse.

`python -m clarity_server.pat.apart` takes a file on standard input and answers in our own format, or with a refusal and
its name. It has so many seconds and so much memory, and writes no file. What is not HDF5 needs none of this.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from contextlib import suppress

from clarity_server.domain.models import FILE_BYTES_MAX, FileDamaged, WeightsRefused
from clarity_server.pat import weights
from clarity_server.pat.weights import HDF5_MAGIC, Weights

SECONDS_MAX = 20.0  # PAT-L takes half of one
MEMORY_BYTES_MAX = 4 * 1024**3  # of addresses; a few hundred megabytes of them are used
REFUSED = 3  # the exit code


def read(content: bytes, declared: str = "", seconds_max: float = SECONDS_MAX) -> Weights:
    """Returns what `weights.read` returns, and raises what it raises; FileDamaged where HDF5 never comes back."""
    if not content.startswith(HDF5_MAGIC) or len(content) > FILE_BYTES_MAX:
        return weights.read(content, declared)
    command = [sys.executable, "-m", "clarity_server.pat.apart"]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=seconds_max, check=False)  # noqa: S603  ourselves
    except subprocess.TimeoutExpired as why:
        raise FileDamaged(f"reading it takes more than {seconds_max:g} s") from why
    if done.returncode == REFUSED:
        raise _refusal(done.stdout)
    if done.returncode:
        raise FileDamaged(f"the HDF5 library does not survive reading it, exit code {done.returncode}")
    return weights.read(done.stdout, declared)


def _refusal(answer: bytes) -> WeightsRefused:
    """The refusal that was raised there: of the same class, with the same text."""
    said = json.loads(answer)
    kind = next(one for one in WeightsRefused.__subclasses__() if one.__name__ == said["refused"])
    return kind.__new__(kind, said["text"])


def main() -> int:
    """Judge standard input; return the exit code."""
    _bound()
    try:
        answer = weights.to_safetensors(weights.read(sys.stdin.buffer.read(FILE_BYTES_MAX + 1)))
    except WeightsRefused as why:
        sys.stdout.write(json.dumps({"refused": type(why).__name__, "text": str(why)}))
        return REFUSED
    sys.stdout.buffer.write(answer)
    return 0


def _bound() -> None:
    """Limit ourselves, should nobody be left to end us."""
    for limit, value in (
        (resource.RLIMIT_CPU, int(SECONDS_MAX)),
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # some systems do not know a limit, or have set a lower one
            resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    sys.exit(main())

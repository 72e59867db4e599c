"""What an upload costs the server in memory, whatever its length. `python -m bench memory`.

A fresh server for every upload; the figure is how far its peak resident memory during the upload lies above what it
had before. The peak is set back first: signing up alone takes 19 MiB for a moment, which would hide as much.
"""

import statistics
from contextlib import ExitStack
from pathlib import Path

from bench import processes
from bench.client import CHUNK_BYTES, SAMPLE_BYTES, Upload, clarity_stream, sign_up
from bench.values import counts

MIB = 1024 * 1024
ROUNDS = 3
CHUNKS = (10, 1000)
RESET_PEAK = "5"  # what proc(5) wants written to clear_refs


def main() -> None:
    """Measure in interleaved rounds and print the medians."""
    values, named = counts(max(CHUNKS) * CHUNK_BYTES // SAMPLE_BYTES)
    print(f"{named}; chunks of {CHUNK_BYTES // 1024} KiB, {ROUNDS} rounds interleaved, medians")
    whole = values.tobytes()
    rounds = [[growth_bytes(whole[: chunks * CHUNK_BYTES]) for chunks in CHUNKS] for _ in range(ROUNDS)]
    medians = [statistics.median(column) / MIB for column in zip(*rounds, strict=True)]
    for chunks, median in zip(CHUNKS, medians, strict=True):
        print(f"{chunks:6,} chunks: peak resident memory rises by {median:6.1f} MiB")
    print(f"{'':6} difference: {medians[1] - medians[0]:30.1f} MiB")


def growth_bytes(values: bytes) -> int:
    """Send one upload to a fresh server; return by how much its peak memory rose."""
    with ExitStack() as held:
        place = held.enter_context(processes.folder())
        server = held.enter_context(processes.clarity(place))
        channel = held.enter_context(processes.channel(server.address))
        token = sign_up(server.address, place)
        process = Path(f"/proc/{server.pid}")
        (process / "clear_refs").write_text(RESET_PEAK, encoding="ascii")
        before = bytes_of(process, "VmRSS")
        Upload(values).send(clarity_stream(channel, token))
        return bytes_of(process, "VmHWM") - before


def bytes_of(process: Path, name: str) -> int:
    """One figure of a process's memory: VmRSS is what is resident now, VmHWM the most that was."""
    lines = (process / "status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()

"""CLARITY under cProfile, every thread of it; when it is stopped it writes where the time went to a file.

Run as `python -m bench.profiled FILE`, with settings as ever from CLARITY_*. A function that waits counts its waiting.
"""

import asyncio
import cProfile
import pstats
import sys
import threading
from pathlib import Path
from types import FrameType

from clarity_server import config
from clarity_server.server import run

LINES = 40
PROFILES: list[cProfile.Profile] = []


def begin(_frame: FrameType | None = None, _event: str = "", _value: object = None) -> None:
    """Profile the thread that calls this."""
    profile = cProfile.Profile()
    PROFILES.append(profile)
    profile.enable()


def main(file: Path) -> None:
    """Serve until told to stop, then write the table."""
    if sys.version_info < (3, 12):  # from there on one profile sees every thread
        threading.setprofile(begin)
    begin()
    asyncio.run(run.serve(config.load()))
    threading.setprofile(None)
    with file.open("w", encoding="utf-8") as table:
        stats = pstats.Stats(*PROFILES, stream=table)
        stats.strip_dirs().sort_stats("tottime").print_stats(LINES)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

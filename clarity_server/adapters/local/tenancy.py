"""Who works on the stores of this machine: any number of servers and consoles, or one restore and nobody else.

A lock (flock) on a file beside the database says so; it ends with the process, however that ends. What is written in
the file is that a restore has begun to move the stores: until one has ended nobody opens them, or makes empty ones.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from clarity_server.adapters.local import files
from clarity_server.domain.errors import BackupRefused, StartRefused

MOVING, IN_PLACE = b"a restore has begun and has not ended\n", b""


class Share:
    """The stores, held beside others until this is closed or forgotten."""

    _descriptor = -1

    def __init__(self, records: Path) -> None:
        """Take hold. Raises StartRefused for the time of a restore, StoreFull, StoreUnavailable."""
        with files.translated():
            self._descriptor = _opened(records)
            if not _is_locked(self._descriptor, fcntl.LOCK_SH):
                raise StartRefused(f"a restore of {records} is under way; start again when it has ended")
            unfinished = os.pread(self._descriptor, 1, 0)
        if unfinished:
            raise StartRefused(f"a restore of {records} was broken off: run `clarity store restore` again")

    def close(self) -> None:
        """Let go. Letting go again changes nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    __del__ = close  # a start that fails later on forgets us


@contextmanager
def alone(records: Path) -> Iterator[Callable[[bytes], None]]:
    """Hold the stores against everybody; yield what marks that they are being moved, and that they are in place again.

    Raises BackupRefused while anybody has them open; StoreFull, StoreUnavailable.
    """
    with files.translated():
        descriptor = _opened(records)
    try:
        if not _is_locked(descriptor, fcntl.LOCK_EX):
            raise BackupRefused(f"a server or another command has {records} open: stop it first")
        yield partial(_mark, descriptor)
    finally:
        os.close(descriptor)


def _opened(records: Path) -> int:
    path = records.with_name(f"{records.name}.lock")
    files.make_parent(path)
    return os.open(path, os.O_RDWR | os.O_CREAT, files.PRIVATE_FILE)


def _is_locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _mark(descriptor: int, text: bytes) -> None:
    with files.translated():
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text, 0)
        os.fsync(descriptor)

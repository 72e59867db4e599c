"""Whole files on disk: seen complete or not at all, put only where nothing is, durable on return."""

import errno
import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clarity_server.domain.errors import StoreFull, StoreUnavailable

ASIDE_AGE_S = 3600.0  # no file takes that long to write
PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
USUAL_DIRECTORY = 0o777  # less the umask
FULL = {errno.ENOSPC, errno.EDQUOT}
UNAVAILABLE = {errno.EACCES, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EPERM, errno.EROFS}


@contextmanager
def translated() -> Iterator[None]:
    """Say the file system's errors in our words: StoreFull, StoreUnavailable. The rest fly."""
    try:
        yield
    except OSError as why:
        if why.errno in FULL:
            raise StoreFull from why
        if why.errno in UNAVAILABLE:
            raise StoreUnavailable(os.strerror(why.errno)) from why
        raise


def place(path: Path, data: bytes, aside: Path) -> bool:
    """Put a file where there is none and tell whether there was none; of several at once one wins.

    `aside` is a directory on the same file system, for the file while it is written. Either way what stands at `path`
    is whole, and its name is durable in its directory.
    """
    placed = not path.exists() and _link(path, data, aside)
    sync_directory(path.parent)  # the loser too: the winner may not have come that far
    return placed


def _link(path: Path, data: bytes, aside: Path) -> bool:
    # Write aside, then link: a reader sees all of it or nothing, and unlike a rename a link replaces nothing.
    written = aside / uuid.uuid4().hex
    try:
        _write(written, data)
        os.link(written, path)
    except FileExistsError:
        return False
    finally:
        written.unlink(missing_ok=True)
    return True


def replace(path: Path, data: bytes, aside: Path) -> None:
    """Put a file in place of the one that is there, durably: a reader sees the old one or the new, never half."""
    written = aside / uuid.uuid4().hex
    try:
        _write(written, data)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
    sync_directory(path.parent)


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE), "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())


def destroy(path: Path) -> None:
    """Overwrite a file's bytes, durably, and remove it. Raises FileNotFoundError."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, os.urandom(os.fstat(descriptor).st_size), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink(missing_ok=True)  # another process destroys it too


def make_directory(path: Path, mode: int = PRIVATE_DIRECTORY) -> None:
    """Make a private directory where there is none, and those above it as usual, their names durable."""
    if not path.parent.is_dir():
        make_directory(path.parent, USUAL_DIRECTORY)
    path.mkdir(mode, exist_ok=True)
    sync_directory(path.parent)


def make_parent(path: Path) -> None:
    """Make the directory a file is to lie in, if there is none, its name durable."""
    if not path.parent.is_dir():  # the one above may be one that may not be read, as long as it need not be
        make_directory(path.parent, USUAL_DIRECTORY)


def sweep(aside: Path) -> None:
    """Remove what processes that died while writing have left aside."""
    for file in aside.iterdir():
        try:
            if time.time() - file.stat().st_mtime > ASIDE_AGE_S:
                file.unlink()
        except FileNotFoundError:  # another process sweeps too, or has placed it meanwhile
            continue


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keep other processes, and threads, that ask for the same directory waiting."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

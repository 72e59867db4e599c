"""Blobs on this machine's disk: a file each, under the path its name says."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from clarity_server.adapters.local import files
from clarity_server.domain.errors import BlobNotFound, InvalidInput

ASIDE = ".aside"  # files being written; no part of a name begins with a dot
NAME_CHARS_MAX = 1024  # an S3 key's limit, kept in both worlds
PART = re.compile(r"[a-z0-9_|=-][a-z0-9_.|=-]{0,127}")


class DiskBlobs:
    """Implements ports.Blobs. Several processes may share the root."""

    def __init__(self, root: Path | str) -> None:
        """Make the root where there is none, and sweep what dead processes left. Raises StoreFull, StoreUnavailable."""
        self._root = Path(root)
        self._aside = self._root / ASIDE
        with files.translated():
            for directory in (self._root, self._aside):
                files.make_directory(directory)
            files.sweep(self._aside)

    @property
    def aside(self) -> Path:
        """Where files lie while they are written."""
        return self._aside

    def put(self, name: str, data: bytes) -> None:
        """Store durably unless the name exists; of two at once one wins. Raises StoreFull, StoreUnavailable."""
        path = self._path(name)
        with files.translated():
            for directory in self._directories(path):
                files.make_directory(directory)
            files.place(path, data, self._aside)

    def get(self, name: str) -> bytes:
        """Return the bytes. Raises BlobNotFound, StoreUnavailable."""
        with files.translated():
            try:
                return self._path(name).read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as why:
                raise BlobNotFound(name) from why

    def delete(self, name: str) -> None:
        """Remove the bytes, durably; a missing name is fine. Raises StoreUnavailable."""
        path = self._path(name)
        with files.translated():
            try:
                path.unlink()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return
            files.sync_directory(path.parent)

    def names(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Yield (name, age in seconds) of everything below the parts of a prefix; an empty one means everything.

        `a/b` is above `a/b/c` and not above `a/bc`: who erases one account must not meet another.
        """
        top = self._path(prefix) if prefix else self._root
        for folder, folders, found in os.walk(top):
            folders[:] = sorted(one for one in folders if PART.fullmatch(one))
            yield from self._names_in(Path(folder), sorted(found))

    def _names_in(self, folder: Path, found: list[str]) -> Iterator[tuple[str, float]]:
        for part in found:
            path = folder / part
            try:
                stat = path.lstat()
            except FileNotFoundError:  # deleted while we walk
                continue
            if not path.is_symlink():  # it could lead outside
                yield path.relative_to(self._root).as_posix(), time.time() - stat.st_mtime

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if len(name) > NAME_CHARS_MAX or not all(PART.fullmatch(part) for part in parts):
            raise InvalidInput(
                name="a blob's name is parts of `a-z 0-9 - _ . | =`, joined by `/`, none beginning with `.`"
            )
        return self._root.joinpath(*parts)

    def _directories(self, path: Path) -> list[Path]:
        """The directories from the root's first down to the one that holds a file."""
        inside = len(path.relative_to(self._root).parts) - 1
        return list(path.parents[:inside])[::-1]

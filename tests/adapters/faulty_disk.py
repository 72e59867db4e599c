"""A disk that does as it is told: it counts what reaches it, runs full, or fails. SQLite sees it as a file system."""

import uuid
from dataclasses import dataclass

import apsw

LOG = "-wal"


@dataclass
class Orders:
    """What a disk is to do from now on, and what it has seen."""

    log_bytes_max: int | None = None  # beyond it, the disk is full
    fail_log_sync: bool = False
    read_only: bool = False  # as a file system is that was remounted so
    log_syncs: int = 0


class FaultyDisk(apsw.VFS):
    """A SQLite file system over the machine's own; `vfs_name` goes to Database(vfs=…)."""

    def __init__(self, *, for_all: bool = False) -> None:
        """With `for_all` it is what every database of this process is on that names no other."""
        self.vfs_name = f"faulty-{uuid.uuid4().hex}"
        self.orders = Orders()
        self._own = apsw.vfs_names()[0]  # the machine's, by its name: this one may soon be the default
        super().__init__(self.vfs_name, base=self._own, makedefault=for_all)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self._own, self.orders, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, own: str, orders: Orders, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(own, name, flags)
        self._orders = orders
        self._is_log = isinstance(name, str) and name.endswith(LOG)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._orders.read_only:
            raise apsw.ReadOnlyError
        limit = self._orders.log_bytes_max
        if self._is_log and limit is not None and offset + len(data) > limit:
            raise apsw.FullError
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._orders.log_syncs += self._is_log
        if self._is_log and self._orders.fail_log_sync:
            raise apsw.IOError
        super().xSync(flags)

"""A disk that remembers all that reaches it, and what may be left of that when the power goes.

What a program may rely on is what POSIX promises and no more: bytes are there once their file was synced since they
were written, a name once its directory was. Of all else any part may be there: none of it, what came first, or some
here and there, down to single sectors. So a test cuts the record anywhere and builds the files that one such machine
would come back with.
"""

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeAlias

import apsw

SECTOR_BYTES = 512
SHARED_MEMORY = "-shm"  # lives with the processes that share it, and is made anew


@dataclass(frozen=True, slots=True)
class Wrote:
    """Bytes that reached a file."""

    file: str
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cut:
    """A file that was made shorter, or longer by zeros."""

    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """A file whose bytes are safe, or a directory whose names are."""

    file: str


@dataclass(frozen=True, slots=True)
class Named:
    """A file, or a directory, that has a name in a directory now; who had it before has it no more."""

    directory: str
    name: str
    file: str
    is_directory: bool = False


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A name that is gone from a directory."""

    directory: str
    name: str


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that somebody got: from here on it is a promise."""

    who: str
    what: str


Event: TypeAlias = Wrote | Cut | Synced | Named | Unnamed | Told
ROOT = "."


class Luck(Enum):
    """What becomes of that which nothing makes safe."""

    NONE = "none of it is there"
    FIRST = "what came first is there"
    SOME = "some of it is there"
    TORN = "some sectors of some of it are there"
    ALL = "all of it is there"


class RecordingDisk(apsw.VFS):
    """A SQLite file system over the machine's own that writes down all it is asked to keep; for Database(vfs=…)."""

    def __init__(self, record: list[Event]) -> None:
        self.vfs_name = f"recording-{uuid.uuid4().hex}"
        self._record = record
        super().__init__(self.vfs_name, base="")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        assert name is not None, "temporary files are in memory"
        return _File(self._record, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self._record.append(Unnamed(ROOT, Path(filename).name))
        if syncdir:
            self._record.append(Synced(ROOT))


class _File(apsw.VFSFile):
    def __init__(self, record: list[Event], name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("", name, flags)
        path = name if isinstance(name, str) else name.filename()
        self._record, self._file = record, Path(path).name
        if not _is_named(record, self._file):
            # SQLite syncs the directory of a log that it makes: beneath us, and no later than the log.
            record += [Named(ROOT, self._file, self._file), Cut(self._file, 0), Synced(ROOT)]

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._record.append(Wrote(self._file, offset, data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._record.append(Cut(self._file, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._record.append(Synced(self._file))  # what comes while it lasts may be too late for it
        super().xSync(flags)


def _is_named(record: Sequence[Event], name: str) -> bool:
    events = (event for event in reversed(record) if isinstance(event, Named | Unnamed) and event.name == name)
    return isinstance(next(events, None), Named)


def without_syncs(record: Sequence[Event], of: Callable[[str], bool]) -> list[Event]:
    """What a careless program would have recorded: one that does not sync these files."""
    return [event for event in record if not (isinstance(event, Synced) and of(event.file))]


def cuts(record: Sequence[Event], draw: random.Random, most: int) -> Sequence[int]:
    """Where to cut a record: just before and just after syncs and answers, and now and then anywhere."""
    boundaries = {number for number, event in enumerate(record) if isinstance(event, Synced | Told)}
    boundaries |= {number + 1 for number in boundaries}
    anywhere = {draw.randrange(len(record)) for _ in range(most // 4)}
    found = sorted(boundaries | anywhere)
    return sorted(draw.sample(found, min(most, len(found))))


def left_after(record: Sequence[Event], luck: Luck, draw: random.Random, root: Path) -> None:
    """Build in an empty directory what a machine may come back with whose power goes after these events."""
    lucky = _Lucky(luck, draw)
    names, contents = _Names(), dict[str, bytearray]()
    safe = _safe(record)
    for number, event in enumerate(record):
        match event:
            case Named() | Unnamed():
                if number < safe.get(event.directory, 0) or lucky.kept():
                    names.change(event)
            case Wrote():
                lost = number >= safe.get(event.file, 0)
                if not lost or lucky.kept():
                    _write(contents.setdefault(event.file, bytearray()), event, lucky if lost else None)
            case Cut():
                if number < safe.get(event.file, 0) or lucky.kept():
                    _cut(contents.setdefault(event.file, bytearray()), event.size)
    for path, file, is_directory in names.all():
        if is_directory:
            (root / path).mkdir(0o700)
        else:
            (root / path).touch(0o600)
            (root / path).write_bytes(contents.get(file, b""))


def _safe(record: Sequence[Event]) -> dict[str, int]:
    """Until which event each file, or directory, was synced."""
    return {event.file: number for number, event in enumerate(record) if isinstance(event, Synced)}


@dataclass
class _Lucky:
    """Says for each thing that is not safe whether it is there nonetheless."""

    luck: Luck
    draw: random.Random
    _until: int | None = None

    def kept(self) -> bool:
        if self.luck is Luck.FIRST:
            self._until = self.draw.randrange(12) if self._until is None else self._until - 1
            return self._until > 0
        return self.luck is Luck.ALL or (self.luck is not Luck.NONE and self.draw.random() < 1 / 2)

    def torn(self) -> bool:
        """Whether a sector is lost."""
        return self.luck is Luck.TORN and self.draw.random() < 1 / 3


def _write(content: bytearray, wrote: Wrote, lucky: _Lucky | None) -> None:
    _grow(content, wrote.offset + len(wrote.data))  # where a sector is lost there are zeros, or what was there before
    for at in range(0, len(wrote.data), SECTOR_BYTES):
        if lucky is None or not lucky.torn():
            sector = wrote.data[at : at + SECTOR_BYTES]
            content[wrote.offset + at : wrote.offset + at + len(sector)] = sector


def _grow(content: bytearray, size: int) -> None:
    content.extend(bytes(max(0, size - len(content))))


def _cut(content: bytearray, size: int) -> None:
    _grow(content, size)
    del content[size:]


class _Names:
    """Directories as the disk has them."""

    def __init__(self) -> None:
        self._named: dict[str, dict[str, Named]] = {}

    def change(self, event: Named | Unnamed) -> None:
        names = self._named.setdefault(event.directory, {})
        names.pop(event.name, None)
        if isinstance(event, Named):
            names[event.name] = event

    def all(self, directory: str = ROOT, at: Path = Path()) -> Iterator[tuple[Path, str, bool]]:
        """Yield (path, file, whether it is a directory) of all that can be reached, from the top."""
        for name, named in self._named.get(directory, {}).items():
            yield at / name, named.file, named.is_directory
            if named.is_directory:
                yield from self.all(named.file, at / name)

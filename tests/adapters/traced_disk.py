"""What a program asked of the disk, by strace: the record of recorded_disk.py, for files of any kind.

`strace -y` names the file behind each descriptor, so that only names have to be followed here. A call that others
overlap is written down where it was over, a sync where it began: what came while it lasted may be too late for it.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.adapters.recorded_disk import ROOT, SHARED_MEMORY, Cut, Event, Named, Synced, Told, Unnamed, Wrote

FOLLOWED = (
    "open,openat,creat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
    "mkdir,mkdirat"
)
NOT_FOLLOWED = "writev,pwritev,pwritev2,truncate,fallocate,copy_file_range,sendfile,splice,rmdir,symlink,symlinkat"
LONGEST = 16 * 1024 * 1024  # bytes of one write that are told
STRACE = ("strace", "-f", "-y", "-xx", "-s", str(LONGEST), "-e", "signal=none")
SYNCS = {"fsync", "fdatasync"}
LINE = re.compile(r"(\d+) +(?:<\.\.\. \w+ resumed>)?(.*)")
CALL = re.compile(r"(\w+)\((.*)\) += (\d+)(?:<(.*)>)?")  # of one that failed nothing is kept
QUOTED = re.compile(r'"([^"]*)"')
DESCRIPTOR = re.compile(r"(\d+)<([^>]*)>")
UNFINISHED = " <unfinished ...>"


def can_trace() -> bool:
    """Whether there is an strace, and it may look at other programs."""
    return (
        bool(shutil.which("strace"))
        and subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode == 0
    )


def traced(command: Sequence[str], directory: Path, root: Path, told: Path, log: Path) -> list[Event]:
    """Run a program in a directory; return what it asked to keep below `root`, and what it said in the file `told`."""
    trace = ["-e", f"trace={FOLLOWED},{NOT_FOLLOWED}", "-o", str(log)]
    subprocess.run([*STRACE, *trace, *command], cwd=directory, check=True)
    follower = _Follower(root, told)
    with log.open() as lines:
        for call in _calls(lines):
            follower.follow(call)
    return follower.record


@dataclass(frozen=True, slots=True)
class _Call:
    name: str
    arguments: str
    answer: int
    opened: str = ""  # the path behind the descriptor that is the answer

    @property
    def paths(self) -> list[str]:
        return [_plain(text).decode() for text in QUOTED.findall(self.arguments)]

    @property
    def data(self) -> bytes:
        return _plain(QUOTED.findall(self.arguments)[0])[: self.answer]

    @property
    def descriptor(self) -> tuple[int, str]:
        """The number and the path of the file that it is about."""
        found = DESCRIPTOR.match(self.arguments)
        return (int(found[1]), _plain(found[2]).decode()) if found else (-1, "")

    @property
    def last_number(self) -> int:
        return int(self.arguments.rsplit(", ", 1)[1])


def _plain(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _calls(lines: Iterable[str]) -> Iterator[_Call]:
    """Yield the calls that a log tells of, each once."""
    begun = dict[str, str]()
    for line in lines:
        found = LINE.match(line)
        if found is None:
            continue
        process, text = found[1], begun.pop(found[1], "") + found[2]
        is_sync = text.split("(", 1)[0] in SYNCS
        if text.endswith(UNFINISHED):
            text = text.removesuffix(UNFINISHED)
            if not is_sync:
                begun[process] = text
                continue
            text += ") = 0"
        if call := CALL.match(text):
            yield _Call(call[1], call[2], int(call[3]), _plain(call[4] or "").decode())


@dataclass
class _Follower:
    """Follows names, and where writes without a place go on."""

    root: Path
    told: Path
    record: list[Event] = field(default_factory=list)
    _files: dict[str, str] = field(default_factory=dict)  # by path
    _directories: set[str] = field(default_factory=lambda: {ROOT})
    _places: dict[int, int] = field(default_factory=dict)  # by descriptor

    def follow(self, call: _Call) -> None:
        assert call.name not in NOT_FOLLOWED.split(",") or str(self.root) not in "".join(
            [call.descriptor[1], *call.paths]
        )
        match call.name:
            case "open" | "openat" | "creat":
                self._open(call)
            case "write":
                self._write(call)
            case "pwrite64":
                if file := self._file(call):
                    self.record.append(Wrote(file, call.last_number, call.data))
            case "ftruncate":
                if file := self._file(call):
                    self.record.append(Cut(file, call.last_number))
            case "fsync" | "fdatasync":
                self._sync(call)
            case _:
                self._rename(call)

    def _inside(self, path: str) -> str:
        """A path from the root on; nothing where it is outside, or only shared memory."""
        inside = Path(path).is_relative_to(self.root) and not path.endswith(SHARED_MEMORY)
        return str(Path(path).relative_to(self.root)) if inside else ""

    def _file(self, call: _Call) -> str:
        return self._files.get(self._inside(call.descriptor[1]), "")

    def _open(self, call: _Call) -> None:
        self._places[call.answer] = 0
        path = self._inside(call.opened)
        if not path or path in self._directories:
            return
        if path not in self._files:
            self._name(path, f"{path} {len(self.record)}")
            self.record.append(Cut(self._files[path], 0))
        elif "O_TRUNC" in call.arguments:
            self.record.append(Cut(self._files[path], 0))

    def _write(self, call: _Call) -> None:
        descriptor, path = call.descriptor
        if path == str(self.told):
            who, what = call.data.decode().split()
            self.record.append(Told(who, what))
        elif file := self._file(call):
            at = self._places.get(descriptor, 0)
            self.record.append(Wrote(file, at, call.data))
            self._places[descriptor] = at + call.answer

    def _sync(self, call: _Call) -> None:
        path = self._inside(call.descriptor[1])
        known = path if path in self._directories else self._files.get(path)
        if known:
            self.record.append(Synced(known))

    def _rename(self, call: _Call) -> None:
        """Follow what changes names: `link a b`, `rename a b`, `unlink a`, `mkdir a`, and `linkat` and so on."""
        paths = [self._inside(path) for path in call.paths]
        if not all(paths):
            return
        kind = call.name.removesuffix("2").removesuffix("at")
        if kind == "mkdir":
            self._directories.add(paths[0])
            self.record.append(Named(*_split(paths[0]), paths[0], is_directory=True))
            return
        file = self._files[paths[0]]
        if kind in {"link", "rename"}:
            self._name(paths[1], file)
        if kind in {"unlink", "rename"}:
            del self._files[paths[0]]
            self.record.append(Unnamed(*_split(paths[0])))

    def _name(self, path: str, file: str) -> None:
        self._files[path] = file
        self.record.append(Named(*_split(path), file))


def _split(path: str) -> tuple[str, str]:
    """The directory and the name of a path."""
    return str(Path(path).parent), Path(path).name

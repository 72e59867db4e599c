"""Signed heads of the audit on this machine's disk: one line each, only ever added, beside the keys.

They lie outside the database, so that whoever cuts its tail off, or puts an older copy of it back, is found out.
"""

import json
import os
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from clarity_server.adapters.local import files
from clarity_server.domain.chain import Head
from clarity_server.domain.errors import StoreDamaged

LINE_BYTES_MAX = 4096  # ours have some 270


class DiskHeads:
    """A file of heads below the keys, `audit/heads.jsonl`. Several processes may share it."""

    def __init__(self, keys: Path | str) -> None:
        """Make the directory where there is none. Raises StoreFull, StoreUnavailable."""
        self._file = Path(keys) / "audit" / "heads.jsonl"
        with files.translated():
            files.make_directory(self._file.parent)

    def list(self) -> Sequence[Head]:
        """Return all, in the order they came. Raises StoreDamaged, StoreUnavailable."""
        with files.translated():
            content = self._file.read_bytes() if self._file.exists() else b""
        # What has no end of line is a line that a process died over: it was told to nobody.
        lines = content.split(b"\n")[:-1]
        return [_head(line, number) for number, line in enumerate(lines, start=1)]

    def add(self, head: Head) -> None:
        """Add one, durably. Raises StoreFull, StoreUnavailable."""
        with files.translated(), files.alone(self._file.parent):
            fresh = not self._file.exists()
            with os.fdopen(os.open(self._file, os.O_RDWR | os.O_CREAT, files.PRIVATE_FILE), "r+b", buffering=0) as file:
                _end(file)
                file.write(_line(head))
                os.fsync(file.fileno())
            if fresh:
                files.sync_directory(self._file.parent)


def _end(file: FileIO) -> None:
    """Go to the end of the last whole line, and drop what a process that died has left after it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LINE_BYTES_MAX))
    end = file.read()
    file.seek(size - len(end) + end.rfind(b"\n") + 1)
    file.truncate()


def _line(head: Head) -> bytes:
    told = {"seq": head.seq, "hash": head.hash.hex(), "time": head.time, "signature": head.signature.hex()}
    told |= {"restored": True} if head.restored else {}
    return json.dumps(told).encode() + b"\n"


def _head(line: bytes, number: int) -> Head:
    try:
        told = json.loads(line)
        row_hash, signature = bytes.fromhex(told["hash"]), bytes.fromhex(told["signature"])
        return Head(int(told["seq"]), row_hash, float(told["time"]), signature, bool(told.get("restored")))
    except (ValueError, KeyError, TypeError) as why:
        raise StoreDamaged(piece=f"audit/heads.jsonl, line {number}") from why

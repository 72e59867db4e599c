"""The power goes at any moment: what was acknowledged is there when it comes back, and nothing half.

See recorded_disk.py for what such a moment may leave of files, and surviving.py for who acts meanwhile.
"""

import random
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from clarity_server.adapters.local.database import Database
from clarity_server.domain.errors import ClarityError, StartRefused
from tests.adapters.faulty_disk import LOG
from tests.adapters.recorded_disk import (
    Event,
    Luck,
    Named,
    RecordingDisk,
    Told,
    cuts,
    left_after,
    without_syncs,
)
from tests.adapters.surviving import FILE, PEOPLE, TURNS, Person, Stores, live, opened, seen
from tests.adapters.traced_disk import can_trace, traced

CUTS_MAX = 100  # of a record
REPOSITORY = Path(__file__).parents[2]


def lived(root: Path, seed: int, kind: type[Database] = Database) -> list[Event]:
    """Record what people did in a database that was closed once in between."""
    record = list[Event]()
    disk = RecordingDisk(record)
    people = [
        Person(number, seed, lambda who, what: record.append(Told(who, what)), with_files=False)
        for number in range(PEOPLE)
    ]
    for _ in range(2):
        with opened(root, vfs=disk.vfs_name, kind=kind) as stores:
            live(stores, people, TURNS // 2)
    disk.unregister()
    return record


@dataclass(frozen=True, slots=True)
class Loss:
    """Somebody's data that is not what was acknowledged, nor what was about to be."""

    cut: int
    luck: Luck
    what: str


def losses(record: Sequence[Event], seed: int, root: Path, keys: Path | None = None) -> Iterator[Loss]:
    """Let the power go at many moments of a record, with all sorts of luck; yield what is lost."""
    draw = random.Random(seed)
    for number, cut in enumerate(cuts(record, draw, CUTS_MAX)):
        luck = (*Luck,)[number % len(Luck)]
        after = root / "after"
        after.mkdir()
        left_after(record[:cut], luck, draw, after)
        yield from (Loss(cut, luck, what) for what in wrong_in(after, record, cut, keys))
        shutil.rmtree(after)


def wrong_in(root: Path, record: Sequence[Event], cut: int, keys: Path | None) -> Iterator[str]:
    try:
        with opened(root, keys) as stores:
            yield from wrong_with(stores, promised(record, cut))
    except (ClarityError, StartRefused, apsw.Error) as why:
        yield f"the stores cannot be opened and read: {why!r}"


def wrong_with(stores: Stores, promises: dict[str, set[str]]) -> Iterator[str]:
    with stores.database.read() as connection:
        for pragma in ("integrity_check", "foreign_key_check"):
            found = connection.execute(f"PRAGMA {pragma}").fetchall()
            if found not in ([], [("ok",)]):
                yield f"{pragma}: {found}"
    for who, allowed in promises.items():
        if seen(stores, who) not in allowed:
            yield f"{who} has neither what was acknowledged nor what was about to be"


def promised(record: Sequence[Event], cut: int) -> dict[str, set[str]]:
    """What may be there of each person after a cut: as it was when they were told last, or would be told next."""
    last = {event.who: event.what for event in record[:cut] if isinstance(event, Told)}
    coming = {event.who: event.what for event in reversed(record[cut:]) if isinstance(event, Told)}
    return {who: {what, coming.get(who, what)} for who, what in last.items()}


@pytest.mark.parametrize("seed", range(2))
def test_what_was_acknowledged_outlives_the_power(tmp_path: Path, seed: int) -> None:
    record = lived(tmp_path, seed)
    assert sum(isinstance(event, Told) for event in record) >= PEOPLE * TURNS
    assert list(losses(record, seed, tmp_path, tmp_path / "keys")) == []


class Hasty(Database):
    """Answers before what it says is on disk: its log is synced when it is copied into the file, and not before."""

    synchronous = "normal"

    def _open_writer(self, bytes_max: int) -> apsw.Connection:
        writer = super()._open_writer(bytes_max)
        writer.pragma("synchronous", self.synchronous)
        return writer


class Heedless(Hasty):
    """Syncs nothing at all."""

    synchronous = "off"


@pytest.mark.parametrize("kind", [Hasty, Heedless])
def test_a_database_that_answers_too_early_is_found_out(tmp_path: Path, kind: type[Database]) -> None:
    record = lived(tmp_path, 0, kind)
    assert next(losses(record, 0, tmp_path, tmp_path / "keys"), None) is not None


@pytest.fixture(scope="module")
def traced_life(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """All that people's data asked of the disk, files of their own included."""
    if not can_trace():
        pytest.skip("there is no strace here, or it may not look at other programs")
    root = tmp_path_factory.mktemp("traced")
    (root / "stores").mkdir()
    command = [sys.executable, "-m", "tests.adapters.surviving", str(root), "0"]
    return traced(command, REPOSITORY, root / "stores", root / "told", root / "trace")


def test_what_was_acknowledged_outlives_the_power_in_files_of_its_own_too(
    traced_life: list[Event], tmp_path: Path
) -> None:
    names = [event.name for event in traced_life if isinstance(event, Named)]
    assert {"blobs", "keys", "erasures", FILE, f"{FILE}{LOG}"} <= set(names)
    assert any(name.endswith(".gone") for name in names)
    assert list(losses(traced_life, 0, tmp_path)) == []


FORGOTTEN = {
    "the names of blobs": r"blobs/segments/person-\d",
    "the directories of blobs": r"blobs(/segments)?",
    "the names of keys": "keys/accounts",
    "the names of erasures": "keys/erasures",
    "the bytes of all files but the database": r"(blobs|keys)/.* \d+",
    "the bytes of the log": rf"{FILE}{LOG} \d+",
    "the bytes of the database": rf"{FILE} \d+",
}


@pytest.mark.parametrize("what", FORGOTTEN)
def test_a_sync_that_is_forgotten_is_found_out(traced_life: list[Event], tmp_path: Path, what: str) -> None:
    forgotten = re.compile(FORGOTTEN[what])
    record = without_syncs(traced_life, lambda file: forgotten.fullmatch(file) is not None)
    assert len(record) < len(traced_life)
    assert next(losses(record, 0, tmp_path), None) is not None

"""`python -m clarity_server store …`: a copy beside a server that writes, the way back, and damages by their names."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import apsw
import numpy as np
import pytest
from numpy.typing import NDArray

from clarity_server import config
from clarity_server.adapters.local import tenancy
from clarity_server.domain.civil import TimeKind, TimeRange
from clarity_server.domain.errors import BackupRefused, StartRefused, StoreDamaged, UploadNotFound
from clarity_server.domain.samples import Moment, Outcome, Tombstone, Wanted
from clarity_server.domain.sent import Sent, SentQuantity
from clarity_server.domain.upkeep import Findings, Kind
from clarity_server.flows.samples import Collect
from clarity_server.ports import SeriesDeletion
from clarity_server.server import wiring
from tests.contracts.worlds import NOW, LocalWorld, local
from tests.flows.erasing_world import GRACE_S, HERE, PASSWORD, ErasingWorld, erasing_world
from tests.flows.upload_world import ACCOUNT, COUNTS, HEART, Recording, UploadWorld, upload_world

OWL, LARK = "owl@example.org", "lark@example.org"
NOISE = np.random.default_rng(5).standard_normal(360_000).astype(np.float32)  # too much for a row: it goes to a blob
DENSE = replace(HEART, period_ms=100)
STEPS = np.arange(3000, dtype=np.float32) % 97

DENSE_FROM = 100_000

Floats = NDArray[np.float32]
Command = Callable[..., tuple[int, str, str]]


def quiet(_what: str, _done: int, _count: int) -> None:
    """Nobody looks on."""


def settings(root: Path) -> config.Config:
    return config.load(stores(root))


def stores(root: Path) -> dict[str, str]:
    return {
        "CLARITY_RECORDS": f"sqlite:{root}/clarity.db",
        "CLARITY_BLOBS": f"file:{root}/blobs",
        "CLARITY_KEYS": f"file:{root}/keys",
        "CLARITY_OUTBOX": f"file:{root}/outbox",
        "CLARITY_MODELS": f"file:{root}/models",
    }


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command over the stores of a directory: exit code, what it printed, what it complained."""

    def one(*arguments: str, root: Path = tmp_path) -> tuple[int, str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CLARITY_")}
        line = [sys.executable, "-m", "clarity_server", *arguments]
        done = subprocess.run(line, env={**clean, **stores(root)}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    return one


def check(root: Path) -> Findings:
    return wiring.store_console(settings(root)).check(quiet)


def back_up(root: Path, to: Path | None = None) -> Path:
    to = to or root / "backup"
    wiring.store_console(settings(root)).back_up(to, quiet)
    return to


def restore(root: Path, backup: Path) -> Sequence[Path]:
    return wiring.store_console(settings(root)).restore(backup, quiet).kept


def recorded(world: UploadWorld, upload_id: str = "u", values: Floats = STEPS) -> None:
    """Bring an upload in: minutes, whose days go to rows, or what is dense enough for blobs."""
    descriptor = COUNTS if len(values) < DENSE_FROM else DENSE
    world.upload(Recording(upload_id, descriptor, values.tobytes()), step=60_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Stores with two uploads in rows and one in two blobs, closed."""
    with upload_world(tmp_path) as world:
        for upload_id in ("u", "v"):
            recorded(world, upload_id)
        recorded(world, "large", NOISE)
        weighed(world.store)
        gone = Tombstone("heart_rate", COUNTS.source, TimeRange(TimeKind.CIVIL, 0, 1), 1)
        world.store.series.delete(SeriesDeletion(ACCOUNT, (gone,), (), world.store.changes.newest(ACCOUNT)))
    return tmp_path


def weighed(world: LocalWorld, account_id: str = ACCOUNT) -> Sequence[Outcome]:
    """Bring in two samples, a third which is deleted again, and one that is put aside."""
    collect = Collect(world.samples, world.keys, lambda: NOW)
    grams = [70_000.0, 71_000.0, 72_000.0, -1.0]
    outcomes = collect.write(account_id, [mass(str(number), value) for number, value in enumerate(grams)], "", b"")
    world.samples.delete(account_id, Wanted(sample_ids=frozenset({outcomes[2].sample_id})), 1)
    return outcomes


def mass(record: str, grams: float) -> Sent:
    """A weighing as it is sent."""
    start = Moment(int(NOW * 1000), int(NOW * 1000))
    return Sent("body_mass", "scale", "app", record, 0, start, None, "", SentQuantity(grams, "g"), b"as sent")


def sample_ids(root: Path) -> list[str]:
    """The ids of the samples that are not deleted."""
    with local(root) as world:
        return [one.sample_id for one in world.samples.list(ACCOUNT, ["body_mass"], None, None, None, 10)]


def spoil_page(root: Path, name: str) -> None:
    """Spoil a leaf page of a table or of an index."""
    database = apsw.Connection(str(root / "clarity.db"))
    query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno LIMIT 1"
    [(page,)] = list(database.execute(query, (name,)))
    size = database.pragma("page_size")
    database.close()
    with (root / "clarity.db").open("r+b") as opened:
        opened.seek((page - 1) * size)
        opened.write(b"\xff" * size)


def by_hand(root: Path, *statements: str) -> None:
    connection = apsw.Connection(str(root / "clarity.db"))
    for statement in statements:
        connection.execute(statement)
    connection.close()


def blobs_of(root: Path) -> list[Path]:
    return sorted(path for path in (root / "blobs" / "segments").rglob("*") if path.is_file())


# ---- check -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("root")
def test_a_whole_store_is_said_to_be_whole_with_a_line_for_each_kind(command: Command) -> None:
    code, said, why = command("store", "check")
    assert (code, why) == (0, "")
    lines = [line.split() for line in said.splitlines()]
    assert [line[0] for line in lines] == [kind.value for kind in Kind]
    assert {line[2] for line in lines} == {"whole"}
    code, said, _ = command("store", "check", "--json")
    told = json.loads(said)
    assert (code, told["whole"], told["damages"], told["orphans"]) == (0, True, [], 0)
    assert min(told["counts"].values()) > 0


def test_an_empty_store_is_whole(tmp_path: Path) -> None:
    with local(tmp_path):
        pass
    assert check(tmp_path).whole


def test_stores_that_there_are_not_are_not_made(tmp_path: Path, command: Command) -> None:
    for verb in (["check"], ["backup", str(tmp_path / "b")], ["restore", str(tmp_path / "b")]):
        code, _, why = command("store", *verb, root=tmp_path / "misspelt")
        assert (code, "there " in why) == (2, True)
    assert not (tmp_path / "misspelt").exists()


PLANTED: dict[str, tuple[Kind, str, Sequence[str]]] = {
    "a seal": (
        Kind.SEGMENTS,
        "a seal does not open",
        ["UPDATE segments SET body = CAST(x'00' || substr(body, 2) AS BLOB) WHERE upload_id = 'u'"],
    ),
    "a piece put in another's place": (
        Kind.SEGMENTS,
        "a seal does not open",
        [
            (
                "UPDATE segments SET body = (SELECT body FROM segments s WHERE s.upload_id = 'v' "
                "AND s.first_sample = segments.first_sample) WHERE upload_id = 'u'"
            )
        ],
    ),
    "a segment dropped": (
        Kind.UPLOADS,
        "a gap or an overlap at 0",
        ["DELETE FROM segments WHERE upload_id = 'u' AND first_sample = 0"],
    ),
    "the last segment dropped": (
        Kind.UPLOADS,
        "3000 samples are committed and the segments have",
        [
            (
                "DELETE FROM segments WHERE upload_id = 'u' "
                "AND first_sample = (SELECT max(first_sample) FROM segments WHERE upload_id = 'u')"
            )
        ],
    ),
    "a committed count": (
        Kind.UPLOADS,
        "3001 samples are committed and the segments have 3000",
        ["UPDATE uploads SET committed = 3001 WHERE upload_id = 'u'"],
    ),
    "a change dropped": (Kind.CHANGES, "change 2 is missing", ["DELETE FROM changes WHERE number = 2"]),
    "the first change dropped": (Kind.CHANGES, "change 1 is missing", ["DELETE FROM changes WHERE number = 1"]),
    "a change with too many numbers": (
        Kind.CHANGES,
        "is there twice",
        ["UPDATE changes SET span = span + 1 WHERE number = 2"],
    ),
    "a change of samples with too few numbers": (
        Kind.SAMPLES,
        "which no change of samples has",
        ["UPDATE changes SET span = 1 WHERE kind = 'samples'"],
    ),
    "a sample of a change to come": (
        Kind.SAMPLES,
        "it has number 1000, which no change of samples has",
        ["UPDATE samples SET number = 1000 WHERE deleted"],
    ),
    "a sample of a change of something else": (
        Kind.SAMPLES,
        "it has number 1, which no change of samples has",
        ["UPDATE samples SET number = 1 WHERE deleted"],
    ),
    "a sample's seal": (
        Kind.SAMPLES,
        "a seal does not open",
        ["UPDATE samples SET body = CAST(x'00' || substr(body, 2) AS BLOB) WHERE NOT deleted"],
    ),
    "a sample's version": (
        Kind.SAMPLES,
        "a seal does not open",
        ["UPDATE samples SET version = 7 WHERE NOT deleted"],
    ),
    "a sample's digest": (
        Kind.SAMPLES,
        "a content is of another sample than its row",
        ["UPDATE samples SET digest = zeroblob(32) WHERE NOT deleted"],
    ),
    "a sample's source": (
        Kind.SAMPLES,
        "a content is of another sample than its row",
        [
            "INSERT INTO source_metrics SELECT account_id, metric, 'other', app, 0 FROM source_metrics",
            "UPDATE samples SET device = 'other' WHERE NOT deleted",
        ],
    ),
    "a sample's time": (
        Kind.SAMPLES,
        "a content is of another time than its row",
        ["UPDATE samples SET instant_ms = instant_ms + 1 WHERE NOT deleted"],
    ),
    "a sample's duration": (
        Kind.SAMPLES,
        "a content is of another time than its row",
        ["UPDATE samples SET duration_ms = 1 WHERE NOT deleted"],
    ),
    "a source dropped": (
        Kind.SAMPLES,
        "3 of its samples are listed to nobody",
        ["DELETE FROM source_metrics WHERE metric = 'body_mass'"],
    ),
    "a sample put aside": (
        Kind.QUARANTINE,
        "a seal does not open",
        ["UPDATE quarantine SET body = CAST(x'00' || substr(body, 2) AS BLOB)"],
    ),
    "a tombstone that no change tells of": (
        Kind.CHANGES,
        "change 99 and its deleted range do not go together",
        ["INSERT INTO tombstones SELECT account_id, 99, metric, device, app, kind, 0, 1, 1, 0 FROM tombstones"],
    ),
    "a change of which the tombstone is gone": (
        Kind.CHANGES,
        "and its deleted range do not go together",
        ["DELETE FROM tombstones"],
    ),
    "an upload dropped": (
        Kind.REFERENCES,
        "a row of segments refers to none of uploads",
        ["PRAGMA foreign_keys = 0", "DELETE FROM uploads WHERE upload_id = 'u'"],
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_a_hand_has_done_is_found_and_named_and_no_more(root: Path, planted: str) -> None:
    kind, what, statements = PLANTED[planted]
    by_hand(root, *statements)
    found = check(root)
    assert not found.whole
    named = [damage for damage in found.damages if damage.kind is kind]
    assert what in named[0].what
    assert {damage.account_id for damage in named} == {ACCOUNT}
    assert all(damage.upload_id in {"u", ""} for damage in found.damages)
    assert found.counts[Kind.BLOBS] > 0


def test_a_blob_that_is_gone_or_changed_is_named_and_the_others_are_looked_at(root: Path, command: Command) -> None:
    gone, changed = blobs_of(root)[0], blobs_of(root)[-1]
    assert gone != changed
    gone.unlink()
    changed.write_bytes(b"\0" + changed.read_bytes()[1:])
    found = check(root)
    assert {(damage.what, Path(damage.piece).name) for damage in found.damages} == {
        ("a blob is gone", gone.name),
        ("a seal does not open", changed.name),
    }
    assert found.damaged[Kind.BLOBS] == 2
    code, said, why = command("store", "check")
    assert code == 1
    assert f"{Kind.BLOBS.value:<11}{found.counts[Kind.BLOBS]:>12,}  2 damaged" in said
    assert f"blobs: a blob is gone, account {ACCOUNT}, upload large, piece segments/{ACCOUNT}/{gone.name}" in why


def test_a_damaged_page_is_named_and_the_rest_is_looked_at(root: Path) -> None:
    file = root / "clarity.db"
    before = check(root).counts
    database = apsw.Connection(str(file))
    [(page,)] = list(database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'changes'"))
    size = database.pragma("page_size")
    database.close()
    with file.open("r+b") as opened:
        opened.seek((page - 1) * size)
        opened.write(b"\xff" * size)
    found = check(root)
    assert found.damaged[Kind.PAGES] > 0
    assert [damage.account_id for damage in found.damages if damage.kind is Kind.CHANGES] == [ACCOUNT]
    assert (found.damaged[Kind.SEGMENTS], found.counts[Kind.SEGMENTS]) == (0, before[Kind.SEGMENTS])


def test_a_page_of_segments_costs_its_rows_and_no_others(root: Path) -> None:
    before = check(root).counts[Kind.SEGMENTS]
    spoil_page(root, "segments")
    found = check(root)
    assert 0 < found.damaged[Kind.SEGMENTS] <= before
    assert found.counts[Kind.SEGMENTS] == before
    assert all(damage.account_id in {ACCOUNT, ""} for damage in found.damages)


def test_a_sample_that_is_damaged_is_named_and_the_others_are_looked_at(root: Path) -> None:
    damaged, _ = sample_ids(root)
    before = check(root).counts
    by_hand(root, f"UPDATE samples SET body = x'00' WHERE sample_id = '{damaged}'")  # noqa: S608  an id
    found = check(root)
    assert [(damage.kind, damage.account_id, damage.piece) for damage in found.damages] == [
        (Kind.SAMPLES, ACCOUNT, damaged)
    ]
    assert found.counts == before


@pytest.mark.parametrize("name", ["samples", "sqlite_autoindex_samples_1", "samples_by_change"])
def test_a_page_of_samples_that_cannot_be_read_is_said_and_the_rest_is_looked_at(root: Path, name: str) -> None:
    before = check(root).counts
    spoil_page(root, name)
    found = check(root)
    assert found.damaged[Kind.PAGES] > 0
    assert {damage.kind for damage in found.damages} <= {Kind.PAGES, Kind.SAMPLES}
    for kind in set(Kind) - {Kind.SAMPLES}:
        assert found.counts[kind] == before[kind]


def test_many_samples_beside_a_writer_are_whole(tmp_path: Path) -> None:
    """Each row is looked at as it is at one moment, and what looks damaged once more."""
    with local(tmp_path) as world:
        collect = Collect(world.samples, world.keys, lambda: NOW)
        stop = threading.Event()

        def write() -> None:
            version = 0
            while not stop.is_set():
                told = [replace(mass(str(number), 70_000.0), version=version) for number in range(50)]
                outcomes = collect.write(ACCOUNT, told, "", b"")
                world.samples.delete(ACCOUNT, Wanted(sample_ids=frozenset({outcomes[0].sample_id})), 1)
                version += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            found = [check(tmp_path) for _ in range(5)]
        finally:
            stop.set()
            writer.join()
    assert [one.damages for one in found] == [[]] * 5
    assert check(tmp_path).counts[Kind.SAMPLES] == 50


def test_a_file_that_is_no_database_is_damaged(root: Path, command: Command) -> None:
    (root / "clarity.db").write_bytes(b"nonsense" * 10_000)
    assert command("store", "check") == (1, "", "clarity: clarity.db is damaged")


def test_a_key_that_is_gone_is_named_once_for_all_that_it_opened(root: Path) -> None:
    (root / "keys" / "accounts" / f"{ACCOUNT}.key").unlink()
    found = check(root)
    assert [(damage.kind, damage.account_id) for damage in found.damages] == [(Kind.KEYS, ACCOUNT)]


def test_blobs_without_a_row_are_told_and_are_no_damage(root: Path, command: Command) -> None:
    (root / "blobs" / "segments" / ACCOUNT / "left-over").write_bytes(b"of a commit that failed")
    code, said, _ = command("store", "check")
    assert code == 0
    assert said.splitlines()[-1].split()[:2] == ["orphans", "1"]


def test_no_value_is_ever_named(root: Path, command: Command) -> None:
    by_hand(root, "UPDATE segments SET body = x'00' WHERE blob IS NULL", "DELETE FROM changes WHERE number = 2")
    _, said, why = command("store", "check", "--json")
    known = {ACCOUNT, "u", "v", "large", ""}
    assert {damage["upload_id"] for damage in json.loads(said)["damages"]} <= known
    assert STEPS.tobytes()[:64].hex() not in said + why


def test_a_store_of_another_schema_is_not_looked_at(root: Path, command: Command) -> None:
    by_hand(root, "PRAGMA user_version = 1")
    code, _, why = command("store", "check")
    assert code == 1
    assert "has schema 1" in why


# ---- backup ----------------------------------------------------------------------------------------------------------


def test_a_backup_has_all_files_with_their_digests_and_no_key(root: Path, command: Command) -> None:
    code, said, why = command("store", "backup", str(root / "backup"))
    assert (code, why) == (0, "")
    assert "The keys are not in it" in said
    files = {path.relative_to(root / "backup").as_posix() for path in (root / "backup").rglob("*") if path.is_file()}
    manifest = json.loads((root / "backup" / "manifest.json").read_bytes())
    assert files == {*manifest["files"], "manifest.json"}
    assert {name for name in files if not name.startswith("blobs/segments/")} == {"clarity.db", "manifest.json"}
    assert manifest["counts"]["series_samples"] == 2 * len(STEPS) + len(NOISE)
    assert (manifest["counts"]["samples"], manifest["counts"]["quarantine"]) == (3, 1)
    assert (root / "keys" / "root.key").read_bytes() not in (root / "backup" / "clarity.db").read_bytes()


def test_a_directory_that_is_there_and_one_inside_a_store_are_refused(root: Path) -> None:
    for to in (root, root / "blobs" / "b", root / "keys" / "b"):
        with pytest.raises(BackupRefused):
            back_up(root, to)


def test_a_store_that_is_damaged_gives_no_backup_and_leaves_nothing_behind(root: Path) -> None:
    blobs_of(root)[0].unlink()
    with pytest.raises(StoreDamaged) as raised:
        back_up(root)
    assert blobs_of(root)[0].parent.name in raised.value.facts["piece"]
    assert not [path for path in root.iterdir() if "backup" in path.name]


def test_blobs_that_an_erasure_takes_meanwhile_have_the_copy_made_again(root: Path) -> None:
    """As told by the first blob that is copied: then the rows go, and after them the blobs."""

    def erasing(what: str, _done: int, _count: int) -> None:
        if what == "blobs" and blobs_of(root):
            by_hand(
                root, "DELETE FROM segments WHERE upload_id = 'large'", "DELETE FROM uploads WHERE committed > 3000"
            )
            for blob in blobs_of(root):
                blob.unlink()

    wiring.store_console(settings(root)).back_up(root / "backup", erasing)
    manifest = json.loads((root / "backup" / "manifest.json").read_bytes())
    assert list(manifest["files"]) == ["clarity.db"]
    assert manifest["counts"]["uploads"] == 2


def test_a_backup_beside_writers_has_every_upload_that_was_committed_before_it_began(tmp_path: Path) -> None:
    with upload_world(tmp_path) as world:
        done, stop = list[str](), threading.Event()

        def write(writer: int) -> None:
            number = 0
            while not stop.is_set():
                upload_id = f"{writer}-{number}"
                recorded(world, upload_id, NOISE[:180_000] if number % 3 == 0 else STEPS)
                done.append(upload_id)
                number += 1

        recorded(world, "large", NOISE)
        backups = list[tuple[list[str], Path]]()
        writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for writer in writers:
            writer.start()
        try:
            for number in range(3):
                backups.append((list(done), back_up(tmp_path, tmp_path / f"backup-{number}")))
                assert check(tmp_path).whole
        finally:
            stop.set()
            for writer in writers:
                writer.join()
    for before, backup in backups:
        restore(tmp_path, backup)
        assert check(tmp_path).whole
        with upload_world(tmp_path) as world:
            for upload_id in ("large", *before):
                assert world.stored(upload_id).receipt is not None
            assert world.content("large")[0] == NOISE.tobytes()


def test_a_backup_beside_one_who_commits_without_a_pause_ends(root: Path) -> None:
    """SQLite begins a copy anew whenever another process writes, unless a read transaction holds the moment."""
    with upload_world(root) as world:

        def commit_one(what: str, done: int, count: int) -> None:
            if what == "pages" and done < count:
                recorded(world, f"at-{done}-{os.urandom(4).hex()}", STEPS)

        wiring.store_console(settings(root)).back_up(root / "backup", commit_one)
    assert json.loads((root / "backup" / "manifest.json").read_bytes())["counts"]["uploads"] == 3


# ---- restore ---------------------------------------------------------------------------------------------------------


def test_a_restore_puts_all_back_and_keeps_what_was_there(root: Path, command: Command) -> None:
    backup = back_up(root)
    with upload_world(root) as world:
        recorded(world, "later")
    code, said, why = command("store", "restore", str(backup))
    assert (code, why) == (0, "")
    kept = [Path(line.removeprefix("kept: ")) for line in said.splitlines() if line.startswith("kept: ")]
    assert all(path.exists() for path in kept)
    with upload_world(root) as world:
        assert world.content("large")[0] == NOISE.tobytes()
        with pytest.raises(UploadNotFound):
            world.stored("later")
    kept_database = next(path for path in kept if path.name.startswith("clarity.db"))
    connection = apsw.Connection(str(kept_database))
    assert list(connection.execute("SELECT count(*) FROM uploads")) == [(4,)]
    connection.close()
    assert check(root).whole


def test_a_restore_begins_another_history_of_changes_and_the_backup_keeps_the_one_it_has(root: Path) -> None:
    def lineage() -> str:
        with local(root) as world:
            return world.changes.lineage()

    first = lineage()
    backup = back_up(root)
    assert lineage() == first
    restore(root, backup)
    second = lineage()
    restore(root, backup)
    assert len({first, second, lineage()}) == 3
    assert check(root).whole


def test_a_restore_puts_samples_back_as_they_were(root: Path) -> None:
    with local(root) as world:
        before = world.changes.samples(ACCOUNT, 0, 1000, 1000)
    backup = back_up(root)
    with local(root) as world:
        world.samples.delete(ACCOUNT, Wanted(), 1000)
    restore(root, backup)
    with local(root) as world:
        assert world.changes.samples(ACCOUNT, 0, 1000, 1000) == before
        assert [one.deleted for one in before].count(True) == 1


def test_a_restore_where_there_is_nothing_but_the_keys(root: Path) -> None:
    backup = back_up(root)
    (root / "clarity.db").unlink()
    shutil.rmtree(root / "blobs")
    assert restore(root, backup) == []
    assert check(root).whole


def test_a_restore_is_refused_while_a_server_has_the_stores_open(root: Path, command: Command) -> None:
    backup = back_up(root)
    opened = wiring.world(settings(root))
    try:
        code, _, why = command("store", "restore", str(backup))
        assert (code, "stop it first" in why) == (1, True)
        assert command("store", "check")[0] == 0
    finally:
        opened.close()
    assert command("store", "restore", str(backup))[0] == 0


def test_nobody_opens_the_stores_while_a_restore_runs_or_after_one_was_broken_off(root: Path) -> None:
    backup = back_up(root)
    with tenancy.alone(root / "clarity.db") as mark:
        with pytest.raises(StartRefused, match="under way"):
            wiring.world(settings(root))
        mark(tenancy.MOVING)
    (root / "clarity.db").unlink()
    with pytest.raises(StartRefused, match="broken off"):
        wiring.world(settings(root))
    assert not (root / "clarity.db").exists()
    restore(root, backup)
    wiring.world(settings(root)).close()
    assert check(root).whole


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()  # it may be a link to what the store has
    path.write_bytes(content)


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "the database": (lambda backup: flipped(backup / "clarity.db"), "clarity.db is not what"),
    "a blob": (lambda backup: flipped(blobs_of(backup)[0]), "is not what"),
    "no blob": (lambda backup: blobs_of(backup)[0].unlink(), "is missing"),
    "no manifest": (lambda backup: (backup / "manifest.json").unlink(), "is no backup"),
    "half a manifest": (lambda backup: (backup / "manifest.json").write_text("{"), "is damaged"),
    "a changed manifest": (
        lambda backup: (backup / "manifest.json").write_text(
            (backup / "manifest.json").read_text().replace('"schema": ', '"schema": 1')
        ),
        "was changed",
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_backup_that_is_not_as_it_was_made_is_refused_and_nothing_is_moved(root: Path, what: str) -> None:
    spoil, why = SPOILED[what]
    backup = back_up(root)
    spoil(backup)
    before = sorted(path.name for path in root.iterdir())
    with pytest.raises(BackupRefused, match=why):
        restore(root, backup)
    assert sorted(path.name for path in root.iterdir()) == before
    assert check(root).whole


def test_a_backup_of_a_server_with_other_keys_is_refused(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    backup, other = back_up(root), tmp_path_factory.mktemp("other")
    with local(other):
        pass
    with pytest.raises(BackupRefused, match="other keys"):
        restore(other, backup)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ErasingWorld]:
    with erasing_world(tmp_path) as opened:
        yield opened


def test_who_was_erased_after_the_backup_stays_erased(tmp_path: Path) -> None:
    with erasing_world(tmp_path) as world:
        lark = world.signed_up(LARK)
        owl = world.person(OWL, lark)
        backup = back_up(tmp_path)
        clock = world.clock
        world.erase.request(world.signed_in(OWL)[0], PASSWORD, "", HERE)
        clock.wait(GRACE_S + 1)
        assert world.erase.run_due() == 1
        assert world.left(owl.account_id) == {}
    restore(tmp_path, backup)
    found = check(tmp_path)
    assert (found.whole, found.erased) == (True, 1)
    with erasing_world(tmp_path, clock) as world:
        assert world.left(owl.account_id)
        assert world.erase.apply_ledger() == 1
        assert world.left(owl.account_id) == {}
        assert world.left(lark.account_id)
    assert check(tmp_path).erased == 0


def test_the_audit_tells_of_a_restore_and_goes_on_from_there(tmp_path: Path, command: Command) -> None:
    with erasing_world(tmp_path) as world:
        world.signed_up(OWL)
        world.store.audit.anchor()
        rows = world.store.audit.verify().rows
        backup = back_up(tmp_path)
        world.signed_in(OWL)
        world.signed_in(OWL)
        world.store.audit.anchor()
        more = world.store.audit.verify().rows
    restore(tmp_path, backup)
    code, said, _ = command("audit", "verify")
    assert code == 0
    assert said.startswith(f"{rows} rows are whole; head {rows} anchors them; an operator put a backup back at ")
    assert said.endswith(f"that ends with row {rows}; rows {rows + 1} to {more}, which were there, went with that")
    with erasing_world(tmp_path) as world:
        world.signed_in(OWL)
        world.store.audit.anchor()
        verdict = world.store.audit.verify()
        assert (verdict.whole, verdict.anchored, verdict.rows) == (True, verdict.rows, rows + 1)
    assert "went with that" in command("audit", "verify")[1]
    restore(tmp_path, backup)
    assert command("audit", "verify")[1].count("an operator put a backup back") == 2


def test_a_restore_by_hand_is_still_told_as_a_cut(tmp_path: Path, command: Command) -> None:
    with erasing_world(tmp_path) as world:
        world.signed_up(OWL)
        world.store.audit.anchor()
        backup = back_up(tmp_path)
        world.signed_in(OWL)
        world.store.audit.anchor()
    shutil.copy(backup / "clarity.db", tmp_path / "clarity.db")
    code, _, why = command("audit", "verify")
    assert (code, "the tail is cut" in why) == (1, True)


def test_an_audit_that_was_broken_before_its_backup_is_excused_by_no_restore(tmp_path: Path, command: Command) -> None:
    with erasing_world(tmp_path) as world:
        world.signed_up(OWL)
        world.store.audit.anchor()
    by_hand(tmp_path, "DROP TRIGGER audit_remains", "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")
    code, _, why = command("store", "backup", str(tmp_path / "backup"))
    assert (code, "the audit is broken in it" in why) == (0, True)
    code, said, _ = command("store", "restore", str(tmp_path / "backup"))
    assert (code, "was broken already" in said) == (0, True)
    assert command("audit", "verify")[0] == 1

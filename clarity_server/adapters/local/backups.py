"""Backups of the stores: one consistent copy beside a server that writes, and the way back.

    manifest.json    what there is, each file with its size and SHA-256; sealed (HMAC) by the server's own keys
    clarity.db       the database, one file, no write-ahead log
    blobs/…          every blob that this database names

The keys are never in it, nor the ledger of erasures and the heads of the audit, which lie beside them: a backup alone
opens nothing, and putting it back brings nobody back.

No blob can be missing. It is durable before the row that names it, so each one that the copied database names was there
when the copy began, and it never changes. It goes only after its row: a sweep takes what no row names, and an erasure
takes its rows first. So where one is not found, its row is gone from the live database too, and the copy is made again;
where the row is still there, the store is damaged, and that is said.
"""

import hashlib
import hmac
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw

from clarity_server.adapters.local import files, schema, tenancy
from clarity_server.adapters.local.changes import NEW_LINEAGE
from clarity_server.adapters.local.checking import LIST_BLOBS, connected
from clarity_server.adapters.local.database import Row, translated
from clarity_server.adapters.local.heads import DiskHeads
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.domain import chain
from clarity_server.domain.errors import BackupRefused, StoreDamaged
from clarity_server.domain.upkeep import Restored, Tell

FORMAT = 1
DATABASE = "clarity.db"
BLOBS = "blobs"
MANIFEST = "manifest.json"
PURPOSE = "store-backup"  # what the key of the manifest's seal is derived for
STEP_PAGES = 256  # 2 MiB: what is copied between two words on how far it is
COPIES_MAX = 5  # of the database, where an erasure takes blobs away meanwhile
CHUNK_BYTES = 1 << 20
AUDIT_PAGE = 1000
COUNTED = (
    "accounts",
    "uploads",
    "segments",
    "tombstones",
    "samples",
    "quarantine",
    "changes",
    "days",
    "results",
    "analyses",
    "insights",
    "audit",
)
LIST_AUDIT = "SELECT seq, time, previous, event, hash FROM audit ORDER BY seq"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stores:
    """Where the stores lie, whose keys seal their backups, and where the audit's heads are."""

    records: Path
    blobs: Path
    keys_place: Path
    keys: DiskKeys
    heads: DiskHeads


# ---- making one ------------------------------------------------------------------------------------------------------


def back_up(stores: Stores, to: Path, tell: Tell, clock: Callable[[], float] = time.time) -> Manifest:
    """Copy the stores to a directory that there is not yet; it appears once the copy is whole and was read again.

    Raises BackupRefused, StoreDamaged, StoreFull, StoreUnavailable; then there is nothing.
    """
    _refuse_place(stores, to)
    aside = to.with_name(f".{to.name}.{uuid.uuid4().hex[:8]}.half")
    with files.translated():
        try:
            files.make_directory(aside)
            manifest = _copied(stores, aside, tell, clock())
            _verified(aside, manifest, tell)
            aside.rename(to)
            files.sync_directory(to.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return manifest


def _refuse_place(stores: Stores, to: Path) -> None:
    if to.exists() or to.is_symlink():
        raise BackupRefused(f"{to} is there already; name a directory that is not")
    for store in (stores.blobs, stores.keys_place):
        if to.resolve().is_relative_to(store.resolve()):
            raise BackupRefused(f"{to} is inside of {store}: a backup belongs elsewhere, best on another disk")


def _copied(stores: Stores, aside: Path, tell: Tell, now: float) -> Manifest:
    for _ in range(COPIES_MAX):
        heads = stores.heads.list()  # before the copy: then every row that one of them was signed for is in it
        copy = aside / DATABASE
        copy.unlink(missing_ok=True)
        shutil.rmtree(aside / BLOBS, ignore_errors=True)
        _copy_database(stores.records, copy, tell)
        with closing(connected(copy)) as connection:
            names = [str(name) for (name,) in connection.execute(LIST_BLOBS)]
            if _carry_blobs(stores, aside, names, tell):
                return _written(stores, aside, connection, heads, now)
    raise BackupRefused("blobs are being deleted faster than they are copied; try again")


def _copy_database(records: Path, copy: Path, tell: Tell) -> None:
    """Copy all pages as they are at one moment, and see that they make a whole database.

    A read transaction of our own holds that moment: without one, SQLite begins again whenever another process writes.
    Writers go on, and their log grows until the copy is there.
    """
    copy.touch(files.PRIVATE_FILE)
    with closing(connected(records)) as source, translated(records.name), closing(apsw.Connection(str(copy))) as target:
        source.execute("BEGIN")
        schema.version(source)
        with target.backup("main", source, "main") as steps:
            while not steps.done:
                steps.step(STEP_PAGES)
                tell("pages", steps.page_count - steps.remaining, steps.page_count)
        source.execute("COMMIT")
        target.pragma("journal_mode", "delete")
        tell("integrity", 0, 1)
        if (found := [str(text) for (text,) in target.execute("PRAGMA integrity_check(1)")]) != ["ok"]:
            raise StoreDamaged(piece=f"{records.name} ({found[0].splitlines()[-1]})")
    _sync(copy)


def _carry_blobs(stores: Stores, aside: Path, names: Sequence[str], tell: Tell) -> bool:
    """Link or copy blobs; tell whether all were there. Raises StoreDamaged for one that a row still names."""
    files.make_directory(aside / BLOBS)
    for done, name in enumerate(names):
        tell("blobs", done, len(names))
        try:
            _carry(stores.blobs / name, aside / BLOBS / name)
        except FileNotFoundError:
            if _is_named(stores.records, name):
                raise StoreDamaged(piece=name) from None
            return False
    _sync_directories(aside / BLOBS)
    return True


def _carry(source: Path, target: Path) -> None:
    """Link a file that never changes, or copy it durably where the file system is another."""
    target.parent.mkdir(files.PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one that does not link
        shutil.copyfile(source, target, follow_symlinks=False)
        target.chmod(files.PRIVATE_FILE)
        _sync(target)


def _is_named(records: Path, blob: str) -> bool:
    with closing(connected(records)) as connection:
        return bool(list(connection.execute("SELECT 1 FROM segments WHERE blob = ?", (blob,))))


def _written(
    stores: Stores, aside: Path, connection: apsw.Connection, heads: Sequence[chain.Head], now: float
) -> Manifest:
    """Write the manifest, last of all files."""
    counts = {table: list(connection.execute(f"SELECT count(*) FROM {table}"))[0][0] for table in COUNTED}  # noqa: S608, RUF015
    samples = list(connection.execute("SELECT coalesce(sum(committed), 0) FROM uploads"))
    told = {
        "format": FORMAT,
        "time": datetime.fromtimestamp(now, UTC).isoformat(),
        "schema": schema.version(connection),
        "sqlite": apsw.sqlite_lib_version(),
        "counts": {**counts, "series_samples": samples[0][0]},
        "audit": _audit(stores, connection, heads),
        "files": {name: _measured(aside / name) for name in _names(aside)},
    }
    manifest = {**told, "seal": _seal(stores.keys, told)}
    path = aside / MANIFEST
    path.touch(files.PRIVATE_FILE)
    path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    _sync(path)
    files.sync_directory(aside)
    return manifest


def _audit(stores: Stores, connection: apsw.Connection, heads: Sequence[chain.Head]) -> Mapping[str, Any]:
    """Where the copied audit ends, and whether it is whole: a restore must not excuse what was broken before."""
    public = chain.signing_key(stores.keys.derived(chain.SIGNING_PURPOSE)).public_key()
    rows = (chain.Row(*columns) for columns in connection.execute(LIST_AUDIT))
    verdict = chain.verify(rows, heads, stores.keys.derived(chain.CHAIN_PURPOSE), public)
    found: list[Row] = list(connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"))
    seq, row_hash = found[0] if found else (0, chain.GENESIS)
    return {"seq": seq, "hash": row_hash.hex(), "whole": verdict.whole}


def _names(root: Path) -> Iterator[str]:
    """All files below a directory but the manifest, by their paths in it."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return (name for path in paths if (name := path.relative_to(root).as_posix()) != MANIFEST)


def _measured(path: Path) -> Mapping[str, Any]:
    """The size and digest of a file, read from the disk as far as the system lets us."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        with suppress(OSError):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _seal(keys: DiskKeys, told: Mapping[str, Any]) -> str:
    spelled = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    return hmac.digest(keys.derived(PURPOSE), spelled, "sha256").hex()


# ---- putting one back ------------------------------------------------------------------------------------------------


def read_manifest(stores: Stores, backup: Path) -> Manifest:
    """Read a backup's manifest. Raises BackupRefused where there is none, or none that these keys have sealed."""
    try:
        manifest = json.loads((backup / MANIFEST).read_bytes())
        told = {name: value for name, value in manifest.items() if name != "seal"}
        sealed = hmac.compare_digest(manifest["seal"], _seal(stores.keys, told))
    except FileNotFoundError as why:
        raise BackupRefused(f"{backup} is no backup: it has no {MANIFEST}") from why
    except (ValueError, KeyError, TypeError, AttributeError) as why:
        raise BackupRefused(f"{backup / MANIFEST} is damaged") from why
    if not sealed:
        raise BackupRefused(f"{backup / MANIFEST} was changed, or is of a server with other keys")
    if manifest["format"] != FORMAT or manifest["schema"] > max(schema.migrations()):
        raise BackupRefused(f"{backup} is of a newer CLARITY: its schema is {manifest['schema']}")
    return dict(manifest)


def restore(stores: Stores, backup: Path, tell: Tell, clock: Callable[[], float] = time.time) -> Restored:
    """Put a backup in place of the stores, which are kept aside; nothing is moved before all of it is copied and read.

    Broken off while things are moved, it leaves stores that nobody opens, and goes on when it is called again.
    Raises BackupRefused while anybody has the stores open, StoreFull, StoreUnavailable.
    """
    manifest = read_manifest(stores, backup)
    with files.translated(), tenancy.alone(stores.records) as mark, _carried(stores, backup, manifest, tell) as fresh:
        now = clock()
        mark(tenancy.MOVING)
        try:
            kept = _set_aside(stores, now)
        except OSError as why:
            if stores.blobs.exists():  # they come first: where they have not moved, nothing has
                mark(tenancy.IN_PLACE)
            raise BackupRefused(f"the stores cannot be moved aside: {why}") from why
        _put(fresh, stores)
        acknowledged = _acknowledge(stores, manifest, now)
        mark(tenancy.IN_PLACE)
    return Restored(manifest, kept, acknowledged)


def _verified(root: Path, manifest: Manifest, tell: Tell) -> None:
    """Compare what there is with a manifest. Raises BackupRefused for the first file that is another."""
    for done, (name, measured) in enumerate(manifest["files"].items()):
        tell("files", done, len(manifest["files"]))
        path = root / name
        if not path.is_file():
            raise BackupRefused(f"{name} is missing in the backup")
        if _measured(path) != measured:
            raise BackupRefused(f"{name} is not what the backup's manifest says")


@contextmanager
def _carried(stores: Stores, backup: Path, manifest: Manifest, tell: Tell) -> Iterator[tuple[Path, Path]]:
    """Copy a backup to beside the stores, durably, and compare it; yield the database and the blobs there."""
    end = f"{uuid.uuid4().hex[:8]}.restoring"
    database = stores.records.with_name(f".{stores.records.name}.{end}")
    blobs = stores.blobs.with_name(f".{stores.blobs.name}.{end}")
    try:
        files.make_directory(blobs)
        for done, (name, measured) in enumerate(manifest["files"].items()):
            tell("files", done, len(manifest["files"]))
            target = database if name == DATABASE else blobs / name.removeprefix(f"{BLOBS}/")
            _take(backup / name, target, copied=name == DATABASE)
            if _measured(target) != measured:
                raise BackupRefused(f"{name} is not what the backup's manifest says")
        _begin_history(database)
        _sync_directories(blobs)
        yield database, blobs
    finally:
        database.unlink(missing_ok=True)
        shutil.rmtree(blobs, ignore_errors=True)


def _begin_history(database: Path) -> None:
    """Let a copied database tell of a history of its own: its change numbers will be given again, to other changes."""
    with translated(DATABASE), closing(apsw.Connection(str(database))) as connection:
        if connection.table_exists(None, "lineage"):  # else it gets one at the next start
            connection.execute(NEW_LINEAGE)
    _sync(database)


def _take(source: Path, target: Path, *, copied: bool) -> None:
    if not source.is_file() or source.is_symlink():
        raise BackupRefused(f"{source.name} is missing in the backup")
    if not copied:
        _carry(source, target)
        return
    target.touch(files.PRIVATE_FILE)
    shutil.copyfile(source, target)
    _sync(target)


def _set_aside(stores: Stores, now: float) -> list[Path]:
    """Rename what is there, a write-ahead log with its database; return the new names."""
    when = f"before-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:4]}"
    kept, records = list[Path](), stores.records
    moves = {records.with_name(f"{records.name}{end}"): f"{records.name}.{when}{end}" for end in ("-wal", "-shm", "")}
    for old, name in {stores.blobs: f"{stores.blobs.name}.{when}", **moves}.items():
        if old.exists():
            kept.append(old.rename(old.with_name(name)))
    files.sync_directory(stores.blobs.parent)
    files.sync_directory(records.parent)
    return kept


def _put(fresh: tuple[Path, Path], stores: Stores) -> None:
    database, blobs = fresh
    blobs.rename(stores.blobs)
    files.sync_directory(stores.blobs.parent)
    database.rename(stores.records)
    files.sync_directory(stores.records.parent)


def _acknowledge(stores: Stores, manifest: Manifest, now: float) -> bool:
    """Sign that the audit ends where the backup does; not of one that was broken already when it was backed up."""
    audit = manifest["audit"]
    if not audit["whole"]:
        return False
    before = next(reversed(stores.heads.list()), None)
    key = chain.signing_key(stores.keys.derived(chain.SIGNING_PURPOSE))
    stores.heads.add(chain.signed_restore(key, audit["seq"], bytes.fromhex(audit["hash"]), now, before))
    return True


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_directories(root: Path) -> None:
    for folder, _, _ in os.walk(root, topdown=False):
        files.sync_directory(Path(folder))

"""Whether the stores are whole: every page, reference, seal, blob, number and key, beside a server or without one.

Of a sample also that its content is the one its row tells of, and that a change tells of it.

Nothing stops at the first damage: what is damaged is named by its ids, never by a value, and the rest is looked at.
Beside a server every question is one short statement, so that each sees a whole state; what looks damaged is looked at
again before it is said, because it may be gone by now.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from clarity_server.adapters.local import schema
from clarity_server.adapters.local.blobs import DiskBlobs
from clarity_server.adapters.local.changes import SAMPLE_COLUMNS, stored_sample
from clarity_server.adapters.local.database import LOCK_TIMEOUT_MS, Row, check_sqlite, translated
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.ledger import DiskLedger
from clarity_server.adapters.local.samples import FAULT_COLUMNS, stored_fault
from clarity_server.adapters.local.series import BLOBS_PREFIX
from clarity_server.domain import content, sealing, segments
from clarity_server.domain.erasure import BEGUN
from clarity_server.domain.errors import BackupRefused, BlobNotFound, InvalidInput, StoreDamaged
from clarity_server.domain.samples import sample_id
from clarity_server.domain.series import Encoding, Segment
from clarity_server.domain.upkeep import Damage, Findings, Kind, Tell
from clarity_server.ports import StoredFault, StoredSample

DAMAGES_MAX = 50  # of a kind that are named; all are counted, of damaged pages as many as SQLite lists
TELL_EVERY = 100  # segments, samples

TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
WITH_REFERENCES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%REFERENCES%'"
NEXT_ACCOUNT = {
    table: f"SELECT min(account_id) FROM {table} WHERE account_id > ?"  # noqa: S608  our own names
    for table in ("uploads", "segments", "changes", "samples", "quarantine", "tombstones")
}
# The index alone answers this: a damaged page of the table costs the rows in it and no others.
LIST_SEGMENTS = "SELECT rowid FROM segments WHERE account_id = ? ORDER BY upload_id, first_sample"
LIST_BLOBS = "SELECT blob FROM segments WHERE blob IS NOT NULL"
READ_SEGMENT = """
    SELECT account_id, metric, day, upload_id, first_sample, count, start_ms, end_ms, body, blob
    FROM segments WHERE rowid = ?"""
FORMS = "SELECT upload_id, descriptor FROM uploads WHERE account_id = ?"
# By `span`, which no index has: it is the table that is looked at. Beside the count: the first number that is missing,
# and the first that the change before it has, too.
NUMBERS = """
    SELECT count(span), min(CASE WHEN number > expected THEN expected END),
        min(CASE WHEN number < expected THEN number END)
    FROM (SELECT number, span, lag(number + span, 1, 1) OVER (ORDER BY number) AS expected
        FROM changes WHERE account_id = ?)"""
DELETIONS = """
    SELECT number FROM tombstones WHERE account_id = :account AND number NOT IN (
        SELECT number FROM changes WHERE account_id = :account AND kind = 'series_deleted')
    UNION
    SELECT number FROM changes WHERE account_id = :account AND kind = 'series_deleted' AND number NOT IN (
        SELECT number FROM tombstones WHERE account_id = :account)
    ORDER BY number"""
# The change that has a sample's number is the last that begins at it or before.
UNTOLD_SAMPLES = """
    SELECT sample_id, number FROM samples AS s WHERE account_id = ? AND (
        SELECT kind = 'samples' AND number + span > s.number FROM changes
        WHERE account_id = s.account_id AND number <= s.number ORDER BY number DESC LIMIT 1) IS NOT 1"""
UNKNOWN_SOURCES = """
    SELECT min(sample_id), metric, device, app, count(*) FROM samples WHERE account_id = ? AND NOT EXISTS (
        SELECT 1 FROM source_metrics AS s WHERE s.account_id = samples.account_id
            AND s.metric = samples.metric AND s.device = samples.device AND s.app = samples.app)
    GROUP BY metric, device, app"""
LIST_SAMPLES = "SELECT rowid FROM samples WHERE account_id = ? ORDER BY sample_id"
READ_SAMPLE = f"SELECT {SAMPLE_COLUMNS} FROM samples WHERE rowid = ?"  # noqa: S608  our own names
LIST_FAULTS = "SELECT place FROM quarantine WHERE account_id = ? ORDER BY quarantine_id"
READ_FAULT = f"SELECT {FAULT_COLUMNS}, place FROM quarantine WHERE place = ?"  # noqa: S608  our own names
# For each upload: where its segments first leave a gap or overlap, and how far they and the changes reach.
REACHES = """
    WITH pieces AS (
        SELECT upload_id, committed, first_sample AS first, first_sample + count AS last,
            lag(first_sample + count, 1, 0) OVER (PARTITION BY upload_id ORDER BY first_sample) AS expected
        FROM segments JOIN uploads USING (account_id, upload_id) WHERE account_id = :account),
    reached AS (
        SELECT upload_id, min(CASE WHEN first <> expected THEN expected END) AS gap, max(last) AS reach
        FROM pieces WHERE first < committed GROUP BY upload_id),
    changed AS (
        SELECT upload_id, max(first_sample + count) AS told FROM changes WHERE account_id = :account GROUP BY upload_id)
    SELECT upload_id, committed, gap, coalesce(reach, 0), coalesce(told, 0)
    FROM uploads LEFT JOIN reached USING (upload_id) LEFT JOIN changed USING (upload_id)
    WHERE account_id = :account"""


def connected(records: Path) -> apsw.Connection:
    """Open the database for a look at it. Raises BackupRefused for another schema, StoreDamaged, StoreUnavailable."""
    check_sqlite(apsw.sqlite_lib_version())
    with translated(records.name):
        connection = apsw.Connection(str(records), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(LOCK_TIMEOUT_MS)
        connection.wal_autocheckpoint(0)
        connection.pragma("temp_store", "memory")
        found, known = schema.version(connection), max(schema.migrations())
        if found != known:
            connection.close()
            raise BackupRefused(f"{records} has schema {found}, and this CLARITY looks after {known}: start it once")
        return connection


class Checker:
    """One look at everything."""

    def __init__(self, records: Path, blobs: DiskBlobs, keys: DiskKeys, ledger: DiskLedger, tell: Tell) -> None:
        """Take the stores, and who hears how far it is."""
        self._records, self._blobs, self._keys, self._ledger, self._tell = records, blobs, keys, ledger, tell
        self._connection: apsw.Connection
        self._counts = dict.fromkeys(Kind, 0)
        self._damaged = dict.fromkeys(Kind, 0)
        self._damages: list[Damage] = []
        self._erased: set[str] = set()
        self._orphans = 0

    def run(self) -> Findings:
        """Look at everything. Raises BackupRefused, StoreDamaged where the file is none, StoreUnavailable."""
        with closing(connected(self._records)) as self._connection:
            self._look_at_pages()
            self._look_at_references()
            for account_id in self._accounts():
                self._look_at_account(account_id)
            self._count_orphans()
        return Findings(self._counts, self._damaged, self._damages, self._orphans, len(self._erased))

    def _ask(self, query: str, bindings: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        with translated(self._records.name):
            return list(self._connection.execute(query, bindings))

    @contextmanager
    def _reading(self, kind: Kind, what: str, account_id: str = "") -> Iterator[None]:
        """Take a page that cannot be read for a damage, and go on after it."""
        try:
            yield
        except StoreDamaged:
            self._note(Damage(kind, f"{what} cannot be read", account_id))

    def _note(self, damage: Damage) -> None:
        if damage.account_id and self._is_erased(damage.account_id):
            self._erased.add(damage.account_id)
            return
        self._damaged[damage.kind] += 1
        if self._damaged[damage.kind] <= DAMAGES_MAX:
            self._damages.append(damage)

    def _is_erased(self, account_id: str) -> bool:
        try:
            erasure = self._ledger.of_account(account_id)
        except InvalidInput:
            return False
        return erasure is not None and erasure.state in BEGUN

    def _look_at_pages(self) -> None:
        self._tell("pages", 0, 1)
        with self._reading(Kind.PAGES, "the database"):
            self._counts[Kind.PAGES] = self._ask("PRAGMA page_count")[0][0]
        try:
            self._look_at_tree(f"PRAGMA integrity_check({DAMAGES_MAX})")
        except StoreDamaged:  # it breaks off at some damages: then table by table, so that each is named
            for (table,) in self._ask(TABLES):
                with self._reading(Kind.PAGES, f"the table {table}"):
                    self._look_at_tree(f"PRAGMA integrity_check({table})")

    def _look_at_tree(self, question: str) -> None:
        for line in "\n".join(text for (text,) in self._ask(question)).split("\n"):
            if line != "ok" and not line.startswith("***"):
                self._note(Damage(Kind.PAGES, line))

    def _look_at_references(self) -> None:
        with self._reading(Kind.REFERENCES, "the references"):
            for (table,) in self._ask(WITH_REFERENCES):
                self._counts[Kind.REFERENCES] += self._ask(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608
            for table, rowid, parent, _ in self._ask("PRAGMA foreign_key_check"):
                whose = f"SELECT account_id, upload_id FROM {table} WHERE rowid = ?"  # noqa: S608
                ids = self._ask(whose, (rowid,)) if rowid is not None else [("", "")]
                for account_id, upload_id in ids:  # none: it is gone by now
                    what = f"a row of {table} refers to none of {parent}"
                    self._note(Damage(Kind.REFERENCES, what, account_id, upload_id))

    def _accounts(self) -> Sequence[str]:
        found: set[str] = set()
        for table, query in NEXT_ACCOUNT.items():
            with self._reading(Kind.PAGES, f"the list of accounts in {table}"):
                at = ""
                while (at := self._ask(query, (at,))[0][0]) is not None:
                    found.add(at)
        return sorted(found)

    def _look_at_account(self, account_id: str) -> None:
        with self._reading(Kind.CHANGES, "the list of changes", account_id):
            self._look_at_changes(account_id)
        with self._reading(Kind.UPLOADS, "the list of uploads", account_id):
            self._look_at_uploads(account_id)
        with self._reading(Kind.SAMPLES, "the list of samples", account_id):
            self._look_at_numbers(account_id)
        listed = {
            Kind.SEGMENTS: self._listed(Kind.SEGMENTS, LIST_SEGMENTS, account_id),
            Kind.SAMPLES: self._listed(Kind.SAMPLES, LIST_SAMPLES, account_id),
            Kind.QUARANTINE: self._listed(Kind.QUARANTINE, LIST_FAULTS, account_id),
        }
        if any(listed.values()):
            self._look_at_sealed(account_id, listed)

    def _listed(self, kind: Kind, query: str, account_id: str) -> Sequence[int]:
        found = list[int]()
        with self._reading(kind, f"the list of {kind}", account_id):
            found += [row[0] for row in self._ask(query, (account_id,))]
        return found

    def _look_at_changes(self, account_id: str) -> None:
        count, missing, twice = self._ask(NUMBERS, (account_id,))[0]
        self._counts[Kind.CHANGES] += count
        if missing is not None:
            self._note(Damage(Kind.CHANGES, f"change {missing} is missing", account_id))
        if twice is not None:
            self._note(Damage(Kind.CHANGES, f"change {twice} is there twice", account_id))
        for (number,) in self._ask(DELETIONS, {"account": account_id}):
            self._note(Damage(Kind.CHANGES, f"change {number} and its deleted range do not go together", account_id))

    def _look_at_numbers(self, account_id: str) -> None:
        """See that a change tells of every sample, and that every sample is found by its source."""
        for sample, number in self._ask(UNTOLD_SAMPLES, (account_id,)):
            what = f"it has number {number}, which no change of samples has"
            self._note(Damage(Kind.SAMPLES, what, account_id, piece=sample))
        for sample, _, _, _, count in self._ask(UNKNOWN_SOURCES, (account_id,)):
            what = f"its source is not among those of the account, and {count} of its samples are listed to nobody"
            self._note(Damage(Kind.SAMPLES, what, account_id, piece=sample))

    def _look_at_uploads(self, account_id: str) -> None:
        for upload_id, committed, gap, reach, changed in self._ask(REACHES, {"account": account_id}):
            self._counts[Kind.UPLOADS] += 1
            if gap is not None:
                what = f"of {committed} committed samples, the segments have a gap or an overlap at {gap}"
            elif reach != committed:
                what = f"{committed} samples are committed and the segments have {reach}"
            elif changed != committed:
                what = f"{committed} samples are committed and the changes have {changed}"
            else:
                continue
            self._note(Damage(Kind.UPLOADS, what, account_id, upload_id))

    def _look_at_sealed(self, account_id: str, listed: Mapping[Kind, Sequence[int]]) -> None:
        self._counts[Kind.KEYS] += 1
        try:
            key = self._keys.data_key(account_id)
        except (StoreDamaged, InvalidInput):
            told = ", ".join(f"{len(rows)} {kind}" for kind, rows in listed.items() if rows)
            self._note(Damage(Kind.KEYS, f"there is no data key that opens what the account has: {told}", account_id))
            return
        widths = self._widths(account_id)
        looks: Mapping[Kind, Callable[[str, int], None]] = {
            Kind.SEGMENTS: partial(self._look_at_segment, key, widths),
            Kind.SAMPLES: partial(self._look_at_row, Kind.SAMPLES, READ_SAMPLE, _SampleFaults(key)),
            Kind.QUARANTINE: partial(self._look_at_row, Kind.QUARANTINE, READ_FAULT, _QuarantineFaults(key)),
        }
        for kind, look in looks.items():
            for done, rowid in enumerate(listed[kind]):
                if done % TELL_EVERY == 0:
                    self._tell(f"{kind} of account {account_id}", done, len(listed[kind]))
                look(account_id, rowid)

    def _look_at_row(
        self, kind: Kind, query: str, fault: Callable[[Row], tuple[str, str]], account_id: str, rowid: int
    ) -> None:
        """Look at a row that says all there is to say: one statement has it as it is at one moment."""
        self._counts[kind] += 1
        with self._reading(kind, f"the row {rowid}", account_id):
            rows = self._ask(query, (rowid,))
            piece, what = fault(rows[0]) if rows else ("", "")
            if what:
                self._note(Damage(kind, what, account_id, piece=piece))

    def _widths(self, account_id: str) -> Mapping[str, int]:
        """Bytes per sample of each upload."""
        found = dict[str, int]()
        with self._reading(Kind.UPLOADS, "a descriptor", account_id):
            for upload_id, descriptor in self._ask(FORMS, (account_id,)):
                told = json.loads(descriptor)
                found[upload_id] = Encoding(told["encoding"]).width * told["channels"]
        return found

    def _look_at_segment(self, key: bytes, widths: Mapping[str, int], account_id: str, rowid: int) -> None:
        self._counts[Kind.SEGMENTS] += 1
        with self._reading(Kind.SEGMENTS, f"the row {rowid} of a segment", account_id):
            rows = self._ask(READ_SEGMENT, (rowid,))
            if not rows:
                return
            self._counts[Kind.BLOBS] += rows[0][-1] is not None
            damage = self._damage(rows[0], key, widths)
            if damage is not None and self._ask(READ_SEGMENT, (rowid,)) == rows:
                self._note(damage)

    def _damage(self, row: Row, key: bytes, widths: Mapping[str, int]) -> Damage | None:
        account_id, metric, day, upload_id, first_sample, count, start_ms, end_ms, body, blob = row
        kind = Kind.SEGMENTS if blob is None else Kind.BLOBS
        if blob is not None:
            try:
                body = self._blobs.get(blob)
            except (BlobNotFound, InvalidInput):
                return Damage(kind, "a blob is gone", account_id, upload_id, blob)
        segment = Segment(account_id, metric, day, upload_id, first_sample, count, start_ms, end_ms, body)
        what = _fault(segment, key, widths.get(upload_id))
        return Damage(kind, what, account_id, upload_id, blob or segment.key) if what else None

    def _count_orphans(self) -> None:
        there = {name for name, _ in self._blobs.names(BLOBS_PREFIX)}
        with self._reading(Kind.BLOBS, "the list of blobs"):
            self._orphans = len(there.difference(name for (name,) in self._ask(LIST_BLOBS)))


def _fault(segment: Segment, key: bytes, width: int | None) -> str:
    """Say what is wrong with a segment; nothing where it is whole."""
    try:
        plain = segments.decode(sealing.unseal(key, segment.body, segment.key))
    except StoreDamaged:
        return "a seal does not open"
    except ValueError:
        return "a content cannot be decoded"
    offsets = segment.count if plain.offsets_ms is None else len(plain.offsets_ms)
    if width is not None and (len(plain.values) != segment.count * width or offsets != segment.count):
        return f"a content has not the {segment.count} samples of its row"
    return ""


class _SampleFaults:
    """Says what is wrong with the row of a sample; nothing where it is whole."""

    def __init__(self, key: bytes) -> None:
        """Take the account's data key."""
        self._cipher, self._digest_key = sealing.Cipher(key), content.digest_key(key)

    def __call__(self, row: Row) -> tuple[str, str]:
        """Return the sample's id, and what is wrong."""
        stored = stored_sample(row)
        return stored.sample_id, "" if stored.deleted else self._fault(stored)

    def _fault(self, stored: StoredSample) -> str:
        try:
            packed = self._cipher.unseal(stored.body, stored.name)
            sample = content.unpack(packed, stored.metric, stored.source, stored.version)
        except StoreDamaged:
            return "a seal does not open"
        except ValueError:
            return "a content cannot be read"
        if (sample.start, sample.duration_ms) != (stored.start, stored.duration_ms):
            return "a content is of another time than its row"
        owner = sample_id(stored.account_id, stored.metric, stored.source, sample.client_record_id)
        digest = content.digest(self._digest_key, stored.metric, stored.source, packed)
        if (owner, digest) != (stored.sample_id, stored.digest):
            return "a content is of another sample than its row"
        return ""


class _QuarantineFaults:
    """Says what is wrong with the row of a sample that was put aside; nothing where it is whole."""

    def __init__(self, key: bytes) -> None:
        """Take the account's data key."""
        self._cipher = sealing.Cipher(key)

    def __call__(self, row: Row) -> tuple[str, str]:
        """Return the quarantined sample's id, and what is wrong."""
        stored: StoredFault = stored_fault(row)
        try:
            self._cipher.unseal(stored.body, stored.name)
        except StoreDamaged:
            return stored.quarantine_id, "a seal does not open"
        return stored.quarantine_id, ""

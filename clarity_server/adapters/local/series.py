"""Series in the SQLite file: uploads, segments, and what follows from a commit. Large bodies lie in blobs."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

import apsw

from clarity_server.adapters.local.changes import NEWEST, NUMBER_CHANGE, tombstone
from clarity_server.adapters.local.database import Database, Row
from clarity_server.adapters.local.deleting import delete
from clarity_server.adapters.local.joining import LIVE_RUN_MIN, Place, crowded, neighbours, sample_bytes, sizes
from clarity_server.adapters.local.sources import TOUCH_SOURCE
from clarity_server.domain.civil import DAY_MS, OffsetChange, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.errors import (
    BlobNotFound,
    StoreDamaged,
    StoreUnavailable,
    UploadMismatch,
    UploadNotFound,
    UploadTakenOver,
)
from clarity_server.domain.samples import Tombstone
from clarity_server.domain.series import (
    Append,
    Closing,
    Descriptor,
    Encoding,
    Receipt,
    Segment,
    Source,
    StoredUpload,
)
from clarity_server.ports import Blobs, Piece, Scattered, SeriesDeletion

INLINE_BYTES_MAX = 512 * 1024
"""A larger body goes to a blob. Up to here a row, which shares its group's one fsync, is the quicker: three times at 64
KiB, even at 512 KiB. At 1 MiB a file takes two thirds of the time: a row is written to the log and to the database."""
BLOBS_PREFIX = "segments"
ORPHAN_AGE_S = 24 * 3600.0
"""Age at which a blob without a row is swept. No row is written for one half as old: a laptop may sleep in between."""
PAGE_SEGMENTS = 64
PAGE_BYTES_MAX = 4 * 1024 * 1024  # of bodies in one page
SWEEP_PAGE = 64  # files deleted in one turn of the writer

MAKE_UPLOAD = """
    INSERT INTO uploads (account_id, upload_id, metric, device, app, descriptor, epoch, committed, crc32c,
        value_samples, offset_changes, last_offset_ms, result_count)
    VALUES (:account, :upload, :metric, :device, :app, :descriptor, 0, 0, 0, 0, '[]', -1, 0)
    ON CONFLICT DO NOTHING"""
RAISE_EPOCH = "UPDATE uploads SET epoch = epoch + 1 WHERE account_id = :account AND upload_id = :upload"
MOVE_ON = """
    UPDATE uploads SET committed = :committed, crc32c = :crc32c, value_samples = :value_samples,
        offset_changes = coalesce(:offset_changes, offset_changes), last_offset_ms = :last_offset_ms,
        result_count = :result_count, start_ms = coalesce(start_ms, :start_ms), end_ms = coalesce(:end_ms, end_ms)
    WHERE account_id = :account AND upload_id = :upload AND epoch = :epoch AND committed = :before
        AND receipt IS NULL"""
# What was deleted of it while it grew can be purged from now on.
CLOSE = """
    UPDATE uploads SET receipt = :receipt, result_count = :result_count, unpurged = (
        SELECT max(number) FROM tombstones
        WHERE account_id = :account AND metric = :metric AND device = :device AND app = :app)
    WHERE account_id = :account AND upload_id = :upload AND epoch = :epoch AND committed = :before
        AND receipt IS NULL"""
# What lies beyond the committed count nobody has read, and whoever holds the upload may replace it.
CLEAR_BEYOND = "DELETE FROM segments WHERE account_id = :account AND upload_id = :upload AND first_sample >= :before"
PUT_SEGMENT = "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
TOUCH = """
    INSERT INTO touched_days (account_id, metric, device, app, civil_day, touch) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET touch = excluded.touch, failed = 0"""
DUE = """
    INSERT INTO results (account_id, upload_id, number, civil_day, end_sample, kind, change)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING"""
COMMITTED_AT = """
    SELECT coalesce(max(first_sample + count), 0) FROM changes
    WHERE account_id = ? AND upload_id = ? AND number <= ?"""
UPLOAD = """upload_id, descriptor, epoch, committed, crc32c, value_samples, offset_changes, last_offset_ms,
        result_count, receipt"""
FIND_UPLOAD = f"SELECT {UPLOAD} FROM uploads WHERE account_id = ? AND upload_id = ?"  # noqa: S608  our own names
LIST_UPLOADS = f"""
    SELECT {UPLOAD} FROM uploads INDEXED BY uploads_of_metric
    WHERE account_id = ? AND metric = ? ORDER BY upload_id LIMIT ?"""  # noqa: S608  our own names
LONG_MS = 3 * DAY_MS  # as in the index of those that are longer
# What is no longer than that and reaches into a range ends soon after it: the rest of the index is not looked at.
NEAR = f"""
    SELECT {UPLOAD} FROM uploads INDEXED BY uploads_by_time
    WHERE account_id = :account AND metric = :metric AND end_ms > :start AND end_ms <= :end + {LONG_MS}
        AND start_ms < :end
    UNION ALL
    SELECT {UPLOAD} FROM uploads INDEXED BY uploads_long
    WHERE account_id = :account AND metric = :metric AND end_ms > :start AND end_ms > :end + {LONG_MS}
        AND start_ms < :end AND end_ms - start_ms > {LONG_MS}"""  # noqa: S608  our own names
LIST_TOMBSTONES = """
    SELECT number, metric, device, app, kind, start_ms, end_ms, revision FROM tombstones
    WHERE account_id = ? AND metric = ? AND NOT covered ORDER BY number"""
LIST_METRICS = """
    WITH RECURSIVE steps (metric) AS (
        SELECT min(metric) FROM uploads WHERE account_id = :account
        UNION ALL
        SELECT (SELECT min(u.metric) FROM uploads AS u WHERE u.account_id = :account AND u.metric > steps.metric)
        FROM steps WHERE metric IS NOT NULL)
    SELECT metric FROM steps WHERE metric IS NOT NULL"""
NEWEST_DELETION = "SELECT coalesce(max(number), 0) FROM tombstones WHERE account_id = ?"
UNPURGED = """
    SELECT account_id, upload_id, unpurged FROM uploads INDEXED BY uploads_unpurged
    WHERE unpurged IS NOT NULL AND (account_id, upload_id) > (?, ?) ORDER BY account_id, upload_id LIMIT ?"""
PURGED = "UPDATE uploads SET unpurged = NULL WHERE account_id = ? AND upload_id = ? AND unpurged = ?"
FIND_BODY = "SELECT count, body, blob FROM segments WHERE account_id = ? AND upload_id = ? AND first_sample = ?"
REMOVE_SEGMENT = "DELETE FROM segments WHERE account_id = ? AND upload_id = ? AND first_sample = ?"
# From the segment that holds sample `at`, or else from the next one.
LIST_SEGMENTS = """
    SELECT account_id, upload_id, first_sample, count, metric, day, start_ms, end_ms, body, blob FROM segments
    WHERE account_id = :account AND upload_id = :upload AND first_sample >= coalesce((
            SELECT max(first_sample) FROM segments
            WHERE account_id = :account AND upload_id = :upload AND first_sample <= :at), 0)
        AND first_sample < min(:end, (
            SELECT committed FROM uploads WHERE account_id = :account AND upload_id = :upload))
        AND first_sample + count > :at
    ORDER BY first_sample LIMIT :limit"""
# An upload's storage days rise with its samples, so that its part of a range of days is one range of samples.
# CROSS JOIN keeps SQLite from beginning with all the account's uploads.
LIST_PARTS = """
    WITH parts AS (
        SELECT upload_id AS part, min(first_sample) AS first, max(first_sample) AS last FROM segments
        WHERE account_id = :account AND metric = :metric AND day >= :start AND day < :end GROUP BY upload_id)
    SELECT part, first, min(last + 1, committed)
    FROM parts CROSS JOIN uploads ON account_id = :account AND upload_id = part
    WHERE (:device IS NULL OR device = :device AND app = :app) AND first < committed
    ORDER BY device, app, part"""

Bindings = Mapping[str, Any]


class SqliteSeries:
    """Implements ports.Series."""

    def __init__(self, database: Database, blobs: Blobs, clock: Callable[[], float] = time.time) -> None:
        """Take the file for rows, the blobs for large bodies, and what tells the time."""
        self._database = database
        self._blobs = blobs
        self._clock = clock

    def open(self, account_id: str, upload_id: str, descriptor: Descriptor) -> StoredUpload:
        """Make the upload or find it, and raise its epoch by one. Raises UploadMismatch."""
        bindings = {
            "account": account_id,
            "upload": upload_id,
            "metric": descriptor.metric,
            "device": descriptor.source.device,
            "app": descriptor.source.app,
            "descriptor": _packed(asdict(descriptor)),
            "now": self._clock(),
        }

        def work(connection: apsw.Connection) -> StoredUpload:
            connection.execute(MAKE_UPLOAD, bindings)
            connection.execute(RAISE_EPOCH, bindings)
            stored = _find(connection, account_id, upload_id)
            if field := stored.descriptor.difference(descriptor):
                raise UploadMismatch(field)
            connection.execute(TOUCH_SOURCE, bindings)
            return stored

        return self._database.write(work)

    def upload(self, account_id: str, upload_id: str) -> StoredUpload:
        """Find an upload. Raises UploadNotFound."""
        with self._database.read() as connection:
            return _find(connection, account_id, upload_id)

    def commit(self, append: Append) -> None:
        """Make an append durable, all or nothing, and return after the fsync.

        Raises UploadTakenOver, UploadNotFound, StoreFull, StoreUnavailable.
        """
        assert append.after.epoch == append.before.epoch, "only opening raises an epoch"
        rows, in_time = self._rows(append.segments)
        moved = _moved(append)
        change = ("append", append.before.committed, append.after.committed - append.before.committed)

        def work(connection: apsw.Connection) -> None:
            in_time()
            _hold(connection, MOVE_ON, moved)
            connection.execute(CLEAR_BEYOND, moved)
            connection.executemany(PUT_SEGMENT, rows)
            _follow(connection, append.account_id, append.before, change, append.touched_days, append.closings)

        self._database.write(work)

    def finish(
        self,
        account_id: str,
        before: StoredUpload,
        receipt: Receipt,
        closings: Sequence[Closing],
        touched_days: Sequence[int],
    ) -> StoredUpload:
        """Close an upload; one that is finished is returned unchanged. Raises UploadTakenOver, UploadNotFound."""
        source = before.descriptor.source
        closed = {
            **_held(account_id, before),
            "metric": before.descriptor.metric,
            "device": source.device,
            "app": source.app,
            "now": self._clock(),
            "receipt": _packed({**asdict(receipt), "sha256": receipt.sha256.hex()}),
            "result_count": before.result_count + len(closings),
        }

        def work(connection: apsw.Connection) -> StoredUpload:
            stored = _find(connection, account_id, before.upload_id)
            if stored.receipt is not None:
                return stored
            _hold(connection, CLOSE, closed)
            connection.execute(TOUCH_SOURCE, closed)
            _follow(connection, account_id, before, ("finish", before.committed, 0), touched_days, closings)
            return _find(connection, account_id, before.upload_id)

        return self._database.write(work)

    def segments(self, account_id: str, upload_id: str, first_sample: int, end_sample: int) -> Iterator[Segment]:
        """Yield an upload's segments that overlap [first_sample, end_sample), in order, paging inside.

        Where neighbours are joined meanwhile, one may begin before the end of the last. Raises StoreDamaged when a body
        is gone.
        """
        bindings = {"account": account_id, "upload": upload_id, "end": end_sample}
        at, is_last = first_sample, False
        while not is_last:
            page, is_last = self._page(LIST_SEGMENTS, {**bindings, "at": at})
            for row in page:
                segment = self._segment(row)
                if segment is None:
                    is_last = False
                    break
                yield segment
                at = segment.first_sample + segment.count

    def pieces(self, account_id: str, metric: str, days: tuple[int, int], source: Source | None) -> Iterator[Piece]:
        """Yield a metric's segments whose storage days are in [start, end), by source, upload_id and first_sample."""
        bindings = {
            "account": account_id,
            "metric": metric,
            "start": days[0],
            "end": days[1],
            "device": source and source.device,
            "app": source and source.app,
        }
        # One transaction: the upload must be as old as the list of its segments.
        with self._database.read() as connection, connection:
            rows: Sequence[Row] = connection.execute(LIST_PARTS, bindings).fetchall()
            parts = [(_find(connection, account_id, part), first, end) for part, first, end in rows]
        for upload, first, end in parts:
            for segment in self.segments(account_id, upload.upload_id, first, end):
                yield Piece(segment, upload)

    def uploads(self, account_id: str, metric: str, limit: int | None = None) -> Sequence[StoredUpload]:
        """List a metric's uploads, by upload_id; at most so many."""
        bindings = (account_id, metric, -1 if limit is None else limit)
        return [_upload(row) for row in self._ask(LIST_UPLOADS, bindings)]

    def near(self, account_id: str, metric: str, span: TimeRange) -> Sequence[StoredUpload]:
        """List a metric's uploads that may reach into a range, by upload_id: at the cost of those, not of all."""
        # A civil time is less than a day from its instant.
        slack = 0 if span.kind is TimeKind.INSTANT else DAY_MS
        start, end = span.start_ms - slack, span.end_ms + slack
        rows = self._ask(NEAR, {"account": account_id, "metric": metric, "start": start, "end": end})
        return [_upload(row) for row in sorted(rows, key=itemgetter(0))]

    def metrics(self, account_id: str) -> Sequence[str]:
        """List the metrics that have uploads."""
        return [metric for (metric,) in self._ask(LIST_METRICS, {"account": account_id})]

    def tombstones(self, account_id: str, metric: str) -> Sequence[Tombstone]:
        """List a metric's deleted ranges, by number, but those of which a later one says all."""
        return [tombstone(row) for row in self._ask(LIST_TOMBSTONES, (account_id, metric))]

    def newest_deletion(self, account_id: str) -> int:
        """Return the number of the account's newest deletion; 0 for none."""
        return int(self._ask(NEWEST_DELETION, (account_id,))[0][0])

    def delete(self, deletion: SeriesDeletion) -> None:
        """Store tombstones, each under a change number, and let all follow, in one transaction."""
        self._database.write(lambda connection: delete(connection, deletion))

    def committed_at(self, account_id: str, upload_id: str, change: int) -> int:
        """Return how many samples of an upload were committed once a change had its number."""
        return int(self._ask(COMMITTED_AT, (account_id, upload_id, change))[0][0])

    def change_count(self, account_id: str) -> int:
        """Return the account's newest change number."""
        return int(self._ask(NEWEST, {"account": account_id})[0][0])

    def scattered(self, after: Place | None, limit: int, bytes_max: int) -> Scattered:
        """List runs of neighbouring segments of a storage day that together have at most so many bytes as sent."""
        with self._database.read() as connection:
            places, is_last = crowded(connection, after)
        runs = list[tuple[str, str, int, int]]()
        for place, count in places:
            if count > 1:
                runs += self._runs(place, bytes_max)
            if len(runs) >= limit:
                return Scattered(runs, place)
        return Scattered(runs, None if is_last else places[-1][0])

    def _runs(self, place: Place, bytes_max: int) -> Iterator[tuple[str, str, int, int]]:
        account_id, _, _, upload_id = place
        with self._database.read() as connection, connection:
            upload = _find(connection, account_id, upload_id)
            found = sizes(connection, place, upload.committed)
        grows = upload.receipt is None and bool(found) and sum(found[-1]) == upload.committed
        count_max = bytes_max // sample_bytes(upload.descriptor)
        for run in neighbours(found, count_max, LIVE_RUN_MIN if grows else 2):
            yield account_id, upload_id, *run

    def join(self, joined: Segment, instead_of: Sequence[Segment]) -> bool:
        """Put one segment in the place of neighbours, or of one, if they are still as they were read; tell whether."""
        known = [self._stored(segment) for segment in instead_of]
        if None in known:
            return False
        rows, in_time = self._rows([joined])
        keys = [_segment_key(segment) for segment in instead_of]

        def work(connection: apsw.Connection) -> bool:
            in_time()
            # The bytes count, too: who purges one must not bring back what another has purged of it meanwhile.
            if [connection.execute(FIND_BODY, key).fetchall() for key in keys] != [[row] for row in known]:
                return False
            connection.executemany(REMOVE_SEGMENT, keys)
            connection.executemany(PUT_SEGMENT, rows)
            return True

        return self._database.write(work)

    def _stored(self, segment: Segment) -> Row | None:
        """Return count, body and blob of a segment's row, or None where the row is another by now."""
        for row in self._ask(FIND_BODY, _segment_key(segment)):
            count, body, blob = row
            try:
                same = count == segment.count and (body if blob is None else self._blobs.get(blob)) == segment.body
            except BlobNotFound:
                return None
            return row if same else None
        return None

    def unpurged(self, after: tuple[str, str] | None, limit: int) -> Sequence[tuple[str, str, int]]:
        """List finished uploads that may still have deleted samples in them, as (account_id, upload_id, deletion)."""
        rows = self._ask(UNPURGED, (*(after or ("", "")), limit))
        return [(account_id, upload_id, deletion) for account_id, upload_id, deletion in rows]

    def purged(self, account_id: str, upload_id: str, deletion: int) -> None:
        """Note that an upload has none of them left; where it was deleted from again since, that stays to be done."""
        self._database.write(lambda connection: connection.execute(PURGED, (account_id, upload_id, deletion)).close())

    def sweep(self) -> int:
        """Remove blobs that no row names and none will; return how many. For a quiet moment, by any process."""
        old = [name for name, age_s in self._blobs.names(BLOBS_PREFIX) if age_s > ORPHAN_AGE_S]
        pages = (old[low : low + SWEEP_PAGE] for low in range(0, len(old), SWEEP_PAGE))
        return sum(self._database.write(partial(self._sweep_page, page)) for page in pages)

    def _sweep_page(self, names: Sequence[str], connection: apsw.Connection) -> int:
        """Delete under the write lock: who is about to name one of these comes after us and finds itself too late."""
        named = "SELECT 1 FROM segments WHERE blob = ?"
        orphans = [name for name in names if not connection.execute(named, (name,)).fetchall()]
        for name in orphans:
            self._blobs.delete(name)
        return len(orphans)

    def _rows(self, segments: Sequence[Segment]) -> tuple[Sequence[Row], Callable[[], None]]:
        """Return segments' rows, and what refuses in the end to write them so late that their blobs may be swept."""
        begun = time.time()
        rows = [self._row(segment) for segment in segments]
        in_blobs = any(row[-1] for row in rows)

        def in_time() -> None:
            if in_blobs and time.time() - begun > ORPHAN_AGE_S / 2:
                raise StoreUnavailable("a commit has waited too long")

        return rows, in_time

    def _row(self, segment: Segment) -> Row:
        """Return a segment's row; a body too large for one is stored now, so that no row is ever without its body."""
        body, blob = segment.body, None
        if len(body) > INLINE_BYTES_MAX:
            # A name of its own each time: an orphan of the same content may be about to be swept.
            blob = f"{BLOBS_PREFIX}/{segment.account_id}/{uuid.uuid4().hex}"
            self._blobs.put(blob, body)
        key = (segment.account_id, segment.upload_id, segment.first_sample, segment.count, segment.metric, segment.day)
        return (*key, segment.start_ms, segment.end_ms, body if blob is None else None, blob)

    def _segment(self, row: Row) -> Segment | None:
        """Return a row's segment; None where it was replaced, and its blob swept, since it was read."""
        account_id, upload_id, first_sample, count, metric, day, start_ms, end_ms, body, blob = row
        if blob is not None:
            try:
                body = self._blobs.get(blob)
            except BlobNotFound as why:
                if (count, None, blob) in self._ask(FIND_BODY, (account_id, upload_id, first_sample)):
                    raise StoreDamaged(piece=blob) from why
                return None
        return Segment(account_id, metric, day, upload_id, first_sample, count, start_ms, end_ms, body)

    def _page(self, query: str, bindings: Bindings) -> tuple[list[Row], bool]:
        """Read rows until there are enough, and tell whether they are the last; the read transaction ends here."""
        page, size = list[Row](), 0
        with self._database.read() as connection:
            cursor = connection.execute(query, {**bindings, "limit": PAGE_SEGMENTS})
            for row in cursor:
                page.append(row)
                size += len(row[-2] or b"")
                if size >= PAGE_BYTES_MAX:
                    break
            cursor.close()
        return page, size < PAGE_BYTES_MAX and len(page) < PAGE_SEGMENTS

    def _ask(self, query: str, bindings: Bindings | Row) -> list[Row]:
        with self._database.read() as connection:
            return connection.execute(query, bindings).fetchall()


def _hold(connection: apsw.Connection, update: str, bindings: Bindings) -> None:
    """Change an upload that is as its caller believes. Raises UploadTakenOver, UploadNotFound."""
    connection.execute(update, bindings)
    if not connection.changes():
        _find(connection, bindings["account"], bindings["upload"])
        raise UploadTakenOver


def _follow(
    connection: apsw.Connection,
    account_id: str,
    before: StoredUpload,
    change: tuple[str, int, int],
    touched_days: Sequence[int],
    closings: Sequence[Closing],
) -> None:
    """Number the change (kind, first sample, count), touch its days and queue its results."""
    metric, source = before.descriptor.metric, before.descriptor.source
    kind, first_sample, count = change
    bindings = {
        "account": account_id,
        "kind": kind,
        "metric": metric,
        "upload": before.upload_id,
        "first_sample": first_sample,
        "count": count,
        "span": 1,
    }
    number = connection.execute(NUMBER_CHANGE, bindings).fetchall()[0][0]
    days = [(account_id, metric, source.device, source.app, day, number) for day in touched_days]
    connection.executemany(TOUCH, days)
    connection.executemany(DUE, [(account_id, before.upload_id, *astuple(closing), number) for closing in closings])


def _held(account_id: str, before: StoredUpload) -> dict[str, Any]:
    return {"account": account_id, "upload": before.upload_id, "epoch": before.epoch, "before": before.committed}


def _moved(append: Append) -> Bindings:
    before, after = append.before, append.after
    moved = after.offset_changes != before.offset_changes
    return {
        **_held(append.account_id, before),
        "committed": after.committed,
        "crc32c": after.crc32c,
        "value_samples": after.value_samples,
        "offset_changes": _packed([astuple(change) for change in after.offset_changes]) if moved else None,
        "last_offset_ms": after.last_offset_ms,
        "result_count": after.result_count,
        "start_ms": min((segment.start_ms for segment in append.segments), default=None),
        "end_ms": max((segment.end_ms for segment in append.segments), default=None),
    }


def _segment_key(segment: Segment) -> Row:
    return (segment.account_id, segment.upload_id, segment.first_sample)


def _find(connection: apsw.Connection, account_id: str, upload_id: str) -> StoredUpload:
    rows = connection.execute(FIND_UPLOAD, (account_id, upload_id)).fetchall()
    if not rows:
        raise UploadNotFound
    return _upload(rows[0])


def _upload(row: Row) -> StoredUpload:
    upload_id, descriptor, epoch, committed, crc32c, value_samples, changes, last_offset_ms, result_count, receipt = row
    return StoredUpload(
        upload_id=upload_id,
        descriptor=_descriptor(descriptor),
        epoch=epoch,
        committed=committed,
        crc32c=crc32c,
        value_samples=value_samples,
        offset_changes=tuple(OffsetChange(*change) for change in json.loads(changes)),
        last_offset_ms=last_offset_ms,
        result_count=result_count,
        receipt=receipt and _receipt(json.loads(receipt)),
    )


@lru_cache(maxsize=4096)
def _descriptor(packed: str) -> Descriptor:
    fields = json.loads(packed)
    start = fields["start"]
    return Descriptor(
        **{
            **fields,
            "source": Source(**fields["source"]),
            "start": Start(**{**start, "kind": StartKind(start["kind"])}),
            "encoding": Encoding(fields["encoding"]),
        }
    )


def _receipt(fields: Mapping[str, Any]) -> Receipt:
    return Receipt(**{**fields, "sha256": bytes.fromhex(fields["sha256"])})


def _packed(value: object) -> str:
    """Return JSON, sorted and without blanks: equal values are equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))

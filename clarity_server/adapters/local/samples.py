"""Samples in the SQLite file: one row each, what was put aside beside them, and the ways to find them by time."""

import heapq
import itertools
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import apsw

from clarity_server.adapters.local.changes import SAMPLE_COLUMNS, number_samples, stored_sample
from clarity_server.adapters.local.database import Database, Row
from clarity_server.adapters.local.requests import first_answer, keep_answer
from clarity_server.adapters.local.sources import TOUCH_SOURCE
from clarity_server.domain import sealing
from clarity_server.domain.civil import DAY_MS, TimeKind, TimeRange, civil_day
from clarity_server.domain.errors import QuarantineFull, SampleNotFound
from clarity_server.domain.samples import (
    DURATION_MS_MAX,
    QUARANTINE_MAX,
    Fault,
    Held,
    Moment,
    Outcome,
    Reason,
    Verdict,
    Wanted,
    judge,
)
from clarity_server.domain.series import Source
from clarity_server.ports import Kept, Keys, SampleCounts, SourceMetricRow, Speaker, StoredFault, StoredSample, Written

T = TypeVar("T")

EVER_MS = 1 << 60  # beyond any time there is, before and after 1970
TAKEN = frozenset({Verdict.STORED, Verdict.REPLACED})
CLEARING = TAKEN | {Verdict.DUPLICATE}

FIND_HELD = """
    SELECT sample_id, version, digest, deleted FROM samples
    WHERE account_id = ? AND sample_id IN (SELECT value FROM json_each(?))"""
PUT_SAMPLE = f"""
    INSERT INTO samples ({SAMPLE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)
    ON CONFLICT (account_id, sample_id) DO UPDATE SET version = excluded.version, instant_ms = excluded.instant_ms,
        civil_ms = excluded.civil_ms, duration_ms = excluded.duration_ms, digest = excluded.digest,
        number = excluded.number, deleted = 0, body = excluded.body"""  # noqa: S608  our own names
GET = f"""
    SELECT {SAMPLE_COLUMNS} FROM samples
    WHERE account_id = ? AND sample_id IN (SELECT value FROM json_each(?))"""  # noqa: S608
ENTOMB = "UPDATE samples SET deleted = 1, body = NULL, number = ? WHERE account_id = ? AND sample_id = ?"

FAULT_COLUMNS = "account_id, quarantine_id, metric, device, app, instant_ms, civil_ms, reason, time, body"
# A fault of the same id gives way, and its place with it: what came last is listed first.
PUT_FAULT = f"INSERT OR REPLACE INTO quarantine ({FAULT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
HAS_FAULTS = "SELECT EXISTS (SELECT 1 FROM quarantine WHERE account_id = ?)"
FAULT_COUNT = "SELECT count(*) FROM quarantine WHERE account_id = ?"
LIST_FAULTS = f"""
    SELECT {FAULT_COLUMNS}, place FROM quarantine WHERE account_id = ? AND place < ?
    ORDER BY place DESC LIMIT ?"""  # noqa: S608
FIND_FAULTS = """
    SELECT quarantine_id FROM quarantine
    WHERE account_id = ? AND quarantine_id IN (SELECT value FROM json_each(?))"""
CLEAR = """
    DELETE FROM quarantine WHERE account_id = ? AND quarantine_id IN (SELECT value FROM json_each(?))"""
OF_WANTED = """(:metrics IS NULL OR metric IN (SELECT value FROM json_each(:metrics)))
        AND (:device IS NULL OR device = :device AND app = :app)"""
# A fault whose time cannot be told is in no range.
WANTED_FAULTS = f"""
    FROM quarantine WHERE account_id = :account AND {OF_WANTED} AND (:kind IS NULL
        OR CASE :kind WHEN 'instant' THEN instant_ms ELSE civil_ms END BETWEEN :start AND :end - 1)
        AND (NOT :floating OR instant_ms IS NULL)"""
COUNT_FAULTS = f"SELECT count(*) {WANTED_FAULTS}"
LIST_WANTED_FAULTS = f"SELECT quarantine_id {WANTED_FAULTS} LIMIT :limit"

SOURCES = f"""
    SELECT metric, device, app, last_write_time FROM source_metrics
    WHERE account_id = :account AND {OF_WANTED} ORDER BY metric, device, app"""  # noqa: S608


class _Axis:
    """Samples of one source of a metric along one of their times: the statements that go along an index."""

    def __init__(self, index: str, time: str, where: str) -> None:
        of_source = (
            f"FROM samples INDEXED BY {index} WHERE account_id = :account AND metric = :metric AND device = :device "
            f"AND app = :app AND NOT deleted AND {where}"
        )
        begins = f"{of_source} AND {time} >= :start AND {time} < :end"
        order = f"ORDER BY {time}, sample_id LIMIT :limit"
        newest = f"SELECT max({time}) {of_source}"
        self.list = f"""
            SELECT {SAMPLE_COLUMNS}, {time} {of_source} AND ({time}, sample_id) > (:at, :id) AND {time} < :end
                AND ({time} >= :start OR {time} + duration_ms > :start) {order}"""
        self.ids = f"SELECT sample_id {begins} {order}"
        self.overlapping = f"""
            {of_source} AND {time} > :start - {DURATION_MS_MAX} AND {time} < :end
                AND ({time} >= :start OR {time} + duration_ms > :start)"""
        self.count = f"SELECT count(*) {begins}"
        self.first = f"SELECT instant_ms, civil_ms {of_source} ORDER BY {time}, sample_id LIMIT 1"
        # Nothing lasts longer than a day: what ends last begins within one of what begins last.
        self.last = f"""
            SELECT instant_ms, civil_ms, duration_ms FROM samples WHERE rowid = (
                SELECT rowid {of_source} AND {time} > ({newest}) - {DURATION_MS_MAX}
                ORDER BY {time} + duration_ms DESC, sample_id LIMIT 1)"""  # noqa: S608  our own names
        self.next = f"SELECT min({time}) {of_source} AND {time} >= "


INSTANT = _Axis("samples_by_instant", "instant_ms", "instant_ms IS NOT NULL")
CIVIL = _Axis("samples_by_civil", "civil_ms", "civil_ms IS NOT NULL")
FLOATING = _Axis("samples_floating", "civil_ms", "instant_ms IS NULL")
OF_KIND = {TimeKind.INSTANT: INSTANT, TimeKind.CIVIL: CIVIL}
# The first sample of each civil day: from one to the next midnight, so that a day costs one step however full it is.
DAYS = f"""
    WITH RECURSIVE firsts (at) AS (
        {CIVIL.next} -{EVER_MS}
        UNION ALL
        SELECT ({CIVIL.next} at - (at % {DAY_MS} + {DAY_MS}) % {DAY_MS} + {DAY_MS}) FROM firsts WHERE at IS NOT NULL)
    SELECT at FROM firsts WHERE at IS NOT NULL"""  # noqa: S608


class _Stretch(NamedTuple):
    """A range of an axis."""

    axis: _Axis
    start_ms: int
    end_ms: int


def _stretches(wanted: Wanted) -> Sequence[_Stretch]:
    """Where samples of a range are; without one each is in just one of two: those with instants, and the others."""
    span = wanted.range
    if span is None:
        return [_Stretch(axis, -EVER_MS, EVER_MS) for axis in (INSTANT, FLOATING)]
    return [_Stretch(FLOATING if wanted.floating else OF_KIND[span.kind], span.start_ms, span.end_ms)]


class SqliteSamples:
    """Implements ports.Samples."""

    def __init__(self, database: Database, keys: Keys) -> None:
        """Take the file, and the keys that seal answers which are kept: they have the texts of faults in them."""
        self._database = database
        self._keys = keys

    def write(self, account_id: str, writes: Sequence[Written], kept: Kept | None, now: float) -> Sequence[Outcome]:
        """Judge and store samples in order, all in one transaction, durably; return what became of each.

        Raises RequestIdReused, QuarantineFull (nothing is stored), StoreFull, StoreUnavailable.
        """
        if kept is None:
            return self._database.write(lambda connection: _write(connection, account_id, writes, now))
        key, name = self._keys.data_key(account_id), f"{account_id}|answer|{kept.scope}|{kept.request_id}"

        def work(connection: apsw.Connection) -> Sequence[Outcome] | bytes:
            first = first_answer(connection, kept)
            if first is not None:
                return first
            outcomes = _write(connection, account_id, writes, now)
            keep_answer(connection, kept, sealing.seal(key, _packed(outcomes), name))
            return outcomes

        answer = self._database.write(work)
        return _unpacked(sealing.unseal(key, answer, name), writes) if isinstance(answer, bytes) else answer

    def get(self, account_id: str, sample_ids: Collection[str]) -> Sequence[StoredSample]:
        """Find samples, deleted ones too, in any order; those that are not there are left out."""
        return [stored_sample(row) for row in self._ask(GET, (account_id, _listed(sample_ids)))]

    def list(
        self,
        account_id: str,
        metrics: Collection[str],
        source: Source | None,
        span: TimeRange | None,
        after: tuple[int, int, str] | None,
        limit: int,
    ) -> Sequence[StoredSample]:
        """List samples that overlap a range, or begin in it, by (floating, start, sample_id) from after a place on."""
        wanted = Wanted(metrics=frozenset(metrics), source=source, range=span)
        rows = self._at_once(lambda connection: _page(connection, account_id, wanted, after, limit))
        return [stored_sample(row[:-1]) for row in rows]

    def speakers(
        self, account_id: str, metrics: Collection[str], source: Source | None, span: TimeRange
    ) -> Sequence[Speaker]:
        """List the sources with samples that overlap a range, or begin in it, by device and app."""
        wanted = Wanted(metrics=frozenset(metrics), source=source)
        with self._database.read() as connection, connection:
            found = [_speaker(connection, one, span) for one in _sources(connection, account_id, wanted)]
        by_source = itertools.groupby(sorted(found, key=_speakers_order), key=_speakers_order)
        joined = [list(same) for _, same in by_source]  # one source of several metrics
        return [
            Speaker(same[0].source, any(one.floating for one in same), any(one.placed for one in same))
            for same in joined
            if any(one.floating or one.placed for one in same)
        ]

    def faults(self, account_id: str, before: int | None, limit: int) -> Sequence[StoredFault]:
        """List what was put aside, the newest first, from below a place on."""
        rows = self._ask(LIST_FAULTS, (account_id, EVER_MS if before is None else before, limit))
        return [stored_fault(row) for row in rows]

    def fault_count(self, account_id: str) -> int:
        """Count what was put aside."""
        return int(self._ask(FAULT_COUNT, (account_id,))[0][0])

    def count(self, account_id: str, wanted: Wanted) -> SampleCounts:
        """Count what `delete` would delete. Raises SampleNotFound."""
        return self._at_once(lambda connection: _counts(connection, account_id, wanted))

    def delete(self, account_id: str, wanted: Wanted, limit: int) -> SampleCounts:
        """Delete at most `limit` samples and as many quarantined ones, in one transaction; ids go all at once.

        Raises SampleNotFound, for ids of quarantined ones also when they are deleted again.
        """

        def work(connection: apsw.Connection) -> SampleCounts:
            if wanted.sample_ids:
                samples, faults = _known(connection, account_id, wanted.sample_ids)
            else:
                samples = _wanted(connection, account_id, wanted, limit)
                bindings = {**_bindings(account_id, wanted), "limit": limit}
                faults = _column(connection, LIST_WANTED_FAULTS, bindings)
            _entomb(connection, account_id, samples)
            connection.execute(CLEAR, (account_id, _listed(faults)))
            return SampleCounts(len(samples), len(faults))

        return self._database.write(work)

    def summary(self, account_id: str, metrics: Collection[str] | None) -> Sequence[SourceMetricRow]:
        """List what each source has, by metric, device and app; of series only that there is something."""
        wanted = Wanted(metrics=None if metrics is None else frozenset(metrics))
        return self._at_once(
            lambda connection: [_summed(connection, source) for source in _sources(connection, account_id, wanted)]
        )

    def _at_once(self, work: Callable[[apsw.Connection], T]) -> T:
        """Ask several questions of one state of the store."""
        answers = list[T]()
        with self._database.read() as connection, connection:
            answers.append(work(connection))
        return answers[0]

    def _ask(self, query: str, bindings: Row) -> Sequence[Row]:
        with self._database.read() as connection:
            return connection.execute(query, bindings).fetchall()


# ---- writing ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Judged:
    """What a write comes to."""

    outcomes: list[Outcome] = field(default_factory=list)
    put: dict[str, tuple[StoredSample, int]] = field(default_factory=dict)  # and how many were taken before
    taken: int = 0
    cleared: set[str] = field(default_factory=set)  # before `aside` is put aside
    aside: dict[str, StoredFault] = field(default_factory=dict)


def _write(connection: apsw.Connection, account_id: str, writes: Sequence[Written], now: float) -> Sequence[Outcome]:
    ids = {written.put.sample_id for written in writes if isinstance(written.put, StoredSample)}
    rows = _rows(connection, FIND_HELD, (account_id, _listed(ids)))
    held = {sample_id: Held(version, digest, bool(deleted)) for sample_id, version, digest, deleted in rows}
    judged = _judge(held, writes)
    if judged.put:
        _put_samples(connection, account_id, judged, now)
    if judged.cleared and _number(connection, HAS_FAULTS, (account_id,)):
        connection.execute(CLEAR, (account_id, _listed(judged.cleared)))
    if judged.aside:
        _put_aside(connection, account_id, judged.aside.values())
    return judged.outcomes


def _judge(held: dict[str, Held], writes: Sequence[Written]) -> _Judged:
    """Go through a write in order; a sample sees those of its id that came before it in the same write."""
    judged = _Judged()
    for written in writes:
        if isinstance(written.put, StoredFault):
            judged.outcomes.append(_set_aside(judged, written.put, written.fault))
        else:
            judged.outcomes.append(_take(judged, held, written.put))
    return judged


def _set_aside(judged: _Judged, put: StoredFault, fault: Fault | None) -> Outcome:
    assert fault is not None, "who puts aside says why"
    judged.aside.pop(put.quarantine_id, None)  # the later one is the newer one
    judged.aside[put.quarantine_id] = put
    return _quarantined(put.quarantine_id, fault)


def _quarantined(sample_id: str, fault: Fault) -> Outcome:
    named = "" if fault.reason is Reason.IDENTITY_INVALID else sample_id
    return Outcome(named, Verdict.QUARANTINED, fault=fault)


def _take(judged: _Judged, held: dict[str, Held], sample: StoredSample) -> Outcome:
    sample_id, before = sample.sample_id, held.get(sample.sample_id)
    verdict = judge(before, sample.version, sample.digest)
    if verdict in TAKEN:
        held[sample_id] = Held(sample.version, sample.digest, deleted=False)
        judged.put[sample_id] = (sample, judged.taken)
        judged.taken += 1
    if verdict in CLEARING:
        judged.aside.pop(sample_id, None)
        judged.cleared.add(sample_id)
    if verdict is Verdict.CONFLICT:
        assert before is not None, "it conflicts with something"
        return Outcome(sample_id, verdict, before.digest, sample.digest)
    return Outcome(sample_id, verdict)


def _put_samples(connection: apsw.Connection, account_id: str, judged: _Judged, now: float) -> None:
    first = number_samples(connection, account_id, judged.taken)
    # By id, as the key's tree has them: each of its pages is written once. Of a large account that halves the time.
    in_order = (judged.put[sample_id] for sample_id in sorted(judged.put))
    rows = [_row(account_id, sample, first + offset) for sample, offset in in_order]
    connection.executemany(PUT_SAMPLE, rows)
    for metric, device, app in {row[2:5] for row in rows}:
        touched = {"account": account_id, "metric": metric, "device": device, "app": app, "now": now}
        connection.execute(TOUCH_SOURCE, touched)


def _put_aside(connection: apsw.Connection, account_id: str, faults: Iterable[StoredFault]) -> None:
    connection.executemany(PUT_FAULT, [_fault_row(account_id, fault) for fault in faults])
    if _number(connection, FAULT_COUNT, (account_id,)) > QUARANTINE_MAX:
        raise QuarantineFull(QUARANTINE_MAX)


def _row(account_id: str, sample: StoredSample, number: int) -> Row:
    source, start = sample.source, sample.start
    return (
        account_id,
        sample.sample_id,
        sample.metric,
        source.device,
        source.app,
        sample.version,
        start.instant_ms,
        start.civil_ms,
        sample.duration_ms,
        sample.digest,
        number,
        sample.body,
    )


def _fault_row(account_id: str, fault: StoredFault) -> Row:
    source, start = fault.source, fault.start
    return (
        account_id,
        fault.quarantine_id,
        fault.metric,
        source.device,
        source.app,
        start and start.instant_ms,
        start and start.civil_ms,
        fault.reason,
        fault.time,
        fault.body,
    )


def stored_fault(row: Row) -> StoredFault:
    """Return what FAULT_COLUMNS and the place say."""
    account_id, quarantine_id, metric, device, app, instant_ms, civil_ms, reason, time, body, place = row
    start = None if instant_ms is None and civil_ms is None else Moment(instant_ms, civil_ms)
    return StoredFault(account_id, quarantine_id, metric, Source(device, app), start, Reason(reason), time, body, place)


def _packed(outcomes: Sequence[Outcome]) -> bytes:
    """Pack outcomes without the ids, which a repeat brings again: a byte or two each, and more only where there is."""
    more = {place: told for place, one in enumerate(outcomes) if (told := _more(one))}
    return json.dumps([[one.verdict for one in outcomes], more], separators=(",", ":")).encode()


def _more(outcome: Outcome) -> Sequence[Any]:
    if outcome.fault is not None:
        return [outcome.fault.reason, outcome.fault.text]
    return [outcome.stored_digest.hex(), outcome.sent_digest.hex()] if outcome.stored_digest else []


def _unpacked(packed: bytes, writes: Sequence[Written]) -> Sequence[Outcome]:
    verdicts, more = json.loads(packed)
    told = enumerate(zip(writes, verdicts, strict=True))
    return [_outcome(written.put, Verdict(verdict), more.get(str(place))) for place, (written, verdict) in told]


def _outcome(put: StoredSample | StoredFault, verdict: Verdict, more: Sequence[Any]) -> Outcome:
    sample_id = put.quarantine_id if isinstance(put, StoredFault) else put.sample_id
    if verdict is Verdict.QUARANTINED:
        return _quarantined(sample_id, Fault(Reason(more[0]), more[1]))
    if verdict is Verdict.CONFLICT:
        return Outcome(sample_id, verdict, bytes.fromhex(more[0]), bytes.fromhex(more[1]))
    return Outcome(sample_id, verdict)


# ---- finding ---------------------------------------------------------------------------------------------------------


class _SourceRow(NamedTuple):
    """Of what, and from where, an account has something; and when it came last."""

    bindings: Mapping[str, Any]
    last_write_time: float | None


def _sources(connection: apsw.Connection, account_id: str, wanted: Wanted) -> Sequence[_SourceRow]:
    return [
        _SourceRow({"account": account_id, "metric": metric, "device": device, "app": app}, last_write_time)
        for metric, device, app, last_write_time in _rows(connection, SOURCES, _bindings(account_id, wanted))
    ]


def _bindings(account_id: str, wanted: Wanted) -> Mapping[str, Any]:
    source, span = wanted.source, wanted.range
    return {
        "account": account_id,
        "metrics": None if wanted.metrics is None else _listed(wanted.metrics),
        "device": source and source.device,
        "app": source and source.app,
        "kind": span and span.kind,
        "start": span and span.start_ms,
        "end": span and span.end_ms,
        "floating": wanted.floating,
    }


def _page(
    connection: apsw.Connection, account_id: str, wanted: Wanted, after: tuple[int, int, str] | None, limit: int
) -> Sequence[Row]:
    """Read a page of rows, and with each its time on the axis by which it is listed."""
    found, sources = list[Row](), _sources(connection, account_id, wanted)
    reached, *place = after or (0,)
    for floating, stretch in enumerate(_stretches(wanted)):
        if floating >= reached and len(found) < limit:
            begin = tuple(place) if floating == reached else ()
            found += _merged(connection, sources, stretch, begin, limit - len(found))
    return found


def _merged(
    connection: apsw.Connection,
    sources: Sequence[_SourceRow],
    stretch: _Stretch,
    place: tuple[Any, ...],
    limit: int,
) -> Sequence[Row]:
    """Read the sources' rows side by side, each only as far as it is needed."""
    at, sample_id = place or (stretch.start_ms - DURATION_MS_MAX, "")
    asked = {"start": stretch.start_ms, "end": stretch.end_ms, "at": at, "id": sample_id, "limit": limit}
    cursors = [connection.execute(stretch.axis.list, {**source.bindings, **asked}) for source in sources]
    try:
        return list(islice(heapq.merge(*cursors, key=_by_start), limit))
    finally:
        for cursor in cursors:
            cursor.close()


def _by_start(row: Row) -> tuple[int, str]:
    """Where a row stands in a listing: its time on the axis, and its id."""
    return row[-1], row[1]


def _counts(connection: apsw.Connection, account_id: str, wanted: Wanted) -> SampleCounts:
    if wanted.sample_ids:
        samples, faults = _known(connection, account_id, wanted.sample_ids)
        return SampleCounts(len(samples), len(faults))
    count = sum(
        _number(connection, axis.count, {**source.bindings, "start": start_ms, "end": end_ms})
        for source in _sources(connection, account_id, wanted)
        for axis, start_ms, end_ms in _stretches(wanted)
    )
    return SampleCounts(count, _number(connection, COUNT_FAULTS, _bindings(account_id, wanted)))


def _speaker(connection: apsw.Connection, source: _SourceRow, span: TimeRange) -> Speaker:
    bindings = {**source.bindings, "start": span.start_ms, "end": span.end_ms}

    def exists(axis: _Axis) -> bool:
        return bool(_number(connection, f"SELECT EXISTS (SELECT 1 {axis.overlapping})", bindings))

    def count(axis: _Axis) -> int:
        return _number(connection, f"SELECT count(*) {axis.overlapping}", bindings)

    floating = span.kind is TimeKind.CIVIL and exists(FLOATING)
    # The index by civil time has floating ones among the others: there are others where it has more of them.
    placed = count(CIVIL) > count(FLOATING) if floating else exists(OF_KIND[span.kind])
    return Speaker(Source(source.bindings["device"], source.bindings["app"]), floating, placed)


def _speakers_order(speaker: Speaker) -> tuple[str, str]:
    return speaker.source.device, speaker.source.app


def _wanted(connection: apsw.Connection, account_id: str, wanted: Wanted, limit: int) -> Sequence[str]:
    """List the ids of at most `limit` samples that are to be deleted."""
    found = list[str]()
    for source in _sources(connection, account_id, wanted):
        for axis, start_ms, end_ms in _stretches(wanted):
            asked = {**source.bindings, "start": start_ms, "end": end_ms, "limit": limit - len(found)}
            found += _column(connection, axis.ids, asked)
            if len(found) == limit:
                return found
    return found


def _known(
    connection: apsw.Connection, account_id: str, sample_ids: Collection[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Return the ids of samples that are not deleted, and of quarantined ones. Raises SampleNotFound."""
    bindings = (account_id, _listed(sample_ids))
    held = _rows(connection, FIND_HELD, bindings)
    faults = _column(connection, FIND_FAULTS, bindings)
    unknown = set(sample_ids).difference((row[0] for row in held), faults)
    if unknown:
        raise SampleNotFound(min(unknown))
    return [sample_id for sample_id, _, _, deleted in held if not deleted], faults


def _entomb(connection: apsw.Connection, account_id: str, sample_ids: Sequence[str]) -> None:
    """Leave of samples that there were some, each under a change number."""
    if sample_ids:
        first = number_samples(connection, account_id, len(sample_ids))
        rows = [(number, account_id, sample_id) for number, sample_id in enumerate(sample_ids, first)]
        connection.executemany(ENTOMB, sorted(rows, key=itemgetter(2)))


def _summed(connection: apsw.Connection, source: _SourceRow) -> SourceMetricRow:
    ever = {**source.bindings, "start": -EVER_MS, "end": EVER_MS}
    counts = {axis: _number(connection, axis.count, ever) for axis in (INSTANT, FLOATING)}
    axis = INSTANT if counts[INSTANT] else FLOATING
    days = frozenset(map(civil_day, _column(connection, DAYS, source.bindings)))
    return SourceMetricRow(
        metric=source.bindings["metric"],
        source=Source(source.bindings["device"], source.bindings["app"]),
        sample_count=sum(counts.values()),
        first_start=next((Moment(*row) for row in _rows(connection, axis.first, source.bindings)), None),
        last_end=next((_end(row) for row in _rows(connection, axis.last, source.bindings)), None),
        last_write_time=source.last_write_time,
        civil_days=days,
    )


def _end(row: Row) -> Moment:
    """When a sample ends; by the person's clock only where that cannot have moved meanwhile."""
    instant_ms, civil_ms, duration_ms = row
    if instant_ms is None:
        return Moment(None, civil_ms + duration_ms)
    return Moment(instant_ms + duration_ms, None if duration_ms else civil_ms)


def _rows(connection: apsw.Connection, query: str, bindings: Mapping[str, Any] | Row) -> Sequence[Row]:
    return connection.execute(query, bindings).fetchall()


def _column(connection: apsw.Connection, query: str, bindings: Mapping[str, Any] | Row) -> Sequence[Any]:
    return [row[0] for row in _rows(connection, query, bindings)]


def _number(connection: apsw.Connection, query: str, bindings: Mapping[str, Any] | Row) -> int:
    return int(_column(connection, query, bindings)[0])


def _listed(ids: Collection[str]) -> str:
    """Ids as json_each takes them."""
    return json.dumps(list(ids))

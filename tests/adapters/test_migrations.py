"""What a store of an older schema holds reads as before, and gets what came since."""

import hashlib
import hmac
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from clarity_server.adapters.local import schema
from clarity_server.adapters.local.accounts import SqliteAccounts
from clarity_server.adapters.local.backups import PURPOSE, Stores, back_up, restore
from clarity_server.adapters.local.hashing import Hashing
from clarity_server.adapters.local.heads import DiskHeads
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.domain.access import MEMBER_SCOPES, Family, Purpose
from clarity_server.domain.accounts import Account
from clarity_server.domain.analysis import State
from clarity_server.domain.audit import AuditEvent, AuditKind
from clarity_server.domain.civil import MINUTE_MS, TimeKind, TimeRange
from clarity_server.domain.errors import CredentialsWrong, EmailTaken, StoreDamaged
from clarity_server.domain.ids import new_id
from clarity_server.domain.mail import Mail, MailKind
from clarity_server.domain.samples import DeviceKind, SourceSetting
from clarity_server.domain.sealing import seal
from clarity_server.domain.series import Closing, ClosingKind, Source, StoredUpload
from clarity_server.domain.sharing import AccessEvent, Consent, Grant
from clarity_server.ports import (
    DayKey,
    DueDay,
    DueResult,
    DueWindow,
    Factor,
    PutDay,
    PutResult,
    SessionRow,
    SourceMetricRow,
    StoredAnalysis,
    StoredInsight,
    WindowKey,
)
from tests.contracts.discrete import sample, wrote
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER, append, committed
from tests.contracts.threads import at_once
from tests.contracts.worlds import CHEAP, NOW, LocalWorld, local

EMAIL = "owl@example.org"
PASSWORD = "Night-0wl"
WHEN = datetime(2026, 1, 2, tzinfo=UTC)
DAYS = (None, None)
AUDIT = 4  # the schema that brought the audit
IDENTITY = 3  # the schema that brought accounts as they are now
METRIC, SOURCE = RECORDING.metric, RECORDING.source


def filled(world: LocalWorld) -> None:
    """Store something of every series and what is derived of it; a day and a result are still due."""
    world.series.open(ACCOUNT, "empty", RECORDING)
    closings = [Closing(1, 20, 60), Closing(2, 21, 120)]
    upload = world.series.open(ACCOUNT, "u", RECORDING)
    committed(world.series, append(upload, 120, days=[20, 21, 22], closings=closings))
    world.analyses.put_results([PutResult(DueResult(ACCOUNT, "u", closings[0]), b"result")])
    bodies = {20: b"twenty", 21: b""}
    days = [due for due in world.analyses.due_days(10) if due.key.civil_day in bodies]
    world.analyses.put_days([PutDay(due, bodies[due.key.civil_day], closed=False) for due in days])
    theirs = DayKey(STRANGER, "heart_rate", Source("watch"), -3)
    world.analyses.put_days([PutDay(DueDay(theirs, 5), b"theirs", closed=True)])


def older_schema(newer: Path, older: Path, upto: int) -> None:
    """Copy what a file holds into one of an older schema; what identity kept otherwise until schema 3 is not copied."""
    connection = apsw.Connection(str(older))
    schema.migrate(connection, older.name, upto=upto)
    connection.execute("ATTACH ? AS newer", (str(newer),))
    tables: list[Any] = connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in tables:
        if upto < IDENTITY and table in ("accounts", "sessions"):
            continue
        about: list[Any] = connection.execute("SELECT name FROM pragma_table_info(?, 'main')", (table,)).fetchall()
        columns = ", ".join(name for (name,) in about)
        connection.execute(f"INSERT INTO main.{table} SELECT {columns} FROM newer.{table}")  # noqa: S608 - our own names
    connection.close()


def signed_up(file: Path, keys: DiskKeys, number: int) -> str:
    """Store an account and its session as schemas 1 and 2 did; return the account's id."""
    account_id, seal_key = ACCOUNT if number == 0 else new_id(), keys.derived("account-seal")
    email = EMAIL if number == 0 else f"{number}.{EMAIL}"
    hashing = Hashing(CHEAP)
    account = (
        account_id,
        hmac.digest(keys.derived("email-index"), email.encode(), "sha256"),
        seal(seal_key, email.encode(), f"account|{account_id}|email"),
        seal(seal_key, b"Owl", f"account|{account_id}|display_name"),
        hashing.hash(PASSWORD),
        WHEN.timestamp(),
    )
    hashing.close()
    connection = apsw.Connection(str(file))
    connection.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", account)
    session = (f"session-{number}", account_id, 7, b"hash", "request", NOW, NOW + 1000)
    connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", session)
    connection.close()
    return account_id


def older_store(root: Path, upto: int, account_count: int = 1) -> Path:
    """Write a store as an older schema did; return where it is."""
    with local(root / "writing") as writing:
        filled(writing)
        if upto >= IDENTITY:
            peopled(writing)
    shutil.copytree(root / "writing", root / "today", ignore=shutil.ignore_patterns("clarity.db*"))
    older_schema(root / "writing" / "clarity.db", root / "today" / "clarity.db", upto)
    keys = DiskKeys(root / "today" / "keys")
    for number in range(account_count if upto < IDENTITY else 0):
        signed_up(root / "today" / "clarity.db", keys, number)
    return root / "today"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LocalWorld]:
    """A store that schema 1 has written, opened today."""
    with local(older_store(tmp_path, 1)) as opened:
        yield opened


@pytest.fixture(params=[1, 2])
def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalWorld]:
    """A store that schema 1, or 2, has written, opened today."""
    with local(older_store(tmp_path, request.param)) as opened:
        yield opened


def upload(world: LocalWorld) -> StoredUpload:
    return world.series.upload(ACCOUNT, "u")


def test_series_of_schema_1_read_as_before(world: LocalWorld) -> None:
    assert (upload(world).committed, upload(world).result_count, upload(world).descriptor) == (120, 2, RECORDING)
    assert [segment.count for segment in world.series.segments(ACCOUNT, "u", 0, 120)] == [120]
    assert world.series.change_count(ACCOUNT) == 1


def test_results_and_days_of_schema_1_read_as_before(world: LocalWorld) -> None:
    assert world.analyses.results(ACCOUNT, "u", 0, 10) == [(Closing(1, 20, 60), b"result")]
    assert world.analyses.due_results(ClosingKind.DAY, 10) == [DueResult(ACCOUNT, "u", Closing(2, 21, 120))]
    assert world.analyses.due_results(ClosingKind.WINDOW, 10) == []
    assert world.analyses.is_closed(DayKey(ACCOUNT, METRIC, SOURCE, 21))
    assert [body for _, body in world.analyses.days(ACCOUNT, METRIC, DAYS, None, 10)] == [b"twenty"]
    assert world.analyses.due_days(10) == [DueDay(DayKey(ACCOUNT, METRIC, SOURCE, 22), 1)]


def test_a_recording_of_schema_1_goes_on(world: LocalWorld) -> None:
    closing = Closing(3, 15, 180, ClosingKind.WINDOW)
    committed(world.series, append(upload(world), closings=[closing]))
    assert world.analyses.due_results(ClosingKind.WINDOW, 10) == [DueResult(ACCOUNT, "u", closing)]


def test_every_window_that_a_day_of_schema_1_may_bear_on_is_due(world: LocalWorld) -> None:
    """Theirs at once; mine when the day is derived that is still due. A day without samples bears on none."""
    mine = [DueWindow(WindowKey(ACCOUNT, METRIC, SOURCE, day), 1) for day in range(13, 21)]
    theirs = [DueWindow(WindowKey(STRANGER, "heart_rate", Source("watch"), day), 5) for day in range(-10, -2)]
    assert world.windows.due_windows(100) == theirs
    world.analyses.put_days([PutDay(world.analyses.due_days(1)[0], b"", closed=False)])
    assert world.windows.waiting_count(ACCOUNT) == 8
    due = world.windows.due_windows(100)
    assert [one for one in due if one.key.account_id == ACCOUNT] == mine
    assert [one for one in due if one.key.account_id == STRANGER] == theirs


def test_a_window_that_several_days_bear_on_is_due_once_with_the_latest_touch(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "clarity.db"))
    schema.migrate(connection, "clarity.db", upto=1)
    days = [(0, 4), (1, 9), (9, 2)]
    row = "INSERT INTO days VALUES ('a', 'm', ?, 'd', '', ?, 0, x'00')"
    connection.executemany(row, days)
    connection.close()
    with local(tmp_path) as world:
        due = {one.key.civil_day: one.touch for one in world.windows.due_windows(100)}
    assert due == {-7: 4, **dict.fromkeys(range(-6, 2), 9), **dict.fromkeys(range(2, 10), 2)}


# ---- schema 3: identity ---------------------------------------------------------------------------------------------

THEN = Account(ACCOUNT, EMAIL, "Owl", WHEN)


def test_accounts_from_before_schema_3_read_as_before(upgraded: LocalWorld) -> None:
    assert upgraded.accounts.get(ACCOUNT) == THEN
    assert upgraded.accounts.by_email(EMAIL.upper()) == ACCOUNT


def test_passwords_from_before_schema_3_are_right_still(upgraded: LocalWorld) -> None:
    upgraded.passwords.check(ACCOUNT, PASSWORD)
    with pytest.raises(CredentialsWrong):
        upgraded.passwords.check(ACCOUNT, PASSWORD + "!")


def test_sessions_from_before_schema_3_go_on_with_all_that_a_member_may_do(upgraded: LocalWorld) -> None:
    scopes = " ".join(sorted(MEMBER_SCOPES))
    row = SessionRow("session-0", ACCOUNT, 7, b"hash", "request", NOW, NOW + 1000, None, NOW, 1000, scopes)
    assert upgraded.sessions.get("session-0") == row
    assert upgraded.sessions.of_account(ACCOUNT, NOW, None, 10) == [row]
    assert upgraded.sessions.advance(row, replace(row, counter=8))


def test_accounts_from_before_schema_3_have_said_nothing_and_nothing_of_them_is_withheld(upgraded: LocalWorld) -> None:
    assert upgraded.consents.of_account(ACCOUNT) == []
    assert upgraded.analyses.due_results(ClosingKind.DAY, 10) == [DueResult(ACCOUNT, "u", Closing(2, 21, 120))]
    assert upgraded.accounts.standings_since(0) == []


def test_an_address_from_before_schema_3_is_taken_and_can_be_changed(upgraded: LocalWorld) -> None:
    with pytest.raises(EmailTaken):
        upgraded.accounts.create(replace(THEN, account_id=new_id()))
    changed = upgraded.accounts.change(ACCOUNT, lambda old: replace(old, email="lark@example.org"))
    assert changed == replace(THEN, email="lark@example.org") == upgraded.accounts.get(ACCOUNT)
    assert upgraded.accounts.by_email(EMAIL) is None


def test_what_the_root_key_sealed_is_sealed_with_the_data_key_once_the_accounts_are_opened(
    upgraded: LocalWorld,
) -> None:
    query = "SELECT count(*), count(body), count(email_before), count(name_before) FROM accounts"
    accounts = upgraded.accounts
    with upgraded.database.read() as connection:
        rows: list[Any] = connection.execute(query).fetchall()
    assert rows == [(1, 1, 0, 0)]
    upgraded.keys.destroy_data_key(ACCOUNT)
    with pytest.raises(StoreDamaged):
        accounts.get(ACCOUNT)


def test_more_accounts_than_one_page_are_all_sealed_anew_by_two_processes_at_once(tmp_path: Path) -> None:
    def opened(world: LocalWorld) -> SqliteAccounts:
        return SqliteAccounts(world.database, world.keys, world.clock, before_page=3)

    store = older_store(tmp_path, 2, account_count=20)
    with local(store) as one, local(store) as other:
        stores = at_once(2, lambda number: opened((one, other)[number]))
        emails = [EMAIL, *(f"{number}.{EMAIL}" for number in range(1, 20))]
        for accounts in stores:
            assert isinstance(accounts, SqliteAccounts)
            ids = [accounts.by_email(email) for email in emails]
            assert [account_id and getattr(accounts.get(account_id), "email", "") for account_id in ids] == emails


# ---- schema 5: samples ----------------------------------------------------------------------------------------------

NEWEST = max(schema.migrations())
ACTIVITY = frozenset({Family.ACTIVITY})


def peopled(world: LocalWorld) -> None:
    """Store something of every port that there is since schemas 2, 3 and 4."""
    world.accounts.create(THEN)
    world.passwords.put(ACCOUNT, PASSWORD)
    world.sessions.create(SessionRow("session", ACCOUNT, 1, b"hash", "", 0.0, NOW + 1000))
    world.consents.put(ACCOUNT, [Consent(Purpose.STORAGE, True, "1", WHEN)])
    grant = world.grants.create(Grant("grant", ACCOUNT, STRANGER, ACTIVITY, WHEN, WHEN + timedelta(days=1)), 9, WHEN)
    world.access_events.add(AccessEvent(ACCOUNT, STRANGER, grant.grant_id, "ListDays", ACTIVITY, WHEN))
    world.factors.change(ACCOUNT, lambda _: (Factor(ACCOUNT, b"sealed", True, 3, (b"hash",)), None))
    world.outbox.put(Mail(MailKind.RESET_PASSWORD, EMAIL, "subject", "text", ACCOUNT), NOW)
    key = WindowKey(ACCOUNT, METRIC, SOURCE, 14)
    world.windows.put([StoredAnalysis(key, "analysis", State.SUCCEEDED, "digest", "method", "", b"a week")])
    world.insights.put(StoredInsight(ACCOUNT, "insight", "analysis", WHEN, b"told"))
    world.requests.first(f"s:{ACCOUNT}", "id", b"digest", "first", now=NOW, keep_s=60)
    world.audit.append(AuditEvent(AuditKind.SIGN_IN, ACCOUNT))


def told(world: LocalWorld, since: int) -> dict[str, object]:
    """All that the ports tell of what a store of a schema can hold."""
    series = {
        "uploads": world.series.uploads(ACCOUNT, METRIC),
        "segments": list(world.series.segments(ACCOUNT, "u", 0, 120)),
        "pieces": list(world.series.pieces(ACCOUNT, METRIC, (-9, 9), None)),
        "changes": world.changes.rows(ACCOUNT, 0, 10),
        "results": world.analyses.results(ACCOUNT, "u", 0, 10),
        "due results": world.analyses.due_results(ClosingKind.DAY, 10),
        "days": world.analyses.days(ACCOUNT, METRIC, DAYS, None, 10),
        "due days": world.analyses.due_days(10),
    }
    people = {
        "account": world.accounts.get(ACCOUNT),
        "found": world.accounts.by_email(EMAIL),
        "session": world.sessions.get("session"),
        "consents": world.consents.of_account(ACCOUNT),
        "grant": world.grants.get("grant"),
        "events": world.access_events.list(ACCOUNT, None, 10),
        "factor": world.factors.get(ACCOUNT),
        "mails": world.outbox.due(NOW, 10),
        "analyses": world.windows.since(ACCOUNT, 0, 10),
        "insights": world.insights.list(ACCOUNT, None, 10),
        "answer": world.requests.first(f"s:{ACCOUNT}", "id", b"digest", "second", now=NOW, keep_s=60),
    }
    audit = {"audit": world.audit.rows(0, 10), "verdict": world.audit.verify()}
    return {**series, **(people if since >= IDENTITY else {}), **(audit if since >= AUDIT else {})}


@pytest.fixture(params=range(1, NEWEST))
def since(request: pytest.FixtureRequest) -> int:
    """A schema that has written a store."""
    return int(request.param)


@pytest.fixture
def carried(since: int, tmp_path: Path) -> Iterator[LocalWorld]:
    """A store that an earlier schema has written, opened today."""
    with local(older_store(tmp_path, since)) as opened:
        yield opened


def test_all_that_a_store_of_an_earlier_schema_holds_is_told_as_before(
    since: int, carried: LocalWorld, tmp_path: Path
) -> None:
    with local(tmp_path / "writing") as writing:
        before = told(writing, since)
    assert told(carried, since) == before
    assert [name for name, found in before.items() if not found] == [], "it would prove nothing"


def test_uploads_of_an_earlier_schema_are_found_by_the_time_they_cover(carried: LocalWorld) -> None:
    def near(start: int, end: int) -> list[str]:
        span = TimeRange(TimeKind.INSTANT, start * MINUTE_MS, end * MINUTE_MS)
        return [one.upload_id for one in carried.series.near(ACCOUNT, METRIC, span)]

    assert near(119, 121) == near(-1, 1) == near(-600_000, 600_000) == ["u"]
    assert near(120, 121) == near(-1, 0) == near(-600_000, 0) == near(120, 600_000) == []


def test_sources_of_an_earlier_schema_are_known_and_can_be_spoken_of(carried: LocalWorld) -> None:
    row = SourceMetricRow(METRIC, SOURCE, 0, None, None, None, frozenset())
    assert carried.samples.summary(ACCOUNT, None) == [row]
    carried.sources.put(ACCOUNT, SourceSetting(SOURCE, DeviceKind.BAND))
    assert carried.sources.settings(ACCOUNT) == [SourceSetting(SOURCE, DeviceKind.BAND)]


def test_change_numbers_of_an_earlier_schema_go_on(carried: LocalWorld) -> None:
    wrote(carried.samples, sample("a"), sample("b"))
    committed(carried.series, append(upload(carried)))
    rows = carried.changes.rows(ACCOUNT, 0, 10)
    assert [(row.number, row.span, row.kind) for row in rows] == [(1, 1, "append"), (2, 2, "samples"), (4, 1, "append")]
    assert carried.changes.newest(ACCOUNT) == carried.series.change_count(ACCOUNT) == 4


def test_nothing_of_an_earlier_schema_is_hidden_kept_for_a_time_or_put_aside(carried: LocalWorld) -> None:
    assert carried.series.tombstones(ACCOUNT, METRIC) == []
    assert carried.series.newest_deletion(ACCOUNT) == 0
    assert carried.retentions.all() == []
    assert carried.samples.fault_count(ACCOUNT) == 0


def test_every_store_gets_a_history_of_its_own(tmp_path: Path) -> None:
    lineages = set[str]()
    for number in range(3):
        with local(older_store(tmp_path / str(number), 4)) as world:
            lineages.add(world.changes.lineage())
    assert len(lineages - {""}) == 3


def test_a_fresh_file_comes_to_the_same_schema_as_one_that_was_carried_over(
    carried: LocalWorld, tmp_path: Path
) -> None:
    def spelled(world: LocalWorld) -> set[Any]:
        with world.database.read() as connection:
            return set(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall())

    with local(tmp_path / "fresh") as fresh:
        assert spelled(carried) == spelled(fresh)
        assert fresh.changes.lineage() != ""


def test_a_backup_of_an_earlier_schema_is_put_back_and_carried_over(since: int, tmp_path: Path) -> None:
    root = older_store(tmp_path, since)
    (older := tmp_path / "older.db").write_bytes((root / "clarity.db").read_bytes())
    with local(root):
        pass
    keys = DiskKeys(root / "keys")
    stores = Stores(root / "clarity.db", root / "blobs", root / "keys", keys, DiskHeads(root / "keys"))
    manifest = back_up(stores, root / "backup", lambda *_: None)
    shutil.copy(older, root / "backup" / "clarity.db")
    as_then(keys, root / "backup", manifest, since)
    restore(stores, root / "backup", lambda *_: None)
    with local(root) as world:
        assert [one.upload_id for one in world.series.uploads(ACCOUNT, METRIC)] == ["empty", "u"]
        assert world.changes.lineage() != ""


def as_then(keys: DiskKeys, backup: Path, manifest: dict[str, Any], since: int) -> None:
    """Say in a backup's manifest what the CLARITY of an earlier schema would have said."""
    content = (backup / "clarity.db").read_bytes()
    measured = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    said = {**manifest, "schema": since, "files": {**manifest["files"], "clarity.db": measured}}
    del said["seal"]
    spelled = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    seal = hmac.digest(keys.derived(PURPOSE), spelled, "sha256").hex()
    (backup / "manifest.json").write_text(json.dumps({**said, "seal": seal}), encoding="utf-8")

"""Whatever the store keeps of an account has somebody who erases it."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clarity_server.adapters.local.holders import EXEMPT, PAGE_ROWS, READINGS, TABLES, holders
from clarity_server.domain.access import Family
from clarity_server.domain.samples import DeviceKind, SourceSetting
from clarity_server.domain.sharing import AccessEvent, Grant
from clarity_server.ports import Holder, Kept
from tests.contracts.discrete import SCALE, fault, sample, wrote
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER, append
from tests.contracts.worlds import LocalWorld, local

NOW = datetime(2026, 3, 29, tzinfo=UTC)
ACTIVITY = frozenset({Family.ACTIVITY})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LocalWorld]:
    with local(tmp_path) as opened:
        yield opened


def named(world: LocalWorld, name: str) -> Holder:
    asides = [world.root / "blobs" / ".aside", world.root / "keys" / "aside"]
    return next(one for one in holders(world.database, world.blobs, asides) if one.name == name)


def names(world: LocalWorld, query: str, *bindings: str) -> set[str]:
    with world.database.read() as connection:
        return {str(row[0]) for row in connection.execute(query, bindings).fetchall()}


def tables(world: LocalWorld) -> set[str]:
    return names(world, "SELECT name FROM sqlite_schema WHERE type = 'table'")


def test_every_table_has_a_holder_or_a_reason_for_none(world: LocalWorld) -> None:
    assert tables(world) - TABLES.keys() == EXEMPT.keys(), "a new table: say in adapters/local/holders.py who erases it"
    assert set(TABLES) <= tables(world)
    assert all(EXEMPT.values())


def test_every_column_that_names_an_account_is_looked_at(world: LocalWorld) -> None:
    """A table may name more than one: who is read, and who reads."""
    naming = {"account_id", "member_id", "reader_id", "owner_id", "actor_id"}
    by_readings = {"access_events": " reader_id"}
    for table, where in TABLES.items():
        columns = names(world, "SELECT name FROM pragma_table_info(?)", table)
        looked_at = where + by_readings.get(table, "")
        assert all(column in looked_at for column in columns & naming), table


def test_what_refers_goes_before_what_it_refers_to(world: LocalWorld) -> None:
    order = list(TABLES)
    for table in order:
        referred = names(world, 'SELECT "table" FROM pragma_foreign_key_list(?)', table)
        assert all(order.index(table) < order.index(other) for other in referred)


def test_many_rows_go_page_by_page_and_only_ones_own(world: LocalWorld) -> None:
    many = 2 * PAGE_ROWS + 5
    for owner in (ACCOUNT, STRANGER):
        upload = world.series.open(owner, "u", RECORDING)
        world.series.commit(append(upload, 60, days=range(many), account_id=owner))
    days = named(world, "touched_days")
    assert days.count(ACCOUNT) == many
    assert days.erase(ACCOUNT) == many
    assert (days.count(ACCOUNT), days.erase(ACCOUNT)) == (0, 0)
    assert days.count(STRANGER) == many


def test_all_of_an_accounts_samples_go_and_what_was_put_aside_and_said_of_them(world: LocalWorld) -> None:
    for owner in (ACCOUNT, STRANGER):
        good = [sample(str(number), account_id=owner) for number in range(PAGE_ROWS + 3)]
        wrote(world.samples, *good, *map(fault, good[:2]))
        world.sources.put(owner, SourceSetting(SCALE, DeviceKind.SCALE))
        world.retentions.put(owner, 30)
    counts = {"quarantine": 2, "samples": PAGE_ROWS + 3, "source_metrics": 1, "sources": 1, "retention": 1}
    for name, count in counts.items():
        rows = named(world, name)
        assert (rows.count(ACCOUNT), rows.erase(ACCOUNT), rows.count(ACCOUNT)) == (count, count, 0)
        assert rows.count(STRANGER) == count


def test_answers_to_writes_go_though_they_are_sealed(world: LocalWorld) -> None:
    world.keys.create_data_key(ACCOUNT)
    kept = Kept(f"write-samples:{ACCOUNT}", "request", b"digest", 0.0, 60.0)
    wrote(world.samples, sample("a"), fault(sample("b"), text="what nobody may read"), kept=kept)
    assert not names(world, "SELECT 1 FROM requests WHERE instr(answer, CAST('nobody' AS BLOB))")
    requests = named(world, "requests")
    assert (requests.count(ACCOUNT), requests.erase(ACCOUNT), requests.count(ACCOUNT)) == (1, 1, 0)


def test_grants_given_and_received_go(world: LocalWorld) -> None:
    for grant_id, member, reader in (("1", ACCOUNT, STRANGER), ("2", STRANGER, ACCOUNT), ("3", STRANGER, "c" * 26)):
        world.grants.create(Grant(grant_id, member, reader, ACTIVITY, NOW, NOW), 10, NOW)
    grants = named(world, "grants")
    assert (grants.count(ACCOUNT), grants.erase(ACCOUNT), grants.count(ACCOUNT)) == (2, 2, 0)
    assert world.grants.get("3") is not None


def test_who_was_read_keeps_the_entry_without_the_name(world: LocalWorld) -> None:
    for member, reader in ((ACCOUNT, STRANGER), (STRANGER, ACCOUNT), (STRANGER, "c" * 26)):
        world.access_events.add(AccessEvent(member, reader, "grant", "ListDays", ACTIVITY, NOW))
    own, readings = named(world, "access_events"), named(world, READINGS)
    assert (own.count(ACCOUNT), readings.count(ACCOUNT)) == (1, 1)
    assert (own.erase(ACCOUNT), readings.erase(ACCOUNT)) == (1, 1)
    assert (own.count(ACCOUNT), readings.count(ACCOUNT)) == (0, 0)
    assert [event.reader_id for event in world.access_events.list(STRANGER, None, 10)] == ["c" * 26, ""]


def test_answers_go_that_were_kept_under_an_account_or_tell_of_it(world: LocalWorld) -> None:
    for scope, answer in ((f"sign-in:{ACCOUNT}", "session"), ("create-account:console", ACCOUNT), ("sign-up", "seed")):
        world.requests.first(scope, "request", b"digest", answer, now=0.0, keep_s=1.0)
    requests = named(world, "requests")
    assert (requests.count(ACCOUNT), requests.erase(ACCOUNT), requests.count(ACCOUNT)) == (2, 2, 0)
    assert world.requests.first("sign-up", "request", b"digest", "another", now=0.5, keep_s=1.0) == "seed"


def test_blobs_go_that_no_row_names(world: LocalWorld) -> None:
    for name in (f"segments/{ACCOUNT}/one", f"segments/{ACCOUNT}/two", f"segments/{ACCOUNT}a/three"):
        world.blobs.put(name, b"sealed")
    blobs = named(world, "blobs")
    assert (blobs.count(ACCOUNT), blobs.erase(ACCOUNT), blobs.count(ACCOUNT)) == (2, 2, 0)
    assert [name for name, _ in world.blobs.names("segments")] == [f"segments/{ACCOUNT}a/three"]


def test_files_that_were_left_aside_go_and_those_being_written_stay(world: LocalWorld) -> None:
    directory = world.root / "keys" / "aside"
    for name in ("left", "written"):
        (directory / name).write_bytes(b"half of a key")
    os.utime(directory / "left", (0, 0))
    aside = named(world, "keys/aside")
    assert (aside.count(ACCOUNT), aside.erase(ACCOUNT), aside.count(ACCOUNT)) == (1, 1, 0)
    assert [file.name for file in directory.iterdir()] == ["written"]

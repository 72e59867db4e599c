"""The audit in the SQLite file: a hand in the table is found, and heads outlive the file."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from clarity_server.adapters.local.audit import SqliteAudit
from clarity_server.adapters.local.heads import DiskHeads
from clarity_server.domain.audit import AuditEvent, AuditKind
from clarity_server.domain.chain import Fault, Head, Verdict
from clarity_server.domain.errors import StoreDamaged, StoreUnavailable
from tests.contracts.worlds import LocalWorld, local

EVENT = AuditEvent(AuditKind.SIGN_IN, "a" * 26)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LocalWorld]:
    with local(tmp_path) as opened:
        yield opened


def filled(world: LocalWorld, count: int, *anchors: int) -> SqliteAudit:
    audit = world.audit
    for seq in range(1, count + 1):
        audit.append(EVENT)
        if seq in anchors:
            audit.anchor()
    return audit


def by_hand(world: LocalWorld, *statements: str) -> None:
    """Change the table as whoever has the file can."""
    connection = apsw.Connection(str(world.root / "clarity.db"))
    for statement in ("DROP TRIGGER audit_stays", "DROP TRIGGER audit_remains", *statements):
        connection.execute(statement)
    connection.close()


def fault(verdict: Verdict) -> tuple[Fault | None, int, int]:
    return verdict.fault, verdict.seq, verdict.until


@pytest.mark.parametrize("statement", ["UPDATE audit SET time = 0", "DELETE FROM audit"])
def test_the_store_itself_only_adds(world: LocalWorld, statement: str) -> None:
    filled(world, 1)
    with pytest.raises(apsw.ConstraintError, match="only added to"):
        world.database.write(lambda connection: connection.execute(statement).close())


def test_an_edited_row_is_named(world: LocalWorld) -> None:
    audit = filled(world, 5, 5)
    by_hand(world, "UPDATE audit SET event = CAST(replace(event, 'sign-in', 'sign-up') AS BLOB) WHERE seq = 3")
    assert fault(audit.verify()) == (Fault.EDITED, 3, 0)


def test_a_dropped_row_is_named(world: LocalWorld) -> None:
    audit = filled(world, 5, 5)
    by_hand(world, "DELETE FROM audit WHERE seq = 2")
    assert fault(audit.verify()) == (Fault.DROPPED, 2, 2)


def test_rows_that_changed_places_are_named(world: LocalWorld) -> None:
    audit = filled(world, 5, 5)
    by_hand(
        world,
        "UPDATE audit SET seq = -2 WHERE seq = 2",
        "UPDATE audit SET seq = 2 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = -2",
    )
    assert fault(audit.verify()) == (Fault.MOVED, 2, 0)


def test_an_inserted_row_is_named(world: LocalWorld) -> None:
    audit = filled(world, 5, 5)
    by_hand(
        world,
        "UPDATE audit SET seq = -seq WHERE seq > 2",
        "UPDATE audit SET seq = 1 - seq WHERE seq < 0",
        "INSERT INTO audit SELECT 3, time, previous, event, hash FROM audit WHERE seq = 1",
    )
    assert fault(audit.verify()) == (Fault.INSERTED, 3, 0)


def test_a_cut_tail_is_told_by_the_heads(world: LocalWorld) -> None:
    audit = filled(world, 5, 2, 5)
    by_hand(world, "DELETE FROM audit WHERE seq > 3")
    assert fault(audit.verify()) == (Fault.CUT, 4, 5)
    assert "unanchored since head 2" in audit.verify().sentence


def test_an_older_copy_that_was_put_back_is_told_and_so_is_one_that_went_on(tmp_path: Path) -> None:
    with local(tmp_path) as world:
        filled(world, 3, 3)
    shutil.copy(tmp_path / "clarity.db", tmp_path / "older")
    with local(tmp_path) as world:
        filled(world, 2, 2)
    shutil.copy(tmp_path / "older", tmp_path / "clarity.db")
    with local(tmp_path) as world:
        assert fault(world.audit.verify()) == (Fault.CUT, 4, 5)
        world.clock.wait(1.0)
        filled(world, 4)
        assert fault(world.audit.verify()) == (Fault.REPLACED, 4, 5)


def test_a_head_is_signed_after_so_many_rows_at_the_latest(world: LocalWorld) -> None:
    audit = SqliteAudit(world.database, DiskHeads(world.root / "keys"), world.keys, world.clock, anchor_rows=3)
    for _ in range(7):
        audit.append(EVENT)
    assert audit.verify().anchored == 6


def test_what_cannot_be_written_is_not_told_as_written(world: LocalWorld) -> None:
    audit = world.audit
    world.database.close()
    with pytest.raises(StoreUnavailable):
        audit.append(EVENT)


def test_heads_are_for_their_owner_only_and_are_added_one_a_line(tmp_path: Path) -> None:
    heads = DiskHeads(tmp_path)
    assert heads.list() == []
    made = [Head(seq, bytes([seq]) * 32, 1.5, b"signed") for seq in range(1, 4)]
    for head in made:
        heads.add(head)
    assert heads.list() == made
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "audit" / "heads.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_process_died_over_is_nobodys(tmp_path: Path) -> None:
    heads, file = DiskHeads(tmp_path), tmp_path / "audit" / "heads.jsonl"
    made = [Head(seq, bytes([seq]) * 32, 1.5, b"signed") for seq in range(1, 4)]
    heads.add(made[0])
    whole = file.read_bytes()
    heads.add(made[1])
    file.write_bytes(file.read_bytes()[:-7])
    assert heads.list() == made[:1]
    heads.add(made[2])
    assert heads.list() == [made[0], made[2]]
    assert file.read_bytes().startswith(whole)


def test_a_line_that_is_no_head_is_named(tmp_path: Path) -> None:
    heads, file = DiskHeads(tmp_path), tmp_path / "audit" / "heads.jsonl"
    heads.add(Head(1, b"h" * 32, 1.5, b"signed"))
    file.write_bytes(file.read_bytes() + b"{}\n")
    with pytest.raises(StoreDamaged) as error:
        heads.list()
    assert error.value.facts == {"piece": "audit/heads.jsonl, line 2"}

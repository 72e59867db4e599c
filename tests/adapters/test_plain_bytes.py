"""What a thief of the store's files, without the keys, can read of who somebody is: nothing."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.domain.accounts import Account, AccountState
from clarity_server.domain.errors import StoreDamaged
from clarity_server.domain.ids import new_id
from clarity_server.domain.mail import Mail, MailKind
from tests.contracts.worlds import local

MARK = "Canary"
WHEN = datetime(2026, 3, 1, tzinfo=UTC)
PASSWORD = f"{MARK}-0wl"


def marked(account_id: str, number: int = 1) -> Account:
    """An account that is marked wherever a person says something."""
    return Account(
        account_id=account_id,
        email=f"{MARK}.{number}@example.org",
        display_name=f"{MARK} name",
        create_time=WHEN,
        first_name=f"{MARK} first",
        last_name=f"{MARK} last",
        time_zone=f"{MARK}/zone",
        language=MARK,
        preferences={f"{MARK} key": f"{MARK} value"},
        new_email=f"{MARK}.new@example.org",
    )


def letter(account_id: str = "") -> Mail:
    return Mail(MailKind.RESET_PASSWORD, f"{MARK}@example.org", f"{MARK} subject", f"{MARK} text", account_id)


def traces(root: Path) -> list[str]:
    """The store's files in which the mark is found, in any case and encoding a person's words might have."""
    found = [path for path in root.rglob("*") if path.is_file()]
    marks = [MARK.lower().encode(encoding) for encoding in ("utf-8", "utf-16-le")]
    return [path.name for path in found if any(mark in path.read_bytes().lower() for mark in marks)]


def test_the_look_for_traces_finds_one(tmp_path: Path) -> None:
    with local(tmp_path) as world:
        world.requests.first("scope", "request", b"", MARK, now=0, keep_s=1)
        assert traces(tmp_path) == ["clarity.db-wal"]
    assert traces(tmp_path) == ["clarity.db"]


def test_no_address_name_or_mail_lies_in_the_clear_in_file_log_or_keys(tmp_path: Path) -> None:
    account_id = new_id()
    with local(tmp_path) as world:
        world.accounts.create(marked(account_id))
        world.passwords.put(account_id, PASSWORD)
        world.accounts.change(account_id, lambda old: replace(old, display_name=f"{MARK} again"))
        world.outbox.put(letter(account_id), 0)
        world.outbox.put(replace(letter(), kind=MailKind.NONE), 0)
        assert traces(tmp_path) == [], "in the log, while it is open"
    assert traces(tmp_path) == [], "in the file, once it is closed"


def test_what_was_removed_is_overwritten(tmp_path: Path) -> None:
    """Of the bytes that the store had, not only of the mark, nothing is left in the file."""
    account_id = new_id()
    with local(tmp_path) as world:
        world.accounts.create(replace(marked(account_id), state=AccountState.PENDING))
        world.outbox.put(letter(), 0)
        query = "SELECT body FROM accounts UNION ALL SELECT body FROM outbox"
        with world.database.read() as connection:
            rows: list[Any] = connection.execute(query).fetchall()
    file = tmp_path / "clarity.db"
    assert [file.read_bytes().count(body) for (body,) in rows] == [1, 1]
    with local(tmp_path) as world:
        assert world.accounts.remove_pending(2 * WHEN.timestamp(), 10) == [account_id]
        world.outbox.sent(world.outbox.due(0, 1)[0].place)
    assert [file.read_bytes().count(body) for (body,) in rows] == [0, 0]
    assert account_id.encode() not in file.read_bytes()


def test_a_copy_of_the_store_cannot_be_read_once_the_data_key_is_destroyed(tmp_path: Path) -> None:
    account_id = new_id()
    with local(tmp_path / "live") as world:
        world.accounts.create(marked(account_id))
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    DiskKeys(tmp_path / "live" / "keys").destroy_data_key(account_id)
    (tmp_path / "live" / "clarity.db").unlink()
    shutil.copy(tmp_path / "copy" / "clarity.db", tmp_path / "live" / "clarity.db")
    with local(tmp_path / "live") as world, pytest.raises(StoreDamaged):
        world.accounts.get(account_id)


def test_what_is_sealed_for_one_account_does_not_open_as_anothers(tmp_path: Path) -> None:
    ids = [new_id(), new_id()]
    with local(tmp_path) as world:
        for number, account_id in enumerate(ids):
            world.accounts.create(marked(account_id, number))
        copy = "UPDATE accounts SET body = (SELECT body FROM accounts WHERE account_id = ?) WHERE account_id = ?"
        world.database.write(lambda connection: connection.execute(copy, ids).close())
        with pytest.raises(StoreDamaged):
            world.accounts.get(ids[1])
        assert world.accounts.get(ids[0]) == marked(ids[0], 0)


@pytest.mark.parametrize("column", ["mail_id", "account_id"])
def test_a_mail_opens_only_in_its_own_row_and_of_its_own_account(tmp_path: Path, column: str) -> None:
    with local(tmp_path) as world:
        world.outbox.put(letter(new_id()), 0)
        assert len(world.outbox.due(0, 1)) == 1
        change = f"UPDATE outbox SET {column} = 'another'"  # noqa: S608  our own names
        world.database.write(lambda connection: connection.execute(change).close())
        with pytest.raises(StoreDamaged):
            world.outbox.due(0, 1)

"""Accounts in the SQLite file: who somebody is lies sealed under their data key; a keyed hash finds an address."""

import hmac
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.domain.access import Role
from clarity_server.domain.accounts import Account, AccountState, Standing
from clarity_server.domain.errors import AccountNotFound, EmailTaken
from clarity_server.domain.sealing import seal, unseal
from clarity_server.ports import Keys

INSERT = """
    INSERT INTO accounts (account_id, email_hash, state, create_time, not_before, erase_time, body)
    SELECT :id, :email_hash, :state, :create_time, :not_before, :erase_time, :body
    WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE account_id = :id)"""
UPDATE = """
    UPDATE accounts SET
        changed_time = iif(state <> :state OR not_before <> :not_before, :now, changed_time),
        email_hash = :email_hash, state = :state, create_time = :create_time, not_before = :not_before,
        erase_time = :erase_time, body = :body
    WHERE account_id = :id"""
# Both are looked for: an address that waits takes as long to find as one that counts.
BY_EMAIL = """
    SELECT (SELECT account_id FROM accounts WHERE email_hash = :email_hash AND state <> 'pending'), (
        SELECT account_id FROM accounts WHERE email_hash = :email_hash AND state = 'pending'
        ORDER BY create_time DESC LIMIT 1)"""
FIND = "SELECT account_id, state, create_time, not_before, erase_time, body FROM accounts WHERE account_id = ?"
STANDINGS_SINCE = "SELECT account_id, state, not_before FROM accounts WHERE changed_time >= ? ORDER BY changed_time"
PENDING = """
    SELECT account_id FROM accounts WHERE state = 'pending' AND create_time < ? ORDER BY create_time LIMIT ?"""
ERASING = """
    SELECT account_id FROM accounts WHERE state = 'erasing' AND erase_time < ? ORDER BY erase_time LIMIT ?"""
OF_PENDING = ("accounts", "passwords", "factors", "consents")  # what there can be of one, beside tickets, which expire
BEFORE = "SELECT account_id, email_before, name_before, create_time FROM accounts WHERE body IS NULL LIMIT ?"
SEAL_BEFORE = """
    UPDATE accounts SET body = ?, email_before = NULL, name_before = NULL WHERE account_id = ? AND body IS NULL"""
BEFORE_PAGE = 256
COLUMNS = {"account_id", "create_time", "state", "not_before", "erase_time"}  # which are not in the sealed body


class SqliteAccounts:
    """Implements ports.Accounts."""

    def __init__(
        self, database: Database, keys: Keys, clock: Callable[[], float] = time.time, *, before_page: int = BEFORE_PAGE
    ) -> None:
        """Seal anew what schema 2 sealed otherwise. The key of the index is derived once: it never changes."""
        self._database = database
        self._keys = keys
        self._clock = clock
        self._index_key = keys.derived("email-index")
        while self._seal_page_before(before_page):
            pass

    def create(self, account: Account) -> None:
        """Store a new account and make its data key; an id that is there changes nothing.

        Raises EmailTaken unless it is PENDING; of two one wins.
        """
        owner = None if account.state is AccountState.PENDING else self._owner(account.email)
        if owner not in (None, account.account_id):
            raise EmailTaken  # before a key is made for nobody
        row = self._row(account, self._keys.create_data_key(account.account_id))
        try:
            self._database.write(lambda connection: connection.execute(INSERT, row).close())
        except apsw.ConstraintError as why:
            raise EmailTaken from why

    def confirm(self, account_id: str) -> Account:
        """Make a PENDING account ACTIVE and its address its own. Raises EmailTaken, AccountNotFound."""
        return self.change(account_id, _confirmed)

    def by_email(self, email: str) -> str | None:
        """Find the id of the account that has an address, or else of the newest PENDING one."""
        owner, waiting = self._by_email(email)
        return owner or waiting

    def get(self, account_id: str) -> Account | None:
        """Find an account. Raises StoreDamaged when its seal does not open."""
        with self._database.read() as connection:
            row = _find(connection, account_id)
        return self._account(row, self._keys.data_key(account_id)) if row else None

    def change(self, account_id: str, change: Callable[[Account], Account]) -> Account:
        """Replace an account by what a pure function makes of it; return it. Raises AccountNotFound, EmailTaken."""
        with self._database.read() as connection:
            if _find(connection, account_id) is None:
                raise AccountNotFound
        key = self._keys.data_key(account_id)  # before the transaction, where nothing may wait for a file

        def work(connection: apsw.Connection) -> Account:
            row = _find(connection, account_id)
            if row is None:
                raise AccountNotFound
            before = self._account(row, key)
            after = change(before)
            assert after.account_id == account_id, "an account keeps its id"
            if after != before:
                connection.execute(UPDATE, {**self._row(after, key), "now": self._clock()})
            return after

        try:
            return self._database.write(work)
        except apsw.ConstraintError as why:
            raise EmailTaken from why

    def standings_since(self, at: float) -> Sequence[Standing]:
        """List the standings of accounts whose state or `not_before` was changed at or after a time."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(STANDINGS_SINCE, (at,)).fetchall()
        return [Standing(account_id, AccountState(state), not_before) for account_id, state, not_before in rows]

    def remove_pending(self, before: float, limit: int) -> Sequence[str]:
        """Remove PENDING accounts made before a time, with their keys and passwords; return their ids.

        The row first: one that is confirmed at the same moment keeps its key. A key that a crash leaves here seals
        nothing that the store still has.
        """

        def work(connection: apsw.Connection) -> list[str]:
            found: Sequence[Row] = connection.execute(PENDING, (before, limit)).fetchall()
            for table in OF_PENDING:
                connection.executemany(f"DELETE FROM {table} WHERE account_id = ?", found)  # noqa: S608  our own names
            return [account_id for (account_id,) in found]

        removed = self._database.write(work)
        for account_id in removed:
            self._keys.destroy_data_key(account_id)
        return removed

    def erasing(self, before: float, limit: int) -> Sequence[str]:
        """List the ids of ERASING accounts whose `erase_time` is before a time, the earliest first."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(ERASING, (before, limit)).fetchall()
        return [account_id for (account_id,) in rows]

    def _owner(self, email: str) -> str | None:
        return self._by_email(email)[0]

    def _by_email(self, email: str) -> tuple[str | None, str | None]:
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(BY_EMAIL, {"email_hash": self._email_hash(email)}).fetchall()
        owner, waiting = rows[0]
        return owner, waiting

    def _row(self, account: Account, key: bytes) -> dict[str, Any]:
        return {
            "id": account.account_id,
            "email_hash": self._email_hash(account.email),
            "state": account.state,
            "create_time": account.create_time.timestamp(),
            "not_before": account.not_before,
            "erase_time": account.erase_time and account.erase_time.timestamp(),
            "body": seal(key, _body(account), _name(account.account_id)),
        }

    def _account(self, row: Row, key: bytes) -> Account:
        account_id, state, create_time, not_before, erase_time, sealed = row
        known = json.loads(unseal(key, sealed, _name(account_id)))
        known["roles"] = frozenset(map(Role, known["roles"]))
        known["preferences"] = MappingProxyType(known["preferences"])
        return Account(
            account_id=account_id,
            state=AccountState(state),
            create_time=datetime.fromtimestamp(create_time, UTC),
            not_before=not_before,
            erase_time=None if erase_time is None else datetime.fromtimestamp(erase_time, UTC),
            **known,
        )

    def _email_hash(self, email: str) -> bytes:
        return hmac.digest(self._index_key, email.strip().casefold().encode(), "sha256")

    def _seal_page_before(self, size: int) -> int:
        """Seal a page of accounts of schema 2 as today; return how many there were. Of two processes one is enough."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(BEFORE, (size,)).fetchall()
        if rows:
            key = self._keys.derived("account-seal")
            sealed = [(self._sealed_before(key, *row), row[0]) for row in rows]
            self._database.write(lambda connection: connection.executemany(SEAL_BEFORE, sealed).close())
        return len(rows)

    def _sealed_before(self, key: bytes, account_id: str, email: bytes, name: bytes, create_time: float) -> bytes:
        account = Account(
            account_id,
            unseal(key, email, f"account|{account_id}|email").decode(),
            unseal(key, name, f"account|{account_id}|display_name").decode(),
            datetime.fromtimestamp(create_time, UTC),
        )
        return seal(self._keys.create_data_key(account_id), _body(account), _name(account_id))


def _find(connection: apsw.Connection, account_id: str) -> Row | None:
    rows: Sequence[Row] = connection.execute(FIND, (account_id,)).fetchall()
    return rows[0] if rows else None


def _confirmed(account: Account) -> Account:
    return replace(account, state=AccountState.ACTIVE) if account.state is AccountState.PENDING else account


def _body(account: Account) -> bytes:
    """Spell what is sealed. A field that a later version adds has its default in an older body."""
    known = asdict(replace(account, preferences={}))  # a mapping proxy cannot be copied
    known["preferences"] = dict(account.preferences)
    known["roles"] = sorted(account.roles)
    return json.dumps({name: value for name, value in known.items() if name not in COLUMNS}).encode()


def _name(account_id: str) -> str:
    """What the seal is bound to: moved to another account, it does not open."""
    return f"account|{account_id}"

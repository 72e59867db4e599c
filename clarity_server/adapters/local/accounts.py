"""Accounts in SQLite: addresses and names sealed, found by a keyed hash of the address."""

import hmac
from datetime import UTC, datetime
from typing import Any

import apsw

from clarity_server.adapters.local.database import Database
from clarity_server.domain.accounts import Account
from clarity_server.domain.errors import EmailTaken
from clarity_server.domain.sealing import seal, unseal
from clarity_server.ports import Credential, Keys


class SqliteAccounts:
    """Who can sign in."""

    def __init__(self, database: Database, keys: Keys) -> None:
        """The keys that seal and index are derived once: they never change while the server lives."""
        self._database = database
        self._seal_key = keys.derived("account-seal")
        self._index_key = keys.derived("email-index")

    def create(self, account: Account, password_hash: str) -> None:
        """Store a new account. Raises EmailTaken."""
        row = (
            account.account_id,
            self._email_hash(account.email),
            seal(self._seal_key, account.email.encode(), _name(account.account_id, "email")),
            seal(self._seal_key, account.display_name.encode(), _name(account.account_id, "display_name")),
            password_hash,
            account.create_time.timestamp(),
        )
        try:
            self._database.write(lambda connection: connection.execute(_INSERT, row).close())
        except apsw.ConstraintError as why:
            raise EmailTaken from why

    def by_email(self, email: str) -> Credential | None:
        """Find an account by its address."""
        with self._database.read() as connection:
            rows: list[Any] = connection.execute(_BY_EMAIL, (self._email_hash(email),)).fetchall()
        return Credential(*rows[0]) if rows else None

    def get(self, account_id: str) -> Account | None:
        """Find an account by its id. Raises StoreDamaged when its seals do not open."""
        with self._database.read() as connection:
            rows: list[Any] = connection.execute(_BY_ID, (account_id,)).fetchall()
        return self._account(account_id, *rows[0]) if rows else None

    def rehash(self, account_id: str, old_hash: str, new_hash: str) -> None:
        """Replace a password hash, unless it has changed meanwhile."""
        row = (new_hash, account_id, old_hash)
        self._database.write(lambda connection: connection.execute(_REHASH, row).close())

    def _account(self, account_id: str, email: bytes, display_name: bytes, create_time: float) -> Account:
        return Account(
            account_id,
            unseal(self._seal_key, email, _name(account_id, "email")).decode(),
            unseal(self._seal_key, display_name, _name(account_id, "display_name")).decode(),
            datetime.fromtimestamp(create_time, UTC),
        )

    def _email_hash(self, email: str) -> bytes:
        return hmac.digest(self._index_key, email.strip().casefold().encode(), "sha256")


def _name(account_id: str, field: str) -> str:
    """What a seal is bound to: moved to another account or field, it does not open."""
    return f"account|{account_id}|{field}"


_INSERT = """
    INSERT INTO accounts (account_id, email_hash, email_sealed, display_name, password_hash, create_time)
    VALUES (?, ?, ?, ?, ?, ?)
"""
_BY_EMAIL = "SELECT account_id, password_hash FROM accounts WHERE email_hash = ?"
_BY_ID = "SELECT email_sealed, display_name, create_time FROM accounts WHERE account_id = ?"
_REHASH = "UPDATE accounts SET password_hash = ? WHERE account_id = ? AND password_hash = ?"

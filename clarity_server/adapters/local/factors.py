"""Second factors in the SQLite file."""

import json
from collections.abc import Sequence
from typing import TypeVar

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.ports import Change, Factor

FIND = "SELECT account_id, secret, confirmed, last_step, recovery_hashes FROM factors WHERE account_id = ?"
PUT = """
    REPLACE INTO factors (account_id, secret, confirmed, last_step, recovery_hashes) VALUES (?, ?, ?, ?, ?)"""
REMOVE = "DELETE FROM factors WHERE account_id = ?"

A = TypeVar("A")


class SqliteFactors:
    """Implements ports.Factors."""

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def get(self, account_id: str) -> Factor | None:
        """Find an account's."""
        with self._database.read() as connection:
            return _find(connection, account_id)

    def change(self, account_id: str, change: Change[Factor, A]) -> A:
        """Replace it, or none, by what a pure function makes of it, and return the function's answer."""

        def work(connection: apsw.Connection) -> A:
            before = _find(connection, account_id)
            after, answer = change(before)
            if after != before:
                _put(connection, account_id, after)
            return answer

        return self._database.write(work)


def _find(connection: apsw.Connection, account_id: str) -> Factor | None:
    rows: Sequence[Row] = connection.execute(FIND, (account_id,)).fetchall()
    return _factor(rows[0]) if rows else None


def _factor(row: Row) -> Factor:
    account_id, secret, confirmed, last_step, hashes = row
    return Factor(account_id, secret, bool(confirmed), last_step, tuple(map(bytes.fromhex, json.loads(hashes))))


def _put(connection: apsw.Connection, account_id: str, factor: Factor | None) -> None:
    if factor is None:
        connection.execute(REMOVE, (account_id,))
        return
    assert factor.account_id == account_id, "a factor stays with its account"
    hashes = json.dumps([one.hex() for one in factor.recovery_hashes])
    connection.execute(PUT, (account_id, factor.secret, factor.confirmed, factor.last_step, hashes))

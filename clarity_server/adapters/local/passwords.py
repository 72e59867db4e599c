"""Password hashes in the SQLite file."""

from collections.abc import Sequence

from clarity_server.adapters.local.database import Database, Row
from clarity_server.adapters.local.hashing import Hashing
from clarity_server.domain.errors import CredentialsWrong

PUT = """
    INSERT INTO passwords (account_id, password_hash) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET password_hash = excluded.password_hash"""
FIND = "SELECT password_hash FROM passwords WHERE account_id = ?"
REHASH = "UPDATE passwords SET password_hash = ? WHERE account_id = ? AND password_hash = ?"
NOBODY = ""  # looked for all the same: that takes as long


class SqlitePasswords:
    """Implements ports.Passwords."""

    def __init__(self, database: Database, hashing: Hashing) -> None:
        """Take the file and what hashes."""
        self._database = database
        self._hashing = hashing

    def put(self, account_id: str, password: str) -> None:
        """Set a password. Raises Busy."""
        row = (account_id, self._hashing.hash(password))
        self._database.write(lambda connection: connection.execute(PUT, row).close())

    def check(self, account_id: str | None, password: str) -> None:
        """Check a password; one whose hash has another cost than today's is hashed anew.

        Raises CredentialsWrong, after the same time where there is none to compare with; Busy.
        """
        stored = self._find(account_id or NOBODY)
        rehashed = self._hashing.check(stored, password)
        if stored is None:
            raise CredentialsWrong  # the decoy was checked, and nobody knows its password
        if rehashed is not None:
            row = (rehashed, account_id, stored)  # unless it was changed meanwhile
            self._database.write(lambda connection: connection.execute(REHASH, row).close())

    def _find(self, account_id: str) -> str | None:
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(FIND, (account_id,)).fetchall()
        return rows[0][0] if rows else None

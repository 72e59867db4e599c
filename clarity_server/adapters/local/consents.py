"""Consents in the SQLite file. The queues ask for them, too (turns.py): what is withheld is not due."""

from collections.abc import Sequence
from datetime import UTC, datetime

from clarity_server.adapters.local.database import Database, Row
from clarity_server.domain.access import Purpose
from clarity_server.domain.sharing import Consent

LIST = "SELECT purpose, given, text_version, effective_time FROM consents WHERE account_id = ? ORDER BY purpose"
PUT = """
    REPLACE INTO consents (account_id, purpose, given, text_version, effective_time) VALUES (?, ?, ?, ?, ?)"""


class SqliteConsents:
    """Implements ports.Consents."""

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def of_account(self, account_id: str) -> Sequence[Consent]:
        """List what was ever said, by purpose."""
        with self._database.read() as connection:
            return [_consent(row) for row in connection.execute(LIST, (account_id,)).fetchall()]

    def put(self, account_id: str, consents: Sequence[Consent]) -> None:
        """Store consents in place of the older ones, all in one transaction."""
        rows = [(account_id, *_row(consent)) for consent in consents]
        if rows:
            self._database.write(lambda connection: connection.executemany(PUT, rows).close())


def _row(consent: Consent) -> Row:
    effective_time = consent.effective_time and consent.effective_time.timestamp()
    return (consent.purpose, consent.given, consent.text_version, effective_time)


def _consent(row: Row) -> Consent:
    purpose, given, text_version, effective_time = row
    at = None if effective_time is None else datetime.fromtimestamp(effective_time, UTC)
    return Consent(Purpose(purpose), bool(given), text_version, at)

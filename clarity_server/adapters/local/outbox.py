"""Mails on their way, in the SQLite file: sealed, each bound to its row and its account."""

import json
from collections.abc import Sequence

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.domain.ids import new_id
from clarity_server.domain.mail import Mail, MailKind
from clarity_server.domain.sealing import seal, unseal
from clarity_server.ports import Keys, QueuedMail

PUT = "INSERT INTO outbox (mail_id, account_id, due_time, tries, body) VALUES (?, ?, ?, 0, ?)"
DUE = """
    SELECT place, mail_id, account_id, tries, body FROM outbox WHERE due_time <= ?
    ORDER BY due_time, place LIMIT ?"""
REMOVE = "DELETE FROM outbox WHERE place = ?"
RETRY = "UPDATE outbox SET due_time = ?, tries = tries + 1 WHERE place = ?"


class SqliteOutbox:
    """Implements ports.Outbox."""

    def __init__(self, database: Database, keys: Keys) -> None:
        """Derive the key: not an account's, for a mail may go to somebody who has none."""
        self._database = database
        self._key = keys.derived("outbox-seal")

    def put(self, mail: Mail, now: float) -> None:
        """Queue a mail. One of kind NONE is written like another and removed in the same transaction."""
        mail_id = new_id()
        body = json.dumps([mail.kind, mail.to, mail.subject, mail.text]).encode()
        row = (mail_id, mail.account_id, now, seal(self._key, body, _name(mail_id, mail.account_id)))

        def work(connection: apsw.Connection) -> None:
            connection.execute(PUT, row)
            if mail.kind is MailKind.NONE:
                connection.execute(REMOVE, (connection.last_insert_rowid(),))

        self._database.write(work)

    def due(self, now: float, limit: int) -> Sequence[QueuedMail]:
        """List what is to be sent, in order. Raises StoreDamaged when a seal does not open."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(DUE, (now, limit)).fetchall()
        return [
            QueuedMail(place, self._mail(mail_id, account_id, body), tries)
            for place, mail_id, account_id, tries, body in rows
        ]

    def sent(self, place: int) -> None:
        """Forget a mail that was handed over, or given up."""
        self._database.write(lambda connection: connection.execute(REMOVE, (place,)).close())

    def failed(self, place: int, retry_time: float) -> None:
        """Let a mail wait for another try."""
        self._database.write(lambda connection: connection.execute(RETRY, (retry_time, place)).close())

    def _mail(self, mail_id: str, account_id: str, body: bytes) -> Mail:
        kind, to, subject, text = json.loads(unseal(self._key, body, _name(mail_id, account_id)))
        return Mail(MailKind(kind), to, subject, text, account_id)


def _name(mail_id: str, account_id: str) -> str:
    return f"outbox|{mail_id}|{account_id}"

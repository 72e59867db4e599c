"""Mails in a folder, as a server with CLARITY_OUTBOX=file:… leaves them, and the codes in them.

For servers of our own: the demonstration, tests and benchmarks sign up as a person would, and read their mail here.
"""

from __future__ import annotations

import email
import email.policy
import re
import time
from collections.abc import Iterable
from email.utils import parseaddr
from pathlib import Path

from clarity.client import Client
from clarity.credentials import SignedIn
from clarity.local import LocalError
from clarity.v1.access_pb2 import Purpose

CODE = re.compile(r"^\s*(\d{8})\s*$", re.MULTILINE)  # alone on its line
WITHIN_S = 30.0
POLL_S = 0.02
OURS = (Purpose.PURPOSE_STORAGE, Purpose.PURPOSE_ANALYSIS, Purpose.PURPOSE_NARRATION)


class Mailbox:
    """The mails that come into a folder from now on. Each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = set(folder.glob("*.eml"))
        self._waiting: list[tuple[str, str]] = []  # to whom, and what

    def text(self, to: str, *, within_s: float = WITHIN_S) -> str:
        """Wait for the next mail to an address and return its text. Raises LocalError where none comes."""
        give_up = time.monotonic() + within_s
        while True:
            self._fetch()
            for mail in self._waiting:
                if mail[0].casefold() == to.strip().casefold():
                    self._waiting.remove(mail)
                    return mail[1]
            if time.monotonic() > give_up:
                raise LocalError(f"no mail to {to} came into {self._folder} within {within_s:g} s")
            time.sleep(POLL_S)

    def code(self, to: str, *, within_s: float = WITHIN_S) -> str:
        """Wait for the next mail to an address that has a code, and return the code. Raises LocalError."""
        while (found := CODE.search(self.text(to, within_s=within_s))) is None:
            pass
        return found[1]

    def _fetch(self) -> None:
        new = set(self._folder.glob("*.eml")) - self._seen
        self._seen |= new
        for path in sorted(new, key=lambda path: (path.stat().st_mtime_ns, path.name)):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            body = mail.get_body(("plain",))
            text = body.get_content().replace("\r\n", "\n") if body is not None else ""
            self._waiting.append((parseaddr(str(mail["To"]))[1], text))


def joined(
    client: Client,
    folder: Path,
    address: str,
    password: str,
    name: str = "",
    *,
    consents: Iterable[Purpose] = OURS,
) -> SignedIn:
    """Sign up with the code that comes into the server's outbox folder, and sign in."""
    mailbox = Mailbox(folder)
    confirmation = client.sign_up(address, password, name, consents=consents)
    client.confirm_sign_up(confirmation.ticket, mailbox.code(address))
    session = client.sign_in(address, password)
    assert isinstance(session, SignedIn), f"a new account is asked for {session}"
    return session

"""Tokens: who is signed in, at which server, kept where the next command finds them.

A refresh token is good for one use. `renew` therefore spends it under a lock that all processes share, and the
request_id of that use is kept beside the token before it is spent: when the answer is lost, the repeat carries the same
id and gets the same answer.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Protocol
from urllib.parse import quote

from platformdirs import user_config_path

HOME = "CLARITYCLIENT_HOME"  # not CLARITY_…: those are the server's settings, and it refuses names it does not know
LOCK_WAIT_S = 60.0
LOCK_POLL_S = 0.02


class CredentialsError(Exception):
    """The kept tokens cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session as a client keeps it. Its secrets stay out of its repr."""

    email: str
    account_id: str
    session_id: str
    access_expire_s: float  # seconds since 1970
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    refresh_request_id: str = field(repr=False)  # under which the refresh token will be spent


Spend = Callable[[SignedIn], SignedIn]
"""Spends a session's refresh token and returns the session after it."""


class Tokens(Protocol):
    """Where one session at one server is kept."""

    def read(self) -> SignedIn | None:
        """Return the session, or None when nobody is signed in."""

    def keep(self, session: SignedIn) -> None:
        """Keep this session in place of any other."""

    def forget(self) -> None:
        """Keep nothing any more."""

    def renew(self, stale: str, spend: Spend) -> SignedIn | None:
        """Replace the session whose access token is `stale`, once however many ask for it at the same time."""


class MemoryTokens:
    """Tokens for as long as the process lives."""

    def __init__(self, session: SignedIn | None = None) -> None:
        self._session = session
        self._lock = threading.Lock()

    def read(self) -> SignedIn | None:
        """Return the session, or None when nobody is signed in."""
        return self._session

    def keep(self, session: SignedIn) -> None:
        """Keep this session in place of any other."""
        self._session = session

    def forget(self) -> None:
        """Keep nothing any more."""
        self._session = None

    def renew(self, stale: str, spend: Spend) -> SignedIn | None:
        """Replace the session whose access token is `stale`, once however many threads ask at the same time."""
        with self._lock:
            if self._session is not None and self._session.access_token == stale:
                self._session = spend(self._session)
            return self._session


class FileTokens:
    """Tokens in a file of one person, 0600 in a folder 0700, shared by all their processes."""

    def __init__(self, target: str, home: Path | None = None) -> None:
        self.folder = home or Path(os.environ.get(HOME) or user_config_path("clarity"))
        self.path = self.folder / f"{quote(target, safe='')}.json"

    def read(self) -> SignedIn | None:
        """Return the session, or None when nobody is signed in. Raises CredentialsError for a damaged file."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as why:
            raise self._damaged() from why
        try:
            return _session(json.loads(text))
        except (ValueError, KeyError, TypeError) as why:
            raise self._damaged() from why

    def keep(self, session: SignedIn) -> None:
        """Keep this session in place of any other."""
        with self._locked():
            self._write(session)

    def forget(self) -> None:
        """Keep nothing any more."""
        with self._locked():
            self.path.unlink(missing_ok=True)

    def renew(self, stale: str, spend: Spend) -> SignedIn | None:
        """Replace the session whose access token is `stale`, once however many processes ask at the same time.

        Raises CredentialsError when another process holds the lock for a minute, and lets the errors of `spend` fly;
        the file then stays as it is, so that the next attempt spends the same token under the same request_id.
        """
        with self._locked():
            session = self.read()
            if session is not None and session.access_token == stale:
                session = spend(session)
                self._write(session)
            return session

    def _write(self, session: SignedIn) -> None:
        # Aside, then renamed: a reader sees the old session or the new, never half. The temporary file is born 0600.
        with NamedTemporaryFile("w", encoding="utf-8", dir=self.folder, prefix=".new-", delete=False) as aside:
            try:
                json.dump(asdict(session), aside)
                aside.flush()
                os.fsync(aside.fileno())
                Path(aside.name).replace(self.path)
            finally:
                Path(aside.name).unlink(missing_ok=True)  # whatever stopped the writing, no token is left lying about

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Beside the tokens, never the file itself: a rename would leave the lock on a file nobody reads any more.
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as why:
                if time.monotonic() > deadline:
                    text = f"another clarity command has held {self.path} for {LOCK_WAIT_S:g} s; end it and try again"
                    raise CredentialsError(text) from why
                time.sleep(LOCK_POLL_S)
            else:
                return

    def _damaged(self) -> CredentialsError:
        return CredentialsError(f"{self.path} is damaged; remove it and sign in again")


def _session(kept: Mapping[str, Any]) -> SignedIn:
    """The session in a file. Raises KeyError and TypeError for anything that is none."""
    values = {part.name: kept[part.name] for part in fields(SignedIn)}
    if not all(isinstance(value, float if name == "access_expire_s" else str) for name, value in values.items()):
        raise TypeError("a field has another type")
    return SignedIn(**values)

"""Chains: sessions with the tokens that stand for them, and their ends."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from clarity_server.domain.accounts import Device, SessionInfo, Tokens
from clarity_server.domain.errors import RefreshTokenInvalid
from clarity_server.domain.sealing import seal, unseal
from clarity_server.domain.tokens import ACCESS_S, issue_access, refresh_token
from clarity_server.ports import Keys, SessionRow, Sessions

FIRST_COUNTER = 0


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a session begins: the same as often as it is asked for."""

    session_id: str
    account_id: str
    began: float
    lasts_s: float
    scopes: tuple[str, ...]
    device: Device
    network: str


@dataclass(frozen=True, slots=True)
class Chains:
    """Begins, continues and ends sessions. Whoever calls notes it first."""

    store: Sessions
    keys: Keys
    on_ended: Callable[[str], object]  # hears the id of every session ended here, after the store has it
    clock: Callable[[], float]  # seconds since 1970

    @property
    def refresh_key(self) -> bytes:
        """What refresh tokens are derived with."""
        return self.keys.derived("refresh")

    def begin(self, beginning: Beginning) -> Tokens:
        """Store a session unless it is there, and return its first tokens."""
        row = self._first(beginning)
        self.store.create(row)
        return self.tokens_of(row)  # not of the stored row: a repeat gets the same bytes whatever came after

    def begun(self, beginning: Beginning) -> bool:
        """Tell whether the session is there, living or ended."""
        return self.store.get(beginning.session_id) is not None

    def live(self, session_id: str, now: float) -> SessionRow:
        """Find a session that lives. Raises RefreshTokenInvalid."""
        row = self.store.get(session_id)
        if row is None or row.ended_time is not None or now >= row.expire_time:
            raise RefreshTokenInvalid
        return row

    def successor(self, row: SessionRow, request_id: str, now: float) -> SessionRow:
        """The session as it is after a refresh."""
        counter = row.counter + 1
        return SessionRow(
            row.session_id,
            row.account_id,
            counter,
            hash_of(refresh_token(self.refresh_key, row.session_id, counter)),
            request_id,
            now,
            now + row.lasts_s,
            create_time=row.create_time,
            lasts_s=row.lasts_s,
            scopes=row.scopes,
            about=row.about,
        )

    def end(self, session_id: str) -> None:
        """End a session. Ending it again changes nothing."""
        self.store.end(session_id, self.clock())
        self.on_ended(session_id)

    def end_all(self, account_id: str, but: str = "") -> None:
        """End all sessions of an account, but one."""
        for session_id in self.store.end_all(account_id, self.clock(), but):
            self.on_ended(session_id)

    def listed(self, account_id: str, after: tuple[float, str] | None, limit: int) -> Sequence[SessionInfo]:
        """List an account's sessions that live, the newest first, after one."""
        key = self.keys.data_key(account_id)
        return [_info(key, row) for row in self.store.of_account(account_id, self.clock(), after, limit)]

    def tokens_of(self, row: SessionRow) -> Tokens:
        """The tokens that a row stands for: the same bytes as often as they are asked for."""
        issued_s = int(row.spent_time)
        key_id, key = self.keys.signing_key()
        access = issue_access(
            key_id,
            key,
            account_id=row.account_id,
            session_id=row.session_id,
            scopes=row.scopes,
            issued_s=issued_s,
        )
        newest = refresh_token(self.refresh_key, row.session_id, row.counter)
        scopes = tuple(row.scopes.split())
        return Tokens(row.account_id, row.session_id, access, issued_s + ACCESS_S, newest, row.expire_time, scopes)

    def _first(self, beginning: Beginning) -> SessionRow:
        session_id, began = beginning.session_id, beginning.began
        about = json.dumps({"device": asdict(beginning.device), "network": beginning.network}).encode()
        return SessionRow(
            session_id,
            beginning.account_id,
            FIRST_COUNTER,
            hash_of(refresh_token(self.refresh_key, session_id, FIRST_COUNTER)),
            "",
            began,
            began + beginning.lasts_s,
            create_time=began,
            lasts_s=beginning.lasts_s,
            scopes=" ".join(beginning.scopes),
            about=seal(self.keys.data_key(beginning.account_id), about, _name(session_id)),
        )


def hash_of(token: str) -> bytes:
    """What the store knows a refresh token by."""
    return hashlib.sha256(token.encode()).digest()


def _info(key: bytes, row: SessionRow) -> SessionInfo:
    device, network = _opened(unseal(key, row.about, _name(row.session_id))) if row.about else (Device(), "")
    return SessionInfo(
        session_id=row.session_id,
        create_time=row.create_time,
        refresh_time=row.spent_time,
        expire_time=row.expire_time,
        device=device,
        network=network,
        scopes=tuple(row.scopes.split()),
    )


def _opened(about: bytes) -> tuple[Device, str]:
    known = json.loads(about)
    return Device(**known["device"]), known["network"]


def _name(session_id: str) -> str:
    return f"session|{session_id}"

"""Accounts and sessions as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from clarity_server.domain.access import Role

TERMS_VERSION = "2026-11"
PRIVACY_VERSION = "2026-11"
CONSENT_VERSION = "2026-11"
NO_PREFERENCES: Mapping[str, str] = MappingProxyType({})


class AccountState(StrEnum):
    """What an account may do at present."""

    PENDING = "pending"  # its address has not been confirmed
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DISABLED = "disabled"
    ERASING = "erasing"  # from the request for its erasure on


@dataclass(frozen=True, slots=True)
class Account:
    """Who signed in."""

    account_id: str
    email: str
    display_name: str
    create_time: datetime
    state: AccountState = AccountState.ACTIVE
    roles: frozenset[Role] = frozenset({Role.MEMBER})
    first_name: str = ""
    last_name: str = ""
    time_zone: str = ""
    language: str = ""
    preferences: Mapping[str, str] = field(default_factory=lambda: NO_PREFERENCES)
    new_email: str = ""  # counts once it is confirmed
    terms_version: str = ""
    privacy_version: str = ""
    erase_time: datetime | None = None
    must_change_password: bool = False
    not_before: float = 0.0  # tokens issued earlier, in seconds since 1970, count no more
    password_time: float = 0.0  # of the last change of the password: a sign-in that began before it does not end well


@dataclass(frozen=True, slots=True)
class Shown:
    """An account as its owner sees it."""

    account: Account
    totp_enabled: bool = False
    recovery_code_count: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What the gate has to know of an account beyond what its tokens say."""

    account_id: str
    state: AccountState
    not_before: float


@dataclass(frozen=True, slots=True)
class Device:
    """What a person signs in with, as they say it."""

    device_id: str = ""
    name: str = ""
    kind: str = ""
    os: str = ""
    app: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a call comes from, as the boundary saw it."""

    network: str = ""  # the caller's network address
    request_id: str = ""  # of the log line


@dataclass(frozen=True, slots=True)
class Identity:
    """The verified subject of a call: nothing here comes from a request field."""

    account_id: str
    session_id: str
    expire_time: float  # of the access token, in seconds since 1970
    issued_time: float
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A session's newest tokens."""

    account_id: str
    session_id: str
    access_token: str
    access_expire_time: float  # in seconds since 1970
    refresh_token: str
    refresh_expire_time: float
    scopes: tuple[str, ...] = ()


class ChallengeKind(StrEnum):
    """What is asked for before there is a session."""

    TOTP = "totp"
    NEW_PASSWORD = "new-password"  # noqa: S105  a kind
    CONFIRM_EMAIL = "confirm-email"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a sign-in waits for."""

    kind: ChallengeKind
    ticket: str = field(repr=False)
    expire_time: float


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A code that is on its way, or not: who asks cannot tell."""

    ticket: str = field(repr=False)
    email: str
    expire_time: float
    resend_time: float


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as its owner sees it."""

    session_id: str
    create_time: float
    refresh_time: float
    expire_time: float
    device: Device
    network: str
    scopes: tuple[str, ...]

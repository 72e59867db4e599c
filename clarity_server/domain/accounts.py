"""Accounts and sessions as values."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Account:
    """Who signed in."""

    account_id: str
    email: str
    display_name: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """The verified subject of a call: nothing here comes from a request field."""

    account_id: str
    session_id: str
    expire_time: float  # of the access token, in seconds since 1970


@dataclass(frozen=True, slots=True)
class Tokens:
    """A session's newest tokens."""

    account_id: str
    session_id: str
    access_token: str
    access_expire_time: float  # in seconds since 1970
    refresh_token: str
    refresh_expire_time: float

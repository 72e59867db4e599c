"""Consents, grants and who has read, as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from clarity_server.domain.access import Family, Purpose


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether data may be used for a purpose, since when, and what text was agreed to."""

    purpose: Purpose
    given: bool
    text_version: str = ""
    effective_time: datetime | None = None  # None: nothing was ever said


class GrantState(StrEnum):
    """What a grant is at a time."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission to read: from a member, to one reader, for some families, until a time."""

    grant_id: str
    member_id: str
    reader_id: str
    families: frozenset[Family]
    create_time: datetime
    expire_time: datetime
    revoke_time: datetime | None = None

    def state(self, now: datetime) -> GrantState:
        """What it is at a time."""
        if self.revoke_time is not None:
            return GrantState.REVOKED
        return GrantState.ACTIVE if now < self.expire_time else GrantState.EXPIRED


@dataclass(frozen=True, slots=True)
class NamedGrant:
    """A grant as one of its two parties sees it."""

    grant: Grant
    member_name: str  # for the reader's list; empty otherwise
    reader_name: str
    state: GrantState


@dataclass(frozen=True, slots=True)
class AccessEvent:
    """One reading of a member's data by somebody else."""

    member_id: str
    reader_id: str
    grant_id: str
    method: str
    families: frozenset[Family]
    access_time: datetime
    reader_name: str = ""
    number: int = 0  # 1, 2, 3, … within the member's account

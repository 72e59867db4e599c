"""What the audit keeps: who did what to whose account, and never a value, an address or a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class AuditKind(StrEnum):
    """What happened. An entry stands before its effect: what has no entry has not happened."""

    SIGN_UP = "sign-up"
    SIGN_UP_CONFIRMED = "sign-up-confirmed"
    SIGN_IN = "sign-in"
    SIGN_IN_REFUSED = "sign-in-refused"
    CHALLENGE_ANSWERED = "challenge-answered"
    CHALLENGE_REFUSED = "challenge-refused"
    REFRESHED = "refreshed"
    REFRESH_REFUSED = "refresh-refused"
    SIGN_OUT = "sign-out"
    SESSION_REVOKED = "session-revoked"
    EMAIL_CHANGED = "email-changed"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105  a kind
    PASSWORD_RESET_ASKED = "password-reset-asked"  # noqa: S105
    PASSWORD_RESET = "password-reset"  # noqa: S105
    CODE_REFUSED = "code-refused"
    TOTP_ENROLLED = "totp-enrolled"
    TOTP_REMOVED = "totp-removed"
    RECOVERY_CODES_MADE = "recovery-codes-made"
    CONSENT_GIVEN = "consent-given"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    GRANT_MADE = "grant-made"
    GRANT_REVOKED = "grant-revoked"
    READ_BY_GRANT = "read-by-grant"
    READ_REFUSED = "read-refused"
    ACCOUNT_MADE = "account-made"
    STATE_SET = "state-set"
    ROLES_SET = "roles-set"
    ACCOUNT_FOUND = "account-found"
    EXPORTED = "exported"
    DATA_DELETED = "data-deleted"
    ERASURE_ASKED = "erasure-asked"
    ERASURE_CANCELLED = "erasure-cancelled"
    ERASED = "erased"
    KEY_ROTATED = "key-rotated"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event. Accounts appear by their ids; the network address is kept as a keyed digest only."""

    kind: AuditKind
    account_id: str = ""  # whose account it is about; empty where it is nobody's
    actor_id: str = ""  # who did it; empty where nobody was signed in
    session_id: str = ""
    origin: str = ""  # the network address; what is kept of it is a keyed digest
    request_id: str = ""  # of the log line
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # ids, names of choices, counts

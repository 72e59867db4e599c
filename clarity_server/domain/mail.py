"""What is written to people."""

from dataclasses import dataclass, field
from enum import StrEnum


class MailKind(StrEnum):
    """Why a mail is sent."""

    NONE = "none"  # to nobody: it takes as long to queue as one that is sent, and is dropped
    CONFIRM_SIGN_UP = "confirm-sign-up"
    ADDRESS_HAS_ACCOUNT = "address-has-account"
    CONFIRM_EMAIL = "confirm-email"
    EMAIL_CHANGING = "email-changing"
    RESET_PASSWORD = "reset-password"  # noqa: S105  a kind
    PASSWORD_CHANGED = "password-changed"  # noqa: S105
    TOTP_CHANGED = "totp-changed"
    ACCOUNT_MADE = "account-made"
    ERASURE_ASKED = "erasure-asked"
    ERASURE_CANCELLED = "erasure-cancelled"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in plain text. Its repr shows neither the address nor the text."""

    kind: MailKind
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    account_id: str = ""

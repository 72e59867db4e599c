"""What our mails say: what happened, what to do, and nothing about the person.

An address that is not confirmed is not greeted by name: the name was typed by whoever gave the address, and would carry
their words to a stranger. No subject holds a code: subjects are shown on locked screens.
"""

from dataclasses import replace
from datetime import UTC, datetime

from clarity_server.domain.accounts import Account
from clarity_server.domain.mail import Mail, MailKind

NOBODY = "nobody@example.invalid"
_IGNORE = "If this was not you, you need not do anything: without the code nothing happens."
_ALARM = "If this was not you, reset your password at once and sign out everywhere."


def confirm_sign_up(account: Account, code: str) -> Mail:
    """The code that makes an account of a sign-up."""
    said = "Somebody, probably you, asked for a CLARITY account with this e-mail address."
    asked = "To confirm the address, enter this code where you signed up:"
    text = _text("", said, asked, _shown(code), _IGNORE)
    return Mail(MailKind.CONFIRM_SIGN_UP, account.email, "Confirm your e-mail address", text, account.account_id)


def address_has_account(owner: Account) -> Mail:
    """A note to the owner of an address that somebody asked to use for another account."""
    said = "Somebody, perhaps you, asked to use this e-mail address for a CLARITY account, and it has one already."
    asked = "If it was you, sign in to it, or reset your password if you have forgotten it."
    rest = "If it was not you, you need not do anything: nothing was changed."
    text = _text(owner.display_name, said, asked, rest)
    subject = "Your e-mail address has an account"
    return Mail(MailKind.ADDRESS_HAS_ACCOUNT, owner.email, subject, text, owner.account_id)


def confirm_email(account: Account, email: str, code: str) -> Mail:
    """The code that makes a new address count."""
    said = "Somebody, probably you, asked to use this e-mail address for their CLARITY account."
    asked = "To confirm the address, enter this code where you changed it:"
    text = _text("", said, asked, _shown(code), _IGNORE)
    return Mail(MailKind.CONFIRM_EMAIL, email, "Confirm your new e-mail address", text, account.account_id)


def email_changing(account: Account) -> Mail:
    """A note to the present address that another was asked for."""
    said = "Your CLARITY account is about to get another e-mail address. Until that one is confirmed, this one counts."
    return _note(MailKind.EMAIL_CHANGING, account, "Your e-mail address", said)


def reset_password(account: Account, code: str) -> Mail:
    """The code that sets a new password."""
    said = "Somebody, probably you, asked to set a new password for your CLARITY account."
    asked = "To set one, enter this code where you asked for it:"
    text = _text(account.display_name, said, asked, _shown(code), _IGNORE)
    return Mail(MailKind.RESET_PASSWORD, account.email, "Reset your password", text, account.account_id)


def password_changed(account: Account) -> Mail:
    """A note that the password is another."""
    said = "The password of your CLARITY account was changed, and other devices were signed out."
    return _note(MailKind.PASSWORD_CHANGED, account, "Your password was changed", said)


def totp_changed(account: Account, *, on: bool) -> Mail:
    """A note that one-time codes were turned on or off."""
    said = f"Signing in to your CLARITY account {'now asks' if on else 'no longer asks'} for a one-time code."
    return _note(MailKind.TOTP_CHANGED, account, "Your one-time codes", said)


def recovery_codes_made(account: Account) -> Mail:
    """A note that there are other recovery codes."""
    said = "New recovery codes were made for your CLARITY account; the ones before no longer count."
    return _note(MailKind.TOTP_CHANGED, account, "Your recovery codes", said)


def account_made(account: Account, password: str) -> Mail:
    """The password for one use of an account that an operator has made."""
    said = "An operator has made a CLARITY account for this e-mail address."
    asked = "Sign in with this password, and you will be asked for one of your own:"
    text = _text("", said, asked, _shown(password), "If several of these mails came, the last one counts.")
    return Mail(MailKind.ACCOUNT_MADE, account.email, "Your new account", text, account.account_id)


def erasure_asked(account: Account, erase_time: datetime) -> Mail:
    """A note that the account will be erased, and how to keep it."""
    when = f"{erase_time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    said = f"The erasure of your CLARITY account was asked for. It begins at {when}, and cannot be undone."
    asked = "To keep the account, sign in before that. If you want it erased, there is nothing to do."
    text = _text(account.display_name, said, asked, "If this was not you, sign in and change your password at once.")
    return Mail(MailKind.ERASURE_ASKED, account.email, "Your account will be erased", text, account.account_id)


def erasure_cancelled(account: Account) -> Mail:
    """A note that the account stays, because its owner has signed in."""
    said = "Somebody signed in to your CLARITY account, so it will not be erased."
    return _note(MailKind.ERASURE_CANCELLED, account, "Your account stays", said)


def to_nobody(mail: Mail) -> Mail:
    """A mail of the same length that goes nowhere: queueing it takes as long."""
    return replace(mail, kind=MailKind.NONE, to=NOBODY)


def _note(kind: MailKind, account: Account, subject: str, said: str) -> Mail:
    text = _text(account.display_name, said, "If this was you, there is nothing to do.", _ALARM)
    return Mail(kind, account.email, subject, text, account.account_id)


def _text(name: str, *parts: str) -> str:
    greeting = f"Hello {name}," if name else "Hello,"
    return "\n\n".join([greeting, *parts, "CLARITY"]) + "\n"


def _shown(code: str) -> str:
    return f"    {code}"

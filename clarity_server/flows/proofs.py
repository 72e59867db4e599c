"""Passwords, one-time codes and recovery codes: changed by who can show the present ones."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from clarity_server.domain import totp
from clarity_server.domain.accounts import Account, Confirmation, Identity, Origin
from clarity_server.domain.audit import AuditKind
from clarity_server.domain.errors import CodeWrong, CredentialsWrong, SessionEnded, TotpEnrolled, TotpNotEnrolled
from clarity_server.domain.ids import new_id
from clarity_server.domain.mail import Mail
from clarity_server.domain.tickets import TicketKind
from clarity_server.flows import mails
from clarity_server.flows.chains import Chains
from clarity_server.flows.codes import NOBODY, Addressee, Codes
from clarity_server.flows.second_factor import Proof, SecondFactor
from clarity_server.flows.sign_in import with_own_password
from clarity_server.flows.trail import Trail
from clarity_server.ports import Accounts, Outbox, Passwords

_TOTP_CODE = re.compile("[0-9]{6}")
NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Proofs:
    """The verbs, over their ports."""

    accounts: Accounts
    passwords: Passwords
    second_factor: SecondFactor
    chains: Chains
    codes: Codes
    outbox: Outbox
    trail: Trail
    clock: Callable[[], float]  # seconds since 1970
    on_changed: Callable[[str], None] = lambda _: None  # hears whose account is to be read anew

    # ---- passwords ---------------------------------------------------------------------------------------------------

    def change_password(self, identity: Identity, old: str, new: str, origin: Origin) -> None:
        """Change the password and end all other sessions. Raises CredentialsWrong, Busy."""
        account = self._proven(identity, old, origin, "change-password")
        self.trail.note_by(identity, AuditKind.PASSWORD_CHANGED, origin)
        self._set_password(account, new, but=identity.session_id)
        self.outbox.put(mails.password_changed(account), self.clock())

    def request_reset(self, email: str, origin: Origin) -> Confirmation:
        """Mail a code that sets a new password, to who has the address; the answer is the same where nobody has."""
        account = self.codes.owner(email)
        addressee = NOBODY if account is None else Addressee(account, account.email)
        self.trail.note(AuditKind.PASSWORD_RESET_ASKED, addressee.account.account_id, origin)
        confirmation = self.codes.issue(TicketKind.RESET, new_id(), addressee, self.clock())
        return replace(confirmation, email=email.strip())

    def reset(self, ticket: str, code: str, new: str, origin: Origin) -> None:
        """Set a new password and end all sessions; the second factor stays. Raises CodeWrong, Busy.

        The code counts again for the same new password only: so a lost reply can be asked for, and nothing else.
        """
        used = self.codes.use(ticket, TicketKind.RESET, code, origin, with_it=new)
        account = self.accounts.get(used.account_id)
        if account is None or account.email != self.codes.sent_to(used):
            self.codes.refuse(TicketKind.RESET, used, origin)  # it went to an address that was given up since
        self.trail.note(AuditKind.PASSWORD_RESET, account.account_id, origin)
        self._set_password(account, new)
        self.outbox.put(mails.password_changed(account), self.clock())

    # ---- one-time codes ----------------------------------------------------------------------------------------------

    def enroll_totp(self, identity: Identity, password: str, origin: Origin) -> tuple[str, str]:
        """Make a secret that counts once a code of it was seen; return it and its URI.

        Raises CredentialsWrong, TotpEnrolled, Busy.
        """
        account = self._proven(identity, password, origin, "enroll-totp")
        secret = self.second_factor.enroll(identity.account_id)
        if secret is None:
            raise TotpEnrolled
        return secret, totp.otpauth_uri(secret, account.email)

    def confirm_totp(self, identity: Identity, code: str, origin: Origin) -> list[str]:
        """Turn one-time codes on by a first one; return the recovery codes, told here and never again.

        Raises CodeWrong, TotpNotEnrolled, TotpEnrolled, RateLimited.
        """
        account, account_id = self._own(identity), identity.account_id
        if self.second_factor.confirmed(account_id) is not None:
            raise TotpEnrolled
        if not self.second_factor.waits(account_id):
            raise TotpNotEnrolled
        recovery_codes = None
        if self.second_factor.right(account_id, Proof(code), confirmed=False):
            self.trail.note_by(identity, AuditKind.TOTP_ENROLLED, origin)
            recovery_codes = self.second_factor.confirm(account_id, code)
        if recovery_codes is None:
            self._refuse_code(account_id, origin, "confirm-totp")
        self._tell(account, mails.totp_changed(account, on=True))
        return list(recovery_codes)

    def remove_totp(self, identity: Identity, password: str, code: str, recovery: str, origin: Origin) -> None:
        """Turn one-time codes off, with the password and one of the two codes.

        Raises CredentialsWrong, CodeWrong, TotpNotEnrolled, RateLimited, Busy.
        """
        account, account_id = self._proven(identity, password, origin, "remove-totp"), identity.account_id
        if self.second_factor.confirmed(account_id) is None:
            raise TotpNotEnrolled
        proof, removed = Proof(code, recovery), False
        if self.second_factor.right(account_id, proof):
            self.trail.note_by(identity, AuditKind.TOTP_REMOVED, origin)
            removed = self.second_factor.spend(account_id, proof, lambda _: None)
        if not removed:
            self._refuse_code(account_id, origin, "remove-totp")
        self._tell(account, mails.totp_changed(account, on=False))

    def recovery_codes(self, identity: Identity, password: str, origin: Origin) -> list[str]:
        """Replace the recovery codes; return the new ones, told here and never again.

        Raises CredentialsWrong, TotpNotEnrolled, Busy.
        """
        account = self._proven(identity, password, origin, "create-recovery-codes")
        if self.second_factor.confirmed(identity.account_id) is None:
            raise TotpNotEnrolled
        self.trail.note_by(identity, AuditKind.RECOVERY_CODES_MADE, origin)
        made = self.second_factor.renew(identity.account_id)
        self._tell(account, mails.recovery_codes_made(account))
        return list(made)

    def prove(self, account_id: str, password: str, totp_code: str, origin: Origin = NOWHERE) -> None:
        """Check the password, and spend a one-time code or a recovery code where they are on.

        Raises CredentialsWrong, CodeWrong, RateLimited, Busy.
        """
        try:
            self.passwords.check(account_id, password)
        except CredentialsWrong:
            self.trail.note(AuditKind.CHALLENGE_REFUSED, account_id, origin, challenge="password", to="prove")
            raise
        if self.second_factor.confirmed(account_id) is None:
            return
        proof = proof_of(totp_code)
        if not (self.second_factor.right(account_id, proof) and self.second_factor.spend(account_id, proof)):
            self._refuse_code(account_id, origin, "prove")
        self.on_changed(account_id)

    # ---- what they have in common ------------------------------------------------------------------------------------

    def _own(self, identity: Identity) -> Account:
        account = self.accounts.get(identity.account_id)
        if account is None:
            raise SessionEnded
        return account

    def _proven(self, identity: Identity, password: str, origin: Origin, what: str) -> Account:
        """The calling account, whose password was given to do something. Raises CredentialsWrong."""
        account = self._own(identity)
        try:
            self.passwords.check(identity.account_id, password)
        except CredentialsWrong:
            self.trail.note_by(identity, AuditKind.CHALLENGE_REFUSED, origin, challenge="password", to=what)
            raise
        return account

    def _refuse_code(self, account_id: str, origin: Origin, what: str) -> NoReturn:
        self.trail.note(AuditKind.CHALLENGE_REFUSED, account_id, origin, challenge="totp", to=what)
        raise CodeWrong

    def _set_password(self, account: Account, new: str, but: str = "") -> None:
        self.passwords.put(account.account_id, new)
        self.accounts.change(account.account_id, with_own_password(self.clock()))
        self.chains.end_all(account.account_id, but)

    def _tell(self, account: Account, mail: Mail) -> None:
        self.on_changed(account.account_id)
        self.outbox.put(mail, self.clock())


def proof_of(typed: str) -> Proof:
    """What somebody typed where either code will do."""
    return Proof(totp_code=typed) if _TOTP_CODE.fullmatch(typed) else Proof(recovery_code=typed)

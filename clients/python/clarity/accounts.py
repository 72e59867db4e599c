"""AuthService: accounts, sessions, proofs of who one is, consent, sharing and erasure.

confirmation = client.sign_up(email, password, consents=[Purpose.PURPOSE_STORAGE])
client.confirm_sign_up(confirmation.ticket, code_from_the_mail)
client.sign_in(email, password)
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from clarity.calling import Calls, kept
from clarity.calls import ClarityError
from clarity.credentials import SignedIn
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1.access_pb2 import DataFamily, Purpose, Role
from clarity.v1.account_pb2 import Account, Challenge, Confirmation, Device, Session, SessionInfo
from clarity.v1.erasure_pb2 import ErasureReceipt
from clarity.v1.sharing_pb2 import AccessEvent, Consent, Grant

TERMS_VERSION = "2026-11"
PRIVACY_VERSION = "2026-11"


class Accounts(Calls):
    """What one person does with their account, and what an operator does with others'."""

    # ---- signing up

    def sign_up(
        self,
        email: str,
        password: str,
        display_name: str = "",
        *,
        consents: Iterable[Purpose] = (),
        terms_version: str = TERMS_VERSION,
        privacy_version: str = PRIVACY_VERSION,
        first_name: str = "",
        last_name: str = "",
    ) -> Confirmation:
        """Ask for an account, the terms and the privacy notice read and accepted; a code is mailed.

        The answer is the same for an address that has an account.
        """
        request = auth.SignUpRequest(
            email=email,
            password=password,
            display_name=display_name,
            request_id=uuid.uuid4().hex,
            accepted_terms_version=terms_version,
            accepted_privacy_version=privacy_version,
            consents=consents,
            first_name=first_name,
            last_name=last_name,
        )
        return self._call(self._auth.SignUp, request, public=True).confirmation

    def confirm_sign_up(self, ticket: str, code: str) -> Account:
        """Make the account of a sign-up, with the code that was mailed. Does not sign in."""
        request = auth.ConfirmSignUpRequest(ticket=ticket, code=code)
        return self._call(self._auth.ConfirmSignUp, request, public=True).account

    def resend_confirmation(self, ticket: str) -> Confirmation:
        """Have another code mailed under a ticket; the one before stops counting."""
        request = auth.ResendConfirmationRequest(ticket=ticket)
        return self._call(self._auth.ResendConfirmation, request, public=True, once=True).confirmation

    # ---- sessions

    def sign_in(
        self,
        email: str,
        password: str,
        *,
        device: Device | None = None,
        short_session: bool = False,
        scopes: Iterable[str] = (),
    ) -> SignedIn | Challenge:
        """Begin a session and keep its tokens; or return what is asked for before there is one."""
        request = auth.SignInRequest(
            email=email,
            password=password,
            request_id=uuid.uuid4().hex,
            device=device,
            short_session=short_session,
            scopes=scopes,
        )
        answer = self._call(self._auth.SignIn, request, public=True)
        return answer.challenge if answer.HasField("challenge") else self._begun(answer.session, email)

    def answer_challenge(
        self, ticket: str, email: str, *, totp_code: str = "", recovery_code: str = "", new_password: str = ""
    ) -> SignedIn | Challenge:
        """Answer what `sign_in` of this address returned, with one of the three; return as it does."""
        request = auth.AnswerChallengeRequest(
            ticket=ticket,
            totp_code=totp_code or None,
            recovery_code=recovery_code or None,
            new_password=new_password or None,
            request_id=uuid.uuid4().hex,
        )
        answer = self._call(self._auth.AnswerChallenge, request, public=True)
        return answer.challenge if answer.HasField("challenge") else self._begun(answer.session, email)

    def sign_out(self, *, everywhere: bool = False) -> None:
        """End the session, or all there are, and forget its tokens; one that has ended already is as good."""
        try:
            self._call(self._auth.SignOut, auth.SignOutRequest(everywhere=everywhere))
        except ClarityError as error:
            # Who is signed in nowhere here cannot end sessions elsewhere, and must not believe it.
            if everywhere or error.code is not grpc.StatusCode.UNAUTHENTICATED:
                raise
        self._forget()

    def sessions(self) -> Iterator[SessionInfo]:
        """Yield the sessions that have not ended, the newest first."""
        for page in self._pages(self._auth.ListSessions, auth.ListSessionsRequest()):
            yield from page.sessions

    def revoke_session(self, session_id: str) -> None:
        """End one of the account's sessions."""
        self._call(self._auth.RevokeSession, auth.RevokeSessionRequest(session_id=session_id))

    # ---- the account

    def account(self) -> Account:
        """Return the account that is signed in."""
        return self._call(self._auth.GetAccount, auth.GetAccountRequest()).account

    def update_account(self, changes: Mapping[str, object]) -> tuple[Account, Confirmation | None]:
        """Change fields by their names; return the account, and what `confirm_email` needs where the address is new."""
        values: dict[str, Any] = dict(changes)
        request = auth.UpdateAccountRequest(account=Account(**values), update_mask=FieldMask(paths=sorted(changes)))
        answer = self._call(self._auth.UpdateAccount, request)
        return answer.account, answer.confirmation if answer.HasField("confirmation") else None

    def confirm_email(self, ticket: str, code: str) -> Account:
        """Make a new address count, with the code that was mailed to it."""
        return self._call(self._auth.ConfirmEmail, auth.ConfirmEmailRequest(ticket=ticket, code=code)).account

    # ---- proofs of who one is

    def change_password(self, password: str, new_password: str) -> None:
        """Change the password and end all other sessions."""
        request = auth.ChangePasswordRequest(password=password, new_password=new_password)
        self._call(self._auth.ChangePassword, request, once=True)

    def request_password_reset(self, email: str) -> Confirmation:
        """Have a code mailed that `reset_password` takes; the answer is the same where there is no account."""
        request = auth.RequestPasswordResetRequest(email=email)
        return self._call(self._auth.RequestPasswordReset, request, public=True).confirmation

    def reset_password(self, ticket: str, code: str, new_password: str) -> None:
        """Set a new password with the code that was mailed, and end all sessions."""
        request = auth.ResetPasswordRequest(ticket=ticket, code=code, new_password=new_password)
        self._call(self._auth.ResetPassword, request, public=True, once=True)

    def enroll_totp(self, password: str) -> auth.EnrollTotpResponse:
        """Return a new secret for one-time codes, which count once `confirm_totp` has seen one."""
        return self._call(self._auth.EnrollTotp, auth.EnrollTotpRequest(password=password))

    def confirm_totp(self, totp_code: str) -> list[str]:
        """Turn one-time codes on; return the recovery codes, told here and never again."""
        request = auth.ConfirmTotpRequest(totp_code=totp_code)
        return list(self._call(self._auth.ConfirmTotp, request, once=True).recovery_codes)

    def remove_totp(self, password: str, *, totp_code: str = "", recovery_code: str = "") -> None:
        """Turn one-time codes off, with the password and one of the two codes."""
        request = auth.RemoveTotpRequest(
            password=password, totp_code=totp_code or None, recovery_code=recovery_code or None
        )
        self._call(self._auth.RemoveTotp, request, once=True)

    def create_recovery_codes(self, password: str) -> list[str]:
        """Replace the recovery codes; return the new ones, told here and never again."""
        request = auth.CreateRecoveryCodesRequest(password=password)
        return list(self._call(self._auth.CreateRecoveryCodes, request).recovery_codes)

    # ---- consent and sharing

    def consents(self) -> tuple[list[Consent], str]:
        """Return the consents, one for every purpose, and the version of the text that is agreed to at present."""
        answer = self._call(self._auth.ListConsents, auth.ListConsentsRequest())
        return list(answer.consents), answer.text_version

    def set_consent(self, purpose: Purpose, *, given: bool, text_version: str = "") -> Consent:
        """Give consent to a purpose, or withdraw it; giving names the version of the text that was read."""
        request = auth.SetConsentRequest(purpose=purpose, given=given, text_version=text_version)
        return self._call(self._auth.SetConsent, request).consent

    def create_grant(self, reader_id: str, families: Iterable[DataFamily], expire_time: datetime) -> Grant:
        """Let a clinician or researcher read some families until a time with an offset."""
        until = Timestamp()
        until.FromDatetime(expire_time)
        request = auth.CreateGrantRequest(
            reader_id=reader_id, families=families, expire_time=until, request_id=uuid.uuid4().hex
        )
        return self._call(self._auth.CreateGrant, request).grant

    def grants(self, *, received: bool = False) -> Iterator[Grant]:
        """Yield the grants that were given, or those that were received, the newest first."""
        for page in self._pages(self._auth.ListGrants, auth.ListGrantsRequest(received=received)):
            yield from page.grants

    def revoke_grant(self, grant_id: str) -> Grant:
        """End a grant that was given."""
        return self._call(self._auth.RevokeGrant, auth.RevokeGrantRequest(grant_id=grant_id)).grant

    def access_events(self) -> Iterator[AccessEvent]:
        """Yield who has read the account's data by a grant, the newest first."""
        for page in self._pages(self._auth.ListAccessEvents, auth.ListAccessEventsRequest()):
            yield from page.access_events

    # ---- erasure

    def delete_account(self, password: str, totp_code: str = "") -> auth.DeleteAccountResponse:
        """Ask for the erasure of the account; return the receipt's secret and when it begins.

        The secret is told here and never again. All sessions end, and the tokens are forgotten.
        """
        request = auth.DeleteAccountRequest(password=password, totp_code=totp_code)
        answer = self._call(self._auth.DeleteAccount, request, once=True)
        self._forget()
        return answer

    def erasure_receipt(self, receipt_secret: str) -> ErasureReceipt:
        """Tell what became of an erasure."""
        request = auth.GetErasureReceiptRequest(receipt_secret=receipt_secret)
        return self._call(self._auth.GetErasureReceipt, request, public=True).receipt

    # ---- for operators

    def create_account(self, email: str, display_name: str = "", roles: Iterable[Role] = ()) -> Account:
        """Make an account for somebody else; a password for one use is mailed to them."""
        request = auth.CreateAccountRequest(
            email=email, display_name=display_name, roles=roles, request_id=uuid.uuid4().hex
        )
        return self._call(self._auth.CreateAccount, request).account

    def find_account(self, *, email: str = "", account_id: str = "") -> Account:
        """Return an account by its address or its id: its state, roles and times."""
        request = auth.FindAccountRequest(email=email or None, account_id=account_id or None)
        return self._call(self._auth.FindAccount, request).account

    def set_account_state(self, account_id: str, state: Account.State, reason: str) -> Account:
        """Suspend, disable or reinstate an account; the reason is for the audit, without data of the person."""
        request = auth.SetAccountStateRequest(account_id=account_id, state=state, reason=reason)
        return self._call(self._auth.SetAccountState, request).account

    def set_account_roles(self, account_id: str, roles: Iterable[Role]) -> Account:
        """Give an account exactly these roles, and end its sessions."""
        request = auth.SetAccountRolesRequest(account_id=account_id, roles=roles)
        return self._call(self._auth.SetAccountRoles, request).account

    def _begun(self, session: Session, email: str) -> SignedIn:
        begun = kept(session, email)
        if self.tokens is not None:
            self.tokens.keep(begun)
        return begun

    def _forget(self) -> None:
        if self.tokens is not None:
            self.tokens.forget()

"""The AuthService of the contract."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.api.httpbody_pb2 import HttpBody
from grpc.aio import ServicerContext

from clarity.v1 import auth_service_pb2 as pb
from clarity.v1 import auth_service_pb2_grpc
from clarity_server.flows.erase import Erase
from clarity_server.flows.operate import Operate
from clarity_server.flows.profile import Profile
from clarity_server.flows.proofs import Proofs
from clarity_server.flows.sharing import Sharing
from clarity_server.flows.sign_in import SignIn
from clarity_server.flows.sign_up import SignUp
from clarity_server.services import rules_auth as rules
from clarity_server.services import wire_auth as wire
from clarity_server.services.caller import caller, origin
from clarity_server.services.evenly import Evenly
from clarity_server.services.offload import Offload
from clarity_server.services.rules_auth import plain
from clarity_server.services.wire import timestamp

Context: TypeAlias = ServicerContext[Any, Any]
PASSWORD_THREADS = 8 + 64 + 8  # who hashes, who waits for it, and a few who find it full and answer Busy at once


@dataclass(frozen=True, slots=True)
class Identities:
    """The verbs behind the AuthService."""

    sign_up: SignUp
    sign_in: SignIn
    profile: Profile
    proofs: Proofs
    sharing: Sharing
    operate: Operate
    erase: Erase
    jwks: Callable[[], Mapping[str, object]]  # never blocks


class AuthService(auth_service_pb2_grpc.AuthServiceServicer):
    """Accounts, sessions, consent, sharing and erasure."""

    def __init__(self, verbs: Identities, offload: Offload, password_offload: Offload) -> None:
        """`password_offload` has threads of its own: those that wait for a hash must not keep other calls waiting."""
        self._verbs = verbs
        self._offload = offload
        self._password_offload = password_offload
        self._evenly = Evenly()

    # ---- signing up and in -------------------------------------------------------------------------------------------

    async def SignUp(self, request: pb.SignUpRequest, context: Context) -> pb.SignUpResponse:
        rules.sign_up(request)
        asked = wire.from_sign_up(request)
        async with self._evenly():
            verb = self._verbs.sign_up.sign_up
            account, confirmation = await self._password_offload(verb, asked, request.request_id, origin())
        return pb.SignUpResponse(account=wire.to_account(account), confirmation=wire.to_confirmation(confirmation))

    async def ConfirmSignUp(self, request: pb.ConfirmSignUpRequest, context: Context) -> pb.ConfirmSignUpResponse:
        rules.ticketed(request)
        verb = self._verbs.sign_up.confirm
        account = await self._offload(verb, request.ticket, plain(request.code), origin())
        return pb.ConfirmSignUpResponse(account=wire.to_account(account))

    async def ResendConfirmation(
        self, request: pb.ResendConfirmationRequest, context: Context
    ) -> pb.ResendConfirmationResponse:
        rules.resend_confirmation(request)
        confirmation = await self._offload(self._verbs.sign_up.resend, request.ticket, origin())
        return pb.ResendConfirmationResponse(confirmation=wire.to_confirmation(confirmation))

    async def SignIn(self, request: pb.SignInRequest, context: Context) -> pb.SignInResponse:
        rules.sign_in(request)
        verb, asked = self._verbs.sign_in.sign_in, wire.from_sign_in(request)
        async with self._evenly():
            return wire.to_signed_in(await self._password_offload(verb, asked, request.request_id, origin()))

    async def AnswerChallenge(self, request: pb.AnswerChallengeRequest, context: Context) -> pb.AnswerChallengeResponse:
        rules.answer_challenge(request)
        verb, answer = self._verbs.sign_in.answer, wire.from_answer(request)
        offload = self._password_offload if answer.new_password else self._offload
        return wire.to_answered(await offload(verb, request.ticket, answer, request.request_id, origin()))

    async def RefreshSession(self, request: pb.RefreshSessionRequest, context: Context) -> pb.RefreshSessionResponse:
        rules.refresh_session(request)
        verb = self._verbs.sign_in.refresh
        tokens = await self._offload(verb, request.refresh_token, request.request_id, origin())
        return pb.RefreshSessionResponse(session=wire.to_session(tokens))

    async def SignOut(self, request: pb.SignOutRequest, context: Context) -> pb.SignOutResponse:
        verb = self._verbs.sign_in.sign_out
        await self._offload(verb, caller(), origin(), everywhere=request.everywhere)
        return pb.SignOutResponse()

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Context) -> pb.ListSessionsResponse:
        rules.page(request)
        verb, identity = self._verbs.sign_in.sessions, caller()
        sessions, following = await self._offload(verb, identity, request.page_size, request.page_token)
        told = [wire.to_session_info(session, identity.session_id) for session in sessions]
        return pb.ListSessionsResponse(sessions=told, next_page_token=following)

    async def RevokeSession(self, request: pb.RevokeSessionRequest, context: Context) -> pb.RevokeSessionResponse:
        rules.revoke_session(request)
        await self._offload(self._verbs.sign_in.revoke, caller(), request.session_id, origin())
        return pb.RevokeSessionResponse()

    # ---- the account -------------------------------------------------------------------------------------------------

    async def GetAccount(self, request: pb.GetAccountRequest, context: Context) -> pb.GetAccountResponse:
        shown = self._verbs.profile.known_account(caller())
        if shown is None:
            shown = await self._offload(self._verbs.profile.account, caller())
        return pb.GetAccountResponse(account=wire.to_shown(shown))

    async def UpdateAccount(self, request: pb.UpdateAccountRequest, context: Context) -> pb.UpdateAccountResponse:
        rules.update_account(request)
        verb, changes = self._verbs.profile.update, wire.from_update(request)
        shown, confirmation = await self._offload(verb, caller(), changes, origin())
        told = None if confirmation is None else wire.to_confirmation(confirmation)
        return pb.UpdateAccountResponse(account=wire.to_shown(shown), confirmation=told)

    async def ConfirmEmail(self, request: pb.ConfirmEmailRequest, context: Context) -> pb.ConfirmEmailResponse:
        rules.ticketed(request)
        verb = self._verbs.profile.confirm_email
        shown = await self._offload(verb, caller(), request.ticket, plain(request.code), origin())
        return pb.ConfirmEmailResponse(account=wire.to_shown(shown))

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Context) -> pb.ChangePasswordResponse:
        rules.change_password(request)
        verb = self._verbs.proofs.change_password
        await self._password_offload(verb, caller(), request.password, request.new_password, origin())
        return pb.ChangePasswordResponse()

    async def RequestPasswordReset(
        self, request: pb.RequestPasswordResetRequest, context: Context
    ) -> pb.RequestPasswordResetResponse:
        rules.request_password_reset(request)
        async with self._evenly():
            confirmation = await self._offload(self._verbs.proofs.request_reset, request.email, origin())
        return pb.RequestPasswordResetResponse(confirmation=wire.to_confirmation(confirmation))

    async def ResetPassword(self, request: pb.ResetPasswordRequest, context: Context) -> pb.ResetPasswordResponse:
        rules.ticketed(request)
        verb, code = self._verbs.proofs.reset, plain(request.code)
        await self._password_offload(verb, request.ticket, code, request.new_password, origin())
        return pb.ResetPasswordResponse()

    async def EnrollTotp(self, request: pb.EnrollTotpRequest, context: Context) -> pb.EnrollTotpResponse:
        rules.proven(request)
        verb = self._verbs.proofs.enroll_totp
        secret, uri = await self._password_offload(verb, caller(), request.password, origin())
        return pb.EnrollTotpResponse(secret=secret, otpauth_uri=uri)

    async def ConfirmTotp(self, request: pb.ConfirmTotpRequest, context: Context) -> pb.ConfirmTotpResponse:
        rules.confirm_totp(request)
        verb = self._verbs.proofs.confirm_totp
        recovery_codes = await self._offload(verb, caller(), plain(request.totp_code), origin())
        return pb.ConfirmTotpResponse(recovery_codes=recovery_codes)

    async def RemoveTotp(self, request: pb.RemoveTotpRequest, context: Context) -> pb.RemoveTotpResponse:
        rules.remove_totp(request)
        verb, code = self._verbs.proofs.remove_totp, plain(request.totp_code)
        await self._password_offload(verb, caller(), request.password, code, request.recovery_code, origin())
        return pb.RemoveTotpResponse()

    async def CreateRecoveryCodes(
        self, request: pb.CreateRecoveryCodesRequest, context: Context
    ) -> pb.CreateRecoveryCodesResponse:
        rules.proven(request)
        verb = self._verbs.proofs.recovery_codes
        made = await self._password_offload(verb, caller(), request.password, origin())
        return pb.CreateRecoveryCodesResponse(recovery_codes=made)

    # ---- consent and sharing -----------------------------------------------------------------------------------------

    async def ListConsents(self, request: pb.ListConsentsRequest, context: Context) -> pb.ListConsentsResponse:
        return wire.to_consents(await self._offload(self._verbs.sharing.consents, caller()))

    async def SetConsent(self, request: pb.SetConsentRequest, context: Context) -> pb.SetConsentResponse:
        rules.set_consent(request)
        verb, purpose = self._verbs.sharing.set_consent, wire.from_purpose(request.purpose)
        consent = await self._offload(verb, caller(), purpose, request.given, request.text_version, origin())
        return pb.SetConsentResponse(consent=wire.to_consent(consent))

    async def CreateGrant(self, request: pb.CreateGrantRequest, context: Context) -> pb.CreateGrantResponse:
        rules.create_grant(request)
        verb, families = self._verbs.sharing.create_grant, wire.from_families(request.families)
        expire_time = wire.from_moment(request.expire_time)
        grant = await self._offload(
            verb, caller(), request.reader_id, families, expire_time, request.request_id, origin()
        )
        return pb.CreateGrantResponse(grant=wire.to_grant(grant))

    async def ListGrants(self, request: pb.ListGrantsRequest, context: Context) -> pb.ListGrantsResponse:
        rules.page(request)
        verb, size, token = self._verbs.sharing.grants, request.page_size, request.page_token
        grants, following = await self._offload(
            verb, caller(), received=request.received, page_size=size, page_token=token
        )
        return pb.ListGrantsResponse(grants=map(wire.to_grant, grants), next_page_token=following)

    async def RevokeGrant(self, request: pb.RevokeGrantRequest, context: Context) -> pb.RevokeGrantResponse:
        rules.revoke_grant(request)
        grant = await self._offload(self._verbs.sharing.revoke_grant, caller(), request.grant_id, origin())
        return pb.RevokeGrantResponse(grant=wire.to_grant(grant))

    async def ListAccessEvents(
        self, request: pb.ListAccessEventsRequest, context: Context
    ) -> pb.ListAccessEventsResponse:
        rules.page(request)
        verb = self._verbs.sharing.access_events
        events, following = await self._offload(verb, caller(), request.page_size, request.page_token)
        return pb.ListAccessEventsResponse(access_events=map(wire.to_access_event, events), next_page_token=following)

    # ---- erasure -----------------------------------------------------------------------------------------------------

    async def DeleteAccount(self, request: pb.DeleteAccountRequest, context: Context) -> pb.DeleteAccountResponse:
        rules.delete_account(request)
        verb, code = self._verbs.erase.request, plain(request.totp_code)
        secret, erase_time = await self._password_offload(verb, caller(), request.password, code, origin())
        return pb.DeleteAccountResponse(receipt_secret=secret, erase_time=timestamp(erase_time))

    async def GetErasureReceipt(
        self, request: pb.GetErasureReceiptRequest, context: Context
    ) -> pb.GetErasureReceiptResponse:
        rules.get_erasure_receipt(request)
        erasure = await self._offload(self._verbs.erase.receipt, request.receipt_secret)
        return pb.GetErasureReceiptResponse(receipt=wire.to_receipt(erasure))

    async def GetJwks(self, request: pb.GetJwksRequest, context: Context) -> HttpBody:
        data = json.dumps(self._verbs.jwks(), separators=(",", ":")).encode()
        return HttpBody(content_type="application/json", data=data)

    # ---- for operators -----------------------------------------------------------------------------------------------

    async def CreateAccount(self, request: pb.CreateAccountRequest, context: Context) -> pb.CreateAccountResponse:
        rules.create_account(request)
        verb, email = self._verbs.operate.create_account, request.email.strip()
        roles = wire.from_roles(request.roles)
        account = await self._password_offload(
            verb, caller(), email, request.display_name, roles, request.request_id, origin()
        )
        return pb.CreateAccountResponse(account=wire.to_found(account))

    async def FindAccount(self, request: pb.FindAccountRequest, context: Context) -> pb.FindAccountResponse:
        rules.find_account(request)
        verb, email, account_id = self._verbs.operate.find, request.email.strip(), request.account_id
        account = await self._offload(verb, caller(), email=email, account_id=account_id, origin=origin())
        return pb.FindAccountResponse(account=wire.to_found(account))

    async def SetAccountState(self, request: pb.SetAccountStateRequest, context: Context) -> pb.SetAccountStateResponse:
        rules.set_account_state(request)
        verb, state = self._verbs.operate.set_state, wire.from_state(request.state)
        account = await self._offload(verb, caller(), request.account_id, state, request.reason, origin())
        return pb.SetAccountStateResponse(account=wire.to_found(account))

    async def SetAccountRoles(self, request: pb.SetAccountRolesRequest, context: Context) -> pb.SetAccountRolesResponse:
        rules.set_account_roles(request)
        verb, roles = self._verbs.operate.set_roles, wire.from_roles(request.roles)
        account = await self._offload(verb, caller(), request.account_id, roles, origin())
        return pb.SetAccountRolesResponse(account=wire.to_found(account))

"""The AuthService answers in the words of the contract, over a real store."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from clarity.v1 import auth_service_pb2 as pb
from clarity.v1.access_pb2 import DataFamily, Purpose
from clarity.v1.account_pb2 import Account, Challenge, Device, Session
from clarity.v1.auth_service_pb2_grpc import AuthServiceServicer
from clarity.v1.erasure_pb2 import ErasureReceipt
from clarity.v1.sharing_pb2 import Grant
from clarity_server.adapters.local.hashing import Cost, Hashing
from clarity_server.domain import access
from clarity_server.domain.accounts import CONSENT_VERSION, PRIVACY_VERSION, TERMS_VERSION
from clarity_server.domain.errors import CodeWrong, CredentialsWrong, InvalidInput, RefreshTokenInvalid
from clarity_server.domain.ids import new_id
from clarity_server.domain.sharing import AccessEvent
from clarity_server.domain.tokens import public_keys, verify_access
from clarity_server.flows.erase import Erase
from clarity_server.flows.operate import Operate
from clarity_server.flows.sharing import Sharing
from clarity_server.services.auth_service import AuthService, Context, Identities
from clarity_server.services.caller import CALLER, ORIGIN
from clarity_server.services.offload import Offload
from tests.contracts.identity_world import (
    EMAIL,
    HERE,
    NOW,
    OTHER_EMAIL,
    OTHER_PASSWORD,
    PASSWORD,
    IdentityWorld,
    identity_world,
)
from tests.flows.upload_world import flies

SLOW = Cost(memory_kib=19 * 1024, passes=8, lanes=1)
NO_CONTEXT = cast("Context", None)  # none of the methods looks at it: the caller comes from CALLER
GRACE_S = 7 * 86400.0


def identities(world: IdentityWorld, hashing: Hashing | None = None) -> Identities:
    """All verbs. Nothing is erased here: there are no stores to empty."""
    verbs, store, clock = world.verbs(hashing=hashing), world.store, world.clock
    ended, audit = world.ended.append, world.audit
    erase = Erase(
        *(store.accounts, store.sessions, store.consents, store.outbox, audit, store.ledger, store.keys, ()),
        prove=verbs.proofs.prove,
        failing=flies,
        scrub=lambda: None,
        grace_s=GRACE_S,
        on_ended=ended,
        clock=clock,
    )
    events = store.access_events
    sharing = Sharing(
        store.accounts, store.consents, store.grants, events, store.requests, store.keys, audit, clock=clock
    )
    operate = Operate(
        *(store.accounts, store.passwords, store.sessions, store.consents, store.outbox, audit),
        *(store.requests, store.keys, ended, clock),
    )
    return Identities(
        verbs.sign_up, verbs.sign_in, verbs.profile, verbs.proofs, sharing, operate, erase, store.keys.jwks
    )


@contextmanager
def serving(world: IdentityWorld, hashing: Hashing | None = None, threads: int = 2) -> Iterator[AuthService]:
    offload, password_offload = Offload(threads), Offload(threads)
    yield AuthService(identities(world, hashing), offload, password_offload)
    offload.close()
    password_offload.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[IdentityWorld]:
    with identity_world(tmp_path) as world:
        yield world


@pytest.fixture
def service(world: IdentityWorld) -> Iterator[AuthService]:
    with serving(world) as service:
        yield service


def signing_up(email: str = EMAIL, request_id: str = "") -> pb.SignUpRequest:
    return pb.SignUpRequest(
        email=email,
        password=PASSWORD,
        display_name="Owl",
        request_id=request_id,
        accepted_terms_version=TERMS_VERSION,
        accepted_privacy_version=PRIVACY_VERSION,
        consents=["PURPOSE_STORAGE", "PURPOSE_RESEARCH"],
    )


async def member(service: AuthService, world: IdentityWorld, email: str = EMAIL) -> Account:
    confirmation = (await service.SignUp(signing_up(email), NO_CONTEXT)).confirmation
    code = world.code(email)
    request = pb.ConfirmSignUpRequest(ticket=confirmation.ticket, code=f" {code[:4]}-{code[4:]}")
    return (await service.ConfirmSignUp(request, NO_CONTEXT)).account


async def calling(service: AuthService, world: IdentityWorld, email: str = EMAIL, password: str = PASSWORD) -> Session:
    """Sign in, and be the one who calls from now on."""
    session = (await service.SignIn(pb.SignInRequest(email=email, password=password), NO_CONTEXT)).session
    CALLER.set(verify_access(session.access_token, public_keys(world.keys.jwks()), world.clock()))
    ORIGIN.set(HERE)
    return session


def test_every_method_of_the_contract_is_here_and_in_its_order() -> None:
    named = [method.name for method in pb.DESCRIPTOR.services_by_name["AuthService"].methods]
    written = [name for name in vars(AuthService) if name in named]
    assert written == named
    assert all(getattr(AuthService, name) is not getattr(AuthServiceServicer, name) for name in named)


# ---- signing up and in -----------------------------------------------------------------------------------------------


async def test_sign_up_answers_the_account_as_the_contract_shows_it(service: AuthService) -> None:
    answer = await service.SignUp(signing_up(f" {EMAIL} "), NO_CONTEXT)
    account, confirmation = answer.account, answer.confirmation
    assert (account.account_id, account.email, account.display_name) == ("", EMAIL, "Owl")
    assert (account.state, account.terms_version) == (Account.STATE_PENDING, TERMS_VERSION)
    assert account.create_time.ToMicroseconds() == NOW * 1_000_000
    assert (confirmation.email, len(confirmation.ticket)) == (EMAIL, 26)
    assert confirmation.expire_time.ToMicroseconds() == (NOW + 3600) * 1_000_000
    assert confirmation.resend_time.ToMicroseconds() == (NOW + 60) * 1_000_000


async def test_a_repeat_of_sign_up_answers_the_same_bytes(service: AuthService) -> None:
    request = signing_up(request_id="r")
    assert await service.SignUp(request, NO_CONTEXT) == await service.SignUp(request, NO_CONTEXT)


async def test_the_code_is_taken_with_blanks_and_hyphens_and_another_one_is_mailed(
    service: AuthService, world: IdentityWorld
) -> None:
    account = await member(service, world)
    assert (account.state, len(account.account_id)) == (Account.STATE_ACTIVE, 26)
    ticket = (await service.SignUp(signing_up(OTHER_EMAIL), NO_CONTEXT)).confirmation.ticket
    world.clock.wait(60)
    resent = await service.ResendConfirmation(pb.ResendConfirmationRequest(ticket=ticket), NO_CONTEXT)
    assert (resent.confirmation.ticket, resent.confirmation.email) == (ticket, "")
    assert len(world.mails(OTHER_EMAIL)) == 2


async def test_sign_in_answers_a_session_whose_access_token_names_it(
    service: AuthService, world: IdentityWorld
) -> None:
    account = await member(service, world)
    request = pb.SignInRequest(email=f"\t{EMAIL.upper()} ", password=PASSWORD, scopes=["account.read"])
    session = (await service.SignIn(request, NO_CONTEXT)).session
    caller = verify_access(session.access_token, public_keys(world.keys.jwks()), NOW)
    assert (caller.account_id, caller.session_id) == (account.account_id, session.session_id)
    assert (session.account_id, list(session.scopes)) == (account.account_id, ["account.read"])
    assert session.access_expire_time.ToSeconds() == caller.expire_time == int(NOW) + 600
    assert session.refresh_expire_time.ToMicroseconds() == (NOW + 30 * 24 * 3600) * 1_000_000


async def test_a_repeat_of_sign_in_answers_the_same_bytes(service: AuthService, world: IdentityWorld) -> None:
    await member(service, world)
    request = pb.SignInRequest(email=EMAIL, password=PASSWORD, request_id="r")
    first, second = await service.SignIn(request, NO_CONTEXT), await service.SignIn(request, NO_CONTEXT)
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


async def test_refresh_answers_the_same_session_and_repeats_its_answer(
    service: AuthService, world: IdentityWorld
) -> None:
    await member(service, world)
    session = await calling(service, world)
    request = pb.RefreshSessionRequest(refresh_token=session.refresh_token, request_id="r")
    first, second = await service.RefreshSession(request, NO_CONTEXT), await service.RefreshSession(request, NO_CONTEXT)
    assert first == second
    assert (first.session.session_id, first.session.scopes) == (session.session_id, session.scopes)
    assert first.session.refresh_token != session.refresh_token


async def test_sign_out_ends_the_callers_session_and_no_other(service: AuthService, world: IdentityWorld) -> None:
    await member(service, world)
    other, mine = await calling(service, world), await calling(service, world)
    await service.SignOut(pb.SignOutRequest(), NO_CONTEXT)
    assert world.ended == [mine.session_id]
    with pytest.raises(RefreshTokenInvalid):
        await service.RefreshSession(pb.RefreshSessionRequest(refresh_token=mine.refresh_token), NO_CONTEXT)
    request = pb.RefreshSessionRequest(refresh_token=other.refresh_token)
    assert (await service.RefreshSession(request, NO_CONTEXT)).session.session_id == other.session_id
    await calling(service, world)
    await service.SignOut(pb.SignOutRequest(everywhere=True), NO_CONTEXT)
    assert len(world.ended) == 3


async def test_sessions_are_listed_with_their_devices_and_the_calling_one_and_revoked(
    service: AuthService, world: IdentityWorld
) -> None:
    await member(service, world)
    device = Device(device_id="d", name="Pixel 9", kind="phone", os="Android", app="CLARITY")
    ORIGIN.set(HERE)
    request = pb.SignInRequest(email=EMAIL, password=PASSWORD, device=device, short_session=True)
    phone = (await service.SignIn(request, NO_CONTEXT)).session
    world.clock.wait(1)
    mine = await calling(service, world)
    first = await service.ListSessions(pb.ListSessionsRequest(page_size=1), NO_CONTEXT)
    second = await service.ListSessions(pb.ListSessionsRequest(page_token=first.next_page_token), NO_CONTEXT)
    listed = [*first.sessions, *second.sessions]
    assert [(one.session_id, one.current) for one in listed] == [(mine.session_id, True), (phone.session_id, False)]
    assert (listed[1].device, listed[1].network) == (device, HERE.network)
    assert listed[1].expire_time.ToMicroseconds() == (NOW + 12 * 3600) * 1_000_000
    await service.RevokeSession(pb.RevokeSessionRequest(session_id=phone.session_id), NO_CONTEXT)
    left = (await service.ListSessions(pb.ListSessionsRequest(), NO_CONTEXT)).sessions
    assert [one.session_id for one in left] == [mine.session_id]


# ---- the account -----------------------------------------------------------------------------------------------------


async def test_get_account_answers_the_caller_and_nobody_else(service: AuthService, world: IdentityWorld) -> None:
    for email in (EMAIL, OTHER_EMAIL):
        account = await member(service, world, email)
        await calling(service, world, email)
        for _ in range(2):  # read, and known
            assert (await service.GetAccount(pb.GetAccountRequest(), NO_CONTEXT)).account == account


async def test_an_account_is_updated_by_its_mask(service: AuthService, world: IdentityWorld) -> None:
    await member(service, world)
    await calling(service, world)
    asked = Account(first_name="Ola", time_zone="Europe/Zurich", language="de-CH", preferences={"goal.steps": "8000"})
    mask = FieldMask(paths=["first_name", "time_zone", "preferences"])
    answer = await service.UpdateAccount(pb.UpdateAccountRequest(account=asked, update_mask=mask), NO_CONTEXT)
    told = answer.account
    assert (told.first_name, told.time_zone, told.language) == ("Ola", "Europe/Zurich", "")
    assert (dict(told.preferences), told.display_name) == ({"goal.steps": "8000"}, "Owl")
    assert not answer.HasField("confirmation")
    assert (await service.GetAccount(pb.GetAccountRequest(), NO_CONTEXT)).account == told


async def test_another_address_counts_once_it_is_confirmed(service: AuthService, world: IdentityWorld) -> None:
    await member(service, world)
    await calling(service, world)
    request = pb.UpdateAccountRequest(account=Account(email=OTHER_EMAIL), update_mask=FieldMask(paths=["email"]))
    answer = await service.UpdateAccount(request, NO_CONTEXT)
    assert (answer.account.email, answer.account.new_email) == (EMAIL, OTHER_EMAIL)
    assert answer.confirmation.email == OTHER_EMAIL
    confirm = pb.ConfirmEmailRequest(ticket=answer.confirmation.ticket, code=world.code(OTHER_EMAIL))
    told = (await service.ConfirmEmail(confirm, NO_CONTEXT)).account
    assert (told.email, told.new_email) == (OTHER_EMAIL, "")


async def test_a_password_is_changed_and_reset(service: AuthService, world: IdentityWorld) -> None:
    await member(service, world)
    await calling(service, world)
    change = pb.ChangePasswordRequest(password=PASSWORD, new_password=OTHER_PASSWORD)
    await service.ChangePassword(change, NO_CONTEXT)
    asked = await service.RequestPasswordReset(pb.RequestPasswordResetRequest(email=f" {EMAIL}"), NO_CONTEXT)
    assert asked.confirmation.email == EMAIL
    reset = pb.ResetPasswordRequest(ticket=asked.confirmation.ticket, code=world.code(), new_password="Thi-rd-3")
    await service.ResetPassword(reset, NO_CONTEXT)
    assert (await calling(service, world, password="Thi-rd-3")).access_token


async def test_one_time_codes_are_turned_on_asked_for_and_turned_off(
    service: AuthService, world: IdentityWorld
) -> None:
    await member(service, world)
    await calling(service, world)
    enrolled = await service.EnrollTotp(pb.EnrollTotpRequest(password=PASSWORD), NO_CONTEXT)
    assert enrolled.otpauth_uri.startswith("otpauth://totp/CLARITY:")
    shown = world.shown(enrolled.secret)
    confirm = pb.ConfirmTotpRequest(totp_code=f"{shown[:3]} {shown[3:]}")
    recovery_codes = (await service.ConfirmTotp(confirm, NO_CONTEXT)).recovery_codes
    account = (await service.GetAccount(pb.GetAccountRequest(), NO_CONTEXT)).account
    assert (account.totp_enabled, account.recovery_code_count) == (True, 10)
    challenge = (await service.SignIn(pb.SignInRequest(email=EMAIL, password=PASSWORD), NO_CONTEXT)).challenge
    assert challenge.kind == Challenge.KIND_TOTP
    answer = pb.AnswerChallengeRequest(ticket=challenge.ticket, recovery_code=recovery_codes[0], request_id="r")
    first, second = [await service.AnswerChallenge(answer, NO_CONTEXT) for _ in range(2)]
    assert first.session.access_token
    assert first == second
    made = await service.CreateRecoveryCodes(pb.CreateRecoveryCodesRequest(password=PASSWORD), NO_CONTEXT)
    assert len(made.recovery_codes) == 10
    world.clock.wait(30)
    remove = pb.RemoveTotpRequest(password=PASSWORD, totp_code=world.shown(enrolled.secret))
    await service.RemoveTotp(remove, NO_CONTEXT)
    assert not (await service.GetAccount(pb.GetAccountRequest(), NO_CONTEXT)).account.totp_enabled


# ---- consent, sharing, erasure ---------------------------------------------------------------------------------------


async def test_consents_are_told_by_number_and_set(service: AuthService, world: IdentityWorld) -> None:
    await member(service, world)
    await calling(service, world)
    listed = await service.ListConsents(pb.ListConsentsRequest(), NO_CONTEXT)
    assert listed.text_version == CONSENT_VERSION
    assert [one.purpose for one in listed.consents] == [1, 2, 3, 4]
    assert [one.given for one in listed.consents] == [True, False, False, True]
    world.clock.wait(5)
    request = pb.SetConsentRequest(purpose="PURPOSE_ANALYSIS", given=True, text_version=CONSENT_VERSION)
    consent = (await service.SetConsent(request, NO_CONTEXT)).consent
    assert (consent.purpose, consent.given, consent.text_version) == (Purpose.PURPOSE_ANALYSIS, True, CONSENT_VERSION)
    assert consent.effective_time.ToMicroseconds() == (NOW + 5) * 1_000_000


async def test_a_grant_is_made_listed_by_both_and_revoked(service: AuthService, world: IdentityWorld) -> None:
    clinician = await member(service, world, OTHER_EMAIL)
    roles = frozenset({access.Role.MEMBER, access.Role.CLINICIAN})
    world.accounts.change(clinician.account_id, lambda account: replace(account, roles=roles))
    owl = await member(service, world)
    await calling(service, world)
    ends = Timestamp(seconds=int(NOW) + 86400)
    request = pb.CreateGrantRequest(
        reader_id=clinician.account_id, families=["DATA_FAMILY_SLEEP", "DATA_FAMILY_ACTIVITY"], expire_time=ends
    )
    grant = (await service.CreateGrant(request, NO_CONTEXT)).grant
    assert list(grant.families) == [DataFamily.DATA_FAMILY_ACTIVITY, DataFamily.DATA_FAMILY_SLEEP]
    assert (grant.member_id, grant.reader_name, grant.member_name) == (owl.account_id, "Owl", "")
    assert (grant.expire_time, grant.state, grant.HasField("revoke_time")) == (ends, Grant.STATE_ACTIVE, False)
    given = await service.ListGrants(pb.ListGrantsRequest(), NO_CONTEXT)
    assert (list(given.grants), given.next_page_token) == ([grant], "")
    revoked = (await service.RevokeGrant(pb.RevokeGrantRequest(grant_id=grant.grant_id), NO_CONTEXT)).grant
    assert (revoked.state, revoked.revoke_time.ToMicroseconds()) == (Grant.STATE_REVOKED, NOW * 1_000_000)
    await calling(service, world, OTHER_EMAIL)
    received = await service.ListGrants(pb.ListGrantsRequest(received=True), NO_CONTEXT)
    assert [one.member_name for one in received.grants] == ["Owl"]


async def test_who_has_read_is_listed(service: AuthService, world: IdentityWorld) -> None:
    owl = await member(service, world)
    await calling(service, world)
    at = datetime.fromtimestamp(NOW, UTC)
    families = frozenset({access.Family.SLEEP, access.Family.ACTIVITY})
    event = AccessEvent(owl.account_id, owl.account_id, new_id(), "ListDays", families, at)
    world.store.access_events.add(event)
    [told] = (await service.ListAccessEvents(pb.ListAccessEventsRequest(), NO_CONTEXT)).access_events
    assert (told.number, told.method, told.grant_id) == (1, "ListDays", event.grant_id)
    assert list(told.families) == [DataFamily.DATA_FAMILY_ACTIVITY, DataFamily.DATA_FAMILY_SLEEP]
    assert told.access_time.ToMicroseconds() == NOW * 1_000_000


async def test_the_erasure_is_asked_for_and_its_receipt_needs_the_secret_only(
    service: AuthService, world: IdentityWorld
) -> None:
    await member(service, world)
    session = await calling(service, world)
    asked = await service.DeleteAccount(pb.DeleteAccountRequest(password=PASSWORD), NO_CONTEXT)
    assert asked.erase_time.ToMicroseconds() == (NOW + GRACE_S) * 1_000_000
    assert world.ended == [session.session_id]
    request = pb.GetErasureReceiptRequest(receipt_secret=asked.receipt_secret)
    receipt = (await service.GetErasureReceipt(request, NO_CONTEXT)).receipt
    assert (receipt.state, receipt.erase_time) == (ErasureReceipt.STATE_SCHEDULED, asked.erase_time)
    assert not receipt.HasField("done_time")
    assert (list(receipt.stores), receipt.signed_receipt) == ([], "")


async def test_the_public_keys_are_answered_as_json(service: AuthService, world: IdentityWorld) -> None:
    answer = await service.GetJwks(pb.GetJwksRequest(), NO_CONTEXT)
    assert (answer.content_type, json.loads(answer.data)) == ("application/json", world.keys.jwks())


# ---- operators -------------------------------------------------------------------------------------------------------


async def test_an_operator_makes_finds_suspends_and_promotes_an_account(
    service: AuthService, world: IdentityWorld
) -> None:
    await member(service, world)
    await calling(service, world)
    make = pb.CreateAccountRequest(email=f" {OTHER_EMAIL}", display_name="Lark", roles=["ROLE_CLINICIAN"])
    made = (await service.CreateAccount(make, NO_CONTEXT)).account
    assert (made.email, made.display_name, list(made.roles)) == (OTHER_EMAIL, "", [1, 2])
    for named in (pb.FindAccountRequest(email=OTHER_EMAIL), pb.FindAccountRequest(account_id=made.account_id)):
        assert (await service.FindAccount(named, NO_CONTEXT)).account == made
    suspend = pb.SetAccountStateRequest(account_id=made.account_id, state=Account.STATE_SUSPENDED, reason="asked to")
    assert (await service.SetAccountState(suspend, NO_CONTEXT)).account.state == Account.STATE_SUSPENDED
    roles = pb.SetAccountRolesRequest(account_id=made.account_id, roles=["ROLE_RESEARCHER"])
    assert list((await service.SetAccountRoles(roles, NO_CONTEXT)).account.roles) == [1, 3]


# ---- what all have in common -----------------------------------------------------------------------------------------


async def test_those_who_wait_for_a_hash_keep_no_other_call_waiting(world: IdentityWorld) -> None:
    slow = Hashing(SLOW)
    with serving(world, slow, threads=1) as service:
        await member(service, world)
        await calling(service, world)
        request = pb.SignInRequest(email=EMAIL, password=PASSWORD)
        waiting = [asyncio.ensure_future(service.SignIn(request, NO_CONTEXT)) for _ in range(4)]
        await service.GetAccount(pb.GetAccountRequest(), NO_CONTEXT)
        assert not waiting[-1].done()
        await asyncio.gather(*waiting)
    slow.close()


async def test_a_request_that_breaks_rules_never_reaches_the_verbs(service: AuthService, world: IdentityWorld) -> None:
    weak = signing_up()
    weak.password = "weak"
    with pytest.raises(InvalidInput) as invalid:
        await service.SignUp(weak, NO_CONTEXT)
    assert set(invalid.value.violations) == {"password"}
    with pytest.raises(InvalidInput):
        await service.SignIn(pb.SignInRequest(), NO_CONTEXT)
    with pytest.raises(InvalidInput):
        await service.EnrollTotp(pb.EnrollTotpRequest(), NO_CONTEXT)
    assert world.accounts.by_email(EMAIL) is None


async def test_wrong_credentials_and_wrong_codes_are_refused_with_one_text(
    service: AuthService, world: IdentityWorld
) -> None:
    await member(service, world)
    texts = set()
    for email, password in ((EMAIL, "Night-0wL"), (OTHER_EMAIL, PASSWORD)):
        with pytest.raises(CredentialsWrong) as refused:
            await service.SignIn(pb.SignInRequest(email=email, password=password), NO_CONTEXT)
        texts.add(str(refused.value))
    for email in (EMAIL, OTHER_EMAIL):
        asked = await service.RequestPasswordReset(pb.RequestPasswordResetRequest(email=email), NO_CONTEXT)
        reset = pb.ResetPasswordRequest(ticket=asked.confirmation.ticket, code="00000000", new_password=OTHER_PASSWORD)
        with pytest.raises(CodeWrong) as wrong:
            await service.ResetPassword(reset, NO_CONTEXT)
        texts.add(f"{wrong.value} {wrong.value.facts}")
    assert len(texts) == 2

"""Proto to domain and back for the AuthService, one function a message."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from clarity.v1 import account_pb2, erasure_pb2, sharing_pb2
from clarity.v1 import auth_service_pb2 as pb
from clarity.v1.access_pb2 import DataFamily, Purpose, Role
from clarity_server.domain import access, accounts, sharing
from clarity_server.domain.accounts import (
    Account,
    AccountState,
    Challenge,
    ChallengeKind,
    Confirmation,
    SessionInfo,
    Shown,
    Tokens,
)
from clarity_server.domain.erasure import Erasure
from clarity_server.flows.sign_in import ChallengeAnswer, SignInAsked
from clarity_server.flows.sign_up import SignUpAsked
from clarity_server.services.rules_auth import masked, plain
from clarity_server.services.wire import timestamp

_KINDS: Mapping[ChallengeKind, account_pb2.Challenge.Kind] = {
    ChallengeKind.TOTP: account_pb2.Challenge.KIND_TOTP,
    ChallengeKind.NEW_PASSWORD: account_pb2.Challenge.KIND_NEW_PASSWORD,
    ChallengeKind.CONFIRM_EMAIL: account_pb2.Challenge.KIND_CONFIRM_EMAIL,
}


# ---- choices, by the names of the contract ---------------------------------------------------------------------------


def from_purpose(purpose: int) -> access.Purpose:
    """Return a purpose."""
    return access.Purpose(Purpose.Name(purpose).removeprefix("PURPOSE_").lower())


def from_roles(roles: Iterable[int]) -> frozenset[access.Role]:
    """Return roles."""
    return frozenset(access.Role(Role.Name(role).removeprefix("ROLE_").lower()) for role in roles)


def from_families(families: Iterable[int]) -> frozenset[access.Family]:
    """Return families."""
    return frozenset(access.Family(DataFamily.Name(family).removeprefix("DATA_FAMILY_").lower()) for family in families)


def from_state(state: int) -> AccountState:
    """Return the state of an account."""
    return AccountState(account_pb2.Account.State.Name(state).removeprefix("STATE_").lower())


def _to_roles(roles: Iterable[access.Role]) -> list[str]:
    return sorted((f"ROLE_{role.name}" for role in roles), key=Role.Value)


def _to_families(families: Iterable[access.Family]) -> list[str]:
    return sorted((f"DATA_FAMILY_{family.name}" for family in families), key=DataFamily.Value)


# ---- signing up and in -----------------------------------------------------------------------------------------------


def from_sign_up(request: pb.SignUpRequest) -> SignUpAsked:
    """Return what somebody signs up with."""
    return SignUpAsked(
        email=request.email.strip(),
        password=request.password,
        display_name=request.display_name,
        first_name=request.first_name,
        last_name=request.last_name,
        terms_version=request.accepted_terms_version,
        privacy_version=request.accepted_privacy_version,
        consents=frozenset(map(from_purpose, request.consents)),
    )


def from_sign_in(request: pb.SignInRequest) -> SignInAsked:
    """Return what somebody signs in with."""
    device = request.device
    return SignInAsked(
        email=request.email.strip(),
        password=request.password,
        device=accounts.Device(device.device_id, device.name, device.kind, device.os, device.app),
        short_session=request.short_session,
        scopes=tuple(request.scopes),
    )


def from_answer(request: pb.AnswerChallengeRequest) -> ChallengeAnswer:
    """Return the answer to a challenge."""
    return ChallengeAnswer(plain(request.totp_code), request.recovery_code, request.new_password)


def to_signed_in(answer: Tokens | Challenge) -> pb.SignInResponse:
    """Return what comes of a sign-in."""
    if isinstance(answer, Challenge):
        return pb.SignInResponse(challenge=to_challenge(answer))
    return pb.SignInResponse(session=to_session(answer))


def to_answered(answer: Tokens | Challenge) -> pb.AnswerChallengeResponse:
    """Return what comes of an answer."""
    if isinstance(answer, Challenge):
        return pb.AnswerChallengeResponse(challenge=to_challenge(answer))
    return pb.AnswerChallengeResponse(session=to_session(answer))


def to_session(tokens: Tokens) -> account_pb2.Session:
    """Return a session with its newest tokens."""
    return account_pb2.Session(
        session_id=tokens.session_id,
        account_id=tokens.account_id,
        access_token=tokens.access_token,
        access_expire_time=timestamp(tokens.access_expire_time),
        refresh_token=tokens.refresh_token,
        refresh_expire_time=timestamp(tokens.refresh_expire_time),
        scopes=tokens.scopes,
    )


def to_challenge(challenge: Challenge) -> account_pb2.Challenge:
    """Return what a sign-in waits for."""
    return account_pb2.Challenge(
        kind=_KINDS[challenge.kind], ticket=challenge.ticket, expire_time=timestamp(challenge.expire_time)
    )


def to_confirmation(confirmation: Confirmation) -> account_pb2.Confirmation:
    """Return what a code is used with."""
    return account_pb2.Confirmation(
        ticket=confirmation.ticket,
        email=confirmation.email,
        expire_time=timestamp(confirmation.expire_time),
        resend_time=timestamp(confirmation.resend_time),
    )


def to_session_info(session: SessionInfo, current_id: str) -> account_pb2.SessionInfo:
    """Return a session as its owner sees it; the calling one is told apart."""
    device = session.device
    return account_pb2.SessionInfo(
        session_id=session.session_id,
        create_time=timestamp(session.create_time),
        refresh_time=timestamp(session.refresh_time),
        expire_time=timestamp(session.expire_time),
        device=account_pb2.Device(
            device_id=device.device_id, name=device.name, kind=device.kind, os=device.os, app=device.app
        ),
        network=session.network,
        current=session.session_id == current_id,
        scopes=session.scopes,
    )


# ---- the account -----------------------------------------------------------------------------------------------------


def to_account(account: Account) -> account_pb2.Account:
    """Return an account without its second factor."""
    return to_shown(Shown(account))


def to_shown(shown: Shown) -> account_pb2.Account:
    """Return an account as its owner sees it."""
    account = shown.account
    return account_pb2.Account(
        account_id=account.account_id,
        email=account.email,
        display_name=account.display_name,
        create_time=_moment(account.create_time),
        state=f"STATE_{account.state.name}",
        roles=_to_roles(account.roles),
        first_name=account.first_name,
        last_name=account.last_name,
        time_zone=account.time_zone,
        language=account.language,
        preferences=dict(account.preferences),
        new_email=account.new_email,
        totp_enabled=shown.totp_enabled,
        recovery_code_count=shown.recovery_code_count,
        terms_version=account.terms_version,
        privacy_version=account.privacy_version,
        erase_time=_moment(account.erase_time),
    )


def to_found(account: Account) -> account_pb2.Account:
    """Return what an operator sees of an account: its id, address, state, roles and times."""
    return account_pb2.Account(
        account_id=account.account_id,
        email=account.email,
        create_time=_moment(account.create_time),
        state=f"STATE_{account.state.name}",
        roles=_to_roles(account.roles),
        erase_time=_moment(account.erase_time),
    )


def from_update(request: pb.UpdateAccountRequest) -> dict[str, object]:
    """Return the changes to an account, by field."""
    paths = sorted(set(request.update_mask.paths))
    picked = masked(request.account, paths)
    return {path: dict(picked.preferences) if path == "preferences" else getattr(picked, path) for path in paths}


# ---- consent, sharing, erasure ---------------------------------------------------------------------------------------


def to_consent(consent: sharing.Consent) -> sharing_pb2.Consent:
    """Return a consent."""
    return sharing_pb2.Consent(
        purpose=f"PURPOSE_{consent.purpose.name}",
        given=consent.given,
        text_version=consent.text_version,
        effective_time=_moment(consent.effective_time),
    )


def to_consents(consents: Sequence[sharing.Consent]) -> pb.ListConsentsResponse:
    """Return all consents, by number."""
    told = sorted(map(to_consent, consents), key=lambda consent: consent.purpose)
    return pb.ListConsentsResponse(consents=told, text_version=accounts.CONSENT_VERSION)


def to_grant(named: sharing.NamedGrant) -> sharing_pb2.Grant:
    """Return a grant as one of its parties sees it."""
    grant = named.grant
    return sharing_pb2.Grant(
        grant_id=grant.grant_id,
        member_id=grant.member_id,
        member_name=named.member_name,
        reader_id=grant.reader_id,
        reader_name=named.reader_name,
        families=_to_families(grant.families),
        create_time=_moment(grant.create_time),
        expire_time=_moment(grant.expire_time),
        revoke_time=_moment(grant.revoke_time),
        state=f"STATE_{named.state.name}",
    )


def to_access_event(event: sharing.AccessEvent) -> sharing_pb2.AccessEvent:
    """Return one reading by somebody else."""
    return sharing_pb2.AccessEvent(
        number=event.number,
        access_time=_moment(event.access_time),
        reader_id=event.reader_id,
        reader_name=event.reader_name,
        grant_id=event.grant_id,
        method=event.method,
        families=_to_families(event.families),
    )


def to_receipt(erasure: Erasure) -> erasure_pb2.ErasureReceipt:
    """Return what became of an erasure. The stores are told once it is done."""
    done = erasure.done_time is not None
    stores = [
        erasure_pb2.ErasureReceipt.Store(store=name, erased_count=erased, left_count=left)
        for name, erased, left in erasure.stores
    ]
    return erasure_pb2.ErasureReceipt(
        erasure_id=erasure.erasure_id,
        state=f"STATE_{erasure.state.name}",
        request_time=timestamp(erasure.request_time),
        erase_time=timestamp(erasure.erase_time),
        done_time=timestamp(erasure.done_time) if erasure.done_time is not None else None,
        stores=stores if done else [],
        signed_receipt=erasure.signed_receipt,
    )


def from_moment(moment: Timestamp) -> datetime:
    """Return a time, to the microsecond."""
    return moment.ToDatetime(tzinfo=UTC)


def _moment(at: datetime | None) -> Timestamp | None:
    return None if at is None else timestamp(at.timestamp())

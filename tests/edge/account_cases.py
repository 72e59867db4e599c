"""What every RPC of AuthService is asked: once for an answer, once for a refusal, and by whom."""

import time
from collections.abc import Callable, Mapping

import pyotp
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from clarity.mailbox import Mailbox
from clarity.v1.access_pb2 import DATA_FAMILY_HEART, DATA_FAMILY_SLEEP, PURPOSE_RESEARCH, ROLE_CLINICIAN
from clarity.v1.account_pb2 import Account
from clarity.v1.auth_service_pb2 import (
    AnswerChallengeRequest,
    ChangePasswordRequest,
    ConfirmEmailRequest,
    ConfirmSignUpRequest,
    ConfirmTotpRequest,
    CreateAccountRequest,
    CreateGrantRequest,
    CreateRecoveryCodesRequest,
    DeleteAccountRequest,
    EnrollTotpRequest,
    FindAccountRequest,
    GetAccountRequest,
    GetErasureReceiptRequest,
    GetJwksRequest,
    ListAccessEventsRequest,
    ListConsentsRequest,
    ListGrantsRequest,
    ListSessionsRequest,
    RefreshSessionRequest,
    RemoveTotpRequest,
    RequestPasswordResetRequest,
    ResendConfirmationRequest,
    ResetPasswordRequest,
    RevokeGrantRequest,
    RevokeSessionRequest,
    SetAccountRolesRequest,
    SetAccountStateRequest,
    SetConsentRequest,
    SignInRequest,
    SignOutRequest,
    SignUpRequest,
    UpdateAccountRequest,
)
from clarity_server.domain.accounts import CONSENT_VERSION, PRIVACY_VERSION, TERMS_VERSION
from tests.edge.asking import Case, Cast, operated, own, public, read
from tests.edge.people import PASSWORD, Person
from tests.edge.surfaces import Ask

WRONG = "Wrong-horse-9"
ANOTHER = "Another-horse-9"
UNKNOWN = "a" * 26  # as tickets, ids and secrets look
CODE = "00000000"
MONTH_S = 30 * 86400


# ---- what has to be there before a question --------------------------------------------------------------------------


def sign_up(email: str) -> SignUpRequest:
    """Ask for an account in due form."""
    return SignUpRequest(
        email=email,
        password=PASSWORD,
        display_name="Ada",
        accepted_terms_version=TERMS_VERSION,
        accepted_privacy_version=PRIVACY_VERSION,
    )


def signed_up(cast: Cast) -> Message:
    """The mailed code of a new sign-up."""
    email, mailbox = cast.people.new_email("signed-up"), Mailbox(cast.outbox)
    ticket = cast.people.auth.SignUp(sign_up(email)).confirmation.ticket
    return ConfirmSignUpRequest(ticket=ticket, code=mailbox.code(email))


def moved(cast: Cast) -> Ask:
    """The mailed code of a new address."""
    person, email, mailbox = cast.fresh(), cast.people.new_email("moved"), Mailbox(cast.outbox)
    change = UpdateAccountRequest(account=Account(email=email), update_mask=FieldMask(paths=["email"]))
    ticket = cast.people.auth.UpdateAccount(change, metadata=person.metadata).confirmation.ticket
    return Ask([ConfirmEmailRequest(ticket=ticket, code=mailbox.code(email))], person.access_token)


def forgotten(cast: Cast) -> Message:
    """The mailed code of somebody who forgot the password."""
    person, mailbox = cast.fresh(), Mailbox(cast.outbox)
    asked = cast.people.auth.RequestPasswordReset(RequestPasswordResetRequest(email=person.email))
    return ResetPasswordRequest(ticket=asked.confirmation.ticket, code=mailbox.code(person.email), new_password=ANOTHER)


def enrolled(cast: Cast, person: Person) -> str:
    """A one-time code of a secret that was made just now."""
    made = cast.people.auth.EnrollTotp(EnrollTotpRequest(password=PASSWORD), metadata=person.metadata)
    return pyotp.TOTP(made.secret).now()


def with_totp(cast: Cast) -> tuple[Person, str]:
    """Somebody with one-time codes on, and a recovery code."""
    person = cast.fresh()
    turned_on = ConfirmTotpRequest(totp_code=enrolled(cast, person))
    return person, cast.people.auth.ConfirmTotp(turned_on, metadata=person.metadata).recovery_codes[0]


def challenged(cast: Cast) -> Message:
    """A recovery code for a sign-in that waits for one."""
    person, recovery_code = with_totp(cast)
    challenge = cast.people.auth.SignIn(SignInRequest(email=person.email, password=PASSWORD)).challenge
    return AnswerChallengeRequest(ticket=challenge.ticket, recovery_code=recovery_code)


def totp_turned_off(cast: Cast) -> Ask:
    person, recovery_code = with_totp(cast)
    return Ask([RemoveTotpRequest(password=PASSWORD, recovery_code=recovery_code)], person.access_token)


def grant(reader_id: str) -> CreateGrantRequest:
    """Let somebody read for a month."""
    until = Timestamp(seconds=int(time.time()) + MONTH_S)
    return CreateGrantRequest(reader_id=reader_id, families=[DATA_FAMILY_HEART, DATA_FAMILY_SLEEP], expire_time=until)


def granted(cast: Cast) -> Message:
    made = cast.people.auth.CreateGrant(grant(cast.clinician.account_id), metadata=cast.own.metadata).grant
    return RevokeGrantRequest(grant_id=made.grant_id)


def deleted(cast: Cast) -> Message:
    """The secret of somebody's erasure."""
    going = cast.people.auth.DeleteAccount(DeleteAccountRequest(password=PASSWORD), metadata=cast.fresh().metadata)
    return GetErasureReceiptRequest(receipt_secret=going.receipt_secret)


def another_session(cast: Cast) -> Message:
    return RevokeSessionRequest(session_id=cast.people.signed_in(cast.own.email).session_id)


def fresh(message: Callable[[Cast, Person], Message]) -> Callable[[Cast], Ask]:
    """Asked with somebody whom it changes for good."""

    def ask(cast: Cast) -> Ask:
        person = cast.fresh()
        return Ask([message(cast, person)], person.access_token)

    return ask


# ---- the questions ---------------------------------------------------------------------------------------------------

SESSION_CASES: Mapping[str, Case] = {
    "SignUp": Case(
        public(lambda cast: sign_up(cast.people.new_email("new"))),
        public(lambda _: SignUpRequest(email="nobody", password="short")),
        "REQUEST_INVALID",
    ),
    "ConfirmSignUp": Case(
        public(signed_up), public(lambda _: ConfirmSignUpRequest(ticket=UNKNOWN, code=CODE)), "CODE_WRONG"
    ),
    "ResendConfirmation": Case(
        public(lambda _: ResendConfirmationRequest(ticket=UNKNOWN)),  # the answer is the same where nothing is mailed
        public(lambda _: ResendConfirmationRequest()),
        "REQUEST_INVALID",
    ),
    "SignIn": Case(
        public(lambda cast: SignInRequest(email=cast.own.email, password=PASSWORD)),
        public(lambda cast: SignInRequest(email=cast.own.email, password=WRONG)),
        "CREDENTIALS_WRONG",
    ),
    "AnswerChallenge": Case(
        public(challenged),
        public(lambda _: AnswerChallengeRequest(ticket=UNKNOWN, totp_code=CODE[:6])),
        "CHALLENGE_ENDED",
    ),
    "RefreshSession": Case(
        public(lambda cast: RefreshSessionRequest(refresh_token=cast.people.signed_in(cast.own.email).refresh_token)),
        public(lambda _: RefreshSessionRequest(refresh_token="nonsense")),
        "REFRESH_TOKEN_INVALID",
    ),
    "SignOut": Case(
        lambda cast: Ask([SignOutRequest()], cast.people.signed_in(cast.own.email).access_token),
        lambda cast: Ask([SignOutRequest()], cast.people.signed_out(cast.own.email).access_token),
        "SESSION_ENDED",
    ),
    "ListSessions": Case(
        read(ListSessionsRequest(page_size=3)), read(ListSessionsRequest(page_token="nonsense")), "PAGE_TOKEN_INVALID"
    ),
    "RevokeSession": Case(
        own(another_session), own(lambda _: RevokeSessionRequest(session_id=UNKNOWN)), "SESSION_NOT_FOUND"
    ),
    "GetJwks": Case(public(lambda _: GetJwksRequest()), None, ""),
}

OWNER_CASES: Mapping[str, Case] = {
    "GetAccount": Case(read(GetAccountRequest()), public(lambda _: GetAccountRequest()), "TOKEN_MISSING"),
    "UpdateAccount": Case(
        own(
            lambda _: UpdateAccountRequest(
                account=Account(time_zone="Europe/Zurich", preferences={"goal.steps": "9000"}),
                update_mask=FieldMask(paths=["time_zone", "preferences"]),
            )
        ),
        own(lambda _: UpdateAccountRequest(account=Account(), update_mask=FieldMask(paths=["roles"]))),
        "REQUEST_INVALID",
    ),
    "ConfirmEmail": Case(moved, own(lambda _: ConfirmEmailRequest(ticket=UNKNOWN, code=CODE)), "CODE_WRONG"),
    "ChangePassword": Case(
        fresh(lambda _, __: ChangePasswordRequest(password=PASSWORD, new_password=ANOTHER)),
        own(lambda _: ChangePasswordRequest(password=WRONG, new_password=ANOTHER)),
        "CREDENTIALS_WRONG",
    ),
    "RequestPasswordReset": Case(
        public(lambda cast: RequestPasswordResetRequest(email=cast.own.email)),
        public(lambda _: RequestPasswordResetRequest()),
        "REQUEST_INVALID",
    ),
    "ResetPassword": Case(
        public(forgotten),
        public(lambda _: ResetPasswordRequest(ticket=UNKNOWN, code=CODE, new_password=ANOTHER)),
        "CODE_WRONG",
    ),
    "EnrollTotp": Case(
        own(lambda _: EnrollTotpRequest(password=PASSWORD)),
        own(lambda _: EnrollTotpRequest(password=WRONG)),
        "CREDENTIALS_WRONG",
    ),
    "ConfirmTotp": Case(
        fresh(lambda cast, person: ConfirmTotpRequest(totp_code=enrolled(cast, person))),
        read(ConfirmTotpRequest(totp_code=CODE[:6])),
        "TOTP_NOT_ENROLLED",
    ),
    "RemoveTotp": Case(
        totp_turned_off, read(RemoveTotpRequest(password=PASSWORD, totp_code=CODE[:6])), "TOTP_NOT_ENROLLED"
    ),
    "CreateRecoveryCodes": Case(
        lambda cast: Ask([CreateRecoveryCodesRequest(password=PASSWORD)], with_totp(cast)[0].access_token),
        read(CreateRecoveryCodesRequest(password=PASSWORD)),
        "TOTP_NOT_ENROLLED",
    ),
    "DeleteAccount": Case(
        fresh(lambda _, __: DeleteAccountRequest(password=PASSWORD)),
        own(lambda _: DeleteAccountRequest(password=WRONG)),
        "CREDENTIALS_WRONG",
    ),
    "GetErasureReceipt": Case(
        public(deleted), public(lambda _: GetErasureReceiptRequest(receipt_secret=UNKNOWN)), "RECEIPT_NOT_FOUND"
    ),
}

SHARING_CASES: Mapping[str, Case] = {
    "ListConsents": Case(read(ListConsentsRequest()), public(lambda _: ListConsentsRequest()), "TOKEN_MISSING"),
    "SetConsent": Case(
        own(lambda _: SetConsentRequest(purpose=PURPOSE_RESEARCH, given=True, text_version=CONSENT_VERSION)),
        own(lambda _: SetConsentRequest(purpose=PURPOSE_RESEARCH, given=True, text_version="1999-01")),
        "REQUEST_INVALID",
    ),
    "CreateGrant": Case(
        own(lambda cast: grant(cast.clinician.account_id)), own(lambda _: grant(UNKNOWN)), "READER_NOT_FOUND"
    ),
    "ListGrants": Case(read(ListGrantsRequest()), read(ListGrantsRequest(page_token="nonsense")), "PAGE_TOKEN_INVALID"),
    "RevokeGrant": Case(own(granted), own(lambda _: RevokeGrantRequest(grant_id=UNKNOWN)), "GRANT_NOT_FOUND"),
    "ListAccessEvents": Case(
        read(ListAccessEventsRequest()), read(ListAccessEventsRequest(page_token="nonsense")), "PAGE_TOKEN_INVALID"
    ),
}

OPERATOR_CASES: Mapping[str, Case] = {
    "CreateAccount": Case(
        operated(lambda cast: CreateAccountRequest(email=cast.people.new_email("made"), roles=[ROLE_CLINICIAN])),
        own(lambda cast: CreateAccountRequest(email=cast.people.new_email("made"))),
        "ROLE_MISSING",
    ),
    "FindAccount": Case(
        operated(lambda cast: FindAccountRequest(email=cast.reader.email)),
        operated(lambda _: FindAccountRequest(account_id=UNKNOWN)),
        "ACCOUNT_NOT_FOUND",
    ),
    "SetAccountState": Case(
        operated(lambda cast: suspension(cast.fresh().account_id)),
        operated(lambda _: suspension(UNKNOWN)),
        "ACCOUNT_NOT_FOUND",
    ),
    "SetAccountRoles": Case(
        operated(lambda cast: SetAccountRolesRequest(account_id=cast.fresh().account_id, roles=[ROLE_CLINICIAN])),
        operated(lambda _: SetAccountRolesRequest(account_id=UNKNOWN)),
        "ACCOUNT_NOT_FOUND",
    ),
}


def suspension(account_id: str) -> SetAccountStateRequest:
    return SetAccountStateRequest(account_id=account_id, state=Account.STATE_SUSPENDED, reason="asked by a test")


ACCOUNT_CASES: Mapping[str, Case] = {
    f"clarity.v1.AuthService/{rpc}": case
    for cases in (SESSION_CASES, OWNER_CASES, SHARING_CASES, OPERATOR_CASES)
    for rpc, case in cases.items()
}

"""Every documented limit is kept to the character, and one answer names every field that broke its rule."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from clarity.v1 import auth_service_pb2 as pb
from clarity.v1.access_pb2 import DataFamily, Role
from clarity.v1.account_pb2 import Account, Device
from clarity_server.domain.accounts import PRIVACY_VERSION, TERMS_VERSION
from clarity_server.domain.errors import InvalidInput
from clarity_server.services import rules, rules_auth

M = TypeVar("M", bound=Message)

JUDGES: dict[type[Message], Callable[[Any], None]] = {
    pb.SignUpRequest: rules_auth.sign_up,
    pb.ConfirmSignUpRequest: rules_auth.ticketed,
    pb.ResendConfirmationRequest: rules_auth.resend_confirmation,
    pb.SignInRequest: rules_auth.sign_in,
    pb.AnswerChallengeRequest: rules_auth.answer_challenge,
    pb.RefreshSessionRequest: rules_auth.refresh_session,
    pb.ListSessionsRequest: rules_auth.page,
    pb.RevokeSessionRequest: rules_auth.revoke_session,
    pb.UpdateAccountRequest: rules_auth.update_account,
    pb.ConfirmEmailRequest: rules_auth.ticketed,
    pb.ChangePasswordRequest: rules_auth.change_password,
    pb.RequestPasswordResetRequest: rules_auth.request_password_reset,
    pb.ResetPasswordRequest: rules_auth.ticketed,
    pb.EnrollTotpRequest: rules_auth.proven,
    pb.ConfirmTotpRequest: rules_auth.confirm_totp,
    pb.RemoveTotpRequest: rules_auth.remove_totp,
    pb.CreateRecoveryCodesRequest: rules_auth.proven,
    pb.SetConsentRequest: rules_auth.set_consent,
    pb.CreateGrantRequest: rules_auth.create_grant,
    pb.ListGrantsRequest: rules_auth.page,
    pb.RevokeGrantRequest: rules_auth.revoke_grant,
    pb.ListAccessEventsRequest: rules_auth.page,
    pb.DeleteAccountRequest: rules_auth.delete_account,
    pb.GetErasureReceiptRequest: rules_auth.get_erasure_receipt,
    pb.CreateAccountRequest: rules_auth.create_account,
    pb.FindAccountRequest: rules_auth.find_account,
    pb.SetAccountStateRequest: rules_auth.set_account_state,
    pb.SetAccountRolesRequest: rules_auth.set_account_roles,
}
UNJUDGED = {"SignOutRequest", "GetAccountRequest", "ListConsentsRequest", "GetJwksRequest"}  # nothing to be wrong
GOOD = {
    "email": "owl@example.org",
    "password": "Night-0wl",
    "display_name": "Owl",
    "request_id": "a-Z_0.9",
    "accepted_terms_version": TERMS_VERSION,
    "accepted_privacy_version": PRIVACY_VERSION,
}
LATER = Timestamp(seconds=2_000_000_000)
ADDRESS = 'has not exactly one `@` with something on both sides of it, or blanks or any of `<>(),;:"\\[]`'


def broken(request: Message) -> dict[str, str]:
    """What the request's own rules say of it; nothing for a good one."""
    try:
        JUDGES[type(request)](request)
    except InvalidInput as invalid:
        return dict(invalid.violations)
    return {}


def numbered(request: M, field: str, number: int) -> M:
    """A request of a newer client, or of none."""
    if isinstance(getattr(request, field), int):
        setattr(request, field, number)
    else:
        getattr(request, field).append(number)
    return request


def signing_up(**fields: Any) -> pb.SignUpRequest:  # noqa: ANN401  as the message takes them
    return pb.SignUpRequest(**{**GOOD, **fields})


def updating(*paths: str, **fields: Any) -> pb.UpdateAccountRequest:  # noqa: ANN401
    return pb.UpdateAccountRequest(account=Account(**fields), update_mask=FieldMask(paths=paths))


def test_every_request_of_the_service_has_its_rules() -> None:
    asked = {method.input_type.name for method in pb.DESCRIPTOR.services_by_name["AuthService"].methods}
    assert {judged.DESCRIPTOR.name for judged in JUDGES} == asked - UNJUDGED


GOOD_REQUESTS: list[Message] = [
    signing_up(),
    signing_up(first_name="O" * 50, last_name="ü" * 50, consents=[1, 2, 3, 4, 4]),
    pb.ConfirmSignUpRequest(ticket="t" * 64, code=" 1234-5678 "),
    pb.ResetPasswordRequest(ticket="t", code="12345678", new_password="Night-0wl"),
    pb.SignInRequest(email="owl@example.org", password="x"),
    pb.SignInRequest(email="owl", password="x", device=Device(device_id="d" * 128), scopes=["s" * 64] * 64),
    pb.AnswerChallengeRequest(ticket="t", totp_code="123 456"),
    pb.AnswerChallengeRequest(ticket="t", recovery_code="abcde-fghij"),
    pb.AnswerChallengeRequest(ticket="t", new_password="Night-0wl", request_id="r"),
    pb.RefreshSessionRequest(refresh_token="x" * 256, request_id="r"),
    pb.ListSessionsRequest(page_size=1_000_000),
    updating("display_name"),
    updating("email", "time_zone", "language", email="a@b", time_zone="Europe/Zurich", language="zh-Hant-TW"),
    updating("time_zone", "language", "preferences"),
    updating("preferences", preferences={f"k_.{number}": "v" * 256 for number in range(32)}),
    updating("first_name", first_name="Ola", email="not looked at", time_zone="neither"),
    pb.RemoveTotpRequest(password="x", recovery_code="x"),
    pb.SetConsentRequest(purpose="PURPOSE_RESEARCH"),
    pb.CreateGrantRequest(reader_id="r", families=DataFamily.keys()[1:], expire_time=LATER),
    pb.DeleteAccountRequest(password="x"),
    pb.CreateAccountRequest(email="a@b", roles=Role.keys()[1:]),
    pb.FindAccountRequest(account_id="a"),
    pb.FindAccountRequest(email="a@b"),
    pb.SetAccountStateRequest(account_id="a", state=Account.STATE_SUSPENDED, reason="r" * 256),
    pb.SetAccountRolesRequest(account_id="a"),
]


@pytest.mark.parametrize("request_", GOOD_REQUESTS, ids=map(str, range(len(GOOD_REQUESTS))))
def test_good_requests_break_nothing(request_: Message) -> None:
    assert broken(request_) == {}


BROKEN_REQUESTS: list[tuple[Message, str]] = [
    (pb.SignUpRequest(), "email password accepted_terms_version accepted_privacy_version"),
    (signing_up(display_name="x" * 101, first_name="x" * 51, last_name="\n"), "display_name first_name last_name"),
    (pb.ConfirmSignUpRequest(), "ticket code"),
    (pb.ConfirmEmailRequest(ticket="x" * 65, code="1234567"), "ticket code"),
    (pb.ResetPasswordRequest(code="x" * 65), "ticket code new_password"),
    (pb.ResendConfirmationRequest(), "ticket"),
    (pb.SignInRequest(request_id="ü"), "email password request_id"),
    (pb.AnswerChallengeRequest(), "ticket answer"),
    (pb.AnswerChallengeRequest(ticket="t", totp_code="12345a"), "totp_code"),
    (pb.AnswerChallengeRequest(ticket="t", totp_code="\uff11" * 6), "totp_code"),
    (pb.AnswerChallengeRequest(ticket="t", recovery_code=""), "recovery_code"),
    (pb.AnswerChallengeRequest(ticket="t", new_password="weak"), "new_password"),
    (pb.RefreshSessionRequest(request_id="/"), "refresh_token request_id"),
    (pb.ListSessionsRequest(page_size=-1), "page_size"),
    (pb.RevokeSessionRequest(), "session_id"),
    (pb.UpdateAccountRequest(account=Account(display_name="Owl")), "update_mask"),
    (pb.ChangePasswordRequest(new_password="weak"), "password new_password"),
    (pb.RequestPasswordResetRequest(), "email"),
    (pb.EnrollTotpRequest(), "password"),
    (pb.ConfirmTotpRequest(), "totp_code"),
    (pb.RemoveTotpRequest(), "password answer"),
    (pb.CreateRecoveryCodesRequest(password="x" * 129), "password"),
    (pb.SetConsentRequest(), "purpose"),
    (pb.CreateGrantRequest(), "reader_id families expire_time"),
    (pb.ListGrantsRequest(page_size=-1), "page_size"),
    (pb.RevokeGrantRequest(), "grant_id"),
    (pb.ListAccessEventsRequest(page_size=-1), "page_size"),
    (pb.DeleteAccountRequest(totp_code="x" * 65), "password totp_code"),
    (pb.GetErasureReceiptRequest(), "receipt_secret"),
    (numbered(pb.CreateAccountRequest(), "roles", 0), "email roles"),
    (pb.FindAccountRequest(), "name"),
    (pb.FindAccountRequest(email=" "), "email"),
    (pb.SetAccountStateRequest(state=Account.STATE_ERASING), "account_id state reason"),
    (numbered(pb.SetAccountRolesRequest(), "roles", 99), "account_id roles"),
    (numbered(pb.SetConsentRequest(), "purpose", 99), "purpose"),
    (numbered(pb.CreateGrantRequest(reader_id="r", expire_time=LATER), "families", 10), "families"),
]


@pytest.mark.parametrize(("request_", "fields"), BROKEN_REQUESTS, ids=map(str, range(len(BROKEN_REQUESTS))))
def test_one_answer_names_every_broken_field(request_: Message, fields: str) -> None:
    assert set(broken(request_)) == set(fields.split())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "a@" + "b" * 252),
        ("email", "  a@" + "b" * 252 + "\n"),
        ("email", "ö@ö"),
        ("email", "owl+night.1_2'3@example.org"),
        ("password", "Aa1-" + "é" * 124),
        ("display_name", ""),
        ("display_name", "é" * 100),
        ("request_id", ""),
        ("request_id", "x" * 64),
    ],
)
def test_the_largest_allowed_value_breaks_nothing(field: str, value: str) -> None:
    assert broken(signing_up(**{field: value})) == {}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("email", "", "is required"),
        ("email", " \t", "is required"),
        ("email", "a@" + "b" * 253, "has more than 254 characters"),
        ("email", "owl", ADDRESS),
        ("email", "@example.org", ADDRESS),
        ("email", "owl@", ADDRESS),
        ("email", "owl@@example.org", ADDRESS),
        ("email", "owl@example.org\nSubject: x", ADDRESS),
        ("email", "thief@evil.example,owl", ADDRESS),
        ("email", "owl <owl@example.org>", ADDRESS),
        ("email", "owl@example.org\x00", ADDRESS),
        ("password", "", "is required"),
        ("password", "night owl", "needs an upper-case letter, a digit"),
        ("password", "Aa1-" + "x" * 125, "needs at most 128 characters"),
        ("display_name", "x" * 101, "has more than 100 characters"),
        ("display_name", "Owl\nVisit", "has control characters"),
        ("request_id", "x" * 65, "is not 1 to 64 characters of `A-Z a-z 0-9 - _ .`"),
        ("request_id", "a\n", "is not 1 to 64 characters of `A-Z a-z 0-9 - _ .`"),
        ("accepted_terms_version", "", "is required"),
        ("accepted_terms_version", "2025-01", f"is not the present one, {TERMS_VERSION}"),
        ("accepted_privacy_version", "2025-01", f"is not the present one, {PRIVACY_VERSION}"),
        ("consents", [0], "is required"),
        ("consents", [1] * 65, "has more than 64 entries"),
    ],
)
def test_a_field_of_sign_up_that_breaks_its_rule_is_told_which(field: str, value: object, said: str) -> None:
    assert broken(signing_up(**{field: value})) == {field: said}


def test_sign_in_asks_only_that_address_and_password_can_be_looked_up() -> None:
    assert broken(pb.SignInRequest(email="owl", password="x" * 128)) == {}
    too_long = pb.SignInRequest(email="x" * 255, password="x" * 129)
    assert broken(too_long) == {
        "email": "has more than 254 characters",
        "password": "has more than 128 characters",
    }


@pytest.mark.parametrize(("name", "chars_max"), rules_auth.DEVICE_CHARS_MAX.items())
def test_what_is_said_of_a_device_has_its_limits(name: str, chars_max: int) -> None:
    def said(text: str) -> dict[str, str]:
        return broken(pb.SignInRequest(email="a", password="x", device=Device(**{name: text})))

    assert said("é" * chars_max) == {}
    assert set(said("é" * (chars_max + 1))) == set(said("a\nb")) == {f"device.{name}"}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("email", "owl", ADDRESS),
        ("email", "", "is required"),
        ("display_name", "x" * 101, "has more than 100 characters"),
        ("first_name", "x" * 51, "has more than 50 characters"),
        ("last_name", "a\tb", "has control characters"),
        ("time_zone", "Mars/Olympus", "is not an IANA zone of the tz database"),
        ("time_zone", "../../etc/passwd", "is not an IANA zone of the tz database"),
        ("language", "d", "is not a BCP 47 tag"),
        ("language", "de_CH", "is not a BCP 47 tag"),
        ("language", "de" + "-abcdefgh" * 4, "has more than 35 characters"),
        ("preferences", {"A": "1"}, "has a key that is not 1 to 64 characters of `a-z 0-9 _ .`"),
        ("preferences", {"": "1"}, "has a key that is not 1 to 64 characters of `a-z 0-9 _ .`"),
        ("preferences", {"k" * 65: "1"}, "has a key that is not 1 to 64 characters of `a-z 0-9 _ .`"),
        ("preferences", {"k": "v" * 257}, "has more than 256 characters"),
        ("preferences", {f"k{number}": "" for number in range(33)}, "has more than 32 entries"),
    ],
)
def test_a_field_of_an_account_that_breaks_its_rule_is_told_which(path: str, value: object, said: str) -> None:
    assert broken(updating(path, **{path: value})) == {f"account.{path}": said}


@pytest.mark.parametrize("path", ["account_id", "state", "roles", "new_email", "nonsense", "preferences.k", "*", ""])
def test_a_path_that_cannot_be_changed_is_refused(path: str) -> None:
    assert set(broken(updating("display_name", path))) == {"update_mask"}


@pytest.mark.parametrize(
    "moment",
    [Timestamp(seconds=-1), Timestamp(seconds=253_402_300_800), Timestamp(seconds=1, nanos=-1), Timestamp(nanos=10**9)],
    ids=["before 1970", "after 9999", "nanos below 0", "nanos of a second"],
)
def test_a_grant_ends_at_a_time(moment: Timestamp) -> None:
    assert set(broken(pb.CreateGrantRequest(reader_id="r", families=["DATA_FAMILY_SLEEP"], expire_time=moment))) == {
        "expire_time"
    }


def test_no_violation_repeats_what_was_sent() -> None:
    secret = "Canary" * 50
    said = broken(signing_up(email=secret, password=secret, display_name=secret, request_id=secret))
    assert len(said) == 4
    assert not any("Canary" in text for text in said.values())


def test_only_the_first_broken_rule_of_a_field_is_told() -> None:
    judged = rules.Rules()
    assert not judged.check("open.upload_id", "", rules.filled, rules.at_most(3))
    assert not judged.check("open.upload_id", "abcd", rules.filled, rules.at_most(3))
    assert judged.check("open.metric", "abc", rules.filled, rules.at_most(3))
    with pytest.raises(InvalidInput) as invalid:
        judged.enforce()
    assert dict(invalid.value.violations) == {"open.upload_id": "is required"}

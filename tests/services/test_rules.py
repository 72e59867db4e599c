"""Every documented limit is kept to the character, and one answer names every field that broke its rule."""

import pytest
from google.protobuf.message import Message

from clarity.v1.auth_service_pb2 import RefreshSessionRequest, SignInRequest, SignUpRequest
from clarity_server.domain.errors import InvalidInput
from clarity_server.services import rules

GOOD = {"email": "owl@example.org", "password": "Night-0wl", "display_name": "Owl", "request_id": "a-Z_0.9"}


def broken(request: Message) -> dict[str, str]:
    """What the request's own rules say of it; nothing for a good one."""
    try:
        match request:
            case SignUpRequest():
                rules.sign_up(request)
            case SignInRequest():
                rules.sign_in(request)
            case RefreshSessionRequest():
                rules.refresh_session(request)
    except InvalidInput as invalid:
        return dict(invalid.violations)
    return {}


def test_good_requests_break_nothing() -> None:
    assert broken(SignUpRequest(**GOOD)) == {}
    assert broken(SignInRequest(email="owl@example.org", password="x")) == {}
    assert broken(RefreshSessionRequest(refresh_token="x", request_id="r")) == {}


def test_one_answer_names_every_broken_field() -> None:
    empty = SignUpRequest(display_name="x" * 101, request_id="no blanks")
    assert set(broken(empty)) == {"email", "password", "display_name", "request_id"}
    assert set(broken(SignInRequest(request_id="ü"))) == {"email", "password", "request_id"}
    assert set(broken(RefreshSessionRequest(request_id="/"))) == {"refresh_token", "request_id"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "a@" + "b" * 252),
        ("email", "  a@" + "b" * 252 + "\n"),
        ("email", "ö@ö"),
        ("password", "Aa1-" + "é" * 124),
        ("display_name", ""),
        ("display_name", "é" * 100),
        ("request_id", ""),
        ("request_id", "x" * 64),
    ],
)
def test_the_largest_allowed_value_breaks_nothing(field: str, value: str) -> None:
    assert broken(SignUpRequest(**{**GOOD, field: value})) == {}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("email", "", "is required"),
        ("email", " \t", "is required"),
        ("email", "a@" + "b" * 253, "has more than 254 characters"),
        ("email", "owl", "has not exactly one `@` with something on both sides of it"),
        ("email", "@example.org", "has not exactly one `@` with something on both sides of it"),
        ("email", "owl@", "has not exactly one `@` with something on both sides of it"),
        ("email", "owl@@example.org", "has not exactly one `@` with something on both sides of it"),
        ("password", "", "is required"),
        ("password", "night owl", "needs an upper-case letter, a digit"),
        ("password", "Aa1-" + "x" * 125, "needs at most 128 characters"),
        ("display_name", "x" * 101, "has more than 100 characters"),
        ("request_id", "x" * 65, "is not 1 to 64 characters of `A-Z a-z 0-9 - _ .`"),
        ("request_id", "a\n", "is not 1 to 64 characters of `A-Z a-z 0-9 - _ .`"),
    ],
)
def test_a_field_of_sign_up_that_breaks_its_rule_is_told_which(field: str, value: str, said: str) -> None:
    assert broken(SignUpRequest(**{**GOOD, field: value})) == {field: said}


def test_sign_in_asks_only_that_address_and_password_can_be_looked_up() -> None:
    assert broken(SignInRequest(email="owl", password="x" * 128)) == {}
    too_long = SignInRequest(email="x" * 255, password="x" * 129)
    assert broken(too_long) == {
        "email": "has more than 254 characters",
        "password": "has more than 128 characters",
    }


def test_a_refresh_token_has_at_most_256_characters() -> None:
    assert broken(RefreshSessionRequest(refresh_token="x" * 256)) == {}
    assert set(broken(RefreshSessionRequest(refresh_token="x" * 257))) == {"refresh_token"}


def test_no_violation_repeats_what_was_sent() -> None:
    secret = "Canary" * 50
    said = broken(SignUpRequest(email=secret, password=secret, display_name=secret, request_id=secret))
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

"""One-time codes are those of RFC 6238, around now only, and recovery codes are one however they are typed."""

import base64

import pytest

from clarity_server.domain import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()  # RFC 6238, appendix B


@pytest.mark.parametrize(
    ("now", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_the_codes_are_those_of_the_rfc(now: int, code: str) -> None:
    """Appendix B has eight digits; ours are the last six of them."""
    assert totp.step_of(SECRET, code, now) == now // totp.STEP_S


@pytest.mark.parametrize(("steps_off", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_taken_one_step_around_now(steps_off: int, taken: bool) -> None:
    now = 1111111109
    step = totp.step_of(SECRET, "081804", now + steps_off * totp.STEP_S)
    assert step == (now // totp.STEP_S if taken else None)


@pytest.mark.parametrize("code", ["", "081805", "81804", "0081804", "08180\u0664"])
def test_any_other_text_is_no_code(code: str) -> None:
    assert totp.step_of(SECRET, code, 1111111109) is None


def test_secrets_are_160_random_bits() -> None:
    secrets = {totp.new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert {len(base64.b32decode(secret)) for secret in secrets} == {20}


def test_the_uri_names_us_and_the_account() -> None:
    uri = totp.otpauth_uri(SECRET, "owl@example.org")
    assert uri == f"otpauth://totp/CLARITY:owl%40example.org?secret={SECRET}&issuer=CLARITY"


def test_ten_recovery_codes_are_ten() -> None:
    codes = totp.new_recovery_codes()
    assert len(set(codes)) == totp.RECOVERY_CODES == 10
    assert all(len(code) == 11 and code[5] == "-" for code in codes)


@pytest.mark.parametrize("typed", ["abolz-23456", "ABOLZ23456", " abolz 23456 ", "ab-olz-23456", "AB01Z-23456"])
def test_a_recovery_code_is_one_however_it_is_typed(typed: str) -> None:
    assert totp.plain_recovery_code(typed) == "abolz23456"

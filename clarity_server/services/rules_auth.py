"""What a request of the AuthService must be before a verb sees it: the limits of its proto comments."""

from collections.abc import Collection
from typing import TypeAlias

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp

from clarity.v1 import auth_service_pb2 as pb
from clarity.v1.access_pb2 import DataFamily, Purpose, Role
from clarity.v1.account_pb2 import Account, Device
from clarity_server.domain import civil, passwords
from clarity_server.domain.accounts import PRIVACY_VERSION, TERMS_VERSION
from clarity_server.domain.tickets import CODE_DIGITS
from clarity_server.flows.profile import CHANGEABLE
from clarity_server.services.rules import (
    Rule,
    Rules,
    T,
    at_most,
    filled,
    matching,
    one_of,
    optional,
    printable,
    request_id,
)

EMAIL_CHARS_MAX = 254
DISPLAY_NAME_CHARS_MAX = 100
NAME_CHARS_MAX = 50
REFRESH_TOKEN_CHARS_MAX = 256
NAMED_CHARS_MAX = 64  # tickets, ids and secrets
CODE_CHARS_MAX = 64  # as typed
SCOPES_MAX = 64
CHOICES_MAX = 64  # of an enum, told twice or not
REASON_CHARS_MAX = 256
LANGUAGE_CHARS_MAX = 35  # RFC 5646, section 4.4.1
ZONE_CHARS_MAX = 64
PREFERENCES_MAX = 32
PREFERENCE_CHARS_MAX = 256
DEVICE_CHARS_MAX = {"device_id": 128, "name": 100, "kind": 50, "os": 50, "app": 100}
TIME_S_MAX = 253_402_300_799  # the end of the year 9999, as far as a Timestamp goes
NANOS_MAX = 999_999_999

Page: TypeAlias = pb.ListSessionsRequest | pb.ListGrantsRequest | pb.ListAccessEventsRequest
Ticketed: TypeAlias = pb.ConfirmSignUpRequest | pb.ConfirmEmailRequest | pb.ResetPasswordRequest
Proven: TypeAlias = pb.EnrollTotpRequest | pb.CreateRecoveryCodesRequest

# Whatever separates addresses in a mail's header, or ends it, is no part of one.
address = matching(
    r"""[^@\s\x00-\x1f\x7f<>(),;:"\\\[\]]+@[^@\s\x00-\x1f\x7f<>(),;:"\\\[\]]+""",
    'has not exactly one `@` with something on both sides of it, or blanks or any of `<>(),;:"\\[]`',
)
mailed_code = matching(rf"[0-9]{{{CODE_DIGITS}}}", f"is not {CODE_DIGITS} digits")
totp_code = matching("[0-9]{6}", "is not 6 digits")
language = matching(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", "is not a BCP 47 tag")
preference = matching(r"[a-z0-9_.]{1,64}", "has a key that is not 1 to 64 characters of `a-z 0-9 _ .`")


def plain(typed: str) -> str:
    """A code as it was typed, without blanks and hyphens."""
    return "".join(typed.split()).replace("-", "")


def strong(password: str) -> str | None:
    """Refuses a password that the policy does not allow, with all that it still needs."""
    needs = passwords.violations(password)
    return f"needs {', '.join(needs)}" if needs else None


def zone(name: str) -> str | None:
    """Refuses what is no zone of the tz database."""
    return None if civil.zone_exists(name) else "is not an IANA zone of the tz database"


def present(version: str) -> Rule[str]:
    """Refuses any version but the present one."""
    return lambda value: None if value == version else f"is not the present one, {version}"


def known(enum: EnumTypeWrapper) -> Rule[int]:
    """Refuses a number the enum does not name, and the unspecified one."""
    return lambda value: one_of(enum)(value) or (None if value else "is required")


def each(rule: Rule[T], count_max: int) -> Rule[list[T]]:
    """Asks a rule about every value, and refuses too many."""

    def judged(values: list[T]) -> str | None:
        if len(values) > count_max:
            return f"has more than {count_max} entries"
        return next((said for value in values if (said := rule(value)) is not None), None)

    return judged


def timed(moment: Timestamp) -> str | None:
    """Refuses what is no time."""
    whole = 0 <= moment.seconds <= TIME_S_MAX and 0 <= moment.nanos <= NANOS_MAX
    return None if whole else "is not a time from 1970 to 9999"


# ---- signing up and in -----------------------------------------------------------------------------------------------


def sign_up(request: pb.SignUpRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("email", request.email.strip(), filled, at_most(EMAIL_CHARS_MAX), address)
    rules.check("password", request.password, filled, strong)
    _names(rules, request)
    rules.check("request_id", request.request_id, request_id)
    rules.check("accepted_terms_version", request.accepted_terms_version, filled, present(TERMS_VERSION))
    rules.check("accepted_privacy_version", request.accepted_privacy_version, filled, present(PRIVACY_VERSION))
    rules.check("consents", list(request.consents), each(known(Purpose), CHOICES_MAX))
    rules.enforce()


def _names(rules: Rules, named: pb.SignUpRequest | Account, within: str = "") -> None:
    rules.check(f"{within}display_name", named.display_name, at_most(DISPLAY_NAME_CHARS_MAX), printable)
    rules.check(f"{within}first_name", named.first_name, at_most(NAME_CHARS_MAX), printable)
    rules.check(f"{within}last_name", named.last_name, at_most(NAME_CHARS_MAX), printable)


def ticketed(request: Ticketed) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("ticket", request.ticket, filled, at_most(NAMED_CHARS_MAX))
    if rules.check("code", request.code, filled, at_most(CODE_CHARS_MAX)):
        rules.check("code", plain(request.code), mailed_code)
    if isinstance(request, pb.ResetPasswordRequest):
        rules.check("new_password", request.new_password, filled, strong)
    rules.enforce()


def resend_confirmation(request: pb.ResendConfirmationRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("ticket", request.ticket, filled, at_most(NAMED_CHARS_MAX))
    rules.enforce()


def sign_in(request: pb.SignInRequest) -> None:
    """Raises InvalidInput. Asks of the password only that it can be checked: the policy may once have been another."""
    rules = Rules()
    rules.check("email", request.email.strip(), filled, at_most(EMAIL_CHARS_MAX))
    rules.check("password", request.password, filled, at_most(passwords.CHARS_MAX))
    rules.check("request_id", request.request_id, request_id)
    _device(rules, request.device)
    rules.check("scopes", list(request.scopes), each(at_most(NAMED_CHARS_MAX), SCOPES_MAX))
    rules.enforce()


def _device(rules: Rules, device: Device) -> None:
    for name, chars_max in DEVICE_CHARS_MAX.items():
        rules.check(f"device.{name}", str(getattr(device, name)), at_most(chars_max), printable)


def answer_challenge(request: pb.AnswerChallengeRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("ticket", request.ticket, filled, at_most(NAMED_CHARS_MAX))
    rules.check("request_id", request.request_id, request_id)
    _answer(rules, request)
    rules.enforce()


def _answer(rules: Rules, request: pb.AnswerChallengeRequest | pb.RemoveTotpRequest) -> None:
    match request.WhichOneof("answer"):
        case "totp_code":
            if rules.check("totp_code", request.totp_code, filled, at_most(CODE_CHARS_MAX)):
                rules.check("totp_code", plain(request.totp_code), totp_code)
        case "recovery_code":
            rules.check("recovery_code", request.recovery_code, filled, at_most(CODE_CHARS_MAX))
        case "new_password" if isinstance(request, pb.AnswerChallengeRequest):
            rules.check("new_password", request.new_password, filled, strong)
        case _:
            rules.check("answer", "", filled)


def refresh_session(request: pb.RefreshSessionRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("refresh_token", request.refresh_token, filled, at_most(REFRESH_TOKEN_CHARS_MAX))
    rules.check("request_id", request.request_id, request_id)
    rules.enforce()


def page(request: Page) -> None:
    """Raises InvalidInput. Too large a page is taken as the maximum, a negative one is a mistake."""
    rules = Rules()
    rules.check("page_size", request.page_size, lambda size: None if size >= 0 else "is negative")
    rules.enforce()


def revoke_session(request: pb.RevokeSessionRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("session_id", request.session_id, filled, at_most(NAMED_CHARS_MAX))
    rules.enforce()


# ---- the account -----------------------------------------------------------------------------------------------------


def update_account(request: pb.UpdateAccountRequest) -> None:
    """Raises InvalidInput. Fields that are not in the mask are not looked at."""
    rules, paths, asked = Rules(), request.update_mask.paths, request.account
    rules.check("update_mask", list(paths), lambda named: None if named else "is required")
    rules.check("update_mask", set(paths) - CHANGEABLE, _changeable)
    picked = masked(asked, CHANGEABLE & set(paths))
    if "email" in paths:
        rules.check("account.email", asked.email.strip(), filled, at_most(EMAIL_CHARS_MAX), address)
    _names(rules, picked, "account.")
    rules.check("account.time_zone", picked.time_zone, at_most(ZONE_CHARS_MAX), optional(zone))
    rules.check("account.language", picked.language, at_most(LANGUAGE_CHARS_MAX), optional(language))
    rules.check("account.preferences", list(picked.preferences), each(preference, PREFERENCES_MAX))
    values = list(picked.preferences.values())
    rules.check("account.preferences", values, each(at_most(PREFERENCE_CHARS_MAX), PREFERENCES_MAX))
    rules.enforce()


def masked(asked: Account, names: Collection[str]) -> Account:
    """The named fields of an account, and nothing else."""
    picked = Account()
    for name in names:
        if name == "preferences":
            picked.preferences.update(asked.preferences)
        else:
            setattr(picked, name, getattr(asked, name))
    return picked


def _changeable(rest: set[str]) -> str | None:
    return f"may name only {', '.join(sorted(CHANGEABLE))}" if rest else None


def change_password(request: pb.ChangePasswordRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("password", request.password, filled, at_most(passwords.CHARS_MAX))
    rules.check("new_password", request.new_password, filled, strong)
    rules.enforce()


def request_password_reset(request: pb.RequestPasswordResetRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("email", request.email.strip(), filled, at_most(EMAIL_CHARS_MAX))
    rules.enforce()


def proven(request: Proven) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("password", request.password, filled, at_most(passwords.CHARS_MAX))
    rules.enforce()


def confirm_totp(request: pb.ConfirmTotpRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    if rules.check("totp_code", request.totp_code, filled, at_most(CODE_CHARS_MAX)):
        rules.check("totp_code", plain(request.totp_code), totp_code)
    rules.enforce()


def remove_totp(request: pb.RemoveTotpRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("password", request.password, filled, at_most(passwords.CHARS_MAX))
    _answer(rules, request)
    rules.enforce()


# ---- consent and sharing ---------------------------------------------------------------------------------------------


def set_consent(request: pb.SetConsentRequest) -> None:
    """Raises InvalidInput. Which version is the present one is the flow's business."""
    rules = Rules()
    rules.check("purpose", request.purpose, known(Purpose))
    rules.check("text_version", request.text_version, at_most(NAMED_CHARS_MAX))
    rules.enforce()


def create_grant(request: pb.CreateGrantRequest) -> None:
    """Raises InvalidInput. How far ahead it may end is the flow's business: it has the clock."""
    rules = Rules()
    rules.check("reader_id", request.reader_id, filled, at_most(NAMED_CHARS_MAX))
    rules.check("families", list(request.families), lambda named: None if named else "is required")
    rules.check("families", list(request.families), each(known(DataFamily), CHOICES_MAX))
    rules.check("expire_time", request, lambda asked: None if asked.HasField("expire_time") else "is required")
    rules.check("expire_time", request.expire_time, timed)
    rules.check("request_id", request.request_id, request_id)
    rules.enforce()


def revoke_grant(request: pb.RevokeGrantRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("grant_id", request.grant_id, filled, at_most(NAMED_CHARS_MAX))
    rules.enforce()


# ---- erasure ---------------------------------------------------------------------------------------------------------


def delete_account(request: pb.DeleteAccountRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("password", request.password, filled, at_most(passwords.CHARS_MAX))
    rules.check("totp_code", request.totp_code, at_most(CODE_CHARS_MAX))
    rules.enforce()


def get_erasure_receipt(request: pb.GetErasureReceiptRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("receipt_secret", request.receipt_secret, filled, at_most(NAMED_CHARS_MAX))
    rules.enforce()


# ---- for operators ---------------------------------------------------------------------------------------------------

SETTABLE = frozenset({Account.STATE_ACTIVE, Account.STATE_SUSPENDED, Account.STATE_DISABLED})


def create_account(request: pb.CreateAccountRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("email", request.email.strip(), filled, at_most(EMAIL_CHARS_MAX), address)
    rules.check("display_name", request.display_name, at_most(DISPLAY_NAME_CHARS_MAX), printable)
    rules.check("roles", list(request.roles), each(known(Role), CHOICES_MAX))
    rules.check("request_id", request.request_id, request_id)
    rules.enforce()


def find_account(request: pb.FindAccountRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    match request.WhichOneof("name"):
        case "email":
            rules.check("email", request.email.strip(), filled, at_most(EMAIL_CHARS_MAX))
        case "account_id":
            rules.check("account_id", request.account_id, filled, at_most(NAMED_CHARS_MAX))
        case _:
            rules.check("name", "", filled)
    rules.enforce()


def set_account_state(request: pb.SetAccountStateRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("account_id", request.account_id, filled, at_most(NAMED_CHARS_MAX))
    rules.check("state", request.state, _settable)
    rules.check("reason", request.reason, filled, at_most(REASON_CHARS_MAX), printable)
    rules.enforce()


def _settable(state: int) -> str | None:
    return None if state in SETTABLE else "is not one of STATE_ACTIVE, STATE_SUSPENDED, STATE_DISABLED"


def set_account_roles(request: pb.SetAccountRolesRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("account_id", request.account_id, filled, at_most(NAMED_CHARS_MAX))
    rules.check("roles", list(request.roles), each(known(Role), CHOICES_MAX))
    rules.enforce()

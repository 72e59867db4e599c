"""The commands about people: accounts, sessions, proofs, consent, sharing, erasure, and what operators do."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar, cast

import segno
import typer
from google.protobuf.timestamp_pb2 import Timestamp

from clarity import show, terminal
from clarity.accounts import TERMS_VERSION
from clarity.advice import sentence
from clarity.calls import ClarityError
from clarity.client import Client
from clarity.credentials import SignedIn
from clarity.terminal import TARGET, CommandFailed, Json, PasswordFile, Target, out
from clarity.v1 import access_pb2
from clarity.v1.account_pb2 import Account, Challenge, Device, SessionInfo
from clarity.v1.erasure_pb2 import ErasureReceipt
from clarity.v1.sharing_pb2 import Grant

GRANT_DAYS = 30
GRANT_DAYS_MAX = 366
TOTP_DIGITS = 6

A = TypeVar("A")


class Purpose(StrEnum):
    """What data is used for, as a person writes it."""

    STORAGE = "storage"
    ANALYSIS = "analysis"
    NARRATION = "narration"
    RESEARCH = "research"


PURPOSES = {
    Purpose.STORAGE: "keep what you send",
    Purpose.ANALYSIS: "derive days, weeks and facts from it",
    Purpose.NARRATION: "put the facts into words",
    Purpose.RESEARCH: "let researchers read what you grant them",
}


class Family(StrEnum):
    """What data is about, as a person writes it."""

    ACTIVITY = "activity"
    SLEEP = "sleep"
    HEART = "heart"
    RESPIRATION = "respiration"
    BODY = "body"
    METABOLISM = "metabolism"
    MIND = "mind"
    ENVIRONMENT = "environment"
    ANALYSIS = "analysis"


class Role(StrEnum):
    """What an account may do, as a person writes it."""

    MEMBER = "member"
    CLINICIAN = "clinician"
    RESEARCHER = "researcher"
    OPERATOR = "operator"


def _purpose(name: Purpose) -> access_pb2.Purpose:
    return cast("access_pb2.Purpose", access_pb2.Purpose.Value(f"PURPOSE_{name.name}"))


def _roles(names: Iterable[Role]) -> list[access_pb2.Role]:
    return [cast("access_pb2.Role", access_pb2.Role.Value(f"ROLE_{name.name}")) for name in names]


def _families(names: Iterable[Family]) -> list[access_pb2.DataFamily]:
    numbers = [access_pb2.DataFamily.Value(f"DATA_FAMILY_{name.name}") for name in names]
    return cast("list[access_pb2.DataFamily]", numbers)


def _family_words(families: Iterable[access_pb2.DataFamily]) -> str:
    return ", ".join(_word(access_pb2.DataFamily.Name(family), "DATA_FAMILY_") for family in families)


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def _when(moment: Timestamp) -> str:
    return f"{moment.ToDatetime(UTC):%Y-%m-%d %H:%M} UTC" if moment.ByteSize() else "–"


Code = Annotated[str, typer.Option(metavar="CODE", help="Otherwise it is asked for.")]
Email = Annotated[str, typer.Option(prompt="E-mail", help="Your address; asked for when not given.")]
NewPasswordFile = Annotated[
    Path | None, typer.Option(allow_dash=True, metavar="FILE", help=f"Read the new password {terminal.FROM_FILE}")
]
Who = Annotated[str, typer.Argument(metavar="ACCOUNT", help="An account's id, or its address.")]
Reason = Annotated[str, typer.Option(prompt="Why", help="For the audit, without names or data of the person.")]

app = typer.Typer()


# ---- codes -----------------------------------------------------------------------------------------------------------


def _may_try_again(error: ClarityError) -> bool:
    """Whether a wrong code can be typed again; says so."""
    left = int(error.metadata.get("attempts_left", "0")) if error.reason == "CODE_WRONG" else 0
    if not (left and terminal.is_answered()):
        return False
    out.print(f"That is not it; {left} more {'try' if left == 1 else 'tries'}.")
    return True


def _with_mailed_code(
    client: Client, ticket: str, address: str, confirm: Callable[[str], A], *, later: str, given: str = ""
) -> A:
    """Confirm with the code that was mailed, the given one or asked for; an empty answer has another one mailed."""
    if given:
        return confirm(given)
    out.print(f"A mail with a code is on its way to {address}.")
    while True:
        code = terminal.line("Code (just Enter has another one sent)")
        if code:
            try:
                return confirm(code)
            except ClarityError as error:
                if not _may_try_again(error):
                    raise
        elif terminal.is_answered():
            _send_another(client, ticket, address)
        else:
            raise CommandFailed(f"no code was given; when you have it, run `{later} --code CODE`")


def _send_another(client: Client, ticket: str, address: str) -> None:
    try:
        client.resend_confirmation(ticket)
        out.print(f"Another mail is on its way to {address}; the code before counts no more.")
    except ClarityError as error:
        if error.reason != "RATE_LIMITED":
            raise
        out.print(sentence(error))


def _with_app_code(act: Callable[[str], A], given: str = "") -> A:
    """Act with a code of the authenticator app, or a recovery code: the given one, or asked for."""
    if given:
        return act(given)
    while True:
        code = terminal.line("Code of your authenticator app, or a recovery code")
        if not code and not terminal.is_answered():
            raise CommandFailed("no code was given: say --code CODE")
        try:
            return act(code)
        except ClarityError as error:
            if not _may_try_again(error):
                raise


def _is_totp(code: str) -> bool:
    digits = code.replace(" ", "")
    return digits.isdecimal() and len(digits) == TOTP_DIGITS


# ---- signing up, in and out ------------------------------------------------------------------------------------------


@app.command()
def sign_up(
    email: Email,
    name: Annotated[str, typer.Option(help="Your name, if you like.")] = "",
    password_file: PasswordFile = None,
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="You accept the terms of use and the privacy notice.")
    ] = False,
    consent: Annotated[
        list[Purpose] | None,
        typer.Option(help="You consent to this use of your data; once for each. Otherwise each is asked for."),
    ] = None,
    target: Target = TARGET,
) -> None:
    """Make an account with the code that is mailed to you, and sign in."""
    _accept(given=accept_terms)
    purposes = _consented(consent)
    password = terminal.password(password_file, confirm=True)
    with terminal.client(target) as client:
        asked = client.sign_up(email, password, name, consents=[_purpose(purpose) for purpose in purposes])
        later = f"clarity confirm-sign-up {asked.ticket}"
        confirm = partial(client.confirm_sign_up, asked.ticket)
        account = _with_mailed_code(client, asked.ticket, asked.email, confirm, later=later)
        _signed_in(client, email, password)
    made = f"Account {account.account_id} is made and signed in as {account.email}."
    out.print(show.text(("Welcome. ", "good"), made))
    if Purpose.STORAGE not in purposes:
        out.print("Nothing that you send is kept until you consent to it: `clarity consents give storage`.")


def _accept(*, given: bool) -> None:
    """Have the terms accepted. Raises CommandFailed where they are not."""
    what = f"the terms of use and the privacy notice, version {TERMS_VERSION}"
    if given:
        return
    if not terminal.is_answered():
        raise typer.BadParameter(f"say it if you accept {what}", param_hint="--accept-terms")
    if not typer.confirm(f"Do you accept {what}?", err=True):
        raise CommandFailed(f"there is an account only for who accepts {what}")


def _consented(given: list[Purpose] | None) -> list[Purpose]:
    """The purposes that are consented to. Nothing is consented to by pressing Enter."""
    if given or not terminal.is_answered():
        return given or []
    out.print("What may be done with your data? You can change each of these at any time.")
    return [purpose for purpose, what in PURPOSES.items() if typer.confirm(f"  {purpose}: {what}?", err=True)]


@app.command()
def confirm_sign_up(
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="As `clarity sign-up` told it.")],
    code: Code = "",
    target: Target = TARGET,
) -> None:
    """Make the account of a sign-up that was left before its code was there."""
    with terminal.client(target) as client:
        account = client.confirm_sign_up(ticket, code or terminal.line("Code that was mailed to you"))
    out.print(show.text(("Welcome. ", "good"), f"Account {account.account_id} is made: `clarity sign-in`."))


@app.command()
def sign_in(
    email: Email,
    password_file: PasswordFile = None,
    code: Annotated[
        str, typer.Option(metavar="CODE", help="Of your authenticator app, or a recovery code; asked for if needed.")
    ] = "",
    short: Annotated[
        bool, typer.Option("--short", help="End the session after 12 hours: others use this machine, too.")
    ] = False,
    scope: Annotated[
        list[str] | None, typer.Option(help="Allow no more than this, like activity.read; once for each.")
    ] = None,
    target: Target = TARGET,
) -> None:
    """Sign in; the tokens are kept where only you can read them."""
    password = terminal.password(password_file)
    with terminal.client(target) as client:
        _signed_in(client, email, password, code, short=short, scopes=scope or ())
        out.print(show.text(("Signed in ", "good"), f"as {email} at {client.target}."))


def _signed_in(
    client: Client, email: str, password: str, code: str = "", *, short: bool = False, scopes: Iterable[str] = ()
) -> SignedIn:
    """Sign in, and answer what is asked for on the way."""
    begin = partial(client.sign_in, email, device=_device(), short_session=short, scopes=list(scopes))
    outcome = begin(password)
    while isinstance(outcome, Challenge):
        outcome = _answered(client, email, outcome, code) or begin(password)
    return outcome


def _answered(client: Client, email: str, challenge: Challenge, code: str) -> SignedIn | Challenge | None:
    """Answer a challenge; None where the sign-in is then begun again."""
    ticket = challenge.ticket
    match challenge.kind:
        case Challenge.KIND_TOTP:
            return _with_app_code(partial(_answer_totp, client, ticket, email), code)
        case Challenge.KIND_NEW_PASSWORD:
            out.print("Your password was chosen by somebody else. Choose one that only you know.")
            chosen = terminal.password(None, prompt="New password", confirm=True)
            return client.answer_challenge(ticket, email, new_password=chosen)
        case Challenge.KIND_CONFIRM_EMAIL:
            confirm, later = partial(client.confirm_sign_up, ticket), f"clarity confirm-sign-up {ticket}"
            _with_mailed_code(client, ticket, email, confirm, later=later)
            return None
        case _:
            raise CommandFailed("the server asks for something that this command does not know; is it as new?")


def _answer_totp(client: Client, ticket: str, email: str, code: str) -> SignedIn | Challenge:
    if _is_totp(code):
        return client.answer_challenge(ticket, email, totp_code=code)
    return client.answer_challenge(ticket, email, recovery_code=code)


def _device() -> Device:
    system = f"{platform.system()} {platform.release()}"
    return Device(name=platform.node()[:100], kind="computer", os=system[:50], app="clarity")


@app.command()
def sign_out(
    everywhere: Annotated[bool, typer.Option("--everywhere", help="End all your sessions, on every device.")] = False,
    target: Target = TARGET,
) -> None:
    """End the session, here and at the server."""
    with terminal.client(target) as client:
        client.sign_out(everywhere=everywhere)
        out.print(f"Signed out {'on every device ' if everywhere else ''}at {client.target}.")


@app.command()
def sessions(
    revoke: Annotated[str, typer.Option(metavar="SESSION", help="End this one.")] = "",
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """List where you are signed in, or end one of these sessions."""
    with terminal.client(target) as client:
        if revoke:
            client.revoke_session(revoke)
            out.print(f"Session {revoke} has ended.")
            return
        if json:
            terminal.print_all(client.sessions())
            return
        table = terminal.table("session", "device", "from", "begun", "last used", "ends", "")
        for one in client.sessions():
            times = map(_when, (one.create_time, one.refresh_time, one.expire_time))
            table.add_row(one.session_id, _device_words(one), one.network, *times, "this one" if one.current else "")
    out.print(table)


def _device_words(session: SessionInfo) -> str:
    device = session.device
    return ", ".join(filter(None, (device.name, device.app, device.os))) or "–"


# ---- the account -----------------------------------------------------------------------------------------------------

account_app = terminal.group("account", "Show who is signed in, or change it.")
app.add_typer(account_app)


@account_app.callback()
def account(context: typer.Context, json: Json = False, target: Target = TARGET) -> None:
    """Show who is signed in; with a verb, change it."""
    if not terminal.alone(context):
        return
    with terminal.client(target) as client:
        found = client.account()
    if json:
        terminal.print_json(found)
        return
    terminal.print_pairs(_account_pairs(found))


def _account_pairs(found: Account) -> Iterator[tuple[str, str]]:
    yield "account", found.account_id
    yield "e-mail", found.email
    if found.new_email:
        yield "", f"{found.new_email} waits for its code"
    yield "name", found.display_name or " ".join(filter(None, (found.first_name, found.last_name))) or "–"
    yield "made", _when(found.create_time)
    yield "state", _word(Account.State.Name(found.state), "STATE_")
    yield "roles", ", ".join(_word(access_pb2.Role.Name(role), "ROLE_") for role in found.roles)
    if found.HasField("erase_time"):
        yield "erased", f"from {_when(found.erase_time)} on"
    for name, value in (("time zone", found.time_zone), ("language", found.language)):
        if value:
            yield name, value
    if found.totp_enabled:
        yield "codes", f"asked for at sign-in; {found.recovery_code_count} recovery codes are left"
    for key, value in sorted(found.preferences.items()):
        yield key, value


@account_app.command()
def update(  # noqa: PLR0913, PLR0917  an option for every field there is
    name: Annotated[str | None, typer.Option(help="The name that others see.")] = None,
    first_name: Annotated[str | None, typer.Option()] = None,
    last_name: Annotated[str | None, typer.Option()] = None,
    time_zone: Annotated[str | None, typer.Option(help="Like Europe/Zurich.")] = None,
    language: Annotated[str | None, typer.Option(help="Like de-CH.")] = None,
    email: Annotated[str | None, typer.Option(help="A new address; it counts once its code is here.")] = None,
    preference: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Like notify.weekly=off; empty to drop it.")
    ] = None,
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Change your name, language, time zone, preferences or address; an empty text takes one away."""
    given = {
        "display_name": name,
        "first_name": first_name,
        "last_name": last_name,
        "time_zone": time_zone,
        "language": language,
        "email": email,
    }
    changes: dict[str, object] = {field: value for field, value in given.items() if value is not None}
    pairs = dict(_pair(text) for text in preference or ())
    if not changes and not pairs:
        raise typer.BadParameter("say what to change; --help lists what can be")
    with terminal.client(target) as client:
        if pairs:
            merged = {**client.account().preferences, **pairs}
            changes["preferences"] = {key: value for key, value in merged.items() if value}
        found, asked = client.update_account(changes)
        if asked is not None:
            later = f"clarity account confirm-email {asked.ticket}"
            confirm = partial(client.confirm_email, asked.ticket)
            found = _with_mailed_code(client, asked.ticket, asked.email, confirm, later=later)
    if json:
        terminal.print_json(found)
        return
    terminal.print_pairs(_account_pairs(found))


def _pair(text: str) -> tuple[str, str]:
    key, is_pair, value = text.partition("=")
    if not (key and is_pair):
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--set")
    return key, value


@account_app.command()
def confirm_email(
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="As `clarity account update` told it.")],
    code: Code = "",
    target: Target = TARGET,
) -> None:
    """Make a new address count that was left before its code was there."""
    with terminal.client(target) as client:
        found = client.confirm_email(ticket, code or terminal.line("Code that was mailed to the new address"))
    out.print(f"Your address is {found.email}.")


@account_app.command()
def delete(
    address: Annotated[
        str, typer.Option("--yes-delete", metavar="E-MAIL", help="Your address, to say that you mean it.")
    ] = "",
    password_file: PasswordFile = None,
    code: Annotated[
        str, typer.Option(metavar="CODE", help="Of your authenticator app, or a recovery code; asked for if needed.")
    ] = "",
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Have the account and everything in it erased, after a time in which signing in keeps it."""
    with terminal.client(target) as client:
        found = client.account()
        typed = address or terminal.line(f"All your data will be erased. Type {found.email} to go on")
        if typed.casefold() != found.email.casefold():
            raise CommandFailed("that is not the address of this account; nothing was changed")
        password = terminal.password(password_file)
        erase = partial(client.delete_account, password)
        answer = _with_app_code(erase, code) if found.totp_enabled else erase()
    if json:
        terminal.print_json(answer)
        return
    out.print(f"Erasure begins {_when(answer.erase_time)}; until then signing in keeps the account.")
    out.print(show.text("Keep this, it is told only now: ", (f"clarity erasure {answer.receipt_secret}", "command")))
    out.print("tells what became of it.")


@app.command()
def erasure(
    secret: Annotated[str, typer.Argument(metavar="SECRET", help="As `clarity account delete` told it.")],
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Tell what became of the erasure of an account; --json has the signed receipt, to keep."""
    with terminal.client(target) as client:
        receipt = client.erasure_receipt(secret)
    if json:
        terminal.print_json(receipt)
        return
    pairs = [
        ("erasure", receipt.erasure_id),
        ("state", _word(ErasureReceipt.State.Name(receipt.state), "STATE_")),
        ("asked for", _when(receipt.request_time)),
        ("begins", _when(receipt.erase_time)),
        ("done", _when(receipt.done_time)),
    ]
    terminal.print_pairs(pairs)
    if receipt.stores:
        table = terminal.table("store", "erased", "left", right=("erased", "left"))
        for store in receipt.stores:
            table.add_row(store.store, f"{store.erased_count:,}", f"{store.left_count:,}")
        out.print(table)


# ---- passwords and one-time codes ------------------------------------------------------------------------------------

password_app = terminal.group("password", "Change the password, or set a new one when it is lost.", verb_needed=True)
app.add_typer(password_app)


@password_app.command()
def change(
    password_file: PasswordFile = None, new_password_file: NewPasswordFile = None, target: Target = TARGET
) -> None:
    """Change the password; all other sessions end."""
    present = terminal.password(password_file, prompt="Present password")
    chosen = terminal.password(new_password_file, prompt="New password", confirm=True)
    with terminal.client(target) as client:
        client.change_password(present, chosen)
    out.print("The password is changed; you are signed in only here.")


@password_app.command()
def reset(
    email: Annotated[str, typer.Option(help="Your address; asked for when not given.")] = "",
    ticket: Annotated[str, typer.Option(metavar="TICKET", help="Go on with a code that came late.")] = "",
    code: Code = "",
    new_password_file: NewPasswordFile = None,
    target: Target = TARGET,
) -> None:
    """Set a new password with a code that is mailed to you; all sessions end."""
    with terminal.client(target) as client:
        address = email or ("" if ticket else terminal.line("E-mail"))
        named = ticket or client.request_password_reset(address).ticket
        later = f"clarity password reset --ticket {named}"
        confirm = partial(_reset, client, named, new_password_file)
        _with_mailed_code(client, named, address or "you", confirm, later=later, given=code)
    out.print("The password is new: `clarity sign-in`.")


def _reset(client: Client, ticket: str, file: Path | None, code: str) -> None:
    client.reset_password(ticket, code, terminal.password(file, prompt="New password", confirm=True))


totp_app = terminal.group("totp", "One-time codes of an authenticator app, asked for at sign-in.", verb_needed=True)
app.add_typer(totp_app)


@totp_app.command()
def on(password_file: PasswordFile = None, target: Target = TARGET) -> None:
    """Turn one-time codes on: shows a QR code for the app, and recovery codes for the day it is lost."""
    password = terminal.password(password_file)
    with terminal.client(target) as client:
        made = client.enroll_totp(password)
        if out.is_terminal:
            segno.make(made.otpauth_uri).terminal(sys.stdout, compact=True)
        out.print(show.text(("secret  ", "quiet"), made.secret))
        out.print(show.text(("URI     ", "quiet"), made.otpauth_uri))
        codes = _with_totp(client)
    _print_recovery("Signing in asks for a code from now on.", codes)


def _with_totp(client: Client) -> list[str]:
    """Confirm the secret with a code that the app shows."""
    while True:
        try:
            return client.confirm_totp(terminal.line("Code that the app shows now"))
        except ClarityError as error:
            if error.reason != "CODE_WRONG" or not terminal.is_answered():
                raise
            out.print("That is not it: is the clock of the app's device right?")


def _print_recovery(what: str, codes: Iterable[str]) -> None:
    out.print(what)
    out.print("Keep these recovery codes; each stands in for a code once, and they are told only now:")
    for code in codes:
        out.print(f"  {code}")


@totp_app.command()
def off(password_file: PasswordFile = None, code: Code = "", target: Target = TARGET) -> None:
    """Turn one-time codes off; the recovery codes are gone, too."""
    password = terminal.password(password_file)
    with terminal.client(target) as client:
        _with_app_code(partial(_remove, client, password), code)
    out.print("Signing in asks for the password alone.")


def _remove(client: Client, password: str, code: str) -> None:
    if _is_totp(code):
        client.remove_totp(password, totp_code=code)
    else:
        client.remove_totp(password, recovery_code=code)


@totp_app.command()
def codes(password_file: PasswordFile = None, target: Target = TARGET) -> None:
    """Replace the recovery codes by new ones."""
    password = terminal.password(password_file)
    with terminal.client(target) as client:
        made = client.create_recovery_codes(password)
    _print_recovery("The recovery codes before count no more.", made)


# ---- consent and sharing ---------------------------------------------------------------------------------------------

consents_app = terminal.group("consents", "Show what your data may be used for, or change it.")
app.add_typer(consents_app)


@consents_app.callback()
def consents(context: typer.Context, json: Json = False, target: Target = TARGET) -> None:
    """Show what your data may be used for; with a verb, change it."""
    if not terminal.alone(context):
        return
    with terminal.client(target) as client:
        found, _ = client.consents()
    if json:
        terminal.print_all(found)
        return
    table = terminal.table("purpose", "given", "since", "text", "what for")
    for one in found:
        purpose = _word(access_pb2.Purpose.Name(one.purpose), "PURPOSE_")
        what = PURPOSES[Purpose(purpose)] if purpose in PURPOSES else ""
        since = _when(one.effective_time)
        table.add_row(purpose, "yes" if one.given else "no", since, one.text_version or "–", what)
    out.print(table)


@consents_app.command()
def give(purpose: Annotated[Purpose, typer.Argument()], target: Target = TARGET) -> None:
    """Consent to a use of your data."""
    with terminal.client(target) as client:
        _, version = client.consents()
        consent = client.set_consent(_purpose(purpose), given=True, text_version=version)
    out.print(f"You consent to {purpose}: {PURPOSES[purpose]}, as of {_when(consent.effective_time)}.")


@consents_app.command()
def withdraw(purpose: Annotated[Purpose, typer.Argument()], target: Target = TARGET) -> None:
    """Withdraw your consent; what is kept already stays until you delete it."""
    with terminal.client(target) as client:
        consent = client.set_consent(_purpose(purpose), given=False)
    out.print(f"You no longer consent to {purpose}, as of {_when(consent.effective_time)}.")


grants_app = terminal.group("grants", "Show who may read your data, or change it.")
app.add_typer(grants_app)


@grants_app.callback()
def grants(context: typer.Context, json: Json = False, target: Target = TARGET) -> None:
    """List the grants you have given; with a verb, change them."""
    if terminal.alone(context):
        _list_grants(target, json=json, received=False)


@grants_app.command("list")
def list_grants(json: Json = False, target: Target = TARGET) -> None:
    """List the grants you have given."""
    _list_grants(target, json=json, received=False)


@grants_app.command()
def received(json: Json = False, target: Target = TARGET) -> None:
    """List the grants by which you may read; `--of ACCOUNT` of the reading commands uses them."""
    _list_grants(target, json=json, received=True)


def _list_grants(target: str, *, json: bool, received: bool) -> None:
    with terminal.client(target) as client:
        found = client.grants(received=received)
        if json:
            terminal.print_all(found)
            return
        other = "of" if received else "reader"
        table = terminal.table("grant", other, "name", "what", "until", "state")
        for one in found:
            who = (one.member_id, one.member_name) if received else (one.reader_id, one.reader_name)
            table.add_row(one.grant_id, *who, *_grant_words(one))
    none = "Nobody has granted you anything." if received else "Nobody may read your data but you."
    out.print(table if table.row_count else none)


def _grant_words(grant: Grant) -> tuple[str, str, str]:
    state = _word(Grant.State.Name(grant.state), "STATE_")
    return _family_words(grant.families), _when(grant.expire_time), state


@grants_app.command("give")
def give_grant(
    reader: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Of the clinician or researcher; ask them for it.")],
    family: Annotated[list[Family], typer.Option(help="What they may read; once for each.")],
    days: Annotated[int, typer.Option(min=1, max=GRANT_DAYS_MAX, help="For how long.")] = GRANT_DAYS,
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Let a clinician or researcher read some of your data for some time."""
    with terminal.client(target) as client:
        grant = client.create_grant(reader, _families(family), datetime.now(UTC) + timedelta(days=days))
    if json:
        terminal.print_json(grant)
        return
    what, until, _ = _grant_words(grant)
    name = grant.reader_name or grant.reader_id
    out.print(f"{name} may read your {what} until {until}: `clarity grants revoke {grant.grant_id}` ends it.")


@grants_app.command()
def revoke(
    grant: Annotated[str, typer.Argument(metavar="GRANT", help="Of `clarity grants`.")], target: Target = TARGET
) -> None:
    """End a grant you have given."""
    with terminal.client(target) as client:
        ended = client.revoke_grant(grant)
    out.print(f"{ended.reader_name or ended.reader_id} may no longer read your {_family_words(ended.families)}.")


@app.command()
def access_log(json: Json = False, target: Target = TARGET) -> None:
    """List who has read your data by a grant, and when."""
    with terminal.client(target) as client:
        found = client.access_events()
        if json:
            terminal.print_all(found)
            return
        table = terminal.table("when", "reader", "name", "what", "call", "grant")
        for one in found:
            what = _family_words(one.families)
            table.add_row(_when(one.access_time), one.reader_id, one.reader_name, what, one.method, one.grant_id)
    out.print(table if table.row_count else "Nobody has read your data but you.")


# ---- for operators ---------------------------------------------------------------------------------------------------

operator_app = terminal.group(
    "operator", "Accounts of others; for operators, who read nobody's data.", verb_needed=True
)
app.add_typer(operator_app)


@operator_app.command()
def create(
    email: Annotated[str, typer.Argument(metavar="E-MAIL")],
    name: Annotated[str, typer.Option(help="The name that others see.")] = "",
    role: Annotated[list[Role] | None, typer.Option(help="Once for each.")] = None,
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Make an account for somebody; a password for one use is mailed to them."""
    with terminal.client(target) as client:
        _show_other(client.create_account(email, name, _roles(role or ())), json=json)


@operator_app.command()
def find(who: Who, json: Json = False, target: Target = TARGET) -> None:
    """Show the state and the roles of an account."""
    with terminal.client(target) as client:
        _show_other(_found(client, who), json=json)


@operator_app.command()
def suspend(who: Who, reason: Reason, json: Json = False, target: Target = TARGET) -> None:
    """Refuse an account everything until it is reinstated."""
    _set_state(target, who, Account.STATE_SUSPENDED, reason, json=json)


@operator_app.command()
def disable(who: Who, reason: Reason, json: Json = False, target: Target = TARGET) -> None:
    """Refuse an account everything for good."""
    _set_state(target, who, Account.STATE_DISABLED, reason, json=json)


@operator_app.command()
def reinstate(who: Who, reason: Reason, json: Json = False, target: Target = TARGET) -> None:
    """Let a suspended or disabled account in again."""
    _set_state(target, who, Account.STATE_ACTIVE, reason, json=json)


def _set_state(target: str, who: str, state: Account.State, reason: str, *, json: bool) -> None:
    with terminal.client(target) as client:
        _show_other(client.set_account_state(_id_of(client, who), state, reason), json=json)


@operator_app.command()
def roles(
    who: Who,
    role: Annotated[list[Role] | None, typer.Argument(metavar="ROLE…", help="All there shall be.")] = None,
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Give an account exactly these roles; its sessions end."""
    with terminal.client(target) as client:
        _show_other(client.set_account_roles(_id_of(client, who), _roles(role or ())), json=json)


def _found(client: Client, who: str) -> Account:
    return client.find_account(email=who) if "@" in who else client.find_account(account_id=who)


def _id_of(client: Client, who: str) -> str:
    return _found(client, who).account_id if "@" in who else who


def _show_other(account: Account, *, json: bool) -> None:
    if json:
        terminal.print_json(account)
    else:
        terminal.print_pairs(_account_pairs(account))


# Everything after the verb is the server's to read, its --help included.
THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

keys_app = terminal.group("keys", "The keys that sign access tokens.", verb_needed=True)
app.add_typer(keys_app)


@keys_app.command(name="list", context_settings=THROUGH)
def keys_list(context: typer.Context) -> None:
    """List the keys that verify tokens, of the server's own store; the last one signs, or will in a minute."""
    terminal.become("keys", "list", *context.args)


@keys_app.command(context_settings=THROUGH)
def rotate(context: typer.Context) -> None:
    """Make a new signing key. It signs in a minute; older tokens stay good until their end."""
    terminal.become("keys", "rotate", *context.args)


audit_app = terminal.group("audit", "What was done to accounts, in a chain of hashes.", verb_needed=True)
app.add_typer(audit_app)


@audit_app.command(context_settings=THROUGH)
def verify(context: typer.Context) -> None:
    """Check the audit of the server's own store, and name the first row that was edited, dropped or moved."""
    terminal.become("audit", "verify", *context.args)


store_app = terminal.group(
    "store", "The files of the server's own store: whole, backed up, put back.", verb_needed=True
)
app.add_typer(store_app)


@store_app.command(context_settings=THROUGH)
def check(context: typer.Context) -> None:
    """Look at every page, seal, blob, number and key of the server's own store, and name what is damaged."""
    terminal.become("store", "check", *context.args)


@store_app.command(context_settings=THROUGH)
def backup(context: typer.Context) -> None:
    """Copy the server's own store to a new directory while it runs. The keys are not in it: keep them elsewhere."""
    terminal.become("store", "backup", *context.args)


@store_app.command(context_settings=THROUGH)
def restore(context: typer.Context) -> None:
    """Put a backup in place of the server's own store, which is kept aside, while no server runs."""
    terminal.become("store", "restore", *context.args)

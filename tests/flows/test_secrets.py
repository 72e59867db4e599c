"""Whoever copies the files learns no password, no token, no code and no e-mail address."""

import base64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from clarity_server.domain.accounts import Device, Origin, Tokens
from clarity_server.domain.errors import (
    ClarityError,
    CodeWrong,
    CredentialsWrong,
    RefreshTokenInvalid,
    RefreshTokenReused,
)
from clarity_server.flows.sign_in import ChallengeAnswer, SignInAsked
from tests.contracts.identity_world import HERE, IdentityWorld, asked, identity_world

EMAIL = "Canary.Owl@Canary-Example.org"
NEW_EMAIL = "canary.uhu@canary-example.org"
PASSWORD = "Canary-Passw0rd-in-the-mine"
NEW_PASSWORD = "Canary-Passw0rd-in-the-sun"
DISPLAY_NAME = "Canary Owl of the Mine"
WRONG = "Canary-Wr0ng-in-the-mine"
UNKNOWN = "canary.lark@canary-example.org"
DEVICE = Device("canary-device-1", "Canary's phone of the mine")
NETWORK = "canary-network-192.0.2.77"


def used(world: IdentityWorld) -> list[str]:
    """Go through every verb, the failing ways included; return every text that must lie nowhere."""
    account, *texts = signed_up(world)
    return [
        *(EMAIL, EMAIL.lower(), EMAIL.split("@", maxsplit=1)[0], PASSWORD, DISPLAY_NAME, WRONG, UNKNOWN),
        *(NEW_EMAIL, NEW_PASSWORD, DEVICE.device_id, DEVICE.name, NETWORK),
        *texts,
        *sessions(world),
        *proofs(world, account),
    ]


def signed_up(world: IdentityWorld) -> list[str]:
    """Sign up, once more and wrongly; return the account's id, and the tickets and codes."""
    verbs = world.verbs().sign_up
    said = replace(asked(EMAIL, PASSWORD), display_name=DISPLAY_NAME, first_name="Canaria Prima")
    _, first = verbs.sign_up(said, "sign-up", HERE)
    with suppress(CodeWrong):
        verbs.confirm(first.ticket, "00000000", HERE)
    first_code = world.code(EMAIL)
    world.clock.wait(60)
    verbs.resend(first.ticket, HERE)
    account = verbs.confirm(first.ticket, world.code(EMAIL), HERE)
    _, taken = verbs.sign_up(said, "again", HERE)
    _, waits = verbs.sign_up(replace(said, email=UNKNOWN), "waits", HERE)
    tickets = [first.ticket, taken.ticket, waits.ticket]
    return [account.account_id, "Canaria Prima", *tickets, first_code, world.code(EMAIL), world.code(UNKNOWN)]


def sessions(world: IdentityWorld) -> list[str]:
    """Sign in and out, refresh, wrongly, too; return the tokens."""
    verbs, origin = world.verbs().sign_in, Origin(NETWORK, "log")
    for email, password in ((UNKNOWN, PASSWORD), (EMAIL, WRONG)):
        with suppress(CredentialsWrong):
            verbs.sign_in(SignInAsked(email, password), "wrong", HERE)
    said = SignInAsked(EMAIL, PASSWORD, DEVICE)
    begun = [verbs.sign_in(said, request_id, origin) for request_id in ("sign-in", "", "")]
    given = [tokens for tokens in begun if isinstance(tokens, Tokens)]
    given += [verbs.refresh(given[0].refresh_token, "refresh", origin), verbs.refresh(given[1].refresh_token, "", HERE)]
    for _ in (RefreshTokenReused, RefreshTokenInvalid):
        with suppress(RefreshTokenReused, RefreshTokenInvalid):
            verbs.refresh(given[1].refresh_token, "", origin)
    verbs.sign_out(world.caller(given[2]), origin)
    tokens = [token for each in given for token in (each.access_token, each.refresh_token)]
    return [*tokens, *(token.rpartition(".")[2] for token in tokens)]


def proofs(world: IdentityWorld, account_id: str) -> list[str]:
    """Change what proves who somebody is; return the tickets, codes and secrets."""
    tokens = world.verbs().sign_in.sign_in(SignInAsked(EMAIL, PASSWORD, DEVICE), "", HERE)
    assert isinstance(tokens, Tokens)
    assert tokens.account_id == account_id
    caller, verbs = world.caller(tokens), world.verbs()
    secret, recovery_codes = world.totp(caller, PASSWORD)
    world.clock.wait(30)
    challenge = world.challenged(EMAIL, PASSWORD)
    for typed in ("000000", world.shown(secret)):
        with suppress(CodeWrong):
            verbs.sign_in.answer(challenge.ticket, ChallengeAnswer(totp_code=typed), "answer", HERE)
    waiting = world.challenged(EMAIL, PASSWORD).ticket
    reset, unknown = verbs.proofs.request_reset(EMAIL, HERE).ticket, verbs.proofs.request_reset(UNKNOWN, HERE).ticket
    verbs.proofs.reset(reset, world.code(EMAIL), NEW_PASSWORD, HERE)
    _, moving = verbs.profile.update(caller, {"email": NEW_EMAIL, "preferences": {"goal": "Canary goal"}}, HERE)
    assert moving is not None
    with suppress(ClarityError):
        verbs.proofs.remove_totp(caller, NEW_PASSWORD, "", WRONG, HERE)
    codes = [world.code(EMAIL), world.code(NEW_EMAIL)]
    plain = [code.replace("-", "") for code in recovery_codes]
    tickets = [challenge.ticket, waiting, reset, unknown, moving.ticket]
    return [secret, "Canary goal", *recovery_codes, *plain, *codes, *tickets]


def spellings(secret: str) -> Iterator[bytes]:
    """The ways in which a text would still be plain."""
    plain = secret.encode()
    yield plain
    yield secret.encode("utf-16-le")
    yield plain.hex().encode()
    yield base64.b64encode(plain).rstrip(b"=")[:-1]


def found(secrets: list[str], root: Path) -> list[tuple[str, str]]:
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert any(name.startswith("clarity.db") for name in files)
    return [
        (name, secret)
        for name, data in files.items()
        for secret in secrets
        if any(spelling in data for spelling in spellings(secret))
    ]


def test_no_secret_lies_in_any_file_while_the_server_runs_or_after_it_stopped(tmp_path: Path) -> None:
    with identity_world(tmp_path) as world:
        secrets = used(world)
        assert found(secrets, tmp_path) == []
    assert found(secrets, tmp_path) == []


def test_the_search_finds_what_does_lie_there(tmp_path: Path) -> None:
    with identity_world(tmp_path) as world:
        world.member()
        session_id = world.signed_in().session_id
        assert {name.split("-")[0] for name, _ in found([session_id], tmp_path)} == {"clarity.db"}

"""Whoever copies the files learns no password, no token and no e-mail address."""

import base64
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from clarity_server.domain.accounts import Identity
from clarity_server.domain.errors import CredentialsWrong, EmailTaken, RefreshTokenInvalid, RefreshTokenReused
from tests.contracts.identity_world import IdentityWorld, identity_world

EMAIL = "Canary.Owl@Canary-Example.org"
PASSWORD = "Canary-Passw0rd-in-the-mine"
DISPLAY_NAME = "Canary Owl of the Mine"
WRONG = "Canary-Wr0ng-in-the-mine"
UNKNOWN = "canary.lark@canary-example.org"


def used(world: IdentityWorld) -> list[str]:
    """Go through every verb, the failing ways included; return every text that must lie nowhere."""
    verbs = world.verbs()
    verbs.sign_up(EMAIL, PASSWORD, DISPLAY_NAME, "sign-up")
    with suppress(EmailTaken):
        verbs.sign_up(EMAIL, PASSWORD, DISPLAY_NAME, "again")
    for email, password in ((UNKNOWN, PASSWORD), (EMAIL, WRONG)):
        with suppress(CredentialsWrong):
            verbs.sign_in(email, password, "wrong")
    given = [verbs.sign_in(EMAIL, PASSWORD, "sign-in")]
    given += [verbs.sign_in(EMAIL, PASSWORD, "") for _ in range(2)]
    given += [verbs.refresh(given[0].refresh_token, "refresh"), verbs.refresh(given[1].refresh_token, "")]
    with suppress(RefreshTokenReused):
        verbs.refresh(given[1].refresh_token, "")
    with suppress(RefreshTokenInvalid):
        verbs.refresh(given[1].refresh_token, "")
    verbs.sign_out(Identity(given[2].account_id, given[2].session_id, 0.0))
    tokens = [token for each in given for token in (each.access_token, each.refresh_token)]
    macs = [token.rpartition(".")[2] for token in tokens]
    return [
        EMAIL,
        EMAIL.lower(),
        EMAIL.split("@", maxsplit=1)[0],
        PASSWORD,
        DISPLAY_NAME,
        WRONG,
        UNKNOWN,
        *tokens,
        *macs,
    ]


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
        world.verbs().sign_up(EMAIL, PASSWORD, "", "")
        session_id = world.verbs().sign_in(EMAIL, PASSWORD, "").session_id
        assert {name.split("-")[0] for name, _ in found([session_id], tmp_path)} == {"clarity.db"}

"""`python -m clarity_server audit …` and `… accounts …`: what they say, how they end, and beside a server that runs."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import jwt
import pytest

from clarity_server import config
from clarity_server.domain import chain
from clarity_server.domain.access import Role
from clarity_server.domain.erasure import read_receipt
from clarity_server.server import run as server
from tests.flows.erasing_world import GRACE_S, HERE, PASSWORD, ErasingWorld, erasing_world

OWL = "owl@example.org"

Command = Callable[..., tuple[int, str, str]]


def stores(root: Path) -> dict[str, str]:
    return {
        "CLARITY_RECORDS": f"sqlite:{root}/clarity.db",
        "CLARITY_BLOBS": f"file:{root}/blobs",
        "CLARITY_KEYS": f"file:{root}/keys",
        "CLARITY_OUTBOX": f"file:{root}/outbox",
        "CLARITY_MODELS": f"file:{root}/models",
    }


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command over the stores of a directory: exit code, what it printed, what it complained."""

    def one(*arguments: str, root: Path = tmp_path) -> tuple[int, str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CLARITY_")}
        line = [sys.executable, "-m", "clarity_server", *arguments]
        done = subprocess.run(line, env={**clean, **stores(root)}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    return one


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ErasingWorld]:
    """Stores that somebody has signed up in, opened by another process."""
    with erasing_world(tmp_path) as opened:
        opened.signed_up(OWL)
        opened.store.audit.anchor()
        yield opened


def by_hand(root: Path, *statements: str) -> None:
    connection = apsw.Connection(str(root / "clarity.db"))
    for statement in ("DROP TRIGGER audit_stays", "DROP TRIGGER audit_remains", *statements):
        connection.execute(statement)
    connection.close()


def test_an_audit_that_is_whole_is_said_to_be(world: ErasingWorld, command: Command) -> None:
    rows = world.store.audit.verify().rows
    assert command("audit", "verify") == (0, f"{rows} rows are whole; head {rows} anchors them", "")
    code, said, _ = command("audit", "verify", "--json")
    told = json.loads(said)
    assert (code, told["whole"], told["rows"], told["anchored"], told["fault"]) == (0, True, rows, rows, None)


def test_an_audit_that_is_broken_is_named_by_its_row(world: ErasingWorld, command: Command) -> None:
    by_hand(world.store.root, "DELETE FROM audit WHERE seq = 1")
    assert command("audit", "verify") == (
        1,
        "",
        "clarity: the audit is broken: row 1 was dropped; what is before row 1 is whole",
    )
    code, said, _ = command("audit", "verify", "--json")
    assert (code, json.loads(said)["fault"], json.loads(said)["seq"]) == (1, "dropped", 1)


def test_a_cut_tail_is_unanchored_since_the_head_before(world: ErasingWorld, command: Command) -> None:
    rows = world.store.audit.verify().rows
    world.signed_in(OWL)
    world.store.audit.anchor()
    by_hand(world.store.root, "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")
    code, _, said = command("audit", "verify")
    assert code == 1
    assert f"unanchored since head {rows}" in said


def test_a_head_that_is_no_head_is_named(world: ErasingWorld, command: Command) -> None:
    file = world.store.root / "keys" / "audit" / "heads.jsonl"
    file.write_bytes(b"nonsense\n" + file.read_bytes())
    assert command("audit", "verify") == (1, "", "clarity: audit/heads.jsonl, line 1 is damaged")


def test_stores_that_there_are_not_are_not_made(tmp_path: Path, command: Command) -> None:
    code, said, why = command("audit", "verify", root=tmp_path / "misspelt")
    assert (code, said) == (2, "")
    assert why.startswith("clarity: CLARITY_RECORDS: there is no ")
    assert not (tmp_path / "misspelt").exists()


def test_a_receipt_is_verified_with_the_key_that_is_printed(world: ErasingWorld, command: Command) -> None:
    secret, _ = world.erase.request(world.signed_in(OWL)[0], PASSWORD, "", HERE)
    world.clock.wait(GRACE_S + 1)
    world.erase.run_due()
    receipt = world.erase.receipt(secret)
    code, said, _ = command("audit", "key", "--json")
    assert code == 0
    jwk = json.loads(said)
    assert jwt.get_unverified_header(receipt.signed_receipt)["kid"] == jwk["kid"]
    decoded = jwt.PyJWS().decode(receipt.signed_receipt, jwt.PyJWK(jwk), algorithms=["EdDSA"])
    key = chain.signing_key(world.store.keys.derived(chain.SIGNING_PURPOSE)).public_key()
    assert json.loads(decoded) == read_receipt(receipt.signed_receipt, key)


def test_roles_are_given_and_listed_and_stand_in_the_audit(world: ErasingWorld, command: Command) -> None:
    _, tokens = world.signed_in(OWL)
    assert command("accounts", "list-roles", OWL) == (0, "member", "")
    assert command("accounts", "set-roles", OWL, "operator", "clinician") == (0, "clinician member operator", "")
    account = world.store.accounts.get(tokens.account_id)
    assert account is not None
    assert account.roles == {Role.MEMBER, Role.OPERATOR, Role.CLINICIAN}
    row = world.store.sessions.get(tokens.session_id)
    assert row is not None
    assert row.ended_time is not None
    told = [(str(event.kind), dict(event.facts)) for event in world.events() if event.actor_id == "console"]
    assert told[-1] == ("roles-set", {"roles": "clinician member operator"})
    assert world.store.audit.verify().whole


def test_an_address_that_nobody_has_and_a_role_that_there_is_not_are_told(
    world: ErasingWorld, command: Command
) -> None:
    assert command("accounts", "set-roles", "nobody@example.org", "operator")[0] == 1
    assert command("accounts", "list-roles", "nobody@example.org")[2].startswith("clarity: there is no")
    code, _, said = command("accounts", "set-roles", OWL, "king")
    assert code == 2
    assert "operator" in said
    assert world.store.audit.verify().whole


async def test_beside_a_server_that_runs_the_audit_is_verified_and_roles_are_given(
    tmp_path: Path, command: Command
) -> None:
    with erasing_world(tmp_path) as world:
        world.signed_up(OWL)
    started = await server.start(config.load({**stores(tmp_path), "CLARITY_LISTEN": "127.0.0.1:0"}))
    try:
        assert (await asyncio.to_thread(command, "accounts", "set-roles", OWL, "operator"))[:2] == (
            0,
            "member operator",
        )
        code, said, _ = await asyncio.to_thread(command, "audit", "verify")
        assert (code, "are whole" in said) == (0, True)
    finally:
        await started.drain(1.0)
    assert command("audit", "verify")[0] == 0
    shutil.rmtree(tmp_path / "keys" / "audit")
    assert "not anchored yet, since head 0" in command("audit", "verify")[1]


def test_a_rotated_key_is_listed_last_and_in_the_audit(world: ErasingWorld, command: Command) -> None:
    _, before, _ = command("keys", "list")
    code, made, _ = command("keys", "rotate")
    assert (code, len(made)) == (0, 43)
    assert command("keys", "list")[1].splitlines() == [before, made]
    assert json.loads(command("keys", "list", "--json")[1]) == [before, made]
    assert b"key-rotated" in world.store.audit.rows(0, 1000)[-1].event
    assert command("audit", "verify")[0] == 0

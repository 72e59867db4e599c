"""The commands about people, as people meet them, with the mail of a real server: every flow, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pyotp
import pytest

from clarity import local, recordings
from clarity.mailbox import Mailbox
from tests.client.person import PASSWORD, TIMEOUT_S, Person

NEW_PASSWORD = "Better-horse-8"
SOON_S = 30.0
STEP_S = 30  # of one-time codes


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[local.Server]:
    """A server that erases accounts as soon as it is asked to."""
    settings = {**local.own_stores(folder), "ERASURE_GRACE_S": "0", "DRAIN_S": "5"}
    with local.Server(settings, folder, log=folder / "log") as running:
        yield running


@pytest.fixture
def somebody(server: local.Server, folder: Path, tmp_path: Path) -> Callable[[str], Person]:
    """Makes people without an account, each with a name of their own."""
    return lambda name: Person(tmp_path / name, server.address, local.outbox_of(folder))


@pytest.fixture
def email(request: pytest.FixtureRequest) -> str:
    """An address that no other test uses."""
    return f"{abs(hash(request.node.name)):x}@example.org"


@pytest.fixture
def ada(somebody: Callable[[str], Person], email: str) -> Person:
    """Somebody with an account, signed in."""
    person = somebody("ada")
    person.joins(email, "--name", "Ada")
    return person


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated days of counts, as a table."""
    simulated, path = recordings.simulate(5, 2), tmp_path_factory.mktemp("files") / "minutes.csv"
    values = enumerate(simulated.values.tolist())
    lines = [f"{(simulated.start + timedelta(minutes=at)).isoformat()},{value}" for at, value in values]
    path.write_text("\n".join(["timestamp,value", *lines]))
    return path


def account_of(person: Person) -> dict[str, object]:
    found: dict[str, object] = json.loads(person.succeeds("account", "--json"))
    return found


def rows(person: Person, *arguments: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in person.succeeds(*arguments, "--json").splitlines()]


def ticket_in(told: str) -> str:
    """The ticket in a sentence that says how to go on."""
    found = re.search(r"(?:confirm-sign-up|confirm-email|--ticket) ([a-z0-9]{26})", told)
    assert found is not None, told
    return found[1]


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < give_up, f"it did not happen within {SOON_S:g} s"
        time.sleep(0.1)


def given_roles(folder: Path, email: str, *roles: str) -> None:
    """Have the operator of the machine give roles."""
    subprocess.run(
        [sys.executable, "-m", "clarity_server", "accounts", "set-roles", email, *roles],
        env=local.environment(local.own_stores(folder), inherit=False),
        check=True,
        capture_output=True,
        timeout=TIMEOUT_S,
    )


# ---- signing up ------------------------------------------------------------------------------------------------------


def test_at_a_terminal_everything_is_asked_for_and_no_password_is_shown(
    somebody: Callable[[str], Person], email: str
) -> None:
    person = somebody("newcomer")
    mail = Mailbox(person.outbox)
    with person.terminal("sign-up") as terminal:
        terminal.sees("E-mail: ")
        terminal.types(email)
        terminal.sees("Do you accept the terms of use and the privacy notice")
        terminal.types("y")
        terminal.sees("storage: keep what you send?")
        terminal.types("y")
        for purpose in ("analysis", "narration", "research"):
            terminal.sees(f"{purpose}: ")
            terminal.types("")  # Enter alone consents to nothing
        for prompt in ("Password: ", "Repeat for confirmation: "):
            terminal.sees(prompt)
            terminal.types(PASSWORD)
        terminal.sees("Code (just Enter has another one sent): ")
        terminal.types("00000000")
        terminal.sees("4 more tries")
        terminal.types(mail.code(email))
        terminal.sees("Welcome.")
        assert terminal.ends() == 0
    assert PASSWORD not in terminal.seen
    assert [row["purpose"] for row in rows(person, "consents") if row.get("given")] == ["PURPOSE_STORAGE"]


def test_whoever_does_not_accept_the_terms_gets_no_account(somebody: Callable[[str], Person], email: str) -> None:
    with somebody("stranger").terminal("sign-up", "--email", email) as terminal:
        terminal.sees("[y/N]: ")
        terminal.types("n")
        terminal.sees("there is an account only for who accepts")
        assert terminal.ends() == 1


def test_without_consent_to_storage_the_way_to_it_is_told(somebody: Callable[[str], Person], email: str) -> None:
    assert "`clarity consents give storage`" in somebody("careful").joins(email, consents=())


def test_a_sign_up_that_was_left_is_confirmed_later_and_once_signed_in(
    somebody: Callable[[str], Person], email: str
) -> None:
    person = somebody("hasty")
    mail = Mailbox(person.outbox)
    told = person.fails("sign-up", "--email", email, "--accept-terms", typed=f"{PASSWORD}\n")
    person.succeeds("confirm-sign-up", ticket_in(told), "--code", mail.code(email))
    person.succeeds("sign-in", "--email", email, typed=f"{PASSWORD}\n")
    assert account_of(person)["email"] == email


def test_signing_in_before_the_address_is_confirmed_asks_for_a_new_code(
    somebody: Callable[[str], Person], email: str
) -> None:
    person = somebody("impatient")
    mail = Mailbox(person.outbox)
    person.fails("sign-up", "--email", email, "--accept-terms", typed=f"{PASSWORD}\n")
    mail.code(email)
    person.talks("sign-in", "--email", email, answers=[PASSWORD, lambda: mail.code(email)])
    assert account_of(person)["state"] == "STATE_ACTIVE"


def test_an_address_that_has_an_account_is_answered_alike_and_its_owner_told(
    ada: Person, somebody: Callable[[str], Person], email: str
) -> None:
    mail, stranger = Mailbox(ada.outbox), somebody("stranger")
    told = stranger.fails("sign-up", "--email", email, "--accept-terms", typed=f"{NEW_PASSWORD}\n")
    free = stranger.fails("sign-up", "--email", f"free-{email}", "--accept-terms", typed=f"{NEW_PASSWORD}\n")
    assert told.replace(ticket_in(told), "") == free.replace(ticket_in(free), "")
    assert "it has one already" in mail.text(email)
    assert "the code is wrong" in stranger.fails("confirm-sign-up", ticket_in(told), "--code", "12345678")


# ---- sessions --------------------------------------------------------------------------------------------------------


def test_sessions_are_listed_and_one_is_ended(ada: Person, somebody: Callable[[str], Person], email: str) -> None:
    phone = somebody("phone")
    phone.succeeds("sign-in", "--email", email, "--short", typed=f"{PASSWORD}\n")
    found = rows(ada, "sessions")
    assert [row.get("current", False) for row in found] == [False, True]
    assert "this one" in ada.succeeds("sessions")
    ada.succeeds("sessions", "--revoke", str(found[0]["session_id"]))
    until(lambda: phone.runs("account").returncode == 1)
    assert "the session has ended" in phone.fails("account")
    assert "`clarity sessions` lists" in ada.fails("sessions", "--revoke", "nonsense")


def test_signing_out_everywhere_ends_every_session(ada: Person, somebody: Callable[[str], Person], email: str) -> None:
    phone = somebody("phone")
    phone.succeeds("sign-in", "--email", email, typed=f"{PASSWORD}\n")
    assert "on every device" in ada.succeeds("sign-out", "--everywhere")
    assert "nobody is signed in" in ada.fails("account")
    until(lambda: phone.runs("account").returncode == 1)


def test_a_session_allows_no_more_than_it_was_asked_for(ada: Person, email: str) -> None:
    ada.succeeds("sign-in", "--email", email, "--scope", "account.read", typed=f"{PASSWORD}\n")
    assert account_of(ada)["email"] == email
    told = ada.fails("days")
    assert ".read" in told
    assert "run `clarity sign-in` again" in told
    told = ada.fails("sign-in", "--email", email, "--scope", "operator.read", typed=f"{PASSWORD}\n")
    assert "do not allow 'operator.read'" in told


# ---- the account -----------------------------------------------------------------------------------------------------


def test_what_is_known_of_a_person_is_theirs_to_change(ada: Person) -> None:
    ada.succeeds("account", "update", "--first-name", "Ada", "--time-zone", "Europe/London", "--language", "en-GB")
    shown = ada.succeeds("account", "update", "--set", "goal.steps=9000", "--set", "notify.weekly=on")
    assert "Europe/London" in shown
    assert "9000" in shown
    ada.succeeds("account", "update", "--set", "notify.weekly=", "--name", "")
    found = account_of(ada)
    assert (found["first_name"], found["language"]) == ("Ada", "en-GB")
    assert found["preferences"] == {"goal.steps": "9000"}
    assert "display_name" not in found
    assert "time_zone" in ada.fails("account", "update", "--time-zone", "Middle/Earth")


def test_a_new_address_counts_once_its_code_is_there(ada: Person, email: str) -> None:
    mail, new = Mailbox(ada.outbox), f"new-{email}"
    told = ada.fails("account", "update", "--email", new)
    found = account_of(ada)
    assert (found["email"], found["new_email"]) == (email, new)
    assert f"{new} waits for its code" in ada.succeeds("account")
    assert new in ada.succeeds("account", "confirm-email", ticket_in(told), "--code", mail.code(new))
    assert account_of(ada)["email"] == new
    ada.succeeds("sign-in", "--email", new, typed=f"{PASSWORD}\n")


# ---- passwords -------------------------------------------------------------------------------------------------------


def test_a_password_is_changed_and_the_other_sessions_end(
    ada: Person, somebody: Callable[[str], Person], email: str
) -> None:
    phone = somebody("phone")
    phone.succeeds("sign-in", "--email", email, typed=f"{PASSWORD}\n")
    assert "clarity: " in ada.fails("password", "change", typed=f"wrong\n{NEW_PASSWORD}\n")
    ada.succeeds("password", "change", typed=f"{PASSWORD}\n{NEW_PASSWORD}\n")
    until(lambda: phone.runs("account").returncode == 1)
    assert account_of(ada)["email"] == email
    phone.fails("sign-in", "--email", email, typed=f"{PASSWORD}\n")
    phone.succeeds("sign-in", "--email", email, typed=f"{NEW_PASSWORD}\n")


def test_a_lost_password_is_replaced_with_a_mailed_code(ada: Person, email: str) -> None:
    mail = Mailbox(ada.outbox)
    shown = ada.talks("password", "reset", "--email", email, answers=[lambda: mail.code(email), NEW_PASSWORD])
    assert "`clarity sign-in`" in shown
    ada.fails("sign-in", "--email", email, typed=f"{PASSWORD}\n")
    ada.succeeds("sign-in", "--email", email, typed=f"{NEW_PASSWORD}\n")


def test_a_reset_that_was_left_goes_on_with_its_ticket(ada: Person, email: str, tmp_path: Path) -> None:
    mail, secret = Mailbox(ada.outbox), tmp_path / "secret"
    secret.write_text(NEW_PASSWORD)
    ticket = ticket_in(ada.fails("password", "reset", "--email", email))
    later = ["password", "reset", "--ticket", ticket, "--new-password-file", str(secret), "--code"]
    assert "the code is wrong" in ada.fails(*later, "00000000")
    ada.succeeds(*later, mail.code(email))
    ada.succeeds("sign-in", "--email", email, "--password-file", secret)


def test_a_reset_of_an_address_without_an_account_looks_alike(ada: Person, email: str) -> None:
    known = ada.fails("password", "reset", "--email", email)
    unknown = ada.fails("password", "reset", "--email", f"un{email}")
    assert known.replace(ticket_in(known), "") == unknown.replace(ticket_in(unknown), "")


# ---- one-time codes --------------------------------------------------------------------------------------------------


def turned_on(person: Person) -> tuple[pyotp.TOTP, list[str]]:
    """Turn one-time codes on at a terminal; return what makes codes, and the recovery codes."""
    with person.terminal("totp", "on") as terminal:
        terminal.sees("Password: ")
        terminal.types(PASSWORD)
        drawn = terminal.sees("secret  ")
        assert "█" in drawn  # the QR code
        assert "▀" in drawn
        totp = pyotp.TOTP(terminal.sees("URI").strip())
        terminal.sees("Code that the app shows now: ")
        terminal.types("000000" if totp.now() != "000000" else "000001")
        terminal.sees("Code that the app shows now: ")
        terminal.types(totp.now())
        terminal.sees("told only now:")
        assert terminal.ends() == 0
    return totp, terminal.seen[terminal.read :].split()


def test_one_time_codes_are_turned_on_asked_for_once_each_and_turned_off(ada: Person, email: str) -> None:
    totp, recovery = turned_on(ada)
    assert len(recovery) == 10
    assert account_of(ada)["totp_enabled"]
    code = totp.at(time.time() + STEP_S)  # the one of this step is used up
    ada.talks("sign-in", "--email", email, answers=[PASSWORD, code])
    assert "the code is wrong" in ada.fails("sign-in", "--email", email, "--code", code, typed=f"{PASSWORD}\n")
    assert "no code was given" in ada.fails("sign-in", "--email", email, typed=f"{PASSWORD}\n")
    ada.succeeds("sign-in", "--email", email, "--code", recovery[0], typed=f"{PASSWORD}\n")
    ada.fails("sign-in", "--email", email, "--code", recovery[0], typed=f"{PASSWORD}\n")
    assert "9 recovery codes are left" in ada.succeeds("account")
    ada.succeeds("totp", "off", "--code", recovery[1], typed=f"{PASSWORD}\n")
    ada.succeeds("sign-in", "--email", email, typed=f"{PASSWORD}\n")
    assert "`clarity totp on` makes one" in ada.fails("totp", "codes", typed=f"{PASSWORD}\n")


def test_new_recovery_codes_replace_the_ones_before(ada: Person, email: str) -> None:
    _, before = turned_on(ada)
    assert "`clarity totp off` turns them off" in ada.fails("totp", "on", typed=f"{PASSWORD}\n")
    shown = ada.succeeds("totp", "codes", typed=f"{PASSWORD}\n")
    after = [line.strip() for line in shown.splitlines() if line.startswith("  ")]
    assert len(after) == 10
    ada.fails("sign-in", "--email", email, "--code", before[0], typed=f"{PASSWORD}\n")
    ada.succeeds("sign-in", "--email", email, "--code", after[0], typed=f"{PASSWORD}\n")


# ---- consent and sharing ---------------------------------------------------------------------------------------------


def test_what_is_not_consented_to_is_refused_with_the_way_to_consent(ada: Person, minutes: Path) -> None:
    assert "no longer consent to storage" in ada.succeeds("consents", "withdraw", "storage")
    told = ada.fails("stream", minutes)
    assert "consent to storage is not given" in told
    assert "`clarity consents give PURPOSE`" in told
    shown = {line.split()[0]: line.split()[1] for line in ada.succeeds("consents").splitlines()[1:]}
    assert shown == {"storage": "no", "analysis": "yes", "narration": "yes", "research": "no"}
    ada.succeeds("consents", "give", "storage")
    assert "receipt" in ada.succeeds("stream", minutes)


def test_a_clinician_reads_what_was_granted_while_it_is_and_the_member_sees_it(
    ada: Person, somebody: Callable[[str], Person], folder: Path, email: str, minutes: Path
) -> None:
    ada.succeeds("stream", minutes)
    doctor, hers = somebody("doctor"), f"doctor-{email}"
    doctor.joins(hers, "--name", "Dr. Owl")
    given_roles(folder, hers, "clinician")
    doctor.succeeds("sign-in", "--email", hers, typed=f"{PASSWORD}\n")
    member, reader = str(account_of(ada)["account_id"]), str(account_of(doctor)["account_id"])
    assert "ask its owner for a grant" in doctor.fails("days", "--of", member)

    told = ada.succeeds("grants", "give", reader, "--family", "activity", "--family", "sleep", "--days", "7")
    assert "Dr. Owl may read your activity, sleep until " in told
    assert rows(doctor, "days", "--of", member) == rows(ada, "days")
    assert rows(doctor, "read", "--start", "2026-01-10", "--of", member) == rows(ada, "read", "--start", "2026-01-10")
    assert "no grant in force" in doctor.fails("weeks", "--of", member)
    assert "no grant in force" in ada.fails("days", "--of", reader)

    assert rows(doctor, "grants", "received")[0]["member_name"] == "Ada"
    assert "active" in doctor.succeeds("grants", "received")
    seen = rows(ada, "access-log")
    assert [(row["method"], row["reader_name"]) for row in seen] == [("ReadSeries", "Dr. Owl"), ("ListDays", "Dr. Owl")]
    assert "Dr. Owl" in ada.succeeds("access-log")

    (grant,) = rows(ada, "grants")
    assert "may no longer read" in ada.succeeds("grants", "revoke", str(grant["grant_id"]))
    doctor.fails("days", "--of", member)
    assert "revoked" in ada.succeeds("grants", "list")


def test_whoever_shares_nothing_is_told_so(ada: Person) -> None:
    assert "Nobody may read your data but you" in ada.succeeds("grants")
    assert "Nobody has granted you anything" in ada.succeeds("grants", "received")
    assert "Nobody has read your data" in ada.succeeds("access-log")
    told = ada.fails("grants", "give", str(account_of(ada)["account_id"]), "--family", "sleep")
    assert "nobody with this id" in told
    assert "`clarity grants` lists" in ada.fails("grants", "revoke", "nonsense")


# ---- erasure ---------------------------------------------------------------------------------------------------------


def test_an_account_is_erased_and_the_receipt_tells_it(ada: Person, email: str, minutes: Path) -> None:
    ada.succeeds("stream", minutes)
    assert "nothing was changed" in ada.fails("account", "delete", typed="somebody@example.org\n")
    ada.fails("account", "delete", "--yes-delete", email, typed="wrong\n")
    shown = ada.succeeds("account", "delete", typed=f"{email}\n{PASSWORD}\n")
    found = re.search(r"clarity erasure (\S+)", shown)
    assert found is not None, shown
    assert "nobody is signed in" in ada.fails("account")
    until(lambda: rows(ada, "erasure", found[1])[0]["state"] == "STATE_DONE")
    (receipt,) = rows(ada, "erasure", found[1])
    stores = receipt["stores"]
    assert isinstance(stores, list)
    assert stores
    assert [store for store in stores if store.get("left_count")] == []
    assert receipt["signed_receipt"]
    assert "done" in ada.succeeds("erasure", found[1])
    ada.fails("sign-in", "--email", email, typed=f"{PASSWORD}\n")
    assert "told you to keep" in ada.fails("erasure", "nonsense")


# ---- operators -------------------------------------------------------------------------------------------------------


def test_an_operator_makes_suspends_and_reinstates_and_reads_nothing(
    ada: Person, somebody: Callable[[str], Person], folder: Path, email: str
) -> None:
    boss, hers = somebody("boss"), f"boss-{email}"
    boss.joins(hers)
    assert "an operator gives roles" in boss.fails("operator", "find", email)
    given_roles(folder, hers, "operator")
    boss.succeeds("sign-in", "--email", hers, typed=f"{PASSWORD}\n")

    assert "active" in boss.succeeds("operator", "find", email)
    assert "suspended" in boss.succeeds("operator", "suspend", email, "--reason", "a test")
    until(lambda: "suspended" in ada.runs("account").stderr)
    boss.succeeds("operator", "reinstate", email, "--reason", "the test is over")
    until(lambda: ada.runs("account").returncode == 0)
    boss.succeeds("operator", "disable", email, "--reason", "a test")
    assert "ask whoever runs the server" in ada.fails("sign-in", "--email", email, typed=f"{PASSWORD}\n")
    assert "there is no such account" in boss.fails("operator", "find", "nobody@example.org")

    mail, invited = Mailbox(boss.outbox), f"invited-{email}"
    boss.succeeds("operator", "create", invited, "--name", "Guest", "--role", "clinician")
    (one_use,) = re.findall(r"^    (\S+)$", mail.text(invited), re.MULTILINE)
    guest = somebody("guest")
    guest.talks("sign-in", "--email", invited, answers=[one_use, NEW_PASSWORD])
    assert "clinician" in guest.succeeds("account")
    assert "member" in boss.succeeds("operator", "roles", invited)
    until(partial(_is_out, guest))


def _is_out(person: Person) -> bool:
    return person.runs("account").returncode == 1


def test_the_audit_of_all_this_is_whole(server: local.Server, folder: Path, ada: Person) -> None:
    assert server.is_running
    settings = {f"CLARITY_{name}": value for name, value in local.own_stores(folder).items()}
    Person(ada.home, ada.target, ada.outbox, settings).succeeds("audit", "verify")

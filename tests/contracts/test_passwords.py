"""What everything that knows passwords must do."""

import pytest

from clarity_server.domain.errors import CredentialsWrong
from clarity_server.ports import Passwords
from tests.contracts.recordings import ACCOUNT, STRANGER
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

PASSWORD = "Night-0wl"


@pytest.fixture
def passwords(world: World) -> Passwords:
    world.passwords.put(ACCOUNT, PASSWORD)
    return world.passwords


def test_the_password_that_was_set_is_right(passwords: Passwords) -> None:
    passwords.check(ACCOUNT, PASSWORD)


@pytest.mark.parametrize("password", ["", "night-0wl", PASSWORD + " ", PASSWORD[:-1], "Night-0wl\0"])
def test_any_other_is_wrong(passwords: Passwords, password: str) -> None:
    with pytest.raises(CredentialsWrong):
        passwords.check(ACCOUNT, password)


@pytest.mark.parametrize("account_id", [None, STRANGER, ""])
def test_where_there_is_none_every_one_is_wrong(passwords: Passwords, account_id: str | None) -> None:
    with pytest.raises(CredentialsWrong):
        passwords.check(account_id, PASSWORD)


def test_a_new_password_takes_the_place_of_the_old_one(passwords: Passwords) -> None:
    passwords.put(ACCOUNT, "Day-1ark!")
    passwords.check(ACCOUNT, "Day-1ark!")
    with pytest.raises(CredentialsWrong):
        passwords.check(ACCOUNT, PASSWORD)


def test_everybody_has_their_own(passwords: Passwords) -> None:
    passwords.put(STRANGER, "Day-1ark!")
    passwords.check(ACCOUNT, PASSWORD)
    with pytest.raises(CredentialsWrong):
        passwords.check(STRANGER, PASSWORD)


def test_a_password_is_right_however_its_letters_are_composed(passwords: Passwords) -> None:
    passwords.put(ACCOUNT, "N\u00e4cht-0wl")
    passwords.check(ACCOUNT, "Na\u0308cht-0wl")


def test_of_passwords_set_at_once_one_counts(world: World, passwords: Passwords) -> None:
    candidates = [f"Night-{number}wl" for number in range(8)]
    with world.another() as other:
        at_once(8, lambda number: (world, other)[number % 2].passwords.put(ACCOUNT, candidates[number]))
    answers = at_once(8, lambda number: passwords.check(ACCOUNT, candidates[number]))
    assert [type(answer) for answer in answers].count(CredentialsWrong) == 7
    assert answers.count(None) == 1


def test_another_process_knows_the_same_passwords(world: World, passwords: Passwords) -> None:
    with world.another() as other:
        other.passwords.check(ACCOUNT, PASSWORD)
        other.passwords.put(ACCOUNT, "Day-1ark!")
    passwords.check(ACCOUNT, "Day-1ark!")

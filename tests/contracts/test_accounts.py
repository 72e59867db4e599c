"""What every store of accounts must do."""

from datetime import UTC, datetime

import pytest

from clarity_server.domain.accounts import Account
from clarity_server.domain.errors import EmailTaken
from clarity_server.domain.ids import new_id
from clarity_server.ports import Accounts, Credential
from tests.contracts.identity_world import at_once
from tests.contracts.worlds import World


@pytest.fixture
def accounts(world: World) -> Accounts:
    return world.accounts


def account(email: str = "Owl@Example.org", display_name: str = "Owl") -> Account:
    return Account(new_id(), email, display_name, datetime(2026, 3, 1, 12, 30, 15, 123456, UTC))


def test_an_account_is_found_by_its_id_as_it_was_made(accounts: Accounts) -> None:
    made = account(display_name="Ówl 🦉")
    accounts.create(made, "hash")
    assert accounts.get(made.account_id) == made


def test_an_empty_display_name_stays_empty(accounts: Accounts) -> None:
    made = account(display_name="")
    accounts.create(made, "hash")
    assert accounts.get(made.account_id) == made


@pytest.mark.parametrize("email", ["Owl@Example.org", "owl@example.org", "OWL@EXAMPLE.ORG", " owl@example.org\t"])
def test_an_account_is_found_by_its_address_in_any_case_and_with_blanks_around_it(
    accounts: Accounts, email: str
) -> None:
    made = account()
    accounts.create(made, "hash")
    assert accounts.by_email(email) == Credential(made.account_id, "hash")


def test_case_is_that_of_unicode(accounts: Accounts) -> None:
    accounts.create(account("straße@example.org"), "hash")
    assert accounts.by_email("STRASSE@EXAMPLE.ORG") is not None


def test_an_unknown_address_and_an_unknown_id_are_found_to_be_nobody(accounts: Accounts) -> None:
    accounts.create(account(), "hash")
    assert accounts.by_email("lark@example.org") is None
    assert accounts.get(new_id()) is None


def test_a_second_account_with_an_address_is_refused_and_the_first_stays(accounts: Accounts) -> None:
    first, second = account(), account("OWL@example.ORG")
    accounts.create(first, "first")
    with pytest.raises(EmailTaken):
        accounts.create(second, "second")
    assert accounts.by_email("owl@example.org") == Credential(first.account_id, "first")
    assert accounts.get(second.account_id) is None


def test_of_sixteen_callers_with_one_address_one_wins(accounts: Accounts) -> None:
    made = [account() for _ in range(16)]
    answers = at_once(16, lambda number: accounts.create(made[number], str(number)))
    winner = answers.index(None)
    assert [type(answer) for answer in answers].count(EmailTaken) == 15
    assert accounts.by_email("owl@example.org") == Credential(made[winner].account_id, str(winner))


def test_a_new_hash_replaces_the_one_it_was_made_for(accounts: Accounts) -> None:
    made = account()
    accounts.create(made, "old")
    accounts.rehash(made.account_id, "old", "new")
    assert accounts.by_email(made.email) == Credential(made.account_id, "new")


def test_a_hash_that_has_changed_meanwhile_is_left_alone(accounts: Accounts) -> None:
    made = account()
    accounts.create(made, "changed")
    accounts.rehash(made.account_id, "old", "new")
    assert accounts.by_email(made.email) == Credential(made.account_id, "changed")


def test_an_account_is_found_by_another_process(world: World, accounts: Accounts) -> None:
    made = account()
    accounts.create(made, "hash")
    with world.another() as other:
        assert other.accounts.get(made.account_id) == made
        assert other.accounts.by_email(made.email) == Credential(made.account_id, "hash")

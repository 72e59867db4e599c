"""What every store of accounts must do."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from clarity_server.domain.access import Role
from clarity_server.domain.accounts import Account, AccountState, Standing
from clarity_server.domain.errors import AccountNotFound, CredentialsWrong, EmailTaken, StoreDamaged
from clarity_server.domain.ids import new_id
from clarity_server.ports import Accounts
from tests.contracts.threads import at_once
from tests.contracts.worlds import NOW, World

WHEN = datetime(2026, 3, 1, 12, 30, 15, 123456, UTC)
EMAIL = "Owl@Example.org"


@pytest.fixture
def accounts(world: World) -> Accounts:
    return world.accounts


def account(email: str = EMAIL, display_name: str = "Owl") -> Account:
    return Account(new_id(), email, display_name, WHEN)


def pending(email: str = EMAIL, create_time: datetime = WHEN) -> Account:
    return replace(account(email), state=AccountState.PENDING, create_time=create_time)


def made(accounts: Accounts, one: Account) -> Account:
    accounts.create(one)
    return one


def suspended(one: Account) -> Account:
    return replace(one, state=AccountState.SUSPENDED)


# ---- as they were made ----------------------------------------------------------------------------------------------


def test_an_account_is_found_by_its_id_as_it_was_made(accounts: Accounts) -> None:
    whole = Account(
        account_id=new_id(),
        email=EMAIL,
        display_name="Ówl 🦉",
        create_time=WHEN,
        state=AccountState.ERASING,
        roles=frozenset({Role.MEMBER, Role.CLINICIAN}),
        first_name="Strix",
        last_name="Aluco",
        time_zone="Europe/Berlin",
        language="de",
        preferences={"goal": "8 h", "": ""},
        new_email="lark@example.org",
        terms_version="2026-11",
        privacy_version="2026-10",
        erase_time=datetime(2026, 4, 1, 0, 0, 0, 654321, UTC),
        must_change_password=True,
        not_before=NOW + 0.125,
    )
    accounts.create(whole)
    assert accounts.get(whole.account_id) == whole


def test_what_is_left_out_stays_out(accounts: Accounts) -> None:
    bare = made(accounts, account(display_name=""))
    assert accounts.get(bare.account_id) == bare


def test_an_account_comes_with_its_data_key(world: World, accounts: Accounts) -> None:
    assert len(world.keys.data_key(made(accounts, account()).account_id)) == 32


def test_making_an_account_again_changes_nothing(accounts: Accounts) -> None:
    first = made(accounts, account())
    accounts.create(replace(first, display_name="Lark"))
    assert accounts.get(first.account_id) == first


def test_an_account_whose_key_is_destroyed_cannot_be_read(world: World, accounts: Accounts) -> None:
    lost = made(accounts, account())
    world.keys.destroy_data_key(lost.account_id)
    with pytest.raises(StoreDamaged):
        accounts.get(lost.account_id)


# ---- by address -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("email", ["Owl@Example.org", "owl@example.org", "OWL@EXAMPLE.ORG", " owl@example.org\t"])
def test_an_account_is_found_by_its_address_in_any_case_and_with_blanks_around_it(
    accounts: Accounts, email: str
) -> None:
    assert accounts.by_email(email) is None
    assert made(accounts, account()).account_id == accounts.by_email(email)


def test_case_is_that_of_unicode(accounts: Accounts) -> None:
    accounts.create(account("straße@example.org"))
    assert accounts.by_email("STRASSE@EXAMPLE.ORG") is not None


def test_an_unknown_address_and_an_unknown_id_are_found_to_be_nobody(accounts: Accounts) -> None:
    accounts.create(account())
    assert accounts.by_email("lark@example.org") is None
    assert accounts.get(new_id()) is None


def test_an_address_that_is_only_wanted_finds_nobody(accounts: Accounts) -> None:
    accounts.create(replace(account(), new_email="lark@example.org"))
    assert accounts.by_email("lark@example.org") is None


def test_a_second_account_with_an_address_is_refused_and_the_first_stays(accounts: Accounts) -> None:
    first, second = made(accounts, account()), account("OWL@example.ORG")
    with pytest.raises(EmailTaken):
        accounts.create(second)
    assert accounts.by_email("owl@example.org") == first.account_id
    assert accounts.get(second.account_id) is None


@pytest.mark.parametrize("state", [state for state in AccountState if state is not AccountState.PENDING])
def test_an_address_is_taken_in_every_state_but_pending(accounts: Accounts, state: AccountState) -> None:
    accounts.create(replace(account(), state=state))
    with pytest.raises(EmailTaken):
        accounts.create(account())


def test_of_sixteen_callers_with_one_address_one_wins(world: World, accounts: Accounts) -> None:
    ones = [account() for _ in range(16)]
    with world.another() as other:
        answers = at_once(16, lambda number: (world, other)[number % 2].accounts.create(ones[number]))
    winner = answers.index(None)
    assert [type(answer) for answer in answers].count(EmailTaken) == 15
    assert accounts.by_email("owl@example.org") == ones[winner].account_id


# ---- pending --------------------------------------------------------------------------------------------------------


def test_several_may_wait_for_one_address_and_the_newest_is_found(accounts: Accounts) -> None:
    newest = pending(create_time=datetime(2026, 3, 3, tzinfo=UTC))
    for one in (pending(), newest, pending("OWL@example.org")):
        accounts.create(one)
    assert accounts.by_email("owl@example.org") == newest.account_id


def test_an_account_is_found_before_all_that_wait_for_its_address(accounts: Accounts) -> None:
    accounts.create(pending())
    owner = made(accounts, account())
    accounts.create(pending(create_time=datetime(2027, 1, 1, tzinfo=UTC)))
    assert accounts.by_email(EMAIL) == owner.account_id


def test_confirming_makes_an_account_active_and_its_address_its_own(accounts: Accounts) -> None:
    mine, theirs = made(accounts, pending()), made(accounts, pending(create_time=datetime(2027, 1, 1, tzinfo=UTC)))
    confirmed = accounts.confirm(mine.account_id)
    assert confirmed == replace(mine, state=AccountState.ACTIVE) == accounts.get(mine.account_id)
    assert accounts.by_email(EMAIL) == mine.account_id
    with pytest.raises(EmailTaken):
        accounts.confirm(theirs.account_id)
    assert accounts.get(theirs.account_id) == theirs


def test_confirming_again_returns_the_account_as_it_is(accounts: Accounts) -> None:
    one = made(accounts, pending())
    accounts.confirm(one.account_id)
    blocked = accounts.change(one.account_id, suspended)
    assert accounts.confirm(one.account_id) == blocked == accounts.get(one.account_id)


def test_of_sixteen_that_are_confirmed_for_one_address_one_wins(world: World, accounts: Accounts) -> None:
    ones = [made(accounts, pending()) for _ in range(16)]
    with world.another() as other:
        answers = at_once(16, lambda number: (world, other)[number % 2].accounts.confirm(ones[number].account_id))
    assert [type(answer) for answer in answers].count(EmailTaken) == 15
    states = [found.state for one in ones if (found := accounts.get(one.account_id))]
    assert sorted(states) == [AccountState.ACTIVE] + [AccountState.PENDING] * 15


def test_an_unknown_account_is_neither_confirmed_nor_changed(accounts: Accounts) -> None:
    with pytest.raises(AccountNotFound):
        accounts.confirm(new_id())
    with pytest.raises(AccountNotFound):
        accounts.change(new_id(), suspended)


def test_those_that_waited_too_long_are_removed_with_key_and_password(world: World, accounts: Accounts) -> None:
    days = [datetime(2026, 3, day, tzinfo=UTC) for day in range(1, 6)]
    ones = [made(accounts, pending(create_time=day)) for day in days]
    for one in ones:
        world.passwords.put(one.account_id, "Night-0wl")
    accounts.confirm(ones[1].account_id)
    before = days[3].timestamp()
    assert accounts.remove_pending(before, 1) == [ones[0].account_id]
    assert accounts.remove_pending(before, 10) == [ones[2].account_id]
    assert accounts.remove_pending(before, 10) == []
    for gone in (ones[0], ones[2]):
        assert accounts.get(gone.account_id) is None
        with pytest.raises(StoreDamaged):
            world.keys.data_key(gone.account_id)
        with pytest.raises(CredentialsWrong):
            world.passwords.check(gone.account_id, "Night-0wl")
    for kept in (ones[1], ones[3], ones[4]):
        assert accounts.get(kept.account_id) is not None
        world.passwords.check(kept.account_id, "Night-0wl")


def _do(works: Sequence[Callable[[], object]], which: int) -> object:
    return works[which]()


def test_one_that_is_confirmed_while_it_is_removed_is_whole_or_gone(accounts: Accounts) -> None:
    for number in range(8):
        one = made(accounts, pending(f"{number}@example.org"))
        works: list[Callable[[], object]] = [
            partial(accounts.remove_pending, NOW * 2, 10),
            partial(accounts.confirm, one.account_id),
        ]
        at_once(2, partial(_do, works))
        found = accounts.get(one.account_id)
        assert found is None or found == replace(one, state=AccountState.ACTIVE)


# ---- changes --------------------------------------------------------------------------------------------------------


def test_an_account_is_replaced_by_what_a_function_makes_of_it(accounts: Accounts) -> None:
    one = made(accounts, account())
    changed = accounts.change(one.account_id, lambda old: replace(old, display_name="Lark", language="en"))
    assert changed == replace(one, display_name="Lark", language="en") == accounts.get(one.account_id)


def test_a_new_address_finds_the_account_and_the_old_one_is_free(accounts: Accounts) -> None:
    one = made(accounts, account())
    accounts.change(one.account_id, lambda old: replace(old, email="Lark@example.org"))
    assert accounts.by_email("lark@example.org") == one.account_id
    assert accounts.by_email(EMAIL) is None
    accounts.create(account())


def test_an_address_that_another_has_is_refused_and_nothing_is_changed(accounts: Accounts) -> None:
    one, other = made(accounts, account()), made(accounts, account("lark@example.org"))
    with pytest.raises(EmailTaken):
        accounts.change(one.account_id, lambda old: replace(old, email="LARK@example.org", display_name="Lark"))
    assert accounts.get(one.account_id) == one
    assert accounts.by_email("lark@example.org") == other.account_id


def test_what_a_change_raises_is_raised_and_nothing_is_changed(accounts: Accounts) -> None:
    one = made(accounts, account())

    def refuse(_: Account) -> Account:
        raise CredentialsWrong

    with pytest.raises(CredentialsWrong):
        accounts.change(one.account_id, refuse)
    assert accounts.get(one.account_id) == one


def test_no_change_of_sixteen_at_once_is_lost(world: World, accounts: Accounts) -> None:
    one = made(accounts, account(display_name=""))
    with world.another() as other:
        worlds = (world, other)

        def longer(number: int) -> Account:
            return worlds[number % 2].accounts.change(
                one.account_id, lambda old: replace(old, display_name=old.display_name + "x")
            )

        assert len({answer.display_name for answer in at_once(16, longer) if isinstance(answer, Account)}) == 16
    assert accounts.get(one.account_id) == replace(one, display_name="x" * 16)


# ---- standings ------------------------------------------------------------------------------------------------------


def test_a_changed_state_is_listed_from_the_time_of_the_change_on(world: World, accounts: Accounts) -> None:
    one, _ = made(accounts, account()), made(accounts, account("lark@example.org"))
    assert accounts.standings_since(0) == []
    world.clock.wait(10)
    accounts.change(one.account_id, suspended)
    standing = Standing(one.account_id, AccountState.SUSPENDED, 0)
    assert accounts.standings_since(NOW + 10) == [standing]
    assert accounts.standings_since(NOW + 10.001) == []
    with world.another() as other:
        assert other.accounts.standings_since(0) == [standing]


def test_a_later_not_before_is_listed(world: World, accounts: Accounts) -> None:
    one = made(accounts, account())
    accounts.change(one.account_id, lambda old: replace(old, not_before=NOW + 5))
    assert accounts.standings_since(NOW) == [Standing(one.account_id, AccountState.ACTIVE, NOW + 5)]
    assert accounts.standings_since(NOW) == world.accounts.standings_since(NOW)


def test_a_change_of_something_else_is_not_listed(world: World, accounts: Accounts) -> None:
    one = made(accounts, account())
    accounts.change(one.account_id, suspended)
    world.clock.wait(10)
    accounts.change(one.account_id, lambda old: replace(old, display_name="Lark"))
    assert accounts.standings_since(NOW + 1) == []
    assert len(accounts.standings_since(NOW)) == 1


def test_a_state_that_is_taken_back_is_listed_as_it_is_now(world: World, accounts: Accounts) -> None:
    one = made(accounts, account())
    accounts.change(one.account_id, suspended)
    world.clock.wait(10)
    accounts.change(one.account_id, lambda old: replace(old, state=AccountState.ACTIVE))
    assert accounts.standings_since(0) == [Standing(one.account_id, AccountState.ACTIVE, 0)]


# ---- erasing --------------------------------------------------------------------------------------------------------


def test_those_whose_time_has_come_are_to_be_erased(accounts: Accounts) -> None:
    times = {name: datetime(2026, 4, day, tzinfo=UTC) for name, day in (("c", 3), ("a", 1), ("b", 2), ("d", 4))}
    ones = {
        name: made(accounts, replace(account(f"{name}@b.org"), state=AccountState.ERASING, erase_time=at))
        for name, at in times.items()
    }
    accounts.create(replace(account("kept@b.org"), erase_time=times["a"]))
    before = times["d"].timestamp()
    assert accounts.erasing(before, 10) == [ones[name].account_id for name in "abc"]
    assert accounts.erasing(before, 2) == [ones[name].account_id for name in "ab"]
    accounts.change(ones["a"].account_id, lambda old: replace(old, state=AccountState.ACTIVE, erase_time=None))
    assert accounts.erasing(before, 1) == [ones["b"].account_id]


def test_an_account_is_found_by_another_process(world: World, accounts: Accounts) -> None:
    one = made(accounts, account())
    with world.another() as other:
        assert other.accounts.get(one.account_id) == one
        assert other.accounts.by_email(one.email) == one.account_id

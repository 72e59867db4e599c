"""Limits: who is over theirs is refused and told how long to wait; nobody uses up what is somebody else's."""

import itertools
import threading
import time
from collections.abc import Callable

import pytest

from clarity_server.domain.errors import RateLimited
from clarity_server.server import limits
from clarity_server.server.access import declared, public
from clarity_server.server.limits import (
    ACCOUNT,
    BY_ACCOUNT,
    BY_NETWORK,
    NETWORK,
    OF_ACCOUNTS,
    PROOF,
    SERVER,
    SIGN_IN,
    SIGN_UP,
    Limit,
    Rate,
)
from clarity_server.server.throttle import KEYS_MAX, Throttle, prefix

SIGN_IN_METHOD = "/clarity.v1.AuthService/SignIn"
SIGN_UP_METHOD = "/clarity.v1.AuthService/SignUp"
PASSWORD_METHOD = "/clarity.v1.AuthService/ChangePassword"
READ_METHOD = "/clarity.v1.HealthDataService/ReadSeries"
HERE, THERE = "192.0.2.1", "192.0.2.2"
OWL, LARK = "o" * 26, "l" * 26
WITHIN_S = 30.0


def from_network(throttle: Throttle, method: str, address: str = HERE) -> Callable[[], None]:
    return lambda: throttle.network(method, address, public=method in BY_NETWORK)


def of_account(throttle: Throttle, method: str, account_id: str = OWL) -> Callable[[], None]:
    return lambda: throttle.account(method, account_id)


def until_refused(call: Callable[[], None], at_most: int = 100_000) -> tuple[int, RateLimited]:
    """Call until it is refused; return how many calls passed, and the refusal."""
    for passed in itertools.count():
        assert passed <= at_most, "nothing was ever refused"
        try:
            call()
        except RateLimited as why:
            return passed, why
    raise AssertionError


# ---- what is limited -------------------------------------------------------------------------------------------------


def test_the_figures_are_those_that_stand_in_the_table() -> None:
    passed, why = until_refused(from_network(Throttle(), SIGN_IN_METHOD))
    assert passed == min(rate.calls for rate in SIGN_IN.rates)
    assert why.facts == {"limit": "sign-in"}
    assert why.retry_after_s is not None
    assert 0 < why.retry_after_s <= max(rate.seconds for rate in SIGN_IN.rates)


@pytest.mark.parametrize("factor", [0.1, 3.0])
def test_one_factor_multiplies_them_all(factor: float) -> None:
    throttle = Throttle(factor)
    for call, limit in (
        (from_network(throttle, SIGN_UP_METHOD), SIGN_UP),
        (of_account(throttle, PASSWORD_METHOD), PROOF),
        (of_account(throttle, READ_METHOD, LARK), ACCOUNT),
    ):
        assert until_refused(call)[0] == round(limit.rates[0].calls * factor)


def test_a_factor_of_nought_turns_them_off_and_a_small_one_leaves_one_call() -> None:
    call = from_network(Throttle(0), SIGN_UP_METHOD)
    for _ in range(1000):
        call()
    assert until_refused(from_network(Throttle(1e-9), SIGN_UP_METHOD))[0] == 1


def test_only_what_is_refused_by_a_limit_is_not_counted_by_it() -> None:
    """Who keeps trying is served as soon as who waits."""
    throttle = Throttle()
    call = from_network(throttle, SIGN_IN_METHOD)
    waits = [until_refused(call)[1].retry_after_s or 0.0 for _ in range(50)]
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] > 0


def test_a_burst_that_one_rate_refuses_does_not_use_up_the_longer_one() -> None:
    """Of several rates each must fit before any is counted."""
    throttle, limit = Throttle(), Limit("two", (Rate(2, 60), Rate(3, 3600)))
    for _ in range(2):
        throttle._count(limit, "key")  # noqa: SLF001  of a limit that is not in the table
    for _ in range(10):
        with pytest.raises(RateLimited):
            throttle._count(limit, "key")  # noqa: SLF001
    long = throttle._rates(limit)[1]  # noqa: SLF001
    assert throttle._used(long, "key") == 2  # noqa: SLF001


def test_waiting_as_long_as_one_is_told_helps() -> None:
    throttle, limit = Throttle(), Limit("short", (Rate(3, 1),))
    for _ in range(4):
        _, why = until_refused(lambda: throttle._count(limit, "key"))  # noqa: SLF001
        time.sleep(why.retry_after_s or 0.0)  # what a client does
        throttle._count(limit, "key")  # noqa: SLF001  and is served


def test_it_behaves_like_a_bucket_that_refills_evenly() -> None:
    """A fixed window would let twice as many pass at once, across its border."""
    throttle, rate, passed = Throttle(), Rate(20, 1), list[float]()
    ends = time.time() + 2.5
    while (now := time.time()) < ends:
        try:
            throttle._count(Limit("short", (rate,)), "key")  # noqa: SLF001
            passed.append(now)
        except RateLimited:
            threading.Event().wait(0.002)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            refilled = rate.calls * (passed[last] - start) / rate.seconds
            assert last - first + 1 <= rate.calls + refilled + 1


# ---- whose -----------------------------------------------------------------------------------------------------------


def test_one_network_does_not_use_up_anothers() -> None:
    throttle = Throttle()
    until_refused(from_network(throttle, SIGN_IN_METHOD, HERE))
    from_network(throttle, SIGN_IN_METHOD, THERE)()


def test_one_account_does_not_use_up_anothers_nor_another_thing_of_its_own() -> None:
    throttle = Throttle()
    until_refused(of_account(throttle, PASSWORD_METHOD, OWL))
    of_account(throttle, PASSWORD_METHOD, LARK)()
    of_account(throttle, READ_METHOD, OWL)()


def test_one_network_cannot_use_up_the_servers() -> None:
    """Refused by its own limit it takes nothing of the common one, of which it has at most a tenth."""
    assert NETWORK.rates[0].calls * 10 <= SERVER.rates[0].calls
    throttle = Throttle(0.01)
    for _ in range(SERVER.rates[0].calls):
        try:
            from_network(throttle, READ_METHOD, HERE)()
        except RateLimited as why:
            assert why.facts == {"limit": "network"}  # noqa: PT017  every refusal, not one
    from_network(throttle, READ_METHOD, THERE)()


def test_all_networks_together_are_limited() -> None:
    throttle, numbers = Throttle(0.01), itertools.count()

    def call() -> None:
        number = next(numbers)
        throttle.network(READ_METHOD, f"198.51.{number // 256}.{number % 256}", public=False)

    passed, why = until_refused(call)
    assert (passed, why.facts) == (round(SERVER.rates[0].calls * 0.01), {"limit": "server"})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_what_a_provider_gives_to_one_customer_is_one_network(one: str, other: str, *, same: bool) -> None:
    """With IPv6 that is 2**64 addresses: a limit for each would be none."""
    assert (prefix(one) == prefix(other)) is same


def test_sign_up_and_sign_in_leave_room_for_a_family() -> None:
    """Eight people behind one address make their accounts in one evening, and sign in within a minute."""
    throttle = Throttle()
    for _ in range(8):
        from_network(throttle, SIGN_UP_METHOD)()
        from_network(throttle, "/clarity.v1.AuthService/ConfirmSignUp")()
        from_network(throttle, SIGN_IN_METHOD)()


def test_the_tables_name_methods_there_are_and_count_them_rightly() -> None:
    access = declared()
    assert set(BY_NETWORK) <= public(access)
    assert set(BY_ACCOUNT) <= set(access) - public(access)
    assert {*BY_ACCOUNT.values(), ACCOUNT} == set(OF_ACCOUNTS)
    named = [one for one in vars(limits).values() if isinstance(one, Limit)]
    assert len({limit.name for limit in named}) == len(named)


# ---- what is remembered ----------------------------------------------------------------------------------------------


def test_an_accounts_counters_are_counted_and_forgotten() -> None:
    throttle = Throttle()
    assert throttle.count(OWL) == 0
    until_refused(of_account(throttle, PASSWORD_METHOD, OWL))
    of_account(throttle, PASSWORD_METHOD, LARK)()
    assert throttle.count(OWL) == 2  # of all its calls, and of those that prove something
    assert throttle.erase(OWL) == 2
    assert (throttle.count(OWL), throttle.erase(OWL), throttle.count(LARK)) == (0, 0, 2)
    of_account(throttle, PASSWORD_METHOD, OWL)()


def test_no_account_and_no_address_lies_in_memory() -> None:
    throttle = Throttle()
    from_network(throttle, SIGN_IN_METHOD)()
    of_account(throttle, READ_METHOD)()
    keys = " ".join(throttle._storage.storage)  # noqa: SLF001  what a dump of the memory would show
    assert keys
    assert OWL not in keys
    assert HERE not in keys


def test_counters_whose_time_is_over_are_swept_and_others_stay() -> None:
    throttle = Throttle()
    of_account(throttle, READ_METHOD)()
    throttle._count(Limit("short", (Rate(1, 1),)), "key")  # noqa: SLF001
    ends = time.monotonic() + WITHIN_S
    while len(throttle._storage.expirations) > 1:  # noqa: SLF001
        assert time.monotonic() < ends
        threading.Event().wait(0.1)
        throttle.sweep()
    assert throttle.count(OWL) == 1


def test_memory_is_bounded_by_forgetting_what_ends_first() -> None:
    throttle, short, long = Throttle(), Limit("short", (Rate(1, 60),)), Limit("long", (Rate(1, 3600),))
    throttle._count(long, "kept")  # noqa: SLF001
    for number in range(KEYS_MAX):
        throttle._count(short, str(number))  # noqa: SLF001
    throttle.sweep()
    assert len(throttle._storage.storage) == KEYS_MAX  # noqa: SLF001
    assert throttle._used(throttle._rates(long)[0], "kept") == 1  # noqa: SLF001


def test_no_thread_walks_through_the_counters_behind_the_calls() -> None:
    before, throttle = threading.active_count(), Throttle()
    for _ in range(10):
        of_account(throttle, READ_METHOD)()
        threading.Event().wait(0.015)
    assert threading.active_count() <= before + 1  # the one that MemoryStorage starts and that ends at once

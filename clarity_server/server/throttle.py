"""How often who may call: counters by account, by network address and for all, in this process's memory.

Two things are never a key: an e-mail address and an account id that a request merely names. So nobody can use up what
is a stranger's: with a token one spends one's own account's calls, without one those of the network one calls from.

The strategy is the sliding window counter of `limits` over its MemoryStorage. It keeps two numbers a key however many
calls they stand for, where the moving window keeps a time stamp of each; and it behaves like a bucket that refills
evenly, where the fixed window lets twice the rate pass at once across its border. Counters are lost with the process,
and each process has its own: they bound what a flood costs, and nothing that must not be guessed rests on them (codes
count their attempts in the store).
"""

import hmac
import ipaddress
import math
import os
import threading
import time
from collections.abc import Sequence
from functools import lru_cache

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from clarity_server.domain.errors import RateLimited
from clarity_server.server.limits import (
    ACCOUNT,
    ANYBODY,
    BY_ACCOUNT,
    BY_NETWORK,
    NETWORK,
    OF_ACCOUNTS,
    SERVER,
    Limit,
)

KEYS_MAX = 100_000  # counters remembered: some 50 MB. Beyond, those that end first are forgotten
NETWORKS_MAX = 4096  # addresses whose key is remembered
IPV6_PREFIX = 64  # what a provider gives to one customer at least: a single address of it means nothing
EVERYBODY = "everybody"
MS = 0.001


class _Still(threading.Timer):
    """Stands where MemoryStorage would start a thread every 10 ms to walk through all counters; see `sweep`."""

    def is_alive(self) -> bool:
        """Say that there is one already."""
        return True


class Throttle:
    """Counts calls. `network` and `account` belong to the event loop's thread; the rest may be called from any."""

    name = "rate-limits"
    """What an erasure's receipt calls it."""

    def __init__(self, factor: float = 1.0) -> None:
        """Multiply every rate by a factor; with 0 nothing is limited."""
        self._factor = factor
        self._key = os.urandom(32)  # keys of counters tell nothing to whoever reads this memory later
        self._storage = MemoryStorage()
        self._storage.timer.cancel()
        self._storage.timer = _Still(0.0, lambda: None)
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._items: dict[str, Sequence[RateLimitItem]] = {}
        self._digest = lru_cache(maxsize=NETWORKS_MAX)(self._digest_of)

    def network(self, method: str, address: str, *, public: bool) -> None:
        """Count a call by where it comes from, before anything is known of it. Raises RateLimited."""
        if not self._factor:
            return
        key = self._digest(prefix(address))
        self._count(NETWORK, key)  # first: who is refused here takes nothing from the others
        self._count(SERVER, EVERYBODY)
        if public:
            self._count(BY_NETWORK.get(method, ANYBODY), key)

    def account(self, method: str, account_id: str) -> None:
        """Count a call by the account of its verified token. Raises RateLimited."""
        if not self._factor:
            return
        key = self._digest_of(account_id)
        self._count(ACCOUNT, key)
        limit = BY_ACCOUNT.get(method)
        if limit is not None:
            self._count(limit, key)

    def count(self, account_id: str) -> int:
        """Count the counters of an account."""
        key = self._digest_of(account_id)
        return sum(self._used(item, key) > 0 for limit in OF_ACCOUNTS for item in self._rates(limit))

    def erase(self, account_id: str) -> int:
        """Forget an account's counters and return how many there were."""
        found, key = self.count(account_id), self._digest_of(account_id)
        for limit in OF_ACCOUNTS:
            for item in self._rates(limit):
                self._limiter.clear(item, key)
        return found

    def sweep(self) -> None:
        """Forget counters whose time is over, and those that end first where there are too many."""
        now, ends = time.time(), list(self._storage.expirations.items())
        for key, end in ends:
            if end <= now:
                self._storage.clear(key)
        living = sorted((end, key) for key, end in ends if end > now)
        for _, key in living[: max(0, len(living) - KEYS_MAX)]:
            self._storage.clear(key)

    def _count(self, limit: Limit, key: str) -> None:
        """Count a call unless a rate of the limit is reached: a call that is refused does not count."""
        rates = self._rates(limit)
        if len(rates) == 1:  # judged and counted in one step
            fits = self._limiter.hit(rates[0], key)
        else:  # each must fit before any is counted
            fits = not any(self._wait_s(item, key) for item in rates)
            for item in rates if fits else ():
                self._limiter.hit(item, key)
        if not fits:
            raise RateLimited(limit.name, max(MS, *(self._wait_s(item, key) for item in rates)))

    def _wait_s(self, item: RateLimitItem, key: str) -> float:
        """Return how long it takes until another call fits; 0 if it does. To the millisecond, upwards."""
        expiry = item.get_expiry()
        before, before_left_s, now, now_left_s = self._storage.get_sliding_window(item.key_for(key), expiry)
        if now >= item.amount:  # until this window is the one before, and has begun to count for less
            return _ms_up(now_left_s - expiry)
        room = item.amount - now
        weighs = before * before_left_s / expiry
        return 0.0 if weighs < room else _ms_up(before_left_s - room * expiry / before)

    def _used(self, item: RateLimitItem, key: str) -> int:
        before, _, now, _ = self._storage.get_sliding_window(item.key_for(key), item.get_expiry())
        return before + now

    def _rates(self, limit: Limit) -> Sequence[RateLimitItem]:
        known = self._items.get(limit.name)
        if known is None:
            known = self._items[limit.name] = [
                RateLimitItemPerSecond(max(1, round(rate.calls * self._factor)), rate.seconds, limit.name)
                for rate in limit.rates
            ]
        return known

    def _digest_of(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(errors="replace"), "sha256").hex()


def prefix(address: str) -> str:
    """Return what of a network address belongs to one customer; a text that is none stays as it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:  # noqa: PLR2004  IPv4
        return str(found)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))


def _ms_up(seconds: float) -> float:
    return (math.floor(seconds * 1000) + 1) / 1000

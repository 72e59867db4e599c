"""What was read of an account a moment ago, so that calls in a row do not wait for the store each time."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

REMEMBERED_S = 1.0  # how long what another process changes may go unseen
REMEMBERED_MAX = 4096  # accounts

T = TypeVar("T")


class Remembered(Generic[T]):
    """Remembers one thing of each account. May be called from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take the time in seconds."""
        self._clock = clock
        self._read: OrderedDict[str, tuple[T, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._forgotten = 0

    def get(self, account_id: str) -> T | None:
        """Return what was read, while it is fresh; never blocks for long."""
        found = self._read.get(account_id)
        # A clock that was set back must not keep it fresh.
        return found[0] if found is not None and 0 <= self._clock() - found[1] < REMEMBERED_S else None

    def read(self, account_id: str, reading: Callable[[], T]) -> T:
        """Read, and remember unless something was forgotten meanwhile: that may have been this."""
        before, began = self._forgotten, self._clock()
        found = reading()
        with self._lock:
            if before == self._forgotten:
                self._read[account_id] = (found, began)
                self._read.move_to_end(account_id)
            while len(self._read) > REMEMBERED_MAX:
                self._read.popitem(last=False)
        return found

    def forget(self, account_id: str) -> None:
        """Forget what was changed."""
        with self._lock:
            self._forgotten += 1
            self._read.pop(account_id, None)

"""The open streams of this process: their limits, their take-overs, and what ends them from outside."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from clarity_server.domain.access import Purpose
from clarity_server.domain.accounts import Identity
from clarity_server.domain.errors import ClarityError, ConsentMissing, ShuttingDown, StreamExpired, TooManyStreams

WAITING_BYTES_MAX = 64 * 1024 * 1024
"""Value bytes received and not yet committed, all streams together: what bounds memory when thousands send at once."""

UploadKey = tuple[str, str]
"""(account_id, upload_id)"""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many streams, and how old."""

    streams_max: int
    streams_per_account_max: int
    stream_age_s: float  # beyond the end of the access token it was opened with


class Stoppable(Protocol):
    """A stream as its surroundings see it."""

    identity: Identity
    purposes: Sequence[Purpose]
    """What its account must have consented to for as long as it is open."""

    def stop(self, why: ClarityError) -> None:
        """End with what was received committed, and this reason."""

    def wake(self) -> None:
        """Look for new results."""


class Budget:
    """Bytes that may wait for the disk, shared first come, first served."""

    def __init__(self, total: int) -> None:
        """Start with all of it free."""
        self._free = total
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def acquire(self, size: int) -> None:
        """Wait for room and take it; a cancelled wait takes nothing."""
        if not self._waiters and size <= self._free:
            self._free -= size
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((size, granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.release(size)
            raise

    def release(self, size: int) -> None:
        """Give room back, and hand it on in order."""
        self._free += size
        while self._waiters:
            wanted, granted = self._waiters[0]
            if granted.cancelled():
                self._waiters.popleft()
            elif wanted <= self._free:
                self._waiters.popleft()
                self._free -= wanted
                granted.set_result(None)
            else:
                return


class Live:
    """Every open stream of this process. Lives on the event loop."""

    def __init__(
        self,
        limits: StreamLimits,
        objection: Callable[[Identity], ClarityError | None],
        clock: Callable[[], float],
    ) -> None:
        """Take the limits, what tells why a caller may not go on, and the time in seconds since 1970."""
        self._limits = limits
        self._objection = objection
        self._clock = clock
        self._streams: set[Stoppable] = set()
        self._per_account: Counter[str] = Counter()
        self._uploads: dict[UploadKey, Stoppable] = {}
        self._draining = False
        self.budget = Budget(WAITING_BYTES_MAX)

    @contextmanager
    def admitted(self, stream: Stoppable) -> Iterator[None]:
        """Count a stream while it lives. Raises TooManyStreams, ShuttingDown."""
        account_id = stream.identity.account_id
        if self._draining:
            raise ShuttingDown
        if len(self._streams) >= self._limits.streams_max:
            raise TooManyStreams(self._limits.streams_max)
        if self._per_account[account_id] >= self._limits.streams_per_account_max:
            raise TooManyStreams(self._limits.streams_per_account_max)
        self._streams.add(stream)
        self._per_account[account_id] += 1
        try:
            yield
        finally:
            self._streams.discard(stream)
            self._per_account -= Counter([account_id])

    @contextmanager
    def holding(self, key: UploadKey, stream: Stoppable, taken_over: ClarityError) -> Iterator[None]:
        """Hold an upload, ending the stream that held it before."""
        before = self._uploads.get(key)
        if before is not None:
            before.stop(taken_over)
        self._uploads[key] = stream
        try:
            yield
        finally:
            if self._uploads.get(key) is stream:
                del self._uploads[key]

    def wake(self) -> None:
        """Tell every stream that results may have come."""
        for stream in self._streams:
            stream.wake()

    def patrol(self) -> None:
        """End the streams of callers who may not go on, and those that outlived their token by too much."""
        now = self._clock()
        for stream in tuple(self._streams):
            against = self._objection(stream.identity)
            if against is not None:
                stream.stop(against)
            elif now > stream.identity.expire_time + self._limits.stream_age_s:
                stream.stop(StreamExpired())

    def asked(self) -> Mapping[str, Collection[Purpose]]:
        """Return what the accounts of open streams must have consented to."""
        found: dict[str, set[Purpose]] = {}
        for stream in self._streams:
            if stream.purposes:
                found.setdefault(stream.identity.account_id, set()).update(stream.purposes)
        return found

    def withdraw(self, withdrawn: Mapping[str, Collection[Purpose]]) -> None:
        """End the streams that need what their account does not consent to."""
        for stream in tuple(self._streams):
            missing = withdrawn.get(stream.identity.account_id, ())
            purpose = next((one for one in stream.purposes if one in missing), None)
            if purpose is not None:
                stream.stop(ConsentMissing(purpose))

    def drain(self) -> None:
        """End every stream cleanly and admit no more."""
        self._draining = True
        for stream in tuple(self._streams):
            stream.stop(ShuttingDown())

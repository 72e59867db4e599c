"""One WatchAnalyses call: first what is there, then what comes, for as long as the client wants it.

Everything is drawn from the store, page by page and only as fast as the client reads: nothing waits for it in memory.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from clarity.v1.insight_service_pb2 import CaughtUp, WatchAnalysesResponse
from clarity_server.domain.access import Purpose
from clarity_server.domain.accounts import Identity
from clarity_server.domain.analysis import Analysis
from clarity_server.domain.errors import ClarityError
from clarity_server.services import wire_insight
from clarity_server.services.live import Live
from clarity_server.services.offload import Offload

HEARTBEAT_S = 30.0

Since: TypeAlias = Callable[[str, str], tuple[Sequence[tuple[Analysis, str]], int]]
"""(account_id, resume token) → a page of analyses, each with the token after it, and how many weeks wait."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a watch looks and speaks."""

    heartbeat_s: float = HEARTBEAT_S
    look_every_s: float = 1.0  # for what another process derived
    looks_apart_s: float = 0.1  # a worker at full speed wakes every watch of every account many times a second


class Watch:
    """One account's analyses, as they come and change."""

    def __init__(
        self,
        live: Live,
        offload: Offload,
        since: Since,
        identity: Identity,
        resume_token: str,
        pace: Pace = Pace(),
        *,
        purposes: Sequence[Purpose] = (),
    ) -> None:
        """Take what counts the streams, where to look and how, the verified caller, and where to begin.

        `purposes` are what the caller must have consented to for as long as it is open.
        """
        self.identity = identity
        self.purposes = purposes
        self._pace = pace
        self._live = live
        self._offload = offload
        self._since = since
        self._token = resume_token
        self._news = asyncio.Event()
        self._why: ClarityError | None = None

    def stop(self, why: ClarityError) -> None:
        """End before the next message, with this reason."""
        self._why = self._why or why
        self._news.set()

    def wake(self) -> None:
        """Look for new analyses."""
        self._news.set()

    async def messages(self) -> AsyncGenerator[WatchAnalysesResponse, None]:
        """Yield what there is and what comes. Raises ResumeTokenInvalid, and what the watch was stopped with."""
        with self._live.admitted(self):
            told: int | None = None  # weeks that wait, as the client knows it; None where it is to be told anew
            beat_at = 0.0
            while True:
                self._news.clear()
                page, waiting = await self._look()
                for analysis, token in page:
                    self._token, told = token, None
                    yield WatchAnalysesResponse(analysis=wire_insight.to_analysis(analysis), resume_token=token)
                    self._raise_if_stopped()
                if page:  # perhaps there is more
                    continue
                if waiting != told or _now() >= beat_at:
                    told, beat_at = waiting, _now() + self._pace.heartbeat_s
                    yield WatchAnalysesResponse(caught_up=CaughtUp(waiting_count=waiting), resume_token=self._token)
                await self._any_news()

    async def _look(self) -> tuple[Sequence[tuple[Analysis, str]], int]:
        self._raise_if_stopped()
        return await self._offload(self._since, self.identity.account_id, self._token)

    async def _any_news(self) -> None:
        """Wait until a look is worth it."""
        await asyncio.sleep(self._pace.looks_apart_s)
        try:
            async with asyncio.timeout(self._pace.look_every_s - self._pace.looks_apart_s):
                await self._news.wait()
        except TimeoutError:
            return

    def _raise_if_stopped(self) -> None:
        if self._why is not None:
            raise self._why


def _now() -> float:
    return asyncio.get_running_loop().time()

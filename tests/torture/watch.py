"""A client that watches an account's analyses for as long as anybody lets it, and resumes by token."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc

from clarity.v1.analysis_pb2 import Analysis
from clarity.v1.insight_service_pb2 import WatchAnalysesResponse
from tests.torture.ledger import demand, same
from tests.torture.wire import Caller
from tests.torture.world import World

RESUME_AFTER_S = 0.02
WATCHED_WITHIN_S = 15.0
ENDS: TypeAlias = Callable[[WatchAnalysesResponse], bool]


@dataclass
class Heard:
    """The newest state of every analysis that was heard of, in the order of the newest states."""

    analyses: dict[str, Analysis] = field(default_factory=dict)
    token: str = ""

    def take(self, message: WatchAnalysesResponse) -> None:
        """Take a message in. A watch that was resumed must not begin again: nothing comes twice in a row."""
        if message.HasField("analysis"):
            analysis = message.analysis
            before = self.analyses.pop(analysis.analysis_id, None)
            demand(before is None or not same(before, analysis), f"heard again is {analysis.analysis_id}")
            self.analyses[analysis.analysis_id] = analysis
        if not message.HasField("problem"):
            self.token = message.resume_token


@dataclass
class Watcher:
    """The watch of one account, over all the servers that come and go."""

    world: World
    token: str
    heard: Heard = field(default_factory=Heard)
    resumes: int = -1  # what begins is no resuming
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            if self.world.server is not None:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await self._listen(self.heard, until=lambda _: False)
            await asyncio.sleep(RESUME_AFTER_S)

    async def until_heard(self, analyses: Sequence[Analysis]) -> None:
        """Wait until these were heard as they are now."""
        async with asyncio.timeout(WATCHED_WITHIN_S):
            while not all(self._knows(one) for one in analyses):
                self.news.clear()
                await self.news.wait()

    async def judge(self) -> None:
        """Demand that what was heard is, order included, what a watch from the beginning hears: each once, as it is."""
        afresh = Heard()
        for heard in (self.heard, afresh):
            async with asyncio.timeout(WATCHED_WITHIN_S):
                await self._listen(heard, until=lambda message: message.HasField("caught_up"))
        ours, theirs = list(self.heard.analyses), list(afresh.analyses)
        demand(ours == theirs, f"heard in the end were {ours}, and from the beginning {theirs}")
        async with Caller(self.world.address, self.token) as caller:
            for name, analysis in self.heard.analyses.items():
                demand(same(analysis, afresh.analyses[name]), f"{name} was heard otherwise")
                demand(same(analysis, await caller.analysis(name)), f"{name} is not as it was heard last")

    async def _listen(self, heard: Heard, until: ENDS) -> None:
        async with Caller(self.world.address, self.token) as caller:
            silent = True
            async for message in caller.watch(heard.token):
                self.resumes += silent
                silent = False
                heard.take(message)
                self.news.set()
                if until(message):
                    return

    def _knows(self, analysis: Analysis) -> bool:
        known = self.heard.analyses.get(analysis.analysis_id)
        return known is not None and same(known, analysis)


@contextlib.asynccontextmanager
async def watched(world: World, token: str) -> AsyncIterator[Watcher]:
    """Watch an account's analyses while its recording is tortured."""
    watcher = Watcher(world, token)
    watching = asyncio.create_task(watcher.run())
    try:
        yield watcher
    finally:
        watching.cancel()
        (why,) = await asyncio.gather(watching, return_exceptions=True)
        if why is not None and not isinstance(why, asyncio.CancelledError):
            raise why

"""WatchAnalyses: what there is, that this is all, and then what comes, until the client or something else ends it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from clarity.v1.insight_service_pb2 import WatchAnalysesResponse
from clarity_server.domain.access import Purpose
from clarity_server.domain.accounts import Identity
from clarity_server.domain.analysis import Analysis, State
from clarity_server.domain.errors import (
    ConsentMissing,
    ResumeTokenInvalid,
    SessionEnded,
    ShuttingDown,
    StreamExpired,
    TooManyStreams,
)
from clarity_server.services.live import Live, StreamLimits
from clarity_server.services.offload import Offload
from clarity_server.services.watch import Pace, Watch
from tests.services.samples import ANALYSIS

OWL, LARK = (Identity(name * 26, f"session of {name}", 1000.0, 0.0, frozenset()) for name in "ol")
PAGE = 3
LOOKS = 3
WITHIN_S = 30.0
HURRIED = Pace(look_every_s=0.02, looks_apart_s=0.0)


class Log:
    """Analyses as they come, under tokens that are their numbers; `since` stands where Weeks.since does."""

    def __init__(self) -> None:
        self.analyses: list[Analysis] = []
        self.waiting = 0
        self.looks: list[str] = []
        self.looked = threading.Event()  # more than LOOKS times

    def add(self, count: int = 1) -> None:
        known = len(self.analyses)
        self.analyses += [replace(ANALYSIS, analysis_id=str(known + more)) for more in range(1, count + 1)]

    def since(self, account_id: str, token: str) -> tuple[Sequence[tuple[Analysis, str]], int]:
        assert account_id == OWL.account_id
        self.looks.append(token)
        if len(self.looks) > LOOKS:
            self.looked.set()
        if token and not token.isdigit():
            raise ResumeTokenInvalid
        after = int(token or 0)
        page = self.analyses[after : after + PAGE]
        return [(one, str(after + number)) for number, one in enumerate(page, start=1)], self.waiting


def live(streams_max: int = 8, per_account_max: int = 8, *, ended: bool = False, now: float = 0.0) -> Live:
    return Live(
        StreamLimits(streams_max, per_account_max, 60.0), lambda _: SessionEnded() if ended else None, lambda: now
    )


@asynccontextmanager
async def watching(
    log: Log,
    over: Live,
    token: str = "",
    identity: Identity = OWL,
    pace: Pace = HURRIED,
    purposes: Sequence[Purpose] = (),
) -> AsyncIterator[AsyncIterator[WatchAnalysesResponse]]:
    """Watch until the end of the block; no message takes longer than the test may wait."""
    offload = Offload(1)
    try:
        async with (
            asyncio.timeout(WITHIN_S),
            aclosing(Watch(over, offload, log.since, identity, token, pace, purposes=purposes).messages()) as messages,
        ):
            yield messages
    finally:
        offload.close()


def told(message: WatchAnalysesResponse) -> tuple[str, str]:
    """What a message says, and its token."""
    which = message.WhichOneof("message")
    said = message.analysis.analysis_id if which == "analysis" else f"{message.caught_up.waiting_count} waiting"
    return said, message.resume_token


async def some(messages: AsyncIterator[WatchAnalysesResponse], count: int) -> list[tuple[str, str]]:
    return [told(await anext(messages)) for _ in range(count)]


async def test_what_there_is_comes_first_and_then_that_this_was_all() -> None:
    """Over a page's border, too; a token stands in every message."""
    log = Log()
    log.add(PAGE + 1)
    log.waiting = 2
    async with watching(log, live()) as messages:
        assert await some(messages, PAGE + 2) == [
            ("1", "1"), ("2", "2"), ("3", "3"), ("4", "4"), ("2 waiting", "4"),
        ]  # fmt: skip


async def test_nothing_at_all_is_said_so_at_once() -> None:
    async with watching(Log(), live()) as messages:
        assert await some(messages, 1) == [("0 waiting", "")]


async def test_a_watch_goes_on_after_its_token() -> None:
    log = Log()
    log.add(PAGE)
    async with watching(log, live(), token="2") as messages:
        assert await some(messages, 2) == [("3", "3"), ("0 waiting", "3")]
    async with watching(log, live(), token="3") as messages:
        assert await some(messages, 1) == [("0 waiting", "3")]


async def test_what_comes_is_sent_when_it_is_woken() -> None:
    """Red if it waited for the next look: that is made to be far away."""
    log, over, far = Log(), live(), replace(HURRIED, look_every_s=10 * WITHIN_S)
    async with watching(log, over, pace=far) as messages:
        assert await some(messages, 1) == [("0 waiting", "")]
        log.add(2)
        asyncio.get_running_loop().call_soon(over.wake)
        assert await some(messages, 3) == [("1", "1"), ("2", "2"), ("0 waiting", "2")]


async def test_what_another_process_derived_is_found_without_a_word() -> None:
    log = Log()
    async with watching(log, live()) as messages:
        await anext(messages)
        log.add()
        assert await some(messages, 2) == [("1", "1"), ("0 waiting", "1")]


async def test_a_change_of_how_many_wait_is_told() -> None:
    """So that a client knows when all is done, also where nothing came of it."""
    log = Log()
    log.waiting = 5
    async with watching(log, live()) as messages:
        assert await some(messages, 1) == [("5 waiting", "")]
        log.waiting = 0
        assert await some(messages, 1) == [("0 waiting", "")]


async def test_a_heartbeat_says_the_same_again() -> None:
    log = Log()
    log.add()
    async with watching(log, live(), pace=replace(HURRIED, heartbeat_s=0.0)) as messages:
        assert await some(messages, 4) == [("1", "1"), *[("0 waiting", "1")] * 3]


async def test_silence_means_that_nothing_changed() -> None:
    """Looks do not become messages."""
    log = Log()
    async with watching(log, live()) as messages:
        await anext(messages)
        waiting = asyncio.ensure_future(anext(messages))
        assert await asyncio.to_thread(log.looked.wait, WITHIN_S)
        assert not waiting.done()
        log.add()
        assert told(await waiting) == ("1", "1")


async def test_a_client_that_does_not_read_makes_no_look() -> None:
    """Nothing is drawn from the store before what was drawn is gone."""
    log, over = Log(), live()
    log.add(10 * PAGE)
    async with watching(log, over) as messages:
        await anext(messages)
        for _ in range(50):
            over.wake()
            await asyncio.sleep(0)
        assert log.looks == [""]
        assert len(await some(messages, 10 * PAGE)) == 10 * PAGE


async def test_a_token_that_is_none_is_refused() -> None:
    async with watching(Log(), live(), token="nonsense") as messages:
        with pytest.raises(ResumeTokenInvalid):
            await anext(messages)


async def test_a_watch_counts_as_a_stream() -> None:
    over = live(per_account_max=1)
    async with watching(Log(), over) as first, watching(Log(), over) as second:
        await anext(first)
        with pytest.raises(TooManyStreams):
            await anext(second)
    async with watching(Log(), over) as again:  # the first one's place is free
        await anext(again)


async def test_draining_ends_a_watch_that_waits() -> None:
    over = live()
    async with watching(Log(), over) as messages:
        await anext(messages)
        asyncio.get_running_loop().call_soon(over.drain)
        with pytest.raises(ShuttingDown):
            await anext(messages)


@pytest.mark.parametrize(
    ("over", "why"), [(live(ended=True), SessionEnded), (live(now=1060.1), StreamExpired)], ids=["ended", "too old"]
)
async def test_a_session_that_ended_and_an_age_end_a_watch(over: Live, why: type[Exception]) -> None:
    """In the middle of a page: what is not sent yet is not sent any more."""
    log = Log()
    log.add(PAGE)
    async with watching(log, over) as messages:
        await anext(messages)
        over.patrol()
        with pytest.raises(why):
            await anext(messages)


async def test_of_two_ends_the_first_is_told() -> None:
    over = live(ended=True)
    async with watching(Log(), over) as messages:
        await anext(messages)
        over.patrol()
        over.drain()
        with pytest.raises(SessionEnded):
            await anext(messages)


async def test_a_watch_ends_when_what_it_needs_is_withdrawn_and_only_then() -> None:
    over, needs = live(), [Purpose.ANALYSIS]
    async with watching(Log(), over, purposes=needs) as owls, watching(Log(), over) as others:
        await anext(owls)
        await anext(others)
        assert over.asked() == {OWL.account_id: {Purpose.ANALYSIS}}
        over.withdraw({OWL.account_id: {Purpose.STORAGE}, LARK.account_id: {Purpose.ANALYSIS}})
        over.withdraw({OWL.account_id: {Purpose.STORAGE, Purpose.ANALYSIS}})
        with pytest.raises(ConsentMissing, match="analysis"):
            await anext(owls)
        asyncio.get_running_loop().call_soon(over.drain)
        with pytest.raises(ShuttingDown):  # nothing has ended it before
            await anext(others)


async def test_an_analysis_that_changed_comes_again() -> None:
    log = Log()
    log.add()
    async with watching(log, live()) as messages:
        await some(messages, 2)
        log.analyses.append(replace(log.analyses[0], state=State.SUPERSEDED))
        message = await anext(messages)
    assert told(message) == ("1", "2")
    assert message.analysis.state == 4

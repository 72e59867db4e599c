"""What a stream may take and show: by its token, by the account's consent, and for as long as both hold."""

import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from google.type.datetime_pb2 import DateTime

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.series_pb2 import Chunk, SeriesDescriptor, Source
from clarity_server.domain import series
from clarity_server.domain.access import Purpose
from clarity_server.domain.accounts import Identity
from clarity_server.domain.errors import AccountSuspended, ScopeMissing, UploadNotFound, UploadTakenOver
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.flows.ingest import Ingest
from clarity_server.flows.intake import checksum
from clarity_server.services import wire
from clarity_server.services.live import Live, StreamLimits
from clarity_server.services.offload import Offload
from clarity_server.services.stream import RESULTS_WAIT_S, Room, Stream
from tests.flows.access_world import AccessWorld, access_world
from tests.flows.upload_world import COUNTS, UploadWorld, float32

WITHIN_S = RESULTS_WAIT_S / 2  # red if a receipt waits for results in vain
MINUTES = 2 * 1440
VALUES = float32(np.arange(MINUTES, dtype=np.float32) % 300)
"""Two days, so that there are results."""


@dataclass
class Scene:
    """A store with people in it, and what streams share."""

    world: AccessWorld
    room: Room
    uploads: UploadWorld

    def stream(self, who: Identity, requests: AsyncIterator[pb.StreamSeriesRequest]) -> Stream:
        return Stream(self.room, who, requests, purposes=[Purpose.STORAGE])


@asynccontextmanager
async def scene(root: Path) -> AsyncIterator[Scene]:
    offload = Offload(4)
    with access_world(root) as world:
        store = world.store
        ingest = Ingest(store.series, store.analyses, store.windows, store.keys, lambda: None)
        live = Live(StreamLimits(8, 8, 3600.0), lambda _: None, time.time)
        try:
            async with asyncio.timeout(WITHIN_S):
                yield Scene(world, Room(ingest, offload, live, world.permits), UploadWorld(store))
        finally:
            offload.close()


def opening(metric: str = ACTIVITY_COUNTS) -> pb.StreamSeriesRequest:
    described = SeriesDescriptor(
        metric=metric, source=Source(device="wrist"), civil=DateTime(year=2026, month=9, day=1, hours=12)
    )
    described.period.CopyFrom(wire.to_duration(COUNTS.period_ms or 0))
    return pb.StreamSeriesRequest(open=pb.OpenUpload(upload_id="u", series=described))


def whole() -> Sequence[pb.StreamSeriesRequest]:
    """A recording, in messages."""
    plain = series.Chunk(0, VALUES, None)
    chunk = Chunk(first_sample=0, values=VALUES, crc32c=checksum(plain))
    finish = pb.FinishUpload(total_samples=MINUTES, sha256=hashlib.sha256(VALUES).digest())
    return [opening(), pb.StreamSeriesRequest(chunk=chunk), pb.StreamSeriesRequest(finish=finish)]


async def sent(requests: Sequence[pb.StreamSeriesRequest]) -> AsyncIterator[pb.StreamSeriesRequest]:
    for request in requests:
        yield request


async def answers(stream: Stream) -> list[str]:
    """Return what a stream says, each kind once where it comes again and again."""
    async with aclosing(stream.messages()) as messages:
        said = [str(message.WhichOneof("message")) async for message in messages]
    return [kind for kind, _ in itertools.groupby(said)]


async def derived_beside(scene: Scene, stream: Stream) -> list[str]:
    """Return what a stream says while a worker derives."""
    answering = asyncio.ensure_future(answers(stream))
    while not answering.done():
        await asyncio.to_thread(scene.uploads.derive)
        stream.wake()
        await asyncio.wait([answering], timeout=0.05)
    return await answering


async def test_results_come_before_the_receipt_where_they_may(tmp_path: Path) -> None:
    async with scene(tmp_path) as opened:
        said = await derived_beside(opened, opened.stream(opened.world.person(), sent(whole())))
    assert said[0] == "opened"
    assert "day" in said
    assert said[-1] == "receipt"


async def test_without_consent_to_analysis_no_results_come_and_the_receipt_does_not_wait(tmp_path: Path) -> None:
    async with scene(tmp_path) as opened:
        owl = opened.world.person(consents=[Purpose.STORAGE])
        assert await answers(opened.stream(owl, sent(whole()))) == ["opened", "progress", "receipt"]


@pytest.mark.parametrize("missing", ["activity.read", "sleep.read", "analysis.read"])
async def test_a_token_that_may_not_read_what_is_derived_is_not_shown_it_by_sending(
    tmp_path: Path, missing: str
) -> None:
    async with scene(tmp_path) as opened:
        owl = opened.world.person()
        await derived_beside(opened, opened.stream(owl, sent(whole())))
        for less in (owl.scopes - {missing}, frozenset({"activity.write"})):
            again = opened.stream(replace(owl, scopes=less), sent(whole()))
            assert await answers(again) == ["opened", "progress", "receipt"]
        assert "day" in await answers(opened.stream(owl, sent(whole())))


async def test_a_token_that_may_not_write_the_metric_opens_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as opened:
        owl = opened.world.person()
        less = replace(owl, scopes=owl.scopes - {"activity.write"})
        with pytest.raises(ScopeMissing, match=r"activity\.write"):
            await answers(opened.stream(less, sent(whole())))
        with pytest.raises(UploadNotFound):
            opened.room.ingest.upload(owl.account_id, "u")


async def until_received(scene: Scene, who: Identity) -> None:
    """Wait until a recording is finished, which is before its results are there."""
    while True:
        with suppress(UploadNotFound):
            if scene.room.ingest.upload(who.account_id, "u").receipt is not None:
                return
        await asyncio.sleep(0.01)


async def test_consent_that_is_withdrawn_ends_the_wait_for_results(tmp_path: Path) -> None:
    async with scene(tmp_path) as opened:
        owl = opened.world.person()
        answering = asyncio.ensure_future(answers(opened.stream(owl, sent(whole()))))
        await until_received(opened, owl)
        opened.world.consent(owl, Purpose.ANALYSIS, given=False)
        opened.world.permits.forget(owl.account_id)
        assert await answering == ["opened", "progress", "receipt"]


async def test_who_may_not_go_on_is_not_kept_waiting_for_results(tmp_path: Path) -> None:
    """All is received and committed; the reason is told, and the receipt is there when the account is back."""
    async with scene(tmp_path) as opened:
        owl = opened.world.person()
        stream = opened.stream(owl, sent(whole()))
        answering = asyncio.ensure_future(answers(stream))
        await until_received(opened, owl)
        stream.stop(AccountSuspended())
        with pytest.raises(AccountSuspended):
            await answering
        assert (await derived_beside(opened, opened.stream(owl, sent(whole()))))[-1] == "receipt"


async def test_a_second_opening_leaves_the_first_its_receipt_when_all_is_received(tmp_path: Path) -> None:
    async with scene(tmp_path) as opened:
        owl = opened.world.person()
        first = opened.stream(owl, sent(whole()))
        answering = asyncio.ensure_future(answers(first))
        await until_received(opened, owl)
        first.stop(UploadTakenOver())
        await asyncio.to_thread(opened.uploads.derive)
        first.wake()
        assert (await answering)[-1] == "receipt"


async def test_what_was_received_before_a_stop_is_committed(tmp_path: Path) -> None:
    async with scene(tmp_path) as opened:
        owl, goes_on = opened.world.person(), asyncio.Event()

        async def requests() -> AsyncIterator[pb.StreamSeriesRequest]:
            for request in whole()[:-1]:
                yield request
            await goes_on.wait()

        stream = opened.stream(owl, requests())
        async with aclosing(stream.messages()) as messages:
            async for message in messages:
                if message.progress.received_samples == MINUTES:
                    stream.stop(AccountSuspended())
                    break
            with pytest.raises(AccountSuspended):
                _ = [message async for message in messages]
        assert opened.room.ingest.upload(owl.account_id, "u").committed == MINUTES

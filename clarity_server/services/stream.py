"""One upload's conversation: reading, committing and answering, side by side and never waiting in a circle.

The reader takes chunks as far as there is room for bytes that wait for the disk; the committer makes them durable, one
batch being encoded while the one before is being written; the writer tells how far things are. Answers are drawn from
counts and from the store, so nothing piles up for a client that does not read: it may send everything first.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from clarity.v1 import health_data_service_pb2 as pb
from clarity_server.domain import metrics
from clarity_server.domain.access import Purpose, Use
from clarity_server.domain.accounts import Identity
from clarity_server.domain.errors import ClarityError, DeadlineExceeded, MessageOutOfOrder, UploadTakenOver
from clarity_server.domain.series import Append
from clarity_server.flows.ingest import Ingest, Progress
from clarity_server.flows.intake import BATCH_BYTES_MAX, Intake
from clarity_server.flows.permits import Permits, check, sees_results
from clarity_server.services import wire, wire_insight
from clarity_server.services.live import Live
from clarity_server.services.offload import Offload

OPEN_WITHIN_S = 30.0
HEARTBEAT_S = 30.0
RESULTS_EVERY_S = 1.0  # how often to look for results another process derived
RESULTS_WAIT_S = 60.0  # how long a receipt waits for results; GetUpload has those that come later
STREAM_BYTES_MAX = 2 * BATCH_BYTES_MAX  # one batch being written, one waiting


@dataclass(frozen=True, slots=True)
class Room:
    """What all streams share."""

    ingest: Ingest
    offload: Offload
    live: Live
    permits: Permits


class Stream:
    """One StreamSeries call, or one AppendSeries call seen as one."""

    def __init__(
        self,
        room: Room,
        identity: Identity,
        requests: AsyncIterator[pb.StreamSeriesRequest],
        *,
        purposes: Sequence[Purpose] = (),
        all_there: bool = False,
    ) -> None:
        """Take what streams share, the verified caller, and the messages to come, or that are `all_there`.

        `purposes` are what the caller must have consented to for as long as it is open.
        """
        self._all_there = all_there
        self.identity = identity
        self.purposes = purposes
        self._room = room
        self._requests = requests
        self._news = asyncio.Event()  # for the writer
        self._arrived = asyncio.Event()  # for the committer
        self._released = asyncio.Event()  # for the reader
        self._reader: asyncio.Task[None] | None = None
        self._opening: asyncio.Timeout | None = None  # while the first message is awaited
        self._why: ClarityError | None = None
        self._late: ClarityError | None = None  # as _why, and came when all was received
        self._shows_results = True  # as far as known: the token and the consent may not allow it
        self._finish: pb.FinishUpload | None = None

    def stop(self, why: ClarityError) -> None:
        """End with what was received committed, and this reason. When all is received, what waits for results ends."""
        if self._reader is not None and self._reader.done():
            self._late = self._late or why
        elif self._why is None:
            self._why = why
            if self._reader is not None:
                self._reader.cancel()
            elif self._opening is not None:
                self._opening.reschedule(asyncio.get_running_loop().time())
        self._news.set()

    def wake(self) -> None:
        """Look for new results."""
        self._news.set()

    async def messages(self) -> AsyncGenerator[pb.StreamSeriesResponse, None]:
        """Yield the answers; raises what ends the upload's stream, after everything received is committed."""
        with ExitStack() as held:
            held.enter_context(self._room.live.admitted(self))
            intake, after_result = await self._open()
            key = (intake.account_id, intake.stored.upload_id)
            held.enter_context(self._room.live.holding(key, self, UploadTakenOver()))
            yield pb.StreamSeriesResponse(opened=wire.to_opened(intake.stored))
            if intake.upload.finished:
                if self._all_there:  # nothing new can be taken, but what came again must not differ
                    await self._read_all(intake)
                async for message in self._receipt(intake, after_result):
                    yield message
                return
            committer = asyncio.create_task(self._commit_all(intake))
            self._reader = asyncio.create_task(self._read_all(intake))
            if self._why is not None:  # stopped while it was opening
                self._reader.cancel()
            try:
                async for message in self._answers(intake, committer, after_result):
                    yield message
            finally:
                await _ended(self._reader, committer)
                self._room.live.budget.release(intake.waiting_bytes)

    async def _open(self) -> tuple[Intake, int]:
        try:
            async with asyncio.timeout(OPEN_WITHIN_S) as self._opening:
                first = await anext(self._requests, None)
        except TimeoutError as why:
            raise self._why or DeadlineExceeded(OPEN_WITHIN_S) from why
        finally:
            self._opening = None
        if first is None or first.WhichOneof("message") != "open":
            raise MessageOutOfOrder("the first message must be `open`")
        upload_id, descriptor, after_result = wire.from_open(first.open, "" if self._all_there else "open.")
        check(self.identity, {metrics.find(descriptor.metric).family}, Use.WRITE)
        intake = await self._room.offload(self._room.ingest.open, self.identity.account_id, upload_id, descriptor)
        return intake, after_result

    async def _read_all(self, intake: Intake) -> None:
        """Take messages until `finish` or the client's half-close."""
        async for request in self._requests:
            match request.WhichOneof("message"):
                case "chunk":
                    await self._take(intake, request)
                case "offset_change":
                    intake.move_clock(*wire.from_offset_change(request.offset_change))
                case "finish":
                    self._finish = request.finish
                    return
                case other:
                    raise MessageOutOfOrder(f"expected a chunk, an offset_change or finish, and received {other}")

    async def _take(self, intake: Intake, request: pb.StreamSeriesRequest) -> None:
        chunk, crc32c = wire.from_chunk(request.chunk)
        known = intake.check(chunk, crc32c)
        if known is not None:
            await self._room.offload(self._room.ingest.verify, intake, known)
        while intake.waiting_bytes and intake.waiting_bytes + len(chunk.values) > STREAM_BYTES_MAX:
            self._released.clear()
            await self._released.wait()
        size = intake.fresh_bytes(chunk)
        await self._room.live.budget.acquire(size)
        intake.take(chunk)
        self._arrived.set()

    async def _commit_all(self, intake: Intake) -> None:
        """Commit what arrives, until the reader is done and nothing waits."""
        writing: asyncio.Task[None] | None = None
        try:
            while True:
                done = self._reader is not None and self._reader.done()
                # While one batch is being written the next one grows: fewer, fuller commits.
                grows = not done and writing is not None and not writing.done() and not intake.batch_is_full
                batch = None if grows else intake.batch()
                if batch is None:
                    # A write that failed ends the stream at once: its client may be waiting for just this commit.
                    if done or (writing is not None and writing.done() and writing.exception() is not None):
                        break
                    await self._arrived.wait()
                    self._arrived.clear()
                    continue
                append = await self._room.offload(self._room.ingest.prepare, intake, batch)
                intake.prepared(append)
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write(intake, append))
                writing.add_done_callback(lambda _: self._arrived.set())
            if writing is not None:
                await writing
        finally:
            if writing is not None:
                await _ended(writing)

    async def _write(self, intake: Intake, append: Append) -> None:
        await self._room.offload(self._room.ingest.commit, append)
        before = intake.waiting_bytes
        intake.committed(append)
        self._room.live.budget.release(before - intake.waiting_bytes)
        self._released.set()
        self._news.set()

    async def _answers(
        self, intake: Intake, committer: asyncio.Task[None], after_result: int
    ) -> AsyncGenerator[pb.StreamSeriesResponse, None]:
        assert self._reader is not None
        for task in (self._reader, committer):
            task.add_done_callback(self._on_done)
        told: Progress | None = None
        sent = after_result
        while True:
            ended = committer.done()
            async for number, message in self._results(intake, sent):
                sent = number
                yield message
            progress = await self._progress(intake)
            if progress != told or ended:
                told = progress
                yield pb.StreamSeriesResponse(progress=wire.to_progress(progress))
            if ended:
                break
            if not await self._any_news(intake, sent):
                told = None  # a heartbeat
                await self._check_epoch(intake)
        await self._raise_if_failed(committer)
        if self._finish is not None:
            async for message in self._closing(intake, self._finish, sent):
                yield message

    def _on_done(self, _: asyncio.Task[None]) -> None:
        self._arrived.set()
        self._news.set()

    async def _closing(
        self, intake: Intake, finish: pb.FinishUpload, sent: int
    ) -> AsyncGenerator[pb.StreamSeriesResponse, None]:
        """Finish the upload, then send what is left."""
        total, sha256 = wire.from_finish(finish)
        account_id = intake.account_id
        intake.finish(await self._room.offload(self._room.ingest.finish, account_id, intake.stored, total, sha256))
        async for message in self._receipt(intake, sent):
            yield message

    async def _receipt(self, intake: Intake, sent: int) -> AsyncGenerator[pb.StreamSeriesResponse, None]:
        """Send the results of a finished upload that are left, then its receipt."""
        finished = intake.stored
        assert finished.receipt is not None
        deadline = asyncio.get_running_loop().time() + RESULTS_WAIT_S
        while sent < finished.receipt.result_count and asyncio.get_running_loop().time() < deadline:
            async for number, message in self._results(intake, sent):
                sent = number
                yield message
            if not self._shows_results:
                break
            if sent < finished.receipt.result_count:
                await self._any_news(intake, sent)
            self._raise_if_stopped_late()
        progress = await self._progress(intake)
        yield pb.StreamSeriesResponse(progress=wire.to_progress(progress))
        yield pb.StreamSeriesResponse(receipt=wire.to_receipt(finished))

    async def _results(self, intake: Intake, after: int) -> AsyncGenerator[tuple[int, pb.StreamSeriesResponse], None]:
        """Yield the days and windows that are ready, each with its number."""
        if after >= intake.stored.result_count or not await self._may_show_results(intake):
            return
        upload_id = intake.stored.upload_id
        while page := await self._room.offload(self._room.ingest.results, intake.account_id, upload_id, after):
            for one in page:
                after = one.result
                yield after, wire_insight.to_result(one)

    async def _may_show_results(self, intake: Intake) -> bool:
        """Whether the token may read them, and the account consents to their derivation: at present, it may change."""
        if sees_results(self.identity, metrics.find(intake.descriptor.metric).family):
            permits, account_id = self._room.permits, intake.account_id
            self._shows_results = permits.known_consented(account_id, {Purpose.ANALYSIS}) or await self._room.offload(
                permits.results_allowed, account_id
            )
        else:
            self._shows_results = False
        return self._shows_results

    def _raise_if_stopped_late(self) -> None:
        """Raise what ends the wait for results. Another opening does not: a finished upload cannot be taken over."""
        why = self._late or self._why
        if why is not None and not isinstance(why, UploadTakenOver):
            raise why

    async def _progress(self, intake: Intake) -> Progress:
        received, stored = intake.upload.received, intake.stored
        if not metrics.find(intake.descriptor.metric).has_days:
            return Progress(received, stored.committed, stored.committed, stored.crc32c)
        return await self._room.offload(self._room.ingest.progress, intake.account_id, stored, received)

    async def _any_news(self, intake: Intake, sent: int) -> bool:
        """Wait for news; False when a heartbeat is due instead."""
        outstanding = self._shows_results and sent < intake.stored.result_count
        try:
            async with asyncio.timeout(RESULTS_EVERY_S if outstanding else HEARTBEAT_S):
                await self._news.wait()
        except TimeoutError:
            return outstanding
        self._news.clear()
        return True

    async def _check_epoch(self, intake: Intake) -> None:
        """Notice a take-over by another process, which an idle stream would not see at a commit."""
        stored = await self._room.offload(self._room.ingest.upload, intake.account_id, intake.stored.upload_id)
        if stored.epoch != intake.stored.epoch:
            self.stop(UploadTakenOver())

    async def _raise_if_failed(self, committer: asyncio.Task[None]) -> None:
        """Raise what ended the stream: the disk's reason first, then the one from outside, then the reader's."""
        assert self._reader is not None
        await committer
        if self._why is not None:
            raise self._why
        await self._reader


async def _ended(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait until they are gone; what they raise is reported elsewhere or nobody listens any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def replayed(requests: list[pb.StreamSeriesRequest]) -> AsyncIterator[pb.StreamSeriesRequest]:
    """Give a list of messages as a stream that then half-closes."""
    for request in requests:
        yield request

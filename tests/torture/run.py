"""One point: an upload that goes wrong as planned, and then must be what a clean run is."""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.series_pb2 import ENCODING_INT16, Chunk, SeriesItem, Upload
from tests.torture.ledger import Hearing, Ledger, demand
from tests.torture.outcome import Outcome, equal, faithful, outcome
from tests.torture.plan import Fault, Leg, Plan
from tests.torture.recordings import Recording, catalogue, sealed
from tests.torture.wire import Caller, Ending, Stream
from tests.torture.world import World, fill_disk, free_disk

POINT_S = 90.0
APPEND_BYTES = 2 * 1024 * 1024
PAGE_BYTES = 8192
ROOM_PAGES = 40  # of a quota or a disk that fills up
ROOM_PAGES_SHORT = 6  # the same for a recording of a few KiB


@dataclass
class Tally:
    """What happened at all points together."""

    faults: Counter[Fault] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    points: int = 0
    kills: int = 0
    resumes: int = 0
    acknowledged: int = 0


class Point:
    """One upload by a new account, from its first faulty leg to the comparison."""

    def __init__(self, plan: Plan, world: World, caller: Caller, tally: Tally) -> None:
        """Take what is to happen, where, and who does it."""
        self.plan = plan
        self.world = world
        self.caller = caller
        self.tally = tally
        self.recording = catalogue()[plan.recording]
        self.ledger = Ledger(self.recording)
        self.drawn = random.Random(plan.seed)

    async def run(self) -> Outcome:
        """Go through all legs, finish, and read everything back."""
        async with asyncio.timeout(POINT_S):
            for leg in self.plan.legs:
                await self._leg(leg)
            await self._complete()
            if self.plan.reopened:
                await self._complete(after_result=0)
            found = await outcome(self.caller, self.recording)
        self._agrees(found)
        return found

    # ---- the shape of a leg ------------------------------------------------------------------------------------------

    async def _leg(self, leg: Leg) -> None:
        """Do one leg on a connection of its own, and check that every promise still holds."""
        if await self._committed() >= self.recording.count:
            return
        self.tally.faults[leg.fault] += 1
        async with self.caller.again(self.world.address) as caller:
            await LEGS[leg.fault](self, leg, caller)
        if self.world.server is None:
            await self.world.start()
        await self.caller.close()
        self.caller = self.caller.again(self.world.address)
        await self._committed()

    async def _committed(self) -> int:
        """Ask how many samples are committed, and hold the server to its promises."""
        if not self.ledger.opened:
            return 0
        floor = self.ledger.promised
        upload = (await self.caller.upload(self.recording.upload_id)).upload
        self.ledger.stands(upload.committed_samples, upload.crc32c, floor)
        return upload.committed_samples

    async def _opened(self, caller: Caller, after_result: int | None = None) -> tuple[Stream, int]:
        """Open the upload on a new stream and return it with what is committed, or -1 where opening failed."""
        after = self.ledger.last_result if after_result is None else after_result
        stream = caller.stream(Hearing(self.ledger, after))
        self.tally.resumes += self.ledger.opened > 0
        await stream.open(
            pb.OpenUpload(upload_id=self.recording.upload_id, series=self.recording.series, after_result=after)
        )
        if not await stream.until(lambda so_far: bool(so_far.heard)) or not stream.heard[0].HasField("opened"):
            return stream, -1
        return stream, stream.heard[0].opened.committed_samples

    async def _begun(self, leg: Leg, caller: Caller) -> tuple[Stream, int, int]:
        """Open and send up to where the fault happens; return the stream, what was sent, and what was committed before."""
        stream, committed = await self._opened(caller)
        demand(committed >= 0, f"opening ended with {await stream.end()}" if committed < 0 else "")
        first = max(0, committed - leg.back)
        stop = self._stop(leg, committed)
        return stream, await self._send(stream, first, stop, leg.chunk_samples), committed

    def _stop(self, leg: Leg, committed: int) -> int:
        left = self.recording.count - committed
        return committed + max(1, min(left - 1, int(leg.at * left))) if left > 1 else self.recording.count

    async def _send(self, stream: Stream, first: int, end: int, size: int) -> int:
        """Send the samples [first, end) in order; return the sample reached, less than `end` if the call ended."""
        for low in range(first, end, size):
            high = min(low + size, end)
            for request in self._requests(low, high):
                if not await stream.send(request):
                    return low
        return end

    def _requests(self, first: int, end: int) -> Iterator[pb.StreamSeriesRequest]:
        for item in self.recording.items(first, end):
            yield as_request(item)

    async def _refused(self, stream: Stream, reason: str, **facts: object) -> None:
        """Demand that a stream ends with a reason and its facts, in band and in its trailers alike."""
        found = await stream.end()
        demand(found.reason == reason, f"expected {reason}, and the stream ended with {found}")
        demand(stream.problem == found.status, f"in band {stream.problem}, in the trailers {found.status}")
        for name, value in facts.items():
            demand(found.facts.get(name) == str(value), f"expected {name} {value} with {reason}, found {found.facts}")
        self.tally.refused[reason] += 1

    async def _paused(self, stream: Stream, reached: int) -> None:
        """Half-close, and demand that all that was sent is committed."""
        await stream.half_close()
        found = await stream.end()
        demand(found.ok, f"a pause ended with {found}")
        demand(stream.committed >= reached, f"{reached} samples were sent before a pause, {stream.committed} committed")

    # ---- kills -------------------------------------------------------------------------------------------------------

    async def _kill_after_chunk(self, leg: Leg, caller: Caller) -> None:
        await self._begun(leg, caller)
        await self.world.kill()

    async def _kill_soon(self, leg: Leg, caller: Caller) -> None:
        await self._begun(leg, caller)
        await asyncio.sleep(leg.delay_s)
        await self.world.kill()

    async def _kill_on_ack(self, leg: Leg, caller: Caller) -> None:
        """The worst moment: the promise has just been made."""
        stream, committed = await self._opened(caller)
        sending = asyncio.create_task(self._send(stream, committed, self.recording.count, leg.chunk_samples))
        nth = 1 + leg.variant % 3
        await stream.until(
            lambda so_far: so_far.committed > committed and sum(one.HasField("progress") for one in so_far.heard) > nth
        )
        await self.world.kill()
        await sending
        await stream.end()

    async def _kill_on_finish(self, leg: Leg, caller: Caller) -> None:
        stream, committed = await self._opened(caller)
        await self._send(stream, committed, self.recording.count, leg.chunk_samples)
        await stream.finish(self.recording.count, self.recording.sha256)
        await asyncio.sleep(leg.delay_s)
        await self.world.kill()
        await stream.end()

    async def _kill_in_append(self, leg: Leg, caller: Caller) -> None:
        request, _ = self._append(leg, await self._committed())
        call = asyncio.create_task(caller.append(request))
        await asyncio.sleep(leg.delay_s)
        await self.world.kill()
        answered = await asyncio.gather(call, return_exceptions=True)
        self._appended(answered[0])

    async def _drained(self, leg: Leg, caller: Caller) -> None:
        stream, _, _ = await self._begun(leg, caller)
        self.world.terminate()
        await self._refused(stream, "SHUTTING_DOWN")
        last = [one.progress for one in stream.heard if one.HasField("progress")][-1]
        demand(last.received_samples == last.committed_samples, f"what was received is committed before a drain: {last}")
        await self.world.stop()

    # ---- clients that go ---------------------------------------------------------------------------------------------

    async def _client_dropped(self, leg: Leg, caller: Caller) -> None:
        stream, _, _ = await self._begun(leg, caller)
        await caller.close()
        await stream.end()

    async def _client_reset(self, leg: Leg, caller: Caller) -> None:
        stream, _, _ = await self._begun(leg, caller)
        await asyncio.sleep(leg.delay_s)
        stream.cancel()
        await stream.end()

    async def _client_killed(self, leg: Leg, caller: Caller) -> None:
        """A real process, killed after its n-th acknowledgement."""
        told = {"address": caller.address, "token": caller.token, "recording": self.plan.recording}
        victim = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.torture.victim", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert victim.stdin is not None
        assert victim.stdout is not None
        victim.stdin.write(json.dumps({**told, "chunk_samples": leg.chunk_samples}).encode() + b"\n")
        heard = [int(await victim.stdout.readline()) for _ in range(2 + leg.variant % 3)]
        victim.kill()
        await victim.wait()
        self.ledger.opened += 1
        self.ledger.promised = max(self.ledger.promised, *heard)

    # ---- chunks that are not as they should be -----------------------------------------------------------------------

    async def _duplicated(self, leg: Leg, caller: Caller) -> None:
        stream, reached, committed = await self._begun(leg, caller)
        again = max(committed - leg.back, reached - leg.chunk_samples * (1 + leg.variant % 5), 0)
        for _ in range(2):
            demand(await self._send(stream, again, reached, leg.chunk_samples) == reached, "a repeat ended the stream")
        await self._paused(stream, reached)

    async def _overlapping(self, leg: Leg, caller: Caller) -> None:
        stream, reached, _ = await self._begun(leg, caller)
        while reached < self.recording.count and self.drawn.random() > 0.05:
            first = max(0, reached - self.drawn.randrange(leg.chunk_samples * 2))
            end = min(self.recording.count, first + self.drawn.randrange(1, leg.chunk_samples * 2))
            demand(await self._send(stream, first, end, leg.chunk_samples) == end, "an overlap ended the stream")
            reached = max(reached, end)
        await self._paused(stream, reached)

    async def _reordered(self, leg: Leg, caller: Caller) -> None:
        stream, reached, _ = await self._begun(leg, caller)
        ahead = min(reached + leg.chunk_samples, self.recording.count - 1)
        if ahead <= reached:
            await self._paused(stream, reached)
            return
        await stream.send(pb.StreamSeriesRequest(chunk=self.recording.chunk(ahead, ahead + 1)))
        await stream.send(pb.StreamSeriesRequest(chunk=self.recording.chunk(reached, ahead)))
        await self._refused(stream, "SEQUENCE_GAP", expected=reached, received=ahead)
        demand(stream.committed == reached, f"{reached} were received before the gap and {stream.committed} committed")

    async def _corrupted(self, leg: Leg, caller: Caller) -> None:
        stream, reached, _ = await self._begun(leg, caller)
        chunk = self._next(reached, leg)
        if leg.variant % 2:
            chunk.crc32c ^= 1 << leg.variant % 32
        else:
            at = leg.variant % len(chunk.values)
            chunk.values = chunk.values[:at] + bytes([chunk.values[at] ^ 1 << leg.variant % 8]) + chunk.values[at + 1 :]
        await stream.send(pb.StreamSeriesRequest(chunk=chunk))
        await self._refused(stream, "CHUNK_CORRUPT", first_sample=reached)

    async def _truncated(self, leg: Leg, caller: Caller) -> None:
        stream, reached, _ = await self._begun(leg, caller)
        chunk = self._next(reached, leg)
        keep = leg.variant % len(chunk.values)
        chunk.values = chunk.values[:keep]
        await stream.send(pb.StreamSeriesRequest(chunk=chunk))
        whole = keep > 0 and keep % self.recording.width == 0 and self.recording.offsets_ms is None
        await self._refused(stream, "CHUNK_CORRUPT" if whole else "CHUNK_MALFORMED")

    async def _conflicting(self, leg: Leg, caller: Caller) -> None:
        """Other content where something is known already: in the store when it was acknowledged, else in memory."""
        stream, reached, _ = await self._begun(leg, caller)
        if leg.variant % 2:
            await stream.until(lambda so_far: so_far.committed >= reached)
        first = max(0, reached - 1 - leg.variant % leg.chunk_samples)
        other = first + leg.variant % (reached - first)
        chunk = self.recording.chunk(first, min(first + leg.chunk_samples, self.recording.count))
        chunk.values = altered(self.recording, chunk, other)
        await stream.send(pb.StreamSeriesRequest(chunk=sealed(chunk)))
        await self._refused(stream, "CONTENT_CONFLICT", first_sample=other)

    def _next(self, reached: int, leg: Leg) -> Chunk:
        """The next chunk, or the last one again where all was sent."""
        first = min(reached, self.recording.count - 1)
        return self.recording.chunk(first, min(first + leg.chunk_samples, self.recording.count))

    # ---- other ways --------------------------------------------------------------------------------------------------

    async def _pause(self, leg: Leg, caller: Caller) -> None:
        stream, reached, _ = await self._begun(leg, caller)
        await asyncio.sleep(leg.delay_s)
        await self._paused(stream, reached)

    async def _taken_over(self, leg: Leg, caller: Caller) -> None:
        older, _, _ = await self._begun(leg, caller)
        async with caller.again() as other:
            newer, reached, _ = await self._begun(leg, other if leg.variant % 2 else caller)
            await self._refused(older, "UPLOAD_TAKEN_OVER")
            await self._paused(newer, reached)

    async def _unary(self, leg: Leg, caller: Caller) -> None:
        committed = await self._committed()
        request, stop = self._append(leg, committed)
        for _ in range(1 + leg.variant % 2):
            answer = await caller.append(request)
            self._appended(answer)
            demand(answer.progress.committed_samples == stop, f"{stop} samples were appended: {answer.progress}")

    def _append(self, leg: Leg, committed: int) -> tuple[pb.AppendSeriesRequest, int]:
        """The next samples as one unary call, and the sample they reach."""
        first = max(0, committed - leg.back)
        most = first + APPEND_BYTES // self.recording.width
        stop = min(self._stop(leg, committed), most)
        items = [
            item
            for low in range(first, stop, leg.chunk_samples)
            for item in self.recording.items(low, min(low + leg.chunk_samples, stop))
        ]
        request = pb.AppendSeriesRequest(upload_id=self.recording.upload_id, series=self.recording.series, items=items)
        return request, stop

    def _appended(self, answer: pb.AppendSeriesResponse | BaseException) -> None:
        """Write down what a unary call promised, if it answered."""
        if isinstance(answer, BaseException):
            return
        floor = self.ledger.promised
        self.ledger.opened += 1
        self.ledger.stands(answer.opened.committed_samples, answer.opened.crc32c, floor)
        self.ledger.stands(answer.progress.committed_samples, answer.progress.crc32c, floor)
        for day in answer.days:
            self.ledger.result(day)

    async def _wrong_figures(self, leg: Leg, caller: Caller) -> None:
        stream, committed = await self._opened(caller)
        await self._send(stream, committed, self.recording.count, leg.chunk_samples)
        if leg.variant % 2:
            await stream.finish(self.recording.count + 1, self.recording.sha256)
            await self._refused(stream, "TOTAL_MISMATCH", expected=self.recording.count)
        else:
            await stream.finish(self.recording.count, bytes(32))
            await self._refused(stream, "DIGEST_MISMATCH")
        upload = (await caller.upload(self.recording.upload_id)).upload
        demand(upload.state == Upload.STATE_OPEN, "an upload with wrong figures stays open")

    # ---- no room -----------------------------------------------------------------------------------------------------

    async def _disk_full(self, leg: Leg, caller: Caller) -> None:
        fill_disk(self.world.stores, self._room(leg))
        await self._until_full(leg, caller)
        free_disk(self.world.stores)

    async def _quota_full(self, leg: Leg, _: Caller) -> None:
        await self.world.stop()
        quota = self.world.records.stat().st_size + self._room(leg)
        await self.world.start(RECORDS_BYTES_MAX=str(quota))
        async with self.caller.again(self.world.address) as caller:
            await self._until_full(leg, caller)
        await self.world.restart()

    def _room(self, leg: Leg) -> int:
        pages = ROOM_PAGES if len(self.recording.values) > APPEND_BYTES // 4 else ROOM_PAGES_SHORT
        return leg.variant % pages * PAGE_BYTES

    async def _until_full(self, leg: Leg, caller: Caller) -> None:
        """Stream into a store that has no room for it all; what was promised before must still be readable in it."""
        stream, committed = await self._opened(caller)
        if committed >= 0:
            await self._send(stream, committed, self.recording.count, leg.chunk_samples)
            await stream.half_close()
        found = await stream.end()
        if not found.ok:
            await self._refused(stream, "STORE_FULL")
        if self.ledger.opened:
            floor = self.ledger.promised
            upload = (await caller.upload(self.recording.upload_id)).upload
            self.ledger.stands(upload.committed_samples, upload.crc32c, floor)

    # ---- the end -----------------------------------------------------------------------------------------------------

    async def _complete(self, after_result: int | None = None) -> None:
        """Send what is left and finish; or hear the results and the receipt again."""
        async with self.caller.again() as caller:
            stream, committed = await self._opened(caller, after_result)
            if committed >= 0 and not stream.heard[0].opened.finished:
                await self._send(stream, committed, self.recording.count, self.recording.chunk_samples)
                await self._finish(stream, caller)
            found = await stream.end()
            demand(found.ok, f"a clean end ended with {found}")
        demand(self.ledger.receipt is not None, "there is no receipt")

    async def _finish(self, stream: Stream, caller: Caller) -> None:
        if not self.plan.unary_finish:
            await stream.finish(self.recording.count, self.recording.sha256)
            return
        await self._paused(stream, self.recording.count)
        answer = await caller.finish(self.recording.upload_id, self.recording.count, self.recording.sha256)
        self.ledger.closed(answer.receipt)

    def _agrees(self, found: Outcome) -> None:
        """Demand that what was heard on the way is what can be read in the end."""
        assert self.ledger.receipt is not None
        demand(found.receipt == self.ledger.receipt, f"heard {self.ledger.receipt}, read {found.receipt}")
        for day in found.results:
            demand(self.ledger.results.get(day.result, day) == day, f"result {day.result} was heard otherwise")
        self.tally.acknowledged += self.ledger.promised
        self.tally.points += 1


LEGS: Mapping[Fault, Callable[[Point, Leg, Caller], Awaitable[None]]] = {
    Fault.KILL_AFTER_CHUNK: Point._kill_after_chunk,
    Fault.KILL_SOON: Point._kill_soon,
    Fault.KILL_ON_ACK: Point._kill_on_ack,
    Fault.KILL_ON_FINISH: Point._kill_on_finish,
    Fault.KILL_IN_APPEND: Point._kill_in_append,
    Fault.CLIENT_DROPPED: Point._client_dropped,
    Fault.CLIENT_RESET: Point._client_reset,
    Fault.CLIENT_KILLED: Point._client_killed,
    Fault.DUPLICATED: Point._duplicated,
    Fault.OVERLAPPING: Point._overlapping,
    Fault.REORDERED: Point._reordered,
    Fault.CORRUPTED: Point._corrupted,
    Fault.TRUNCATED: Point._truncated,
    Fault.CONFLICTING: Point._conflicting,
    Fault.PAUSED: Point._pause,
    Fault.TAKEN_OVER: Point._taken_over,
    Fault.UNARY: Point._unary,
    Fault.WRONG_FIGURES: Point._wrong_figures,
    Fault.DISK_FULL: Point._disk_full,
    Fault.QUOTA_FULL: Point._quota_full,
    Fault.DRAINED: Point._drained,
}

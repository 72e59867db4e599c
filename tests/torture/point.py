"""One upload under torture: how it is opened, sent, refused, paused and finished, with every promise checked."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from clarity.v1 import health_data_service_pb2 as pb
from tests.torture.ledger import Hearing, Ledger, demand, results_of
from tests.torture.outcome import Outcome, outcome
from tests.torture.plan import Fault, Leg, Plan
from tests.torture.recordings import Recording, catalogue
from tests.torture.wire import Caller, Stream, as_request
from tests.torture.world import World

APPEND_BYTES = 2 * 1024 * 1024


@dataclass
class Tally:
    """What happened at all points together."""

    points: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    resumes: int = 0
    acknowledged: int = 0
    windows: int = 0  # among the results that were compared
    analyses: int = 0  # in force in the end and compared
    modelled: int = 0  # points with a model
    watches: int = 0  # resumed


class Point:
    """One upload of a new account."""

    def __init__(
        self, plan: Plan, world: World, caller: Caller, tally: Tally, recording: Recording | None = None
    ) -> None:
        """Take what is to happen, where, and who does it; another recording than the plan's, if it is not that."""
        self.plan = plan
        self.world = world
        self.caller = caller
        self.tally = tally
        self.recording = recording or catalogue()[plan.recording]
        self.ledger = Ledger(self.recording)
        self.drawn = random.Random(plan.seed)

    @property
    def count(self) -> int:
        """The samples of the whole recording."""
        return self.recording.count

    async def reconnect(self) -> None:
        """Call the server where it serves now."""
        await self.caller.close()
        self.caller = self.caller.again(self.world.address)

    async def committed(self, caller: Caller | None = None) -> int:
        """Ask how many samples are committed, and hold the server to its promises."""
        if not self.ledger.opened:
            return 0
        floor, after = self.ledger.promised, self.ledger.last_result // 2
        answer = await (caller or self.caller).upload(self.recording.upload_id, after)
        self.ledger.stands(answer.upload.committed_samples, answer.upload.crc32c, floor)
        self.ledger.listed(results_of(answer), after)
        return answer.upload.committed_samples

    async def open(self, caller: Caller, after_result: int | None = None) -> tuple[Stream, int]:
        """Open the upload on a new stream; return it with what is committed, or -1 where opening failed."""
        after = self.ledger.last_result if after_result is None else after_result
        self.tally.resumes += self.ledger.opened > 0
        stream = caller.stream(Hearing(self.ledger, after))
        upload_id, series = self.recording.upload_id, self.recording.series
        await stream.open(pb.OpenUpload(upload_id=upload_id, series=series, after_result=after))
        await stream.until(lambda so_far: bool(so_far.heard))
        opened = bool(stream.heard) and stream.heard[0].HasField("opened")
        return stream, stream.heard[0].opened.committed_samples if opened else -1

    async def begin(self, leg: Leg, caller: Caller) -> tuple[Stream, int, int]:
        """Open and send up to where the fault happens; return the stream, what was sent, what was committed before."""
        stream, committed = await self.open(caller)
        if committed < 0:
            demand(truth=False, said=f"opening ended with {await stream.end()}")
        first, stop = max(0, committed - leg.back), self.stop(leg, committed)
        return stream, await self.send(stream, first, stop, leg.chunk_samples), committed

    def stop(self, leg: Leg, committed: int) -> int:
        """The sample at which a leg's fault happens: short of the end where there is room."""
        left = self.count - committed
        return committed + max(1, min(left - 1, int(leg.at * left))) if left > 1 else self.count

    async def send(self, stream: Stream, first: int, end: int, size: int) -> int:
        """Send the samples [first, end) in order; return the sample reached, less than `end` if the call ended."""
        for low in range(first, end, size):
            for request in self._requests(low, min(low + size, end)):
                if not await stream.send(request):
                    return low
        return end

    async def send_rest(self, stream: Stream, committed: int, size: int) -> None:
        """Send all that is not committed."""
        await self.send(stream, committed, self.count, size)

    async def refused(self, stream: Stream, reason: str, **facts: object) -> None:
        """Demand that a stream ends with a reason and its facts, in band and in its trailers alike."""
        found = await stream.end()
        if found.lost:
            self.tally.refused[f"{reason} or another: grpc.aio lost it"] += 1
            return
        demand(found.reason == reason, f"expected {reason}, and the stream ended with {found}")
        demand(stream.problem == found.status, f"in band {stream.problem}, in the trailers {found.status}")
        for name, value in facts.items():
            demand(found.facts.get(name) == str(value), f"expected {name} {value} with {reason}, found {found.facts}")
        self.tally.refused[reason] += 1

    async def pause(self, stream: Stream, reached: int) -> None:
        """Half-close, and demand that all that was sent is committed."""
        await stream.half_close()
        found = await stream.end()
        demand(found.ok, f"a pause ended with {found}")
        demand(stream.committed >= reached, f"{reached} samples were sent before a pause, {stream.committed} committed")

    def append(self, leg: Leg, committed: int) -> tuple[pb.AppendSeriesRequest, int]:
        """The next samples as one unary call, and the sample they reach."""
        first = max(0, committed - leg.back)
        stop = min(self.stop(leg, committed), first + APPEND_BYTES // self.recording.width)
        lows = range(first, stop, leg.chunk_samples)
        items = [item for low in lows for item in self.recording.items(low, min(low + leg.chunk_samples, stop))]
        request = pb.AppendSeriesRequest(
            upload_id=self.recording.upload_id,
            series=self.recording.series,
            after_result=self.ledger.last_result if leg.variant % 3 else 0,
            items=items,
        )
        return request, stop

    def appended(self, request: pb.AppendSeriesRequest, answer: pb.AppendSeriesResponse) -> None:
        """Write down what a unary call promised."""
        floor = self.ledger.promised
        self.ledger.opened += 1
        self.ledger.stands(answer.opened.committed_samples, answer.opened.crc32c, floor)
        self.ledger.stands(answer.progress.committed_samples, answer.progress.crc32c, floor)
        self.ledger.listed(results_of(answer), request.after_result)

    async def complete(self, after_result: int | None = None) -> None:
        """Send what is left and finish; of a finished upload, hear the results and the receipt again."""
        async with self.caller.again() as caller:
            stream, committed = await self.open(caller, after_result)
            if committed >= 0 and not stream.heard[0].opened.finished:
                await self.send_rest(stream, committed, self.recording.chunk_samples)
                await self._finish(stream, caller)
            found = await stream.end()
        demand(found.ok, f"a clean end ended with {found}")
        demand(self.ledger.receipt, "there is no receipt")

    async def outcome(self) -> Outcome:
        """Read everything back, and demand that it is what was heard on the way."""
        found = await outcome(self.caller, self.recording)
        demand(found.receipt == self.ledger.receipt, f"heard {self.ledger.receipt}, read {found.receipt}")
        self.ledger.listed(found.results, 0)
        self.tally.acknowledged += self.ledger.promised
        self.tally.windows += sum(isinstance(one, pb.WindowAnalysed) for one in found.results)
        self.tally.analyses += len(found.analyses)
        return found

    def _requests(self, first: int, end: int) -> Iterator[pb.StreamSeriesRequest]:
        for item in self.recording.items(first, end):
            yield as_request(item)

    async def _finish(self, stream: Stream, caller: Caller) -> None:
        if not self.plan.unary_finish:
            await stream.finish(self.count, self.recording.sha256)
            return
        await self.pause(stream, self.count)
        answer = await caller.finish(self.recording.upload_id, self.count, self.recording.sha256)
        self.ledger.closed(answer.receipt)

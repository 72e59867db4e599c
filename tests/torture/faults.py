"""What goes wrong in a leg, fault by fault; each returns when the server has answered, or is gone."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping

import numpy as np

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.series_pb2 import ENCODING_INT16, Chunk, Upload
from tests.torture.ledger import demand
from tests.torture.plan import Fault, Leg
from tests.torture.point import Point
from tests.torture.recordings import Recording, sealed
from tests.torture.wire import Caller, Stream
from tests.torture.world import fill_disk, free_disk

PAGE_BYTES = 8192
ROOM_PAGES = 40  # of a quota or a disk that fills up
ROOM_PAGES_SHORT = 6  # the same for a recording of a few KiB
SHORT_BYTES = 256 * 1024
ONE = np.float32(1).tobytes()

# ---- the server goes -------------------------------------------------------------------------------------------------


async def kill_after_chunk(point: Point, leg: Leg, caller: Caller) -> None:
    await point.begin(leg, caller)
    await point.world.kill()


async def kill_soon(point: Point, leg: Leg, caller: Caller) -> None:
    await point.begin(leg, caller)
    await asyncio.sleep(leg.delay_s)
    await point.world.kill()


async def kill_on_ack(point: Point, leg: Leg, caller: Caller) -> None:
    """The worst moment: the promise has just been made."""
    stream, committed = await point.open(caller)
    sending = asyncio.create_task(point.send_rest(stream, committed, leg.chunk_samples))
    wanted = 1 + leg.variant % 3

    def acknowledged(so_far: Stream) -> bool:
        return so_far.committed == point.count or len(so_far.acknowledgements) > wanted

    await stream.until(acknowledged)
    await point.world.kill()
    await asyncio.gather(sending, stream.end())


async def kill_on_finish(point: Point, leg: Leg, caller: Caller) -> None:
    stream, committed = await point.open(caller)
    await point.send_rest(stream, committed, leg.chunk_samples)
    await stream.finish(point.count, point.recording.sha256)
    await asyncio.sleep(leg.delay_s)
    await point.world.kill()
    await stream.end()


async def kill_in_append(point: Point, leg: Leg, caller: Caller) -> None:
    request, _ = point.append(leg, await point.committed())
    call = asyncio.create_task(caller.append(request))
    await asyncio.sleep(leg.delay_s)
    await point.world.kill()
    answers = await asyncio.gather(call, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, pb.AppendSeriesResponse):
            point.appended(request, answer)


async def drained(point: Point, leg: Leg, caller: Caller) -> None:
    stream, _, _ = await point.begin(leg, caller)
    point.world.terminate()
    await point.refused(stream, "SHUTTING_DOWN")
    last = stream.acknowledgements[-1]
    demand(last.received_samples == last.committed_samples, f"what was received is committed before a drain: {last}")
    await point.world.stop()


# ---- the client goes -------------------------------------------------------------------------------------------------


async def client_dropped(point: Point, leg: Leg, caller: Caller) -> None:
    stream, _, _ = await point.begin(leg, caller)
    await caller.close()
    await stream.end()


async def client_reset(point: Point, leg: Leg, caller: Caller) -> None:
    stream, _, _ = await point.begin(leg, caller)
    await asyncio.sleep(leg.delay_s)
    stream.cancel()
    await stream.end()


async def client_killed(point: Point, leg: Leg, caller: Caller) -> None:
    """A real process, killed after its n-th acknowledgement."""
    victim = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.torture.victim"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    told = {"address": caller.address, "token": caller.token, "recording": point.plan.recording}
    try:
        heard = await _heard(victim, {**told, "chunk_samples": leg.chunk_samples}, 2 + leg.variant % 3, point.count)
    finally:
        victim.kill()
        await victim.wait()
    point.ledger.opened += 1
    point.ledger.promised = max(point.ledger.promised, *heard)


async def _heard(victim: asyncio.subprocess.Process, told: dict[str, object], lines: int, enough: int) -> list[int]:
    """Set a client process going, and hear its first promises."""
    assert victim.stdin is not None
    assert victim.stdout is not None
    victim.stdin.write(json.dumps(told).encode() + b"\n")
    heard: list[int] = []
    while len(heard) < lines and enough not in heard:
        heard.append(int(await victim.stdout.readline()))
    return heard


# ---- chunks are not as they should be --------------------------------------------------------------------------------


async def duplicated(point: Point, leg: Leg, caller: Caller) -> None:
    stream, reached, committed = await point.begin(leg, caller)
    again = max(committed - leg.back, reached - leg.chunk_samples * (1 + leg.variant % 5), 0)
    for _ in range(2):
        demand(await point.send(stream, again, reached, leg.chunk_samples) == reached, "a repeat ended the stream")
    await point.pause(stream, reached)


async def overlapping(point: Point, leg: Leg, caller: Caller) -> None:
    stream, reached, _ = await point.begin(leg, caller)
    size = leg.chunk_samples
    while reached < point.count and point.drawn.random() > 0.05:
        first = max(0, reached - point.drawn.randrange(2 * size))
        end = min(point.count, first + point.drawn.randrange(1, 2 * size))
        demand(await point.send(stream, first, end, size) == end, "an overlap ended the stream")
        reached = max(reached, end)
    await point.pause(stream, reached)


async def reordered(point: Point, leg: Leg, caller: Caller) -> None:
    stream, reached, _ = await point.begin(leg, caller)
    ahead = min(reached + leg.chunk_samples, point.count - 1)
    if ahead <= reached:
        await point.pause(stream, reached)
        return
    await stream.send(pb.StreamSeriesRequest(chunk=point.recording.chunk(ahead, ahead + 1)))
    await stream.send(pb.StreamSeriesRequest(chunk=point.recording.chunk(reached, ahead)))
    await point.refused(stream, "SEQUENCE_GAP", expected=reached, received=ahead)
    # Asked of the store: where our second chunk met the end of the call, grpc.aio may have lost the last progress.
    committed = await point.committed()
    demand(committed == reached, f"{reached} were received before the gap and {committed} committed")


async def corrupted(point: Point, leg: Leg, caller: Caller) -> None:
    stream, reached, _ = await point.begin(leg, caller)
    chunk = _next(point, reached, leg)
    if leg.variant % 2:
        chunk.crc32c ^= 1 << leg.variant % 32
    else:
        at = leg.variant % len(chunk.values)
        chunk.values = chunk.values[:at] + bytes([chunk.values[at] ^ 1 << leg.variant % 8]) + chunk.values[at + 1 :]
    await stream.send(pb.StreamSeriesRequest(chunk=chunk))
    await point.refused(stream, "CHUNK_CORRUPT", first_sample=chunk.first_sample)


async def truncated(point: Point, leg: Leg, caller: Caller) -> None:
    stream, reached, _ = await point.begin(leg, caller)
    chunk = _next(point, reached, leg)
    keep = leg.variant % len(chunk.values)
    chunk.values = chunk.values[:keep]
    await stream.send(pb.StreamSeriesRequest(chunk=chunk))
    whole_samples = keep > 0 and keep % point.recording.width == 0 and point.recording.offsets_ms is None
    await point.refused(stream, "CHUNK_CORRUPT" if whole_samples else "CHUNK_MALFORMED")


async def conflicting(point: Point, leg: Leg, caller: Caller) -> None:
    """Other content where something is known already: in the store once it was acknowledged, else in memory."""
    stream, reached, _ = await point.begin(leg, caller)
    if leg.variant % 2:
        await stream.until(lambda so_far: so_far.committed >= reached)
    first = max(0, reached - 1 - leg.variant % leg.chunk_samples)
    other = first + leg.variant % (reached - first)
    chunk = point.recording.chunk(first, min(first + leg.chunk_samples, point.count))
    chunk.values = _altered(point.recording, chunk, other)
    await stream.send(pb.StreamSeriesRequest(chunk=sealed(chunk)))
    await point.refused(stream, "CONTENT_CONFLICT", first_sample=other)


def _next(point: Point, reached: int, leg: Leg) -> Chunk:
    """The next chunk, or the last sample again where all was sent."""
    first = min(reached, point.count - 1)
    return point.recording.chunk(first, min(first + leg.chunk_samples, point.count))


def _altered(recording: Recording, chunk: Chunk, sample: int) -> bytes:
    """A chunk's values with another value, a valid one, at one sample."""
    at = (sample - chunk.first_sample) * recording.width
    size = 2 if recording.series.encoding == ENCODING_INT16 else 4
    value = chunk.values[at : at + size]
    missing = size == 4 and np.isnan(np.frombuffer(value, "<f4")[0])
    other = ONE if missing else bytes([value[0] ^ 1]) + value[1:]
    return chunk.values[:at] + other + chunk.values[at + size :]


# ---- other ways to send ----------------------------------------------------------------------------------------------


async def paused(point: Point, leg: Leg, caller: Caller) -> None:
    stream, reached, _ = await point.begin(leg, caller)
    await asyncio.sleep(leg.delay_s)
    await point.pause(stream, reached)


async def taken_over(point: Point, leg: Leg, caller: Caller) -> None:
    older, _, _ = await point.begin(leg, caller)
    async with caller.again() as other:
        newer, reached, _ = await point.begin(leg, other if leg.variant % 2 else caller)
        await point.refused(older, "UPLOAD_TAKEN_OVER")
        await point.pause(newer, reached)


async def unary(point: Point, leg: Leg, caller: Caller) -> None:
    request, stop = point.append(leg, await point.committed())
    for _ in range(1 + leg.variant % 2):
        answer = await caller.append(request)
        point.appended(request, answer)
        demand(answer.progress.committed_samples == stop, f"{stop} samples were appended: {answer.progress}")


async def wrong_figures(point: Point, leg: Leg, caller: Caller) -> None:
    stream, committed = await point.open(caller)
    await point.send_rest(stream, committed, leg.chunk_samples)
    if leg.variant % 2:
        await stream.finish(point.count + 1, point.recording.sha256)
        await point.refused(stream, "TOTAL_MISMATCH", expected=point.count, received=point.count + 1)
    else:
        await stream.finish(point.count, bytes(32))
        await point.refused(stream, "DIGEST_MISMATCH")
    upload = (await caller.upload(point.recording.upload_id)).upload
    demand(upload.state == Upload.STATE_OPEN, "an upload with wrong figures stays open")


# ---- there is no room ------------------------------------------------------------------------------------------------


async def disk_full(point: Point, leg: Leg, caller: Caller) -> None:
    """A disk that is full and then is not, under a server that goes on; where there is none to fill, a quota."""
    if not point.world.small:
        await quota_full(point, leg, caller)
        return
    fill_disk(point.world.stores, _room(point, leg))
    await _until_full(point, leg, caller)
    free_disk(point.world.stores)


async def quota_full(point: Point, leg: Leg, _: Caller) -> None:
    """A quota that is used up, and a server started again without one."""
    await point.world.stop()
    quota = point.world.records.stat().st_size + _room(point, leg)
    await point.world.start(RECORDS_BYTES_MAX=str(quota))
    async with point.caller.again(point.world.address) as caller:
        await _until_full(point, leg, caller)
    await point.world.restart()


def _room(point: Point, leg: Leg) -> int:
    pages = ROOM_PAGES_SHORT if len(point.recording.values) < SHORT_BYTES else ROOM_PAGES
    return leg.variant % pages * PAGE_BYTES


async def _until_full(point: Point, leg: Leg, caller: Caller) -> None:
    """Stream into a store that has no room for it all; what was promised before stays readable in it."""
    stream, committed = await point.open(caller)
    if committed >= 0:
        await point.send_rest(stream, committed, leg.chunk_samples)
        await stream.half_close()
    if not (await stream.end()).ok:
        await point.refused(stream, "STORE_FULL")
    await point.committed(caller)


FAULTS: Mapping[Fault, Callable[[Point, Leg, Caller], Awaitable[None]]] = {
    Fault.KILL_AFTER_CHUNK: kill_after_chunk,
    Fault.KILL_SOON: kill_soon,
    Fault.KILL_ON_ACK: kill_on_ack,
    Fault.KILL_ON_FINISH: kill_on_finish,
    Fault.KILL_IN_APPEND: kill_in_append,
    Fault.CLIENT_DROPPED: client_dropped,
    Fault.CLIENT_RESET: client_reset,
    Fault.CLIENT_KILLED: client_killed,
    Fault.DUPLICATED: duplicated,
    Fault.OVERLAPPING: overlapping,
    Fault.REORDERED: reordered,
    Fault.CORRUPTED: corrupted,
    Fault.TRUNCATED: truncated,
    Fault.CONFLICTING: conflicting,
    Fault.PAUSED: paused,
    Fault.TAKEN_OVER: taken_over,
    Fault.UNARY: unary,
    Fault.WRONG_FIGURES: wrong_figures,
    Fault.DISK_FULL: disk_full,
    Fault.QUOTA_FULL: quota_full,
    Fault.DRAINED: drained,
}

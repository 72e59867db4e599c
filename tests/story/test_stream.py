"""A stream's promises, one by one, kept by the real server process over gRPC."""

import asyncio
import os
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import numpy as np
import pytest
import pytest_asyncio

from clarity.local import outbox_of
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.series_pb2 import Chunk, Upload
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.domain.tokens import ACCESS_S, issue_access, public_keys, verify_access
from tests.torture.ledger import Result, results_of
from tests.torture.recordings import CHUNK_BYTES_MAX, Recording, catalogue, sealed
from tests.torture.weeks import Names
from tests.torture.wire import Caller, Ending, Stream, as_request, ending
from tests.torture.world import PASSWORD, World, running

AN_HOUR = 60
BY_NAME = {recording.name: recording for recording in catalogue()}
COUNTS = BY_NAME["floating"]
NOISE = BY_NAME["noise"]
WHOLE = BY_NAME["whole-numbers"]
WEEKS = BY_NAME["weeks-zone"]
ENDS_WITHIN_S = 5.0  # of a revocation, as the contract says: within seconds
SOON_S = 30.0  # so long a test waits for what happens at once, on a machine with other work
FEW_BYTES = 40 * 8192
TOKEN_LEFT_S = 4  # enough to send half an upload
STREAMS = 1000
STREAM_BYTES = 128 * 1024  # of the server's memory for each stream that is open and idle, at most


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    """One server for the tests that leave it as it was."""
    with TemporaryDirectory(prefix="clarity-") as made:
        serving = World(Path(made), Path(made) / "var")
        asyncio.run(serving.start())
        yield serving
        asyncio.run(serving.stop())


@pytest_asyncio.fixture
async def caller(shared: World) -> AsyncIterator[Caller]:
    async with await shared.sign_up() as signed_up, asyncio.timeout(2 * SOON_S):
        yield signed_up


# ---- what a client does ----------------------------------------------------------------------------------------------


def opening(recording: Recording = COUNTS, after_result: int = 0) -> pb.OpenUpload:
    return pb.OpenUpload(upload_id=recording.upload_id, series=recording.series, after_result=after_result)


async def send(stream: Stream, recording: Recording, first: int, end: int, size: int = 0) -> None:
    size = size or recording.chunk_samples
    for low in range(first, end, size):
        for item in recording.items(low, min(low + size, end)):
            await stream.send(as_request(item))


async def opened(caller: Caller, recording: Recording = COUNTS) -> Stream:
    stream = caller.stream()
    await stream.open(opening(recording))
    assert await stream.until(lambda so_far: bool(so_far.heard)), await stream.end()
    return stream


async def half_sent(caller: Caller, recording: Recording = COUNTS) -> tuple[Stream, int]:
    """A stream whose first half is acknowledged."""
    stream, half = await opened(caller, recording), recording.count // 2
    await send(stream, recording, stream.heard[0].opened.committed_samples, half)
    assert await stream.until(lambda so_far: so_far.committed == half), await stream.end()
    return stream, half


async def finished(caller: Caller, recording: Recording = COUNTS) -> Stream:
    """Send all that is missing and finish, as any client would after any failure."""
    stream = await opened(caller, recording)
    await send(stream, recording, stream.heard[0].opened.committed_samples, recording.count)
    await stream.finish(recording.count, recording.sha256)
    found = await stream.end()
    assert found.ok, found
    receipt = stream.heard[-1].receipt
    assert (receipt.total_samples, receipt.sha256) == (recording.count, recording.sha256)
    return stream


async def refused(stream: Stream, code: grpc.StatusCode, reason: str) -> Ending:
    found = await stream.end()
    assert (found.code, found.reason) == (code, reason)
    assert stream.heard[-1].problem == found.status, "the last message in band is the status in the trailers"
    return found


def last_acknowledgement(stream: Stream) -> tuple[int, int]:
    last = stream.acknowledgements[-1]
    return last.received_samples, last.committed_samples


# ---- flow ------------------------------------------------------------------------------------------------------------


async def test_a_client_may_send_everything_before_it_reads_anything(caller: Caller) -> None:
    long = replace(NOISE, values=NOISE.values * 6)
    assert len(long.values) > 8 * 1024 * 1024
    call = caller.health.StreamSeries(metadata=caller.metadata)
    await call.write(pb.StreamSeriesRequest(open=opening(long)))
    for low in range(0, long.count, 16384):
        await call.write(pb.StreamSeriesRequest(chunk=long.chunk(low, min(low + 16384, long.count))))
    await call.write(pb.StreamSeriesRequest(finish=pb.FinishUpload(total_samples=long.count, sha256=long.sha256)))
    heard = [message async for message in call]
    assert heard[-1].receipt.total_samples == long.count


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc to read the server's memory")
async def test_a_thousand_half_open_streams_do_not_exhaust_it() -> None:
    async with running(STREAMS_PER_ACCOUNT_MAX=str(STREAMS)) as world, AsyncExitStack() as held:
        crowd, other = await held.enter_async_context(await world.sign_up()), await world.sign_up()
        await held.enter_async_context(other)
        await finished(other)
        before = rss_bytes(world.pid)
        streams = await half_open(crowd, held)
        async with asyncio.timeout(SOON_S):
            await until_refused(crowd, refused=True)
            await other.auth.GetAccount(auth.GetAccountRequest(), metadata=other.metadata)
            await finished(other, WHOLE)
        assert rss_bytes(world.pid) - before < STREAMS * STREAM_BYTES
        for stream in streams:
            stream.cancel()
        async with asyncio.timeout(SOON_S):
            await until_refused(crowd, refused=False)


async def half_open(caller: Caller, held: AsyncExitStack) -> list[Stream]:
    """A thousand streams on four connections: half of them opened, half of them silent."""
    lines = [await held.enter_async_context(caller.again()) for _ in range(4)]
    streams = [lines[number % 4].stream() for number in range(STREAMS)]
    for number, stream in enumerate(streams[::2]):
        await stream.open(pb.OpenUpload(upload_id=f"idle-{number}", series=COUNTS.series))
    for stream in streams[::2]:
        assert await stream.until(lambda so_far: bool(so_far.heard)), await stream.end()
    return streams


async def until_refused(caller: Caller, *, refused: bool) -> None:
    """Open one more stream, again and again, until it is one too many, or until it no longer is."""
    found: Ending | None = None
    while found is None or (found.reason == "TOO_MANY_STREAMS") != refused:
        stream = caller.stream()
        await stream.open(pb.OpenUpload(upload_id="one-more", series=COUNTS.series))
        await stream.half_close()
        found = await stream.end()


def rss_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# ---- what comes back -------------------------------------------------------------------------------------------------


async def test_a_week_comes_on_the_call_that_streams_it_in_while_it_still_does(caller: Caller) -> None:
    stream = await opened(caller, WEEKS)
    most = WEEKS.count - AN_HOUR
    await send(stream, WEEKS, 0, most)
    assert await stream.until(lambda so_far: len(windows_of(results_heard(so_far))) == WEEKS.weeks)
    await send(stream, WEEKS, most, WEEKS.count)
    await stream.finish(WEEKS.count, WEEKS.sha256)
    assert (await stream.end()).ok
    heard = results_heard(stream)
    assert [one.result for one in heard] == list(range(1, stream.heard[-1].receipt.result_count + 1))
    weeks = windows_of(heard)
    # 29 March has 23 hours in Berlin: the weeks are as long as any other, and say by how much the clock was moved.
    assert [one.analysis.window.start_date.day for one in weeks] == [28, 29, 30]
    assert {one.analysis.window.length_minutes for one in weeks} == {7 * 24 * AN_HOUR}
    assert [one.analysis.window.offset_change_minutes for one in weeks] == [AN_HOUR, AN_HOUR, 0]
    assert [measure.measure for measure in weeks[0].analysis.measures if measure.HasField("value")]
    assert await caller.analysis(weeks[0].analysis.analysis_id) == weeks[0].analysis


async def test_a_resumed_stream_tells_the_days_and_weeks_after_a_number_in_order_as_they_were(caller: Caller) -> None:
    first = results_heard(await finished(caller, WEEKS))
    for after in (0, windows_of(first)[0].result, len(first)):
        again = caller.stream()
        await again.open(opening(WEEKS, after))
        assert (await again.end()).ok
        assert results_heard(again) == first[after:]
        assert again.heard[-1].HasField("receipt")


async def test_the_unary_twin_has_the_same_results(shared: World, caller: Caller) -> None:
    streamed = results_heard(await finished(caller, WEEKS))
    assert results_of(await caller.upload(WEEKS.upload_id)) == streamed
    assert results_of(await caller.append(appending(0, 0))) == streamed
    assert results_of(await caller.append(appending(0, 0, after_result=7))) == streamed[7:]
    async with await shared.sign_up() as other:
        for first in range(0, WEEKS.count, 24 * AN_HOUR):
            await other.append(appending(first, min(first + 24 * AN_HOUR, WEEKS.count)))
        await other.finish(WEEKS.upload_id, WEEKS.count, WEEKS.sha256)
        appended = results_of(await other.upload(WEEKS.upload_id))
        while len(appended) < len(streamed):
            appended = results_of(await other.upload(WEEKS.upload_id))
    ours, theirs = Names(), Names()
    assert [ours.renamed(one) for one in appended] == [theirs.renamed(one) for one in streamed]


def appending(first: int, end: int, after_result: int = 0) -> pb.AppendSeriesRequest:
    items = WEEKS.items(first, end) if first < end else []
    return pb.AppendSeriesRequest(
        upload_id=WEEKS.upload_id, series=WEEKS.series, items=items, after_result=after_result
    )


def windows_of(results: list[Result]) -> list[pb.WindowAnalysed]:
    return [one for one in results if isinstance(one, pb.WindowAnalysed)]


# ---- what ends a stream from outside ---------------------------------------------------------------------------------


async def test_signing_out_ends_an_open_stream_and_what_was_committed_waits_for_the_next_sign_in(
    caller: Caller,
) -> None:
    stream, half = await half_sent(caller)
    async with asyncio.timeout(ENDS_WITHIN_S):
        await caller.auth.SignOut(auth.SignOutRequest(), metadata=caller.metadata)
        await refused(stream, grpc.StatusCode.UNAUTHENTICATED, "SESSION_ENDED")
    await caller.sign_in(caller.email, PASSWORD)
    again = await finished(caller)
    assert again.heard[0].opened.committed_samples == half


async def test_a_stream_that_outlived_its_token_pauses_and_resumes_under_a_new_one() -> None:
    async with running(STREAM_AGE_S="0") as world, await world.sign_up() as caller, asyncio.timeout(2 * SOON_S):
        caller.token = about_to_expire(world, caller.token)
        stream, half = await half_sent(caller)
        await refused(stream, grpc.StatusCode.UNAUTHENTICATED, "STREAM_EXPIRED")
        assert last_acknowledgement(stream) == (half, half)
        await refused(caller.stream(), grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")
        await caller.sign_in(caller.email, PASSWORD)
        again = await finished(caller)
        assert again.heard[0].opened.committed_samples == half


def about_to_expire(world: World, token: str) -> str:
    """The same session's token as it would be had it been issued almost ten minutes ago, signed with the same key."""
    keys = DiskKeys(world.keys)
    identity = verify_access(token, public_keys(keys.jwks()), time.time())
    return issue_access(
        *keys.signing_key(),
        account_id=identity.account_id,
        session_id=identity.session_id,
        scopes=" ".join(sorted(identity.scopes)),
        issued_s=int(time.time()) - ACCESS_S + TOKEN_LEFT_S,
    )


async def test_a_newer_stream_takes_an_upload_over(caller: Caller) -> None:
    older, half = await half_sent(caller)
    newer = await finished(caller)
    assert newer.heard[0].opened.committed_samples == half
    assert newer.heard[0].opened.epoch == older.heard[0].opened.epoch + 1
    await refused(older, grpc.StatusCode.ABORTED, "UPLOAD_TAKEN_OVER")


async def test_a_newer_stream_on_another_process_takes_an_upload_over(tmp_path: Path) -> None:
    async with running() as world, await world.sign_up() as caller:
        second = World(tmp_path, world.stores)
        try:
            await second.start(KEYS=f"file:{world.keys}")
            older, half = await half_sent(caller)
            async with caller.again(second.address) as elsewhere:
                newer, _ = await half_sent(elsewhere)
                assert newer.heard[0].opened.committed_samples == half
                await send(older, COUNTS, half, half + AN_HOUR)
                await refused(older, grpc.StatusCode.ABORTED, "UPLOAD_TAKEN_OVER")
                await finished(elsewhere)
        finally:
            await second.stop()


async def test_sigterm_ends_an_upload_after_a_last_acknowledgement_and_it_resumes() -> None:
    async with running() as world, await world.sign_up() as caller:
        stream = await opened(caller)
        await send(stream, COUNTS, 0, COUNTS.count // 2)
        world.terminate()
        await refused(stream, grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        received, committed = last_acknowledgement(stream)
        assert received == committed
        await world.restart()
        async with caller.again(world.address) as back:
            again = await finished(back)
        assert again.heard[0].opened.committed_samples == committed


async def test_a_stream_that_was_never_opened_does_not_hold_up_a_shutdown() -> None:
    async with running() as world, await world.sign_up() as caller:
        silent, talking = caller.stream(), await opened(caller)
        world.terminate()
        async with asyncio.timeout(ENDS_WITHIN_S):
            await refused(talking, grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
            await refused(silent, grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")


async def test_a_client_that_only_waits_hears_that_the_store_is_full() -> None:
    async with running() as world, await world.sign_up() as caller:
        await world.restart(RECORDS_BYTES_MAX=str(world.records.stat().st_size + FEW_BYTES))
        async with caller.again(world.address) as waiting, asyncio.timeout(SOON_S):
            stream = await one_at_a_time(waiting, WHOLE)
            await refused(stream, grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
            committed = last_acknowledgement(stream)[1]
            assert (await waiting.upload(WHOLE.upload_id)).upload.committed_samples == committed
        await world.restart()
        async with caller.again(world.address) as back:
            again = await finished(back, WHOLE)
        assert again.heard[0].opened.committed_samples == committed


async def one_at_a_time(caller: Caller, recording: Recording) -> Stream:
    """A client that sends a chunk when the one before is acknowledged, and never otherwise."""
    stream = await opened(caller, recording)
    for low in range(0, recording.count, recording.chunk_samples):
        await send(stream, recording, low, min(low + recording.chunk_samples, recording.count))
        if not await stream.until(partial(has_committed, low + 1)):
            break
    return stream


def has_committed(samples: int, stream: Stream) -> bool:
    return stream.committed >= samples


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_half_a_minute_of_silence_brings_a_heartbeat_and_ends_what_was_never_opened(caller: Caller) -> None:
    async with asyncio.timeout(4 * SOON_S):
        quiet, half = await half_sent(caller, WHOLE)
        silent = caller.stream()
        before = len(quiet.acknowledgements)
        assert await quiet.until(lambda so_far: len(so_far.acknowledgements) > before)
        assert quiet.acknowledgements[-1] == quiet.acknowledgements[-2]
        await refused(silent, grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert not quiet.ended
        assert quiet.committed == half


# ---- what a stream refuses -------------------------------------------------------------------------------------------

Request = pb.StreamSeriesRequest
Bad = Callable[[int], Request]
"""A message that must end a stream on which so many samples are acknowledged."""


def altered(first: int, end: int, **fields: object) -> Request:
    """The samples [first, end) with some fields of their chunk changed."""
    chunk = COUNTS.chunk(first, end)
    for name, value in fields.items():
        setattr(chunk, name, value)
    return Request(chunk=chunk if "crc32c" in fields else sealed(chunk))


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


INVALID = grpc.StatusCode.INVALID_ARGUMENT
REFUSED: dict[str, tuple[grpc.StatusCode, str, Bad]] = {
    "a gap": (
        grpc.StatusCode.OUT_OF_RANGE,
        "SEQUENCE_GAP",
        lambda at: altered(at + AN_HOUR, at + 2 * AN_HOUR),
    ),
    "an overlap with other content": (
        grpc.StatusCode.ABORTED,
        "CONTENT_CONFLICT",
        lambda at: altered(at - 2, at, values=floats(1e6, 1e6)),
    ),
    "a wrong checksum": (INVALID, "CHUNK_CORRUPT", lambda at: altered(at, at + 2, crc32c=1)),
    "an infinity": (INVALID, "VALUE_NOT_FINITE", lambda at: altered(at, at + 2, values=floats(1.0, float("inf")))),
    "another NaN": (INVALID, "VALUE_NOT_FINITE", lambda at: altered(at, at + 1, values=b"\x01\x00\xc0\x7f")),
    "a chunk over the limit": (
        INVALID,
        "CHUNK_TOO_LARGE",
        lambda at: altered(at, at + 1, values=bytes(CHUNK_BYTES_MAX + 4)),
    ),
    "an empty chunk": (INVALID, "CHUNK_MALFORMED", lambda at: altered(at, at)),
    "part of a sample": (INVALID, "CHUNK_MALFORMED", lambda at: altered(at, at + 1, values=b"\x00\x00")),
    "offsets nobody asked for": (INVALID, "CHUNK_MALFORMED", lambda at: Request(chunk=with_offsets(at))),
    "a negative position": (INVALID, "REQUEST_INVALID", lambda at: altered(at, at + 1, first_sample=-1)),
    "a second opening": (INVALID, "MESSAGE_OUT_OF_ORDER", lambda _: Request(open=opening())),
    "an empty message": (INVALID, "MESSAGE_OUT_OF_ORDER", lambda _: Request()),
    "a wrong total": (
        grpc.StatusCode.FAILED_PRECONDITION,
        "TOTAL_MISMATCH",
        lambda at: Request(finish=pb.FinishUpload(total_samples=at + 1, sha256=bytes(32))),
    ),
    "a wrong sha256": (
        grpc.StatusCode.FAILED_PRECONDITION,
        "DIGEST_MISMATCH",
        lambda at: Request(finish=pb.FinishUpload(total_samples=at, sha256=bytes(32))),
    ),
    "half a sha256": (
        INVALID,
        "REQUEST_INVALID",
        lambda at: Request(finish=pb.FinishUpload(total_samples=at, sha256=bytes(16))),
    ),
}


def with_offsets(at: int) -> Chunk:
    chunk = COUNTS.chunk(at, at + 1)
    chunk.offsets_ms.append(1)
    return sealed(chunk)


@pytest.mark.parametrize("what", REFUSED)
async def test_a_stream_ends_with_a_reason_of_its_own_and_loses_nothing(what: str, caller: Caller) -> None:
    code, reason, bad = REFUSED[what]
    stream, half = await half_sent(caller)
    await stream.send(bad(half))
    await refused(stream, code, reason)
    upload = (await caller.upload(COUNTS.upload_id)).upload
    assert (upload.state, upload.committed_samples) == (Upload.STATE_OPEN, half)
    await finished(caller)


OPENINGS: dict[str, tuple[grpc.StatusCode, str, Callable[[pb.OpenUpload], None]]] = {
    "an unknown metric": (INVALID, "METRIC_UNKNOWN", lambda one: setattr(one.series, "metric", "heart_rat")),
    "a category": (INVALID, "METRIC_NOT_STREAMABLE", lambda one: setattr(one.series, "metric", "sleep_stage")),
    "a bad id": (INVALID, "REQUEST_INVALID", lambda one: setattr(one, "upload_id", "a/b")),
    "a period that the metric does not have": (
        INVALID,
        "REQUEST_INVALID",
        lambda one: one.series.period.FromMilliseconds(1000),
    ),
    "another source": (
        grpc.StatusCode.ALREADY_EXISTS,
        "UPLOAD_MISMATCH",
        lambda one: setattr(one.series.source, "device", "another wrist"),
    ),
    "another start": (
        grpc.StatusCode.ALREADY_EXISTS,
        "UPLOAD_MISMATCH",
        lambda one: setattr(one.series.civil, "hours", 3),
    ),
}


@pytest.mark.parametrize("what", OPENINGS)
async def test_an_opening_is_refused_and_the_upload_stands(what: str, caller: Caller) -> None:
    code, reason, change = OPENINGS[what]
    older, _ = await half_sent(caller)
    wrong, stream = opening(), caller.stream()
    change(wrong)
    await stream.open(wrong)
    await refused(stream, code, reason)
    assert not older.ended
    await finished(caller)


async def test_a_stream_begins_with_open(caller: Caller) -> None:
    stream = caller.stream()
    await stream.send(Request(chunk=COUNTS.chunk(0, AN_HOUR)))
    await refused(stream, INVALID, "MESSAGE_OUT_OF_ORDER")


@pytest.mark.parametrize(("token", "reason"), [("", "TOKEN_MISSING"), ("not-a-token", "TOKEN_INVALID")])
async def test_a_stream_needs_a_token(token: str, reason: str, shared: World) -> None:
    async with Caller(shared.address, token) as nobody:
        await refused(nobody.stream(), grpc.StatusCode.UNAUTHENTICATED, reason)


async def test_the_unary_twin_refuses_for_the_same_reason_and_keeps_what_came_before(caller: Caller) -> None:
    items = [*COUNTS.items(0, AN_HOUR), *COUNTS.items(2 * AN_HOUR, 3 * AN_HOUR)]
    request = pb.AppendSeriesRequest(upload_id=COUNTS.upload_id, series=COUNTS.series, items=items)
    with pytest.raises(grpc.aio.AioRpcError) as gap:
        await caller.append(request)
    found = ending(gap.value)
    assert (found.code, found.reason) == (grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_GAP")
    assert found.facts["expected"] == str(AN_HOUR)
    assert (await caller.upload(COUNTS.upload_id)).upload.committed_samples == AN_HOUR
    await finished(caller)


async def test_a_finished_upload_takes_nothing_new_and_tells_its_receipt_again(caller: Caller) -> None:
    first = await finished(caller)
    beyond = sealed(Chunk(first_sample=COUNTS.count, values=floats(1.0)))
    request = pb.AppendSeriesRequest(upload_id=COUNTS.upload_id, series=COUNTS.series)
    request.items.add(chunk=beyond)
    with pytest.raises(grpc.aio.AioRpcError) as over:
        await caller.append(request)
    assert ending(over.value).reason == "UPLOAD_FINISHED"
    again = await opened(caller)
    assert (await again.end()).ok
    assert again.heard[-1].receipt == first.heard[-1].receipt
    assert results_heard(again) == results_heard(first)


def results_heard(stream: Stream) -> list[Result]:
    """The days and windows of a stream, as they came."""
    kinds = ((one.WhichOneof("message"), one) for one in stream.heard)
    return [one.day if kind == "day" else one.window for kind, one in kinds if kind in {"day", "window"}]


async def test_anothers_upload_is_like_one_that_does_not_exist(shared: World, caller: Caller) -> None:
    await half_sent(caller)
    async with await shared.sign_up() as stranger:
        answers = []
        for upload_id in (COUNTS.upload_id, "there-is-none"):
            with pytest.raises(grpc.aio.AioRpcError) as missing:
                await stranger.upload(upload_id)
            answers.append(ending(missing.value))
        assert answers[0] == answers[1]
        assert answers[0].reason == "UPLOAD_NOT_FOUND"
        theirs = await opened(stranger)
        assert theirs.heard[0].opened.committed_samples == 0
    assert (await caller.upload(COUNTS.upload_id)).upload.committed_samples == COUNTS.count // 2


# ---- what lies on the disk -------------------------------------------------------------------------------------------


async def test_no_file_of_the_server_holds_a_value_an_address_a_password_or_a_token() -> None:
    counts = replace(COUNTS, values=np.tile(np.array([7681, 4242, 6173, 2357], "<f4"), 600).tobytes())
    odd = replace(WHOLE, values=np.tile(np.array([61.8034, -27.1828, 31.41593], "<f4"), 30_000).tobytes())
    async with running() as world, await world.sign_up() as caller:
        await finished(caller, odd)
        await finished(caller, counts)
        secrets = [caller.email, PASSWORD, caller.token, caller.token.split(".")[1], caller.refresh_token]
        needles = [*map(str.encode, secrets), *patterns(counts.values), *patterns(odd.values)]
        while_serving = found_in(world.folder, needles)
        await world.stop()
        assert (while_serving, found_in(world.folder, needles)) == ([], [])


def patterns(values: bytes) -> list[bytes]:
    """What two neighbouring values look like: as sent, as whole numbers, as text; and one value in eight bytes."""
    first, second = np.frombuffer(values, "<f4")[:2].tolist()
    whole = [struct.pack(form, int(first), int(second)) for form in ("<ii", ">ii", "<qq", ">qq")]
    return [
        values[:8],
        struct.pack(">ff", first, second),
        struct.pack("<d", first),
        struct.pack(">d", first),
        *whole,
        f"{first:.4f}".rstrip("0").rstrip(".").encode() + b",",
    ]


def found_in(folder: Path, needles: list[bytes]) -> list[tuple[str, bytes]]:
    """Every needle that lies in a file, and where; mails are for their addressees, as in any mailbox."""
    files = [path for path in folder.rglob("*") if path.is_file() and outbox_of(folder) not in path.parents]
    assert {"clarity.db", "server.log"} <= {path.name for path in files}
    return [(path.name, needle) for path in files for needle in needles if needle in path.read_bytes()]

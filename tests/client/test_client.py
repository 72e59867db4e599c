"""The client: an upload as a value, then over a wire to a server with a script, then to the real one."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import google_crc32c
import grpc
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from clarity import local, recordings
from clarity.calls import ClarityError, Patience, Remedy, problem, remedy, target_of
from clarity.client import AsyncClient, Client
from clarity.credentials import MemoryTokens, SignedIn
from clarity.mailbox import joined
from clarity.recordings import Recording
from clarity.sending import (
    CHUNK_BYTES_MAX,
    Event,
    Interrupted,
    Parcel,
    Sending,
    civil_time,
    cut_off,
    describe,
    naive,
    pack,
    parcel_of,
    upload_id_of,
)
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1 import health_data_service_pb2 as health
from clarity.v1.account_pb2 import Session
from clarity.v1.day_pb2 import Day
from clarity.v1.series_pb2 import (
    ENCODING_INT16,
    SeriesDescriptor,
    Source,
    UploadOpened,
    UploadProgress,
    UploadReceipt,
)

METRIC = "activity_counts_1min"
SERIES = SeriesDescriptor(metric="heart_rate", source=Source(device="watch"), period=Duration(seconds=1))
SERIES.civil.CopyFrom(civil_time(datetime(2026, 1, 23, 13, 58)))
QUICK = Patience(base_s=0.001, cap_s=0.002)
PASSWORD = "Correct-horse-7"


def parcel(
    samples: int = 10,
    chunk: int = 4,
    offset_changes: Iterable[tuple[int, int]] = (),
    offsets_ms: Iterable[int] = (),
) -> Parcel:
    values = np.arange(samples, dtype=np.float32)
    return pack("u1", SERIES, values, chunk_samples=chunk, offset_changes=offset_changes, offsets_ms=offsets_ms)


def crc(data: bytes) -> int:
    return int(google_crc32c.value(data))


def opened(of: Parcel, committed: int = 0, *, finished: bool = False) -> health.StreamSeriesResponse:
    message = UploadOpened(committed_samples=committed, crc32c=crc(of.bytes_of(0, committed)), finished=finished)
    return health.StreamSeriesResponse(opened=message)


def progress(of: Parcel, committed: int) -> health.StreamSeriesResponse:
    message = UploadProgress(committed_samples=committed, crc32c=crc(of.bytes_of(0, committed)))
    return health.StreamSeriesResponse(progress=message)


def receipt(of: Parcel) -> health.StreamSeriesResponse:
    right = UploadReceipt(total_samples=of.total, value_samples=of.total, sha256=of.sha256, crc32c=crc(of.values))
    return health.StreamSeriesResponse(receipt=right)


def day(result: int) -> health.StreamSeriesResponse:
    return health.StreamSeriesResponse(day=Day(result=result))


def status(code: grpc.StatusCode, reason: str, retry_s: float | None = None, **metadata: str) -> Status:
    details = [ErrorInfo(reason=reason, domain="clarity.v1", metadata=metadata)]
    found = Status(code=code.value[0], message=f"because of {reason}", details=[packed(one) for one in details])
    if retry_s is not None:
        found.details.append(
            packed(RetryInfo(retry_delay=Duration(seconds=int(retry_s), nanos=int(retry_s % 1 * 1e9))))
        )
    return found


def packed(message: ErrorInfo | RetryInfo) -> AnyMessage:
    any_message = AnyMessage()
    any_message.Pack(message)
    return any_message


def error(reason: str, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> ClarityError:
    return ClarityError(reason, "for the test", code=code)


# ---- a parcel ------------------------------------------------------------------------------------------------


def test_a_parcel_is_cut_into_chunks_with_their_positions_and_checksums() -> None:
    chunks = [request.chunk for request in parcel(10, chunk=4).items(0)]
    assert [(chunk.first_sample, len(chunk.values)) for chunk in chunks] == [(0, 16), (4, 16), (8, 8)]
    assert [chunk.crc32c for chunk in chunks] == [crc(chunk.values) for chunk in chunks]


def test_the_checksum_of_an_irregular_chunk_covers_its_offsets() -> None:
    sent = parcel(3, offsets_ms=[0, 5, 9])
    chunk = next(sent.items(0)).chunk
    assert list(chunk.offsets_ms) == [0, 5, 9]
    assert chunk.crc32c == crc(chunk.values + np.array([0, 5, 9], "<i8").tobytes())


def test_clock_changes_stand_before_their_sample_and_are_repeated_after_a_resume() -> None:
    sent = parcel(10, chunk=4, offset_changes=[(6, 7200), (8, 3600)])

    def told(start: int) -> list[tuple[str, int]]:
        return [
            ("clock", request.offset_change.first_sample)
            if request.HasField("offset_change")
            else ("chunk", request.chunk.first_sample)
            for request in sent.items(start)
        ]

    assert told(0) == [("chunk", 0), ("chunk", 4), ("clock", 6), ("chunk", 6), ("clock", 8), ("chunk", 8)]
    assert told(6) == [("clock", 6), ("chunk", 6), ("clock", 8), ("chunk", 8)]
    assert told(7) == [("chunk", 7), ("clock", 8), ("chunk", 8)]
    assert list(parcel(4, offset_changes=[(4, 0), (9, 0)]).items(0)) == list(parcel(4).items(0))


def test_every_nan_is_sent_as_the_one_the_contract_knows() -> None:
    strange = np.array([0x7FC12345, 0xFFC00000], dtype="<u4").view("<f4")
    assert pack("u1", SERIES, strange).values == bytes.fromhex("0000c07f") * 2


def test_packing_leaves_the_callers_values_alone() -> None:
    values = np.array([1, np.nan], dtype=">f4")
    values.flags.writeable = False
    assert pack("u1", SERIES, values).values == bytes.fromhex("0000803f 0000c07f")


def test_channels_and_int16_are_packed_as_described() -> None:
    series = SeriesDescriptor(metric="accelerometer_raw", encoding=ENCODING_INT16, scale=0.01, channels=3)
    sent = pack("u1", series, np.arange(6, dtype=np.int16).reshape(2, 3))
    assert (sent.total, sent.sample_bytes) == (2, 6)
    with pytest.raises(TypeError):
        pack("u1", series, np.array([[0.5, 1.5, 2.5]]))  # a fraction would be lost without a word


@pytest.mark.parametrize(("values", "chunk"), [(b"", 1), (b"12345", 1), (b"1234", 0), (b"1234", CHUNK_BYTES_MAX)])
def test_what_no_server_would_take_is_not_packed(values: bytes, chunk: int) -> None:
    with pytest.raises(ValueError, match="sample"):
        pack("u1", SERIES, values, chunk_samples=chunk)


def test_an_upload_id_follows_from_file_metric_and_source() -> None:
    files = [hashlib.sha256(data).digest() for data in (b"a", b"b")]
    sources = [Source(device="x"), Source(device="x", app="y"), Source(device="xy")]
    ids = {upload_id_of(file, metric, source) for file in files for metric in ("m", "n") for source in sources}
    assert len(ids) == 12
    assert all(len(upload_id) == 32 for upload_id in ids)
    assert upload_id_of(files[0], "m", sources[0]) == upload_id_of(files[0], "m", Source(device="x"))


def recording(start: datetime) -> Recording:
    values = np.arange(4, dtype=np.float32)
    return Recording(name="r", device="watch", start=start, period_s=60, values=values, origin="here")


def test_a_recording_without_an_offset_floats() -> None:
    described = describe(recording(datetime(1918, 1, 23, 13, 58)), METRIC)
    assert described.civil.WhichOneof("time_offset") is None
    assert naive(described.civil) == datetime(1918, 1, 23, 13, 58)


def test_a_recording_with_offsets_keeps_them() -> None:
    start = datetime(2026, 3, 28, 23, tzinfo=timezone(timedelta(hours=1)))
    found = replace(recording(start), offset_changes=((2, 7200),))
    described = describe(found, METRIC, "my watch")
    assert described.civil.utc_offset.seconds == 3600
    assert described.source.device == "my watch"
    assert parcel_of(found, described, "u1").offset_changes == ((2, 7200),)


def test_a_recording_in_z_is_an_instant_with_no_civil_time() -> None:
    described = describe(replace(recording(datetime(2026, 3, 28, 23, tzinfo=UTC)), offset_known=False), METRIC)
    assert described.WhichOneof("start") == "instant"
    assert described.instant.ToDatetime(UTC) == datetime(2026, 3, 28, 23, tzinfo=UTC)


# ---- the upload as a value -----------------------------------------------------------------------------------


def after(sending: Sending, *messages: health.StreamSeriesResponse) -> Sending:
    for message in messages:
        sending, _ = sending.receive(message)
    return sending


def first_sample(requests: Iterator[health.StreamSeriesRequest]) -> int:
    return next(requests).chunk.first_sample


def test_sending_goes_on_from_what_is_committed_and_ends_with_the_total() -> None:
    sent = parcel()
    *chunks, last = after(Sending(sent), opened(sent, 6)).rest()
    assert [request.chunk.first_sample for request in chunks] == [6]
    assert (last.finish.total_samples, last.finish.sha256) == (10, hashlib.sha256(sent.values).digest())


def test_nothing_is_sent_to_a_finished_upload() -> None:
    sent = parcel()
    assert list(after(Sending(sent), opened(sent, 10, finished=True)).rest()) == []


def test_another_prefix_is_noticed_before_anything_is_sent() -> None:
    wrong = UploadOpened(committed_samples=4, crc32c=1)
    with pytest.raises(ClarityError, match="other values in its first 4 samples") as raised:
        Sending(parcel()).receive(health.StreamSeriesResponse(opened=wrong))
    assert raised.value.reason == "PREFIX_DIFFERS"
    assert remedy(raised.value) is Remedy.NONE


def test_more_samples_than_there_are_belong_to_another_recording() -> None:
    with pytest.raises(ClarityError, match="11 samples where 0 to 10 are possible"):
        Sending(parcel()).receive(opened(parcel(11), 11))


def test_an_acknowledged_sample_that_is_gone_again_is_not_overlooked() -> None:
    sent = parcel()
    with pytest.raises(ClarityError, match="4 samples where 8 to 10 are possible"):
        after(Sending(sent), opened(sent), progress(sent, 8), opened(sent, 4))


def test_a_day_told_twice_is_reported_once_and_the_next_opening_asks_for_later_ones() -> None:
    sending = after(Sending(parcel()), day(1), day(2))
    again, event = sending.receive(day(2))
    assert (again, event) == (sending, None)
    assert sending.open().open.after_result == 2


@pytest.mark.parametrize(
    "wrong",
    [
        UploadReceipt(total_samples=9),
        UploadReceipt(value_samples=9),
        UploadReceipt(missing_samples=1),
        UploadReceipt(sha256=b"other"),
        UploadReceipt(crc32c=1),
    ],
    ids=str,
)
def test_a_receipt_that_does_not_fit_is_not_taken(wrong: UploadReceipt) -> None:
    sent = parcel()
    message = receipt(sent)
    message.receipt.MergeFrom(wrong)
    with pytest.raises(ClarityError, match="does not fit the recording") as raised:
        after(Sending(sent), opened(sent), message)
    assert raised.value.reason == "RECEIPT_DIFFERS"


def test_a_newer_servers_news_is_passed_over() -> None:
    sending = Sending(parcel())
    assert sending.receive(health.StreamSeriesResponse()) == (sending, None)


@given(st.integers(1, 40), st.integers(1, 12), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 50)), max_size=6))
def test_whatever_is_cut_off_when_every_sample_arrives_once_and_in_order(
    samples: int, chunk: int, cuts: list[tuple[int, int]]
) -> None:
    """A cut takes a number of messages through and keeps a number of their samples."""
    sent = parcel(samples, chunk)
    sending, stored = Sending(sent), b""
    for messages, keeps in [*cuts, (1000, 1000)]:
        sending = after(sending, opened(sent, len(stored) // 4))
        arrived = stored
        for request in [request for request, _ in zip(sending.rest(), range(messages), strict=False)]:
            assert not request.HasField("chunk") or request.chunk.first_sample == len(arrived) // 4
            arrived += request.chunk.values
        stored = arrived[: max(len(stored), min(len(arrived), len(stored) + 4 * keeps))]
        sending = after(sending, progress(sent, len(stored) // 4))
    assert stored == sent.values
    assert after(sending, receipt(sent)).receipt is not None


# ---- what helps against an error -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "code", "expected"),
    [
        ("CUT_OFF", grpc.StatusCode.UNAVAILABLE, Remedy.WAIT),
        ("SHUTTING_DOWN", grpc.StatusCode.UNAVAILABLE, Remedy.WAIT),
        ("STORE_UNAVAILABLE", grpc.StatusCode.UNAVAILABLE, Remedy.WAIT),
        ("NEWER_THAN_THIS_CLIENT", grpc.StatusCode.UNAVAILABLE, Remedy.WAIT),
        ("TOO_MANY_STREAMS", grpc.StatusCode.RESOURCE_EXHAUSTED, Remedy.WAIT),
        ("CHUNK_CORRUPT", grpc.StatusCode.INVALID_ARGUMENT, Remedy.WAIT),
        ("STREAM_EXPIRED", grpc.StatusCode.UNAUTHENTICATED, Remedy.RENEW),
        ("TOKEN_EXPIRED", grpc.StatusCode.UNAUTHENTICATED, Remedy.RENEW),
        ("STORE_FULL", grpc.StatusCode.RESOURCE_EXHAUSTED, Remedy.NONE),
        ("SESSION_ENDED", grpc.StatusCode.UNAUTHENTICATED, Remedy.NONE),
        ("UPLOAD_TAKEN_OVER", grpc.StatusCode.ABORTED, Remedy.NONE),
        ("CONTENT_CONFLICT", grpc.StatusCode.ABORTED, Remedy.NONE),
        ("TLS_MISMATCH", grpc.StatusCode.UNAVAILABLE, Remedy.NONE),
        ("INTERNAL", grpc.StatusCode.INTERNAL, Remedy.NONE),
    ],
)
def test_each_reason_has_its_remedy(reason: str, code: grpc.StatusCode, expected: Remedy) -> None:
    assert remedy(error(reason, code)) is expected


def test_waits_double_up_to_a_cap_and_spread_over_half_their_length() -> None:
    patience = Patience(base_s=1, cap_s=5)
    assert [patience.wait_s(failures, cut_off(), 1.0) for failures in range(5)] == [1, 2, 4, 5, 5]
    assert patience.wait_s(1, cut_off(), 0.0) == 1


def test_a_server_that_says_how_long_is_given_that_long() -> None:
    asked = problem(status(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", retry_s=2.5))
    assert Patience(base_s=0.1).wait_s(0, asked, 0.5) == 2.5


def test_failures_in_a_row_are_limited_and_any_progress_starts_anew() -> None:
    sent, patience = parcel(), Patience(tries=3)
    sending = after(Sending(sent), opened(sent))
    for _ in range(2):
        sending, _ = sending.interrupted(cut_off(), patience)
    with pytest.raises(ClarityError, match="ended before its last message"):
        sending.interrupted(cut_off(), patience)
    moved = after(sending, progress(sent, 4))
    assert moved.interrupted(cut_off(), patience)[0].failures == 1


def test_an_opening_alone_is_no_progress() -> None:
    sent = parcel()
    sending, _ = after(Sending(sent), opened(sent)).interrupted(cut_off(), QUICK)
    assert after(sending, opened(sent)).failures == 1


def test_a_server_that_never_answered_is_given_up_sooner() -> None:
    sending = Sending(parcel(), failures=2)
    with pytest.raises(ClarityError):
        sending.interrupted(error("NO_SERVER"), Patience(tries=10, first_tries=3))


def test_an_outlived_token_is_renewed_at_once() -> None:
    _, interrupted = Sending(parcel()).interrupted(error("STREAM_EXPIRED", grpc.StatusCode.UNAUTHENTICATED), QUICK)
    assert (interrupted.renew, interrupted.wait_s) == (True, 0.0)


def test_an_error_nothing_helps_against_is_raised_as_it_is() -> None:
    hopeless = error("UPLOAD_MISMATCH", grpc.StatusCode.ALREADY_EXISTS)
    with pytest.raises(ClarityError) as raised:
        Sending(parcel()).interrupted(hopeless, QUICK)
    assert raised.value is hopeless


def test_a_status_is_read_with_reason_metadata_and_wait() -> None:
    found = problem(status(grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_GAP", retry_s=1.5, expected="120"))
    assert (found.reason, found.code, found.metadata) == (
        "SEQUENCE_GAP",
        grpc.StatusCode.OUT_OF_RANGE,
        {"expected": "120"},
    )
    assert (found.text, found.retry_after_s) == ("because of SEQUENCE_GAP", 1.5)


def test_a_reason_of_another_domain_is_not_ours() -> None:
    foreign = Status(code=9, message="no", details=[packed(ErrorInfo(reason="STORE_FULL", domain="example.org"))])
    assert problem(foreign).reason == "FAILED_PRECONDITION"


def test_envoys_word_for_an_expired_token_is_understood() -> None:
    assert problem(Status(code=16, message="Jwt is expired")).reason == "TOKEN_EXPIRED"


# ---- where the server is -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address", "tls"),
    [
        ("127.0.0.1:50051", "127.0.0.1:50051", False),
        ("localhost", "localhost:50051", False),
        ("[::1]:7", "[::1]:7", False),
        ("health.example.org:50051", "health.example.org:50051", True),
        ("health.example.org", "health.example.org:443", True),
        ("10.0.0.5:50051", "10.0.0.5:50051", True),
        ("http://10.0.0.5:50051/", "10.0.0.5:50051", False),
        ("https://127.0.0.1:50051", "127.0.0.1:50051", True),
    ],
)
def test_only_this_machine_is_called_without_tls_unless_somebody_says_so(text: str, address: str, tls: bool) -> None:
    assert (target_of(text).address, target_of(text).tls) == (address, tls)


@pytest.mark.parametrize("text", ["", "http://", "ftp://x:1", "x:port", "x:1/path", "x:99999"])
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        target_of(text)


# ---- over a wire, with a server that follows a script --------------------------------------------------------

Script = Callable[[Iterator[health.StreamSeriesRequest], grpc.ServicerContext], Iterator[health.StreamSeriesResponse]]


@dataclass
class Scripted:
    """A server with one script an opening; it remembers who opened it how, and which refreshes it saw."""

    scripts: list[Script]
    openings: list[tuple[health.OpenUpload, str]] = field(default_factory=list)
    refreshes: list[tuple[str, str]] = field(default_factory=list)
    replies_lost: int = 0

    def stream_series(
        self, requests: Iterator[health.StreamSeriesRequest], context: grpc.ServicerContext
    ) -> Iterator[health.StreamSeriesResponse]:
        bearer = dict(context.invocation_metadata())["authorization"]
        self.openings.append((next(requests).open, str(bearer)))
        yield from self.scripts[len(self.openings) - 1](requests, context)

    def refresh_session(
        self, request: auth.RefreshSessionRequest, context: grpc.ServicerContext
    ) -> auth.RefreshSessionResponse:
        self.refreshes.append((request.refresh_token, request.request_id))
        if len(self.refreshes) <= self.replies_lost:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the reply is lost")
        renewed = Session(access_token="access-2", refresh_token="refresh-2")
        renewed.access_expire_time.FromSeconds(int(time.time()) + 600)
        return auth.RefreshSessionResponse(session=renewed)

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        streams = grpc.stream_stream_rpc_method_handler(
            self.stream_series,
            health.StreamSeriesRequest.FromString,
            health.StreamSeriesResponse.SerializeToString,
        )
        refreshes = grpc.unary_unary_rpc_method_handler(
            self.refresh_session,
            auth.RefreshSessionRequest.FromString,
            auth.RefreshSessionResponse.SerializeToString,
        )
        return (
            grpc.method_handlers_generic_handler("clarity.v1.HealthDataService", {"StreamSeries": streams}),
            grpc.method_handlers_generic_handler("clarity.v1.AuthService", {"RefreshSession": refreshes}),
        )


@contextmanager
def scripted(*scripts: Script, replies_lost: int = 0) -> Iterator[tuple[Scripted, str]]:
    servicer = Scripted(list(scripts), replies_lost=replies_lost)
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(servicer.handlers())
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield servicer, f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def session(expire_in_s: float = 600) -> SignedIn:
    return SignedIn(
        email="ada@example.org",
        account_id="a",
        session_id="s",
        access_expire_s=time.time() + expire_in_s,
        access_token="access-1",
        refresh_token="refresh-1",
        refresh_request_id="request-1",
    )


def whole(of: Parcel, committed: int = 0) -> Script:
    """Take everything, and give the receipt."""

    def script(
        requests: Iterator[health.StreamSeriesRequest], _: grpc.ServicerContext
    ) -> Iterator[health.StreamSeriesResponse]:
        yield opened(of, committed)
        values = of.bytes_of(0, committed)
        for request in requests:
            values += request.chunk.values
        assert values == of.values
        yield progress(of, of.total)
        yield day(1)
        yield receipt(of)

    return script


def broken(of: Parcel, committed: int, *last: health.StreamSeriesResponse, code: Status | None = None) -> Script:
    """Take the first chunk, commit some of it, and end early."""

    def script(
        requests: Iterator[health.StreamSeriesRequest], context: grpc.ServicerContext
    ) -> Iterator[health.StreamSeriesResponse]:
        yield opened(of)
        next(requests)
        yield progress(of, committed)
        yield day(1)
        yield from last
        if code is not None:
            context.abort_with_status(rpc_status.to_status(code))

    return script


def refused(code: Status) -> Script:
    """Say no at once."""

    def script(
        _: Iterator[health.StreamSeriesRequest], context: grpc.ServicerContext
    ) -> Iterator[health.StreamSeriesResponse]:
        context.set_trailing_metadata(rpc_status.to_status(code).trailing_metadata)
        context.set_code(rpc_status.to_status(code).code)
        context.set_details(code.message)
        yield from ()

    return script


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


SHUTTING_DOWN = status(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(broken(parcel(), 4), id="an end without a last message"),
        pytest.param(broken(parcel(), 4, code=SHUTTING_DOWN), id="a status in the trailers"),
        pytest.param(
            broken(parcel(), 4, health.StreamSeriesResponse(problem=SHUTTING_DOWN), code=SHUTTING_DOWN),
            id="a problem in band",
        ),
    ],
)
def test_an_upload_that_breaks_off_is_resumed_and_its_results_are_told_once(first: Script) -> None:
    sent = parcel()
    with scripted(first, whole(sent, 4)) as (server, address):
        with Client(address, MemoryTokens(session()), QUICK) as client:
            events = list(client.uploading(sent))
        assert [opening.after_result for opening, _ in server.openings] == [0, 1]
    assert kinds(events) == [
        *("UploadOpened", "UploadProgress", "Day", "Interrupted"),
        *("UploadOpened", "UploadProgress", "UploadReceipt"),
    ]


def test_both_clients_report_the_same_events() -> None:
    sent = parcel()

    async def asynchronous(address: str) -> list[Event]:
        async with AsyncClient(address, MemoryTokens(session()), QUICK) as client:
            return [event async for event in client.uploading(sent)]

    with scripted(broken(sent, 4), whole(sent, 4), broken(sent, 4), whole(sent, 4)) as (_, address):
        with Client(address, MemoryTokens(session()), QUICK) as client:
            synchronous = list(client.uploading(sent))
        told = asyncio.run(asynchronous(address))
    assert [one for one in told if not isinstance(one, Interrupted)] == [
        one for one in synchronous if not isinstance(one, Interrupted)
    ]
    assert kinds(told) == kinds(synchronous)


@pytest.mark.parametrize("reason", ["TOKEN_EXPIRED", "STREAM_EXPIRED"])
def test_an_outlived_token_is_renewed_and_the_upload_goes_on(reason: str) -> None:
    sent, tokens = parcel(), MemoryTokens(session())
    expired = refused(status(grpc.StatusCode.UNAUTHENTICATED, reason))
    with scripted(expired, whole(sent)) as (server, address):
        with Client(address, tokens, QUICK) as client:
            assert client.upload(sent).total_samples == 10
        assert [bearer for _, bearer in server.openings] == ["Bearer access-1", "Bearer access-2"]
    kept = tokens.read()
    assert kept is not None
    assert (kept.refresh_token, kept.email) == ("refresh-2", "ada@example.org")


def test_a_token_near_its_end_is_renewed_before_it_is_used() -> None:
    sent = parcel()
    with scripted(whole(sent)) as (server, address):
        with Client(address, MemoryTokens(session(expire_in_s=5)), QUICK) as client:
            client.upload(sent)
        assert [bearer for _, bearer in server.openings] == ["Bearer access-2"]


def test_a_refresh_whose_reply_is_lost_is_repeated_with_the_same_request_id() -> None:
    tokens = MemoryTokens(session())
    with scripted(replies_lost=1) as (server, address):
        with Client(address, tokens, QUICK) as client:
            assert client.renew("access-1") == "access-2"
        assert server.refreshes == [("refresh-1", "request-1")] * 2


def test_a_refresh_given_up_is_repeated_by_the_next_attempt_with_the_same_request_id() -> None:
    tokens = MemoryTokens(session())
    with scripted(replies_lost=3) as (server, address), Client(address, tokens, QUICK) as client:
        with pytest.raises(ClarityError):
            client.renew("access-1")
        assert client.renew("access-1") == "access-2"
        assert set(server.refreshes) == {("refresh-1", "request-1")}


def test_an_error_of_the_one_who_sets_the_pace_reaches_the_one_who_uploads() -> None:
    def out_of_patience(_: int) -> None:
        raise KeyError("out of patience")

    with scripted(whole(parcel())) as (_, address):
        client = Client(address, MemoryTokens(session()), QUICK)
        with client, pytest.raises(KeyError, match="out of patience"):
            client.upload(parcel(), before_chunk=out_of_patience)


def test_who_is_not_signed_in_is_told_before_anything_is_sent() -> None:
    with Client("127.0.0.1:1", MemoryTokens()) as client, pytest.raises(ClarityError, match="nobody is signed in"):
        client.upload(parcel())


def test_where_nobody_listens_is_said_plainly_and_soon() -> None:
    with Client("127.0.0.1:1", MemoryTokens(session()), QUICK) as client:
        with pytest.raises(ClarityError, match=r"no server answers at http://127\.0\.0\.1:1$") as raised:
            client.account()
        assert raised.value.reason == "NO_SERVER"
        with pytest.raises(ClarityError, match="no server answers"):
            client.upload(parcel())


@contextmanager
def tls_server() -> Iterator[int]:
    """A server with a certificate that nobody knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(secret, certificate)]))
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def test_tls_where_none_is_spoken_and_none_where_it_is_are_told_apart() -> None:
    with scripted() as (_, address), Client(f"https://{address}", MemoryTokens(session()), QUICK) as client:
        with pytest.raises(ClarityError, match="does not speak TLS: say http://") as raised:
            client.account()
        assert raised.value.reason == "TLS_MISMATCH"
    with tls_server() as port:
        with (
            Client(f"http://127.0.0.1:{port}", MemoryTokens(session()), QUICK) as client,
            pytest.raises(ClarityError, match="if it speaks TLS, say https://"),
        ):
            client.account()
        with (
            Client(f"https://localhost:{port}", MemoryTokens(session()), QUICK) as client,
            pytest.raises(ClarityError, match="a certificate this machine does not trust"),
        ):
            client.account()


# ---- against the real server ---------------------------------------------------------------------------------


@contextmanager
def served(folder: Path) -> Iterator[local.Server]:
    """A server with all its data in a folder."""
    settings = {**local.own_stores(folder), "DRAIN_S": "5"}
    with local.Server(settings, folder, log=folder / "log") as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local.Server]:
    with served(tmp_path_factory.mktemp("server")) as running:
        yield running


def signed_in(server: local.Server, email: str) -> Client:
    client = Client(server.address, MemoryTokens())
    joined(client, local.outbox_of(server.folder), email, PASSWORD, "Ada")
    return client


def real_parcel(days: int = 4, device: str = "simulated") -> Parcel:
    simulated = recordings.simulate(7, days)
    series = describe(simulated, METRIC, device)
    upload_id = upload_id_of(hashlib.sha256(simulated.values.tobytes()).digest(), METRIC, series.source)
    return parcel_of(simulated, series, upload_id, 60)


def test_an_account_is_made_signed_in_renewed_and_signed_out(server: local.Server) -> None:
    with signed_in(server, "account@example.org") as client:
        assert client.tokens is not None
        before = client.tokens.read()
        client.renew(client.token())
        after = client.tokens.read()
        assert before is not None
        assert after is not None
        assert before.session_id == after.session_id
        assert before.refresh_token != after.refresh_token
        assert client.account().email == "account@example.org"
        client.sign_out()
        with pytest.raises(ClarityError, match="nobody is signed in"):
            client.account()


def test_a_wrong_password_has_its_reason(server: local.Server) -> None:
    with signed_in(server, "wrong@example.org") as client, pytest.raises(ClarityError) as wrong:
        client.sign_in("wrong@example.org", "Wrong-horse-7")
    assert wrong.value.reason == "CREDENTIALS_WRONG"


def test_what_is_streamed_is_read_back_with_its_days(server: local.Server) -> None:
    sent = real_parcel()
    start = recordings.SIMULATED_START
    with signed_in(server, "stream@example.org") as client:
        events = list(client.uploading(sent))
        blocks = list(client.read(METRIC, start, start + timedelta(days=4)))
        days = list(client.days(METRIC))
        one = list(client.days(METRIC, date(2026, 1, 10), date(2026, 1, 11)))
    told = [event for event in events if isinstance(event, Day)]
    assert b"".join(block.values for block in blocks if isinstance(block, health.SeriesBlock)) == sent.values
    assert [day.date for day in told] == [day.date for day in days]
    assert [day.date for day in one] == [days[1].date]
    assert isinstance(events[-1], UploadReceipt)
    assert events[-1].result_count == len(told)


def test_a_finished_upload_gives_its_receipt_again(server: local.Server) -> None:
    sent = real_parcel(2)
    with signed_in(server, "again@example.org") as client:
        first = list(client.uploading(sent))
        second = list(client.uploading(sent))
    assert isinstance(second[0], UploadOpened)
    assert second[0].finished
    assert second[-1] == first[-1]
    assert [event for event in second if isinstance(event, Day)] == [event for event in first if isinstance(event, Day)]


def test_an_upload_left_alone_is_resumed_by_the_next_client(server: local.Server) -> None:
    sent = real_parcel(3)
    with signed_in(server, "left@example.org") as client:
        with closing(client.uploading(sent)) as events:
            left = next(event for event in events if isinstance(event, UploadProgress) and event.committed_samples)
        again = list(client.uploading(sent))
    assert isinstance(again[0], UploadOpened)
    assert again[0].committed_samples >= left.committed_samples
    assert isinstance(again[-1], UploadReceipt)


def test_another_recording_under_the_same_id_is_noticed_before_anything_is_sent(server: local.Server) -> None:
    sent, chunks = real_parcel(2), list[int]()
    other = replace(sent, values=sent.values[::-1], sha256=hashlib.sha256(sent.values[::-1]).digest())
    with signed_in(server, "other@example.org") as client:
        client.upload(sent)
        with pytest.raises(ClarityError, match="choose another id") as raised:
            client.upload(other, before_chunk=chunks.append)
    assert (raised.value.reason, chunks) == ("PREFIX_DIFFERS", [])


def test_the_catalogue_pages_to_its_end(server: local.Server) -> None:
    with signed_in(server, "metrics@example.org") as client:
        names = [metric.metric for metric in client.metrics()]
    assert METRIC in names
    assert names == sorted(set(names))


def test_a_power_cut_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    sent = real_parcel()
    half = threading.Event()

    def held(first_sample: int) -> None:
        if first_sample >= sent.total // 2:
            half.wait()

    with served(tmp_path) as server, signed_in(server, "power@example.org") as client:
        unbroken = client.upload(real_parcel(device="another"))
        events = list[Event]()
        for event in client.uploading(sent, before_chunk=held):
            events.append(event)
            match event:
                case UploadProgress() if event.committed_samples and server.failed() is None and not half.is_set():
                    server.kill()
                case Interrupted() if server.failed() is not None:
                    server.start()
                    half.set()
    last = events[-1]
    resumed = [event.committed_samples for event in events if isinstance(event, UploadOpened)]
    assert isinstance(last, UploadReceipt)
    assert (last.sha256, last.result_count) == (unbroken.sha256, unbroken.result_count)
    assert 0 < resumed[-1] <= sent.total // 2 + 60


async def test_the_asynchronous_client_uploads_to_the_real_server(server: local.Server) -> None:
    with signed_in(server, "async@example.org") as client:
        assert client.tokens is not None
        async with AsyncClient(server.address, client.tokens) as uploader:
            receipt = await uploader.upload(real_parcel(2))
    assert receipt.total_samples == 2 * 1440

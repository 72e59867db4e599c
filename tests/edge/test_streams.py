"""Streams through Envoy: both ways at once over each protocol, as long as they last, and the limits around them."""

import asyncio
import http.client
import json
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from clarity import edge
from clarity.v1.auth_service_pb2 import GetAccountRequest, SignOutRequest
from clarity.v1.auth_service_pb2_grpc import AuthServiceStub
from clarity.v1.health_data_service_pb2 import (
    ListMetricsResponse,
    OpenUpload,
    ReadSeriesRequest,
    ReadSeriesResponse,
    StreamSeriesRequest,
    StreamSeriesResponse,
)
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.insight_service_pb2 import WatchAnalysesRequest, WatchAnalysesResponse
from clarity.v1.insight_service_pb2_grpc import InsightServiceStub
from clarity_server.services.watch import HEARTBEAT_S
from tests.edge.cases import PULSE
from tests.edge.people import COUNTS, HEART_RATE, WEEKS, People, Person, chunk_at, days, recording, series_of
from tests.edge.running import READY_WITHIN_S, StartEdge, until
from tests.edge.surfaces import as_json, reason_of, status_of
from tests.edge.upstream import SLOW, WATCHED, Upstream
from tests.edge.web import Talk, call, framed, send, web_call

MIB = 1024 * 1024
STREAM = "/v1/uploads:stream"
READ = "/v1/series:read"
WATCH = "/v1/analyses:watch"
STREAM_RPC = "/clarity.v1.HealthDataService/StreamSeries"
READ_RPC = "/clarity.v1.HealthDataService/ReadSeries"
WATCH_RPC = "/clarity.v1.InsightService/WatchAnalyses"
GET_ACCOUNT_RPC = "/clarity.v1.AuthService/GetAccount"


def opening(upload_id: str) -> StreamSeriesRequest:
    return StreamSeriesRequest(open=OpenUpload(upload_id=upload_id, series=series_of(HEART_RATE)))


# ---- both ways at once -----------------------------------------------------------------------------------------------


def test_json_streams_both_ways_at_once(envoy: edge.Edge, person: Person) -> None:
    """The answer to each message comes before the next one is sent, over one chunked HTTP/1.1 request."""
    messages = [json.dumps(as_json(message)) for message in recording("talk", series_of(HEART_RATE), PULSE, each=60)]
    with Talk(envoy.port, STREAM, person.access_token) as talk:
        talk.say("[" + messages[0])
        assert list(talk.hear()) == ["opened"]
        for number, chunk in enumerate(messages[1:-1], start=1):
            talk.say("," + chunk)
            while int(talk.hear()["progress"]["committed_samples"]) < 60 * number:
                pass
        talk.say("," + messages[-1] + "]")
        talk.end()
        *_, last = talk.rest()
    assert last["receipt"]["total_samples"] == str(len(PULSE))


def test_a_json_stream_may_be_longer_than_a_json_body(envoy: edge.Edge, person: Person) -> None:
    """A recording is not one body of 5 MiB."""
    values = [60.0] * 64 * 1024
    messages = list(recording("long", series_of(HEART_RATE), values * 40, each=len(values)))
    pieces = [json.dumps(as_json(message)) for message in messages]
    body = "[" + ",".join(pieces) + "]"
    assert len(body) > 8 * MIB
    told = json_stream(envoy.port, STREAM, body, person.access_token)
    assert told[-1]["receipt"]["total_samples"] == str(len(values) * 40)


def test_a_json_stream_that_pauses_ends_with_its_progress(envoy: edge.Edge, person: Person) -> None:
    told = call(envoy.port, "POST", STREAM, person.access_token, [as_json(opening("paused"))]).lines
    assert [list(line) for line in (told[0], told[-1])] == [["opened"], ["progress"]]


# ---- as long as they last --------------------------------------------------------------------------------------------


class Held:
    """Requests that stop after the opening until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def messages(self) -> Iterator[StreamSeriesRequest]:
        yield opening("held")
        assert self.go.wait(READY_WITHIN_S)
        yield StreamSeriesRequest(chunk=chunk_at(0, PULSE))

    def frames(self) -> Iterator[bytes]:
        return map(framed, self.messages())

    def json(self) -> Iterator[bytes]:
        before = "["
        for message in self.messages():
            yield (before + json.dumps(as_json(message))).encode()
            before = ","
        yield b"]"


def test_streams_outlast_the_limit_of_unary_calls(impatient: edge.Edge, upstream: Upstream, person: Person) -> None:
    """Unary calls are cut after 1 s here, three times over, while one stream of every kind stays open beside them."""
    held, token = Held(), person.access_token
    upstream.released.clear()
    upstream.seen.clear()
    with grpc.insecure_channel(f"127.0.0.1:{impatient.port}") as channel, ThreadPoolExecutor(9) as pool:
        stub, insight = HealthDataServiceStub(channel), InsightServiceStub(channel)
        native_up = pool.submit(lambda: list(stub.StreamSeries(held.messages(), metadata=person.metadata)))
        native_down = pool.submit(lambda: list(stub.ReadSeries(ReadSeriesRequest(), metadata=person.metadata)))
        web_up = pool.submit(web_call, impatient.port, STREAM_RPC, held.frames(), token)
        web_down = pool.submit(web_call, impatient.port, READ_RPC, framed(ReadSeriesRequest()), token)
        json_up = pool.submit(json_stream, impatient.port, STREAM, held.json(), token)
        json_down = pool.submit(json_stream, impatient.port, READ, [b"{}"], token)
        native_watch = pool.submit(
            lambda: list(insight.WatchAnalyses(WatchAnalysesRequest(), metadata=person.metadata))
        )
        web_watch = pool.submit(web_call, impatient.port, WATCH_RPC, framed(WatchAnalysesRequest()), token)
        json_watch = pool.submit(json_stream, impatient.port, WATCH, [b"{}"], token)
        watches = (native_watch, web_watch, json_watch)
        try:
            cut = [call(impatient.port, "GET", f"/v1/uploads/{SLOW}", token).status for _ in range(3)]
            done = [one.done() for one in (native_up, native_down, web_up, web_down, json_up, json_down, *watches)]
        finally:
            held.go.set()
            upstream.released.set()
    assert cut == [504, 504, 504]
    assert done == [False] * 9
    assert [name for name, _ in upstream.seen].count("StreamSeries") == 3
    assert [len(said) for said in (native_watch.result(), web_watch.result().messages, json_watch.result())] == [2] * 3
    assert native_up.result()[-1].receipt.total_samples == 1
    assert native_down.result()[-1].done.block_count == 1
    assert [StreamSeriesResponse.FromString(data).WhichOneof("message") for data in web_up.result().messages] == [
        "opened",
        "receipt",
    ]
    assert [ReadSeriesResponse.FromString(data).WhichOneof("message") for data in web_down.result().messages] == [
        "block",
        "done",
    ]
    assert [list(line) for line in json_up.result()] == [["opened"], ["receipt"]]
    assert [list(line) for line in json_down.result()] == [["block"], ["done"]]


def json_stream(port: int, path: str, body: Any, token: str) -> list[Any]:  # noqa: ANN401  any body http.client takes
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return send(port, "POST", path, body, headers).lines


STREAMS = 1100  # more than the 1,024 requests that a cluster of Envoy takes by default
CHANNELS = 5  # each takes 256
WAVE = 100


async def test_more_than_a_thousand_streams_pass_at_once(envoy: edge.Edge) -> None:
    """Red without circuit_breakers. They watch the server's health, which costs it next to nothing."""
    async with AsyncExitStack() as held:
        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection each
        address = f"127.0.0.1:{envoy.port}"
        channels = [await held.enter_async_context(aio.insecure_channel(address, options)) for _ in range(CHANNELS)]
        calls: list[Any] = []
        while len(calls) < STREAMS:  # in waves: they shall be open at once, not all begin in one moment
            wave = [watch(channels[number % CHANNELS]) for number in range(WAVE)]
            told = await asyncio.gather(*(one.read() for one in wave))
            assert {state.status for state in told} == {HealthCheckResponse.SERVING}
            calls += wave
        assert not any(one.done() for one in calls)
        for one in calls:
            one.cancel()


def watch(channel: aio.Channel) -> Any:  # noqa: ANN401  a call; grpc.aio types it by its two messages
    method = channel.unary_stream(
        "/grpc.health.v1.Health/Watch", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
    )
    return method(HealthCheckRequest(service=WATCHED))


# ---- watching --------------------------------------------------------------------------------------------------------


def test_a_watch_tells_of_weeks_as_they_are_analysed(envoy: edge.Edge, people: People) -> None:
    """As JSON, and resumed as gRPC-Web after the first one: those after it come again, and none before."""
    watcher = people.somebody("watcher")
    with Talk(envoy.port, WATCH, watcher.access_token) as talk:
        talk.say("{}")
        talk.end()
        assert talk.hear()["caught_up"]["waiting_count"] == 0
        people.stream(watcher, "weeks", series_of(COUNTS), days())
        told = [talk.hear()]
        while not is_settled(told):
            told.append(talk.hear())
    first = next(message for message in told if "analysis" in message)
    assert all(message["resume_token"] for message in told[told.index(first) :])  # before it, nothing to go on from
    rest = web_call(
        envoy.port,
        WATCH_RPC,
        framed(WatchAnalysesRequest(resume_token=first["resume_token"])),
        watcher.access_token,
        enough=lambda data: WatchAnalysesResponse.FromString(data).HasField("caught_up"),
    )
    heard = [WatchAnalysesResponse.FromString(data) for data in rest.messages]
    dates = sorted(one.analysis.window.start_date.day for one in heard[:-1])
    assert dates == sorted({4, 5} - {first["analysis"]["window"]["start_date"]["day"]})
    assert heard[-1].resume_token == told[-1]["resume_token"]


def is_settled(told: list[Any]) -> bool:
    """Whether all weeks are analysed and none waits, as far as was told."""
    done = {
        message["analysis"]["analysis_id"]
        for message in told
        if message.get("analysis", {}).get("state") == "ANALYSIS_STATE_SUCCEEDED"
    }
    return len(done) == WEEKS and told[-1].get("caught_up") == {"waiting_count": 0}


def test_a_recording_streamed_as_json_brings_its_weeks_with_it(envoy: edge.Edge, people: People) -> None:
    """Days and windows are numbered together; the receipt comes after all of them."""
    walker = people.somebody("walker")
    messages = [as_json(message) for message in recording("weeks", series_of(COUNTS), days())]
    told = call(envoy.port, "POST", STREAM, walker.access_token, messages).lines
    numbers = [int(line[kind]["result"]) for line in told for kind in ("day", "window") if kind in line]
    weeks = [line["window"]["analysis"] for line in told if "window" in line]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [week["window"]["start_date"]["day"] for week in weeks] == [4, 5]
    assert told[-1]["receipt"]["result_count"] == str(len(numbers))
    for week in weeks:
        path = f"/v1/analyses/{week['analysis_id']}"
        assert call(envoy.port, "GET", path, walker.access_token).json["analysis"]["measures"] == week["measures"]
    upload = call(envoy.port, "GET", "/v1/uploads/weeks", walker.access_token).json
    assert [window["analysis"] for window in upload["windows"]] == weeks


def test_a_watch_ends_with_its_session_and_says_so_in_band(envoy: edge.Edge, people: People) -> None:
    """And in every message, the last one too, stands what to resume with."""
    leaver = people.somebody("leaver")
    people.stream(leaver, "weeks", series_of(COUNTS), days())
    people.wait_for_weeks(leaver, WEEKS)
    session = people.signed_in(leaver.email)
    with Talk(envoy.port, WATCH, session.access_token) as talk:
        talk.say("{}")
        talk.end()
        told = [talk.hear() for _ in range(WEEKS + 1)]
        assert "caught_up" in told[-1]
        people.auth.SignOut(SignOutRequest(), metadata=session.metadata)
        last = talk.rest()[-1]
    assert last["problem"]["code"] == grpc.StatusCode.UNAUTHENTICATED.value[0]
    assert last["problem"]["details"][0]["reason"] == "SESSION_ENDED"
    assert last["resume_token"] == told[-1]["resume_token"]


def test_the_heartbeat_of_a_watch_is_quicker_than_envoys_patience() -> None:
    """Red if either number moved: Envoy would cut a watch of somebody to whom nothing happens."""
    patience = [int(found) for found in re.findall(r"idle_timeout: (\d+)s", edge.read_config())]
    assert patience
    assert min(patience) >= 2 * HEARTBEAT_S


# ---- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/auth:signUp", "/v1/uploads/big:append", "/v1/samples:write", READ])
@pytest.mark.parametrize("encoding", ["content-length", "chunked"])
def test_a_body_over_the_limit_is_refused(
    envoy: edge.Edge, person: Person, tmp_path: Path, path: str, encoding: str
) -> None:
    """Also where no token is needed. Envoy would hold all of it, at several times its length."""
    body = tmp_path / "body"
    body.write_text(json.dumps({"email": "x" * 6 * MIB}))
    # curl, because it hears the refusal while it still sends.
    command = ["curl", "-sS", "--noproxy", "*", "-w", "\n%{http_code}", "-H", "expect:"]
    command += ["-H", f"authorization: Bearer {person.access_token}"]
    command += ["-H", "transfer-encoding: chunked"] if encoding == "chunked" else []
    command += ["--data-binary", f"@{body}", f"http://127.0.0.1:{envoy.port}{path}"]
    text, _, status = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rpartition("\n")
    told = json.loads(text)
    assert (status, told["code"]) == ("413", grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    assert told["details"][0]["reason"] == "BODY_TOO_LARGE"


def test_the_largest_append_of_the_contract_passes_as_json(envoy: edge.Edge, person: Person) -> None:
    """3 MiB of values are 4 MiB in base64, and their chunks around them."""
    values = [60.0] * 64 * 1024
    items = [{"chunk": as_json(chunk_at(number * len(values), values))} for number in range(12)]
    message = {"series": as_json(series_of(HEART_RATE)), "items": items}
    taken = call(envoy.port, "POST", "/v1/uploads/largest:append", person.access_token, message)
    assert (taken.status, taken.json["progress"]["committed_samples"]) == (200, str(3 * MIB // 4))


def test_a_long_answer_arrives_whole(impatient: edge.Edge, upstream: Upstream, person: Person) -> None:
    """Red without max_response_body_size: over 1 MiB would be a 500."""
    upstream.answers["ListMetrics"] = ListMetricsResponse(next_page_token="x" * 3 * MIB)
    try:
        told = call(impatient.port, "GET", "/v1/metrics", person.access_token)
    finally:
        del upstream.answers["ListMetrics"]
    assert (told.status, len(told.json["next_page_token"])) == (200, 3 * MIB)


def test_a_json_stream_over_its_limit_is_cut_where_the_client_sees_it(
    start_edge: StartEdge, upstream: Upstream, person: Person
) -> None:
    """Its chunked answer breaks off, so nobody takes it for whole."""
    strict = start_edge(upstream.port, {"max_request_bytes: 67108864": "max_request_bytes: 65536"})
    strict.wait_ready(READY_WITHIN_S)
    with Talk(strict.port, STREAM, person.access_token) as talk:
        talk.say("[" + json.dumps(as_json(opening("cut"))))
        assert list(talk.hear()) == ["opened"]
        talk.say("," + json.dumps(as_json(StreamSeriesRequest(chunk=chunk_at(0, [60.0] * 32 * 1024)))))
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            talk.rest()


ONE_CALL = {
    "{max_tokens: 4000, tokens_per_fill: 2000, fill_interval: 1s}": (
        "{max_tokens: 1, tokens_per_fill: 1, fill_interval: 3600s}"
    )
}


@pytest.fixture(scope="module")
def crowded(upstream: Upstream, start_edge: StartEdge, person: Person) -> edge.Edge:
    """An edge that lets a single call an hour through, which has been made."""
    running = start_edge(upstream.port, ONE_CALL)
    running.wait_ready(READY_WITHIN_S)
    assert call(running.port, "GET", "/v1/account", person.access_token).status == 200
    return running


def test_too_many_calls_are_told_to_wait_in_json(crowded: edge.Edge, person: Person) -> None:
    refused = call(crowded.port, "GET", "/v1/account", person.access_token)
    assert (refused.status, refused.json["code"], refused.reason) == (429, 8, "BUSY")
    assert refused.headers["retry-after"] == "1"
    assert refused.json["details"][1]["retry_delay"] == "1s"


def test_too_many_calls_are_told_to_wait_in_grpc(crowded: edge.Edge, person: Person) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{crowded.port}") as channel, pytest.raises(grpc.RpcError) as refused:
        AuthServiceStub(channel).GetAccount(GetAccountRequest(), metadata=person.metadata)
    status = status_of(refused.value)
    assert (status.code, reason_of(status)) == (grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], "BUSY")


def test_too_many_calls_are_told_to_wait_in_grpc_web(crowded: edge.Edge, person: Person) -> None:
    refused = web_call(crowded.port, GET_ACCOUNT_RPC, framed(GetAccountRequest()), person.access_token)
    assert (refused.http_status, refused.code, reason_of(refused.status)) == (200, 8, "BUSY")


def test_a_flood_without_tokens_empties_nobodys_bucket(
    start_edge: StartEdge, upstream: Upstream, person: Person
) -> None:
    """Tokens are looked at before calls are counted."""
    running = start_edge(upstream.port, ONE_CALL)
    running.wait_ready(READY_WITHIN_S)
    assert {call(running.port, "GET", "/v1/account").status for _ in range(5)} == {401}
    assert call(running.port, "GET", "/v1/account", person.access_token).status == 200


# ---- when the server is gone -----------------------------------------------------------------------------------------


def test_a_server_that_is_gone_is_told_as_such_everywhere(
    start_edge: StartEdge, jwks: Mapping[str, object], person: Person
) -> None:
    with Upstream(jwks) as leaving:
        running = start_edge(leaving.port)
        running.wait_ready(READY_WITHIN_S)
    told = call(running.port, "GET", "/v1/account", person.access_token)
    assert (told.status, told.json["code"], told.json["details"][-1]["retry_delay"]) == (503, 14, "1s")
    assert "reset" not in told.json["message"]  # Envoy's own words are for its log
    web = web_call(running.port, GET_ACCOUNT_RPC, framed(GetAccountRequest()), person.access_token)
    assert (web.http_status, web.code) == (200, 14)
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel, pytest.raises(grpc.RpcError) as gone:
        AuthServiceStub(channel).GetAccount(GetAccountRequest(), metadata=person.metadata)
    status = status_of(gone.value)
    assert (status.code, status.message) == (14, told.json["message"])
    until(lambda: not running.is_ready())

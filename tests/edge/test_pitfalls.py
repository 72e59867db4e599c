"""The pitfalls of Envoy before gRPC that were measured, in their order: each has a test that would fall into it."""

import json
import re
import struct
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import google_crc32c
import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from clarity import edge, local
from clarity.v1.auth_service_pb2 import GetAccountRequest, SignInRequest
from clarity.v1.auth_service_pb2_grpc import AuthServiceStub
from clarity.v1.health_data_service_pb2 import GetUploadRequest, OpenUpload, StreamSeriesRequest
from clarity_server.server import limits
from tests.edge.account_cases import sign_up
from tests.edge.people import (
    COUNTS,
    HEART_RATE,
    PASSWORD,
    WEEKS,
    People,
    Person,
    chunk_at,
    days,
    finish_of,
    series_of,
)
from tests.edge.running import DESCRIPTORS, READY_WITHIN_S, StartEdge, until
from tests.edge.surfaces import as_json, described, path_of, reason_of, rpcs, rule_of, rule_verb, status_of
from tests.edge.upstream import SLOW, Upstream
from tests.edge.web import call, framed, send, web_call

RPCS = rpcs(DESCRIPTORS)
GET_UPLOAD = "/clarity.v1.HealthDataService/GetUpload"
PAGE = "http://localhost:5173"  # a page that envoy.yaml allows


@pytest.fixture
def token(person: Person) -> str:
    return person.access_token


# ---- 1: the path is overridden ---------------------------------------------------------------------------------------


def test_pitfall_01_an_upload_id_in_the_query_opens_no_other_account(
    people: People, envoy: edge.Edge, token: str
) -> None:
    """Red if access were decided on the path: Envoy lets the query override it."""
    victim = people.somebody("victim")
    people.append(victim, "secret", series_of(HEART_RATE), chunk_at(0, [61.0]))
    overridden = "/v1/uploads/own?upload_id=secret"
    assert call(envoy.port, "GET", overridden, victim.access_token).json["upload"]["upload_id"] == "secret"
    theirs = call(envoy.port, "GET", overridden, token)
    never_was = call(envoy.port, "GET", "/v1/uploads/own?upload_id=never-was", token)
    assert (theirs.status, theirs.body) == (404, never_was.body)


def test_pitfall_01_an_analysis_id_in_the_query_opens_no_other_account(
    people: People, envoy: edge.Edge, token: str
) -> None:
    """Red if access were decided on the path, in any RPC that has an id in it."""
    victim = people.somebody("victim")
    people.stream(victim, "weeks", series_of(COUNTS), days())
    analysis_id = people.wait_for_weeks(victim, WEEKS)[0].analysis_id
    told = call(envoy.port, "POST", "/v1/insights", victim.access_token, {"analysis_id": analysis_id}).json
    for path, query in (
        ("/v1/analyses/own", f"analysis_id={analysis_id}"),
        ("/v1/analyses/own/facts", f"analysis_id={analysis_id}"),
        ("/v1/insights/own", f"insight_id={told['insight']['insight_id']}"),
    ):
        assert call(envoy.port, "GET", f"{path}?{query}", victim.access_token).status == 200
        theirs = call(envoy.port, "GET", f"{path}?{query}", token)
        never_was = call(envoy.port, "GET", f"{path}?{query[:-4]}0000", token)
        assert (theirs.status, theirs.body) == (404, never_was.body)


def test_pitfall_01_a_body_may_not_say_another_upload_than_the_path(envoy: edge.Edge, token: str) -> None:
    """Red without reject_binding_body_field_collisions: the body would win."""
    message = {**as_json(finish_of([61.0])), "upload_id": "other"}
    refused = call(envoy.port, "POST", "/v1/uploads/own:finish", token, message)
    assert (refused.status, refused.reason) == (400, "REQUEST_INVALID")


# ---- 2, 3: time limits -----------------------------------------------------------------------------------------------


def test_pitfall_02_a_slow_json_call_is_cut_by_the_limit_of_its_own_route(
    impatient: edge.Edge, upstream: Upstream, token: str
) -> None:
    """Red without match_incoming_request_route: the call would get the native route's freedom."""
    upstream.gave_up.clear()
    cut = call(impatient.port, "GET", f"/v1/uploads/{SLOW}", token)
    assert (cut.status, cut.json["code"], cut.reason) == (504, 4, "DEADLINE_EXCEEDED")
    assert upstream.gave_up.wait(READY_WITHIN_S)


def test_pitfall_03_a_caller_may_not_ask_for_more_time(impatient: edge.Edge, upstream: Upstream, token: str) -> None:
    """Red with `timeout` in place of max_stream_duration: beside grpc_timeout_header_max it is ignored."""
    upstream.gave_up.clear()
    cut = call(impatient.port, "GET", f"/v1/uploads/{SLOW}", token, grpc_timeout="20S")
    assert (cut.status, cut.reason) == (504, "DEADLINE_EXCEEDED")
    assert upstream.gave_up.wait(READY_WITHIN_S)


def test_pitfall_03_a_caller_may_ask_for_less_time(impatient: edge.Edge, token: str) -> None:
    """Red if the server got grpc-timeout, too: its timer, set to the same moment, would win one time in ten."""

    def cut(_: int) -> tuple[int, str]:
        told = call(impatient.port, "GET", f"/v1/uploads/{SLOW}", token, grpc_timeout="200m")
        return told.status, told.reason

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(cut, range(64))) == {(504, "DEADLINE_EXCEEDED")}


# ---- 4, 5: errors ----------------------------------------------------------------------------------------------------


def test_pitfall_04_an_error_in_mid_stream_is_the_last_line_of_json(envoy: edge.Edge, token: str) -> None:
    """Red without the `problem` message: HTTP/1.1 sees a 200 and a clean end."""
    opening = StreamSeriesRequest(open=OpenUpload(upload_id="mid-stream", series=series_of(HEART_RATE)))
    gap = StreamSeriesRequest(chunk=chunk_at(7, [61.0]))
    told = call(envoy.port, "POST", "/v1/uploads:stream", token, [as_json(opening), as_json(gap)])
    assert (told.status, told.whole) == (200, True)
    first, *_, last = told.lines
    assert list(first) == ["opened"]
    assert last["problem"]["code"] == grpc.StatusCode.OUT_OF_RANGE.value[0]
    assert last["problem"]["details"][0]["reason"] == "SEQUENCE_GAP"


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "code"),
    [
        ("GET", "/v1/no/such/thing", None, 404, 5),
        ("DELETE", "/v1/account", None, 404, 5),
        ("POST", "/v1/auth:signIn", '{"email": ', 400, 3),
        ("POST", "/v1/auth:signIn", '{"email": 3}', 400, 3),
        ("GET", "/v1/metrics?page_sise=1", None, 400, 3),
    ],
)
def test_pitfall_05_envoys_own_errors_are_json_of_the_same_shape(
    envoy: edge.Edge, token: str, verb: str, path: str, body: str | None, status: int, code: int
) -> None:
    """Red without local_reply_config: text/plain."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    refused = send(envoy.port, verb, path, body, headers)
    assert (refused.status, refused.headers["content-type"]) == (status, "application/json")
    assert refused.json["code"] == code
    assert refused.json["message"]
    assert isinstance(refused.json["details"], list)


def test_pitfall_05_native_callers_get_a_message_and_not_json(through: grpc.Channel) -> None:
    """Red with one body format for all: grpc-message would be a JSON document."""
    with pytest.raises(grpc.RpcError) as refused:
        AuthServiceStub(through).GetAccount(GetAccountRequest())
    status = status_of(refused.value)
    assert (status.code, reason_of(status)) == (16, "TOKEN_MISSING")
    assert not status.message.startswith("{")


# ---- 6, 7, 8: what JSON cannot say -----------------------------------------------------------------------------------


def test_pitfall_06_a_misspelt_field_is_ignored_so_required_fields_are_checked(
    envoy: edge.Edge, person: Person
) -> None:
    """Red if the server took an absent field for an empty one."""
    extra = {"email": person.email, "password": PASSWORD, "pasword": "x"}
    assert call(envoy.port, "POST", "/v1/auth:signIn", message=extra).status == 200
    misspelt = call(envoy.port, "POST", "/v1/auth:signIn", message={"emial": person.email, "password": PASSWORD})
    assert (misspelt.status, misspelt.reason) == (400, "REQUEST_INVALID")
    assert [violation["field"] for violation in misspelt.json["details"][1]["field_violations"]] == ["email"]


def test_pitfall_07_making_something_answers_200(envoy: edge.Edge, people: People) -> None:
    """Red if some call answered 201, which gRPC cannot say and the contract does not promise."""
    made = call(envoy.port, "POST", "/v1/auth:signUp", message=as_json(sign_up(people.new_email("made"))))
    assert made.status == 200
    # `response_body`, the other way to bend an answer, is refused by Envoy at its start.
    assert [rpc for rpc in RPCS if rule_of(described(rpc)).response_body] == []


def test_pitfall_08_a_patch_carries_its_update_mask(envoy: edge.Edge, token: str) -> None:
    """Red for an RPC bound to PATCH without one: Envoy infers no mask, and absent fields would be emptied."""
    patches = [described(rpc) for rpc in RPCS if rule_of(described(rpc)).patch]
    assert [rpc.full_name for rpc in patches if "update_mask" not in rpc.input_type.fields_by_name] == []
    named = {"account": {"first_name": "Ada", "last_name": "Lovelace"}}
    refused = call(envoy.port, "PATCH", "/v1/account", token, named)
    assert (refused.status, refused.reason) == (400, "REQUEST_INVALID")
    for mask, first_name in (("lastName", ""), ("first_name,last_name", "Ada")):
        changed = call(envoy.port, "PATCH", "/v1/account", token, {**named, "update_mask": mask}).json["account"]
        assert (changed["first_name"], changed["last_name"]) == (first_name, "Lovelace")


# ---- 9: health -------------------------------------------------------------------------------------------------------


def test_pitfall_09_a_server_that_starts_late_is_found_soon(start_edge: StartEdge, jwks: Mapping[str, object]) -> None:
    """Red with the default no_traffic_interval: /healthz would stay 503 for a minute."""
    port = local.free_port()
    early = start_edge(port)
    assert not early.is_ready()
    with Upstream(jwks, port):
        early.wait_ready(READY_WITHIN_S)


def test_pitfall_09_a_server_that_is_not_well_gets_no_calls(
    start_edge: StartEdge, jwks: Mapping[str, object], token: str
) -> None:
    """Red with the default panic threshold: with no healthy server left, Envoy would use the sick one."""
    with Upstream(jwks) as sick:
        before = start_edge(sick.port)
        before.wait_ready(READY_WITHIN_S)
        assert call(before.port, "GET", "/v1/account", token).status == 200
        sick.serving(yes=False)
        until(lambda: not before.is_ready())
        sick.seen.clear()
        refused = call(before.port, "GET", "/v1/account", token)
        assert (refused.status, refused.json["code"], refused.reason) == (503, 14, "SERVER_UNREACHABLE")
        assert sick.seen == []


# ---- 10, 11: identity ------------------------------------------------------------------------------------------------

SPOOFED = {"x-clarity-sub": "somebody-else", "x-jwt-payload": "eyJzdWIiOiJzb21lYm9keS1lbHNlIn0"}


def test_pitfall_10_the_server_believes_the_token_and_no_header(direct: grpc.Channel, person: Person) -> None:
    """Red if identity came from a header that Envoy is trusted to set: past Envoy, anyone sets it."""
    stub = AuthServiceStub(direct)
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetAccount(GetAccountRequest(), metadata=tuple(SPOOFED.items()))
    assert reason_of(status_of(refused.value)) == "TOKEN_MISSING"
    mine = stub.GetAccount(GetAccountRequest(), metadata=(*person.metadata, *SPOOFED.items()))
    assert mine.account.account_id == person.account_id


@pytest.mark.parametrize("path", ["/v1/auth:signIn", "/v1/account"])
def test_pitfall_11_spoofed_identity_dies_at_the_edge_on_every_route(
    impatient: edge.Edge, upstream: Upstream, token: str, path: str
) -> None:
    """Red without early_header_mutation: on a public route nothing else would remove it."""
    upstream.seen.clear()
    public = path.startswith("/v1/auth")
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}", **SPOOFED}
    assert send(impatient.port, "POST" if public else "GET", path, "{}" if public else None, headers).status == 200
    [(_, metadata)] = upstream.seen
    assert set(metadata).isdisjoint(SPOOFED)
    assert metadata["authorization"] == f"Bearer {token}"  # and the token itself arrives


# ---- 12: numbers that are none ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["NaN", "Infinity", "-Infinity"])
def test_pitfall_12_a_scale_that_is_no_number_is_refused(envoy: edge.Edge, token: str, scale: str) -> None:
    """Red without a check in the server: JSON's strings for them parse."""
    series = {**as_json(series_of(HEART_RATE)), "encoding": "ENCODING_INT16", "scale": scale}
    refused = call(envoy.port, "POST", "/v1/uploads/scaled:append", token, {"series": series})
    assert (refused.status, refused.reason) == (400, "REQUEST_INVALID")


@pytest.mark.parametrize("bits", [0x7F800000, 0xFF800000, 0x7FC00001, 0xFFC00000])
def test_pitfall_12_infinities_and_strange_nans_are_refused_as_values(envoy: edge.Edge, token: str, bits: int) -> None:
    """Red if only JSON were looked at: values travel as bytes."""
    chunk = chunk_at(0, [61.0, 62.0])
    chunk.values = chunk.values[:4] + struct.pack("<I", bits)
    chunk.crc32c = google_crc32c.value(chunk.values)
    message = {"series": as_json(series_of(HEART_RATE)), "items": [{"chunk": as_json(chunk)}]}
    refused = call(envoy.port, "POST", f"/v1/uploads/bits-{bits:x}:append", token, message)
    assert (refused.status, refused.reason) == (400, "VALUE_NOT_FINITE")


# ---- 13: foreign pages -----------------------------------------------------------------------------------------------

PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}


def test_pitfall_13_our_page_may_call(envoy: edge.Edge) -> None:
    """Red with jwt_authn before cors: a browser sends no token with its preflight."""
    allowed = send(envoy.port, "OPTIONS", "/v1/days", headers={**PREFLIGHT, "origin": PAGE})
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    methods = set(allowed.headers["access-control-allow-methods"].split(", "))
    assert methods - {"OPTIONS"} >= {rule_verb(rule_of(described(rpc))) for rpc in RPCS}


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:5173.evil.example", "null"])
def test_pitfall_13_a_foreign_page_may_not(envoy: edge.Edge, origin: str) -> None:
    """Red with a pattern for origins that is a little too wide."""
    foreign = send(envoy.port, "OPTIONS", "/v1/days", headers={**PREFLIGHT, "origin": origin})
    assert foreign.status == 401
    assert not [name for name in foreign.headers if name.startswith("access-control-")]


def test_pitfall_13_our_page_can_read_why_a_call_failed(envoy: edge.Edge) -> None:
    """Red without expose_headers, or if Envoy's own refusals passed cors by."""
    refused = send(envoy.port, "GET", "/v1/days", headers={"origin": PAGE})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, PAGE)
    assert "grpc-status-details-bin" in refused.headers["access-control-expose-headers"]


# ---- 14: whose timer fires first -------------------------------------------------------------------------------------


def test_pitfall_14_the_servers_limit_is_shorter_than_envoys() -> None:
    """Red if either number moved past the other: the caller would hear Envoy's reason, or an UNAVAILABLE."""
    [bound] = re.findall(r"{max_stream_duration: (\d+)s,", edge.read_config())
    assert int(bound) > limits.UNARY_S


def test_pitfall_14_a_web_deadline_is_told_as_such(impatient: edge.Edge, token: str) -> None:
    """Red if Envoy had a timer of its own on the web route: of two timers the wrong one sometimes wins."""
    request = framed(GetUploadRequest(upload_id=SLOW))
    codes = {web_call(impatient.port, GET_UPLOAD, request, token, grpc_timeout="200m").code for _ in range(5)}
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED.value[0]}


# ---- 15, 16: the descriptor set --------------------------------------------------------------------------------------

DETAILS = (
    error_details_pb2.ErrorInfo(reason="BUSY", domain="clarity.v1"),
    error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1)),
    error_details_pb2.BadRequest(),
    error_details_pb2.PreconditionFailure(),
    error_details_pb2.QuotaFailure(),
    error_details_pb2.RequestInfo(request_id="r"),
    error_details_pb2.ResourceInfo(),
    error_details_pb2.Help(),
    error_details_pb2.LocalizedMessage(),
    error_details_pb2.DebugInfo(),
)


def packed(*details: Any) -> Status:  # noqa: ANN401  any of the classes above
    status = Status(code=8, message="why")
    for detail in details:
        boxed = any_pb2.Any()
        boxed.Pack(detail)
        status.details.append(boxed)
    return status


def test_pitfall_15_every_kind_of_error_detail_arrives_in_json(
    impatient: edge.Edge, upstream: Upstream, token: str
) -> None:
    """Red if the descriptor set missed google/rpc/error_details.proto: the whole body would be empty."""
    upstream.fails_with = packed(*DETAILS)
    try:
        failed = call(impatient.port, "GET", "/v1/account", token)
    finally:
        upstream.fails_with = None
    assert (failed.status, failed.headers["content-type"]) == (429, "application/json")
    names = [detail["@type"].rpartition("/")[2] for detail in failed.json["details"]]
    assert names == [detail.DESCRIPTOR.full_name for detail in DETAILS]


def test_pitfall_16_the_descriptor_set_has_the_name_buf_asks_for(server: local.Server, person: Person) -> None:
    """Red under another name: `buf curl --schema` takes a file without the suffix for a directory."""
    assert f"proto_descriptor: build/{DESCRIPTORS.name}" in edge.read_config()
    rpc = described("clarity.v1.AuthService/SignIn")
    asked = json.dumps(as_json(SignInRequest(email=person.email, password=PASSWORD)))
    buf = local.tool("buf")
    assert buf
    command = [buf, "curl", "--http2-prior-knowledge", "--protocol", "grpc", "--schema", str(DESCRIPTORS)]
    found = subprocess.run(
        [*command, "--data", asked, f"http://{server.address}{path_of(rpc)}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout)["session"]["accountId"] == person.account_id

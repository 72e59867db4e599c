"""How the contract looks in JSON: what a browser or curl may send, and what it gets."""

import base64
import json

import pytest

from clarity import edge
from clarity.v1.account_pb2 import Account
from clarity.v1.health_data_service_pb2 import OpenUpload, StreamSeriesRequest
from tests.edge.account_cases import sign_up
from tests.edge.people import HEART_RATE, PASSWORD, People, Person, chunk_at, finish_of, series_of
from tests.edge.surfaces import as_json
from tests.edge.web import call, send

VALUES = [61.0, 62.5, 250.125]


def test_names_are_those_of_the_contract(envoy: edge.Edge, person: Person) -> None:
    """Not accountId: one spelling everywhere."""
    account = call(envoy.port, "GET", "/v1/account", person.access_token).json["account"]
    assert set(account) == {field.name for field in Account.DESCRIPTOR.fields} - {"erase_time"}  # it waits for none
    assert account["last_name"] == ""  # empty, and there


def test_what_is_not_known_is_absent_and_what_is_zero_is_there(envoy: edge.Edge, person: Person) -> None:
    """An `optional` bound without a value is left out; one of 0 is printed, as every plain 0, "" and false is."""
    told = call(envoy.port, "GET", "/v1/metrics?page_size=1000", person.access_token).json["metrics"]
    metrics = {metric["metric"]: metric for metric in told}
    assert any("min" not in metric for metric in told)
    assert any(metric.get("min") == 0 for metric in told)
    assert metrics[HEART_RATE]["has_days"] is False
    assert all(metric["kind"].startswith("KIND_") for metric in told)


def test_an_int64_is_a_string_and_keeps_every_digit(envoy: edge.Edge, person: Person) -> None:
    """2^53 + 1 is the first number that JavaScript's own would round."""
    beyond = 2**53 + 1
    chunk = as_json(chunk_at(beyond, VALUES))
    assert chunk["first_sample"] == str(beyond)
    message = {"series": as_json(series_of(HEART_RATE)), "items": [{"chunk": chunk}]}
    gap = call(envoy.port, "POST", "/v1/uploads/int64:append", person.access_token, message)
    assert gap.reason == "SEQUENCE_GAP"
    assert gap.json["details"][0]["metadata"] == {"expected": "0", "received": str(beyond)}


def test_an_int64_may_be_sent_as_a_number_too(envoy: edge.Edge, person: Person) -> None:
    chunk = chunk_at(0, VALUES)
    item = {"chunk": {**as_json(chunk), "first_sample": 0, "crc32c": chunk.crc32c}}
    message = {"series": as_json(series_of(HEART_RATE)), "items": [item]}
    taken = call(envoy.port, "POST", "/v1/uploads/number:append", person.access_token, message)
    assert taken.json["progress"]["committed_samples"] == str(len(VALUES))


@pytest.mark.parametrize("alphabet", ["standard", "url-safe, without padding"])
def test_bytes_are_base64(envoy: edge.Edge, person: Person, alphabet: str) -> None:
    chunk = chunk_at(0, [*VALUES, -0.0])
    data = base64.b64encode(chunk.values)
    if alphabet != "standard":
        data = base64.urlsafe_b64encode(chunk.values).rstrip(b"=")
    item = {"chunk": {**as_json(chunk), "values": data.decode()}}
    name = f"bytes-{alphabet[:3]}"
    taken = call(
        envoy.port,
        "POST",
        f"/v1/uploads/{name}:append",
        person.access_token,
        {"series": as_json(series_of(HEART_RATE, name)), "items": [item]},
    )
    assert taken.json["progress"]["crc32c"] == str(chunk.crc32c)


def test_a_reading_gives_back_the_bytes(envoy: edge.Edge, people: People) -> None:
    """No-value too: it is bytes, and never the word NaN."""
    reader = people.somebody("bytes")
    chunk = chunk_at(0, [61.0, float("nan"), 62.0])
    people.append(reader, "bytes", series_of(HEART_RATE), chunk)
    day = {"year": 2024, "month": 3, "day": 4}
    asked = {"metric": HEART_RATE, "civil": {"start": day, "end": {**day, "day": 5}}}
    block, done = call(envoy.port, "POST", "/v1/series:read", reader.access_token, asked).lines
    assert base64.b64decode(block["block"]["values"]) == chunk.values
    assert block["block"]["period"] == "60s"
    assert done["done"]["sample_count"] == "3"


def test_an_enum_is_read_without_regard_to_case(envoy: edge.Edge, person: Person) -> None:
    for number, name in enumerate(["ENCODING_INT16", "encoding_int16", "Encoding_Int16"]):
        series = {**as_json(series_of(HEART_RATE)), "encoding": name, "scale": 0.5}
        path = f"/v1/uploads/enum-{number}:append"
        taken = call(envoy.port, "POST", path, person.access_token, {"series": series, "items": []})
        assert taken.status == 200
        upload = call(envoy.port, "GET", f"/v1/uploads/enum-{number}", person.access_token).json["upload"]
        assert upload["series"]["encoding"] == "ENCODING_INT16"


def test_an_enum_that_is_none_is_refused(envoy: edge.Edge, person: Person) -> None:
    series = {**as_json(series_of(HEART_RATE)), "encoding": "ENCODING_INT17"}
    refused = call(envoy.port, "POST", "/v1/uploads/enum:append", person.access_token, {"series": series})
    assert (refused.status, refused.reason) == (400, "REQUEST_INVALID")


def test_an_unknown_parameter_is_refused_and_named(envoy: edge.Edge, person: Person) -> None:
    """Never ignored: a misspelt page_size would silently be the default."""
    refused = call(envoy.port, "GET", "/v1/days?page_sise=3", person.access_token)
    assert (refused.status, refused.reason) == (400, "REQUEST_INVALID")
    assert "page_sise" in refused.json["message"]


@pytest.mark.parametrize("query", ["page_size=3&metric=heart_rate", "pageSize=3&metric=heart_rate"])
def test_a_parameter_may_be_spelt_as_the_contract_or_as_json_does(envoy: edge.Edge, person: Person, query: str) -> None:
    answered = call(envoy.port, "GET", f"/v1/days?{query}", person.access_token)
    assert answered.status in {200, 400}
    assert "page" not in answered.json.get("message", "")


@pytest.mark.parametrize("path", ["/clarity.v1.AuthService/GetAccount", "/v1/accountant", "/v1/account/", "/"])
def test_an_unknown_method_is_not_found(envoy: edge.Edge, person: Person, path: str) -> None:
    """The RPC's own path is for gRPC; as JSON it is no method either."""
    refused = call(envoy.port, "POST", path, person.access_token, {})
    assert (refused.status, refused.json["code"]) == (404, 5)


@pytest.mark.parametrize("upload_id", ["a%2Fb", "a%20b", "%2e%2e%2fx", "x" * 129, "%F0%9F%90%88"])
def test_an_id_is_what_the_contract_says_however_it_is_escaped(
    envoy: edge.Edge, person: Person, upload_id: str
) -> None:
    """Envoy decodes `%2F` into the field; the server judges the field."""
    refused = call(envoy.port, "GET", f"/v1/uploads/{upload_id}", person.access_token)
    assert (refused.status, refused.reason) == (400, "REQUEST_INVALID")


@pytest.mark.parametrize("path", ["/v1/uploads/a%00b", "/v1/uploads/../account", "/v1//account"])
def test_a_strange_path_leads_nowhere(envoy: edge.Edge, path: str) -> None:
    """Whatever such a path is made into, it is asked for a token, or it is refused."""
    assert send(envoy.port, "GET", path).status in {400, 401}


def test_a_path_with_dots_is_the_path_without_them(envoy: edge.Edge, person: Person) -> None:
    """To every filter alike: what jwt_authn judges is what the transcoder calls."""
    told = call(envoy.port, "GET", "/v1/uploads/../account", person.access_token)
    assert told.json["account"]["email"] == person.email


@pytest.mark.parametrize(
    ("verb", "path", "status", "reason"),
    [
        ("GET", "/v1/analyses/watch", 404, "ANALYSIS_NOT_FOUND"),  # an id like any other
        ("GET", "/v1/analyses/facts", 404, "ANALYSIS_NOT_FOUND"),
        ("GET", "/v1/analyses/facts/facts", 404, "ANALYSIS_NOT_FOUND"),
        ("GET", "/v1/analyses/own?analysis_id=", 400, "REQUEST_INVALID"),
        ("GET", "/v1/analyses:watch", 404, "METHOD_UNKNOWN"),  # a stream is asked for by POST
        ("POST", "/v1/analyses/watch", 404, "METHOD_UNKNOWN"),
        ("GET", "/v1/analyses/", 200, ""),  # the list: a slash at the end changes nothing
        ("GET", "/v1/analyses?superseded=true", 200, ""),
        ("GET", "/v1/analyses?superseded=perhaps", 400, "REQUEST_INVALID"),
        ("GET", "/v1/insights/unknown", 404, "INSIGHT_NOT_FOUND"),
        ("POST", "/v1/insights", 404, "ANALYSIS_NOT_FOUND"),  # none is done: nothing can be told
        ("POST", "/v1/analyses", 400, "REQUEST_INVALID"),
    ],
)
def test_paths_that_look_alike_lead_where_they_say(
    envoy: edge.Edge, person: Person, verb: str, path: str, status: int, reason: str
) -> None:
    told = call(envoy.port, verb, path, person.access_token, {} if verb == "POST" else None)
    assert (told.status, told.reason if told.json.get("details") else "") == (status, reason)


def test_an_instant_is_an_instant_whatever_its_offset(envoy: edge.Edge, person: Person) -> None:
    """The offset is not kept, which is why the contract carries it in fields of its own."""
    series = as_json(series_of(HEART_RATE))
    del series["civil"]
    series["instant"] = "2024-03-04T01:00:00+01:00"
    assert call(
        envoy.port, "POST", "/v1/uploads/instant:append", person.access_token, {"series": series, "items": []}
    ).json["opened"]
    told = call(envoy.port, "GET", "/v1/uploads/instant", person.access_token).json["upload"]["series"]
    assert told["instant"] == "2024-03-04T00:00:00Z"


def test_an_empty_body_is_an_empty_message(envoy: edge.Edge) -> None:
    refused = call(envoy.port, "POST", "/v1/auth:signIn")
    assert (refused.status, refused.reason) == (400, "REQUEST_INVALID")


def test_a_stream_is_one_message_a_line(envoy: edge.Edge, person: Person) -> None:
    """NDJSON, with the answer to `finish` last; its content type stays application/json."""
    messages = [
        StreamSeriesRequest(open=OpenUpload(upload_id="lines", series=series_of(HEART_RATE))),
        StreamSeriesRequest(chunk=chunk_at(0, VALUES)),
        StreamSeriesRequest(finish=finish_of(VALUES)),
    ]
    reply = call(envoy.port, "POST", "/v1/uploads:stream", person.access_token, [as_json(one) for one in messages])
    assert reply.headers["content-type"] == "application/json"
    lines = [json.loads(line) for line in reply.body.decode().splitlines()]
    assert list(lines[0]) == ["opened"]
    assert lines[-1]["receipt"]["sha256"] == base64.b64encode(messages[-1].finish.sha256).decode()


@pytest.mark.parametrize("body", ['{"open": {}}', '{"open": {}}\n{"chunk": {}}', ""])
def test_a_streams_body_is_an_array(envoy: edge.Edge, person: Person, body: str) -> None:
    """A single object, lines of objects and nothing at all are refused, rather than half understood."""
    headers = {"authorization": f"Bearer {person.access_token}", "content-type": "application/json"}
    assert send(envoy.port, "POST", "/v1/uploads:stream", body, headers).status == 400


def test_an_error_carries_what_http_has_for_it(envoy: edge.Edge, people: People) -> None:
    """401 with www-authenticate, the codes of the table, and the request id a person quotes."""
    email = people.new_email("http")
    body = {**as_json(sign_up(email)), "request_id": "http"}
    assert call(envoy.port, "POST", "/v1/auth:signUp", message=body).status == 200
    taken = call(envoy.port, "POST", "/v1/auth:signUp", message={**body, "display_name": "Eve"})
    wrong = call(envoy.port, "POST", "/v1/auth:signIn", message={"email": email, "password": PASSWORD + "x"})
    assert (taken.status, taken.reason) == (409, "REQUEST_ID_REUSED")
    assert (wrong.status, wrong.reason) == (401, "CREDENTIALS_WRONG")
    assert wrong.headers["www-authenticate"]
    assert taken.headers["x-request-id"] != wrong.headers["x-request-id"]

"""Samples in JSON: what a browser or curl may send of them, and what it gets. The traps are those of proto3's JSON."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import pytest

from clarity import edge
from tests.edge.people import HEART_RATE, People, Person
from tests.edge.sample_cases import STEPS, pulse, steps
from tests.edge.surfaces import as_json
from tests.edge.web import call

WRITE = "/v1/samples:write"


@pytest.fixture
def writer(people: People) -> Person:
    return people.somebody("writer")


def written(envoy: edge.Edge, person: Person, *samples: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What became of samples, in the order sent."""
    reply = call(envoy.port, "POST", WRITE, person.access_token, {"samples": samples})
    assert reply.status == 200, reply.body
    results: list[dict[str, Any]] = reply.json["results"]
    return results


def listed(envoy: edge.Edge, person: Person, metric: str) -> list[dict[str, Any]]:
    reply = call(envoy.port, "POST", "/v1/samples:list", person.access_token, {"metric": metric})
    samples: list[dict[str, Any]] = reply.json["samples"]
    return samples


def valued(client_record_id: str, quantity: Mapping[str, Any]) -> dict[str, Any]:
    return {**as_json(pulse(client_record_id, 60.0)), "quantity": quantity}


@pytest.mark.parametrize("version", ["9007199254740992", 9007199254740992, "7", 7, 7.0], ids=repr)
def test_a_version_may_be_a_string_or_a_number_and_is_told_as_a_string(
    envoy: edge.Edge, writer: Person, version: object
) -> None:
    sample = {**as_json(pulse("p", 60.0)), "client_record_version": version}
    assert written(envoy, writer, sample)[0]["verdict"] == "VERDICT_STORED"
    assert listed(envoy, writer, HEART_RATE)[0]["client_record_version"] == str(int(float(str(version))))


def test_a_version_beyond_javascripts_numbers_is_put_aside(envoy: edge.Edge, writer: Person) -> None:
    """2^53 + 1 and 2^53 are the same number there: one would silently be the other."""
    beyond = {**as_json(pulse("p", 60.0)), "client_record_version": str(2**53 + 1)}
    assert written(envoy, writer, beyond)[0]["reason"] == "QUARANTINE_REASON_IDENTITY_INVALID"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_put_aside_and_shown_as_it_was_sent(
    envoy: edge.Edge, writer: Person, value: str
) -> None:
    (result,) = written(envoy, writer, valued("p", {"value": value, "ucum_unit": "/min"}))
    assert (result["verdict"], result["reason"]) == ("VERDICT_QUARANTINED", "QUARANTINE_REASON_VALUE_INVALID")
    aside = call(envoy.port, "GET", "/v1/quarantine", writer.access_token).json
    assert aside["samples"][0]["sample"]["quantity"]["value"] == value
    assert aside["total_count"] == "1"


def test_a_zero_is_a_value_and_a_missing_one_is_none(envoy: edge.Edge, writer: Person) -> None:
    """Though proto3 leaves a plain 0 out, and null is as good as missing."""
    zero, null, missing = (as_json(steps(name, 0.0, minute)) for minute, name in enumerate(("zero", "null", "missing")))
    null["quantity"] = {"value": None, "ucum_unit": "{steps}"}
    missing["quantity"] = {"ucum_unit": "{steps}"}
    verdicts = [result["verdict"] for result in written(envoy, writer, zero, null, missing)]
    assert verdicts == ["VERDICT_STORED", "VERDICT_QUARANTINED", "VERDICT_QUARANTINED"]
    assert [sample["quantity"]["value"] for sample in listed(envoy, writer, STEPS)] == [0]


def test_a_number_may_be_sent_as_a_string(envoy: edge.Edge, writer: Person) -> None:
    assert written(envoy, writer, valued("p", {"value": "61.5", "ucum_unit": "/min"}))[0]["verdict"] == "VERDICT_STORED"
    assert listed(envoy, writer, HEART_RATE)[0]["quantity"]["value"] == 61.5


def test_an_unknown_field_of_a_body_costs_nothing_and_stands_for_nothing(envoy: edge.Edge, writer: Person) -> None:
    """Envoy knows no way to refuse it; what is misspelt is missing then, which is told."""
    misspelt = valued("p", {"valeu": 61.5, "ucum_unit": "/min"})
    spare = {**as_json(pulse("q", 61.5)), "mood": "good"}
    results = written(envoy, writer, misspelt, spare)
    assert [result["verdict"] for result in results] == ["VERDICT_QUARANTINED", "VERDICT_STORED"]
    assert results[0]["reason_text"].startswith("quantity.value: is required")


def test_an_unknown_parameter_of_a_query_is_refused(envoy: edge.Edge, writer: Person) -> None:
    for path in ("summary", "sources", "changes", "quarantine"):
        refused = call(envoy.port, "GET", f"/v1/{path}?metric={STEPS}", writer.access_token)
        assert (refused.status, refused.reason) == (400, "REQUEST_INVALID")


def test_a_list_of_metrics_is_the_parameter_again_and_again(envoy: edge.Edge, writer: Person) -> None:
    written(envoy, writer, as_json(pulse("p", 60.0)), as_json(steps("s", 1.0, 0)))
    for query, told in ((f"metrics={STEPS}", [STEPS]), (f"metrics={STEPS}&metrics={HEART_RATE}", [HEART_RATE, STEPS])):
        summary = call(envoy.port, "GET", f"/v1/summary?{query}", writer.access_token).json
        assert [metric["metric"] for metric in summary["metrics"]] == told
        assert summary["total_count"] == str(len(told))


def test_an_instants_offset_is_not_kept_and_a_civil_times_is(envoy: edge.Edge, writer: Person) -> None:
    """`2024-03-31T01:30:00+01:00` is an instant; who knows the person's clock says so with `civil`."""
    instant = {**as_json(pulse("instant", 60.0)), "start": {"instant": "2024-03-31T01:30:00+01:00"}}
    civil = as_json(pulse("civil", 60.0))
    written(envoy, writer, instant, civil)
    starts = {sample["client_record_id"]: sample["start"] for sample in listed(envoy, writer, HEART_RATE)}
    assert starts["instant"] == {"instant": "2024-03-31T00:30:00Z"}
    assert starts["civil"]["civil"]["utc_offset"] == "3600s"
    assert starts["civil"]["civil"]["hours"] == 1


def test_digests_of_a_conflict_are_base64(envoy: edge.Edge, writer: Person) -> None:
    results = written(envoy, writer, as_json(pulse("p", 60.0)), as_json(pulse("p", 61.0)))
    assert results[1]["verdict"] == "VERDICT_CONFLICT"
    digests = [base64.b64decode(results[1][name], validate=True) for name in ("stored_digest", "sent_digest")]
    assert [len(digest) for digest in digests] == [hashlib.sha256().digest_size] * 2
    assert digests[0] != digests[1]


@pytest.mark.parametrize("function", ["AGGREGATE_FUNCTION_MEAN", "aggregate_function_mean", 3])
def test_a_figure_that_is_not_known_is_absent_and_one_of_zero_is_there(
    envoy: edge.Edge, writer: Person, function: object
) -> None:
    """Of a bucket without values there is a state, and no mean of 0."""
    written(envoy, writer, as_json(pulse("p", 60.0)))
    day = {"year": 2024, "month": 3, "day": 31}
    asked = {
        "metric": HEART_RATE,
        "civil": {"start": {**day, "day": 30}, "end": {"year": 2024, "month": 4, "day": 1}},
        "calendar": {"unit": "unit_day"},
        "functions": [function],
    }
    told = call(envoy.port, "POST", "/v1/samples:aggregate", writer.access_token, asked).json
    before, on_it = told["buckets"]
    assert (before["state"], on_it["state"]) == ("BUCKET_STATE_UNSET", "BUCKET_STATE_VALUE")
    assert "mean" not in before
    assert on_it["mean"] == 60
    assert on_it["length"] == "86400s"


@pytest.mark.parametrize(
    ("verb", "path", "body", "reason"),
    [
        ("POST", WRITE, None, "REQUEST_INVALID"),  # an empty body is an empty message
        ("POST", WRITE, {"samples": [{"quantity": {"value": "many"}}]}, "REQUEST_INVALID"),
        ("POST", WRITE, {"samples": [{"client_record_version": 1.5}]}, "REQUEST_INVALID"),
        ("POST", "/v1/samples:delete", {}, "REQUEST_INVALID"),
        ("POST", "/v1/samples:list", {"metric": "steps_of_a_cat"}, "METRIC_UNKNOWN"),
        ("POST", "/v1/sources:update", {"source": {"device": "ring"}, "kind": "DEVICE_KIND_SPOON"}, "REQUEST_INVALID"),
        ("GET", "/v1/changes?change_token=nonsense", None, "RESUME_TOKEN_INVALID"),
        ("POST", "/v1/retention:set", {"keep_days": 1}, "REQUEST_INVALID"),
        ("GET", "/v1/samples:write", None, "METHOD_UNKNOWN"),
        ("POST", "/v1/summary", {}, "METHOD_UNKNOWN"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_reason(
    envoy: edge.Edge, writer: Person, verb: str, path: str, body: object, reason: str
) -> None:
    assert call(envoy.port, verb, path, writer.access_token, body).reason == reason


def test_as_many_samples_as_one_call_takes_pass_as_json_both_ways(envoy: edge.Edge, writer: Person) -> None:
    whole = [as_json(pulse(f"{number:0128}", 60.0)) for number in range(1000)]
    results = written(envoy, writer, *whole)
    assert [result["verdict"] for result in results] == ["VERDICT_STORED"] * 1000
    asked = {"metric": HEART_RATE, "page_size": 1000}
    listed_back = call(envoy.port, "POST", "/v1/samples:list", writer.access_token, asked).json
    assert len(listed_back["samples"]) == 1000
    told = call(envoy.port, "GET", "/v1/changes?page_size=1000", writer.access_token).json
    assert [change["number"] for change in told["changes"]] == [str(number) for number in range(1, 1001)]
    assert told["has_more"] is False

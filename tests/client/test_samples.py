"""Samples at the client: batches as large as a call takes, over a restart of the server, and a mirror that resumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarity import local
from clarity.calls import ClarityError, Patience
from clarity.client import Client
from clarity.credentials import MemoryTokens
from clarity.mailbox import joined
from clarity.moments import observation, within
from clarity.samples import BATCH_BYTES, BATCH_SAMPLES, Unit, batches, over
from clarity.v1.health_data_service_pb2 import DeleteSamplesRequest
from clarity.v1.sample_pb2 import DeviceKind, Quantity, QuarantineReason, Sample, Verdict
from clarity.v1.series_pb2 import Source

PASSWORD = "Correct-horse-7"
PATIENT = Patience(base_s=0.1, cap_s=0.5, first_tries=20)
SCALE, WATCH, PHONE = (Source(device=name, app="test") for name in ("scale", "watch", "phone"))
STORED, DUPLICATE = Verdict.VERDICT_STORED, Verdict.VERDICT_DUPLICATE
FIRST = datetime(2026, 1, 23)

numbers = count()


@pytest.fixture
def client(server: local.Server, folder: Path) -> Iterator[Client]:
    """Somebody with an account of their own."""
    with Client(server.address, MemoryTokens(), PATIENT) as client:
        joined(client, local.outbox_of(folder), f"s{next(numbers)}@example.org", PASSWORD)
        yield client


def mass(name: str, value: float = 71.2, at: str = "2026-01-23T07:00+01:00", version: int = 0) -> Sample:
    return Sample(
        metric="body_mass",
        source=SCALE,
        client_record_id=name,
        client_record_version=version,
        start=observation(at),
        quantity=Quantity(value=value, ucum_unit="kg"),
    )


def steps(source: Source, value: float, hour: int, minutes: int = 60) -> Sample:
    start = FIRST + timedelta(hours=hour)
    return Sample(
        metric="step_count",
        source=source,
        client_record_id=f"{hour}",
        start=observation(f"{start.isoformat()}+01:00"),
        end=observation(f"{(start + timedelta(minutes=minutes)).isoformat()}+01:00"),
        quantity=Quantity(value=value, ucum_unit="{steps}"),
    )


def verdicts(client: Client, *samples: Sample) -> list[Verdict]:
    return [result.verdict for _, result in client.write_samples(samples)]


def reason_of(call: object) -> str:
    assert isinstance(call, pytest.ExceptionInfo)
    assert isinstance(call.value, ClarityError)
    return call.value.reason


# ---- batches ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([1, 100, BATCH_BYTES // 3, BATCH_BYTES // 2, BATCH_BYTES + 1]), max_size=12))
def test_no_batch_is_larger_than_a_call_takes_and_none_is_lost(sizes: Sequence[int]) -> None:
    samples = [Sample(client_record_id="x" * size) for size in sizes]
    found = list(batches(samples))
    assert [sample for batch in found for sample in batch] == samples
    for batch in found:
        assert len(batch) == 1 or sum(sample.ByteSize() for sample in batch) <= BATCH_BYTES


def test_a_batch_has_as_many_samples_as_a_call_takes() -> None:
    assert [len(batch) for batch in batches(Sample() for _ in range(2 * BATCH_SAMPLES + 1))] == [1000, 1000, 1]


def test_a_batch_is_read_from_its_source_only_when_it_is_sent() -> None:
    endless = (Sample() for _ in count())
    assert len(next(batches(endless))) == BATCH_SAMPLES


# ---- in and out ------------------------------------------------------------------------------------------------------


def test_samples_come_back_as_they_were_written(client: Client) -> None:
    written = [mass("b", 71.4, "2026-01-24T07:00+01:00"), mass("a")]
    results = client.write_samples(written)
    assert [result.verdict for _, result in results] == [STORED, STORED]
    for sample, result in results:
        sample.sample_id = result.sample_id
    assert list(client.samples("body_mass")) == [written[1], written[0]]
    assert list(client.samples("body_mass", datetime(2026, 1, 24), datetime(2026, 1, 25))) == [written[0]]
    noon = datetime(2026, 1, 23, 12, tzinfo=UTC)
    assert list(client.samples("body_mass", noon - timedelta(days=1), noon)) == [written[1]]
    assert list(client.samples("body_mass", source=WATCH)) == []


def test_one_bad_sample_costs_no_other_and_is_cleared_once_it_is_mended(client: Client) -> None:
    assert verdicts(client, mass("a"), mass("b", 712), mass("c")) == [STORED, Verdict.VERDICT_QUARANTINED, STORED]
    (put_aside,) = client.quarantine()
    assert put_aside.sample == mass("b", 712)
    assert put_aside.reason == QuarantineReason.QUARANTINE_REASON_OUT_OF_BOUNDS
    assert verdicts(client, mass("b", 71.2)) == [STORED]
    assert list(client.quarantine()) == []


def test_writing_again_is_told_the_truth_and_not_the_first_answer(client: Client) -> None:
    """What was deleted meanwhile is not said to be stored."""
    assert verdicts(client, mass("a")) == [STORED]
    assert verdicts(client, mass("a")) == [DUPLICATE]
    client.delete_samples(DeleteSamplesRequest(metrics=["body_mass"]))
    assert verdicts(client, mass("a")) == [Verdict.VERDICT_SUPERSEDED]
    assert verdicts(client, mass("a", version=1)) == [Verdict.VERDICT_REPLACED]


def test_another_content_of_a_version_is_a_conflict_with_both_digests(client: Client) -> None:
    client.write_samples([mass("a")])
    ((_, result),) = client.write_samples([mass("a", 80)])
    assert result.verdict == Verdict.VERDICT_CONFLICT
    assert len(result.stored_digest) == len(result.sent_digest) == 32
    assert result.stored_digest != result.sent_digest


def test_writing_goes_on_over_a_restart_of_the_server(server: local.Server, client: Client) -> None:
    samples = [mass(f"m{at}", 70 + at % 10, f"2026-01-{1 + at % 28:02}T07:{at % 60:02}Z") for at in range(2500)]
    writing = client.writing(samples)
    first = next(writing)
    server.kill()
    server.start()
    rest = list(writing)
    told = [written for batch in [first, *rest] for written in batch]
    assert [sample for sample, _ in told] == samples
    assert {result.verdict for _, result in told} == {STORED}
    assert len(list(client.samples("body_mass"))) == 2500


# ---- summed up -------------------------------------------------------------------------------------------------------


def test_two_sources_of_one_hour_are_never_summed_and_the_account_says_who_is_believed(client: Client) -> None:
    client.write_samples([steps(WATCH, 1000, 8), steps(PHONE, 900, 8), steps(PHONE, 300, 9)])
    client.update_source(WATCH, DeviceKind.DEVICE_KIND_WATCH)
    client.update_source(PHONE, DeviceKind.DEVICE_KIND_PHONE)
    request = over("step_count", FIRST, FIRST + timedelta(days=2), Unit.DAY)
    request.show_sources = True
    found = client.aggregate(request)
    assert [bucket.sum for bucket in found.buckets[:1]] == [1300]
    assert not found.buckets[1].HasField("sum")
    assert found.sources == [WATCH, PHONE]
    assert [(share.source, share.alone.sum) for share in found.buckets[0].shares] == [(WATCH, 1000), (PHONE, 1200)]
    assert client.update_source(PHONE, DeviceKind.DEVICE_KIND_PHONE, priority=1).priority == 1
    assert client.aggregate(request).buckets[0].sum == 1200
    assert [state.source for state in client.sources()] == [PHONE, WATCH]


def test_an_answer_of_many_pages_is_whole(client: Client) -> None:
    client.write_samples([steps(WATCH, 60, 1)])
    start = FIRST.replace(tzinfo=UTC)
    found = client.aggregate(over("step_count", start, start + timedelta(hours=48), timedelta(minutes=1)))
    assert len(found.buckets) == 2880
    assert sum(bucket.sum for bucket in found.buckets) == pytest.approx(60)
    assert found.ucum_unit == "{steps}"


def test_what_there_is_is_summed_up_by_metric(client: Client) -> None:
    client.write_samples([mass("a"), steps(WATCH, 1, 1)])
    assert {one.metric: one.sample_count for one in client.summary().metrics} == {"body_mass": 1, "step_count": 1}
    assert [one.metric for one in client.summary(["body_mass"]).metrics] == ["body_mass"]


# ---- changes ---------------------------------------------------------------------------------------------------------


def test_a_mirror_resumes_from_the_token_of_a_page(client: Client) -> None:
    client.write_samples([mass("a"), mass("b")])
    *_, last = client.changes()
    assert [change.number for page in client.changes() for change in page.changes] == [1, 2]
    client.delete_samples(DeleteSamplesRequest(sample_ids=[next(client.samples("body_mass")).sample_id]))
    (page,) = client.changes(last.next_change_token)
    assert [change.WhichOneof("change") for change in page.changes] == ["sample_deleted"]
    (nothing,) = client.changes(page.next_change_token)
    assert not nothing.changes
    assert nothing.next_change_token


def test_many_changes_come_in_pages_without_a_gap(client: Client) -> None:
    samples = [mass(f"m{at}", at=f"2026-01-{1 + at % 28:02}T07:00Z") for at in range(2100)]
    client.write_samples(samples)
    pages = list(client.changes())
    assert len(pages) > 2
    assert [change.number for page in pages for change in page.changes] == list(range(1, 2101))
    assert [page.has_more for page in pages] == [*[True] * (len(pages) - 1), False]


def test_following_waits_for_what_comes(client: Client) -> None:
    client.write_samples([mass("a")])
    following = client.changes(every_s=0.01)
    assert [change.number for change in next(following).changes] == [1]
    client.write_samples([mass("b")])
    assert [change.number for page in islice(following, 1) for change in page.changes] == [2]


# ---- deleting --------------------------------------------------------------------------------------------------------


def test_what_was_counted_is_what_goes_or_nothing_does(client: Client) -> None:
    client.write_samples([mass("a"), mass("b")])
    wanted = DeleteSamplesRequest(metrics=["body_mass"], validate_only=True)
    within(wanted, datetime(2026, 1, 23), datetime(2026, 1, 24))
    counted = client.delete_samples(wanted).total_count
    assert counted == 2
    client.write_samples([mass("c")])
    wanted.validate_only, wanted.expected_count = False, counted
    with pytest.raises(ClarityError) as changed:
        client.delete_samples(wanted)
    assert reason_of(changed) == "COUNT_CHANGED"
    assert len(list(client.samples("body_mass"))) == 3
    wanted.expected_count = 3
    assert client.delete_samples(wanted).sample_count == 3
    assert list(client.samples("body_mass")) == []


def test_data_is_kept_for_ever_unless_somebody_says_for_how_long(client: Client) -> None:
    client.write_samples([mass("old", at="2020-01-23T07:00Z")])
    assert client.retention() == 0
    assert client.set_retention(365, validate_only=True).older_count == 1
    assert client.retention() == 0
    assert client.set_retention(365).keep_days == 365
    assert client.retention() == 365
    assert client.set_retention(0).keep_days == 0

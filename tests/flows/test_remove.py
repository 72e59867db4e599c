"""Deleting: counted first, then gone for good, with all that was derived of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clarity_server.adapters.local.requests import SqliteRequests
from clarity_server.adapters.local.samples import SqliteSamples
from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.errors import (
    CountChanged,
    MetricUnknown,
    RequestIdReused,
    SampleNotFound,
    StoreUnavailable,
    TimeKindWrong,
)
from clarity_server.domain.ids import new_id
from clarity_server.domain.samples import Moment, Verdict, Wanted
from clarity_server.domain.series import Source
from clarity_server.flows.read import Tally
from clarity_server.flows.remove import Remove, Removed
from clarity_server.ports import SampleCounts
from tests.flows.samples_world import HOUR_MS, NOON_MS, SCALE, SamplesWorld, at, samples_world, sent
from tests.flows.upload_world import ACCOUNT, COUNTS, WRIST, Recording, float32

WATCH = Source("watch", "app")
HEART = Wanted(metrics=frozenset({"heart_rate"}))
ALL_OF_SCALE = Wanted(source=SCALE)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SamplesWorld]:
    with samples_world(tmp_path) as opened:
        yield opened


def minutes(upload_id: str, count: int, *, revision: int = 0, source: Source = WRIST) -> Recording:
    start = Start(StartKind.OFFSET, NOON_MS + 7_200_000, utc_offset_s=7200)
    described = replace(COUNTS, start=start, revision=revision, source=source)
    return Recording(upload_id, described, float32(np.arange(count, dtype=np.float32)))


def delete(world: SamplesWorld, wanted: Wanted, expected: int | None = None, request_id: str = "") -> Removed:
    return world.remove.remove(ACCOUNT, wanted, expected, request_id, repr(wanted).encode())


def ids_of(world: SamplesWorld, *records: str) -> frozenset[str]:
    return frozenset(sample_id for sample_id, one in world.listed() if one.client_record_id in records)


def records(world: SamplesWorld) -> set[str]:
    return {one.client_record_id for _, one in world.listed()}


def minutes_read(world: SamplesWorld) -> int:
    tally = Tally()
    for _ in world.read.blocks(ACCOUNT, COUNTS.metric, None, TimeKind.INSTANT, 0, NOON_MS + DAY_MS * 30, tally):
        pass
    return tally.samples


# ---- counting --------------------------------------------------------------------------------------------------------


def test_a_count_is_what_is_deleted_then_and_deletes_nothing(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b"), sent("bad", -1.0), sent("r", "rem"))
    world.upload(minutes("u", 100))
    everything = Wanted(range=TimeRange(TimeKind.INSTANT, NOON_MS, NOON_MS + 50 * MINUTE_MS))
    counted = world.remove.count(ACCOUNT, everything)
    assert counted == Removed(samples=3, series_samples=50, quarantined=1, days=1)
    assert counted.total == 54
    assert (len(world.listed()), minutes_read(world)) == (2, 100)
    assert delete(world, everything, expected=54) == counted
    assert (world.listed(), minutes_read(world)) == ([], 50)
    assert world.remove.count(ACCOUNT, everything).total == 0


def test_another_count_than_expected_deletes_nothing(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b"))
    world.upload(minutes("u", 10))
    with pytest.raises(CountChanged) as raised:
        delete(world, Wanted(source=SCALE), expected=3)
    assert raised.value.facts == {"expected": "3", "found": "2"}
    with pytest.raises(CountChanged):
        delete(world, Wanted(source=WRIST), expected=0, request_id="r")
    assert (len(world.listed()), minutes_read(world)) == (2, 10)
    assert delete(world, Wanted(source=WRIST), expected=10, request_id="r").total == 10


# ---- what is meant ---------------------------------------------------------------------------------------------------


def test_ids_delete_samples_and_quarantined_ones_and_no_series(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b"), sent("bad", -1.0))
    world.upload(minutes("u", 10))
    (aside,), _, _ = world.collect.quarantined(ACCOUNT, 0, "")
    wanted = Wanted(sample_ids=ids_of(world, "a") | {aside.quarantine_id})
    assert delete(world, wanted) == Removed(samples=1, quarantined=1)
    assert (records(world), minutes_read(world)) == ({"b"}, 10)
    assert world.collect.quarantined(ACCOUNT, 0, "")[2] == 0


def test_an_id_that_never_was_deletes_nothing(world: SamplesWorld) -> None:
    world.write(sent("a"))
    for verb in (world.remove.count, lambda _, wanted: delete(world, wanted)):
        with pytest.raises(SampleNotFound):
            verb(ACCOUNT, Wanted(sample_ids=ids_of(world, "a") | {"z" * 26}))
    with pytest.raises(SampleNotFound):
        world.remove.count(new_id(), Wanted(sample_ids=ids_of(world, "a")))
    assert records(world) == {"a"}


def test_an_id_that_is_deleted_already_counts_nothing(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b"))
    both = Wanted(sample_ids=ids_of(world, "a", "b"))
    assert delete(world, Wanted(sample_ids=ids_of(world, "a"))).samples == 1
    assert delete(world, both).samples == 1
    assert delete(world, both).samples == 0


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (Wanted(metrics=frozenset({"sleep_stage"})), {"a", "b", "w"}),
        (Wanted(source=WATCH), {"a", "b", "r"}),
        (Wanted(metrics=frozenset({"heart_rate"}), source=SCALE), {"w", "r"}),
        (Wanted(range=TimeRange(TimeKind.INSTANT, NOON_MS, NOON_MS + HOUR_MS)), {"b"}),
        (Wanted(range=TimeRange(TimeKind.CIVIL, NOON_MS + 2 * HOUR_MS, NOON_MS + 3 * HOUR_MS)), {"b"}),
        (Wanted(source=SCALE, range=TimeRange(TimeKind.INSTANT, NOON_MS + 1, NOON_MS + 2 * HOUR_MS)), {"a", "w", "r"}),
    ],
    ids=["a metric", "a source", "both", "instants", "civil times", "a source's range"],
)
def test_what_is_named_is_deleted_and_nothing_else(world: SamplesWorld, wanted: Wanted, left: set[str]) -> None:
    world.write(sent("a"), sent("b", start=at(NOON_MS + HOUR_MS)), sent("w", source=WATCH), sent("r", "rem"))
    counted = world.remove.count(ACCOUNT, wanted).total
    assert delete(world, wanted).total == counted == 4 - len(left)
    assert {one.client_record_id for metric in ("heart_rate", "sleep_stage") for _, one in world.listed(metric)} == left


def test_a_metric_that_is_not_in_the_catalogue_is_refused(world: SamplesWorld) -> None:
    for verb in (world.remove.count, lambda _, wanted: delete(world, wanted)):
        with pytest.raises(MetricUnknown):
            verb(ACCOUNT, Wanted(metrics=frozenset({"heart_rate", "heart_rat"})))


def test_a_kind_of_time_that_nothing_has_is_refused(world: SamplesWorld) -> None:
    span = TimeRange(TimeKind.INSTANT, 0, 10)
    wanted = Wanted(metrics=frozenset({"heart_rate"}), range=span)
    assert delete(world, wanted).total == 0
    world.write(sent("bad", -1.0))
    assert delete(world, wanted).total == 0
    world.write(sent("a", start=Moment(None, NOON_MS)))
    with pytest.raises(TimeKindWrong):
        delete(world, wanted)
    assert delete(world, replace(wanted, range=replace(span, kind=TimeKind.CIVIL))).total == 0
    world.upload(minutes("u", 10))
    with pytest.raises(TimeKindWrong):
        delete(world, wanted)
    assert delete(world, Wanted(range=span)).total == 0


# ---- gone for good ---------------------------------------------------------------------------------------------------


def test_what_was_deleted_comes_back_only_as_something_newer(world: SamplesWorld) -> None:
    world.write(sent("a", version=2))
    delete(world, HEART)
    assert world.verdicts(sent("a", version=2), sent("a", version=1), sent("a", version=3)) == [
        Verdict.SUPERSEDED,
        Verdict.SUPERSEDED,
        Verdict.REPLACED,
    ]


def test_an_upload_of_a_deleted_range_is_read_only_with_a_higher_revision(world: SamplesWorld) -> None:
    world.upload(minutes("first", 10))
    assert delete(world, Wanted(metrics=frozenset({COUNTS.metric}))) == Removed(series_samples=10, days=1)
    world.upload(minutes("again", 10))
    assert minutes_read(world) == 0
    world.upload(minutes("newer", 5, revision=1))
    assert minutes_read(world) == 5


def test_days_are_derived_again(world: SamplesWorld) -> None:
    world.upload(minutes("u", 3000))
    world.derive()
    before = len(world.days())
    world.woken.clear()
    delete(world, Wanted(source=WRIST))
    assert world.woken
    world.derive()
    assert before > 0
    assert world.days() == []


def test_deleting_nothing_takes_no_number_and_wakes_nobody(world: SamplesWorld) -> None:
    world.upload(minutes("u", 10))
    newest = world.store.changes.newest(ACCOUNT)
    world.woken.clear()
    assert delete(world, Wanted(source=WATCH)) == Removed()
    assert (world.store.changes.newest(ACCOUNT), world.woken) == (newest, [])


def test_more_than_a_transaction_takes_is_deleted_too(world: SamplesWorld) -> None:
    for low in (0, 1000, 2000):
        world.write(*(sent(str(place)) for place in range(low, low + 700)))
    assert delete(world, HEART, expected=2100) == Removed(samples=2100)
    assert world.listed() == []


# ---- again -----------------------------------------------------------------------------------------------------------


def test_a_repeat_under_a_request_id_gets_the_first_answer_and_deletes_nothing_new(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b"))
    first = delete(world, HEART, expected=2, request_id="r")
    world.write(sent("c"))
    assert delete(world, HEART, expected=2, request_id="r") == first == Removed(samples=2)
    assert records(world) == {"c"}
    with pytest.raises(RequestIdReused):
        delete(world, ALL_OF_SCALE, request_id="r")
    world.store.clock.wait(24 * 3600)
    assert delete(world, HEART, request_id="r") == Removed(samples=1)


class Breaking(SqliteSamples):
    """Samples whose deletes fail from one on."""

    deletes_left = 0

    def delete(self, account_id: str, wanted: Wanted, limit: int) -> SampleCounts:
        if not self.deletes_left:
            raise StoreUnavailable("it broke")
        self.deletes_left -= 1
        return super().delete(account_id, wanted, limit)


def broken(world: SamplesWorld, deletes_left: int) -> Remove:
    samples = Breaking(world.store.database, world.store.keys)
    samples.deletes_left = deletes_left
    return replace(world.remove, samples=samples)


@pytest.mark.parametrize("deletes", [0, 1, 2])
def test_what_was_cut_short_is_finished_by_the_same_request(world: SamplesWorld, deletes: int) -> None:
    for low in (0, 1000):
        world.write(*(sent(str(place)) for place in range(low, low + 800)), sent(f"bad {low}", -1.0))
    world.upload(minutes("u", 10))
    wanted = Wanted(range=TimeRange(TimeKind.INSTANT, NOON_MS, NOON_MS + HOUR_MS))
    counted = world.remove.count(ACCOUNT, wanted)
    assert counted == Removed(samples=1600, series_samples=10, quarantined=2, days=1)
    with pytest.raises(StoreUnavailable):
        broken(world, deletes).remove(ACCOUNT, wanted, counted.total, "r", b"")
    left = len(world.listed())
    assert left == max(0, 1600 - 1000 * deletes)
    assert minutes_read(world) == 0
    assert world.remove.remove(ACCOUNT, wanted, counted.total, "r", b"") == counted
    assert world.listed() == []
    world.write(sent("new"))
    assert world.remove.remove(ACCOUNT, wanted, counted.total, "r", b"") == counted
    assert records(world) == {"new"}


def test_ids_that_were_deleted_by_a_request_cut_short_are_not_unknown_to_its_repeat(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("bad", -1.0))
    (aside,), _, _ = world.collect.quarantined(ACCOUNT, 0, "")
    wanted = Wanted(sample_ids=ids_of(world, "a") | {aside.quarantine_id})
    begun = replace(world.remove, requests=Forgetful(world.store.database))
    with pytest.raises(StoreUnavailable):
        begun.remove(ACCOUNT, wanted, 2, "r", b"")
    assert world.listed() == []
    assert world.remove.remove(ACCOUNT, wanted, 2, "r", b"") == Removed(samples=1, quarantined=1)


class Forgetful(SqliteRequests):
    """Requests that lose what is done."""

    def first(self, scope: str, request_id: str, body_digest: bytes, answer: str, *, now: float, keep_s: float) -> str:
        if "done" in scope:
            raise StoreUnavailable("it broke")
        return super().first(scope, request_id, body_digest, answer, now=now, keep_s=keep_s)


# ---- whose metrics ---------------------------------------------------------------------------------------------------


def test_the_metrics_of_ids_are_those_of_samples_and_of_what_was_put_aside(world: SamplesWorld) -> None:
    world.write(
        sent("a"), sent("r", "rem"), sent("bad", -1.0, metric="body_mass", unit="kg"), sent("x", metric="unheard_of")
    )
    aside = {one.quarantine_id for one in world.collect.quarantined(ACCOUNT, 0, "")[0]}
    assert len(aside) == 2
    assert world.remove.metrics_of(ACCOUNT, ids_of(world, "a") | aside | {"z" * 26}) == {"heart_rate", "body_mass"}
    assert world.remove.metrics_of(ACCOUNT, ids_of(world, "a")) == {"heart_rate"}
    assert world.remove.metrics_of(new_id(), ids_of(world, "a") | aside) == frozenset()

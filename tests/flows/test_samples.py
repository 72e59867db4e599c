"""Writing and listing discrete samples: verdicts one by one, what is put aside, and what comes back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.domain.civil import DAY_MS, TimeKind, TimeRange
from clarity_server.domain.errors import (
    InvalidInput,
    MetricUnknown,
    PageTokenInvalid,
    RequestIdReused,
    StoreDamaged,
    TimeKindWrong,
)
from clarity_server.domain.ids import new_id
from clarity_server.domain.samples import Coded, Moment, Reason, Verdict
from clarity_server.domain.sent import Sent
from clarity_server.domain.series import Source
from clarity_server.flows.samples import QUARANTINE_BYTES_MAX, open_sample, seal_sample
from tests.contracts.worlds import NOW
from tests.flows.samples_world import HOUR_MS, NOON_MS, SCALE, SamplesWorld, at, samples_world, sent, whole
from tests.flows.upload_world import ACCOUNT

STORED, REPLACED, DUPLICATE = Verdict.STORED, Verdict.REPLACED, Verdict.DUPLICATE
SUPERSEDED, CONFLICT, QUARANTINED = Verdict.SUPERSEDED, Verdict.CONFLICT, Verdict.QUARANTINED


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SamplesWorld]:
    with samples_world(tmp_path) as opened:
        yield opened


# ---- writing ---------------------------------------------------------------------------------------------------------


def test_each_sample_has_its_own_verdict_in_the_order_sent(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b", version=3), sent("c"))
    assert world.verdicts(
        sent("new"),
        sent("a", 61.0, version=1),
        sent("b", version=2),
        sent("c"),
        sent("a", 62.0, version=1),
        sent("d", -1.0),
    ) == [STORED, REPLACED, SUPERSEDED, DUPLICATE, CONFLICT, QUARANTINED]


def test_one_bad_sample_costs_no_other_its_place(world: SamplesWorld) -> None:
    bad = [
        sent("", 60.0),
        sent("x", None),
        sent("y", metric="heart_rat"),
        sent("z", unit="mg"),
        sent("far", start=at(int(NOW * 1000) + 2 * DAY_MS)),
    ]
    outcomes = world.write(bad[0], sent("good"), *bad[1:], sent("better"))
    reasons = [outcome.fault and outcome.fault.reason for outcome in outcomes]
    assert reasons == [
        Reason.IDENTITY_INVALID,
        None,
        Reason.VALUE_INVALID,
        Reason.METRIC_UNKNOWN,
        Reason.UNIT_WRONG,
        Reason.IN_FUTURE,
        None,
    ]
    assert {sample.client_record_id for _, sample in world.listed()} == {"good", "better"}


def test_a_conflict_tells_both_digests_and_keeps_what_is_stored(world: SamplesWorld) -> None:
    world.write(sent("a", 60.0))
    (conflict,) = world.write(sent("a", 61.0))
    (other_way,) = world.write(sent("b", 61.0), account_id=ACCOUNT)
    assert conflict.verdict is CONFLICT
    assert len(conflict.stored_digest) == len(conflict.sent_digest) == 32
    assert conflict.stored_digest != conflict.sent_digest
    assert other_way.verdict is STORED
    assert [sample.value for _, sample in world.listed() if sample.client_record_id == "a"] == [60.0]
    (again,) = world.write(sent("a", 62.0))
    assert again.stored_digest == conflict.stored_digest
    assert again.sent_digest != conflict.sent_digest


def test_equal_contents_in_other_units_are_duplicates(world: SamplesWorld) -> None:
    kilos = sent("a", 70.0, metric="body_mass", unit="kg")
    grams = sent("a", 70_000.0, metric="body_mass", unit="g")
    assert world.verdicts(kilos, grams) == [STORED, DUPLICATE]


def test_digests_of_two_accounts_tell_nothing_of_each_other(world: SamplesWorld) -> None:
    other = new_id()
    for account_id in (ACCOUNT, other):
        world.write(sent("a"), account_id=account_id)
    (mine,), (theirs,) = (world.write(sent("a", 61.0), account_id=account_id) for account_id in (ACCOUNT, other))
    assert mine.stored_digest != theirs.stored_digest
    assert mine.sample_id != theirs.sample_id


def test_a_repeat_under_a_request_id_gets_the_first_answer_and_stores_nothing(world: SamplesWorld) -> None:
    several = (sent("a"), sent("b", -1.0))
    first = world.write(*several, request_id="r")
    newest = world.store.changes.newest(ACCOUNT)
    assert world.write(*several, request_id="r") == first
    assert world.store.changes.newest(ACCOUNT) == newest
    with pytest.raises(RequestIdReused):
        world.write(sent("c"), request_id="r")
    assert world.write(sent("a"), request_id="r", account_id=new_id())[0].verdict is STORED
    world.store.clock.wait(24 * 3600)
    assert [one.verdict for one in world.write(*several, request_id="r")] == [DUPLICATE, QUARANTINED]


# ---- what is put aside -----------------------------------------------------------------------------------------------


def test_what_was_put_aside_is_shown_with_reason_and_message_the_newest_first(world: SamplesWorld) -> None:
    world.write(sent("a", 1000.0, raw=b"first"), sent("b", None, raw=b"second"))
    world.store.clock.wait(60)
    world.write(sent("c", 1000.0, raw=b"third"))
    found, token, count = world.collect.quarantined(ACCOUNT, 0, "")
    assert [(one.raw, one.fault.reason) for one in found] == [
        (b"third", Reason.OUT_OF_BOUNDS),
        (b"second", Reason.VALUE_INVALID),
        (b"first", Reason.OUT_OF_BOUNDS),
    ]
    assert found[0].fault.text.startswith("quantity.value")
    assert found[0].time == found[1].time + 60
    assert (token, count) == ("", 3)


def test_the_quarantine_is_paged_and_its_token_is_bound_to_the_account(world: SamplesWorld) -> None:
    world.write(*(sent(str(number), -1.0) for number in range(5)))
    seen, token = list[str](), ""
    while True:
        page, token, count = world.collect.quarantined(ACCOUNT, 2, token)
        seen += [one.quarantine_id for one in page]
        assert count == 5
        if not token:
            break
        with pytest.raises(PageTokenInvalid):
            world.collect.quarantined("other", 2, token)
    assert len(seen) == len(set(seen)) == 5


def test_sending_it_mended_clears_it(world: SamplesWorld) -> None:
    (bad,) = world.write(sent("a", 1000.0))
    (mended,) = world.write(sent("a", 100.0))
    assert (bad.verdict, mended.verdict) == (QUARANTINED, STORED)
    assert bad.sample_id == mended.sample_id
    assert world.collect.quarantined(ACCOUNT, 0, "") == ([], "", 0)


def test_without_an_identity_there_is_no_sample_id_and_the_same_message_is_kept_once(world: SamplesWorld) -> None:
    nameless = sent("", raw=b"nobody")
    outcomes = [*world.write(nameless), *world.write(nameless), *world.write(replace(nameless, raw=b"somebody else"))]
    assert [outcome.sample_id for outcome in outcomes] == ["", "", ""]
    found, _, count = world.collect.quarantined(ACCOUNT, 0, "")
    assert [one.raw for one in found] == [b"somebody else", b"nobody"]
    assert count == 2


def test_names_that_are_too_long_are_put_aside_whole(world: SamplesWorld) -> None:
    long = sent("a", metric="m" * 5000, source=Source("d" * 5000, "a" * 5000), raw=b"all of it")
    assert world.verdicts(long) == [QUARANTINED]
    (found,), _, _ = world.collect.quarantined(ACCOUNT, 0, "")
    assert (found.raw, found.fault.reason) == (b"all of it", Reason.IDENTITY_INVALID)


# ---- listing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "value"),
    [
        (sent("a", 60.5), 60.5),
        (sent("a", 0.0, metric="step_count", unit="{steps}", end=at(NOON_MS + 1)), 0.0),
        (sent("a", "rem"), Coded("rem", "as the vendor says")),
        (sent("a", (120.0, 80.0)), (("blood_pressure_diastolic", 80.0), ("blood_pressure_systolic", 120.0))),
    ],
    ids=["a quantity", "zero", "a code", "parts"],
)
def test_a_value_comes_back_as_it_was_written(world: SamplesWorld, one: Sent, value: object) -> None:
    (outcome,) = world.write(one)
    assert outcome.fault is None
    ((sample_id, sample),) = world.listed(one.metric)
    assert sample_id == outcome.sample_id
    assert (sample.value, sample.start, sample.end) == (value, one.start, one.end)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (at(NOON_MS), None),
        (at(NOON_MS), at(NOON_MS + HOUR_MS)),
        (at(NOON_MS, 7200), at(NOON_MS + HOUR_MS, 3600)),
        (Moment(NOON_MS, None), Moment(NOON_MS + 1, None)),
        (Moment(None, NOON_MS), Moment(None, NOON_MS + DAY_MS)),
        (Moment(None, -5_000_000_000_000), None),
    ],
    ids=["a moment", "an hour", "over a clock change", "instants", "floating", "of 1811"],
)
def test_a_time_comes_back_as_it_was_written(world: SamplesWorld, start: Moment, end: Moment | None) -> None:
    assert world.verdicts(sent("a", start=start, end=end)) == [STORED]
    ((_, sample),) = world.listed()
    assert (sample.start, sample.end) == (start, end)


@settings(max_examples=15)
@given(starts=st.lists(st.integers(0, 5), max_size=12), page_size=st.integers(1, 7))
def test_pages_of_any_size_list_every_sample_once_by_start_and_id(
    shared: SamplesWorld, starts: list[int], page_size: int
) -> None:
    account_id = new_id()
    moments = [at(NOON_MS + hour * HOUR_MS) if hour % 3 else Moment(None, hour * HOUR_MS) for hour in starts]
    if moments:
        world_writes = [sent(str(place), start=moment) for place, moment in enumerate(moments)]
        shared.write(*world_writes, account_id=account_id)
    found = shared.listed(account_id=account_id, page_size=page_size)
    assert found == sorted(found, key=lambda one: (one[1].start.floating, one[1].start.axis_ms, one[0]))
    assert sorted(sample.client_record_id for _, sample in found) == sorted(map(str, range(len(starts))))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SamplesWorld]:
    """One store for many examples, each in an account of its own."""
    with samples_world(tmp_path_factory.mktemp("shared")) as opened:
        yield opened


@pytest.mark.parametrize("kind", TimeKind)
def test_a_range_lists_what_overlaps_it_by_its_own_kind_of_time(world: SamplesWorld, kind: TimeKind) -> None:
    base = NOON_MS + (7200_000 if kind is TimeKind.CIVIL else 0)
    for record, low, high in (("before", -3, -1), ("into", -2, 1), ("within", 1, 2), ("after", 3, 4)):
        world.write(sent(record, start=at(NOON_MS + low * HOUR_MS), end=at(NOON_MS + high * HOUR_MS)))
    span = TimeRange(kind, base, base + 3 * HOUR_MS)
    page, _ = world.collect.list(ACCOUNT, "heart_rate", None, span, 0, "")
    assert [whole(sample).client_record_id for _, sample in page] == ["into", "within"]
    first, token = world.collect.list(ACCOUNT, "heart_rate", None, span, 1, "")
    second, end = world.collect.list(ACCOUNT, "heart_rate", None, span, 1, token)
    assert ([*first, *second], end) == (page, "")


def test_a_token_is_bound_to_the_whole_query(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b"))
    span = TimeRange(TimeKind.INSTANT, 0, NOON_MS * 2)
    _, token = world.collect.list(ACCOUNT, "heart_rate", SCALE, span, 1, "")
    for metric, source, asked in (
        ("resting_heart_rate", SCALE, span),
        ("heart_rate", None, span),
        ("heart_rate", SCALE, None),
        ("heart_rate", SCALE, replace(span, kind=TimeKind.CIVIL)),
    ):
        with pytest.raises(PageTokenInvalid):
            world.collect.list(ACCOUNT, metric, source, asked, 1, token)


def test_the_part_of_a_correlation_lists_the_correlations_too(world: SamplesWorld) -> None:
    world.write(sent("both", (120.0, 80.0)), sent("one", 118.0, metric="blood_pressure_systolic", unit="mm[Hg]"))
    assert {one.client_record_id for _, one in world.listed("blood_pressure_systolic")} == {"both", "one"}
    assert {one.client_record_id for _, one in world.listed("blood_pressure_diastolic")} == {"both"}
    assert {one.client_record_id for _, one in world.listed("blood_pressure")} == {"both"}


def test_samples_of_one_source_are_listed_alone(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b", source=Source("watch")))
    page, _ = world.collect.list(ACCOUNT, "heart_rate", SCALE, None, 0, "")
    assert [whole(sample).source for _, sample in page] == [SCALE]


def test_a_metric_that_cannot_be_listed_is_refused(world: SamplesWorld) -> None:
    with pytest.raises(MetricUnknown):
        world.listed("heart_rat")
    with pytest.raises(InvalidInput):
        world.listed("activity_counts_1min")


def test_a_kind_of_time_that_no_sample_has_is_refused(world: SamplesWorld) -> None:
    spans = {kind: TimeRange(kind, 0, 1) for kind in TimeKind}
    assert world.collect.list(ACCOUNT, "heart_rate", None, spans[TimeKind.INSTANT], 0, "") == ([], "")
    world.write(sent("a", start=Moment(None, NOON_MS)))
    with pytest.raises(TimeKindWrong):
        world.collect.list(ACCOUNT, "heart_rate", None, spans[TimeKind.INSTANT], 0, "")
    assert world.collect.list(ACCOUNT, "heart_rate", None, spans[TimeKind.CIVIL], 0, "") == ([], "")
    assert world.collect.list(ACCOUNT, "heart_rate", Source("watch"), spans[TimeKind.INSTANT], 0, "") == ([], "")


def test_the_samples_of_another_account_are_not_there(world: SamplesWorld) -> None:
    world.write(sent("a"))
    assert world.listed(account_id=new_id()) == []


# ---- at rest ---------------------------------------------------------------------------------------------------------


def test_the_store_holds_no_content_in_the_clear(world: SamplesWorld, tmp_path: Path) -> None:
    world.write(sent("a record of mine", "rem"), sent("an odd one", -1.0, raw=b"the message as it was sent"))
    held = b"".join(path.read_bytes() for path in tmp_path.glob("clarity.db*"))
    assert b"scale" in held
    for secret in (b"a record of mine", b"as the vendor says", b"the message as it was sent", b"plausible"):
        assert secret not in held


def test_a_stored_sample_opens_under_its_own_name_and_time_only(world: SamplesWorld) -> None:
    key = world.store.keys.data_key(ACCOUNT)
    world.write(sent("a"))
    ((_, sample),) = world.listed()
    stored = seal_sample(key, ACCOUNT, sample)
    assert open_sample(key, stored) == sample
    for damaged in (
        replace(stored, version=1),
        replace(stored, sample_id="b" * 26),
        replace(stored, start=at(NOON_MS + 1)),
        replace(stored, duration_ms=1),
        replace(stored, body=stored.body[:-1] + bytes([stored.body[-1] ^ 1])),
    ):
        with pytest.raises(StoreDamaged):
            open_sample(key, damaged)


def test_a_page_of_what_was_put_aside_is_bounded_in_bytes(world: SamplesWorld) -> None:
    for record in "abc":
        world.write(sent(record, value=1e9, raw=bytes(QUARANTINE_BYTES_MAX // 2 - 1000)))
    first, token, count = world.collect.quarantined(ACCOUNT, 0, "")
    rest, end, _ = world.collect.quarantined(ACCOUNT, 0, token)
    assert (len(first), len(rest), count, end) == (2, 1, 3, "")

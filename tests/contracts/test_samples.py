"""What every store of samples must do."""

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from clarity_server.domain.civil import DAY_MS, MINUTE_MS, TimeKind, TimeRange
from clarity_server.domain.errors import QuarantineFull, RequestIdReused, SampleNotFound
from clarity_server.domain.samples import QUARANTINE_MAX, Fault, Moment, Outcome, Reason, Verdict, Wanted
from clarity_server.domain.series import Source
from clarity_server.ports import ChangeRow, Kept, SampleCounts, SourceMetricRow, Speaker, StoredSample, Written
from tests.contracts.discrete import (
    METRIC,
    NOW,
    SCALE,
    aside,
    deleted,
    fault,
    floating,
    instant,
    known,
    numbered,
    sample,
    wrote,
)
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER, append, committed
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

WATCH = Source("watch", "app")
STEPS = "steps"
MANY = 1000
HOUR = 60
WHY = Fault(Reason.OUT_OF_BOUNDS, "why")
KEPT = Kept(f"write:{ACCOUNT}", "request", b"body" * 8, NOW, 60.0)


@pytest.fixture(autouse=True)
def account(world: World) -> None:
    """What seals the answers that are kept."""
    for account_id in (ACCOUNT, STRANGER):
        world.keys.create_data_key(account_id)


def verdicts(outcomes: Sequence[Outcome]) -> list[Verdict]:
    return [one.verdict for one in outcomes]


def write(world: World, *writes: StoredSample | Written, kept: Kept | None = None) -> list[Verdict]:
    return verdicts(wrote(world.samples, *writes, kept=kept))


def found(world: World, *samples: StoredSample) -> list[StoredSample]:
    """Those of these samples that the store has, in this order."""
    ids = [one.sample_id for one in samples]
    return sorted(world.samples.get(samples[0].account_id, ids), key=lambda one: ids.index(one.sample_id))


def changes(world: World, account_id: str = ACCOUNT) -> list[tuple[int, int]]:
    """The account's changes of samples, as (number, span)."""
    return [(row.number, row.span) for row in world.changes.rows(account_id, 0, MANY)]


def faults(world: World, account_id: str = ACCOUNT) -> list[str]:
    return [one.quarantine_id for one in world.samples.faults(account_id, None, MANY)]


# ---- verdicts --------------------------------------------------------------------------------------------------------


def test_a_new_sample_is_stored_as_it_is_and_takes_a_change_number(world: World) -> None:
    one = sample("a", known(5000), minutes=7)
    assert wrote(world.samples, one) == [Outcome(one.sample_id, Verdict.STORED)]
    assert found(world, one) == [numbered(one, 1)]
    assert world.changes.rows(ACCOUNT, 0, MANY) == [ChangeRow(1, 1, "samples", "", "", 0, 0)]


@pytest.mark.parametrize("start", [known(-5), known(5, -3600), instant(0), floating(-3), floating(1 << 43)])
def test_each_kind_of_moment_comes_back_as_it_went(world: World, start: Moment) -> None:
    one = sample("a", start)
    write(world, one)
    assert found(world, one) == [numbered(one, 1)]


def test_samples_of_one_write_take_consecutive_numbers_in_their_order(world: World) -> None:
    three = [sample(record) for record in "cab"]
    assert write(world, *three) == [Verdict.STORED] * 3
    assert found(world, *three) == [numbered(one, number) for number, one in enumerate(three, 1)]
    assert changes(world) == [(1, 3)]
    write(world, sample("d"), sample("e"))
    assert changes(world) == [(1, 3), (4, 2)]


def test_a_duplicate_changes_nothing_and_takes_no_number(world: World) -> None:
    one = sample("a")
    write(world, one)
    assert write(world, replace(one, body=b"sealed anew")) == [Verdict.DUPLICATE]
    assert found(world, one) == [numbered(one, 1)]
    assert changes(world) == [(1, 1)]


def test_a_higher_version_takes_the_place_of_a_lower_one(world: World) -> None:
    old, new = sample("a", known(0)), sample("a", floating(DAY_MS), version=2, content="new", minutes=3)
    write(world, old)
    assert write(world, new) == [Verdict.REPLACED]
    assert found(world, old) == [numbered(new, 2)]
    assert world.changes.newest(ACCOUNT) == 2


def test_a_lower_version_is_superseded_whatever_it_holds(world: World) -> None:
    new = sample("a", version=2)
    write(world, new)
    assert write(world, sample("a", version=1), sample("a", version=1, content="other")) == [Verdict.SUPERSEDED] * 2
    assert found(world, new) == [numbered(new, 1)]


def test_the_same_version_with_another_content_is_a_conflict_and_what_is_stored_stays(world: World) -> None:
    one, other = sample("a"), sample("a", content="other")
    write(world, one)
    assert wrote(world.samples, other) == [Outcome(one.sample_id, Verdict.CONFLICT, one.digest, other.digest)]
    assert found(world, one) == [numbered(one, 1)]
    assert changes(world) == [(1, 1)]


def test_in_one_write_the_later_sample_of_an_id_sees_the_earlier_one(world: World) -> None:
    one = sample("a")
    told = [one, one, sample("a", version=2), sample("a", version=1), sample("a", version=2, content="other")]
    expected = [Verdict.STORED, Verdict.DUPLICATE, Verdict.REPLACED, Verdict.SUPERSEDED, Verdict.CONFLICT]
    assert write(world, *told) == expected
    assert found(world, one) == [numbered(told[2], 2)]
    assert changes(world) == [(1, 2)], "the number that was given and taken over at once is a number all the same"


def test_samples_that_differ_in_metric_source_or_account_are_strangers(world: World) -> None:
    others = [sample("a", metric=STEPS), sample("a", source=WATCH), sample("a", source=Source("scale"))]
    assert write(world, sample("a"), *others) == [Verdict.STORED] * 4
    assert write(world, sample("a", account_id=STRANGER)) == [Verdict.STORED]
    assert changes(world, STRANGER) == [(1, 1)]
    assert world.samples.get(STRANGER, [sample("a").sample_id]) == []


def test_a_write_that_stores_nothing_takes_no_number(world: World) -> None:
    write(world, fault(sample("a")))
    assert (changes(world), world.changes.newest(ACCOUNT)) == ([], 0)


def test_of_many_who_write_one_record_one_stores_it(world: World) -> None:
    one = sample("a")
    outcomes = at_once(16, lambda _: write(world, one))
    assert [outcomes.count([Verdict.STORED]), outcomes.count([Verdict.DUPLICATE])] == [1, 15]
    assert found(world, one) == [numbered(one, 1)]
    assert changes(world) == [(1, 1)]


def test_of_many_who_write_versions_of_one_record_the_highest_stays_and_each_that_was_stored_has_a_number(
    world: World,
) -> None:
    versions = [sample("a", version=version) for version in range(16)]
    outcomes = at_once(16, lambda number: write(world, versions[number])[0])
    taken = sum(one in {Verdict.STORED, Verdict.REPLACED} for one in outcomes)
    assert outcomes.count(Verdict.STORED) == 1
    assert taken + outcomes.count(Verdict.SUPERSEDED) == 16
    assert found(world, versions[0]) == [numbered(versions[15], world.changes.samples(ACCOUNT, 0, 16, 1)[0].number)]
    assert changes(world) == [(number, 1) for number in range(1, taken + 1)]


def test_another_process_judges_by_what_this_one_stored(world: World) -> None:
    write(world, sample("a"))
    with world.another() as other:
        assert write(other, sample("a"), sample("b")) == [Verdict.DUPLICATE, Verdict.STORED]
    assert write(world, sample("b")) == [Verdict.DUPLICATE]
    assert changes(world) == [(1, 1), (2, 1)]


def test_samples_and_series_share_the_accounts_numbers(world: World) -> None:
    write(world, *map(sample, "abc"))
    upload = committed(world.series, append(world.series.open(ACCOUNT, "u", RECORDING)))
    write(world, sample("d"))
    committed(world.series, append(upload))
    assert [(row.number, row.span, row.kind) for row in world.changes.rows(ACCOUNT, 0, MANY)] == [
        (1, 3, "samples"),
        (4, 1, "append"),
        (5, 1, "samples"),
        (6, 1, "append"),
    ]
    assert world.changes.newest(ACCOUNT) == world.series.change_count(ACCOUNT) == 6


# ---- answers that are kept -------------------------------------------------------------------------------------------


def test_a_repeat_gets_the_first_outcomes_and_stores_nothing(world: World) -> None:
    write(world, sample("a"), sample("b"))
    told: list[StoredSample | Written] = [sample("a"), sample("b", content="other"), sample("c")]
    told += [fault(sample("d"), text="d is too much"), fault(sample("e"), Reason.IDENTITY_INVALID)]
    first = wrote(world.samples, *told, kept=KEPT)
    assert verdicts(first) == [Verdict.DUPLICATE, Verdict.CONFLICT, Verdict.STORED] + [Verdict.QUARANTINED] * 2
    world.samples.delete(ACCOUNT, Wanted(), MANY)
    assert wrote(world.samples, *told, kept=KEPT) == first
    assert found(world, sample("c"))[0].deleted
    assert world.samples.fault_count(ACCOUNT) == 0


def test_an_id_that_was_used_with_another_body_stores_nothing(world: World) -> None:
    write(world, sample("a"), kept=KEPT)
    with pytest.raises(RequestIdReused):
        write(world, sample("b"), kept=replace(KEPT, body_digest=b"other"))
    assert found(world, sample("b")) == []


def test_an_answer_counts_for_its_time_and_then_the_id_is_new(world: World) -> None:
    write(world, sample("a"), kept=KEPT)
    assert write(world, sample("a"), kept=replace(KEPT, now=NOW + 59)) == [Verdict.STORED]
    assert write(world, sample("a"), kept=replace(KEPT, now=NOW + 60)) == [Verdict.DUPLICATE]


def test_of_many_with_one_id_all_get_the_outcomes_of_one(world: World) -> None:
    outcomes = at_once(16, lambda _: write(world, sample("a"), kept=KEPT))
    assert outcomes == [[Verdict.STORED]] * 16
    assert changes(world) == [(1, 1)]


def test_an_answer_is_found_by_another_process(world: World) -> None:
    write(world, sample("a"), kept=KEPT)
    with world.another() as other:
        assert write(other, sample("a"), kept=KEPT) == [Verdict.STORED]


# ---- quarantine ------------------------------------------------------------------------------------------------------


def test_a_bad_sample_costs_the_others_nothing(world: World) -> None:
    bad = fault(sample("b"), text="too much")
    outcomes = wrote(world.samples, sample("a"), bad, sample("c"))
    assert verdicts(outcomes) == [Verdict.STORED, Verdict.QUARANTINED, Verdict.STORED]
    assert outcomes[1] == Outcome(sample("b").sample_id, Verdict.QUARANTINED, fault=bad.fault)
    assert world.samples.faults(ACCOUNT, None, MANY) == [replace(aside(sample("b"), text="too much"), place=1)]
    assert changes(world) == [(1, 2)]


@pytest.mark.parametrize("start", [None, known(5), instant(7), floating(-9)])
def test_what_was_put_aside_comes_back_as_it_went(world: World, start: Moment | None) -> None:
    bad = replace(aside(sample("a"), Reason.TIME_INVALID), start=start)
    write(world, Written(bad, WHY))
    assert world.samples.faults(ACCOUNT, None, MANY) == [replace(bad, place=1)]
    assert world.samples.faults(STRANGER, None, MANY) == []


def test_a_sample_without_a_valid_identity_has_no_sample_id(world: World) -> None:
    (outcome,) = wrote(world.samples, fault(sample("a"), Reason.IDENTITY_INVALID))
    assert (outcome.sample_id, outcome.verdict) == ("", Verdict.QUARANTINED)


def test_the_newest_fault_comes_first_and_pages_go_on_below_a_place(world: World) -> None:
    write(world, *(fault(sample(record)) for record in "abcde"))
    first = world.samples.faults(ACCOUNT, None, 2)
    second = world.samples.faults(ACCOUNT, first[-1].place, 2)
    ids = [sample(record).sample_id for record in "edcb"]
    assert [one.quarantine_id for one in (*first, *second)] == ids


@pytest.mark.parametrize("stored", [False, True])
def test_a_good_sample_clears_the_bad_one_of_its_id_and_so_does_a_duplicate(world: World, *, stored: bool) -> None:
    one = sample("a")
    if stored:
        write(world, one)
    write(world, fault(one), fault(sample("b")))
    assert write(world, one) == [Verdict.DUPLICATE if stored else Verdict.STORED]
    assert faults(world) == [sample("b").sample_id]


def test_neither_a_superseded_sample_nor_one_in_conflict_clears_anything(world: World) -> None:
    write(world, sample("a", version=2))
    write(world, fault(sample("a", version=3)))
    write(world, sample("a", version=1), sample("a", version=2, content="other"))
    assert faults(world) == [sample("a").sample_id]


def test_a_bad_resubmission_replaces_the_older_fault(world: World) -> None:
    write(world, fault(sample("a"), Reason.OUT_OF_BOUNDS), fault(sample("b")))
    newer = aside(sample("a"), Reason.UNIT_WRONG, time=NOW + 1, text="still bad")
    write(world, Written(newer, WHY))
    first, second = world.samples.faults(ACCOUNT, None, MANY)
    assert replace(first, place=0) == newer
    assert second.quarantine_id == sample("b").sample_id
    assert world.samples.fault_count(ACCOUNT) == 2


def test_in_one_write_the_later_of_good_and_bad_counts(world: World) -> None:
    write(world, fault(sample("a")), sample("a"), sample("b"), fault(sample("b")), fault(sample("b"), text="again"))
    assert faults(world) == [sample("b").sample_id]
    assert [one.deleted for one in found(world, sample("a"), sample("b"))] == [False, False]


def test_where_the_quarantine_is_full_nothing_of_a_write_is_stored(world: World) -> None:
    for first in range(0, QUARANTINE_MAX, MANY):
        write(world, *(fault(sample(str(number))) for number in range(first, first + MANY)))
    for _ in range(2):  # what was refused keeps no answer
        with pytest.raises(QuarantineFull):
            write(world, sample("good"), fault(sample("one too many")), kept=KEPT)
    assert found(world, sample("good")) == []
    assert world.samples.fault_count(ACCOUNT) == QUARANTINE_MAX
    assert write(world, sample("good"), fault(sample("0"), text="again")) == [Verdict.STORED, Verdict.QUARANTINED]
    assert write(world, sample("1"), fault(sample("in its place"))) == [Verdict.STORED, Verdict.QUARANTINED]
    assert world.samples.fault_count(ACCOUNT) == QUARANTINE_MAX
    assert write(world, fault(sample("a", account_id=STRANGER))) == [Verdict.QUARANTINED]


# ---- listing ---------------------------------------------------------------------------------------------------------


def listed(
    world: World,
    span: TimeRange | None = None,
    after: tuple[int, int, str] | None = None,
    limit: int = MANY,
    *,
    metrics: Sequence[str] = (METRIC,),
    source: Source | None = None,
) -> list[StoredSample]:
    return list(world.samples.list(ACCOUNT, metrics, source, span, after, limit))


def place(one: StoredSample, span: TimeRange | None) -> tuple[int, int, str]:
    """Where a sample stands in a listing."""
    if span is None:
        return int(one.start.floating), one.start.axis_ms, one.sample_id
    at = one.start.instant_ms if span.kind is TimeKind.INSTANT else one.start.civil_ms
    assert at is not None, "it is in no such range"
    return 0, at, one.sample_id


def is_in(one: StoredSample, span: TimeRange) -> bool:
    """Whether a sample overlaps a range, or begins in it."""
    at = one.start.instant_ms if span.kind is TimeKind.INSTANT else one.start.civil_ms
    if at is None or at >= span.end_ms:
        return False
    return at >= span.start_ms or at + one.duration_ms > span.start_ms


def minutes(start: int, end: int, kind: TimeKind = TimeKind.INSTANT) -> TimeRange:
    return TimeRange(kind, start * MINUTE_MS, end * MINUTE_MS)


def at(minute: int) -> Moment:
    return instant(minute * MINUTE_MS)


@pytest.mark.parametrize(
    ("start", "length", "inside"),
    [
        (10, 0, True),
        (19, 0, True),
        (9, 0, False),
        (20, 0, False),
        (5, 5, False),
        (5, 6, True),
        (19, 50, True),
        (20, 5, False),
        (0, 24 * HOUR, True),
        (11 - 24 * HOUR, 24 * HOUR, True),
        (10 - 24 * HOUR, 24 * HOUR, False),
    ],
)
def test_a_sample_is_in_a_range_that_it_overlaps_or_begins_in(
    world: World, start: int, length: int, *, inside: bool
) -> None:
    one = sample("a", at(start), minutes=length)
    write(world, one)
    assert listed(world, minutes(10, 20)) == [numbered(one, 1)] * inside


def test_a_range_is_of_the_samples_that_have_its_kind_of_time(world: World) -> None:
    both, instants, civil = sample("a", known(0, 3600)), sample("b", instant(0)), sample("c", floating(0))
    write(world, both, instants, civil)
    assert {one.sample_id for one in listed(world, minutes(0, 1))} == {both.sample_id, instants.sample_id}
    assert listed(world, minutes(0, 1, TimeKind.CIVIL)) == [numbered(civil, 3)]
    assert listed(world, minutes(60, 61, TimeKind.CIVIL)) == [numbered(both, 1)]


def test_without_a_range_instants_come_first_and_floating_samples_after(world: World) -> None:
    told = [sample("a", floating(-5)), sample("b", known(9)), sample("c", instant(3)), sample("d", floating(-7))]
    write(world, *told)
    assert listed(world) == [numbered(told[number - 1], number) for number in (3, 2, 4, 1)]


def test_samples_of_several_metrics_and_sources_are_listed_side_by_side(world: World) -> None:
    told = [
        sample(str(number), instant(7 * number % 5), metric=metric, source=source)
        for number in range(20)
        for metric in (METRIC, STEPS)
        for source in (SCALE, WATCH)
    ]
    write(world, *told, sample("other", metric="body_mass"))
    expected = sorted(told, key=lambda one: place(one, None))
    assert [one.sample_id for one in listed(world, metrics=[METRIC, STEPS])] == [one.sample_id for one in expected]
    of_one = [one.sample_id for one in expected if (one.metric, one.source) == (STEPS, WATCH)]
    assert [one.sample_id for one in listed(world, metrics=[STEPS], source=WATCH)] == of_one
    assert listed(world, metrics=["unknown"]) == []
    assert listed(world, source=Source("watch")) == []


def test_deleted_samples_are_not_listed_and_those_of_others_neither(world: World) -> None:
    write(world, sample("a"), sample("b"))
    write(world, sample("c", account_id=STRANGER))
    world.samples.delete(ACCOUNT, Wanted(sample_ids=frozenset({sample("a").sample_id})), MANY)
    assert listed(world) == [numbered(sample("b"), 2)]


@pytest.mark.parametrize("seed", range(8))
def test_pages_of_any_size_are_together_what_a_naive_search_finds(world: World, seed: int) -> None:
    random = Random(seed)
    moments = [known, instant, floating]
    told = [
        sample(
            str(number),
            random.choice(moments)(random.randrange(-3 * DAY_MS, 3 * DAY_MS, 20 * MINUTE_MS)),
            minutes=random.choice([0, 0, 1, 90, 24 * HOUR]),
            source=random.choice([SCALE, WATCH, Source("scale")]),
            metric=random.choice([METRIC, STEPS]),
        )
        for number in range(120)
    ]
    write(world, *told)
    bounds = sorted(random.randrange(-3 * DAY_MS, 3 * DAY_MS) for _ in range(2))
    for span in (None, *(TimeRange(kind, *bounds) for kind in TimeKind)):
        expected = sorted((one for one in told if span is None or is_in(one, span)), key=lambda one: place(one, span))
        limit = random.randrange(1, 40)
        pages, after = list[str](), None
        while page := listed(world, span, after, limit, metrics=[METRIC, STEPS]):
            assert len(page) <= limit
            pages += [one.sample_id for one in page]
            after = place(page[-1], span)
        assert pages == [one.sample_id for one in expected]


@pytest.mark.parametrize("seed", range(6))
def test_the_speakers_of_a_range_are_the_sources_of_what_is_listed_in_it(world: World, seed: int) -> None:
    random = Random(seed)
    sources = [Source(device, app) for device in "ab" for app in ("", "x")]
    told = [
        sample(
            str(number),
            random.choice([known, instant, floating])(random.randrange(-2 * DAY_MS, 2 * DAY_MS)),
            minutes=random.choice([0, 30, 24 * HOUR]),
            source=random.choice(sources),
            metric=random.choice([METRIC, STEPS, "body_mass"]),
        )
        for number in range(25)
    ]
    write(world, *told)
    for kind in TimeKind:
        start = random.randrange(-2 * DAY_MS, 2 * DAY_MS)
        span = TimeRange(kind, start, start + random.randrange(1, 6 * HOUR) * MINUTE_MS)
        for source in (None, sources[1]):
            inside = listed(world, span, metrics=[METRIC, STEPS], source=source)
            expected = [
                Speaker(
                    one,
                    floating=any(told.start.floating for told in inside if told.source == one),
                    placed=any(not told.start.floating for told in inside if told.source == one),
                )
                for one in sources
                if any(told.source == one for told in inside)
            ]
            assert world.samples.speakers(ACCOUNT, [METRIC, STEPS], source, span) == expected


# ---- deleting --------------------------------------------------------------------------------------------------------


def of_ids(*samples: StoredSample) -> Wanted:
    return Wanted(sample_ids=frozenset(one.sample_id for one in samples))


def delete(world: World, wanted: Wanted, limit: int = MANY) -> tuple[int, int]:
    counts = world.samples.delete(ACCOUNT, wanted, limit)
    return counts.samples, counts.quarantined


def test_a_deleted_sample_leaves_a_tombstone_under_a_number_of_its_own(world: World) -> None:
    told = [sample(record, version=3) for record in "abc"]
    write(world, *told)
    assert delete(world, of_ids(*told[:2])) == (2, 0)
    gone = found(world, *told[:2])
    assert {one.number for one in gone} == {4, 5}
    assert gone == [deleted(one, was.number) for one, was in zip(told, gone, strict=False)]
    assert changes(world) == [(1, 3), (4, 2)]


def test_what_is_deleted_stays_so_until_a_higher_version_comes(world: World) -> None:
    one = sample("a", version=3)
    write(world, one)
    delete(world, of_ids(one))
    again = [one, sample("a", version=3, content="other"), sample("a", version=2)]
    assert write(world, *again) == [Verdict.SUPERSEDED] * 3
    assert found(world, one) == [deleted(one, 2)]
    back = sample("a", floating(9), version=4)
    assert write(world, back) == [Verdict.REPLACED]
    assert found(world, one) == [numbered(back, 3)]
    assert listed(world) == [numbered(back, 3)]


def test_deleting_again_counts_nothing_and_takes_no_number(world: World) -> None:
    write(world, sample("a"), sample("b"))
    delete(world, of_ids(sample("a")))
    assert delete(world, of_ids(sample("a"), sample("b"))) == (1, 0)
    assert changes(world) == [(1, 2), (3, 1), (4, 1)]


def test_an_id_that_never_was_is_named_and_nothing_is_deleted(world: World) -> None:
    write(world, sample("a"), fault(sample("b")))
    write(world, sample("theirs", account_id=STRANGER))
    wanted = of_ids(sample("a"), sample("b"), sample("theirs", account_id=STRANGER))
    for ask in (lambda: world.samples.count(ACCOUNT, wanted), lambda: delete(world, wanted)):
        with pytest.raises(SampleNotFound) as raised:
            ask()
        assert raised.value.facts["sample_id"] == sample("theirs", account_id=STRANGER).sample_id
    assert (len(listed(world)), world.samples.fault_count(ACCOUNT)) == (1, 1)


def test_an_id_of_a_quarantined_sample_takes_it_away_and_one_of_both_takes_both(world: World) -> None:
    write(world, sample("a"), fault(sample("a")), fault(sample("b")), fault(sample("c")))
    wanted = of_ids(sample("a"), sample("b"))
    assert world.samples.count(ACCOUNT, wanted) == SampleCounts(1, 2)
    assert delete(world, wanted, limit=1) == (1, 2), "ids go all at once"
    assert faults(world) == [sample("c").sample_id]


CASES = [
    Wanted(),
    Wanted(metrics=frozenset({STEPS})),
    Wanted(metrics=frozenset({STEPS, METRIC})),
    Wanted(metrics=frozenset({"unknown"})),
    Wanted(source=WATCH),
    Wanted(source=Source("watch")),
    Wanted(metrics=frozenset({METRIC}), source=SCALE),
    Wanted(range=minutes(10, 20)),
    Wanted(range=minutes(10, 70, TimeKind.CIVIL)),
    Wanted(metrics=frozenset({METRIC}), source=WATCH, range=minutes(-5, 15)),
    Wanted(source=SCALE, range=minutes(5, 70, TimeKind.CIVIL)),
    Wanted(range=minutes(-5, 70, TimeKind.CIVIL), floating=True),
]


def wants(wanted: Wanted, one: StoredSample) -> bool:
    """Whether a sample is to be deleted: it begins in the range."""
    if wanted.metrics is not None and one.metric not in wanted.metrics:
        return False
    if wanted.source not in {None, one.source}:
        return False
    if wanted.floating and not one.start.floating:
        return False
    return wanted.range is None or is_in(replace(one, duration_ms=0), wanted.range)


@pytest.mark.parametrize("wanted", CASES, ids=range(len(CASES)))
def test_what_is_counted_is_what_is_deleted_page_by_page_and_nothing_else(world: World, wanted: Wanted) -> None:
    random = Random(1)
    told = [
        sample(
            str(number),
            random.choice([known, instant, floating])(random.randrange(-10, 30) * MINUTE_MS),
            minutes=random.choice([0, 15]),
            metric=random.choice([METRIC, STEPS, "body_mass"]),
            source=random.choice([SCALE, WATCH]),
        )
        for number in range(80)
    ]
    good, bad = told[:50], told[50:]
    timeless = Written(replace(aside(sample("timeless")), start=None), WHY)
    write(world, *good, *map(fault, bad), timeless)
    gone = {one.sample_id for one in told if wants(wanted, one)}
    gone_bad = {one.sample_id for one in bad} & gone
    if wanted.range is None and wants(wanted, sample("timeless")):
        gone_bad.add(sample("timeless").sample_id)
    expected = SampleCounts(len({one.sample_id for one in good} & gone), len(gone_bad))
    assert world.samples.count(ACCOUNT, wanted) == expected
    total = (0, 0)
    while any(page := delete(world, wanted, 7)):
        assert max(page) <= 7
        total = (total[0] + page[0], total[1] + page[1])
    assert SampleCounts(*total) == expected
    assert {one.sample_id for one in found(world, *good) if one.deleted} == {one.sample_id for one in good} & gone
    assert {one.sample_id for one in bad}.difference(faults(world)) == gone_bad - {sample("timeless").sample_id}
    assert world.changes.newest(ACCOUNT) == 50 + expected.samples
    assert world.samples.count(ACCOUNT, wanted) == SampleCounts(0, 0)


def test_samples_of_others_are_never_deleted(world: World) -> None:
    write(world, sample("a", account_id=STRANGER), fault(sample("b", account_id=STRANGER)))
    assert delete(world, Wanted()) == (0, 0)
    assert len(world.samples.list(STRANGER, [METRIC], None, None, None, MANY)) == 1
    assert world.samples.fault_count(STRANGER) == 1


def test_of_many_who_delete_one_sample_one_does(world: World) -> None:
    write(world, sample("a"))
    outcomes = at_once(16, lambda _: delete(world, of_ids(sample("a"))))
    assert [outcomes.count((0, 0)), outcomes.count((1, 0))] == [15, 1]
    assert world.changes.newest(ACCOUNT) == 2


# ---- summary ---------------------------------------------------------------------------------------------------------


def summary(world: World, *metrics: str) -> Sequence[SourceMetricRow]:
    return world.samples.summary(ACCOUNT, metrics or None)


def test_the_summary_tells_by_metric_and_source_how_much_there_is_and_of_when(world: World) -> None:
    write(
        world,
        sample("a", known(0, 3600), minutes=90),
        sample("b", known(DAY_MS, -3600)),
        sample("c", instant(-DAY_MS)),
        sample("d", floating(-1)),
        sample("e", source=WATCH, start=floating(5 * DAY_MS), minutes=10),
        sample("f", metric=STEPS, start=known(50)),
    )
    row = SourceMetricRow(METRIC, SCALE, 4, instant(-DAY_MS), known(DAY_MS, -3600), NOW, frozenset({0, -1}))
    watch = SourceMetricRow(
        METRIC, WATCH, 1, floating(5 * DAY_MS), floating(5 * DAY_MS + 10 * MINUTE_MS), NOW, frozenset({5})
    )
    steps = SourceMetricRow(STEPS, SCALE, 1, known(50), known(50), NOW, frozenset({0}))
    assert summary(world) == [row, watch, steps]
    assert summary(world, STEPS) == [steps]
    assert summary(world, "unknown") == []
    assert world.samples.summary(STRANGER, None) == []


def test_what_ends_last_need_not_begin_last(world: World) -> None:
    write(world, sample("a", known(0), minutes=24 * HOUR), sample("b", known(23 * HOUR * MINUTE_MS), minutes=59))
    (row,) = summary(world)
    assert row.last_end == instant(DAY_MS), "the person's clock may have moved since it began"


def test_each_civil_day_is_told_once_whatever_is_on_it(world: World) -> None:
    random = Random(3)
    told = [floating(random.randrange(-20 * DAY_MS, 20 * DAY_MS)) for _ in range(200)]
    told += [floating(day * DAY_MS + edge) for day in (-30, -25, 25) for edge in (0, DAY_MS - 1)]
    write(world, *(sample(str(number), start) for number, start in enumerate(told)))
    (row,) = summary(world)
    assert row.civil_days == {(start.civil_ms or 0) // DAY_MS for start in told}


def test_a_source_whose_samples_are_all_deleted_is_told_with_none(world: World) -> None:
    write(world, sample("a"))
    delete(world, Wanted())
    assert summary(world) == [SourceMetricRow(METRIC, SCALE, 0, None, None, NOW, frozenset())]


def test_the_last_write_is_the_time_of_the_last_that_stored_something(world: World) -> None:
    write(world, sample("a"))
    world.samples.write(ACCOUNT, [Written(sample("b"))], None, NOW + 5)
    world.samples.write(ACCOUNT, [Written(sample("b")), fault(sample("c"))], None, NOW + 9)
    assert [row.last_write_time for row in summary(world)] == [NOW + 5]


def test_a_clock_that_was_put_back_loses_no_write_and_no_order(world: World) -> None:
    write(world, sample("a"))
    world.samples.write(ACCOUNT, [Written(sample("a", version=1)), Written(sample("b"))], None, NOW - 1e6)
    assert [one.number for one in found(world, sample("a"), sample("b"))] == [2, 3]
    assert [row.last_write_time for row in summary(world)] == [NOW - 1e6]


def test_faults_alone_make_no_source(world: World) -> None:
    write(world, fault(sample("a")))
    assert summary(world) == []


def test_nothing_is_found_by_ids_that_are_no_ids(world: World) -> None:
    write(world, sample("a"))
    assert world.samples.get(ACCOUNT, []) == []
    assert world.samples.get(ACCOUNT, [json.dumps("a"), "'", ""]) == []

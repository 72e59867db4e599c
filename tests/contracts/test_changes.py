"""What every list of changes must do."""

from dataclasses import replace

import pytest

from clarity_server.domain.civil import TimeKind, TimeRange
from clarity_server.domain.errors import StoreDamaged
from clarity_server.domain.samples import Tombstone, Wanted
from clarity_server.domain.series import Source
from clarity_server.ports import ChangeRow, SeriesDeletion, StoredSample, Written
from tests.contracts.discrete import deleted, numbered, sample, wrote
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER, append, committed, receipt
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

MANY = 1000


def samples(first: int, count: int) -> ChangeRow:
    return ChangeRow(first, count, "samples", "", "", 0, 0)


def rows(world: World, after: int = 0, limit: int = MANY) -> list[ChangeRow]:
    return list(world.changes.rows(ACCOUNT, after, limit))


def write(world: World, records: str) -> list[StoredSample]:
    """Write samples in one call; return them without numbers."""
    told = [sample(record) for record in records]
    wrote(world.samples, *told)
    return told


def test_an_account_of_which_there_is_nothing_has_no_changes(world: World) -> None:
    assert rows(world) == []
    assert world.changes.newest(ACCOUNT) == 0
    assert world.changes.samples(ACCOUNT, 0, MANY, MANY) == []


def test_changes_of_all_sorts_are_listed_by_number(world: World) -> None:
    write(world, "abc")
    upload = committed(world.series, append(world.series.open(ACCOUNT, "u", RECORDING), 60))
    upload = committed(world.series, append(upload, 7))
    world.series.finish(ACCOUNT, upload, receipt(upload), (), ())
    world.samples.delete(ACCOUNT, Wanted(), MANY)
    metric = RECORDING.metric
    assert rows(world) == [
        samples(1, 3),
        ChangeRow(4, 1, "append", metric, "u", 0, 60),
        ChangeRow(5, 1, "append", metric, "u", 60, 7),
        ChangeRow(6, 1, "finish", metric, "u", 67, 0),
        samples(7, 3),
    ]
    assert world.changes.newest(ACCOUNT) == 9


@pytest.mark.parametrize(("after", "expected"), [(0, 1), (1, 1), (2, 1), (3, 4), (4, 5), (5, 5), (6, 7), (7, None)])
def test_after_a_number_comes_the_change_that_has_the_next_one(world: World, after: int, expected: int | None) -> None:
    for records in ("abc", "d", "ef", "g"):
        write(world, records)
    assert [row.number for row in rows(world, after, 1)] == ([] if expected is None else [expected])
    assert rows(world, after) == [row for row in rows(world) if row.number + row.span - 1 > after]


def test_pages_of_changes_go_on_where_the_one_before_ended(world: World) -> None:
    for records in ("abc", "d", "ef", "g"):
        write(world, records)
    found, after = list[ChangeRow](), 0
    while page := rows(world, after, 2):
        found += page
        after = page[-1].number + page[-1].span - 1
    assert found == rows(world) == [samples(1, 3), samples(4, 1), samples(5, 2), samples(7, 1)]


def test_changes_of_another_account_are_not_told(world: World) -> None:
    write(world, "ab")
    wrote(world.samples, sample("c", account_id=STRANGER))
    assert rows(world) == [samples(1, 2)]
    assert world.changes.rows(STRANGER, 0, MANY) == [samples(1, 1)]
    assert world.changes.newest(STRANGER) == 1


def test_a_sample_is_told_by_its_last_change_as_it_is_now(world: World) -> None:
    a, b, c = write(world, "abc")
    newer = sample("a", version=1)
    wrote(world.samples, newer)
    world.samples.delete(ACCOUNT, Wanted(sample_ids=frozenset({b.sample_id})), MANY)
    told = [numbered(c, 3), numbered(newer, 4), deleted(b, 5)]
    assert world.changes.samples(ACCOUNT, 0, MANY, MANY) == told
    assert world.changes.samples(ACCOUNT, 3, 4, MANY) == told[1:2]
    assert world.changes.samples(ACCOUNT, 3, MANY, 1) == told[1:2]
    assert world.changes.samples(ACCOUNT, 5, MANY, MANY) == []
    assert world.changes.samples(STRANGER, 0, MANY, MANY) == []
    assert a.sample_id == newer.sample_id


def test_numbers_are_without_a_gap_however_many_write(world: World) -> None:
    def work(number: int) -> None:
        for turn in range(8):
            wrote(world.samples, *(sample(f"{number} {turn} {one}") for one in range(number % 3 + 1)))
            upload = world.series.open(ACCOUNT, f"u-{number}-{turn}", RECORDING)
            world.series.commit(append(upload, 1))

    assert at_once(8, work) == [None] * 8
    listed = rows(world)
    assert [row.number for row in listed] == [1, *(row.number + row.span for row in listed[:-1])]
    assert world.changes.newest(ACCOUNT) == listed[-1].number + listed[-1].span - 1
    told = world.changes.samples(ACCOUNT, 0, MANY, MANY)
    of_samples = [row.number + at for row in listed if row.kind == "samples" for at in range(row.span)]
    assert [one.number for one in told] == of_samples


def test_a_deleted_range_of_a_series_is_told_under_a_number_of_its_own(world: World) -> None:
    write(world, "ab")
    span, source = TimeRange(TimeKind.INSTANT, -5, 1 << 41), RECORDING.source
    gone = [Tombstone(RECORDING.metric, source, span, 3), Tombstone("heart_rate", Source("watch"), span, 1)]
    world.series.delete(SeriesDeletion(ACCOUNT, tuple(gone), (), world.changes.newest(ACCOUNT)))
    write(world, "c")
    assert [(row.number, row.span, row.kind, row.metric) for row in rows(world)] == [
        (1, 2, "samples", ""),
        (3, 1, "series_deleted", RECORDING.metric),
        (4, 1, "series_deleted", "heart_rate"),
        (5, 1, "samples", ""),
    ]
    assert [world.changes.tombstone(ACCOUNT, number) for number in (3, 4)] == [
        replace(one, number=number) for number, one in enumerate(gone, 3)
    ]
    with pytest.raises(StoreDamaged):
        world.changes.tombstone(STRANGER, 3)


def test_a_number_without_a_tombstone_is_damage(world: World) -> None:
    write(world, "a")
    with pytest.raises(StoreDamaged):
        world.changes.tombstone(ACCOUNT, 1)


def test_all_processes_tell_the_same_history_and_another_store_another(world: World) -> None:
    with world.another() as other:
        assert other.changes.lineage() == world.changes.lineage() != ""
        other.samples.write(ACCOUNT, [Written(sample("a"))], None, 0.0)
    assert rows(world) == [samples(1, 1)]

"""Retention: for ever unless somebody says otherwise, and then nothing a day too early."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Start, StartKind
from clarity_server.domain.ids import new_id
from clarity_server.domain.samples import Moment, Wanted
from clarity_server.domain.series import NO_VALUE_INT16, Descriptor, Encoding
from clarity_server.flows.feed import PartTold
from tests.contracts.worlds import NOW
from tests.flows.samples_world import SamplesWorld, at, samples_world, sent
from tests.flows.upload_world import ACCOUNT, COUNTS, WRIST, Recording, float32

TODAY_MS = int(NOW * 1000) // DAY_MS * DAY_MS  # midnight (UTC) before the world's clock
KEEP = 100
EDGE_MS = TODAY_MS - KEEP * DAY_MS  # what began before this is older than that


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SamplesWorld]:
    with samples_world(tmp_path) as opened:
        yield opened


def floating(ms: int) -> Moment:
    return Moment(None, ms)


def instant(ms: int) -> Moment:
    return Moment(ms, None)


def east(ms: int) -> Moment:
    """By a clock that is as far ahead of UTC as any."""
    return at(ms, 14 * 3600)


def records(world: SamplesWorld) -> set[str]:
    return {one.client_record_id for _, one in world.listed()}


def recording(upload_id: str, start: Start, *, irregular: bool = False) -> Recording:
    """A hundred samples, a minute apart; ten of them before the start that is told."""
    start = replace(start, ms=start.ms - 10 * MINUTE_MS)
    if irregular:
        beats = Descriptor("heartbeat_rr_interval", WRIST, start, None, Encoding.INT16, scale=1.0)
        return Recording(upload_id, beats, np.arange(100, dtype="<i2").tobytes(), np.arange(100) * MINUTE_MS)
    values = float32(np.arange(100, dtype=np.float32))
    return Recording(upload_id, replace(COUNTS, start=start), values)


def test_data_is_kept_for_ever_unless_somebody_says_otherwise(world: SamplesWorld) -> None:
    world.write(sent("old", start=instant(-150 * 366 * DAY_MS)), sent("floating", start=floating(0)))
    world.upload(recording("u", Start(StartKind.FLOATING, 0)))
    world.store.clock.wait(300 * 366 * 24 * 3600)
    assert world.retain().get(ACCOUNT) == 0
    assert world.retain().run_due() == 0
    assert world.retain().set(ACCOUNT, 0, validate_only=False) == (0, 0)
    assert world.retain().run_due() == 0
    assert records(world) == {"old", "floating"}


def test_what_is_older_is_deleted_and_nothing_else(world: SamplesWorld) -> None:
    for name, moment, slack_ms in (
        ("known", at, 0),
        ("east", east, 0),
        ("instant", instant, 0),
        ("floating", floating, DAY_MS),
    ):
        edge_ms = EDGE_MS - slack_ms
        world.write(sent(f"{name} older", start=moment(edge_ms - 1)), sent(f"{name} kept", start=moment(edge_ms)))
    assert world.retain().set(ACCOUNT, KEEP, validate_only=False) == (KEEP, 4)
    assert world.retain().run_due() == 4
    assert records(world) == {"known kept", "east kept", "instant kept", "floating kept"}
    assert world.retain().run_due() == 0


@pytest.mark.parametrize("irregular", [False, True], ids=["regular", "irregular"])
@pytest.mark.parametrize(
    "start",
    [
        Start(StartKind.FLOATING, EDGE_MS - DAY_MS),
        Start(StartKind.INSTANT, EDGE_MS),
        Start(StartKind.OFFSET, EDGE_MS + 14 * 3600_000, utc_offset_s=14 * 3600),
        Start(StartKind.OFFSET, EDGE_MS - 12 * 3600_000, utc_offset_s=-12 * 3600),
        Start(StartKind.ZONE, EDGE_MS + 2 * 3600_000, time_zone="Europe/Berlin"),
    ],
    ids=["floating", "instant", "far east", "far west", "a zone"],
)
def test_the_older_part_of_a_series_is_deleted(world: SamplesWorld, start: Start, irregular: bool) -> None:
    world.upload(recording("u", start, irregular=irregular))
    retain = world.retain()
    assert retain.set(ACCOUNT, KEEP, validate_only=True) == (0, 10)
    assert retain.set(ACCOUNT, KEEP, validate_only=False) == (KEEP, 10)
    assert retain.run_due() == 10
    assert retain.set(ACCOUNT, KEEP, validate_only=True) == (KEEP, 0)
    values = b"".join(told.what.values for told in world.told() if isinstance(told.what, PartTold))
    missing = np.frombuffer(values, "<i2") == NO_VALUE_INT16 if irregular else np.isnan(np.frombuffer(values, "<f4"))
    assert len(missing) == 100
    assert np.flatnonzero(missing).tolist() == list(range(10))


def test_validate_only_counts_and_changes_nothing(world: SamplesWorld) -> None:
    world.write(sent("a", start=at(0)), sent("b", start=floating(0)), sent("bad", -1.0, start=at(0)))
    assert world.retain().set(ACCOUNT, KEEP, validate_only=True) == (0, 3)
    assert (world.retain().get(ACCOUNT), world.retain().run_due()) == (0, 0)
    world.retain().set(ACCOUNT, 3650, validate_only=False)
    assert world.retain().set(ACCOUNT, KEEP, validate_only=True) == (3650, 3)
    assert world.retain().get(ACCOUNT) == 3650


def test_a_turn_is_bounded_and_the_next_goes_on(world: SamplesWorld) -> None:
    for low in (0, 1000, 2000):
        world.write(*(sent(str(low + place), start=at(place)) for place in range(1000)))
    retain = world.retain(turn_samples=1000)
    retain.set(ACCOUNT, KEEP, validate_only=False)
    assert [retain.run_due() for _ in range(5)] == [1000, 1000, 1000, 0, 0]


def test_another_day_has_more_that_is_older(world: SamplesWorld) -> None:
    world.write(sent("a", start=at(EDGE_MS - 1)), sent("b", start=at(EDGE_MS + DAY_MS - 1)))
    retain = world.retain()
    retain.set(ACCOUNT, KEEP, validate_only=False)
    assert [retain.run_due(), retain.run_due()] == [1, 0]
    world.store.clock.wait(24 * 3600)
    assert [retain.run_due(), retain.run_due()] == [1, 0]


def test_within_a_day_nothing_is_looked_at_again_unless_it_is_set_anew(world: SamplesWorld) -> None:
    retain = world.retain()
    retain.set(ACCOUNT, KEEP, validate_only=False)
    assert retain.run_due() == 0
    world.write(sent("late", start=at(0)))
    assert retain.run_due() == 0
    retain.set(ACCOUNT, KEEP, validate_only=False)
    assert retain.run_due() == 1


def test_each_account_has_its_own_and_one_that_fails_costs_no_other_its_turn(world: SamplesWorld) -> None:
    others = sorted(new_id() for _ in range(2))
    for account_id in others:
        world.write(sent("a", start=at(0)), account_id=account_id)
        world.upload(recording("u", Start(StartKind.INSTANT, 0), irregular=True), account_id)
        world.retain().set(account_id, KEEP, validate_only=False)
    world.write(sent("mine", start=at(0)))
    world.store.database.write(
        lambda connection: connection.execute(
            "UPDATE uploads SET descriptor = '{' WHERE account_id = ?", (others[0],)
        ).close()
    )
    failed = list[str]()
    retain = replace(world.retain(), failing=_noting(failed))
    assert retain.run_due() == 101
    assert failed == ["JSONDecodeError"]
    assert records(world) == {"mine"}
    assert world.listed(account_id=others[1]) == []


def _noting(failed: list[str]) -> Callable[[Callable[[], object]], bool]:
    def failing(job: Callable[[], object]) -> bool:
        try:
            job()
        except ValueError as why:
            failed.append(type(why).__name__)
            return True
        return False

    return failing


def test_what_retention_deletes_stays_deleted(world: SamplesWorld) -> None:
    world.write(sent("a", start=at(0)))
    retain = world.retain()
    retain.set(ACCOUNT, KEEP, validate_only=False)
    retain.run_due()
    world.write(sent("a", start=at(0)))
    assert world.remove.counted(ACCOUNT, Wanted(metrics=frozenset({"heart_rate"}))).total == 0

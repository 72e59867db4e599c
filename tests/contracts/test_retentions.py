"""What every keeper of how long data is kept must do."""

from tests.contracts.recordings import ACCOUNT, STRANGER
from tests.contracts.worlds import World


def test_data_is_kept_for_ever_until_somebody_says_otherwise(world: World) -> None:
    assert world.retentions.get(ACCOUNT) == 0
    assert world.retentions.all() == []


def test_what_was_said_last_counts(world: World) -> None:
    world.retentions.put(ACCOUNT, 30)
    world.retentions.put(ACCOUNT, 365)
    world.retentions.put(STRANGER, 90)
    assert (world.retentions.get(ACCOUNT), world.retentions.get(STRANGER)) == (365, 90)
    assert world.retentions.all() == [(ACCOUNT, 365), (STRANGER, 90)]


def test_who_keeps_it_for_ever_again_is_not_listed(world: World) -> None:
    for days in (30, 0, 0):
        world.retentions.put(ACCOUNT, days)
    assert world.retentions.get(ACCOUNT) == 0
    assert world.retentions.all() == []


def test_what_one_process_said_another_one_hears(world: World) -> None:
    with world.another() as other:
        other.retentions.put(ACCOUNT, 30)
    assert world.retentions.get(ACCOUNT) == 30

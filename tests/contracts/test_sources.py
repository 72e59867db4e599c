"""What every keeper of what is said of sources must do."""

import pytest

from clarity_server.domain.errors import SourceNotFound
from clarity_server.domain.samples import DeviceKind, SourceSetting, Wanted
from clarity_server.domain.series import Source
from tests.contracts.discrete import SCALE, fault, sample, wrote
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER
from tests.contracts.worlds import World

WATCH = Source("watch", "app")


def test_nothing_is_said_of_a_source_until_somebody_does(world: World) -> None:
    wrote(world.samples, sample("a"))
    assert world.sources.settings(ACCOUNT) == []


def test_what_was_said_last_counts(world: World) -> None:
    wrote(world.samples, sample("a"))
    world.sources.put(ACCOUNT, SourceSetting(SCALE, DeviceKind.WATCH, 7))
    world.sources.put(ACCOUNT, SourceSetting(SCALE, DeviceKind.SCALE))
    assert world.sources.settings(ACCOUNT) == [SourceSetting(SCALE, DeviceKind.SCALE, 0)]


def test_sources_come_by_device_and_app(world: World) -> None:
    sources = [Source("b", "y"), Source("a", "z"), Source("b"), Source("a", "x")]
    wrote(world.samples, *(sample("a", source=source) for source in sources))
    for source in sources:
        world.sources.put(ACCOUNT, SourceSetting(source, DeviceKind.RING, 3))
    assert [one.source for one in world.sources.settings(ACCOUNT)] == [sources[3], sources[1], sources[2], sources[0]]


def test_a_source_from_which_nothing_ever_came_is_not_found(world: World) -> None:
    wrote(world.samples, sample("a", account_id=STRANGER), fault(sample("b", account_id=STRANGER, source=WATCH)))
    for account_id, source in ((ACCOUNT, SCALE), (STRANGER, WATCH), (STRANGER, Source("scale"))):
        with pytest.raises(SourceNotFound):
            world.sources.put(account_id, SourceSetting(source))
    assert (world.sources.settings(ACCOUNT), world.sources.settings(STRANGER)) == ([], [])


def test_a_source_of_series_only_is_one_and_so_is_one_whose_samples_are_all_deleted(world: World) -> None:
    world.series.open(ACCOUNT, "u", RECORDING)
    wrote(world.samples, sample("a"))
    world.samples.delete(ACCOUNT, Wanted(), 10)
    for source in (RECORDING.source, SCALE):
        world.sources.put(ACCOUNT, SourceSetting(source, DeviceKind.BAND))
    assert {one.source for one in world.sources.settings(ACCOUNT)} == {RECORDING.source, SCALE}


def test_what_one_process_said_another_one_hears(world: World) -> None:
    wrote(world.samples, sample("a"))
    with world.another() as other:
        other.sources.put(ACCOUNT, SourceSetting(SCALE, DeviceKind.MANUAL, 1000))
    assert world.sources.settings(ACCOUNT) == [SourceSetting(SCALE, DeviceKind.MANUAL, 1000)]

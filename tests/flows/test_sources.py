"""What is known of an account's data: the summary by metric, and the sources in the order of belief."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.errors import PageTokenInvalid, SourceNotFound
from clarity_server.domain.ids import new_id
from clarity_server.domain.samples import DeviceKind, Moment, SourceSetting, Wanted
from clarity_server.domain.series import Descriptor, Encoding, Source
from clarity_server.flows.sources import MetricKnown, SourceKnown, SourceMetric
from tests.contracts.worlds import NOW
from tests.flows.samples_world import HOUR_MS, NOON_MS, SCALE, SamplesWorld, at, samples_world, sent
from tests.flows.upload_world import ACCOUNT, COUNTS, WRIST, Recording, float32

WATCH = Source("watch", "app")
BERLIN_MIDNIGHT = 1_690_063_200_000  # the instant of 2023-07-23T00:00+02:00
BERLIN_CHANGE = 1_698_541_200_000  # the instant of 2023-10-29T03:00+02:00, which is 02:00+01:00


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SamplesWorld]:
    with samples_world(tmp_path) as opened:
        yield opened


def minutes(upload_id: str, count: int, start: Start, source: Source = WRIST) -> Recording:
    described = replace(COUNTS, start=start, source=source)
    return Recording(upload_id, described, float32(np.arange(count, dtype=np.float32)))


def of_metric(world: SamplesWorld, metric: str) -> MetricKnown:
    (found,) = world.known.summary(ACCOUNT, frozenset({metric})).metrics
    return found


def sources(world: SamplesWorld, metrics: frozenset[str] | None = None, page_size: int = 0) -> list[SourceKnown]:
    found, token = list[SourceKnown](), ""
    while True:
        page, token = world.known.list(ACCOUNT, metrics, page_size, token)
        found += page
        if not token:
            return found


def named(found: Sequence[SourceKnown]) -> list[Source]:
    return [one.setting.source for one in found]


# ---- the summary -----------------------------------------------------------------------------------------------------


def test_where_nothing_is_there_is_nothing_to_tell(world: SamplesWorld) -> None:
    summary = world.known.summary(ACCOUNT, None)
    assert (summary.metrics, summary.total_count, summary.quarantined_count, summary.change_number) == ((), 0, 0, 0)


def test_samples_and_series_are_summed_up_by_metric(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b", source=WATCH, start=at(NOON_MS + DAY_MS), end=at(NOON_MS + DAY_MS + HOUR_MS)))
    world.write(sent("r", "rem"), sent("bad", -1.0))
    world.upload(minutes("u", 90, Start(StartKind.OFFSET, NOON_MS, utc_offset_s=0)))
    summary = world.known.summary(ACCOUNT, None)
    assert [one.metric for one in summary.metrics] == [COUNTS.metric, "heart_rate", "sleep_stage"]
    assert summary.metrics[1] == MetricKnown(
        metric="heart_rate",
        sample_count=2,
        series_sample_count=0,
        source_count=2,
        first_start=at(NOON_MS),
        last_end=summary.metrics[1].last_end,
        last_write_time=NOW,
        day_count=2,
    )
    assert summary.metrics[1].last_end is not None
    assert summary.metrics[1].last_end.instant_ms == NOON_MS + DAY_MS + HOUR_MS
    assert (summary.metrics[0].series_sample_count, summary.metrics[0].source_count) == (90, 1)
    assert (summary.total_count, summary.quarantined_count, summary.change_number) == (93, 1, 5)


def test_a_summary_of_some_metrics_tells_of_these_only(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("r", "rem"))
    summary = world.known.summary(ACCOUNT, frozenset({"sleep_stage", "steps"}))
    assert [one.metric for one in summary.metrics] == ["sleep_stage"]
    assert summary.total_count == 1


def test_a_metric_of_which_all_was_deleted_is_left_out(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("r", "rem"))
    world.remove.remove(ACCOUNT, Wanted(metrics=frozenset({"heart_rate"})), None, "", b"")
    assert [one.metric for one in world.known.summary(ACCOUNT, None).metrics] == ["sleep_stage"]


@pytest.mark.parametrize(
    ("start", "first", "last", "days"),
    [
        (Start(StartKind.FLOATING, 0), Moment(None, 0), Moment(None, 3 * HOUR_MS), 1),
        (Start(StartKind.INSTANT, 0), Moment(0, None), Moment(3 * HOUR_MS, None), 0),
        (Start(StartKind.OFFSET, -HOUR_MS, utc_offset_s=3600), at(-2 * HOUR_MS, 3600), at(HOUR_MS, 3600), 2),
        (
            Start(StartKind.ZONE, BERLIN_MIDNIGHT + 2 * HOUR_MS, time_zone="Europe/Berlin"),
            at(BERLIN_MIDNIGHT),
            at(BERLIN_MIDNIGHT + 3 * HOUR_MS),
            1,
        ),
        (
            Start(StartKind.ZONE, BERLIN_CHANGE + 7_200_000 - 3 * HOUR_MS, time_zone="Europe/Berlin"),
            at(BERLIN_CHANGE - 3 * HOUR_MS),
            at(BERLIN_CHANGE),
            1,
        ),
    ],
    ids=["floating", "instants", "an offset, over midnight", "a zone", "a zone, to the moment its clock changes"],
)
def test_an_upload_tells_when_it_begins_and_ends_and_on_which_days_it_lies(
    world: SamplesWorld, start: Start, first: Moment, last: Moment, days: int
) -> None:
    world.upload(minutes("u", 180, start))
    known = of_metric(world, COUNTS.metric)
    assert (known.first_start, known.last_end, known.day_count) == (first, last, days)


def test_an_irregular_upload_ends_with_its_last_sample(world: SamplesWorld) -> None:
    beats = Descriptor("heartbeat_rr_interval", WRIST, Start(StartKind.INSTANT, 0), None, Encoding.INT16, scale=1.0)
    world.upload(Recording("u", beats, np.arange(3, dtype="<i2").tobytes(), np.asarray([5, 900, 1700])))
    assert of_metric(world, beats.metric).last_end == Moment(1701, None)


def test_a_day_that_several_sources_know_counts_once(world: SamplesWorld) -> None:
    day = Start(StartKind.OFFSET, NOON_MS, utc_offset_s=0)
    world.upload(minutes("u", 10, day))
    world.upload(minutes("w", 10, day, WATCH))
    assert of_metric(world, COUNTS.metric).day_count == 1


def test_an_instant_comes_before_a_floating_time_whatever_they_say(world: SamplesWorld) -> None:
    world.write(sent("a", start=Moment(None, 0)), sent("c", start=Moment(None, NOON_MS + 9 * DAY_MS)))
    world.write(sent("b", source=WATCH))
    known = of_metric(world, "heart_rate")
    assert (known.first_start, known.last_end) == (at(NOON_MS), at(NOON_MS))


def test_of_a_series_in_part_deleted_the_rest_tells_times_and_days(world: SamplesWorld) -> None:
    world.upload(minutes("u", 2 * 1440, Start(StartKind.OFFSET, 0, utc_offset_s=0)))
    first_day = TimeRange(TimeKind.CIVIL, 0, DAY_MS)
    world.remove.remove(ACCOUNT, Wanted(source=WRIST, range=first_day), None, "", b"")
    known = of_metric(world, COUNTS.metric)
    assert (known.first_start, known.last_end, known.day_count) == (at(DAY_MS, 0), at(2 * DAY_MS, 0), 1)
    assert known.series_sample_count == 2 * 1440
    world.remove.remove(ACCOUNT, Wanted(source=WRIST), None, "", b"")
    known = of_metric(world, COUNTS.metric)
    assert (known.first_start, known.last_end, known.day_count) == (None, None, 0)


# ---- sources ---------------------------------------------------------------------------------------------------------


def test_a_source_tells_what_it_has_sent(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("r", "rem", source=WRIST))
    world.upload(minutes("u", 10, Start(StartKind.INSTANT, 0)))
    world.upload(minutes("v", 5, Start(StartKind.INSTANT, DAY_MS)))
    scale, wrist = sorted(sources(world), key=lambda one: one.setting.source.device)
    assert scale.setting == SourceSetting(SCALE)
    assert [(one.metric, one.sample_count, one.upload_count) for one in scale.metrics] == [("heart_rate", 1, 0)]
    assert [one.metric for one in wrist.metrics] == [COUNTS.metric, "sleep_stage"]
    assert wrist.metrics[0] == SourceMetric(
        metric=COUNTS.metric,
        source=WRIST,
        sample_count=0,
        upload_count=2,
        series_sample_count=15,
        first_start=Moment(0, None),
        last_end=Moment(DAY_MS + 5 * MINUTE_MS, None),
        last_write_time=wrist.metrics[0].last_write_time,
        civil_days=frozenset(),
    )
    assert wrist.metrics[0].last_write_time is not None


def test_sources_of_some_metrics_are_those_that_sent_one_and_only_that_is_told(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("r", "rem"), sent("b", source=WATCH))
    (found,) = sources(world, frozenset({"sleep_stage"}))
    assert found.setting.source == SCALE
    assert [one.metric for one in found.metrics] == ["sleep_stage"]


def test_the_most_believed_source_comes_first(world: SamplesWorld) -> None:
    strap, phone = Source("strap"), Source("phone")
    world.write(*(sent(one.device, source=one) for one in (SCALE, WATCH, strap, phone)))
    assert named(sources(world)) == [phone, SCALE, strap, WATCH]
    for source, kind, priority in (
        (WATCH, DeviceKind.WATCH, 0),
        (strap, DeviceKind.CHEST_STRAP, 0),
        (phone, DeviceKind.MANUAL, 7),
    ):
        setting = SourceSetting(source, kind, priority)
        assert world.known.update(ACCOUNT, setting) == setting
    assert named(sources(world)) == [phone, strap, WATCH, SCALE]
    assert sources(world)[0].setting == SourceSetting(phone, DeviceKind.MANUAL, 7)


def test_a_source_that_never_sent_anything_is_not_found(world: SamplesWorld) -> None:
    world.write(sent("a"))
    with pytest.raises(SourceNotFound):
        world.known.update(ACCOUNT, SourceSetting(WATCH, DeviceKind.WATCH))
    with pytest.raises(SourceNotFound):
        world.known.update(new_id(), SourceSetting(SCALE, DeviceKind.SCALE))
    world.remove.remove(ACCOUNT, Wanted(source=SCALE), None, "", b"")
    world.known.update(ACCOUNT, SourceSetting(SCALE, DeviceKind.SCALE))
    assert named(sources(world)) == [SCALE]


@pytest.mark.parametrize("page_size", [1, 2, 3, 5])
def test_pages_list_every_source_once_though_one_is_set_meanwhile(world: SamplesWorld, page_size: int) -> None:
    several = [Source(f"{number}") for number in range(5)]
    world.write(*(sent("a", source=one) for one in several))
    assert named(sources(world, page_size=page_size)) == several
    page, token = world.known.list(ACCOUNT, None, 2, "")
    world.known.update(ACCOUNT, SourceSetting(several[0], DeviceKind.MANUAL))
    rest, _ = world.known.list(ACCOUNT, None, 5, token)
    assert named([*page, *rest]) == [*several, several[0]]


def test_a_token_is_bound_to_the_metrics(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b", source=WATCH))
    _, token = world.known.list(ACCOUNT, None, 1, "")
    with pytest.raises(PageTokenInvalid):
        world.known.list(ACCOUNT, frozenset({"heart_rate"}), 1, token)


def test_a_page_of_sources_is_bounded_by_what_they_have_sent(world: SamplesWorld) -> None:
    for device in ("a", "b", "c"):
        source = Source(device)
        world.write(sent(device, source=source), sent(device, 70.0, metric="body_mass", unit="kg", source=source))
    known = replace(world.known, rows_max=5)
    first, token = known.list(ACCOUNT, None, 0, "")
    assert [one.setting.source.device for one in first] == ["a"]
    second, _ = known.list(ACCOUNT, None, 0, token)
    assert [one.setting.source.device for one in second] == ["b"]

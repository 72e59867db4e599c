"""ListChanges is enough: a mirror made of it alone ends equal, whoever writes and deletes meanwhile."""

import hashlib
import math
import random
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import google_crc32c
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.datetime_pb2 import DateTime

from clarity import local
from clarity.local import Server, outbox_of, own_stores
from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.sample_pb2 import (
    VERDICT_QUARANTINED,
    Category,
    Change,
    Component,
    Correlation,
    ObservationTime,
    Quantity,
    Sample,
)
from clarity.v1.series_pb2 import Chunk, Encoding, OffsetChange, SeriesDescriptor, SeriesItem, Source
from tests.edge.people import People, Person
from tests.edge.surfaces import reason_of, status_of
from tests.story.mirror import Mirror

R = TypeVar("R")

SEED = 20_261_123
SOURCES = (Source(device="ring", app="a"), Source(device="watch"))
PULSE, STEPS, STAGE, PRESSURE = "heart_rate", "step_count", "sleep_stage", "blood_pressure"
DISCRETE = (PULSE, STEPS, STAGE, PRESSURE)
SERIES = (PULSE, "activity_counts_1min")
DAYS = 4
MONDAY_S = 1_709_510_400  # 2024-03-04T00:00Z
OFFSET_S = 3600
IDS = 40  # of each metric and source: so few that versions meet
WRONG_KIND = frozenset({"TIME_KIND_WRONG"})  # there is nothing that has this kind of time
HARMLESS = WRONG_KIND | {"SAMPLE_NOT_FOUND"}  # of a delete that finds nothing
WITHIN_S = 60.0


@dataclass
class Town:
    """A server with people, and everything it was started with."""

    place: Path
    server: Server
    channel: grpc.Channel
    people: People

    @property
    def data(self) -> HealthDataServiceStub:
        return self.people.data

    def mirror(self, whose: Person, mine: Person | None = None) -> Mirror:
        return Mirror(self.data, whose, self.data, mine or self.people.somebody("mirror"))

    def store(self, *arguments: str) -> None:
        """Do something to the stores as whoever runs the server does."""
        command = [*local.server_command(), "store", *arguments]
        environ = local.environment(settings(self.place), inherit=False)
        subprocess.run(command, env=environ, check=True, capture_output=True)


def settings(place: Path) -> Mapping[str, str]:
    return {**own_stores(place), "RATE_FACTOR": "0"}


@contextmanager
def town(place: Path) -> Iterator[Town]:
    place.mkdir(exist_ok=True)
    with ExitStack() as held:
        server = held.enter_context(Server(settings(place), place, log=place / "server.log"))
        channel = held.enter_context(grpc.insecure_channel(server.address))
        yield Town(place, server, channel, People(channel, server.address, outbox_of(place)))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("mirror")) as made:
        yield made


def expect(reasons: frozenset[str], call: Callable[[], R]) -> R | str:
    """Return what a call answers; or why it was refused, for one of some reasons."""
    try:
        return call()
    except grpc.RpcError as error:
        reason = reason_of(status_of(error))
        if reason not in reasons:
            raise
        return reason


# ---- what people do --------------------------------------------------------------------------------------------------


def moment(minute: int, kind: str) -> ObservationTime:
    """A minute of those days, by one of three kinds of time."""
    day, rest = divmod(minute, 1440)
    civil = DateTime(year=2024, month=3, day=4 + day, hours=rest // 60, minutes=rest % 60)
    if kind == "instant":
        return ObservationTime(instant=Timestamp(seconds=MONDAY_S + 60 * minute))
    if kind == "offset":
        civil.utc_offset.CopyFrom(Duration(seconds=OFFSET_S))
    return ObservationTime(civil=civil)


def sample(drawn: random.Random) -> Sample:
    """A sample whose id, version and content others have, too, or have not."""
    metric, name = drawn.choice(DISCRETE), drawn.randrange(IDS)
    kind, minute = ("floating", "offset", "instant")[name % 3], drawn.randrange(DAYS * 1440 - 60)
    made = Sample(
        metric=metric,
        source=drawn.choice(SOURCES),
        client_record_id=f"r{name}",
        client_record_version=drawn.randrange(6),
        start=moment(minute, kind),
    )
    if metric == PULSE:
        made.quantity.CopyFrom(Quantity(value=float(drawn.randrange(40, 200)), ucum_unit="/min"))
        return made
    made.end.CopyFrom(moment(minute + drawn.randrange(1, 60), kind))
    if metric == STEPS:
        made.quantity.CopyFrom(Quantity(value=float(drawn.randrange(200)), ucum_unit="{steps}"))
    elif metric == STAGE:
        made.category.CopyFrom(Category(code=drawn.choice(("deep", "light", "rem")), vendor_code="N"))
    else:
        parts = {"blood_pressure_systolic": 120.0 + drawn.randrange(40), "blood_pressure_diastolic": 80.5}
        components = [
            Component(metric=one, quantity=Quantity(value=value, ucum_unit="mm[Hg]")) for one, value in parts.items()
        ]
        made.correlation.CopyFrom(Correlation(components=components))
    return made


def write(data: HealthDataServiceStub, who: Person, drawn: random.Random) -> None:
    samples = [sample(drawn) for _ in range(drawn.randrange(1, 25))]
    told = data.WriteSamples(pb.WriteSamplesRequest(samples=samples), metadata=who.metadata)
    assert all(result.verdict != VERDICT_QUARANTINED for result in told.results), told


def delete(data: HealthDataServiceStub, who: Person, drawn: random.Random) -> None:
    """Delete some ids, or a range of something of some source."""
    asked = pb.DeleteSamplesRequest()
    first, length = drawn.randrange((DAYS - 1) * 1440), drawn.randrange(1, 900)
    match drawn.choice(("ids", "metric", "source", "both")):
        case "ids":
            listing = pb.ListSamplesRequest(metric=drawn.choice(DISCRETE))
            found = list(data.ListSamples(listing, metadata=who.metadata).samples)
            asked.sample_ids.extend(one.sample_id for one in drawn.sample(found, min(3, len(found))))
        case "metric":
            asked.metrics.append(drawn.choice((*DISCRETE, *SERIES)))
        case "source":
            asked.source.CopyFrom(drawn.choice(SOURCES))
        case _:
            asked.metrics.extend((PULSE, STEPS))
            asked.source.CopyFrom(drawn.choice(SOURCES))
    if not asked.sample_ids:
        kind = drawn.choice(("floating", "instant"))
        start, end = moment(first, kind), moment(first + length, kind)
        if kind == "instant":
            asked.instant.CopyFrom(pb.InstantRange(start=start.instant, end=end.instant))
        else:
            asked.civil.CopyFrom(pb.CivilRange(start=start.civil, end=end.civil))
    expect(HARMLESS, lambda: data.DeleteSamples(asked, metadata=who.metadata))


def described(drawn: random.Random, number: int) -> SeriesDescriptor:
    """A recording of one of four shapes."""
    series = SeriesDescriptor(metric=drawn.choice(SERIES), source=drawn.choice(SOURCES), revision=drawn.randrange(3))
    start = moment(drawn.randrange(DAYS - 1) * 1440, ("floating", "offset", "instant")[number % 3])
    series.MergeFrom(
        SeriesDescriptor(civil=start.civil) if start.HasField("civil") else SeriesDescriptor(instant=start.instant)
    )
    if series.metric != PULSE or number % 4:
        series.period.CopyFrom(Duration(seconds=60))
    if series.metric == PULSE and number % 2:
        series.encoding, series.scale = Encoding.ENCODING_INT16, 0.5
    return series


def chunk(drawn: random.Random, series: SeriesDescriptor, first: int, count: int) -> Chunk:
    whole = [drawn.randrange(40, 200) for _ in range(count)]
    data = struct.pack(f"<{count}{'h' if series.encoding == Encoding.ENCODING_INT16 else 'f'}", *whole)
    offsets = [] if series.HasField("period") else [1000 * 60 * at + at % 7 for at in range(first, first + count)]
    packed = struct.pack(f"<{len(offsets)}q", *offsets)
    return Chunk(first_sample=first, values=data, crc32c=google_crc32c.value(data + packed), offsets_ms=offsets)


def upload(data: HealthDataServiceStub, who: Person, drawn: random.Random) -> None:
    send(data, who, drawn, described(drawn, drawn.randrange(12)))


def rework(data: HealthDataServiceStub, who: Person, drawn: random.Random) -> None:
    """Upload a recording, delete an hour of it or all, and upload another one in its place."""
    series = described(drawn, 3 * drawn.randrange(4))  # floating
    send(data, who, drawn, series)
    asked = pb.DeleteSamplesRequest(metrics=[series.metric], source=series.source)
    if drawn.random() < 0.7:
        start, end = (DateTime(year=2024, month=3, day=series.civil.day, hours=hours) for hours in (0, 1))
        asked.civil.CopyFrom(pb.CivilRange(start=start, end=end))
    expect(HARMLESS, lambda: data.DeleteSamples(asked, metadata=who.metadata))
    series.revision += 5
    send(data, who, drawn, series)


def send(data: HealthDataServiceStub, who: Person, drawn: random.Random, series: SeriesDescriptor) -> None:
    """Append a recording piece by piece, with a move of the clock where it has an offset; finish it, or not."""
    name, sent, first = f"u{drawn.randrange(1 << 60)}", b"", 0
    for _ in range(drawn.randrange(1, 5)):
        piece = chunk(drawn, series, first, drawn.randrange(1, 200))
        items = [SeriesItem(chunk=piece)]
        if first and series.civil.HasField("utc_offset") and drawn.random() < 0.5:
            move = OffsetChange(first_sample=first, utc_offset=Duration(seconds=drawn.choice((0, 7200))))
            items.insert(0, SeriesItem(offset_change=move))
        data.AppendSeries(pb.AppendSeriesRequest(upload_id=name, series=series, items=items), metadata=who.metadata)
        sent += piece.values
        first += len(piece.values) // (2 if series.encoding == Encoding.ENCODING_INT16 else 4)
    if drawn.random() < 0.7:
        digest = hashlib.sha256(sent).digest()
        asked = pb.FinishUploadRequest(upload_id=name, total_samples=first, sha256=digest)
        data.FinishUpload(asked, metadata=who.metadata)


Doing = Callable[[HealthDataServiceStub, Person, random.Random], None]
CREW: Sequence[tuple[Doing, int]] = ((write, 60), (write, 60), (delete, 25), (upload, 20), (rework, 8))
"""What is done at the same time, and how often."""


class Crew:
    """Threads that write and delete at the same time; what one of them fails with is raised at the end."""

    def __init__(self, data: HealthDataServiceStub, who: Person, seed: int) -> None:
        self._data = data
        self._who = who
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._work, args=(doing, times, data, who, random.Random(seed + number)))
            for number, (doing, times) in enumerate(CREW)
        ]

    def start(self) -> "Crew":
        for thread in self._threads:
            thread.start()
        return self

    @property
    def works(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def end(self) -> None:
        for thread in self._threads:
            thread.join(WITHIN_S)
        assert not self.works
        assert self._failures == []
        for seed, metric in enumerate(SERIES):  # so that something is left
            series = SeriesDescriptor(metric=metric, source=SOURCES[0], period=Duration(seconds=60), revision=1000)
            series.civil.CopyFrom(moment(0, "floating").civil)
            send(self._data, self._who, random.Random(seed), series)

    def _work(self, doing: Doing, times: int, data: HealthDataServiceStub, who: Person, drawn: random.Random) -> None:
        try:
            for _ in range(times):
                doing(data, who, drawn)
        except (grpc.RpcError, AssertionError) as failure:
            self._failures.append(failure)


# ---- what an account looks like --------------------------------------------------------------------------------------


def told(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


def samples_of(data: HealthDataServiceStub, who: Person, metric: str) -> list[dict[str, Any]]:
    """All samples, but for their ids, in which the account is."""
    found: list[dict[str, Any]] = []
    asked = pb.ListSamplesRequest(metric=metric, page_size=100)
    while True:
        page = data.ListSamples(asked, metadata=who.metadata)
        for one in page.samples:
            one.ClearField("sample_id")
            found.append(told(one))
        if not page.next_page_token:
            return sorted(found, key=str)
        asked.page_token = page.next_page_token


def ranges() -> Iterator[Mapping[str, Any]]:
    yield {"civil": pb.CivilRange(start=DateTime(year=2024, month=3, day=3), end=DateTime(year=2024, month=3, day=12))}
    instants = (Timestamp(seconds=MONDAY_S + days * 86_400) for days in (-1, 8))
    yield {"instant": pb.InstantRange(start=next(instants), end=next(instants))}


def values_of(data: HealthDataServiceStub, who: Person, metric: str) -> dict[tuple[str, int], float]:
    """Every value there is of a series, by source and time. "No value" is none, whether it was sent or deleted."""
    found: dict[tuple[str, int], float] = {}
    for span in ranges():
        asked = pb.ReadSeriesRequest(metric=metric, **span)
        messages = expect(WRONG_KIND, partial(read, data, who, asked))
        for message in messages if isinstance(messages, list) else ():
            found |= {key: value for key, value in values_in(message.block) if not math.isnan(value)}
    return found


def read(data: HealthDataServiceStub, who: Person, asked: pb.ReadSeriesRequest) -> list[pb.ReadSeriesResponse]:
    return list(data.ReadSeries(asked, metadata=who.metadata))


def values_in(block: pb.SeriesBlock) -> Iterator[tuple[tuple[str, int], float]]:
    start_ms, kind = block.instant.ToMilliseconds(), "instant"
    if block.HasField("civil"):
        at, kind = block.civil, "civil"
        start_ms = 1000 * (86_400 * at.day + 3600 * at.hours + 60 * at.minutes + at.seconds) + at.nanos // 1_000_000
    for place, (value,) in enumerate(struct.iter_unpack("<f", block.values)):
        after_ms = block.offsets_ms[place] if block.offsets_ms else place * block.period.ToMilliseconds()
        yield (f"{kind} {block.source.device}", start_ms + after_ms), value


def sums_of(data: HealthDataServiceStub, who: Person, metric: str) -> Iterator[dict[str, Any] | str]:
    """The sums of a metric, of a series source by source.

    A source of whose series only "no value" is left is still one there, and two that cannot be aligned are refused. In
    a mirror it may have gone altogether: it is told values, and none of what is deleted.
    """
    civil, instant = ranges()
    by_day = pb.CivilBuckets(unit=pb.CivilBuckets.UNIT_DAY)
    by_hour = pb.PhysicalBuckets(length=Duration(seconds=3600))
    for source in SOURCES if metric in SERIES else (None,):
        for asked in (
            pb.AggregateSamplesRequest(metric=metric, source=source, calendar=by_day, show_sources=True, **civil),
            pb.AggregateSamplesRequest(metric=metric, source=source, physical=by_hour, show_sources=True, **instant),
        ):
            answer = expect(WRONG_KIND, partial(data.AggregateSamples, asked, metadata=who.metadata))
            if not isinstance(answer, str):
                answer.ClearField("sources")
            yield answer if isinstance(answer, str) else told(answer)


def look(data: HealthDataServiceStub, who: Person) -> dict[str, Any]:
    """All that can be read of an account."""
    summed = (PULSE, STEPS, STAGE, "activity_counts_1min", "blood_pressure_systolic")
    return {
        **{f"samples of {metric}": samples_of(data, who, metric) for metric in DISCRETE},
        **{f"series of {metric}": values_of(data, who, metric) for metric in SERIES},
        **{f"sums of {metric}": list(sums_of(data, who, metric)) for metric in summed},
    }


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name, seen in one.items():
        assert other[name] == seen, name
    assert one.keys() == other.keys()


def is_lively(seen: dict[str, Any]) -> bool:
    """Whether there is enough to compare."""
    samples = sum(len(seen[f"samples of {metric}"]) for metric in DISCRETE)
    return samples > IDS and all(seen[f"series of {metric}"] for metric in SERIES)


# ---- what must be true -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [SEED, SEED + 100])
def test_a_mirror_ends_equal_whoever_writes_and_deletes_meanwhile(here: Town, seed: int) -> None:
    """It reads while they write, and once loses its last pages: what it hears again does no harm."""
    writer, drawn = here.people.somebody("writer"), random.Random(seed)
    mirror = here.mirror(writer)
    crew = Crew(here.data, writer, seed).start()
    while crew.works:
        mirror.follow()
        if drawn.random() < 0.1:
            mirror.go_back(drawn.randrange(1, 6))
    crew.end()
    mirror.go_back(20)
    mirror.catch_up()
    seen = look(here.data, writer)
    assert is_lively(seen)
    assert mirror.kinds == {"sample", "sample_deleted", "series_part", "series_finished", "series_deleted", "replaced"}
    assert_equal(look(here.data, mirror.mine), seen)


def test_a_mirror_on_another_server_that_begins_when_all_is_done_ends_equal(here: Town, tmp_path: Path) -> None:
    """And so does a mirror of that mirror."""
    writer = here.people.somebody("writer")
    Crew(here.data, writer, SEED + 200).start().end()
    seen = look(here.data, writer)
    assert is_lively(seen)
    with town(tmp_path / "there") as there:
        first = Mirror(here.data, writer, there.data, there.people.somebody("mirror"), page_size=1000)
        first.catch_up()
        assert_equal(look(there.data, first.mine), seen)
        second = there.mirror(first.mine)
        second.catch_up()
        assert_equal(look(there.data, second.mine), seen)


def test_a_deletion_that_is_heard_again_deletes_nothing_that_came_after_it(here: Town) -> None:
    """A mirror knows by the number that it has had it."""
    writer, drawn = here.people.somebody("writer"), random.Random(SEED)
    series = SeriesDescriptor(metric=PULSE, source=SOURCES[0], period=Duration(seconds=60), civil=moment(0, "").civil)
    whole_day = pb.CivilRange(start=moment(0, "").civil, end=moment(1440, "").civil)
    for revision in (0, 1):
        series.revision = revision
        items = [SeriesItem(chunk=chunk(drawn, series, 0, 60))]
        asked = pb.AppendSeriesRequest(upload_id=f"u{revision}", series=series, items=items)
        here.data.AppendSeries(asked, metadata=writer.metadata)
        if not revision:
            here.data.DeleteSamples(pb.DeleteSamplesRequest(civil=whole_day), metadata=writer.metadata)
    mirror = here.mirror(writer)
    for _ in range(2):
        mirror.catch_up()
        mirror.go_back(len(mirror.tokens))
    assert len(values_of(here.data, writer, PULSE)) == 60
    assert_equal(look(here.data, mirror.mine), look(here.data, writer))


def test_the_numbers_are_consecutive_whatever_the_size_of_a_page(here: Town) -> None:
    """Red, too, if a number that is there when it is told of were given out later than a higher one."""
    writer = here.people.somebody("writer")
    crew = Crew(here.data, writer, SEED + 300).start()
    for page_size in (1, 7, 1000):
        numbers, asked = [0], pb.ListChangesRequest(page_size=page_size)
        while True:
            page = here.data.ListChanges(asked, metadata=writer.metadata)
            for change in page.changes:
                again = change.WhichOneof("change") == "series_part" and change.number == numbers[-1]
                assert change.number == numbers[-1] + (0 if again else 1)
                numbers.append(change.number)
            asked.change_token = page.next_change_token
            if not page.has_more:
                break
            assert page.told_number in {numbers[-1], numbers[-1] - 1}  # the last part of that one may be still to come
        assert page.told_number == numbers[-1]
    crew.end()
    newest = here.data.GetSummary(pb.GetSummaryRequest(), metadata=writer.metadata).change_number
    assert newest > 500


def test_changes_of_some_metrics_are_those_of_all_without_the_others(here: Town) -> None:
    writer = here.people.somebody("writer")
    Crew(here.data, writer, SEED + 400).start().end()
    whole, some = (changes_of(here.data, writer, metrics) for metrics in ([], [PULSE, STEPS]))
    wanted = [change for change in whole if metric_of(change) in {PULSE, STEPS}]
    kept = [change for change in some if metric_of(change)]
    assert [change.number for change in kept] == [change.number for change in wanted]
    assert kept == wanted


def changes_of(data: HealthDataServiceStub, who: Person, metrics: Sequence[str]) -> list[Change]:
    found: list[Change] = []
    asked = pb.ListChangesRequest(metrics=metrics)
    while True:
        page = data.ListChanges(asked, metadata=who.metadata)
        found += page.changes
        asked.change_token = page.next_change_token
        if not page.has_more:
            return found


def metric_of(change: Change) -> str:
    """What a change is of, where it says so."""
    said = getattr(change, change.WhichOneof("change") or "")
    return str(said.series.metric if hasattr(said, "series") else getattr(said, "metric", ""))


def test_after_a_restore_an_old_token_is_told_to_resync_and_a_new_mirror_ends_equal(tmp_path: Path) -> None:
    """What came after the backup is gone, and its numbers are given again: no old token may go on among them."""
    place, backup = tmp_path / "served", tmp_path / "backup"
    with town(place) as before:
        writer, drawn = before.people.somebody("writer"), random.Random(SEED)
        mine = before.people.somebody("mirror")
        for _ in range(5):
            write(before.data, writer, drawn)
            upload(before.data, writer, drawn)
        old = before.mirror(writer, mine)
        old.catch_up()
        before.store("backup", str(backup))
        write(before.data, writer, drawn)
    before.store("restore", str(backup))
    with town(place) as after:
        for token in old.tokens[1:]:
            asked = pb.ListChangesRequest(change_token=token)
            with pytest.raises(grpc.RpcError) as refused:
                after.data.ListChanges(asked, metadata=writer.metadata)
            assert refused.value.code() is grpc.StatusCode.OUT_OF_RANGE
            assert reason_of(status_of(refused.value)) == "CHANGE_TOKEN_EXPIRED"
        anew = after.mirror(writer)
        anew.catch_up()
        assert_equal(look(after.data, anew.mine), look(after.data, writer))

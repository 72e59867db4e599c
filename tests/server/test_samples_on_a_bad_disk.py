"""What a client is told while the server's disk is full, fails or has damage on it; and that the rest is served."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest
import pytest_asyncio
from google.type.datetime_pb2 import DateTime

from clarity.v1 import health_data_service_pb2 as pb
from tests.adapters.faulty_disk import FaultyDisk
from tests.server.house import OK, STEPS, House, Person, Told, house, sample

SERVICE = "/clarity.v1.HealthDataService"
FULL_BYTES = 64 * 1024


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    disk = FaultyDisk(for_all=True)
    yield disk
    disk.unregister()


@pytest_asyncio.fixture
async def served(disk: FaultyDisk, tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as served:
        yield served
        disk.orders.log_bytes_max, disk.orders.read_only = None, False


async def written(served: House, person: Person, *records: str, request_id: str = "") -> Told:
    asked = pb.WriteSamplesRequest(samples=[sample(record) for record in records], request_id=request_id)
    return await served.told(f"{SERVICE}/WriteSamples", [asked.SerializeToString()], served.tokens.good(person))


async def listed(served: House, person: Person) -> list[str]:
    asked = pb.ListSamplesRequest(metric=STEPS)
    (page,) = await served.ask(f"{SERVICE}/ListSamples", person, asked)
    assert isinstance(page, pb.ListSamplesResponse)
    return sorted(one.client_record_id for one in page.samples)


async def test_a_full_disk_is_said_to_be_full_and_what_is_there_is_read(served: House, disk: FaultyDisk) -> None:
    person, many = served.person(), [f"more {number}" for number in range(1000)]
    assert await written(served, person, "one") == OK
    disk.orders.log_bytes_max = FULL_BYTES
    told = await written(served, person, *many, request_id="again")
    assert (told.code, told.reason) == ("RESOURCE_EXHAUSTED", "STORE_FULL")
    assert await listed(served, person) == ["one"]
    disk.orders.log_bytes_max = None
    assert await written(served, person, *many, request_id="again") == OK
    assert served.world.changes.newest(person.account_id) == 1001


async def test_a_disk_that_turned_read_only_is_unavailable_and_what_is_there_is_read(
    served: House, disk: FaultyDisk
) -> None:
    person = served.person()
    assert await written(served, person, "one") == OK
    disk.orders.read_only = True
    told = await written(served, person, "two", request_id="again")
    assert (told.code, told.reason) == ("UNAVAILABLE", "STORE_UNAVAILABLE")
    assert await listed(served, person) == ["one"]
    disk.orders.read_only = False
    assert await written(served, person, "two", request_id="again") == OK
    assert await listed(served, person) == ["one", "two"]


async def test_a_damaged_sample_is_told_by_its_id_a_sum_over_it_is_data_loss_and_others_are_read(
    served: House, tmp_path: Path
) -> None:
    person, other = served.person(), served.person()
    for somebody in (person, other):
        assert await written(served, somebody, "one", "two") == OK
    spoil = "UPDATE samples SET body = zeroblob(length(body)) WHERE account_id = ? AND number = 1"
    connection = apsw.Connection(str(tmp_path / "clarity.db"))
    connection.execute(spoil, (person.account_id,))
    connection.close()
    (page,) = await served.ask(f"{SERVICE}/ListSamples", person, pb.ListSamplesRequest(metric=STEPS))
    assert isinstance(page, pb.ListSamplesResponse)
    assert (len(page.damaged_sample_ids), len(page.samples)) == (1, 1)
    asked = pb.AggregateSamplesRequest(metric=STEPS, calendar=pb.CivilBuckets(unit=pb.CivilBuckets.UNIT_DAY))
    asked.civil.start.CopyFrom(DateTime(year=2026, month=9, day=2))
    asked.civil.end.CopyFrom(DateTime(year=2026, month=9, day=3))
    told = await served.told(f"{SERVICE}/AggregateSamples", [asked.SerializeToString()], served.tokens.good(person))
    assert (told.code, told.reason, told.facts) == ("DATA_LOSS", "STORE_DAMAGED", ())  # a sum without it would be wrong
    assert await listed(served, other) == ["one", "two"]

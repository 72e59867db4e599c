"""No secret and no value is anywhere in plain: not in a log, an error text, or the bytes of a file.

Every RPC is called with marked passwords, tokens, codes, addresses and values: as they are meant, and as nonsense. Then
everything that was answered in an error, and everything that was written, is searched for the marks. What is delivered
to a mailbox is not searched: a mail has an address and a code by its nature.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import google_crc32c
import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.type.datetime_pb2 import DateTime

from clarity.calls import Target
from clarity.client import Client
from clarity.credentials import MemoryTokens
from clarity.local import Stand, outbox_of, own_stores
from clarity.mailbox import joined
from clarity.v1.health_data_service_pb2 import AppendSeriesRequest, DeleteSamplesRequest, WriteSamplesRequest
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.sample_pb2 import Category, ObservationTime, Quantity, Sample
from clarity.v1.series_pb2 import Chunk, SeriesDescriptor, SeriesItem, Source
from tests.fuzz.target import SERVICES

EMAIL = "canary-feather@example.org"
OTHER_EMAIL = "canary-plume@example.org"
PASSWORD = "Canary-Passw0rd-Ae9"
WRONG = "Canary-Wr0ngpass-Bf8"
NAME = "Canaria Featherstone"
TOKEN = "canarytokencanarytokencanarytoken"
CODE = "80818283"
RECORD = "canary-record-Cg7"
VENDOR = "Canaria Vendor Code"
VALUES = [54_321.125, 98_765.25, 12_345.75, 67_890.5]
"""Numbers that float32 holds exactly, so that their bytes and their digits can be looked for."""

MARKED_FIELDS: Mapping[str, str] = {
    "email": OTHER_EMAIL,
    "password": WRONG,
    "new_password": WRONG,
    "display_name": NAME,
    "first_name": NAME,
    "last_name": NAME,
    "ticket": TOKEN,
    "refresh_token": TOKEN,
    "receipt_secret": TOKEN,
    "page_token": TOKEN,
    "change_token": TOKEN,
    "client_record_id": RECORD,
    "vendor_code": VENDOR,
    "resume_token": TOKEN,
    "recovery_code": TOKEN,
    "code": CODE,
    "totp_code": CODE,
}
LASTING_S = 0.5


@dataclass(frozen=True)
class Scene:
    """A server with somebody in it, and what it said when it refused."""

    place: Path
    tokens: tuple[str, ...]
    refusals: tuple[str, ...]


def marks(scene: Scene) -> Iterator[bytes]:
    """All that must be nowhere, as bytes."""
    secrets = (EMAIL, OTHER_EMAIL, PASSWORD, WRONG, NAME, TOKEN, RECORD, VENDOR, *scene.tokens)
    for text in secrets:
        yield text.encode()
        yield text.encode("utf-16-le")
    for one, next_one in pairwise(VALUES):
        yield struct.pack("<2f", one, next_one)
        yield struct.pack("<2d", one, next_one)
    for value in VALUES:
        yield struct.pack("<d", value)
        yield struct.pack(">d", value)  # as SQLite has a number
        yield repr(value).encode()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    place = tmp_path_factory.mktemp("canary")
    with (
        Stand(place, own_stores(place), log=place / "server.log") as stand,
        Client(Target(stand.server.address, tls=False), MemoryTokens()) as client,
    ):
        session = joined(client, outbox_of(place), EMAIL, PASSWORD, NAME)
        with grpc.insecure_channel(stand.server.address) as channel:
            send_values(channel, session.access_token)
            send_samples(channel, session.access_token)
        refusals = [
            text
            for address in (stand.server.address, stand.edge_address)
            for token in ("", TOKEN, client.token())
            for text in asked_everything(address, token)
        ]
        return Scene(place, (session.access_token, session.refresh_token), tuple(refusals))


def send_values(channel: grpc.Channel, token: str) -> None:
    """Append marked values, and then others in their place."""
    stub = HealthDataServiceStub(channel)
    start = DateTime(year=2024, month=3, day=4)
    series = SeriesDescriptor(metric="heart_rate", source=Source(device="w"), civil=start, period=Duration(seconds=60))
    metadata = (("authorization", f"Bearer {token}"),)
    stub.AppendSeries(appended(series, VALUES), metadata=metadata)
    with pytest.raises(grpc.RpcError, match="differs from what is stored"):
        stub.AppendSeries(appended(series, VALUES[::-1]), metadata=metadata)


def appended(series: SeriesDescriptor, values: list[float]) -> AppendSeriesRequest:
    data = struct.pack(f"<{len(values)}f", *values)
    items = [SeriesItem(chunk=Chunk(first_sample=0, values=data, crc32c=google_crc32c.value(data)))]
    return AppendSeriesRequest(upload_id="u", series=series, items=items)


def send_samples(channel: grpc.Channel, token: str) -> None:
    """Write marked samples, others in their place, and some that are put aside; say it again, and delete one."""
    stub, metadata = HealthDataServiceStub(channel), (("authorization", f"Bearer {token}"),)
    stored = [measured("distance_walking_running", f"{RECORD}-{at}", value) for at, value in enumerate(VALUES)]
    conflicting = [measured("distance_walking_running", f"{RECORD}-0", value) for value in VALUES[1:]]
    aside = [measured("heart_rate", f"{RECORD}-{at}", value) for at, value in enumerate(VALUES)]
    coded = measured("sleep_stage", RECORD, 0.0)
    coded.category.CopyFrom(Category(code="deep", vendor_code=VENDOR))
    asked = WriteSamplesRequest(samples=[*stored, *conflicting, *aside, coded], request_id="canary")
    told = stub.WriteSamples(asked, metadata=metadata)
    assert (told.stored_count, told.conflict_count, told.quarantined_count) == (5, 3, 4), told
    assert stub.WriteSamples(asked, metadata=metadata) == told
    gone = DeleteSamplesRequest(sample_ids=[told.results[0].sample_id])
    assert stub.DeleteSamples(gone, metadata=metadata).sample_count == 1


def measured(metric: str, client_record_id: str, value: float) -> Sample:
    start = ObservationTime(civil=DateTime(year=2024, month=3, day=4))
    quantity = Quantity(value=value, ucum_unit="m" if metric.startswith("distance") else "/min")
    source = Source(device="w")
    return Sample(metric=metric, source=source, client_record_id=client_record_id, start=start, quantity=quantity)


def asked_everything(address: str, token: str) -> Iterator[str]:
    """Call every RPC with marks in its fields; yield what it said when it refused."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(address) as channel:
        for service in SERVICES.values():
            for method in service.methods:
                if method.name != "SignOut":  # it would end the session that the others are called with
                    yield from refusal(channel, method, metadata)


def refusal(channel: grpc.Channel, method: MethodDescriptor, metadata: tuple[tuple[str, str], ...]) -> Iterator[str]:
    path = f"/{method.containing_service.full_name}/{method.name}"
    answers = GetMessageClass(method.output_type)
    call = channel.stream_stream(path, Message.SerializeToString, answers.FromString)(
        iter([marked(method.input_type)]), metadata=metadata, timeout=LASTING_S if method.server_streaming else 30.0
    )
    try:
        for answer in call:
            if "problem" in answers.DESCRIPTOR.fields_by_name and answer.HasField("problem"):
                yield str(answer)
    except grpc.RpcError as error:
        yield f"{error.details()} {error.trailing_metadata()}"


def marked(described: Descriptor) -> Message:
    """A request with a mark in every field that has one; as far as it goes, a valid one."""
    message = GetMessageClass(described)()
    for field in described.fields:
        if field.is_repeated:
            if field.message_type is not None and field.message_type.name == Sample.DESCRIPTOR.name:
                getattr(message, field.name).append(marked(field.message_type))
        elif field.message_type is not None and field.message_type.full_name.startswith("clarity."):
            getattr(message, field.name).CopyFrom(marked(field.message_type))
        elif field.type == FieldDescriptor.TYPE_STRING and field.name in MARKED_FIELDS:
            setattr(message, field.name, MARKED_FIELDS[field.name])
        elif field.type == FieldDescriptor.TYPE_DOUBLE:
            setattr(message, field.name, VALUES[0])
    return message


def test_no_error_text_has_a_mark(scene: Scene) -> None:
    assert len(scene.refusals) > 100
    said = "\n".join(scene.refusals).encode()
    assert [mark for mark in marks(scene) if mark in said] == []


def test_no_file_has_a_mark(scene: Scene) -> None:
    files = [path for path in scene.place.rglob("*") if path.is_file() and outbox_of(scene.place) not in path.parents]
    names = {path.name for path in files}
    assert {"clarity.db", "server.log", "root.key"} <= names
    assert any(path.suffix == ".log" and "envoy" in str(path) for path in files)
    found = [(path.name, mark) for path in files for mark in marks(scene) if mark in path.read_bytes()]
    assert found == []


def test_no_file_is_named_after_a_mark(scene: Scene) -> None:
    names = "\n".join(str(path.relative_to(scene.place)) for path in scene.place.rglob("*")).encode()
    assert [mark for mark in marks(scene) if mark in names] == []


def test_the_search_finds_what_is_there(scene: Scene) -> None:
    """The mails have the address in them: a search that found nothing there would find nothing anywhere."""
    mails = b"".join(path.read_bytes() for path in outbox_of(scene.place).rglob("*.eml"))
    assert EMAIL.encode() in mails

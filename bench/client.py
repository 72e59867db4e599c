"""The client of every gRPC benchmark: one stream of chunks, and when the answers came."""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import google_crc32c
import grpc
from google.protobuf.duration_pb2 import Duration
from google.type.datetime_pb2 import DateTime

from clarity.calls import Target
from clarity.client import Client
from clarity.credentials import MemoryTokens
from clarity.local import outbox_of
from clarity.mailbox import joined
from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.series_pb2 import Chunk, SeriesDescriptor, Source

CHUNK_BYTES = 64 * 1024
SAMPLE_BYTES = 4
PASSWORD = "Bench-1918"
EMPTY_STREAM = "/bench.Empty/Stream"
START = DateTime(year=2020, month=1, day=1)

Stream = Callable[[Iterator[pb.StreamSeriesRequest]], Iterable[pb.StreamSeriesResponse]]


@dataclass(frozen=True, slots=True)
class Sent:
    """How long an upload took, from its first byte, in seconds."""

    acknowledged_s: float  # to the last acknowledgement that moved the committed count
    receipt_s: float


@dataclass(frozen=True, slots=True)
class Upload:
    """Some values on their way as a heart rate, one a second: a metric without days, so that nothing is derived."""

    values: bytes
    chunk_bytes: int = CHUNK_BYTES

    def requests(self) -> Iterator[pb.StreamSeriesRequest]:
        """Yield all messages of the upload, made one by one as a real client makes them."""
        source = Source(device="bench", app="bench")
        series = SeriesDescriptor(metric="heart_rate", source=source, civil=START, period=Duration(seconds=1))
        yield pb.StreamSeriesRequest(open=pb.OpenUpload(upload_id=uuid.uuid4().hex, series=series))
        digest = hashlib.sha256()
        for low in range(0, len(self.values), self.chunk_bytes):
            part = self.values[low : low + self.chunk_bytes]
            digest.update(part)
            yield pb.StreamSeriesRequest(
                chunk=Chunk(first_sample=low // SAMPLE_BYTES, values=part, crc32c=google_crc32c.value(part))
            )
        total = len(self.values) // SAMPLE_BYTES
        yield pb.StreamSeriesRequest(finish=pb.FinishUpload(total_samples=total, sha256=digest.digest()))

    def send(self, stream: Stream) -> Sent:
        """Send everything, hear everything."""
        committed, acknowledged, began = 0, 0.0, time.perf_counter()
        for answer in stream(self.requests()):
            if answer.progress.committed_samples > committed:
                committed, acknowledged = answer.progress.committed_samples, time.perf_counter()
        return Sent(acknowledged - began, time.perf_counter() - began)


def clarity_stream(channel: grpc.Channel, token: str) -> Stream:
    """StreamSeries of a signed-in account."""
    stub = HealthDataServiceStub(channel)
    return lambda requests: stub.StreamSeries(requests, metadata=bearer(token))


def empty_stream(channel: grpc.Channel) -> Stream:
    """The same messages to a server that only reads them."""
    call = channel.stream_stream(
        EMPTY_STREAM, pb.StreamSeriesRequest.SerializeToString, pb.StreamSeriesResponse.FromString
    )
    return cast(Stream, call)


def sign_up(address: str, place: Path) -> str:
    """Make an account at a server that keeps everything in a folder, and return its access token."""
    with member(address, place) as client:
        return client.token()


def member(address: str, place: Path) -> Client:
    """A client with an account of its own at such a server."""
    client = Client(Target(address, tls=False), MemoryTokens())
    joined(client, outbox_of(place), f"{uuid.uuid4().hex}@example.org", PASSWORD)
    return client


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that carries a token."""
    return (("authorization", f"Bearer {token}"),)

"""Accounts on the real server, made by stub, and the recordings they stream."""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import grpc
from google.protobuf.duration_pb2 import Duration
from google.type.datetime_pb2 import DateTime

from clarity.calls import Target
from clarity.client import Client
from clarity.mailbox import joined
from clarity.v1 import auth_service_pb2_grpc, health_data_service_pb2_grpc, insight_service_pb2_grpc
from clarity.v1.analysis_pb2 import ANALYSIS_STATE_SUCCEEDED, Analysis
from clarity.v1.auth_service_pb2 import SignInRequest, SignOutRequest
from clarity.v1.health_data_service_pb2 import (
    AppendSeriesRequest,
    FinishUpload,
    ListDaysRequest,
    OpenUpload,
    StreamSeriesRequest,
)
from clarity.v1.insight_service_pb2 import ListAnalysesRequest
from clarity.v1.series_pb2 import Chunk, SeriesDescriptor, SeriesItem, Source
from tests.edge.running import until

PASSWORD = "Correct-horse-9"
COUNTS = "activity_counts_1min"
HEART_RATE = "heart_rate"
MIDNIGHT = DateTime(year=2024, month=3, day=4)
DAYS = 8  # what `days()` has: two weeks that begin on two days
WEEKS = 2

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Person:
    """An account with an open session."""

    email: str
    account_id: str
    session_id: str
    access_token: str
    refresh_token: str

    @property
    def metadata(self) -> Metadata:
        """What every call of theirs carries."""
        return (("authorization", f"Bearer {self.access_token}"),)


class People:
    """Makes accounts and sessions, past Envoy."""

    def __init__(self, channel: grpc.Channel, address: str, outbox: Path) -> None:
        """Take a way to the server, where it is, and where its mail lies."""
        self._target = Target(address, tls=False)
        self._outbox = outbox
        self.auth = auth_service_pb2_grpc.AuthServiceStub(channel)
        self.data = health_data_service_pb2_grpc.HealthDataServiceStub(channel)
        self.insight = insight_service_pb2_grpc.InsightServiceStub(channel)
        self._count = 0

    def new_email(self, name: str) -> str:
        """An address that nobody has."""
        self._count += 1
        return f"{name}-{self._count}@example.org"

    def somebody(self, name: str) -> Person:
        """A new account, signed in."""
        email = self.new_email(name)
        with Client(self._target) as client:
            joined(client, self._outbox, email, PASSWORD)
        return self.signed_in(email)

    def signed_in(self, email: str) -> Person:
        """A new session of an account."""
        session = self.auth.SignIn(SignInRequest(email=email, password=PASSWORD)).session
        return Person(email, session.account_id, session.session_id, session.access_token, session.refresh_token)

    def signed_out(self, email: str) -> Person:
        """A session that has ended, with a token that has not."""
        gone = self.signed_in(email)
        self.auth.SignOut(SignOutRequest(), metadata=gone.metadata)
        return gone

    def append(self, person: Person, upload_id: str, series: SeriesDescriptor, *chunks: Chunk) -> None:
        """Commit some chunks."""
        items = [SeriesItem(chunk=chunk) for chunk in chunks]
        request = AppendSeriesRequest(upload_id=upload_id, series=series, items=items)
        self.data.AppendSeries(request, metadata=person.metadata)

    def stream(self, person: Person, upload_id: str, series: SeriesDescriptor, values: Sequence[float]) -> None:
        """Stream a whole recording and wait for its receipt."""
        told = list(self.data.StreamSeries(recording(upload_id, series, values), metadata=person.metadata))
        assert told[-1].HasField("receipt"), told

    def wait_for_days(self, person: Person, count: int) -> None:
        """Wait until so many civil days are listed, all of them closed."""

        def listed() -> bool:
            days = self.data.ListDays(ListDaysRequest(), metadata=person.metadata).days
            return len(days) == count and all(day.closed for day in days)

        until(listed)

    def wait_for_weeks(self, person: Person, count: int) -> list[Analysis]:
        """Wait until so many weeks are analysed and none waits; return them by date."""
        found: list[Analysis] = []

        def analysed() -> bool:
            told = self.insight.ListAnalyses(ListAnalysesRequest(), metadata=person.metadata)
            found[:] = [one for one in told.analyses if one.state == ANALYSIS_STATE_SUCCEEDED]
            return len(found) == count and not told.waiting_count

        until(analysed)
        return found


def days() -> list[float]:
    """A count a minute for so many days, as lively as the demonstration model wants a week to be.

    Awake from seven to eleven, on the stairs every fifty minutes, and asleep with a twitch now and then.
    """
    awake = [100.0 + minute * 7 % 311 + 1000.0 * (minute % 50 == 0) for minute in range(420, 1380)]
    asleep = [40.0 * (minute % 17 == 0) for minute in range(480)]
    return (asleep[60:] + awake + asleep[:60]) * DAYS


def series_of(metric: str, device: str = "wrist") -> SeriesDescriptor:
    """A floating recording, a value a minute from a midnight on."""
    return SeriesDescriptor(metric=metric, source=Source(device=device), civil=MIDNIGHT, period=Duration(seconds=60))


def chunk_at(first_sample: int, values: Sequence[float]) -> Chunk:
    """Values with their checksum."""
    data = struct.pack(f"<{len(values)}f", *values)
    return Chunk(first_sample=first_sample, values=data, crc32c=google_crc32c.value(data))


def finish_of(values: Sequence[float]) -> FinishUpload:
    """The end of a recording of these values."""
    data = struct.pack(f"<{len(values)}f", *values)
    return FinishUpload(total_samples=len(values), sha256=hashlib.sha256(data).digest())


def recording(
    upload_id: str, series: SeriesDescriptor, values: Sequence[float], each: int = 480
) -> Iterator[StreamSeriesRequest]:
    """The messages of a whole recording, eight hours a chunk."""
    yield StreamSeriesRequest(open=OpenUpload(upload_id=upload_id, series=series))
    for first in range(0, len(values), each):
        yield StreamSeriesRequest(chunk=chunk_at(first, values[first : first + each]))
    yield StreamSeriesRequest(finish=finish_of(values))

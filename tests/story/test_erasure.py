"""What is erased stays erased, whatever comes again: every old request, and an older copy of the store's files."""

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import grpc
import pytest
from google.protobuf.message import Message

from clarity.calls import Target
from clarity.client import Client
from clarity.credentials import MemoryTokens
from clarity.local import Server, outbox_of, own_stores
from clarity.mailbox import Mailbox
from clarity.v1 import access_pb2, erasure_pb2
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1 import health_data_service_pb2 as health
from clarity.v1 import insight_service_pb2 as insight
from tests.edge.people import COUNTS, HEART_RATE, chunk_at, days, finish_of, recording, series_of
from tests.server.house import sample

EMAIL = "gone@example.org"
PASSWORD = "Correct-horse-9"
VERSION = "2026-11"
WITHIN_S = 60.0
KEPT = {"audit"}  # ids, times and digests: what proves that the rest is gone
AUTH, DATA, INSIGHT = ("/clarity.v1." + name for name in ("AuthService", "HealthDataService", "InsightService"))


@dataclass
class Tape:
    """Calls a server with raw messages, and remembers every call."""

    address: str
    calls: list[tuple[str, list[bytes], str]] = field(default_factory=list)

    def call(self, method: str, messages: Sequence[Message], token: str = "") -> tuple[str, list[bytes]]:
        bodies = [message.SerializeToString() for message in messages]
        self.calls.append((method, bodies, token))
        return self.send(method, bodies, token)

    def send(self, method: str, bodies: list[bytes], token: str) -> tuple[str, list[bytes]]:
        """Send a call; return its code and what was answered."""
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        answers: list[bytes] = []
        with grpc.insecure_channel(self.address) as channel:
            raw: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method, bytes, bytes)
            call = raw(iter(bodies), metadata=metadata, timeout=WITHIN_S)
            try:
                answers.extend(call)
            except grpc.RpcError:
                return call.code().name, answers
        return "OK", answers


@dataclass
class Life:
    """Somebody's account from beginning to end, on tape."""

    place: Path
    server: Server
    tape: Tape
    account_id: str = ""
    secret: str = ""

    @property
    def older(self) -> Path:
        return self.place / "older"

    def lived(self) -> None:
        """Sign up, send recordings, have them read and told, and be copied; then delete the account."""
        asked = auth.SignUpRequest(
            email=EMAIL,
            password=PASSWORD,
            request_id="sign-up",
            accepted_terms_version=VERSION,
            accepted_privacy_version=VERSION,
            consents=[access_pb2.PURPOSE_STORAGE, access_pb2.PURPOSE_ANALYSIS, access_pb2.PURPOSE_NARRATION],
        )
        mailbox = Mailbox(outbox_of(self.place))
        _, [answer] = self.tape.call(f"{AUTH}/SignUp", [asked])
        ticket = auth.SignUpResponse.FromString(answer).confirmation.ticket
        self.tape.call(f"{AUTH}/ConfirmSignUp", [auth.ConfirmSignUpRequest(ticket=ticket, code=mailbox.code(EMAIL))])
        signing_in = auth.SignInRequest(email=EMAIL, password=PASSWORD, request_id="sign-in")
        _, [answer] = self.tape.call(f"{AUTH}/SignIn", [signing_in])
        session = auth.SignInResponse.FromString(answer).session
        self.account_id, token = session.account_id, session.access_token
        assert self.tape.call(f"{DATA}/StreamSeries", list(recording("c", series_of(COUNTS), days())), token)[0] == "OK"
        pulse = [60.0 + minute % 25 for minute in range(120)]
        append = health.AppendSeriesRequest(upload_id="p", series=series_of(HEART_RATE))
        append.items.add(chunk=chunk_at(0, pulse))
        finish = finish_of(pulse)
        finishing = health.FinishUploadRequest(upload_id="p", total_samples=finish.total_samples, sha256=finish.sha256)
        self.tape.call(f"{DATA}/AppendSeries", [append], token)
        self.tape.call(f"{DATA}/FinishUpload", [finishing], token)
        writing = health.WriteSamplesRequest(samples=[sample("taken"), sample("put aside", -1.0)], request_id="write")
        self.tape.call(f"{DATA}/WriteSamples", [writing], token)
        told = self.tape.call(f"{INSIGHT}/GenerateInsight", [insight.GenerateInsightRequest(request_id="i")], token)
        assert told[0] == "OK"
        assert self.tape.call(f"{DATA}/ListDays", [health.ListDaysRequest()], token)[0] == "OK"  # which settles them
        self.tape.call(f"{AUTH}/UpdateAccount", [auth.UpdateAccountRequest(update_mask={"paths": ["language"]})], token)
        self.tape.call(f"{AUTH}/EnrollTotp", [auth.EnrollTotpRequest(password=PASSWORD)], token)
        refreshing = auth.RefreshSessionRequest(refresh_token=session.refresh_token, request_id="refresh")
        self.tape.call(f"{AUTH}/RefreshSession", [refreshing])
        self._copy()
        _, [answer] = self.tape.call(f"{AUTH}/DeleteAccount", [auth.DeleteAccountRequest(password=PASSWORD)], token)
        self.secret = auth.DeleteAccountResponse.FromString(answer).receipt_secret

    def _copy(self) -> None:
        """Copy the stores as a backup would: all but the keys, while nobody writes."""
        self.server.stop()
        self.older.mkdir()
        shutil.copy(self.place / "clarity.db", self.older)
        shutil.copytree(self.place / "blobs", self.older / "blobs")
        self.server.start()

    def put_back(self) -> None:
        """Put the older copy in place of the stores."""
        self.server.stop()
        for file in self.place.glob("clarity.db*"):
            file.unlink()
        shutil.rmtree(self.place / "blobs")
        shutil.copy(self.older / "clarity.db", self.place)
        shutil.copytree(self.older / "blobs", self.place / "blobs")
        self.server.start()

    def receipt(self) -> erasure_pb2.ErasureReceipt:
        """Wait until the erasure is done."""
        with Client(Target(self.server.address, tls=False), MemoryTokens()) as client:
            give_up = time.monotonic() + WITHIN_S
            while (found := client.erasure_receipt(self.secret)).state != erasure_pb2.ErasureReceipt.STATE_DONE:
                assert time.monotonic() < give_up, found
                time.sleep(0.1)
        return found

    def replayed(self) -> set[str]:
        """Send everything that was ever sent again, but the wish for an account; return what codes came of it."""
        return {self.tape.send(*call)[0] for call in self.tape.calls if call[0] != f"{AUTH}/SignUp"}

    def signed_up_again(self) -> bool:
        """Send the old wish for an account again; tell whether it leads to more than to a new code."""
        [signing_up] = [call for call in self.tape.calls if call[0] == f"{AUTH}/SignUp"]
        [signing_in] = [call for call in self.tape.calls if call[0] == f"{AUTH}/SignIn"]
        assert self.tape.send(*signing_up)[0] == "OK"
        code, [answer] = self.tape.send(*signing_in)
        return code != "OK" or auth.SignInResponse.FromString(answer).HasField("session")

    def rows(self) -> dict[str, int]:
        """Count what any table has of the account, whatever its columns are called."""
        database = apsw.Connection(str(self.place / "clarity.db"), flags=apsw.SQLITE_OPEN_READONLY)
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found = {name: self._count(database.execute(f"SELECT * FROM {name}")) for name in tables if name not in KEPT}  # noqa: S608  its own names
        database.close()
        return {name: count for name, count in found.items() if count}

    def _count(self, rows: Iterable[tuple[object, ...]]) -> int:
        mark = self.account_id
        return sum(mark in str(row) or mark.encode() in b"".join(blobs(row)) for row in rows)

    def files(self) -> list[str]:
        """Name the blobs and keys that are the account's."""
        named = [*(self.place / "blobs").rglob("*"), *(self.place / "keys").rglob("*.key")]
        return [str(path) for path in named if path.is_file() and self.account_id in str(path)]


def blobs(row: Sequence[object]) -> Iterator[bytes]:
    return (value for value in row if isinstance(value, bytes))


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    place = tmp_path_factory.mktemp("erased")
    settings = {**own_stores(place), "ERASURE_GRACE_S": "0"}
    with Server(settings, place, log=place / "server.log") as server:
        life = Life(place, server, Tape(server.address))
        life.lived()
        yield life


def test_the_copy_has_what_is_to_be_erased(life: Life) -> None:
    """Or what follows would show nothing."""
    older = Life(life.older, life.server, life.tape, life.account_id)
    kept = {"accounts", "sessions", "uploads", "segments", "days", "analyses", "insights", "consents"}
    assert kept | {"samples", "quarantine", "source_metrics"} <= set(older.rows())


def test_every_store_is_listed_and_empty(life: Life) -> None:
    receipt = life.receipt()
    assert {store.store for store in receipt.stores} >= {"accounts", "segments", "insights", "blobs"}
    assert sum(store.erased_count for store in receipt.stores) > 20
    assert all(store.left_count == 0 for store in receipt.stores)
    assert (life.rows(), life.files()) == ({}, [])


def test_no_old_request_brings_anything_back(life: Life) -> None:
    life.receipt()
    assert life.replayed() <= {"UNAUTHENTICATED", "PERMISSION_DENIED"}
    assert not life.signed_up_again()
    assert (life.rows(), life.files()) == ({}, [])


def test_an_older_copy_of_the_files_brings_nothing_back(life: Life) -> None:
    life.receipt()
    life.put_back()
    assert (life.rows(), life.files()) == ({}, [])
    assert life.replayed() <= {"UNAUTHENTICATED", "PERMISSION_DENIED"}
    assert (life.rows(), life.files()) == ({}, [])

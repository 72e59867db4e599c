"""The keys that Envoy verifies tokens with change while calls go on; and what callers hear when it has none."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc.error_details_pb2 import RetryInfo

from clarity import edge, local
from clarity.v1.auth_service_pb2 import GetAccountRequest
from clarity.v1.health_data_service_pb2 import ReadSeriesRequest
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.insight_service_pb2 import WatchAnalysesRequest
from clarity.v1.insight_service_pb2_grpc import InsightServiceStub
from clarity_server.adapters.local.keys import NOT_YET_S, DiskKeys, key_id
from clarity_server.domain import tokens
from tests.edge.people import People
from tests.edge.running import READY_WITHIN_S, StartEdge, until
from tests.edge.surfaces import Answer, Ask, Curl, Stub, Surface, Web, described
from tests.edge.upstream import Upstream
from tests.edge.web import Talk, call

GET_ACCOUNT = described("clarity.v1.AuthService/GetAccount")
IMPATIENT = {  # 5 s and 0.5 s, as committed, would make for slow tests
    "cache_duration: 5s": "cache_duration: 0.2s",
    "failed_refetch_duration: 0.5s": "failed_refetch_duration: 0.1s",
}
ROTATIONS = 5
LOAD_S = 0.5  # between the steps of a rotation
TOKEN_S = 600
EDGE_LEARNS_S = 6.0  # as committed: it asks every 5 s


class Signer:
    """Somebody who signs tokens as the server does, with keys of their own."""

    def __init__(self) -> None:
        self._keys = [Ed25519PrivateKey.generate()]

    def rotate(self) -> None:
        """Make another key; it is published, and signs from now on."""
        self._keys.append(Ed25519PrivateKey.generate())

    def withdraw(self) -> None:
        """Forget the oldest key."""
        del self._keys[0]

    @property
    def jwks(self) -> Mapping[str, object]:
        """The public halves."""
        return {"keys": [jwk(key) for key in self._keys]}

    def token(self) -> str:
        """A token by the newest key."""
        now = int(time.time())
        claims = {
            "iss": tokens.ISSUER,
            "aud": tokens.AUDIENCE,
            "sub": "somebody",
            "token_use": tokens.ACCESS_USE,
            "iat": now,
            "nbf": now,
            "exp": now + TOKEN_S,
        }
        return pyjwt.encode(claims, self._keys[-1], tokens.ALGORITHM, {"kid": key_id(self._keys[-1])})


def jwk(key: Ed25519PrivateKey) -> Mapping[str, object]:
    """A public key as the server publishes it."""
    public: Mapping[str, object] = json.loads(pyjwt.algorithms.OKPAlgorithm.to_jwk(key.public_key()))
    return {**public, "kid": key_id(key), "use": "sig", "alg": tokens.ALGORITHM}


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def server(signer: Signer) -> Iterator[Upstream]:
    with Upstream(signer.jwks) as running:
        yield running


@pytest.fixture
def running(server: Upstream, start_edge: StartEdge) -> edge.Edge:
    started = start_edge(server.port, IMPATIENT)
    started.wait_ready(READY_WITHIN_S)
    return started


@pytest.fixture
def ways(running: edge.Edge) -> Iterator[Sequence[Surface]]:
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        yield every_way(running, channel)


def every_way(running: edge.Edge, channel: grpc.Channel) -> Sequence[Surface]:
    """One for each protocol."""
    return [Stub("gRPC", channel), Web("gRPC-Web", running.port), Curl("curl", running.port)]


def asked(ways: Sequence[Surface], token: str) -> Mapping[str, Answer]:
    """What every way of calling gets with a token."""
    return {way.name: way.call(GET_ACCOUNT, Ask([GetAccountRequest()], token)) for way in ways}


def learned(server: Upstream) -> None:
    """Wait until Envoy has the keys that the server has now: one question may be under way already."""
    before = server.asked_for_keys
    until(lambda: server.asked_for_keys >= before + 2)


class Load:
    """Calls in every way, one after the other and each with a new token, until it is left."""

    def __init__(self, ways: Sequence[Surface], token: Callable[[], str]) -> None:
        self._ways = ways
        self._token = token
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(len(ways))
        self.answers: list[Answer] = []

    def __enter__(self) -> Self:
        self._loops = [self._pool.submit(self._run, way) for way in self._ways]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._pool.shutdown()
        for loop in self._loops:
            loop.result()

    def _run(self, way: Surface) -> None:
        while not self._stopped.is_set():
            self.answers.append(way.call(GET_ACCOUNT, Ask([GetAccountRequest()], self._token())))


def test_keys_change_under_load_and_no_call_fails_and_no_stream_ends(
    running: edge.Edge, server: Upstream, signer: Signer, ways: Sequence[Surface]
) -> None:
    """Red with `local_jwks`, which Envoy reads once. A new key is known before it signs, as the server sees to."""
    begun = signer.token()
    newest = [begun]
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        reading = HealthDataServiceStub(channel).ReadSeries(
            ReadSeriesRequest(metric="held"), metadata=(("authorization", f"Bearer {begun}"),)
        )
        assert next(reading).HasField("block")
        with Talk(running.port, "/v1/series:read", begun) as talk, Load(ways, lambda: newest[-1]) as load:
            talk.say('{"metric": "held"}')
            talk.end()
            assert talk.hear()["block"]
            for _ in range(ROTATIONS):
                signer.rotate()
                server.keys = signer.jwks
                learned(server)
                newest.append(signer.token())
                time.sleep(LOAD_S)
                signer.withdraw()
                server.keys = signer.jwks
                learned(server)
            server.released.set()
            assert "done" in talk.rest()[-1]
        assert [message.HasField("done") for message in reading] == [True]
    assert len(load.answers) > 20 * ROTATIONS
    assert [answer.status for answer in load.answers if answer.status] == []
    assert {name: answer.reason for name, answer in asked(ways, begun).items()} == dict.fromkeys(
        (way.name for way in ways), "TOKEN_INVALID"
    )


def test_the_servers_own_key_changes_under_load_and_no_call_fails_and_no_watch_ends(
    tmp_path: Path, start_edge: StartEdge
) -> None:
    """All of it as committed, but for the minute that a new key waits: its file is made to look older."""
    with ExitStack() as opened:
        real = opened.enter_context(local.Server(local.own_stores(tmp_path), tmp_path))
        running = start_edge(real.port)
        running.wait_ready(READY_WITHIN_S)
        direct, through = (
            opened.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}")) for port in (real.port, running.port)
        )
        people = People(direct, real.address, local.outbox_of(tmp_path))
        person = people.somebody("person")
        newest = [person.access_token]
        watch = InsightServiceStub(through).WatchAnalyses(WatchAnalysesRequest(), metadata=person.metadata)
        assert next(watch).HasField("caught_up")
        ways = every_way(running, through)
        with Load(ways, lambda: newest[-1]) as load:
            keys = DiskKeys(tmp_path / "keys")
            made = keys.rotate_signing_key()
            until(lambda: call(running.port, "GET", "/.well-known/jwks.json").json == keys.jwks())
            time.sleep(EDGE_LEARNS_S)
            assert signed_by(people.signed_in(person.email).access_token) != made
            grow_older(tmp_path / "keys" / "signing", NOT_YET_S)
            until(lambda: signed_by(people.signed_in(person.email).access_token) == made)
            newest.append(people.signed_in(person.email).access_token)
            time.sleep(LOAD_S)
        assert [answer.status for answer in load.answers if answer.status] == []
        assert [answer.status for answer in asked(ways, person.access_token).values()] == [None] * len(ways)
        assert watch.is_active()
        watch.cancel()


def signed_by(token: str) -> str:
    """The key that a token names."""
    return str(pyjwt.get_unverified_header(token)["kid"])


def grow_older(directory: Path, seconds: float) -> None:
    """Make files look as if they had been there for so much longer."""
    for path in directory.iterdir():
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


@pytest.mark.parametrize("said", [None, {"keys": "none"}, {"error": "busy"}, {"keys": []}])
def test_while_asking_for_keys_fails_the_last_ones_count(
    server: Upstream, signer: Signer, ways: Sequence[Surface], said: Mapping[str, object] | None
) -> None:
    """Red without async_fetch: after `cache_duration` every call would be refused, and with a 401."""
    server.keys = said
    learned(server)
    time.sleep(LOAD_S)
    assert [answer.status for answer in asked(ways, signer.token()).values()] == [None] * len(ways)
    signer.rotate()
    server.keys = signer.jwks
    learned(server)
    assert [answer.status for answer in asked(ways, signer.token()).values()] == [None] * len(ways)


def test_an_envoy_without_keys_sends_nobody_to_sign_in_again(
    server: Upstream, signer: Signer, start_edge: StartEdge
) -> None:
    """Red without the local reply that tells it from a bad token: a client that hears 401 gives its session up."""
    server.keys = None
    without = start_edge(server.port, IMPATIENT)
    until(without.is_ready)
    with grpc.insecure_channel(f"127.0.0.1:{without.port}") as channel:
        ways = every_way(without, channel)
        for answer in asked(ways, signer.token()).values():
            assert answer.status
            assert answer.status.code == grpc.StatusCode.UNAVAILABLE.value[0]
            assert RetryInfo.DESCRIPTOR.full_name in answer.status.details[-1].type_url
        server.keys = signer.jwks
        until(lambda: not any(answer.status for answer in asked(ways, signer.token()).values()))

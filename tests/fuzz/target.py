"""The fuzz target: random requests at a real server, and what must be true after each of them.

The server is a process of its own, so that a crash is seen as one and its memory is its own.
"""

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from clarity import local
from clarity.calls import Target as Address
from clarity.client import Client
from clarity.credentials import MemoryTokens, SignedIn
from clarity.local import outbox_of
from clarity.mailbox import joined
from clarity.v1 import auth_service_pb2, health_data_service_pb2, insight_service_pb2
from tests.fuzz.messages import requests

SERVICES: Mapping[str, ServiceDescriptor] = {
    service.name: service
    for file in (auth_service_pb2, health_data_service_pb2, insight_service_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
}
FORBIDDEN = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})
"""What no request may be answered with, however strange it is."""

OPERATOR = "fuzz@example.org"
OTHER = "other@example.org"
PASSWORD = "Never-among-the-texts-1"  # so that nothing drawn at random changes it, or deletes the account
ANSWER_WITHIN_S = 30.0
LISTENED_S = 0.2  # to a stream that goes on for ever
ANSWERS_MAX = 20  # of one stream
GROWN_KIB_MAX = 64 * 1024  # what caches may take; a leak of 1 KiB a call would be twice that after 100,000
WARM_CALLS = 200


@dataclass
class Fuzzed:
    """What came of a run."""

    calls: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    warm_kib: int = 0
    end_kib: int = 0

    @property
    def grown_kib(self) -> int:
        """How much the server's memory grew from the first calls to the last."""
        return self.end_kib - self.warm_kib


class Target:
    """One service of a running server, called as whoever `sign_in` says."""

    def __init__(
        self, server: local.Server, service: ServiceDescriptor, sign_in: Callable[[], str], known: Sequence[str]
    ) -> None:
        """`sign_in` returns an access token; it is asked again when a request has ended the session.

        `known` are ids that exist.
        """
        self._known = known
        self._server = server
        self._service = service
        self._sign_in = sign_in
        self._token = sign_in()
        self._channel = grpc.insecure_channel(server.address)
        self.fuzzed = Fuzzed()

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def run(self, count: int, number: int) -> Fuzzed:
        """Send so many random requests, the same for the same number. Raises AssertionError at the first fault."""
        methods = list(self._service.methods)
        drawn = st.sampled_from(methods).flatmap(
            lambda method: st.tuples(
                st.just(method), st.lists(requests(method.input_type, self._known), min_size=1, max_size=_most(method))
            )
        )

        @seed(number)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(drawn)
        def sent(request: tuple[MethodDescriptor, list[bytes]]) -> None:
            self._send(*request)

        sent()
        self.fuzzed.end_kib = resident_kib(self._server.pid)
        return self.fuzzed

    def _send(self, method: MethodDescriptor, bodies: list[bytes]) -> None:
        code, details = self._called(method, bodies)
        if code is grpc.StatusCode.UNAUTHENTICATED:
            self._token = self._sign_in()
        self.fuzzed.calls += 1
        self.fuzzed.codes[f"{method.name} {code.name}"] += 1
        if self.fuzzed.calls == WARM_CALLS:
            self.fuzzed.warm_kib = resident_kib(self._server.pid)
        said = f"{method.full_name} answered {code.name} ({details}) to {[body[:200] for body in bodies]}"
        assert code not in FORBIDDEN, said
        assert self._server.is_running, f"the server ended: {said}"

    def _called(self, method: MethodDescriptor, bodies: list[bytes]) -> tuple[grpc.StatusCode, str]:
        path = f"/{method.containing_service.full_name}/{method.name}"
        metadata = (("authorization", f"Bearer {self._token}"),)
        lasting = method.server_streaming
        raw: grpc.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(path, _as_is, _as_is)
        call = raw(iter(bodies), metadata=metadata, timeout=LISTENED_S if lasting else ANSWER_WITHIN_S)
        try:
            for _ in zip(range(ANSWERS_MAX), call, strict=False):
                pass
            call.cancel()
        except grpc.RpcError:
            code = call.code()
            slow = lasting and code is grpc.StatusCode.DEADLINE_EXCEEDED
            return (grpc.StatusCode.OK, "") if slow else (code, str(call.details()))
        return grpc.StatusCode.OK, ""


@contextmanager
def inhabited(server: local.Server, place: Path, service: ServiceDescriptor) -> Iterator[Target]:
    """A target at a server that keeps everything in a folder, with somebody in it who may call everything."""
    with Client(Address(server.address, tls=False), MemoryTokens()) as client:
        operator = joined(client, outbox_of(place), OPERATOR, PASSWORD)
        _give_role(place)
        other = joined(client, outbox_of(place), OTHER, PASSWORD)

        def sign_in() -> str:
            session = client.sign_in(OPERATOR, PASSWORD)
            assert isinstance(session, SignedIn)
            return session.access_token

        target = Target(server, service, sign_in, [operator.account_id, operator.session_id, other.account_id])
        try:
            yield target
        finally:
            target.close()


def _give_role(place: Path) -> None:
    command = [*local.server_command(), "accounts", "set-roles", OPERATOR, "operator"]
    environ = local.environment(local.own_stores(place), inherit=False)
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=ANSWER_WITHIN_S)


def _as_is(data: bytes) -> bytes:
    return data


def _most(method: MethodDescriptor) -> int:
    return 6 if method.client_streaming else 1


def resident_kib(pid: int) -> int:
    """How much memory of a process is in use."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("the process is gone")

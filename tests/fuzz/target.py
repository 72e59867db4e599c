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
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from clarity import local
from clarity.calls import Target as Address
from clarity.client import Client
from clarity.credentials import MemoryTokens, SignedIn
from clarity.local import outbox_of
from clarity.mailbox import joined
from clarity.v1 import auth_service_pb2, health_data_service_pb2, insight_service_pb2
from tests.fuzz.messages import changed, requests
from tests.fuzz.seeds import seeds

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
LISTENED_S = 0.05  # to a stream that goes on for ever
ANSWERS_MAX = 20  # of one stream
GROWN_KIB_MAX = 64 * 1024  # what caches may take; a leak of 1 KiB a call would be twice that after 100,000
WARM_CALLS = 200
BATCH = 5  # calls in one example of Hypothesis: its own part of the time is then small


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
        bodies = {method.name: self._bodies(method) for method in self._service.methods}
        one = st.sampled_from(list(self._service.methods)).flatmap(
            lambda method: st.tuples(st.just(method), bodies[method.name])
        )

        @seed(number)
        @settings(
            max_examples=-(-count // BATCH),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(one, min_size=BATCH, max_size=BATCH))
        def sent(calls: list[tuple[MethodDescriptor, list[bytes]]]) -> None:
            for call in calls:
                self._send(*call)

        sent()
        self.fuzzed.end_kib = resident_kib(self._server.pid)
        return self.fuzzed

    def _bodies(self, method: MethodDescriptor) -> SearchStrategy[list[bytes]]:
        """Draw the messages of one call."""
        nonsense = st.lists(requests(method.input_type, self._known), min_size=1, max_size=_most(method))
        return st.one_of(nonsense, *(self._nearly(messages) for messages in seeds(self._known).get(method.name, ())))

    def _nearly(self, messages: Sequence[Message]) -> SearchStrategy[list[bytes]]:
        """Draw the messages of a call that would be right, one of them changed."""
        right = [message.SerializeToString() for message in messages]
        return st.integers(0, len(messages) - 1).flatmap(
            lambda place: changed(messages[place], self._known).map(
                lambda other: [*right[:place], other, *right[place + 1 :]]
            )
        )

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
        other = joined(client, outbox_of(place), OTHER, PASSWORD)
        _give_role(place, OPERATOR, "operator")
        _give_role(place, OTHER, "clinician")

        def sign_in() -> str:
            session = client.sign_in(OPERATOR, PASSWORD)
            assert isinstance(session, SignedIn)
            return session.access_token

        target = Target(server, service, sign_in, [other.account_id, operator.account_id, operator.session_id])
        try:
            yield target
        finally:
            target.close()


def _give_role(place: Path, address: str, role: str) -> None:
    command = [*local.server_command(), "accounts", "set-roles", address, role]
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

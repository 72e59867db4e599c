"""One real server and one real Envoy a test process; each worker of pytest-xdist has its own, on free ports."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import pytest

from clarity import edge, local
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.models import DiskModels
from clarity_server.flows.models import install_card
from tests.edge.asking import Appoint
from tests.edge.people import People, Person
from tests.edge.running import DESCRIPTORS, READY_WITHIN_S, StartEdge
from tests.edge.upstream import Upstream

DEMONSTRATION = Path(__file__).parents[2] / "models" / "pat-s-depresjon-demo"
ONE_SECOND = {
    "{max_stream_duration: 30s, grpc_timeout_header_max: 30s}": "{max_stream_duration: 1s, grpc_timeout_header_max: 1s}"
}


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its keys: the tests sign tokens with them that the server never would."""
    return tmp_path_factory.mktemp("edge") / "keys"


@pytest.fixture(scope="session")
def settings(keys: Path) -> Mapping[str, str]:
    return {**local.own_stores(keys.parent), "DRAIN_S": "2"}


@pytest.fixture(scope="session")
def server(settings: Mapping[str, str], keys: Path) -> Iterator[local.Server]:
    place = keys.parent
    install_card(DiskModels(place / "models"), DEMONSTRATION)
    with local.Server(settings, place, log=place / "server.log") as running:
        yield running


@pytest.fixture(scope="session")
def jwks(server: local.Server, keys: Path) -> Mapping[str, object]:
    """The public keys of the real server, for another that tokens of its people are sent to."""
    assert server.port
    return DiskKeys(keys).jwks()


@pytest.fixture(scope="session")
def start_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartEdge]:
    """Start an Envoy before any server on this machine, with changes to envoy.yaml; all are stopped at the end."""
    started: list[edge.Edge] = []

    def start(server_port: int, changes: dict[str, str] | None = None) -> edge.Edge:
        config = edge.amend(edge.read_config(), changes) if changes else None
        folder = tmp_path_factory.mktemp("envoy")
        started.append(edge.start(0, server_port, DESCRIPTORS, folder, config=config))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture(scope="session")
def envoy(server: local.Server, start_edge: StartEdge) -> edge.Edge:
    """The edge as it is committed, before the real server."""
    running = start_edge(server.port)
    running.wait_ready(READY_WITHIN_S)
    return running


@pytest.fixture(scope="session")
def direct(server: local.Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


@pytest.fixture(scope="session")
def through(envoy: edge.Edge) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{envoy.port}") as channel:
        yield channel


@pytest.fixture(scope="session")
def people(direct: grpc.Channel, server: local.Server, keys: Path) -> People:
    return People(direct, server.address, local.outbox_of(keys.parent))


@pytest.fixture(scope="session")
def appoint(people: People, settings: Mapping[str, str]) -> Appoint:
    """Make somebody with a role, as whoever runs the server does: on its machine."""

    def appointed(role: str) -> Person:
        email = people.somebody(role).email
        command = [*local.server_command(), "accounts", "set-roles", email, role]
        subprocess.run(command, env=local.environment(settings, inherit=False), check=True, capture_output=True)
        return people.signed_in(email)

    return appointed


@pytest.fixture(scope="module")
def person(people: People) -> Person:
    """Somebody with a session, new for every file: access tokens live ten minutes."""
    return people.somebody("person")


@pytest.fixture(scope="session")
def upstream(jwks: Mapping[str, object]) -> Iterator[Upstream]:
    """A server that does what a test says, where the real one cannot be made to."""
    with Upstream(jwks) as running:
        yield running


@pytest.fixture(scope="session")
def impatient(upstream: Upstream, start_edge: StartEdge) -> edge.Edge:
    """The edge before that server, with a limit of 1 s instead of 30 s on unary JSON calls."""
    running = start_edge(upstream.port, ONE_SECOND)
    running.wait_ready(READY_WITHIN_S)
    return running

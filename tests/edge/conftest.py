"""One real server and one real Envoy a test process; each worker of pytest-xdist has its own, on free ports."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from clarity import edge, local
from clarity_server.adapters.local.models import DiskModels
from clarity_server.flows.models import install_card
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
def server(keys: Path) -> Iterator[local.Server]:
    place = keys.parent
    install_card(DiskModels(place / "models"), DEMONSTRATION)
    settings = {
        "LISTEN": "127.0.0.1:0",
        "RECORDS": f"sqlite:{place}/clarity.db",
        "BLOBS": f"file:{place}/blobs",
        "KEYS": f"file:{keys}",
        "MODELS": f"file:{place}/models",
        "JWKS_FILE": f"{place}/jwks/jwks.json",
        "DRAIN_S": "2",
    }
    with local.Server(settings, place, log=place / "server.log") as running:
        yield running


@pytest.fixture(scope="session")
def jwks(server: local.Server, keys: Path) -> Path:
    """The public keys that the server wrote at its start."""
    assert server.port
    return keys.parent / "jwks" / "jwks.json"


@pytest.fixture(scope="session")
def start_edge(jwks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartEdge]:
    """Start an Envoy before any server on this machine, with changes to envoy.yaml; all are stopped at the end."""
    started: list[edge.Edge] = []

    def start(server_port: int, changes: dict[str, str] | None = None) -> edge.Edge:
        config = edge.amend(edge.read_config(), changes) if changes else None
        folder = tmp_path_factory.mktemp("envoy")
        started.append(edge.start(0, server_port, jwks, DESCRIPTORS, folder, config=config))
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
def people(direct: grpc.Channel) -> People:
    return People(direct)


@pytest.fixture(scope="module")
def person(people: People) -> Person:
    """Somebody with a session, new for every file: access tokens live ten minutes."""
    return people.somebody("person")


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """A server that does what a test says, where the real one cannot be made to."""
    with Upstream() as running:
        yield running


@pytest.fixture(scope="session")
def impatient(upstream: Upstream, start_edge: StartEdge) -> edge.Edge:
    """The edge before that server, with a limit of 1 s instead of 30 s on unary JSON calls."""
    running = start_edge(upstream.port, ONE_SECOND)
    running.wait_ready(READY_WITHIN_S)
    return running

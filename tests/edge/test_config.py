"""envoy.yaml, and the module that finds, renders and checks it."""

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from clarity import edge
from clarity_server.adapters.local.keys import NOT_YET_S
from tests.edge import surfaces
from tests.edge.running import DESCRIPTORS

HERE = {"listen_port": 1, "admin_port": 2, "server_port": 3}


def test_the_committed_file_is_valid_as_it_stands() -> None:
    edge.validate()


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("lb_policy: LEAST_REQUEST", "lb_policy: LEST_REQUEST", "LEST_REQUEST"),
        ("case_insensitive_enum_parsing: true", "case_insensitive_enums: true", "case_insensitive_enums"),
        ("services: [clarity.v1.AuthService,", "services: [clarity.v1.NoService,", "clarity.v1.NoService"),
        ("port_value: 50051", "port_value: 50052", "port_value: 50051"),
    ],
)
def test_a_fault_is_found_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], good: str, bad: str, said: str
) -> None:
    """As `make check` runs it. The last one Envoy would take, and whoever rendered it would call the wrong server."""
    faulty = tmp_path / "envoy" / "envoy.yaml"
    faulty.parent.mkdir()
    faulty.write_text(edge.amend(edge.read_config(), {good: bad}))
    assert edge.main(["validate", "--config", str(faulty)]) == 1
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is for a package that was installed without its checkout."""
    assert edge.main(["validate", "--config", str(tmp_path / "no.yaml")]) == 1
    assert "only a checkout has envoy/envoy.yaml" in capsys.readouterr().err


def test_rendering_puts_ports_and_paths_in_and_changes_nothing_else(tmp_path: Path) -> None:
    text = edge.read_config()
    place = tmp_path / 'with "quotes" and spaces'
    rendered = edge.render(text, **HERE, descriptors=place / "set.binpb")
    changed = [line for line, old in zip(rendered.splitlines(), text.splitlines(), strict=True) if line != old]
    assert len(changed) == 4
    assert [f"port_value: {port}" in rendered for port in (1, 2, 3)] == [True] * 3


def test_a_port_that_is_also_a_default_is_not_replaced_twice(tmp_path: Path) -> None:
    """Listening on 50051 must not send calls to oneself."""
    ports = {"listen_port": 50051, "admin_port": 8080, "server_port": 9901}
    rendered = edge.render(edge.read_config(), **ports, descriptors=tmp_path / "d")
    at = [rendered.index(f"port_value: {port}") for port in (8080, 50051, 9901)]  # admin, listener, cluster
    assert at == sorted(at)


@pytest.mark.parametrize("literal", ["port_value: 8081", "timeout: 0s", "max_tokens"])
def test_an_amendment_must_meet_its_literal_once(literal: str) -> None:
    """`timeout: 0s` would meet a comment, too: nothing is replaced by accident."""
    text = edge.read_config() + "\n# max_tokens"
    with pytest.raises(edge.EdgeError, match="must say it once"):
        edge.amend(text, {literal: "x"})


def test_what_envoy_needs_is_asked_for_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(edge.EdgeError, match="make gen"):
        edge.start(0, 1, tmp_path / "no.binpb", tmp_path)


def test_an_envoy_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(edge.EdgeError, match="Envoy ended with code 1") as why:
        edge.start(0, 1, DESCRIPTORS, tmp_path, config=edge.read_config().replace("STRICT_DNS", "STRICT_DNA"))
    assert len(str(why.value)) < 4000


def test_an_envoy_without_a_server_is_not_ready(tmp_path: Path) -> None:
    with edge.start(0, 1, DESCRIPTORS, tmp_path) as running:
        assert running.port
        with pytest.raises(edge.EdgeError, match="was not serving"):
            running.wait_ready(0.2)
    assert running.process.returncode is not None
    running.stop()  # again: nothing happens
    with pytest.raises(edge.EdgeError, match="Envoy ended"):
        running.wait_ready(1)


def test_the_paths_that_need_no_token_are_those_of_the_contracts_public_rpcs() -> None:
    """As JSON and as gRPC; red for a public RPC that Envoy would refuse, and for any other that it would let in."""
    public = [rpc for rpc in map(surfaces.described, surfaces.rpcs(DESCRIPTORS)) if surfaces.access_of(rpc).public]
    as_grpc = map(surfaces.path_of, public)
    as_json = (surfaces.template_of(rpc) for rpc in public)
    assert set(open_paths()) == {*as_grpc, *as_json}
    assert len(open_paths()) == 2 * len(public) > 0


def open_paths() -> list[str]:
    """The exact paths in envoy.yaml's rules that ask for nothing."""
    rules = edge.read_config().split("              rules:\n")[1].split("requires:")[0]
    return re.findall(r"^ +- match: \{path: \"?([^\"}]+)\"?\}$", rules, re.MULTILINE)


def test_envoy_asks_for_keys_many_times_before_a_new_one_signs() -> None:
    """Once has to succeed."""
    [every_s] = re.findall(r"cache_duration: (\d+)s", edge.read_config())
    assert 10 * int(every_s) <= NOT_YET_S


def described(files: FileDescriptorSet) -> dict[str, bytes]:
    """Every service, with its methods and their HTTP rules."""
    return {
        f"{file.package}.{service.name}": service.SerializeToString(deterministic=True)
        for file in files.file
        for service in file.service
    }


def test_the_stubs_hold_the_same_contract_as_the_built_descriptor_set() -> None:
    """So an installed package needs no build folder."""
    built, held = (FileDescriptorSet.FromString(data) for data in (DESCRIPTORS.read_bytes(), edge.descriptor_set()))
    assert described(built) == described(held)
    assert {file.name for file in held.file} >= {"google/rpc/error_details.proto", "google/api/annotations.proto"}
    names = [file.name for file in held.file]
    assert all(names.index(one) < names.index(file.name) for file in held.file for one in file.dependency)

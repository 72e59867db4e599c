"""The whole server in this process: health from probes, reflection by both names, unusable settings, draining."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from clarity_server.config import Config, ConfigError
from clarity_server.server import run
from clarity_server.server.access import SERVICES
from clarity_server.server.health import NOT_SERVING, SERVING, Health
from clarity_server.services.offload import Offload

REFLECTIONS = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def settings(directory: Path, listen: str = "127.0.0.1:0") -> Config:
    """Keep everything under one directory."""
    return Config(
        listen=listen,
        records=f"sqlite:{directory}/clarity.db",
        blobs=f"file:{directory}/blobs",
        keys=f"file:{directory}/keys",
        models=f"file:{directory}/models",
        outbox=f"file:{directory}/outbox",
    )


@asynccontextmanager
async def serving(config: Config) -> AsyncIterator[run.Running]:
    """Serve until the end of the block."""
    running = await run.start(config)
    try:
        yield running
    finally:
        await running.drain(1.0)


def dialled(running: run.Running) -> grpc.aio.Channel:
    """Open a channel to a server."""
    return grpc.aio.insecure_channel(f"127.0.0.1:{running.port}")


async def state(channel: grpc.aio.Channel, service: str) -> int:
    """Ask for the health of a service."""
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    answer = await check(health_pb2.HealthCheckRequest(service=service))
    return int(answer.status)


async def test_every_service_and_the_whole_are_serving(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as running, dialled(running) as channel:
        for service in ("", *SERVICES):
            assert await state(channel, service) == SERVING


async def test_a_probe_that_fails_takes_its_service_and_the_whole_down_and_up_again() -> None:
    broken = [True]

    def probe() -> None:
        if broken:
            raise OSError("the disk is gone")

    health = Health({"one": probe, "other": lambda: None}, Offload(1))
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await health.probe()
        assert [await state(channel, name) for name in ("one", "other", "")] == [NOT_SERVING, SERVING, NOT_SERVING]
        broken.clear()
        await health.probe()
        assert [await state(channel, name) for name in ("one", "other", "")] == [SERVING, SERVING, SERVING]
    await server.stop(None)


@pytest.mark.parametrize("name", REFLECTIONS)
async def test_reflection_lists_every_service_under_both_names(tmp_path: Path, name: str) -> None:
    async with serving(settings(tmp_path)) as running, dialled(running) as channel:
        call = channel.stream_stream(
            f"/{name}/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        answers = [answer async for answer in call]
    listed = {service.name for service in answers[0].list_services_response.service}
    assert listed == {*SERVICES, "grpc.health.v1.Health", *REFLECTIONS}


async def test_a_port_in_use_is_refused_with_the_setting_named(tmp_path: Path) -> None:
    async with serving(settings(tmp_path / "first")) as running:
        with pytest.raises(ConfigError, match="CLARITY_LISTEN"):
            await run.start(settings(tmp_path / "second", listen=f"127.0.0.1:{running.port}"))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"records": "dynamodb://prefix"}, "CLARITY_RECORDS"),
        ({"blobs": "s3://bucket"}, "CLARITY_BLOBS"),
        ({"keys": "var/keys"}, "CLARITY_KEYS"),
    ],
)
async def test_an_adapter_there_is_not_stops_the_start(tmp_path: Path, changed: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        await run.start(replace(settings(tmp_path), **changed))  # type: ignore[arg-type]


async def test_after_draining_the_files_can_be_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        async with serving(settings(tmp_path)) as running:
            assert running.port > 0

"""Build the server, serve, and drain."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from clarity.v1 import (
    auth_service_pb2_grpc,
    health_data_service_pb2_grpc,
    insight_service_pb2_grpc,
)
from clarity_server.config import Config, ConfigError
from clarity_server.domain.errors import ClarityError, StartRefused
from clarity_server.flows.analyze import Analyze
from clarity_server.flows.compact import Compact
from clarity_server.flows.deliver import Deliver
from clarity_server.flows.describe import DEFAULT_METHOD
from clarity_server.flows.explain import Explain
from clarity_server.flows.ingest import Ingest
from clarity_server.flows.list_days import Lists
from clarity_server.flows.list_models import ListModels
from clarity_server.flows.permits import Permits
from clarity_server.flows.read import Read
from clarity_server.flows.weeks import Weeks
from clarity_server.server import limits, trace
from clarity_server.server.access import SERVICES, declared
from clarity_server.server.boundary import Boundary, failing
from clarity_server.server.chores import Chore
from clarity_server.server.gate import Gate
from clarity_server.server.health import Health
from clarity_server.server.identity import Verifier
from clarity_server.server.memory import share_one_heap
from clarity_server.server.patrol import Patrol
from clarity_server.server.throttle import Throttle
from clarity_server.server.verbs import discrete, verbs
from clarity_server.server.wiring import World, world
from clarity_server.server.worker import Worker
from clarity_server.services.auth_service import PASSWORD_THREADS, AuthService
from clarity_server.services.health_data_service import HealthDataService
from clarity_server.services.insight_service import InsightService
from clarity_server.services.live import Live, StreamLimits
from clarity_server.services.offload import Offload
from clarity_server.services.stream import Room

REFUSALS = (ConfigError, StartRefused, ClarityError)
"""What stops a start, with a text for the operator."""

SWEEP_EVERY_S = 600.0
ANCHOR_EVERY_S = 10.0
ERASE_EVERY_S = 10.0  # an erasure begins at most so long after its time
MAIL_EVERY_S = 0.2  # a look at an empty queue costs some 20 µs
RETAIN_EVERY_S = 60.0  # a look at each account's day; where it is over, the deleting goes on turn by turn
COMPACT_EVERY_S = 60.0  # a bounded part each time: at most 64 runs of segments
SWITCH_INTERVAL_S = 0.0005
"""How long a thread keeps the interpreter from others. With Python's own 5 ms a call waits for the derivation of weeks,
and a derivation, which gives the interpreter away at every numpy operation, waits for calls."""
REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


class Job(Protocol):
    """A thread beside the calls."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End after what is under way."""


@dataclass(slots=True)
class Running:
    """A server that serves, and what must end with it."""

    server: grpc.aio.Server
    port: int
    world: World
    live: Live
    health: Health
    jobs: Sequence[Job]
    offloads: Sequence[Offload]
    tasks: Sequence[asyncio.Task[None]]

    async def drain(self, grace_s: float) -> None:
        """Stop taking calls, let those that run end, and close the stores."""
        await self.health.drain()
        self.live.drain()
        await self.server.stop(grace_s)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for job in self.jobs:
            job.stop()
        for offload in self.offloads:
            offload.close()
        self.world.close()


async def start(config: Config, more: Sequence[grpc.GenericRpcHandler] = ()) -> Running:
    """Build the house and open the door; `more` handlers pass the same boundary. Raises ConfigError, as world()."""
    loop = asyncio.get_running_loop()
    built = await asyncio.to_thread(world, config)
    offload, passwords = Offload(), Offload(PASSWORD_THREADS, "passwords")
    verifier = Verifier(built.keys, built.sessions, built.accounts)
    throttle = Throttle(config.rate_factor)
    permits = Permits(built.consents, built.grants, built.events, built.accounts, built.audit)
    identity = verbs(config, built, permits, throttle, verifier.mark_ended)
    await offload(identity.erase.apply_ledger)  # before anybody is served: an older copy may have been put back
    await offload(verifier.refresh)
    for standing in await offload(identity.erase.lately):  # their rows are gone, and tokens of theirs may still be good
        verifier.mark_standing(standing)
    proxies = frozenset(filter(None, config.trusted_proxies.split(",")))
    gate = Gate(declared(), verifier.verify, throttle, permits, offload, proxies)
    age = StreamLimits(config.streams_max, config.streams_per_account_max, config.stream_age_s)
    live = Live(age, verifier.objection, time.time)
    analyze = Analyze(built.series, built.analyses, built.windows, built.keys, failing, built.model)
    if built.model is not None:  # weeks that another model read, or none, are due again
        await offload(built.windows.touch_older, DEFAULT_METHOD, built.model.manifest.digest)
    worker = Worker(analyze, partial(loop.call_soon_threadsafe, live.wake))
    ingest = Ingest(built.series, built.analyses, built.windows, built.keys, worker.wake)
    read = Read(built.series, built.keys)
    samples = discrete(built, read, worker.wake)
    health = Health(built.probes, offload)
    server = grpc.aio.server(interceptors=(Boundary(gate),), options=limits.GRPC_OPTIONS)
    auth_service_pb2_grpc.add_AuthServiceServicer_to_server(AuthService(identity, offload, passwords), server)
    health_data_service_pb2_grpc.add_HealthDataServiceServicer_to_server(
        HealthDataService(
            Room(ingest, offload, live, permits),
            read,
            Lists(built.analyses, built.keys, analyze),
            samples,
        ),
        server,
    )
    weeks = Weeks(built.series, built.windows, built.requests, built.keys, time.time, worker.wake, built.model)
    explain = Explain(built.windows, built.insights, built.requests, built.keys, built.narrator, time.time)
    catalogue = ListModels(built.models, built.keys, built.model.manifest if built.model else None)
    insight_service_pb2_grpc.add_InsightServiceServicer_to_server(
        InsightService(live, offload, weeks, explain, catalogue, permits), server
    )
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    server.add_generic_rpc_handlers((*_reflection(), *more))
    port = _bound(server, config.listen)
    await health.probe()
    await server.start()
    jobs = (
        worker,
        Chore(identity.erase.run_due, ERASE_EVERY_S, "eraser"),
        Chore(Deliver(built.outbox, built.carrier).deliver_due, MAIL_EVERY_S, "mail"),
        Chore(samples.retain.run_due, RETAIN_EVERY_S, "retention"),
        Chore(Compact(built.series, built.keys).run_due, COMPACT_EVERY_S, "compaction"),
    )
    for job in jobs:
        job.start()
    _publish(config, port)
    tasks = [
        asyncio.create_task(health.watch()),
        asyncio.create_task(Patrol(verifier, live, permits, throttle, offload).watch()),
        asyncio.create_task(_every(SWEEP_EVERY_S, offload, built.sweep)),
        asyncio.create_task(_every(ANCHOR_EVERY_S, offload, built.audit.anchor)),
    ]
    return Running(server, port, built, live, health, jobs, (offload, passwords), tasks)


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    share_one_heap()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    trace.set_up(config.log_format)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    running = await start(config)
    model = running.world.model
    trace.line("serving", port=running.port, records=config.records, model=model.manifest.name if model else "none")
    await stopped.wait()
    trace.line("draining", grace_s=config.drain_s)
    await running.drain(config.drain_s)
    trace.line("stopped")


def _reflection() -> tuple[grpc.GenericRpcHandler, ...]:
    """Serve reflection under both of its names: v1 is v1alpha with another package, byte for byte."""
    names = (*SERVICES, "grpc.health.v1.Health", REFLECTION_V1, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names, pool=descriptor_pool.Default())
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    return tuple(
        grpc.method_handlers_generic_handler(name, methods) for name in (REFLECTION_V1, reflection.SERVICE_NAME)
    )


def _bound(server: grpc.aio.Server, listen: str) -> int:
    try:
        port: int = server.add_insecure_port(listen)
    except RuntimeError as why:
        raise ConfigError(f"CLARITY_LISTEN={listen!r} cannot be bound: is another server on this port?") from why
    return port


def _publish(config: Config, port: int) -> None:
    """Say that we serve."""
    if config.ready_file:
        _write_aside(Path(config.ready_file), json.dumps({"port": port, "pid": os.getpid()}))


def _write_aside(path: Path, text: str) -> None:
    # Write aside, then rename: a reader sees the old text or the new, never half.
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


async def _every(period_s: float, offload: Offload, blocking: Callable[[], object]) -> None:
    """Run a blocking job again and again; a failure is logged and the next round runs."""
    while True:
        await asyncio.sleep(period_s)
        await offload(failing, blocking)

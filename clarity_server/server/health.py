"""grpc.health.v1, driven by probes that really touch what a service needs."""

import asyncio
from collections.abc import Callable, Mapping

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import OVERALL_HEALTH, aio

from clarity_server.server.boundary import failing
from clarity_server.services.offload import Offload

PROBE_EVERY_S = 5.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

Probe = Callable[[], object]
"""Touches what a service needs, blocking, and raises what is wrong."""


class Health:
    """Says SERVING for a service as long as its probe passes, and for the whole as long as all do."""

    def __init__(self, probes: Mapping[str, Probe], offload: Offload) -> None:
        """Take a probe per full service name."""
        self.servicer = aio.HealthServicer()
        self._probes = probes
        self._offload = offload

    async def probe(self) -> None:
        """Run every probe once and publish what it found."""
        states = {service: not await self._offload(failing, probe) for service, probe in self._probes.items()}
        for service, serving in {**states, OVERALL_HEALTH: all(states.values())}.items():
            await self.servicer.set(service, SERVING if serving else NOT_SERVING)

    async def watch(self) -> None:
        """Probe until cancelled."""
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            await self.probe()

    async def drain(self) -> None:
        """Say NOT_SERVING from now on."""
        await self.servicer.enter_graceful_shutdown()

"""The patrol: learns every second who may not go on, and ends what is open of theirs."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from clarity_server.domain.access import Purpose
from clarity_server.flows.permits import Permits
from clarity_server.server.boundary import failing
from clarity_server.server.identity import Verifier
from clarity_server.server.throttle import Throttle
from clarity_server.services.live import Live
from clarity_server.services.offload import Offload

EVERY_S = 1.0
CONSENTS_EVERY = 2  # rounds: consents withdrawn elsewhere end streams within some 3 s
SWEEP_EVERY = 10  # rounds


@dataclass(slots=True)
class Patrol:
    """Runs on the event loop; asks the stores in a thread. What fails is logged, and the next round runs."""

    verifier: Verifier
    live: Live
    permits: Permits
    throttle: Throttle
    offload: Offload
    _round: int = 0

    async def watch(self) -> None:
        """Patrol until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.round()

    async def round(self) -> None:
        """Learn what has changed, and act on it. Expired streams end also where the store is away."""
        await self.offload(failing, self.verifier.refresh)
        self.live.patrol()
        self._round += 1
        if self._round % CONSENTS_EVERY == 0:
            await self.check_consents()
        if self._round % SWEEP_EVERY == 0:
            await self.offload(failing, self.throttle.sweep)

    async def check_consents(self) -> None:
        """End the streams of those who withdrew what they need."""
        found: list[Mapping[str, Collection[Purpose]]] = []
        await self.offload(failing, _kept(found, self.permits, self.live.asked()))
        for missing in found:
            self.live.withdraw(missing)


def _kept(
    found: list[Mapping[str, Collection[Purpose]]], permits: Permits, asked: Mapping[str, Collection[Purpose]]
) -> Callable[[], None]:
    """Return the job that asks and keeps the answer: `failing` returns only whether it failed."""
    return lambda: found.append(permits.missing(asked))

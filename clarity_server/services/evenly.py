"""Answers at even times, so that their time tells nothing: not whether an address has an account, say.

The ways through such a call are alike already; what is left are fractions of a millisecond, of a row that is found and
a seal that is opened. An answer that waits for the next step of a coarse clock shows none of them.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

STEP_S = 0.05  # twice what a password takes to check


@dataclass(frozen=True, slots=True)
class Evenly:
    """Lets what happens within end at a whole number of steps after it began, answer and refusal alike."""

    step_s: float = STEP_S
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Wait at the end, also where it ends with an error."""
        began = self.clock()
        try:
            yield
        finally:
            taken = self.clock() - began
            await self.sleep(math.ceil(taken / self.step_s) * self.step_s - taken)

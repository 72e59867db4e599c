"""The one bridge from async to sync: blocking verbs run in a bounded pool of threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

THREADS_MAX = 32

P = ParamSpec("P")
R = TypeVar("R")


class Offload:
    """Runs blocking verbs off the event loop."""

    def __init__(self, threads: int = THREADS_MAX, name: str = "io") -> None:
        """Bound the pool; work beyond it waits its turn."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def __call__(self, verb: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a verb and return its answer. Cancelling the wait does not stop the verb: verbs are idempotent."""
        work = partial(copy_context().run, partial(verb, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for running verbs and take no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

"""Many points, side by side, each compared with one clean run of its recording."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from clarity.local import tail
from tests.torture import weeks
from tests.torture.faults import FAULTS
from tests.torture.ledger import Ledger, Lost, demand
from tests.torture.outcome import Outcome, equal, faithful
from tests.torture.plan import Fault, Leg, Plan, plan
from tests.torture.point import Point, Tally
from tests.torture.watch import watched
from tests.torture.wire import Caller
from tests.torture.world import World, running

POINT_S = 90.0
POINTS_A_WORLD = 100  # then its file is checked, and the next points begin with an empty one


@dataclass(frozen=True, slots=True)
class Failure:
    """A point that did not hold."""

    seed: int
    error: BaseException
    log: str  # the server's last lines

    @property
    def lost(self) -> bool:
        """Whether an acknowledged sample is missing."""
        return isinstance(self.error, Lost)


@dataclass
class Torture:
    """All points, the clean runs they are compared with, and what came of them."""

    tell: Callable[["Torture"], None] = lambda _: None  # after every point
    tally: Tally = field(default_factory=Tally)
    failures: list[Failure] = field(default_factory=list)
    kills: int = 0
    files: int = 0  # stores that SQLite found whole in the end
    _clean: dict[tuple[int, bool], asyncio.Task[Outcome]] = field(default_factory=dict)

    async def run(self, seed: int, points: int, jobs: int) -> None:
        """Run the points of the seeds from `seed` on, so many at a time, each job on a server of its own."""
        seeds = iter(range(seed, seed + points))
        async with asyncio.TaskGroup() as group:
            for _ in range(jobs):
                group.create_task(self._job(seeds))

    async def _job(self, seeds: Iterator[int]) -> None:
        for first in seeds:
            async with self._world() as world:
                for seed in itertools.chain([first], itertools.islice(seeds, POINTS_A_WORLD - 1)):
                    await self._point(seed, world)

    async def _point(self, seed: int, world: World) -> None:
        """Run a point; whatever it raises is its result."""
        await world.ensure()
        (error,) = await asyncio.gather(self._judged(plan(seed), world), return_exceptions=True)
        if error is not None:
            self.failures.append(Failure(seed, error, tail(world.log)))
        self.tally.points += 1
        self.tally.modelled += plan(seed).model
        self.tell(self)

    async def _judged(self, planned: Plan, world: World) -> None:
        small = planned.legs[0].fault is Fault.DISK_FULL
        if small or planned.model:
            async with self._world(small=small, model=planned.model) as own:
                await self._compared(planned, own)
        else:
            await self._compared(planned, world)

    async def _compared(self, planned: Plan, world: World) -> None:
        clean = await self._clean_run(planned, world)
        async with asyncio.timeout(POINT_S), signed_up(world) as caller:
            point = Point(planned, world, caller, self.tally)
            async with watching(point):
                earlier = await sent_before(point)
                for leg in planned.legs:
                    await run_leg(point, leg)
                await point.complete()
                if planned.reopened:
                    await point.complete(after_result=0)
                found = await point.outcome()
                earlier.listed(found.earlier, 0)
                equal(found, clean)
            await point.caller.close()

    async def _clean_run(self, planned: Plan, world: World) -> Outcome:
        """The outcome of the recording when nothing goes wrong; run once, by whoever needs it first."""
        what = (planned.recording, planned.model)
        if what not in self._clean:
            undisturbed = replace(planned, legs=(), unary_finish=False, reopened=False)
            self._clean[what] = asyncio.create_task(clean_run(undisturbed, world))
        return await asyncio.shield(self._clean[what])

    @asynccontextmanager
    async def _world(self, *, small: bool = False, model: bool = False) -> AsyncIterator[World]:
        async with running(small=small, model=model) as world:
            yield world
            await world.stop()
            self.kills += world.kills
            demand(world.check_file() == "ok", f"the file is damaged: {world.check_file()}")
            self.files += 1


async def run_leg(point: Point, leg: Leg) -> None:
    """Do one leg on a connection of its own, and check that every promise still holds."""
    if await point.committed() >= point.count:
        return
    point.tally.faults[leg.fault] += 1
    async with point.caller.again() as caller:
        await FAULTS[leg.fault](point, leg, caller)
    if point.world.server is None:
        await point.world.start()
    await point.reconnect()
    await point.committed()


async def clean_run(planned: Plan, world: World) -> Outcome:
    """Stream a recording undisturbed; what can be read then is the recording itself."""
    async with asyncio.timeout(POINT_S), signed_up(world) as caller:
        point = Point(planned, world, caller, Tally())
        await sent_before(point)
        await point.complete()
        found = await point.outcome()
    faithful(found, point.recording)
    return found


async def sent_before(point: Point) -> Ledger:
    """Send what the recording comes after, if there is such a one, and return what was promised about it."""
    earlier = point.recording.earlier
    # Finished on the stream, whose receipt comes after all results: they are derived from what is there by then.
    before = Point(replace(point.plan, unary_finish=False), point.world, point.caller, Tally(), earlier)
    if earlier is not None:
        await before.complete()
    return before.ledger


@asynccontextmanager
async def watching(point: Point) -> AsyncIterator[None]:
    """Watch the analyses of a point, and judge in the end what was heard."""
    if not point.recording.weeks:
        yield
        return
    async with watched(point.world, point.caller.token) as watcher:
        yield
        await watcher.until_heard(await weeks.current(point.caller))
    await watcher.judge()
    point.tally.watches += watcher.resumes


@asynccontextmanager
async def signed_up(world: World) -> AsyncIterator[Caller]:
    """A new account's caller, whose connection ends with it."""
    async with await world.sign_up() as caller:
        yield caller

"""The patrol: what is open ends within seconds of what was done elsewhere, and nothing stands in its way."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clarity_server.domain.access import Purpose
from clarity_server.domain.accounts import AccountState, Identity
from clarity_server.domain.errors import ClarityError
from clarity_server.server.identity import Verifier
from clarity_server.server.patrol import CONSENTS_EVERY, EVERY_S, Patrol
from clarity_server.server.throttle import Throttle
from clarity_server.services.live import Live, StreamLimits
from clarity_server.services.offload import Offload
from tests.flows.access_world import HERE, AccessWorld, access_world

PROMISED_S = 5.0  # in the contract
STREAM_AGE_S = 3600.0


@dataclass(eq=False)
class Open:
    """Something that is open, and why it was ended."""

    identity: Identity
    purposes: Sequence[Purpose] = ()
    ended: list[str] = field(default_factory=list)

    def stop(self, why: ClarityError) -> None:
        self.ended.append(type(why).__name__)

    def wake(self) -> None:
        """Be there for the protocol."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AccessWorld]:
    with access_world(tmp_path) as opened:
        yield opened


@pytest.fixture
async def patrol(world: AccessWorld) -> AsyncIterator[Patrol]:
    verifier, offload = world.verifier, Offload(1)
    live = Live(StreamLimits(8, 8, STREAM_AGE_S), verifier.objection, world.clock)
    yield Patrol(verifier, live, world.permits, Throttle(), offload)
    offload.close()


async def rounds(world: AccessWorld, patrol: Patrol, seconds: float = PROMISED_S) -> None:
    """Let so much time pass as patrols have it."""
    for _ in range(int(seconds / EVERY_S)):
        world.clock.wait(EVERY_S)
        await patrol.round()


@pytest.mark.parametrize("state", [AccountState.SUSPENDED, AccountState.DISABLED, AccountState.ERASING])
async def test_what_an_account_has_open_ends_when_it_is_out_of_service(
    world: AccessWorld, patrol: Patrol, state: AccountState
) -> None:
    owl, lark = Open(world.person()), Open(world.person())
    with ExitStack() as held:
        for stream in (owl, lark):
            held.enter_context(patrol.live.admitted(stream))
        await rounds(world, patrol)
        world.set_state(owl.identity, state)
        await rounds(world, patrol)
    assert set(owl.ended) == {f"Account{state.capitalize()}"}
    assert lark.ended == []


async def test_what_is_open_ends_with_its_session_and_with_its_age(world: AccessWorld, patrol: Patrol) -> None:
    owl, lark = Open(world.person()), Open(world.person())
    with ExitStack() as held:
        for stream in (owl, lark):
            held.enter_context(patrol.live.admitted(stream))
        patrol.verifier.mark_ended(owl.identity.session_id)
        await patrol.round()
        assert (owl.ended, lark.ended) == (["SessionEnded"], [])
        world.clock.now = lark.identity.expire_time + STREAM_AGE_S + 1
        await patrol.round()
        assert lark.ended == ["StreamExpired"]


@pytest.mark.parametrize("here", [True, False], ids=["here", "in another process"])
async def test_what_needs_a_consent_ends_when_it_is_withdrawn(
    world: AccessWorld, patrol: Patrol, *, here: bool
) -> None:
    owl = world.person()
    stores, watches = Open(owl, [Purpose.STORAGE]), Open(owl, [Purpose.ANALYSIS])
    with ExitStack() as held:
        for stream in (stores, watches):
            held.enter_context(patrol.live.admitted(stream))
        await rounds(world, patrol)
        assert (stores.ended, watches.ended) == ([], [])
        if here:
            world.sharing.set_consent(owl, Purpose.STORAGE, False, "", HERE)
        else:
            world.consent(owl, Purpose.STORAGE, given=False)
        await rounds(world, patrol)
    assert set(stores.ended) == {"ConsentMissing"}
    assert watches.ended == []


class Away(Verifier):
    """A verifier whose stores are away."""

    def refresh(self) -> None:
        raise OSError("the disk is gone")


async def test_expired_streams_end_although_the_store_is_away(world: AccessWorld, patrol: Patrol) -> None:
    patrol.verifier = Away(world.store.keys, world.store.sessions, world.store.accounts, world.clock)
    owl = Open(world.person())
    with patrol.live.admitted(owl):
        world.clock.now = owl.identity.expire_time + STREAM_AGE_S + 1
        await rounds(world, patrol, CONSENTS_EVERY * EVERY_S)
    assert set(owl.ended) == {"StreamExpired"}

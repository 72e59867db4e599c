"""Erasure, killed between any two of its steps and started again: it ends the same."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clarity_server.domain.accounts import Account, AccountState, Identity
from clarity_server.domain.erasure import ErasureState
from tests.contracts.worlds import Clock
from tests.flows.erasing_world import GRACE_S, HERE, PASSWORD, ErasingWorld, erasing_world

OWL, WOLF = "owl@example.org", "wolf@example.org"
STEPS_MAX = 300  # more than there are: a test that needs more never ends


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fuse:
    """Burns with each step; after the last one nothing happens any more."""

    left: int

    def burn(self) -> None:
        if self.left <= 0:
            raise Killed
        self.left -= 1


@dataclass
class Mortal:
    """A port of a process that may be killed before any of its calls, or right after the last."""

    port: Any
    fuse: Fuse

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        found = getattr(self.port, name)
        return self._killable(found) if callable(found) else found

    def _killable(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            self.fuse.burn()
            return verb(*arguments, **named)

        return call


@dataclass(frozen=True)
class Beginning:
    """A directory that every try starts from, and who is in it."""

    root: Path
    owl: Account
    identity: Identity
    secret: str


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Beginning:
    """A store whose person has asked for the erasure."""
    root = tmp_path_factory.mktemp("asked")
    with erasing_world(root) as world:
        owl = world.person(OWL, world.signed_up(WOLF))
        identity, _ = world.signed_in(OWL)
        secret, _ = world.erase.request(identity, PASSWORD, "", HERE)
    return Beginning(root, owl, identity, secret)


@pytest.fixture(scope="module")
def unasked(tmp_path_factory: pytest.TempPathFactory) -> Beginning:
    """A store whose person is signed in."""
    root = tmp_path_factory.mktemp("unasked")
    with erasing_world(root) as world:
        owl = world.person(OWL, world.signed_up(WOLF))
        identity, _ = world.signed_in(OWL)
    return Beginning(root, owl, identity, "")


def killed_at_each_step(
    beginning: Beginning, where: Path, verb: Callable[[ErasingWorld], object], after_s: float = 0.0
) -> Iterator[tuple[Path, Clock, bool]]:
    """Run a verb on a copy, killed at its first step, its second, …; the last time it comes to its end."""
    for step in range(STEPS_MAX):
        root, clock, ended = where / str(step), Clock(), False
        clock.wait(after_s)
        shutil.copytree(beginning.root, root)
        with erasing_world(root, clock) as world, suppress(Killed):
            fuse = Fuse(step)
            world.through = lambda port, fuse=fuse: Mortal(port, fuse)  # type: ignore[misc]
            verb(world)
            ended = True
        yield root, clock, ended
        shutil.rmtree(root)
        if ended:
            return
    raise AssertionError("there are more steps than were thought of")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_erasure_that_was_killed_is_done_after_the_next_start(asked: Beginning, tmp_path: Path) -> None:
    steps, counted = 0, dict[str, int]()
    for root, clock, ended in killed_at_each_step(asked, tmp_path, lambda one: one.erase.run_due(), GRACE_S + 1):
        steps += 1
        with erasing_world(root, clock) as world:
            again = world.erase.apply_ledger() + world.erase.run_due()
            assert again <= 1
            assert world.left(asked.owl.account_id) == {}, f"killed at step {steps}"
            receipt = world.erase.receipt(asked.secret)
            assert receipt.state is ErasureState.DONE
            assert receipt.signed_receipt
            assert all(left == 0 for _, _, left in receipt.stores)
            counts = {name: erased for name, erased, _ in receipt.stores if not name.endswith("aside")}
            counted = counted or counts
            assert counts == counted, f"what was there is told alike, killed at step {steps}"
            assert world.store.audit.verify().whole
            assert world.erase.apply_ledger() + world.erase.run_due() == 0, "there is nothing left to do"
            assert not ended or again == 0
    assert steps > 2 * len(counted)


def test_a_request_that_was_killed_has_happened_or_not(unasked: Beginning, tmp_path: Path) -> None:
    def ask(world: ErasingWorld) -> None:
        world.erase.request(unasked.identity, PASSWORD, "", HERE)

    seen = set[AccountState]()
    for root, clock, ended in killed_at_each_step(unasked, tmp_path, ask):
        with erasing_world(root, clock) as world:
            world.erase.apply_ledger()
            account = world.store.accounts.get(unasked.owl.account_id)
            erasure = world.store.ledger.of_account(unasked.owl.account_id)
            assert account is not None
            seen.add(account.state)
            assert (account.state is AccountState.ERASING) == (erasure is not None)
            row = world.store.sessions.get(unasked.identity.session_id)
            assert row is not None
            assert (row.ended_time is not None) == (erasure is not None)
            assert ("erasure-asked" in world.mail_kinds(OWL)) == (erasure is not None)
            assert not ended or erasure is not None
            clock.wait(GRACE_S + 1)
            assert world.erase.run_due() == (erasure is not None)
            assert bool(world.left(unasked.owl.account_id)) == (erasure is None)
    assert seen == {AccountState.ACTIVE, AccountState.ERASING}


def test_a_cancelling_that_was_killed_has_happened_or_not(asked: Beginning, tmp_path: Path) -> None:
    seen = set[AccountState]()
    for root, clock, ended in killed_at_each_step(
        asked, tmp_path, lambda one: one.erase.cancel(asked.owl.account_id, HERE), 1.0
    ):
        with erasing_world(root, clock) as world:
            world.erase.apply_ledger()
            account = world.store.accounts.get(asked.owl.account_id)
            assert account is not None
            seen.add(account.state)
            kept = world.erase.receipt(asked.secret).state is ErasureState.CANCELLED
            assert (account.state is AccountState.ACTIVE) == kept
            assert ("erasure-cancelled" in world.mail_kinds(OWL)) == kept
            assert kept or not ended
            clock.wait(GRACE_S + 1)
            assert world.erase.run_due() == (not kept)
            assert bool(world.left(asked.owl.account_id)) == kept
    assert seen == {AccountState.ACTIVE, AccountState.ERASING}

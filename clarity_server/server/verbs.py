"""The verbs of identity, sharing and erasure, and those of samples, put together over the ports of a world."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from clarity_server.config import Config
from clarity_server.flows.aggregate import Aggregate
from clarity_server.flows.chains import Chains
from clarity_server.flows.challenges import Challenges
from clarity_server.flows.codes import Codes
from clarity_server.flows.deleted import Deletions
from clarity_server.flows.erase import Erase
from clarity_server.flows.feed import Feed
from clarity_server.flows.operate import Operate
from clarity_server.flows.permits import Permits
from clarity_server.flows.profile import Profile
from clarity_server.flows.proofs import Proofs
from clarity_server.flows.read import Read
from clarity_server.flows.remove import Remove
from clarity_server.flows.retention import Retain
from clarity_server.flows.samples import Collect
from clarity_server.flows.second_factor import SecondFactor
from clarity_server.flows.sharing import Sharing
from clarity_server.flows.sign_in import SignIn
from clarity_server.flows.sign_up import SignUp
from clarity_server.flows.sources import Known
from clarity_server.flows.trail import Trail
from clarity_server.server.boundary import failing
from clarity_server.server.flags import flags
from clarity_server.server.throttle import Throttle
from clarity_server.server.wiring import World
from clarity_server.services.auth_service import Identities
from clarity_server.services.health_data_service import Discrete


@dataclass(frozen=True, slots=True)
class Memory:
    """What this process remembers of an account: gone when it is told so, or by itself soon after. A ports.Holder."""

    name: str
    forget: Callable[[str], object]

    def count(self, account_id: str) -> int:  # noqa: ARG002  whoever asks
        """Nothing of it can be listed."""
        return 0

    def erase(self, account_id: str) -> int:
        """Forget it."""
        self.forget(account_id)
        return 0


def verbs(
    config: Config, world: World, permits: Permits, throttle: Throttle, on_ended: Callable[[str], None]
) -> Identities:
    """Put them together; `on_ended` hears the id of every session ended in this process."""
    clock, trail = time.time, Trail(world.audit)
    chains = Chains(world.sessions, world.keys, on_ended, clock)
    codes = Codes(world.tickets, world.accounts, world.outbox, trail, world.keys, clock)
    second_factor = SecondFactor(world.factors, world.tickets, world.keys, clock)
    profile = Profile(world.accounts, world.factors, world.outbox, codes, trail, clock)
    proofs = Proofs(
        world.accounts,
        world.passwords,
        second_factor,
        chains,
        codes,
        world.outbox,
        trail,
        clock,
        on_changed=profile.known.forget,
    )
    memories = [
        Memory("known-accounts", profile.known.forget),
        Memory("known-consents", permits.forget),
    ]
    erase = Erase(
        world.accounts,
        world.sessions,
        world.consents,
        world.outbox,
        world.audit,
        world.ledger,
        world.keys,
        (*world.holders, *memories, throttle),
        prove=proofs.prove,
        failing=failing,
        scrub=world.scrub,
        grace_s=config.erasure_grace_s,
        on_ended=on_ended,
    )
    return Identities(
        sign_up=SignUp(
            world.accounts,
            world.passwords,
            world.consents,
            world.requests,
            world.keys,
            codes,
            trail,
            flags(config).sign_up,
            clock,
        ),
        sign_in=SignIn(
            world.accounts,
            world.passwords,
            world.requests,
            world.keys,
            chains,
            codes,
            Challenges(world.tickets, codes, world.keys, clock),
            second_factor,
            trail,
            on_signed_in_while_erasing=erase.cancel,
            clock=clock,
        ),
        profile=profile,
        proofs=proofs,
        sharing=Sharing(
            world.accounts,
            world.consents,
            world.grants,
            world.events,
            world.requests,
            world.keys,
            world.audit,
            on_consent=permits.forget,
        ),
        operate=Operate(
            world.accounts,
            world.passwords,
            world.sessions,
            world.consents,
            world.outbox,
            world.audit,
            world.requests,
            world.keys,
            on_ended=on_ended,
        ),
        erase=erase,
        jwks=world.keys.jwks,
    )


def discrete(world: World, read: Read, wake: Callable[[], None]) -> Discrete:
    """Put together the verbs of samples; `wake` tells the worker that something is to be derived again."""
    series, keys, clock = world.series, world.keys, time.time
    remove = Remove(world.samples, Deletions(series, keys, wake), world.requests, clock)
    return Discrete(
        collect=Collect(world.samples, keys, clock),
        aggregate=Aggregate(world.samples, series, world.sources, read, keys),
        known=Known(world.samples, world.sources, series, world.changes, keys),
        feed=Feed(world.changes, series, keys),
        remove=remove,
        retain=Retain(world.retentions, remove, failing, clock),
    )

"""Identity: the verbs of accounts, sessions and proofs, put together over their ports."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clarity_server.domain.accounts import Origin
from clarity_server.flows.chains import Chains
from clarity_server.flows.challenges import Challenges
from clarity_server.flows.codes import Codes
from clarity_server.flows.profile import Profile
from clarity_server.flows.proofs import Proofs
from clarity_server.flows.second_factor import SecondFactor
from clarity_server.flows.sign_in import SignIn
from clarity_server.flows.sign_up import SignUp
from clarity_server.flows.trail import Trail
from clarity_server.ports import (
    Accounts,
    Audit,
    Consents,
    Factors,
    Keys,
    Outbox,
    Passwords,
    Requests,
    Sessions,
    Tickets,
)


class IdentityPorts(Protocol):
    """What identity needs of the world."""

    @property
    def accounts(self) -> Accounts:
        """Who there is."""

    @property
    def passwords(self) -> Passwords:
        """Who knows the password."""

    @property
    def sessions(self) -> Sessions:
        """Chains of refresh tokens."""

    @property
    def tickets(self) -> Tickets:
        """What waits for a code."""

    @property
    def factors(self) -> Factors:
        """Second factors."""

    @property
    def consents(self) -> Consents:
        """What people agreed to."""

    @property
    def requests(self) -> Requests:
        """First answers."""

    @property
    def outbox(self) -> Outbox:
        """Mails on their way."""

    @property
    def audit(self) -> Audit:
        """What happened."""

    @property
    def keys(self) -> Keys:
        """Secrets."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The verbs."""

    sign_up: SignUp
    sign_in: SignIn
    profile: Profile
    proofs: Proofs


def identity(
    ports: IdentityPorts,
    *,
    on_ended: Callable[[str], object],
    on_signed_in_while_erasing: Callable[[str, Origin], object],
    sign_up_open: bool,
    clock: Callable[[], float],
) -> Identity:
    """Put the verbs together.

    `on_ended` hears the id of every session ended here, after the store has it; `on_signed_in_while_erasing` takes the
    request for an account's erasure back.
    """
    accounts, passwords, keys, outbox = ports.accounts, ports.passwords, ports.keys, ports.outbox
    tickets, requests, factors = ports.tickets, ports.requests, ports.factors
    trail = Trail(ports.audit)
    codes = Codes(tickets, accounts, outbox, trail, keys, clock)
    second_factor = SecondFactor(factors, tickets, keys, clock)
    chains = Chains(ports.sessions, keys, on_ended, clock)
    profile = Profile(accounts, factors, outbox, codes, trail, clock)
    return Identity(
        sign_up=SignUp(
            accounts, passwords, ports.consents, requests, keys, codes, trail, is_open=sign_up_open, clock=clock
        ),
        sign_in=SignIn(
            accounts=accounts,
            passwords=passwords,
            requests=requests,
            keys=keys,
            chains=chains,
            codes=codes,
            challenges=Challenges(tickets, codes, keys, clock),
            second_factor=second_factor,
            trail=trail,
            on_signed_in_while_erasing=on_signed_in_while_erasing,
            clock=clock,
        ),
        profile=profile,
        proofs=Proofs(
            accounts=accounts,
            passwords=passwords,
            second_factor=second_factor,
            chains=chains,
            codes=codes,
            outbox=outbox,
            trail=trail,
            clock=clock,
            on_changed=profile.forget,
        ),
    )

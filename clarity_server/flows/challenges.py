"""Challenges: sign-ins with the right password that wait for something more."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

from clarity_server.domain.accounts import Challenge, ChallengeKind, Device
from clarity_server.domain.errors import ChallengeEnded, InvalidInput
from clarity_server.domain.ids import keyed_digest
from clarity_server.domain.sealing import seal, unseal
from clarity_server.domain.tickets import ATTEMPTS_MAX, Ticket, TicketKind
from clarity_server.flows.chains import Beginning
from clarity_server.flows.codes import Codes
from clarity_server.flows.second_factor import Proof
from clarity_server.ports import Keys, Tickets

CHALLENGE_S = timedelta(minutes=5).total_seconds()
REPEAT_S = 60.0  # how long a right answer may be given again


@dataclass(frozen=True, slots=True)
class ChallengeAnswer:
    """What somebody answers: one of the three."""

    totp_code: str = field(default="", repr=False)
    recovery_code: str = field(default="", repr=False)
    new_password: str = field(default="", repr=False)

    @property
    def kind(self) -> ChallengeKind:
        """Which challenge it answers."""
        return ChallengeKind.NEW_PASSWORD if self.new_password else ChallengeKind.TOTP

    @property
    def proof(self) -> Proof:
        """It as a proof of the second factor."""
        return Proof(self.totp_code, self.recovery_code)


@dataclass(frozen=True, slots=True)
class Given:
    """A right answer, so that it can be told from another."""

    digest: str
    kind: ChallengeKind
    time: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sign-in that waits: how its session will begin, and what is still asked for, in order."""

    session_id: str
    account_id: str
    lasts_s: float
    scopes: tuple[str, ...]
    device: Device
    network: str
    needs: tuple[ChallengeKind, ...]
    began: float
    given: tuple[Given, ...] = ()

    @property
    def beginning(self) -> Beginning:
        """How its session begins: at the last right answer."""
        began = self.given[-1].time if self.given else self.began
        return Beginning(self.session_id, self.account_id, began, self.lasts_s, self.scopes, self.device, self.network)


@dataclass(frozen=True, slots=True)
class Held:
    """A challenge as an answer found it: its ticket, and whether this very answer was right before."""

    ticket: Ticket
    waiting: Waiting
    digest: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class Challenges:
    """Keeps them, as tickets."""

    tickets: Tickets
    codes: Codes
    keys: Keys
    clock: Callable[[], float]  # seconds since 1970

    def put(self, seed: str, waiting: Waiting) -> Challenge:
        """Keep a challenge under the ticket of a seed, unless it is there."""
        ticket = self.codes.ticket_of(seed)
        ticket_hash = self.codes.hash_of(ticket)
        made = Ticket(
            ticket_hash=ticket_hash,
            kind=TicketKind.SIGN_IN,
            account_id=waiting.account_id,
            code_hash=b"",
            attempts_left=ATTEMPTS_MAX,
            sent_time=waiting.began,
            expire_time=waiting.began + CHALLENGE_S,
            body=self._sealed(ticket_hash, waiting),
        )
        self.tickets.change(ticket_hash, lambda stored: (stored or made, None))
        return Challenge(waiting.needs[0], ticket, made.expire_time)

    def hold(self, ticket: str, answer: ChallengeAnswer, request_id: str) -> Held:
        """Find the challenge of an answer. Raises ChallengeEnded, InvalidInput for an answer of another kind."""
        found = self.tickets.change(self.codes.hash_of(ticket), lambda stored: (stored, stored))
        now = self.clock()
        if found is None or found.kind is not TicketKind.SIGN_IN or not found.body or now >= found.expire_time:
            raise ChallengeEnded
        waiting, digest = self._opened(found), self._digest(ticket, answer, request_id)
        if any(one.digest == digest and now < one.time + REPEAT_S for one in waiting.given if request_id):
            return Held(found, waiting, digest, repeated=True)
        if not found.waits(now):
            raise ChallengeEnded
        if answer.kind is not waiting.needs[0]:
            raise InvalidInput(answer=f"the challenge asks for {waiting.needs[0]}")
        return Held(found, waiting, digest, repeated=False)

    def take_attempt(self, held: Held) -> int:
        """Take one of the attempts before its answer is judged; return how many are left. Raises ChallengeEnded."""
        now = self.clock()

        def taken(stored: Ticket | None) -> tuple[Ticket | None, int]:
            if stored is None or not stored.waits(now):
                raise ChallengeEnded
            left = stored.attempts_left - 1
            return replace(stored, attempts_left=left), left

        return self.tickets.change(held.ticket.ticket_hash, taken)

    def settle(self, held: Held, answer: ChallengeAnswer) -> Waiting:
        """Keep that an answer is right; return what waits then. Of two at once one is. Raises ChallengeEnded."""
        now = self.clock()
        given = Given(held.digest, answer.kind, now)
        after = replace(held.waiting, needs=held.waiting.needs[1:], given=(*held.waiting.given, given))
        body = self._sealed(held.ticket.ticket_hash, after)

        def settled(stored: Ticket | None) -> tuple[Ticket | None, None]:
            if stored is None or stored.used_time is not None or stored.body != held.ticket.body:
                raise ChallengeEnded
            left, used_time = stored.attempts_left, None if after.needs else now
            return replace(stored, body=body, attempts_left=min(left + 1, ATTEMPTS_MAX), used_time=used_time), None

        self.tickets.change(held.ticket.ticket_hash, settled)
        return after

    def as_answered(self, held: Held) -> Waiting:
        """What waited after the answer that is repeated."""
        count = next(place for place, one in enumerate(held.waiting.given, 1) if one.digest == held.digest)
        asked = (*(one.kind for one in held.waiting.given), *held.waiting.needs)
        return replace(held.waiting, needs=asked[count:], given=held.waiting.given[:count])

    def _digest(self, ticket: str, answer: ChallengeAnswer, request_id: str) -> str:
        said = (answer.totp_code, answer.recovery_code, answer.new_password)
        return keyed_digest(self.keys.derived("request-digest"), ticket, request_id, *said).hex()

    def _sealed(self, ticket_hash: bytes, waiting: Waiting) -> bytes:
        return seal(self.keys.data_key(waiting.account_id), json.dumps(asdict(waiting)).encode(), _name(ticket_hash))

    def _opened(self, ticket: Ticket) -> Waiting:
        sealed, name = ticket.body, _name(ticket.ticket_hash)
        known = json.loads(unseal(self.keys.data_key(ticket.account_id), sealed, name))
        return Waiting(
            **{
                **known,
                "scopes": tuple(known["scopes"]),
                "device": Device(**known["device"]),
                "needs": _kinds(known["needs"]),
                "given": tuple(Given(one["digest"], ChallengeKind(one["kind"]), one["time"]) for one in known["given"]),
            }
        )


def _kinds(names: Sequence[str]) -> tuple[ChallengeKind, ...]:
    return tuple(map(ChallengeKind, names))


def _name(ticket_hash: bytes) -> str:
    return f"challenge|{ticket_hash.hex()}"

"""Second factors: one-time codes by time, each taken once whoever sends it, and recovery codes in their place."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from clarity_server.domain import totp
from clarity_server.domain.errors import RateLimited
from clarity_server.domain.ids import keyed_digest
from clarity_server.domain.sealing import seal, unseal
from clarity_server.domain.tickets import Ticket, TicketKind, counted
from clarity_server.ports import Factor, Factors, Keys, Tickets

GUESSES_MAX = 20  # wrong one-time codes of an account in GUESSES_S: a day of them finds one in some 700 accounts
GUESSES_S = timedelta(hours=1).total_seconds()
NEVER = -1  # no step was accepted yet


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody shows: one of the two."""

    totp_code: str = ""
    recovery_code: str = ""


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """Makes, checks and spends them."""

    factors: Factors
    tickets: Tickets
    keys: Keys
    clock: Callable[[], float]  # seconds since 1970

    def confirmed(self, account_id: str) -> Factor | None:
        """An account's factor, if signing in asks for it."""
        factor = self.factors.get(account_id)
        return factor if factor is not None and factor.confirmed else None

    def waits(self, account_id: str) -> bool:
        """Tell whether a secret waits for its first code."""
        factor = self.factors.get(account_id)
        return factor is not None and not factor.confirmed

    def enroll(self, account_id: str) -> str | None:
        """Make a secret that waits for its first code; None where one is confirmed already."""
        secret = totp.new_secret()
        sealed = seal(self.keys.data_key(account_id), secret.encode(), _name(account_id))
        waiting = Factor(account_id, sealed, confirmed=False, last_step=NEVER, recovery_hashes=())

        def made(stored: Factor | None) -> tuple[Factor | None, str | None]:
            return (stored, None) if stored is not None and stored.confirmed else (waiting, secret)

        return self.factors.change(account_id, made)

    def confirm(self, account_id: str, totp_code: str) -> tuple[str, ...] | None:
        """Turn it on by a first code, and return its recovery codes; None where the code is wrong."""
        codes = totp.new_recovery_codes()
        hashes = self._hashes(account_id, codes)

        def turned_on(spent: Factor) -> Factor:
            return replace(spent, confirmed=True, recovery_hashes=hashes)

        return codes if self.spend(account_id, Proof(totp_code), turned_on, confirmed=False) else None

    def renew(self, account_id: str) -> tuple[str, ...]:
        """Replace the recovery codes; return the new ones."""
        codes = totp.new_recovery_codes()
        hashes = self._hashes(account_id, codes)
        self.factors.change(account_id, lambda stored: (stored and replace(stored, recovery_hashes=hashes), None))
        return codes

    def right(self, account_id: str, proof: Proof, *, confirmed: bool = True) -> bool:
        """Tell whether a proof is right, and spend nothing but a guess. Raises RateLimited."""
        if proof.totp_code:
            self._guess(account_id)
        factor = self.factors.get(account_id)
        return factor is not None and factor.confirmed is confirmed and self._spent(factor, proof) is not None

    def spend(
        self,
        account_id: str,
        proof: Proof,
        then: Callable[[Factor], Factor | None] = lambda spent: spent,
        *,
        confirmed: bool = True,
    ) -> bool:
        """Spend a proof and make of the factor what `then` says; tell whether it was right. Of two at once one is."""

        def spent(stored: Factor | None) -> tuple[Factor | None, bool]:
            after = self._spent(stored, proof) if stored is not None and stored.confirmed is confirmed else None
            return (stored, False) if after is None else (then(after), True)

        done = self.factors.change(account_id, spent)
        if done and proof.totp_code:
            self._give_back(account_id)
        return done

    def _spent(self, factor: Factor, proof: Proof) -> Factor | None:
        """The factor without what the proof is; None where it is wrong or was spent before."""
        if proof.totp_code:
            secret = unseal(self.keys.data_key(factor.account_id), factor.secret, _name(factor.account_id)).decode()
            step = totp.step_of(secret, proof.totp_code, self.clock())
            return replace(factor, last_step=step) if step is not None and step > factor.last_step else None
        [gone] = self._hashes(factor.account_id, (proof.recovery_code,))
        left = tuple(kept for kept in factor.recovery_hashes if kept != gone)
        return replace(factor, recovery_hashes=left) if len(left) < len(factor.recovery_hashes) else None

    def _hashes(self, account_id: str, codes: tuple[str, ...]) -> tuple[bytes, ...]:
        key = self.keys.derived("recovery-code")
        return tuple(keyed_digest(key, account_id, totp.plain_recovery_code(code)) for code in codes)

    # Six digits are few, and every sign-in has a ticket of its own: guesses are counted by account, too. Only who knows
    # the password, or is signed in, comes this far, and recovery codes are taken all the same.

    def _guess(self, account_id: str) -> None:
        now, name = self.clock(), self._guesses(account_id)
        fresh = Ticket(name, TicketKind.SIGN_IN, account_id, b"", GUESSES_MAX, now, now + GUESSES_S)
        wait_s = self.tickets.change(name, lambda stored: counted(stored, fresh))
        if wait_s:
            raise RateLimited("one-time codes", wait_s)

    def _give_back(self, account_id: str) -> None:
        def returned(stored: Ticket | None) -> tuple[Ticket | None, None]:
            return stored and replace(stored, attempts_left=min(stored.attempts_left + 1, GUESSES_MAX)), None

        self.tickets.change(self._guesses(account_id), returned)

    def _guesses(self, account_id: str) -> bytes:
        return keyed_digest(self.keys.derived("ticket-index"), "guesses", account_id)


def _name(account_id: str) -> str:
    return f"factor|{account_id}"

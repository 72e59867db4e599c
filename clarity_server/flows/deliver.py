"""Send the mails that are due, beside the calls that queued them."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from clarity_server.domain.errors import MailDelayed, MailRefused
from clarity_server.ports import Carrier, Outbox, QueuedMail

PAGE = 16
PAUSES_S = (60, 5 * 60, 15 * 60, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
"""How long a mail waits after its first try, its second, …; after the last pause and one more try it is given up."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deliver:
    """The verb, over its ports. The log tells a mail's place, kind and tries, and nothing of a person."""

    outbox: Outbox
    carrier: Carrier
    clock: Callable[[], float] = time.time

    def deliver_due(self) -> int:
        """Try up to a page of what is due; return how many were handed over. A mail that is delayed ends the page.

        So a server that does not answer is asked once, and one mail that it does not take yet comes up behind the
        others. A mail may come twice: where this process dies between handing over and noting it, or another one
        looks at the very moment this one does.
        """
        handed_count = 0
        for _ in range(PAGE):
            # One at a time: what another process has taken meanwhile is due no more.
            queued = next(iter(self.outbox.due(self.clock(), 1)), None)
            if queued is None:
                break
            try:
                handed_count += self._try(queued)
            except MailDelayed as why:
                self._delay(queued, why)
                break
        return handed_count

    def _try(self, queued: QueuedMail) -> bool:
        # Noted as tried before it is: another process does not bring it too, and one that ends us comes up behind.
        self.outbox.failed(queued.place, self.clock() + PAUSES_S[min(queued.tries, len(PAUSES_S) - 1)])
        try:
            self.carrier.carry(queued.mail)
        except MailRefused as why:
            _tell("refused", queued, why)
            self.outbox.sent(queued.place)
            return False
        self.outbox.sent(queued.place)
        return True

    def _delay(self, queued: QueuedMail, why: MailDelayed) -> None:
        if queued.tries < len(PAUSES_S):
            _tell("delayed", queued, why)
            return
        _tell("given up", queued, why)
        self.outbox.sent(queued.place)


def _tell(outcome: str, queued: QueuedMail, why: Exception) -> None:
    facts = (outcome, queued.place, queued.mail.kind, queued.tries + 1, why)
    log.warning("mail %s place=%d kind=%s tries=%d error=%s", *facts)

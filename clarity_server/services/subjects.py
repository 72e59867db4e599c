"""Whose data a call is about: the caller's own, or another's that a grant lets them read."""

from collections.abc import Collection
from dataclasses import dataclass

from clarity_server.domain.access import Family, Use
from clarity_server.flows.permits import Permits, check
from clarity_server.services.caller import caller, needed, origin
from clarity_server.services.offload import Offload


@dataclass(frozen=True, slots=True)
class Subjects:
    """Finds the account that a reading is about."""

    permits: Permits
    offload: Offload

    async def read(self, account_id: str, families: Collection[Family], method: str) -> str:
        """Return whose data is read; empty is one's own. Raises ScopeMissing, AccessNotGranted, ConsentMissing."""
        identity = caller()
        if account_id in {"", identity.account_id}:
            check(identity, families, Use.READ)
            return identity.account_id
        purposes = needed().purposes
        subject = self.permits.subject
        return await self.offload(
            subject, identity, account_id, families, Use.READ, method, origin(), purposes=purposes
        )

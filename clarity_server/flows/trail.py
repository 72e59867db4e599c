"""The trail: notes in the audit of who did what, written before it is done."""

from dataclasses import dataclass

from clarity_server.domain.accounts import Identity, Origin
from clarity_server.domain.audit import AuditEvent, AuditKind
from clarity_server.ports import Audit


@dataclass(frozen=True, slots=True)
class Trail:
    """Notes over the Audit port. What one raises must fail the call that it stands for."""

    audit: Audit

    def note(self, kind: AuditKind, account_id: str, origin: Origin, session_id: str = "", **facts: str) -> None:
        """Note what somebody does who is not signed in."""
        self._append(kind, account_id, "", session_id, origin, facts)

    def note_by(self, identity: Identity, kind: AuditKind, origin: Origin, **facts: str) -> None:
        """Note what the caller does to their own account."""
        self._append(kind, identity.account_id, identity.account_id, identity.session_id, origin, facts)

    def _append(
        self, kind: AuditKind, account_id: str, actor_id: str, session_id: str, origin: Origin, facts: dict[str, str]
    ) -> None:
        event = AuditEvent(kind, account_id, actor_id, session_id, origin.network, origin.request_id, facts)
        self.audit.append(event)

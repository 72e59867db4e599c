"""Who is calling and from where: set by the boundary, the first from the verified token, and read by the servicers."""

from contextvars import ContextVar

from clarity_server.domain.access import Access
from clarity_server.domain.accounts import Identity, Origin

CALLER: ContextVar[Identity] = ContextVar("caller")
ORIGIN: ContextVar[Origin] = ContextVar("origin")
NEEDED: ContextVar[Access] = ContextVar("needed")

_NOWHERE = Origin()
_NOTHING = Access()


def caller() -> Identity:
    """Return the verified subject of the running call; on a public RPC there is none and asking is our mistake."""
    return CALLER.get()


def origin() -> Origin:
    """Return where the running call comes from."""
    return ORIGIN.get(_NOWHERE)


def needed() -> Access:
    """Return what the running call's method needs, as the contract declares it."""
    return NEEDED.get(_NOTHING)

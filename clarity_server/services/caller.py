"""Who is calling: set by the boundary from the verified token, read by the servicers."""

from contextvars import ContextVar

from clarity_server.domain.accounts import Identity

CALLER: ContextVar[Identity] = ContextVar("caller")


def caller() -> Identity:
    """Return the verified subject of the running call; on a public RPC there is none and asking is our mistake."""
    return CALLER.get()

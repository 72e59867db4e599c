"""Who may pass: limits first, then the token, then what the method's `access` option asks for.

What the contract declares is judged here, once, for every method there is and every one to come. What depends on more
than the method (the family of a metric, a grant) is judged by flows/permits.py where the metric is known.
"""

import ipaddress
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import unquote

from google.protobuf.message import Message

from clarity_server.config import ConfigError
from clarity_server.domain.access import Access
from clarity_server.domain.accounts import Identity
from clarity_server.domain.errors import RoleMissing, ScopeMissing
from clarity_server.flows.permits import Permits
from clarity_server.server.throttle import Throttle
from clarity_server.services.offload import Offload

LOOPBACK = "127.0.0.1"
FORWARDED = "x-forwarded-for"
ANY_TOKEN = Access()
PEERS_MAX = 4096  # connections whose address is remembered

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Gate:
    """Judges calls. Lives on the event loop; what it has to ask a store for, it asks in a thread."""

    def __init__(
        self,
        access: Mapping[str, Access],
        verify: Callable[[str | None], Identity],
        throttle: Throttle,
        permits: Permits,
        offload: Offload,
        trusted_proxies: frozenset[str] = frozenset({LOOPBACK, "::1"}),
    ) -> None:
        """Take what every method needs, and what reads the caller from the `authorization` metadata, or raises.

        `trusted_proxies` are addresses, or networks as `10.0.0.0/8`, whose x-forwarded-for is believed. Raises
        ConfigError.
        """
        self._access = access
        self._verify = verify
        self._throttle = throttle
        self._permits = permits
        self._offload = offload
        self._trusted = [_proxy(text) for text in trusted_proxies]

    def needed(self, method: str) -> Access:
        """Return what a method needs; one that nobody has declared needs a token."""
        return self._access.get(method, ANY_TOKEN)

    def network(self, peer: str, forwarded: str) -> str:
        """Return the caller's network address: the peer's, or what a trusted proxy says of the peer before it.

        Only the last entry of x-forwarded-for is the proxy's own; the others are whatever the caller wrote.
        """
        address = _address(peer)
        if address is None:
            return ""
        last = _parsed(forwarded.rpartition(",")[2]) if forwarded and self._trusts(address) else None
        return str(last or address)

    def enter(self, method: str, network: str, authorization: str | None) -> Identity | None:
        """Return who is calling; None where the method needs no token. Waits for nothing.

        Raises RateLimited, TokenMissing, TokenInvalid, TokenExpired, SessionEnded, AccountSuspended, AccountDisabled,
        AccountErasing.
        """
        needed = self.needed(method)
        if _limited(method):
            self._throttle.network(method, network, public=needed.public)
        if needed.public:
            return None
        identity = self._verify(authorization)
        if _limited(method):
            self._throttle.account(method, identity.account_id)
        return identity

    async def allow(self, method: str, identity: Identity, request: Message | None) -> None:
        """Hold a caller to what the method needs; `request` is None where there are several.

        Raises RoleMissing where the account's tokens cannot hold the scope, ScopeMissing, ConsentMissing.
        """
        needed = self.needed(method)
        for scope in needed.scopes:
            if scope not in identity.scopes:
                await self._check_role(needed, identity)
                raise ScopeMissing(scope)
        if needed.purposes and not _of_another(needed, identity, request):
            account_id = identity.account_id
            if not self._permits.known_consented(account_id, needed.purposes):
                await self._offload(self._permits.consented, account_id, needed.purposes)

    async def _check_role(self, needed: Access, identity: Identity) -> None:
        """Asked only where the scope is missing: a token holds no scope that its account's roles do not allow."""
        if needed.role is not None:
            roles = await self._offload(self._permits.roles, identity.account_id)
            if needed.role not in roles:
                raise RoleMissing(needed.role)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _limited(method: str) -> bool:
    """Probes are not: a flood must not make the server look ill to whoever would restart it."""
    return not method.startswith("/grpc.")


def _of_another(needed: Access, identity: Identity, request: Message | None) -> bool:
    """Whether another's data is asked for: then the other one's consent counts, once there is a grant."""
    if not needed.shareable or request is None:
        return False
    account_id: str = getattr(request, "account_id", "")
    return account_id not in {"", identity.account_id}


def _proxy(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as why:
        raise ConfigError(f"CLARITY_TRUSTED_PROXIES: {text.strip()!r} is neither an address nor a network") from why


@lru_cache(maxsize=PEERS_MAX)
def _address(peer: str) -> Address | None:
    """Return the address in what gRPC calls a peer: `ipv4:192.0.2.1:5000`, `ipv6:%5B2001:db8::1%5D:5000`, `unix:…`."""
    kind, _, rest = unquote(peer).partition(":")
    if kind.startswith("unix"):
        return ipaddress.ip_address(LOOPBACK)
    return _parsed(rest.rpartition(":")[0].strip("[]"))


def _parsed(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found

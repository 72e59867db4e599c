"""Calls: where a server is, what a failed call tells, and what helps against it."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import cast
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

REASON_DOMAIN = "clarity.v1"
CHANNEL_OPTIONS = (
    # gRPC waits up to two minutes before it tries a server again; a restart takes two seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A peer that vanished without a word is noticed: the server's own heartbeat comes every 30 s.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)


# ---- where the server is -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """An address and whether TLS protects the way to it."""

    address: str
    tls: bool

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.address}"


def target_of(text: str) -> Target:
    """Read `host:port`, `http://host:port` or `https://host:port`. Raises ValueError.

    A bare address means TLS, except on this machine: passwords and tokens travel in the clear only where somebody wrote
    `http://`.
    """
    scheme, _, rest = text.rpartition("://")
    parts = urlsplit(f"//{rest}")
    if scheme not in {"", "http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f"{text!r} is no server: write host:port, http://host:port or https://host:port")
    tls = scheme == "https" or (not scheme and not _is_here(parts.hostname))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Target(f"{host}:{parts.port or (443 if tls else 50051)}", tls)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def channel(target: Target) -> grpc.Channel:
    """Return a way to a server; it is connected when the first call is made."""
    if target.tls:
        return grpc.secure_channel(target.address, grpc.ssl_channel_credentials(), _options(target))
    return grpc.insecure_channel(target.address, _options(target))


def async_channel(target: Target) -> grpc.aio.Channel:
    """Return the same for the event loop that runs now."""
    if target.tls:
        return grpc.aio.secure_channel(target.address, grpc.ssl_channel_credentials(), _options(target))
    return grpc.aio.insecure_channel(target.address, _options(target))


def _options(target: Target) -> tuple[tuple[str, int], ...]:
    # A proxy knows nothing of this machine's own servers.
    here = _is_here(target.address.rpartition(":")[0].strip("[]"))
    return (*CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0)) if here else CHANNEL_OPTIONS


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that says who is calling."""
    return (("authorization", f"Bearer {token}"),) if token else ()


# ---- what can go wrong ---------------------------------------------------------------------------------------


class ClarityError(Exception):
    """A call failed. Branch on `reason`, show the text.

    `reason` is a name of clarity.v1.ErrorReason without its prefix, or one that only a client can find: NO_SERVER
    (nobody answers), TLS_MISMATCH, CUT_OFF (the answer broke off), NOT_SIGNED_IN, PREFIX_DIFFERS, RECEIPT_DIFFERS; a
    failure that names no reason carries its canonical code instead.
    """

    def __init__(
        self,
        reason: str,
        text: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.code = code
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s


CODES = {code.value[0]: code for code in grpc.StatusCode}
CUTS = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
# These are INTERNAL by gRPC's book, though nothing is wrong with the call: a stream reset on the way, and what grpc.aio
# makes of a message that could not be sent any more.
CUT_WORDS = "RST_STREAM|Internal error from Core"


def problem(status: Status) -> ClarityError:
    """Return the error that a status tells of, in band or in the trailers."""
    info, retry = ErrorInfo(), RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(retry)
    code = CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    waits = retry.HasField("retry_delay")
    return ClarityError(
        info.reason if info.domain == REASON_DOMAIN else _unnamed(code, status.message),
        status.message,
        code=code,
        metadata=info.metadata,
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if waits else None,
    )


def failure(error: grpc.RpcError, target: Target) -> ClarityError:
    """Return the error that a failed call tells of."""
    call = cast("grpc.Call", error)  # gRPC raises the call itself
    found = problem(_status(call))
    return found if found.reason != "CUT_OFF" else _way_lost(found.text, target)


def _status(call: grpc.Call) -> Status:
    """The status in the trailers; a plain one where there is none, or one that says something else than the call."""
    try:
        status = rpc_status.from_call(call)
    except (ValueError, DecodeError):
        status = None
    return status or Status(code=call.code().value[0], message=call.details() or "")


# What gRPC says of a way that does not lead anywhere, the reason we give it, and the same in plain words.
WAYS_LOST = (
    (
        "WRONG_VERSION_NUMBER",
        "TLS_MISMATCH",
        "{target} does not speak TLS: say http://{address} if you trust the network in between",
    ),
    (
        "Hostname Verification",
        "TLS_MISMATCH",
        "{target} shows the certificate of another name: call it by the name it was made for",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "TLS_MISMATCH",
        "{target} shows a certificate this machine does not trust: name yours in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    ),
    ("Failed parsing HTTP/2", "NO_SERVER", "what listens at {target} is no gRPC server"),
    (
        "failed to connect.*Socket closed",
        "NO_SERVER",
        "what listens at {target} hangs up: if it speaks TLS, say https://{address}",
    ),
    ("failed to connect|errors resolving", "NO_SERVER", "no server answers at {target}"),
    ("", "CUT_OFF", "the connection to {target} broke off"),
)


def _way_lost(details: str, target: Target) -> ClarityError:
    """Say what is in the way, from gRPC's own words for it."""
    reason, text = next((reason, text) for words, reason, text in WAYS_LOST if re.search(words, details))
    plainly = text.format(target=target, address=target.address)
    return ClarityError(reason, plainly, code=grpc.StatusCode.UNAVAILABLE, metadata={"details": details})


def _unnamed(code: grpc.StatusCode, text: str) -> str:
    """A reason for a failure that comes without one: from the wire, or from a proxy."""
    if code is grpc.StatusCode.UNAUTHENTICATED and "expired" in text:
        return "TOKEN_EXPIRED"  # Envoy verifies tokens before the server does, and says it in its own words
    return "CUT_OFF" if code in CUTS or re.search(CUT_WORDS, text) else code.name


class Remedy(Enum):
    """What a client does about an error by itself."""

    WAIT = auto()
    RENEW = auto()
    NONE = auto()


PASSING = frozenset(
    {"NO_SERVER", "CUT_OFF", "SHUTTING_DOWN", "STORE_UNAVAILABLE", "BUSY", "TOO_MANY_STREAMS", "CHUNK_CORRUPT"}
)
OUTLIVED = frozenset({"TOKEN_EXPIRED", "STREAM_EXPIRED"})
LIMIT_WAIT_S_MAX = 5.0  # a rate limit that takes longer is told, not waited for


def remedy(error: ClarityError) -> Remedy:
    """Tell what helps. A reason this client does not know is judged by its code."""
    if error.reason in OUTLIVED:
        return Remedy.RENEW
    if error.reason == "TLS_MISMATCH":
        return Remedy.NONE
    if error.reason == "RATE_LIMITED":
        return Remedy.WAIT if (error.retry_after_s or math.inf) <= LIMIT_WAIT_S_MAX else Remedy.NONE
    passing = error.reason in PASSING or error.code is grpc.StatusCode.UNAVAILABLE
    return Remedy.WAIT if passing else Remedy.NONE


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a client tries again: doubling waits with jitter, up to a cap."""

    base_s: float = 0.1
    cap_s: float = 5.0
    tries: int = 10  # in a row without any progress
    first_tries: int = 3  # of a server that has never answered

    def wait_s(self, failures: int, error: ClarityError, chance: float) -> float:
        """Return how long to wait after so many failures in a row; `chance` in [0, 1) spreads the clients."""
        backoff_s = min(self.cap_s, self.base_s * 2.0**failures) * (0.5 + chance / 2)
        return max(backoff_s, error.retry_after_s or 0.0)

"""The process's limits by name, what gRPC is told of them, and how often who may call what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
UNARY_S = 25.0  # shorter than Envoy's 30 s, so that a client hears our reason and not the proxy's
SERVER_STREAM_S = 600.0  # of one ReadSeries
KEEPALIVE_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 10_000
CLIENT_PING_MS_MIN = 10_000  # a phone may ping this often without being told to calm down
LOOKAHEAD_BYTES = 1024 * 1024  # what gRPC reads ahead of a stream: more only holds memory

GRPC_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", CLIENT_PING_MS_MIN),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share
)

MINUTE_S = 60
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in any stretch of so many seconds."""

    calls: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Limit:
    """What is limited, as RATE_LIMITED names it. A call must keep all rates; they are for CLARITY_RATE_FACTOR=1."""

    name: str
    rates: tuple[Rate, ...]


SERVER = Limit("server", (Rate(20_000, 10),))
"""All callers together: about what one process can do. Ten times what one network may, so that none can use it up."""

NETWORK = Limit("network", (Rate(2_000, 10),))
"""One network address, with all who are behind it: a clinic is, too."""

ACCOUNT = Limit("account", (Rate(600, 10),))
"""One account, on all its devices."""

SIGN_UP = Limit("sign-up", (Rate(20, HOUR_S),))  # a mail each, and a family is one network
MAILED = Limit("mail", (Rate(30, HOUR_S),))
SIGN_IN = Limit("sign-in", (Rate(10, MINUTE_S), Rate(30, 5 * MINUTE_S)))  # some 9,000 guesses a day, over all accounts
ANSWER = Limit("answer", (Rate(20, MINUTE_S),))  # a ticket takes 5 wrong answers, wherever they come from
REFRESH = Limit("refresh", (Rate(120, MINUTE_S),))  # a device needs one in ten minutes
KEYS = Limit("keys", (Rate(600, MINUTE_S),))  # gateways ask every few seconds, and verify nothing without the answer
ANYBODY = Limit("public", (Rate(60, MINUTE_S),))  # of any other method that needs no token

BY_NETWORK: Mapping[str, Limit] = MappingProxyType(
    {
        "/clarity.v1.AuthService/SignUp": SIGN_UP,
        "/clarity.v1.AuthService/ResendConfirmation": MAILED,
        "/clarity.v1.AuthService/RequestPasswordReset": MAILED,
        "/clarity.v1.AuthService/SignIn": SIGN_IN,
        "/clarity.v1.AuthService/AnswerChallenge": ANSWER,
        "/clarity.v1.AuthService/ConfirmSignUp": ANSWER,
        "/clarity.v1.AuthService/ResetPassword": ANSWER,
        "/clarity.v1.AuthService/RefreshSession": REFRESH,
        "/clarity.v1.AuthService/GetJwks": KEYS,
    }
)
"""Public methods and what one network may do of each. Several under one name share it."""

PROOF = Limit("proof", (Rate(10, 5 * MINUTE_S),))  # who holds a stolen token cannot guess the password with it
NEW_ADDRESS = Limit("profile", (Rate(60, HOUR_S),))  # a new address is mailed to, and may be a stranger's

BY_ACCOUNT: Mapping[str, Limit] = MappingProxyType(
    {
        "/clarity.v1.AuthService/ChangePassword": PROOF,
        "/clarity.v1.AuthService/EnrollTotp": PROOF,
        "/clarity.v1.AuthService/ConfirmTotp": PROOF,
        "/clarity.v1.AuthService/RemoveTotp": PROOF,
        "/clarity.v1.AuthService/CreateRecoveryCodes": PROOF,
        "/clarity.v1.AuthService/DeleteAccount": PROOF,
        "/clarity.v1.AuthService/ConfirmEmail": PROOF,
        "/clarity.v1.AuthService/UpdateAccount": NEW_ADDRESS,
    }
)
"""Methods with a token and what one account may do of each, beside ACCOUNT."""

OF_ACCOUNTS: Sequence[Limit] = (ACCOUNT, *dict.fromkeys(BY_ACCOUNT.values()))
"""Every limit that counts by account."""

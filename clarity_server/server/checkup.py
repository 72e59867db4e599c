"""Asks a server that runs whether it is SERVING: a container's health check, with no other program in the image."""

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from clarity_server.config import Config, ConfigError

ANSWER_WITHIN_S = 3.0


class NotServing(Exception):
    """The server does not answer, or says that it is not serving; the text says which."""


def ask(config: Config) -> None:
    """Return if the server that was started with these settings is SERVING. Raises NotServing, ConfigError."""
    # An address of all interfaces, 0.0.0.0 or [::], is this machine's own to whoever dials it.
    address = config.listen
    if address.endswith(":0"):
        raise ConfigError(f"CLARITY_LISTEN={address!r} takes any free port, so nobody knows which to ask: name a port")
    state = _state(address)
    if state != HealthCheckResponse.SERVING:
        raise NotServing(f"the server at {address} says {HealthCheckResponse.ServingStatus.Name(state)}")


def _state(address: str) -> int:
    # A proxy that the environment names is for the world outside.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
        )
        try:
            return int(check(HealthCheckRequest(), timeout=ANSWER_WITHIN_S).status)
        except grpc.RpcError as why:
            raise NotServing(f"no server answers at {address} within {ANSWER_WITHIN_S:g} s") from why

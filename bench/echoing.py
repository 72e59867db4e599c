"""CLARITY with one more method, an empty echo that passes the same boundary. Settings as ever, from CLARITY_*."""

import asyncio
from typing import Any

import grpc

from clarity.v1 import auth_service_pb2 as auth
from clarity_server import config
from clarity_server.server import run, trace

ECHO = "/bench.Echo/Echo"


async def echo(request: auth.GetAccountRequest, _context: Any) -> auth.GetAccountRequest:  # noqa: ANN401  untyped in gRPC
    """Answer with what was asked: nothing."""
    return request


def handler() -> grpc.GenericRpcHandler:
    """The echo, ready to be served."""
    service, _, method = ECHO.strip("/").rpartition("/")
    coded = grpc.unary_unary_rpc_method_handler(
        echo, auth.GetAccountRequest.FromString, auth.GetAccountRequest.SerializeToString
    )
    return grpc.method_handlers_generic_handler(service, {method: coded})


async def serve() -> None:
    """Serve until killed."""
    settings = config.load()
    trace.set_up(settings.log_format)
    running = await run.start(settings, more=[handler()])
    await running.server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve())

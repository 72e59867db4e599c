"""People who sign in all the time, in a process of their own that is ended: `python -m bench.crowd ADDRESS EMAIL`."""

import asyncio
import sys

import grpc

from bench.client import PASSWORD
from clarity.v1.auth_service_pb2 import SignInRequest
from clarity.v1.auth_service_pb2_grpc import AuthServiceStub

PEOPLE = 64
PATIENCE_S = 0.05  # of who is told that too many are waiting


async def main(address: str, email: str) -> None:
    """Sign in; say when the first one is in."""
    async with grpc.aio.insecure_channel(address) as channel:
        told = asyncio.Event()
        await asyncio.gather(*(_signing_in(channel, email, told) for _ in range(PEOPLE)))


async def _signing_in(channel: grpc.aio.Channel, email: str, told: asyncio.Event) -> None:
    while True:
        try:
            await AuthServiceStub(channel).SignIn(SignInRequest(email=email, password=PASSWORD))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            await asyncio.sleep(PATIENCE_S)
            continue
        if not told.is_set():
            told.set()
            sys.stdout.write("in\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

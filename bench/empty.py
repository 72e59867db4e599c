"""A server in a process of its own whose stream handler reads every message and does nothing: the ceiling of ingest.

Run as `python -m bench.empty PORT_FILE`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc

from bench.client import EMPTY_STREAM
from clarity.v1 import health_data_service_pb2 as pb
from clarity_server.server import limits


async def read_all(
    requests: AsyncIterator[pb.StreamSeriesRequest],
    _context: Any,  # noqa: ANN401  untyped in gRPC
) -> AsyncIterator[pb.StreamSeriesResponse]:
    """Read to the end and answer once."""
    async for _ in requests:
        pass
    yield pb.StreamSeriesResponse()


async def serve(port_file: Path) -> None:
    """Serve with the same options as CLARITY, until killed."""
    service, _, method = EMPTY_STREAM.strip("/").rpartition("/")
    handler = grpc.stream_stream_rpc_method_handler(
        read_all, pb.StreamSeriesRequest.FromString, pb.StreamSeriesResponse.SerializeToString
    )
    server = grpc.aio.server(options=limits.GRPC_OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await asyncio.to_thread(port_file.write_text, str(port))
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))

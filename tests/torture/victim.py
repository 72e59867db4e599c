"""A client process to be killed: streams what it is told on stdin and writes each acknowledgement to stdout."""

import asyncio
import json
import sys

from clarity.v1 import health_data_service_pb2 as pb
from tests.torture.recordings import Recording, catalogue
from tests.torture.wire import Caller, Stream, as_request


async def main() -> None:
    """Send everything that is not committed and never finish."""
    told = json.loads(sys.stdin.readline())
    recording = catalogue()[told["recording"]]
    caller = Caller(told["address"], told["token"])
    stream = caller.stream(_say)
    await stream.open(pb.OpenUpload(upload_id=recording.upload_id, series=recording.series))
    await stream.until(lambda so_far: bool(so_far.heard))
    await _send(stream, recording, stream.heard[0].opened.committed_samples, told["chunk_samples"])
    await stream.end()


def _say(message: pb.StreamSeriesResponse) -> None:
    """Tell the killer of a promise."""
    if message.HasField("progress"):
        print(message.progress.committed_samples, flush=True)
    elif message.HasField("opened"):
        print(message.opened.committed_samples, flush=True)


async def _send(stream: Stream, recording: Recording, first: int, chunk_samples: int) -> None:
    for low in range(first, recording.count, chunk_samples):
        for item in recording.items(low, min(low + chunk_samples, recording.count)):
            await stream.send(as_request(item))


if __name__ == "__main__":
    asyncio.run(main())

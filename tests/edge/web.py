"""HTTP/1.1 by hand: gRPC-Web frames, and bodies that are sent piece by piece."""

import base64
import http.client
import json
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

TIMEOUT_S = 30.0
TRAILERS = 0x80  # the flag of a gRPC-Web frame that holds trailers
FRAME = struct.Struct(">BI")  # flags, length
WEB = "application/grpc-web+proto"

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, read to its end. `whole` is false when it was cut off."""

    status: int
    headers: Headers
    body: bytes
    whole: bool = True

    @property
    def json(self) -> Any:  # noqa: ANN401  whatever was sent
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The body as newline-delimited JSON."""
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]

    @property
    def reason(self) -> str:
        """The reason of an error in JSON."""
        infos = [detail for detail in self.json["details"] if detail["@type"].endswith("/google.rpc.ErrorInfo")]
        return str(infos[0]["reason"]) if infos else ""


def send(
    port: int,
    method: str,
    path: str,
    body: bytes | str | Iterable[bytes] | None = None,
    headers: Headers | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Reply:
    """Send one request over a connection of its own; an iterable body goes out in chunks, as it yields them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        try:
            return Reply(response.status, found, response.read())
        except http.client.IncompleteRead as cut:
            return Reply(response.status, found, cut.partial, whole=False)
    finally:
        connection.close()


def bearer(token: str) -> dict[str, str]:
    """The header a token travels in; none for an empty one."""
    return {"authorization": f"Bearer {token}"} if token else {}


def call(port: int, method: str, path: str, token: str = "", message: object = None, **headers: str) -> Reply:
    """Make a JSON call."""
    body = None if message is None else json.dumps(message)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(port, method, path, body, {"content-type": "application/json", **bearer(token), **named})


@dataclass(slots=True)
class WebReply:
    """What gRPC-Web answered."""

    http_status: int
    messages: list[bytes] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The gRPC status."""
        return int(self.trailers["grpc-status"])

    @property
    def status(self) -> Status | None:
        """The error with its details; None for success."""
        if self.code == 0:
            return None
        given = self.trailers.get("grpc-status-details-bin")
        if given is None:
            return Status(code=self.code, message=unquote(self.trailers.get("grpc-message", "")))
        return Status.FromString(base64.b64decode(given + "=" * (-len(given) % 4)))


def framed(message: Message) -> bytes:
    """A message as a frame."""
    data = message.SerializeToString()
    return FRAME.pack(0, len(data)) + data


def frames(response: http.client.HTTPResponse) -> Iterator[tuple[int, bytes]]:
    """The flags and the bytes of each frame, as they come; a body that is cut off ends there."""
    with suppress(http.client.IncompleteRead):
        while len(head := response.read(FRAME.size)) == FRAME.size:
            flags, length = FRAME.unpack(head)
            yield flags, response.read(length) if length else b""


def web_call(
    port: int,
    path: str,
    body: bytes | Iterable[bytes],
    token: str = "",
    *,
    enough: Callable[[bytes], bool] = lambda _: False,
    **headers: str,
) -> WebReply:
    """Make a gRPC-Web call with a body of frames; an iterable goes out as it yields them.

    After a message that is `enough` the caller hangs up, and counts it as a success.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", path, body, {"content-type": WEB, "x-grpc-web": "1", **bearer(token), **named})
        return _web_reply(connection.getresponse(), enough)
    finally:
        connection.close()


def _web_reply(response: http.client.HTTPResponse, enough: Callable[[bytes], bool]) -> WebReply:
    answer = WebReply(response.status)
    found = {name.lower(): value for name, value in response.getheaders()}
    if "grpc-status" in found:  # nothing but an error: no body at all
        answer.trailers.update(found)
    for flags, data in frames(response):
        if flags & TRAILERS:
            lines = data.decode("ascii").split("\r\n")
            answer.trailers.update({name: value for name, _, value in (line.partition(":") for line in lines if line)})
            continue
        answer.messages.append(data)
        if enough(data):
            answer.trailers["grpc-status"] = "0"
            break
    return answer


class Talk:
    """A JSON stream over one HTTP/1.1 connection that is written and read in turns."""

    def __init__(self, port: int, path: str, token: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        headers = {"host": f"127.0.0.1:{port}", "content-type": "application/json", "transfer-encoding": "chunked"}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**headers, **bearer(token)}.items())]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._response = http.client.HTTPResponse(self._socket, method="POST")
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._response.close()
        self._socket.close()

    def say(self, text: str) -> None:
        """Send a piece of the body."""
        data = text.encode()
        self._socket.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self) -> None:
        """End the body."""
        self._socket.sendall(b"0\r\n\r\n")

    def hear(self) -> Any:  # noqa: ANN401  whatever was sent
        """The next message; waits for it."""
        if not self._begun:
            self._response.begin()
            self._begun = True
            assert self._response.status == http.HTTPStatus.OK
        return json.loads(self._response.readline())

    def rest(self) -> list[Any]:
        """The messages up to the end."""
        return [json.loads(line) for line in self._response.read().splitlines() if line.strip()]

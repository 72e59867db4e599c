"""A web server that does as it is told: it cuts connections, changes files, sends pages, ignores ranges."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


@dataclass
class Orders:
    """What the server is to do from now on, and what it has seen."""

    content: bytes = b""
    content_type: str = "application/octet-stream"
    cut_after: list[int] = field(default_factory=list)  # bytes of each next answer, then the connection ends
    refuse: list[int] = field(default_factory=list)  # codes of the next answers
    ranges: bool = True
    etag: bool = True
    length: bool = True
    redirect: str = ""
    asked: list[str] = field(default_factory=list)  # the Range of every request


class FaultyWeb(BaseHTTPRequestHandler):
    """One file under every path."""

    protocol_version = "HTTP/1.1"
    orders: ClassVar[Orders]

    def do_GET(self) -> None:
        orders = self.orders
        orders.asked.append(self.headers.get("Range", ""))
        self.close_connection = True
        if orders.redirect and not self.path.startswith("/there"):
            self.send_response(302)
            self.send_header("Location", orders.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if orders.refuse:
            self.send_error(orders.refuse.pop(0))
            return
        self._answer(orders)

    def _answer(self, orders: Orders) -> None:
        etag = f'"{hashlib.sha256(orders.content).hexdigest()[:16]}"'
        start = self._start(etag) if orders.ranges else 0
        if start > len(orders.content) or (start and start == len(orders.content)):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = orders.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", orders.content_type)
        if orders.etag:
            self.send_header("ETag", etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(orders.content) - 1}/{len(orders.content)}")
        if orders.length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: orders.cut_after.pop(0)] if orders.cut_after else body)

    def _start(self, etag: str) -> int:
        asked = self.headers.get("Range", "")
        if not asked or self.headers.get("If-Range", etag) != etag:
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as http.server calls it
        """Say nothing."""


@contextmanager
def serving(orders: Orders) -> Iterator[str]:
    """Serve on this machine; yields the address of the file."""
    handler = type("Handler", (FaultyWeb,), {"orders": orders})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/PAT-S_29k_weights.h5?dl=1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Published files over HTTP, one at a time, resumed by Range where they were cut off.

    <name>.part  what came so far
    <name>.json  where it came from, and the validator (ETag or Last-Modified) of the file it is a part of

A part is only ever continued with If-Range: if the file has changed meanwhile, the server sends all of it again.
"""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clarity_server.adapters.local import files
from clarity_server.domain.models import NAME, DownloadFailed, FileTooLarge, HtmlPage

TIMEOUT_S = 30.0
ATTEMPTS_MAX = 5  # without a byte of progress
PAUSE_S = 1.0  # doubled with every attempt that brought nothing
PIECE_BYTES = 64 * 1024
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
OK, PARTIAL, RANGE_WRONG = 200, 206, 416
RETRIED = {408, 425, 429, 500, 502, 503, 504}

Tell = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a part comes from."""

    url: str
    validator: str


class _CutOff(Exception):
    """The connection ended before the file did."""


class _OnlySafe(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to where we would not have gone ourselves."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: object,
        code: int,
        msg: str,
        headers: object,
        newurl: str,
    ) -> urllib.request.Request | None:
        _refuse_unsafe(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


class HttpDownloads:
    """Implements ports.Downloads."""

    def __init__(self, root: Path | str, *, pause_s: float = PAUSE_S) -> None:
        """Make the directory where there is none. Raises StoreFull, StoreUnavailable."""
        self._root, self._pause_s = Path(root), pause_s
        self._opener = urllib.request.build_opener(_OnlySafe)
        with files.translated():
            files.make_directory(self._root)

    def fetch(self, url: str, name: str, bytes_max: int, tell: Tell) -> bytes:
        """Return a file's bytes. Raises DownloadFailed, FileTooLarge, HtmlPage, StoreFull."""
        _refuse_unsafe(url)
        part, idle, why = self._part(name), 0, ""
        with files.translated(), files.alone(self._root):
            while idle < ATTEMPTS_MAX:
                before = _size(part)
                try:
                    self._attempt(url, name, bytes_max, tell)
                    return part.read_bytes()
                except (
                    _CutOff,
                    http.client.HTTPException,
                    urllib.error.URLError,
                    TimeoutError,
                    ConnectionError,
                ) as cut:
                    why = str(getattr(cut, "reason", cut)) or type(cut).__name__
                if _size(part) > before:
                    idle = 0
                    continue
                idle += 1
                time.sleep(self._pause_s * 2 ** (idle - 1))
        raise DownloadFailed(
            f"the download of {name} was cut off {ATTEMPTS_MAX} times without progress ({why}); "
            f"{_size(part):,} bytes are kept: run the same command again"
        )

    def discard(self, name: str) -> None:
        """Forget what was fetched under a name."""
        with files.translated():
            self._part(name).unlink(missing_ok=True)
            self._origin(name).unlink(missing_ok=True)

    def _attempt(self, url: str, name: str, bytes_max: int, tell: Tell) -> None:
        """Ask once, from where we are, and write what comes."""
        part = self._part(name)
        origin = self._known_origin(name, url)
        start = _size(part) if origin else 0
        asked = urllib.request.Request(url, headers={"User-Agent": "clarity", "Accept-Encoding": "identity"})  # noqa: S310  checked by _refuse_unsafe
        if start and origin:
            asked.add_header("Range", f"bytes={start}-")
            asked.add_header("If-Range", origin.validator)
        with self._answer(asked, name) as answer:
            if answer.status == RANGE_WRONG:  # our part is longer than the file: it is of another
                self.discard(name)
                raise _CutOff("the server has no such range")
            start = start if answer.status == PARTIAL else 0
            total = _total(answer, start)
            _refuse_answer(answer, total, bytes_max)
            self._remember(name, url, answer)
            with part.open("r+b" if start else "wb") as file:
                file.seek(start)
                file.truncate()
                _copy(answer, file, total, bytes_max, tell)
        if total is not None and _size(part) != total:
            raise _CutOff(f"{_size(part):,} of {total:,} bytes")

    @contextmanager
    def _answer(self, asked: urllib.request.Request, name: str) -> Iterator[http.client.HTTPResponse]:
        try:
            answer = self._opener.open(asked, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as refused:
            with refused:
                if refused.code in RETRIED:
                    raise _CutOff(f"HTTP {refused.code}") from refused
                if refused.code == RANGE_WRONG:
                    self.discard(name)
                    raise _CutOff("the server has no such range") from refused
                raise DownloadFailed(
                    f"{_site(asked.full_url)} answered HTTP {refused.code} for {name}: the link may have moved; "
                    "download the file by hand and `clarity models install` it"
                ) from refused
        with answer:
            yield answer

    def _remember(self, name: str, url: str, answer: http.client.HTTPResponse) -> None:
        validator = _validator(answer)
        if not validator:  # nothing to tell another version by: a part of it is never continued
            self._origin(name).unlink(missing_ok=True)
            return
        self._origin(name).write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")

    def _known_origin(self, name: str, url: str) -> _Origin | None:
        try:
            found = json.loads(self._origin(name).read_text(encoding="utf-8"))
            origin = _Origin(found["url"], found["validator"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return origin if origin.url == url else None

    def _part(self, name: str) -> Path:
        assert NAME.fullmatch(name), name
        return self._root / f"{name}.part"

    def _origin(self, name: str) -> Path:
        return self._part(name).with_suffix(".json")


def _refuse_unsafe(url: str) -> None:
    """Only https, and plain http to this machine itself."""
    parsed = urllib.parse.urlsplit(url)
    if parsed.scheme != "https" and not (parsed.scheme == "http" and parsed.hostname in LOOPBACK):
        raise DownloadFailed(
            f"{parsed.scheme}://{parsed.hostname or ''} is not https: weights are not fetched from there"
        )


def _refuse_answer(answer: http.client.HTTPResponse, total: int | None, bytes_max: int) -> None:
    if answer.headers.get_content_type() in {"text/html", "application/xhtml+xml"}:
        raise HtmlPage
    if total is not None and total > bytes_max:
        raise FileTooLarge(total)


def _total(answer: http.client.HTTPResponse, start: int) -> int | None:
    """How long the whole file is, where the server says so. Raises _CutOff for a range we did not ask for."""
    if answer.status == PARTIAL:
        unit, _, rest = answer.headers.get("Content-Range", "").partition(" ")
        span, _, size = rest.partition("/")
        if unit != "bytes" or not span.startswith(f"{start}-"):
            raise _CutOff("the server sent another range than asked for")
        return int(size) if size.isdigit() else None
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _validator(answer: http.client.HTTPResponse) -> str:
    """What tells this version of the file from others; a weak ETag does not."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified", "") if not etag else ""


def _copy(answer: http.client.HTTPResponse, file: BinaryIO, total: int | None, bytes_max: int, tell: Tell) -> None:
    while piece := answer.read(PIECE_BYTES):
        file.write(piece)
        if file.tell() > bytes_max:
            raise FileTooLarge(file.tell())
        tell(file.tell(), total)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _site(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc

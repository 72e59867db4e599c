"""Downloads over a real wire that fails: whole and right in the end, or a sentence on what to do."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clarity_server.adapters.local.downloads import ATTEMPTS_MAX, HttpDownloads
from clarity_server.domain.models import DownloadFailed, FileTooLarge, HtmlPage
from tests.adapters.faulty_web import Orders, serving

CONTENT, NEWER = os.urandom(300_000), os.urandom(280_000)
LIMIT = 1_000_000


@pytest.fixture
def orders() -> Orders:
    return Orders(content=CONTENT)


@pytest.fixture
def url(orders: Orders) -> Iterator[str]:
    with serving(orders) as address:
        yield address


@pytest.fixture
def downloads(tmp_path: Path) -> HttpDownloads:
    return HttpDownloads(tmp_path / "downloads", pause_s=0)


def fetch(downloads: HttpDownloads, url: str, limit: int = LIMIT) -> bytes:
    return downloads.fetch(url, "pat-s", limit, lambda _here, _total: None)


def test_a_file_is_fetched_and_progress_told(downloads: HttpDownloads, url: str) -> None:
    told: list[tuple[int, int | None]] = []
    assert downloads.fetch(url, "pat-s", LIMIT, lambda here, total: told.append((here, total))) == CONTENT
    assert told[-1] == (300_000, 300_000)
    assert told == sorted(told)


def test_a_cut_connection_is_resumed_where_it_ended(downloads: HttpDownloads, url: str, orders: Orders) -> None:
    orders.cut_after = [100_000, 50_000, 1]
    assert fetch(downloads, url) == CONTENT
    assert orders.asked == ["", "bytes=100000-", "bytes=150000-", "bytes=150001-"]


def test_another_process_goes_on_where_one_gave_up(tmp_path: Path, url: str, orders: Orders) -> None:
    orders.cut_after = [100_000, *[0] * ATTEMPTS_MAX]
    with pytest.raises(DownloadFailed, match="100,000 bytes are kept: run the same command again"):
        fetch(HttpDownloads(tmp_path, pause_s=0), url)
    orders.asked.clear()
    assert fetch(HttpDownloads(tmp_path, pause_s=0), url) == CONTENT
    assert orders.asked == ["bytes=100000-"]


def test_a_file_that_changed_in_between_is_fetched_from_the_start(
    downloads: HttpDownloads, url: str, orders: Orders
) -> None:
    orders.cut_after = [100_000, *[0] * ATTEMPTS_MAX]
    with pytest.raises(DownloadFailed):
        fetch(downloads, url)
    orders.content = NEWER
    assert fetch(downloads, url) == NEWER


def test_a_file_that_became_shorter_is_fetched_from_the_start(
    downloads: HttpDownloads, url: str, orders: Orders
) -> None:
    orders.cut_after = [290_000, *[0] * ATTEMPTS_MAX]
    with pytest.raises(DownloadFailed):
        fetch(downloads, url)
    orders.content = NEWER
    assert fetch(downloads, url) == NEWER


@pytest.mark.parametrize("lacking", ["ranges", "etag"])
def test_where_resuming_is_not_possible_the_file_is_fetched_from_the_start(
    downloads: HttpDownloads, url: str, orders: Orders, lacking: str
) -> None:
    setattr(orders, lacking, False)
    orders.cut_after = [100_000]
    assert fetch(downloads, url) == CONTENT


def test_a_file_without_a_length_is_fetched(downloads: HttpDownloads, url: str, orders: Orders) -> None:
    orders.length = False
    assert fetch(downloads, url) == CONTENT


def test_a_file_that_is_here_already_is_only_confirmed(downloads: HttpDownloads, url: str) -> None:
    assert fetch(downloads, url) == CONTENT
    assert fetch(downloads, url) == CONTENT


def test_what_was_fetched_from_another_address_is_not_continued(
    downloads: HttpDownloads, url: str, orders: Orders
) -> None:
    orders.cut_after = [100_000, *[0] * ATTEMPTS_MAX]
    with pytest.raises(DownloadFailed):
        fetch(downloads, url)
    orders.asked.clear()
    assert fetch(downloads, url.replace("29k", "21k")) == CONTENT
    assert orders.asked == [""]


def test_a_web_page_is_refused_and_not_kept(downloads: HttpDownloads, url: str, orders: Orders) -> None:
    orders.content, orders.content_type = b"<html>sign in</html>", "text/html; charset=utf-8"
    with pytest.raises(HtmlPage, match="dl=1"):
        fetch(downloads, url)
    orders.content, orders.content_type = CONTENT, "application/octet-stream"
    assert fetch(downloads, url) == CONTENT


@pytest.mark.parametrize("length", [True, False])
def test_a_file_above_the_limit_is_not_fetched_whole(tmp_path: Path, url: str, orders: Orders, *, length: bool) -> None:
    orders.length = length
    with pytest.raises(FileTooLarge):
        fetch(HttpDownloads(tmp_path, pause_s=0), url, limit=150_000)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 300_000


def test_a_busy_server_is_asked_again(downloads: HttpDownloads, url: str, orders: Orders) -> None:
    orders.refuse = [503, 429, 500]
    assert fetch(downloads, url) == CONTENT


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_link_that_is_gone_is_not_asked_again(downloads: HttpDownloads, url: str, orders: Orders, code: int) -> None:
    orders.refuse = [code] * 9
    with pytest.raises(DownloadFailed, match=f"HTTP {code}.*by hand"):
        fetch(downloads, url)
    assert len(orders.asked) == 1


def test_nobody_there_is_told(downloads: HttpDownloads, orders: Orders) -> None:
    with serving(orders) as gone:
        pass
    with pytest.raises(DownloadFailed, match="without progress"):
        fetch(downloads, gone)


def test_a_redirect_is_followed(downloads: HttpDownloads, url: str, orders: Orders) -> None:
    """File hosts answer with one."""
    orders.redirect = "/there"
    orders.cut_after = [100_000]
    assert fetch(downloads, url) == CONTENT
    assert orders.asked == ["", "", "bytes=100000-", "bytes=100000-"]


@pytest.mark.parametrize("place", ["file:///etc/hostname", "http://example.org/x", "ftp://127.0.0.1/x"])
def test_nothing_is_fetched_from_an_unsafe_place_even_by_a_redirect(
    downloads: HttpDownloads, url: str, orders: Orders, place: str
) -> None:
    with pytest.raises(DownloadFailed, match="not https"):
        fetch(downloads, place)
    orders.redirect = place
    with pytest.raises(DownloadFailed, match=r"not https|HTTP 302"):
        fetch(downloads, url)


def test_what_was_fetched_can_be_forgotten(downloads: HttpDownloads, url: str, orders: Orders, tmp_path: Path) -> None:
    fetch(downloads, url)
    downloads.discard("pat-s")
    downloads.discard("pat-s")
    assert not list((tmp_path / "downloads").iterdir())
    orders.asked.clear()
    fetch(downloads, url)
    assert orders.asked == [""]

"""Kept tokens: readable by their owner only, never half written, and spent once however many processes want to."""

import json
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from clarity.credentials import HOME, CredentialsError, FileTokens, MemoryTokens, SignedIn

TARGET = "https://health.example.org:443"
SESSION = SignedIn(
    email="ada@example.org",
    account_id="a" * 26,
    session_id="s1",
    access_expire_s=2e9,
    access_token="access-1",
    refresh_token="refresh-1",
    refresh_request_id="request-1",
)

# Renews once, if the token is still the first one, and counts how often a token was really spent.
RENEWER = """
import sys
from dataclasses import replace
from pathlib import Path
from clarity.credentials import FileTokens

def spend(session):
    with Path(sys.argv[2]).open("a") as spent:
        spent.write(session.refresh_token + "\\n")
    return replace(session, access_token="access-2", refresh_token="refresh-2")

sys.stdin.readline()
session = FileTokens("target", Path(sys.argv[1])).renew("access-1", spend)
print(session.access_token)
"""


def renewed(session: SignedIn) -> SignedIn:
    return replace(session, access_token="access-2", refresh_token="refresh-2")


def refusing(error: Exception) -> Callable[[SignedIn], SignedIn]:
    def spend(_: SignedIn) -> SignedIn:
        raise error

    return spend


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_is_signed_in_where_nothing_is_kept(tmp_path: Path) -> None:
    assert FileTokens(TARGET, tmp_path).read() is None
    assert MemoryTokens().read() is None


def test_what_is_kept_is_read_again_by_the_next_process(tmp_path: Path) -> None:
    FileTokens(TARGET, tmp_path / "home").keep(SESSION)
    assert FileTokens(TARGET, tmp_path / "home").read() == SESSION


def test_only_the_owner_can_read_the_tokens_and_look_into_their_folder(tmp_path: Path) -> None:
    tokens = FileTokens(TARGET, tmp_path / "home")
    tokens.keep(SESSION)
    assert {mode(path) for path in tokens.folder.iterdir()} == {0o600}
    assert mode(tokens.folder) == 0o700


def test_each_server_has_its_own_tokens(tmp_path: Path) -> None:
    FileTokens(TARGET, tmp_path).keep(SESSION)
    assert FileTokens("http://127.0.0.1:50051", tmp_path).read() is None


def test_a_target_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    tokens = FileTokens("../../elsewhere", tmp_path / "home")
    tokens.keep(SESSION)
    assert tokens.path.parent == tmp_path / "home"
    assert tokens.path.is_file()


def test_the_folder_is_named_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME, str(tmp_path / "elsewhere"))
    assert FileTokens(TARGET).folder == tmp_path / "elsewhere"


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    tokens = FileTokens(TARGET, tmp_path)
    tokens.keep(SESSION)
    tokens.forget()
    tokens.forget()
    assert tokens.read() is None
    assert not tokens.path.exists()


def test_secrets_stay_out_of_what_is_printed() -> None:
    printed = repr(SESSION)
    assert not [secret for secret in ("access-1", "refresh-1", "request-1") if secret in printed]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff\xfe",
        json.dumps({**asdict(SESSION), "access_token": 5}).encode(),
        json.dumps({**asdict(SESSION), "access_expire_s": "soon"}).encode(),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    tokens = FileTokens(TARGET, tmp_path)
    tokens.path.write_bytes(content)
    with pytest.raises(CredentialsError, match="damaged; remove it and sign in again"):
        tokens.read()


def test_a_renewal_is_kept_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    tokens = FileTokens(TARGET, tmp_path)
    tokens.keep(SESSION)
    assert tokens.renew("access-1", renewed) == renewed(SESSION)
    assert tokens.read() == renewed(SESSION)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".lock"]


def test_who_comes_with_an_older_token_gets_the_newer_one_and_spends_nothing(tmp_path: Path) -> None:
    tokens = FileTokens(TARGET, tmp_path)
    tokens.keep(renewed(SESSION))
    assert tokens.renew("access-1", refusing(AssertionError())) == renewed(SESSION)


def test_a_lost_reply_leaves_the_token_and_its_request_id_for_the_repeat(tmp_path: Path) -> None:
    tokens = FileTokens(TARGET, tmp_path)
    tokens.keep(SESSION)
    with pytest.raises(ConnectionError):
        tokens.renew("access-1", refusing(ConnectionError()))
    assert tokens.read() == SESSION


def test_processes_that_renew_at_once_spend_the_token_once(tmp_path: Path) -> None:
    FileTokens("target", tmp_path).keep(SESSION)
    spent = tmp_path / "spent"
    command = [sys.executable, "-c", RENEWER, str(tmp_path), str(spent)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    printed = [process.communicate("go\n")[0].strip() for process in processes]
    assert printed == ["access-2"] * 4
    assert spent.read_text().split() == ["refresh-1"]


def test_threads_that_renew_at_once_spend_the_token_once() -> None:
    tokens, spent, start = MemoryTokens(SESSION), list[str](), threading.Barrier(8)

    def spend(session: SignedIn) -> SignedIn:
        spent.append(session.refresh_token)
        return renewed(session)

    def renew() -> None:
        start.wait()
        tokens.renew("access-1", spend)

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spent == ["refresh-1"]
    assert tokens.read() == renewed(SESSION)

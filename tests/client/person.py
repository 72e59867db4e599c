"""A person at the `clarity` command: by pipes, and at a terminal of their own."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from clarity.mailbox import Mailbox

COMMAND = [sys.executable, "-m", "clarity.cli"]
PASSWORD = "Correct-horse-7"
TIMEOUT_S = 60
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CONSENTS = ("storage", "analysis", "narration")

Answer = str | Callable[[], str]


def environment(**more: str) -> dict[str, str]:
    """Ours, without what a person or another test may have set for clarity."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLARITY")}
    return {**kept, **more}


@dataclass(frozen=True)
class Person:
    """Somebody with a folder of their own for tokens; which server they use, and where its mail lies."""

    home: Path
    target: str
    outbox: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        named = {"CLARITYCLIENT_HOME": str(self.home), "CLARITYCLIENT_TARGET": self.target}
        return environment(**named, **self.more)

    def runs(self, *arguments: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            input=typed,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def succeeds(self, *arguments: str | Path, typed: str = "") -> str:
        done = self.runs(*arguments, typed=typed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, *arguments: str | Path, typed: str = "") -> str:
        """Return the one sentence that it fails with."""
        done = self.runs(*arguments, typed=typed)
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("clarity: ")
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    def talks(self, *arguments: str | Path, answers: list[Answer]) -> str:
        """Run a command that is answered as it goes: an answer may be a code that only it has mailed."""
        with subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stdin is not None
            for answer in answers:
                running.stdin.write(f"{answer if isinstance(answer, str) else answer()}\n")
                running.stdin.flush()
            printed, told = running.communicate(timeout=TIMEOUT_S)
        assert running.returncode == 0, told
        return printed

    def joins(self, email: str, *more: str, consents: tuple[str, ...] = CONSENTS) -> str:
        """Sign up, with the code that comes by mail."""
        mail = Mailbox(self.outbox)
        given = [word for purpose in consents for word in ("--consent", purpose)]
        arguments = ["sign-up", "--email", email, "--accept-terms", *given, *more]
        return self.talks(*arguments, answers=[PASSWORD, lambda: mail.code(email)])

    @contextmanager
    def terminal(self, *arguments: str, folder: Path | None = None) -> Iterator[Terminal]:
        """Run a command in a terminal, in a folder."""
        ours, theirs = pty.openpty()
        try:
            with subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=folder,
                env={**self.environ, "TERM": "xterm", "COLUMNS": "120"},
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            ) as running:
                os.close(theirs)
                try:
                    yield Terminal(ours, running)
                finally:
                    running.kill()
        finally:
            os.close(ours)


@dataclass
class Terminal:
    """What is seen on a terminal, and what is typed there."""

    descriptor: int
    running: subprocess.Popen[bytes]
    came: bytes = b""
    read: int = 0  # up to where of what is seen

    @property
    def seen(self) -> str:
        """All that came, without its colours."""
        return COLOUR.sub("", self.came.decode(errors="replace").replace("\r\n", "\n"))

    def sees(self, text: str) -> str:
        """Wait until a text comes; return what came before it."""
        give_up = time.monotonic() + TIMEOUT_S
        while (at := self.seen.find(text, self.read)) < 0:
            assert time.monotonic() < give_up, f"{text!r} does not come: {self.seen[self.read :]!r}"
            assert self._more() or text in self.seen[self.read :], f"it ended without {text!r}: {self.seen!r}"
        before, self.read = self.seen[self.read : at], at + len(text)
        return before

    def types(self, text: str) -> None:
        os.write(self.descriptor, f"{text}\n".encode())

    def ends(self) -> int:
        """Read what there is, and return the exit code."""
        while self._more():
            pass
        return self.running.wait(TIMEOUT_S)

    def _more(self) -> bool:
        ready, _, _ = select.select([self.descriptor], [], [], 1.0)
        if not ready:
            return True
        with suppress(OSError):  # a terminal that nobody has open any more
            if data := os.read(self.descriptor, 65536):
                self.came += data
                return True
        return False

"""What is committed means something to a stranger: no path of one machine, no note to ourselves."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Written with a class of one letter, so that this file passes its own test.
MACHINE_PATHS = re.compile(r"(?<![\w.~$})/-])/(?:[w]ork|[r]oot|[h]ome|[U]sers|[t]mp)/[\w.$~-]")
LEFT_OVER = re.compile(r"\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK)\b")
CONFLICT = re.compile(r"^(?:[<]{7}|[>]{7}) ", re.MULTILINE)

RULES = {
    "a path of one machine": MACHINE_PATHS,
    "a note to ourselves": LEFT_OVER,
    "a merge conflict": CONFLICT,
}


def faults(text: str) -> list[str]:
    """What a text says that it must not, each with its line."""
    return [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {fault}: {match.group()}"
        for fault, pattern in RULES.items()
        for match in pattern.finditer(text)
    ]


def tracked() -> list[Path]:
    """The files that git tracks, or would track: a new file is judged before it is added."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in sorted(filter(None, names.split("\0"))) if (ROOT / name).is_file()]


def text_of(file: Path) -> str:
    """A file's text; a binary file has none."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="only a git clone knows its files")
def test_no_tracked_file_carries_a_machine_path_or_a_note_to_ourselves() -> None:
    found = {str(file.relative_to(ROOT)): faults(text_of(file)) for file in tracked()}
    assert found
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "planted",
    [
        "see /" + "work/main/x.py",
        "open('/" + "tmp/x')",
        "cd /" + "root/.cache",
        "/" + "home/somebody/clarity",
        "=/" + "Users/somebody",
        "# TO" + "DO: later",
        "// FIX" + "ME",
        "<<<<" + "<<< HEAD",
    ],
)
def test_a_planted_fault_is_seen(planted: str) -> None:
    assert len(faults(f"first line\n{planted}\n")) == 1


@pytest.mark.parametrize(
    "innocent",
    [
        "GET /v1/home/days",
        "a/work/b",
        "tests/tmp/x",
        "$HOME/tmp/x",
        "tmp_path / 'x'",
        "the homework is at /v1/work/x",
        "METHOD = 'todos'",
    ],
)
def test_an_innocent_text_is_left_alone(innocent: str) -> None:
    assert faults(innocent) == []

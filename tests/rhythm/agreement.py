"""`python -m tests.rhythm.agreement`: write the table of agreement with outside tools into docs/algorithms.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.rhythm.oracle import ACTIWATCH, FILES, WINDOWS, Figure, figures

PAGE = Path(__file__).parents[2] / "docs" / "algorithms.md"
START, END = "<!-- agreement: start -->\n", "<!-- agreement: end -->\n"


def table() -> Iterator[str]:
    """Yields the lines of the table: a row a figure, over all recordings and windows."""
    rows: dict[tuple[str, str], list[Figure]] = {}
    for file in FILES:
        for window in WINDOWS:
            for figure in figures(file, window):
                rows.setdefault((figure.name, figure.tool), []).append(figure)
    yield "| figure | tool | windows | largest difference | allowed | why they differ |\n"
    yield "|---|---|---:|---:|---:|---|\n"
    for (name, tool), found in rows.items():
        worst = max(found, key=lambda figure: figure.distance)
        kind = "absolute" if worst.absolute else "relative"
        mark = "" if all(figure.agrees for figure in found) else " **no**"
        difference = "0" if not worst.distance else f"{worst.distance:.1e}"
        yield (
            f"| {name} | {tool} | {len(found)} | {difference}{mark} | {worst.within:.0e} {kind} |"
            f" {worst.why or 'the same convention'} |\n"
        )


def rewritten(page: str) -> str:
    """Returns the page with its table written anew."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return "".join([before, START, *table(), END, after])


def main() -> int:
    """Write the table; return the exit code."""
    if not ACTIWATCH.is_dir():
        sys.stderr.write("needs ../shared/data/actiwatch, see docs/algorithms.md\n")
        return 1
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

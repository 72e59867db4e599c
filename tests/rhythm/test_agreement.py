"""Our numbers beside those of outside tools, on real recordings: ../shared/data/actiwatch/reference.json."""

from __future__ import annotations

import pytest

from tests.rhythm import agreement
from tests.rhythm.oracle import ACTIWATCH, FILES, WINDOWS, figures

needs_actiwatch = pytest.mark.skipif(
    not ACTIWATCH.is_dir(), reason="needs ../shared/data/actiwatch, see docs/algorithms.md"
)


@needs_actiwatch
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("file", FILES)
def test_every_figure_is_as_near_to_the_outside_one_as_the_conventions_allow(file: str, window: str) -> None:
    found = list(figures(file, window))
    assert len(found) >= 30
    assert [figure for figure in found if not figure.agrees] == []


@needs_actiwatch
def test_the_published_table_is_the_one_the_command_writes() -> None:
    """Digits of rounding may differ between machines, so the rows are compared without them."""
    published = agreement.PAGE.read_text(encoding="utf-8")
    assert without_differences(agreement.rewritten(published)) == without_differences(published)


def without_differences(page: str) -> list[list[str]]:
    return [[cell for column, cell in enumerate(line.split("|")) if column != 4] for line in page.splitlines()]

"""The real store under concurrent writes, deletes and reads: each sample as if it were alone, all as if in a row."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clarity_server.domain.samples import Verdict
from tests.histories.mistaken import MISTAKES, Passing
from tests.histories.playing import Store
from tests.histories.stage import stage

HISTORIES = 300
MISTAKEN_HISTORIES_MAX = 100


def test_every_history_of_the_real_store_is_linearizable(tmp_path: Path) -> None:
    with stage(tmp_path, with_processes=True) as on_stage:
        wrong = [str(found) for found in on_stage.wrong(range(HISTORIES))]
    assert not wrong, "\n".join(wrong)
    # None of it holds for want of anything happening.
    assert on_stage.tally.keys() >= {*(verdict.name.lower() for verdict in Verdict), "deleted", "replayed"}
    assert min(on_stage.tally.values()) >= HISTORIES // 10, on_stage.tally
    assert on_stage.tally["overlapping"] > HISTORIES


def with_mistake(mistake: Callable[[Store], Passing]) -> Callable[[Store], Store]:
    return lambda store: Store(store.database, mistake(store), store.changes)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_store_with_a_mistake_in_it_is_found_out(tmp_path: Path, name: str) -> None:
    with stage(tmp_path, with_mistake(MISTAKES[name])) as on_stage:
        assert next(on_stage.wrong(range(MISTAKEN_HISTORIES_MAX)), None) is not None


def test_what_stands_in_front_of_the_store_there_is_no_mistake_itself(tmp_path: Path) -> None:
    with stage(tmp_path, with_mistake(Passing)) as on_stage:
        assert next(on_stage.wrong(range(MISTAKEN_HISTORIES_MAX // 2)), None) is None

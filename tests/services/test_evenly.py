"""An answer comes at a whole number of steps, whatever happened before it."""

from contextlib import suppress

import pytest

from clarity_server.services.evenly import Evenly


class Time:
    """Passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.mark.parametrize(("taken_s", "steps"), [(0.001, 1), (0.0499, 1), (0.0501, 2), (0.123, 3)])
async def test_it_ends_at_the_next_step(taken_s: float, steps: int) -> None:
    time = Time()
    async with Evenly(0.05, time, time.sleep)():
        time.now += taken_s
    assert time.now == pytest.approx(100.0 + steps * 0.05)


async def test_a_refusal_waits_as_an_answer_does() -> None:
    time = Time()
    with suppress(KeyError):
        async with Evenly(0.05, time, time.sleep)():
            time.now += 0.01
            raise KeyError
    assert time.now == pytest.approx(100.05)

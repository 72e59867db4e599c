"""What tests draw from: values as they lie in bytes, clocks as people wear them, and the ways to cut a recording."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from clarity_server.domain.civil import DAY_MS, Clock, Start, StartKind
from clarity_server.domain.series import NO_VALUE_FLOAT32_BITS

# Zones with something to them: half and quarter hours, half-hour and midnight clock changes, a skipped and a repeated
# day, southern summers, a change of sides of the date line, and seconds in the offsets of old.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Toronto",
    "America/Juneau",
    "America/Havana",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Manila",
    "Africa/Cairo",
    "Africa/Monrovia",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
    "Antarctica/Casey",
)
NASTY_BITS = (
    0x00000000,
    0x80000000,  # -0.0
    0x00000001,  # the least subnormal
    0x007FFFFF,
    0x3F800000,
    0x4B800000,  # 2**24
    0x4B800001,
    0xCB800000,
    0x4F000000,  # 2**31: one more than int32 holds
    0xCF000000,  # -2**31: int32's least
    0x7F7FFFFF,
    0xFF7FFFFF,
    NO_VALUE_FLOAT32_BITS,
    0x7FC00001,
    0xFFC00000,
    0x7F800000,
    0xFF800000,
)
MS_1800 = -5_364_662_400_000
MS_2200 = 7_258_118_400_000


def bit_patterns(size_max: int = 64) -> st.SearchStrategy[list[int]]:
    """Bits of float32: any, nasty, or of whole numbers, mixed or alike."""
    anything = st.integers(0, 0xFFFFFFFF)
    whole = st.integers(-(1 << 25), 1 << 25).map(lambda number: int(np.float32(number).view(np.uint32)))
    nasty = st.sampled_from(NASTY_BITS)
    missing = st.just(NO_VALUE_FLOAT32_BITS)
    kinds = (anything, whole, nasty, st.one_of(whole, missing), st.one_of(anything, whole, nasty, missing))
    return st.one_of([st.lists(kind, min_size=1, max_size=size_max) for kind in kinds])


def float32_bytes(bits: Sequence[int]) -> bytes:
    """Bits as they are sent."""
    return np.array(bits, dtype="<u4").tobytes()


@st.composite
def cuts(draw: st.DrawFn, count: int, pieces_max: int = 8) -> list[int]:
    """Ways to cut [0, count): rising positions from 0 to count, both included."""
    inner = draw(st.lists(st.integers(1, max(1, count - 1)), max_size=pieces_max - 1)) if count > 1 else []
    return sorted({0, *inner, count})


def starts() -> st.SearchStrategy[Start]:
    """Starts of all kinds, over the whole calendar and with a liking for midnights."""
    anywhen = st.integers(MS_1800, MS_2200 - 1)
    midnight = st.builds(
        lambda day, slip: day * DAY_MS + slip, st.integers(-40_000, 40_000), st.integers(-120_000, 120_000)
    )
    ms = st.one_of(anywhen, midnight)
    return st.one_of(
        st.builds(Start, st.just(StartKind.FLOATING), ms),
        st.builds(Start, st.just(StartKind.OFFSET), ms, offsets_s()),
        st.builds(lambda at, zone: Start(StartKind.ZONE, at, time_zone=zone), ms, st.sampled_from(ZONES)),
        st.builds(Start, st.just(StartKind.INSTANT), ms),
    )


def offsets_s() -> st.SearchStrategy[int]:
    """UTC offsets as a client may send them: whole minutes within 14 hours."""
    return st.integers(-14 * 60, 14 * 60).map(lambda minutes: minutes * 60)


@st.composite
def moves(draw: st.DrawFn, samples: int, period_ms: int, moves_max: int = 4) -> list[tuple[int, int]]:
    """Moves of a clock at samples below `samples`, as (elapsed ms, offset in s), in order."""
    at = draw(st.lists(st.integers(0, samples - 1), max_size=moves_max, unique=True))
    return [(sample * period_ms, draw(offsets_s())) for sample in sorted(at)]


@st.composite
def clocks(draw: st.DrawFn, samples: int, period_ms: int = 60_000) -> Clock:
    """Clocks of recordings of so many samples."""
    start = draw(starts())
    movable = start.kind in {StartKind.OFFSET, StartKind.INSTANT}
    return Clock(start, draw(moves(samples, period_ms)) if movable else ())


def counts(seed: int, size: int) -> NDArray[np.float32]:
    """Minute counts as a wrist makes them: still nights, busy days, a device taken off, some minutes missing."""
    rng = np.random.default_rng(seed)
    minute = np.arange(size)
    awake = np.sin((minute % 1440) / 1440 * 2 * np.pi - 2.0) > -0.3
    found = np.where(awake, rng.gamma(0.8, 250, size), rng.gamma(0.3, 12, size) * (rng.random(size) < 0.3)).round()
    for start in rng.integers(0, max(1, size), max(1, size // 1000)):
        found[start : start + int(rng.integers(60, 300))] = 0
    found[rng.random(size) < 0.01] = np.nan
    return found.astype(np.float32)

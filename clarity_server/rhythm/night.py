"""The main sleep of a civil day, and what it is made of.

Nothing but movement is known here: no diary, no light, no button. So "in bed" means at rest as far as the arm tells,
and the time to fall asleep is a lower bound: who lies awake and still is asleep to any counter of movements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.measures import Unavailable
from clarity_server.rhythm.algorithm import Algorithm
from clarity_server.rhythm.bouts import painted, spans
from clarity_server.rhythm.clock import DAY_MINUTES, reached

REST_WINDOW_MINUTES = 31  # a minute is at rest if most of the minutes around it, itself in the middle, are sleep
BLOCK_MINUTES = 30  # rest shorter than this is no block
INTERRUPTION_MINUTES = 60  # blocks nearer to each other than this are one
ONSET_MINUTES = 10  # so many minutes of unbroken sleep are falling asleep
AWAKENING_MINUTES = 5  # a shorter wake is a turn in bed
DOUBT_MINUTES = REST_WINDOW_MINUTES // 2  # so near to unscored minutes, rest depends on what they were
NOON_MINUTES = DAY_MINUTES // 2

MAIN_SLEEP = Algorithm(
    "main_sleep",
    "1",
    {
        "epoch_s": "60",
        "night": "noon to noon, by the middle of the sleep",
        "rest_window_minutes": str(REST_WINDOW_MINUTES),
        "block_minutes_min": str(BLOCK_MINUTES),
        "interruption_minutes_below": str(INTERRUPTION_MINUTES),
        "main": "longest",
        "block_minutes_below": str(DAY_MINUTES),
        "doubt_minutes": str(DOUBT_MINUTES),
        "onset_minutes": str(ONSET_MINUTES),
        "awakening_minutes_min": str(AWAKENING_MINUTES),
    },
)


@dataclass(frozen=True, slots=True)
class MainSleep:
    """A sleep, in minutes of the recording: rest [start, end) around sleep [onset, final_awakening).

    The minutes count those that were scored, so that
    `time_in_bed = onset_latency + total_sleep + wake_after_onset + latency_to_arising` always, and
    `end - start = time_in_bed + unscored`.
    """

    start: int
    onset: int
    final_awakening: int
    end: int
    total_sleep: int
    onset_latency: int
    wake_after_onset: int
    latency_to_arising: int
    awakenings: int
    unscored: int

    @property
    def time_in_bed(self) -> int:
        """The scored minutes of the rest."""
        return self.onset_latency + self.total_sleep + self.wake_after_onset + self.latency_to_arising

    @property
    def efficiency_percent(self) -> float:
        """100 · total sleep / time in bed; the denominator holds both latencies."""
        return 100 * self.total_sleep / self.time_in_bed

    def moved(self, minutes: int) -> MainSleep:
        """Returns the same sleep, its minutes counted from another start."""
        return replace(
            self,
            start=self.start + minutes,
            onset=self.onset + minutes,
            final_awakening=self.final_awakening + minutes,
            end=self.end + minutes,
        )


@dataclass(frozen=True, slots=True)
class Night:
    """The night of one civil day: from noon of the day before to its own noon."""

    civil_day: int  # of the morning, in days since 1970-01-01
    sleep: MainSleep | Unavailable
    coverage_ratio: float  # scored minutes of the night, of all its minutes


def nights(
    asleep: NDArray[np.bool_],
    scored: NDArray[np.bool_],
    recorded: NDArray[np.bool_],
    civil: NDArray[np.int64],
    civil_days: Sequence[int],
) -> list[Night]:
    """Returns the night of each of `civil_days`, each with its main sleep or the reason why there is none.

    `asleep`, `scored` and `recorded` have shape (n,): a recorded minute has a value, a scored one was worn as well,
    and only scored minutes are asleep. `civil` is what the clock showed (`clock.civil_minutes`).

    The definition, ours where no source is named:

    - A minute is at *rest* if at least 16 of the 31 minutes around it are sleep: a median filter, as Crespo, Aboy,
      Fernández and Mojón (Med Biol Eng Comput 50, 2012) put over the counts themselves. Where wake ends and unbroken
      sleep begins, rest begins at that very minute.
    - Rest of 30 minutes or more is a block, and blocks less than 60 minutes apart are one: the rule of van Hees et al.
      (Sci Rep 8:12975, 2018) for the sleep period. A block is drawn out to the ends of the sleep it cut.
    - The main sleep of a night is the longest block whose middle lies between noon and noon, by the person's clock;
      of equals the first.
    - Sleep begins with the first 10 unbroken minutes of it and ends with the last minute of it.
    - A block of a whole day or more is no sleep but a device that lay about: its minutes are taken as not worn.
    - A main sleep is given only if it is certain to be whole and the main one. It is not if less than 15 minutes part
      it from the edge of the recording or from 60 or more minutes without a score; nor if as many minutes of the same
      night have no score as the sleep lasts, or 30 where there is no sleep. Then the reason is what most of those
      minutes are: outside of the recording (SHORT_RECORD), without a value (GAP) or not worn (NOT_WORN).
    """
    if not len(civil):
        return [Night(day, Unavailable.SHORT_RECORD, 0.0) for day in civil_days]
    blocks = _blocks(asleep)
    endless = blocks[:, 1] - blocks[:, 0] >= DAY_MINUTES
    scored = scored & ~painted(blocks[endless], len(scored))
    blocks = blocks[~endless]
    middles = civil[blocks.sum(axis=1) // 2]
    of_day = (middles + NOON_MINUTES) // DAY_MINUTES
    noons = np.array(civil_days, dtype=np.int64) * DAY_MINUTES - NOON_MINUTES
    unknown = _Unscored(scored, recorded)
    found = []
    for day, noon, next_noon in zip(
        civil_days, reached(civil, noons), reached(civil, noons + DAY_MINUTES), strict=True
    ):
        sleep = _main(blocks[of_day == day], unknown, int(noon), int(next_noon))
        outcome = sleep if isinstance(sleep, Unavailable) else _parts(asleep, scored, *sleep)
        found.append(Night(day, outcome, unknown.scored_ratio(int(noon), int(next_noon))))
    return found


def _blocks(asleep: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Returns the blocks of rest as ranges, shape (k, 2)."""
    half = REST_WINDOW_MINUTES // 2
    padded = np.zeros(len(asleep) + 2 * half, dtype=np.bool_)
    padded[half : half + len(asleep)] = asleep
    before = np.concatenate(([0], np.cumsum(padded)))
    rest = spans(before[REST_WINDOW_MINUTES:] - before[:-REST_WINDOW_MINUTES] > half)
    rest = rest[rest[:, 1] - rest[:, 0] >= BLOCK_MINUTES]
    if not len(rest):
        return rest
    apart = rest[1:, 0] - rest[:-1, 1] >= INTERRUPTION_MINUTES
    starts, ends = rest[np.append(True, apart), 0], rest[np.append(apart, True), 1]
    # Never through a run of sleep: it belongs to the block whole.
    sleeps = spans(asleep)
    first = sleeps[np.maximum(np.searchsorted(sleeps[:, 0], starts, side="right") - 1, 0)]
    last = sleeps[np.maximum(np.searchsorted(sleeps[:, 0], ends, side="left") - 1, 0)]
    starts = np.where(first[:, 1] > starts, np.minimum(first[:, 0], starts), starts)
    return np.stack((starts, np.maximum(last[:, 1], ends)), axis=1)


class _Unscored:
    """The minutes that were not scored, those outside of the recording included."""

    FAR = 1 << 40

    def __init__(self, scored: NDArray[np.bool_], recorded: NDArray[np.bool_]) -> None:
        self.scored, self.recorded = scored, recorded
        walled = np.ones(len(scored) + 2, dtype=np.bool_)
        walled[1:-1] = ~scored
        stretches = spans(walled).astype(np.int64) - 1
        stretches[0, 0], stretches[-1, 1] = -self.FAR, self.FAR  # nothing is known outside
        self.long = stretches[stretches[:, 1] - stretches[:, 0] >= INTERRUPTION_MINUTES]  # (k, 2)

    def minutes(self, start: int, end: int) -> dict[Unavailable, int]:
        """Returns how many minutes of [start, end) were not scored, by the reason."""
        inside = slice(max(0, start), max(0, end))
        recorded = self.recorded[inside]
        values = int(np.count_nonzero(recorded))
        return {
            Unavailable.SHORT_RECORD: (end - start) - len(recorded),
            Unavailable.GAP: len(recorded) - values,
            Unavailable.NOT_WORN: values - int(np.count_nonzero(self.scored[inside])),
        }

    def scored_ratio(self, start: int, end: int) -> float:
        """Returns the share of [start, end) that was scored."""
        return 1 - sum(self.minutes(start, end).values()) / (end - start) if end > start else 0.0

    def beside(self, start: int, end: int) -> tuple[int, int] | None:
        """Returns a long stretch just before `start` or just after `end`, at most a day of it."""
        for low, high in self.long:
            if start - DOUBT_MINUTES < high <= start or end <= low < end + DOUBT_MINUTES:
                return max(int(low), start - DAY_MINUTES), min(int(high), end + DAY_MINUTES)
        return None


def _main(blocks: NDArray[np.intp], unknown: _Unscored, noon: int, next_noon: int) -> tuple[int, int] | Unavailable:
    """Returns the main sleep among the blocks of a night, or why none can be named."""
    start, end = max(((int(a), int(b)) for a, b in blocks), key=lambda block: block[1] - block[0], default=(0, 0))
    hidden = unknown.minutes(noon, next_noon)
    if sum(hidden.values()) >= max(BLOCK_MINUTES, end - start):
        return _most(hidden)
    if start == end:
        return Unavailable.NO_SLEEP
    beside = unknown.beside(start, end)
    return (start, end) if beside is None else _most(unknown.minutes(*beside))


def _most(minutes: dict[Unavailable, int]) -> Unavailable:
    return max(minutes, key=lambda reason: minutes[reason])


def _parts(asleep: NDArray[np.bool_], scored: NDArray[np.bool_], start: int, end: int) -> MainSleep | Unavailable:
    """Returns what the rest [start, end) is made of; NO_SLEEP where nobody slept long enough to fall asleep."""
    sleeps = spans(asleep[start:end]) + start
    lasting = sleeps[sleeps[:, 1] - sleeps[:, 0] >= ONSET_MINUTES]
    if not len(lasting):
        return Unavailable.NO_SLEEP
    onset, waking = int(lasting[0, 0]), int(sleeps[-1, 1])
    awake = scored[onset:waking] & ~asleep[onset:waking]
    wakes = spans(awake)
    slept = int(np.count_nonzero(asleep[onset:waking]))
    return MainSleep(
        start=start,
        onset=onset,
        final_awakening=waking,
        end=end,
        total_sleep=slept,
        onset_latency=int(np.count_nonzero(scored[start:onset])),
        wake_after_onset=int(np.count_nonzero(awake)),
        latency_to_arising=int(np.count_nonzero(scored[waking:end])),
        awakenings=int(np.count_nonzero(wakes[:, 1] - wakes[:, 0] >= AWAKENING_MINUTES)),
        unscored=end - start - int(np.count_nonzero(scored[start:end])),
    )

"""The store: a year in, six hours out, ninety days summed up, and discrete samples. `python -m bench store`.

A year of minute counts and of a heart rate every 5 seconds, 6.8 million samples, comes a day at a time, each day
durable before the next, into this store, SQLite with a row a sample, DuckDB and VictoriaMetrics, interleaved. CLARITY,
SQLite and DuckDB run in this process; VictoriaMetrics is asked over HTTP on this machine, which is how it is used.
CLARITY's time has everything in it: an upload a week with a commit a day, checks, sealing, fsyncs, and reading it all
again for the receipt. All four are asked the same questions and their answers are compared before anything is timed.
"""

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bench import processes
from bench.client import bearer, sign_up
from bench.stores import UPLOAD_DAYS, Clarity, Duck, Rows, Store, Values, Victoria, start_ms
from bench.values import counts
from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.sample_pb2 import ObservationTime, Quantity, Sample
from clarity.v1.series_pb2 import Source
from clarity_server.domain.civil import DAY_MS

DAYS, MONTH, FIVE_YEARS = 365, 30, 1826
COUNTS, HEART = "activity_counts_1min", "heart_rate"
PERIODS_MS = {COUNTS: 60_000, HEART: 5_000}
SIX_HOURS_MS = 6 * 3600 * 1000
READS, AGGREGATES, AGGREGATE_DAYS, ROUND = 400, 20, 90, 10
WRITES, WRITE_SAMPLES = 100, 1000
SEED = 5


def main() -> None:
    """Measure in one run and print the figures."""
    print(f"DuckDB {version('duckdb')}; values: {counts(1)[1]}; heart rate SIMULATED, seed {SEED}")
    with ExitStack() as held:
        place = held.enter_context(processes.folder())
        for line in (*year(held, place), *growing(place), *discrete(held, place)):
            print(line, flush=True)


def year(held: ExitStack, place: Path) -> Iterator[str]:
    """Compare the four."""
    stores: list[Store] = [Clarity(place / "clarity"), Rows(place), Duck(place)]
    if url := held.enter_context(processes.victoria(place)):
        stores.append(Victoria(url, place))
    else:
        yield "VictoriaMetrics: not measured, the Debian package victoria-metrics is not installed"
    data = year_of_values(DAYS)
    taken = fill(stores, data)
    samples = sum(len(values) for values in data.values())
    for store in stores:
        store.settle()
    agree(stores)
    yield f"{samples:,} samples of {DAYS} days, each day durable before the next"
    yield f"{'':24} {'Msamples/s':>10} {'6 h p50':>9} {'p99':>9} {'90 days':>9} {'bytes/sample':>13}"
    reads = interleaved(stores, reading, READS)
    sums = interleaved(stores, summing, AGGREGATES)
    for store in stores:
        six, ninety = reads[store.name], sums[store.name]
        yield (
            f"{store.name:24} {samples / taken[store.name] / 1e6:10.2f} {ms(statistics.median(six))} "
            f"{ms(statistics.quantiles(six, n=100)[98])} {ms(statistics.median(ninety))} "
            f"{store.bytes() / samples:13.2f}"
        )
    ours, *others = stores
    for other in others:
        yield (
            f"  against {other.name}: ingest {taken[other.name] / taken[ours.name]:.1f}x, 6 h "
            f"{statistics.median(reads[other.name]) / statistics.median(reads[ours.name]):.1f}x, 90 days "
            f"{statistics.median(sums[ours.name]) / statistics.median(sums[other.name]):.2f}x of its time"
        )


def year_of_values(days: int) -> Mapping[str, Values]:
    """Return the values of each metric."""
    drawn = np.random.default_rng(SEED)
    count = days * DAY_MS // PERIODS_MS[HEART]
    slow = 62 + 12 * np.sin(np.arange(count) * 2 * np.pi / (DAY_MS / PERIODS_MS[HEART]))
    wander = np.convolve(drawn.normal(0, 6, count + 59), np.ones(60) / np.sqrt(60), "valid")
    return {COUNTS: counts(days * 1440)[0], HEART: np.clip(np.rint(slow + wander), 35, 210).astype("<f4")}


def fill(stores: Sequence[Store], data: Mapping[str, Values]) -> Mapping[str, float]:
    """Put day after day into each store in turn; return the seconds each took."""
    taken: dict[str, float] = defaultdict(float)
    days = min(len(values) * PERIODS_MS[metric] // DAY_MS for metric, values in data.items())
    for day in range(days):
        for metric, values in data.items():
            width = DAY_MS // PERIODS_MS[metric]
            part = values[day * width : (day + 1) * width]
            for store in stores:
                began = time.perf_counter()
                store.put(metric, day, PERIODS_MS[metric], part)
                taken[store.name] += time.perf_counter() - began
    return taken


def agree(stores: Sequence[Store]) -> None:
    """Ask all for the same; whoever answers otherwise would be timed for another job."""
    start = start_ms(40) + 3 * 3600 * 1000
    answers = {store.name: store.read(HEART, start, start + SIX_HOURS_MS) for store in stores}
    assert set(answers.values()) == {SIX_HOURS_MS // PERIODS_MS[HEART]}, answers
    expected = stores[0].days(HEART, 100, 3)
    for store in stores[1:]:
        assert np.allclose(store.days(HEART, 100, 3), expected, rtol=1e-6), store.name


def interleaved(
    stores: Sequence[Store], question: Callable[[random.Random], Callable[[Store], object]], times: int
) -> Mapping[str, list[float]]:
    """Ask every store the same random questions, a round of ROUND at a time in turn; return the seconds."""
    drawn, taken = random.Random(SEED), defaultdict[str, list[float]](list)
    for _ in range(0, times, ROUND):
        asked = [question(drawn) for _ in range(ROUND)]
        for store in stores:
            asked[0](store)  # what the store before has left in the caches is its own
            for ask in asked:
                began = time.perf_counter()
                ask(store)
                taken[store.name].append(time.perf_counter() - began)
    return taken


def reading(drawn: random.Random, days: int = DAYS) -> Callable[[Store], object]:
    """Six hours of heart rate, anywhere."""
    start = start_ms(0) + drawn.randrange(days * DAY_MS - SIX_HOURS_MS)
    return lambda store: store.read(HEART, start, start + SIX_HOURS_MS)


def summing(drawn: random.Random) -> Callable[[Store], object]:
    """Ninety civil days of heart rate."""
    first = drawn.randrange(DAYS - AGGREGATE_DAYS)
    return lambda store: store.days(HEART, first, AGGREGATE_DAYS)


def growing(place: Path) -> Iterator[str]:
    """Ask for six hours of a store of a month, and of one of five years."""
    small, large = Clarity(place / "month"), Clarity(place / "years")
    fill([small], {HEART: year_of_values(MONTH)[HEART]})
    fill([large], {HEART: year_of_values(FIVE_YEARS)[HEART]})
    taken: dict[str, list[float]] = defaultdict(list)
    drawn = random.Random(SEED)
    for number in range(READS + 1):
        for name, store, days in (("month", small, MONTH), ("years", large, FIVE_YEARS)):
            ask = reading(drawn, days)
            began = time.perf_counter()
            ask(store)
            if number:
                taken[name].append(time.perf_counter() - began)
    month, years = statistics.median(taken["month"]), statistics.median(taken["years"])
    counted = Clarity(place / "counts")
    counted.settle()
    empty = counted.bytes()
    values = counts(DAYS * 1440)[0]
    fill([counted], {COUNTS: values})
    counted.settle()
    yield (
        f"a year of real counts alone: {(counted.bytes() - empty) / len(values):.2f} bytes/sample, with what follows "
        f"from them; an empty store has {empty / 1024:.0f} KiB"
    )
    uploads = FIVE_YEARS // UPLOAD_DAYS + 1
    yield f"6 h of a month {ms(month)}, of five years ({uploads} uploads) {ms(years)}: {years / month:.2f}x"


def discrete(held: ExitStack, place: Path) -> Iterator[str]:
    """Write discrete samples to a server, and mirror them by ListChanges."""
    folder = place / "served"
    folder.mkdir()
    server = held.enter_context(processes.clarity(folder))
    stub = HealthDataServiceStub(held.enter_context(processes.channel(server.address)))
    token = bearer(sign_up(server.address, folder))
    requests = [samples(batch) for batch in range(WRITES)]
    began = time.perf_counter()
    for request in requests:
        answer = stub.WriteSamples(request, metadata=token)
        assert answer.stored_count == WRITE_SAMPLES
    wrote = time.perf_counter() - began
    began, after, told = time.perf_counter(), "", 0
    while True:
        asked = pb.ListChangesRequest(change_token=after, page_size=10_000)
        page = stub.ListChanges(asked, metadata=token)
        after, told = page.next_change_token, told + len(page.changes)
        if not page.has_more:
            break
    listed = time.perf_counter() - began
    count = WRITES * WRITE_SAMPLES
    assert told == count, told
    yield f"WriteSamples, {WRITE_SAMPLES} a call, one caller: {count / wrote:,.0f} samples/s (aim 10,000)"
    yield f"ListChanges, 10,000 a page, one mirror: {count / listed:,.0f} changes/s (aim 50,000)"


def samples(batch: int) -> pb.WriteSamplesRequest:
    """Return a batch of heart rates, one a second."""
    source = Source(device="bench", app="bench")
    made = []
    for number in range(batch * WRITE_SAMPLES, (batch + 1) * WRITE_SAMPLES):
        start = ObservationTime()
        start.instant.seconds = start_ms(0) // 1000 + number
        quantity = Quantity(value=50 + number % 90, ucum_unit="/min")
        made.append(Sample(metric=HEART, source=source, client_record_id=f"r{number}", start=start, quantity=quantity))
    return pb.WriteSamplesRequest(samples=made)


def ms(seconds: float) -> str:
    """Spell milliseconds."""
    return f"{seconds * 1000:6.2f} ms"


if __name__ == "__main__":
    main()

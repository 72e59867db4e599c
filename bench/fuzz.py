"""A hundred thousand random requests at every service. `python -m bench fuzz`."""

import time

from bench import processes
from tests.fuzz.target import GROWN_KIB_MAX, SERVICES, inhabited

CALLS = 100_000
SEED = 1


def main() -> None:
    """Send them, and print what came of them; a fault ends the run with the request that caused it."""
    for name, service in SERVICES.items():
        with processes.folder() as place, processes.clarity(place) as server:
            with inhabited(server, place, service) as target:
                start = time.perf_counter()
                fuzzed = target.run(CALLS, SEED)
            taken_s = time.perf_counter() - start
        codes: dict[str, int] = {}
        for said, count in fuzzed.codes.items():
            code = said.rpartition(" ")[2]
            codes[code] = codes.get(code, 0) + count
        told = ", ".join(f"{code} {count:,}" for code, count in sorted(codes.items(), key=lambda one: -one[1]))
        print(f"{name}: {fuzzed.calls:,} requests in {taken_s:.0f} s; memory grew by {fuzzed.grown_kib / 1024:.1f} MiB")
        print(f"  {told}", flush=True)
        assert fuzzed.grown_kib < GROWN_KIB_MAX, "memory grows"


if __name__ == "__main__":
    main()

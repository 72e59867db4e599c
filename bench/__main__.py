"""Lists the benchmarks, and runs those that are named, or all that measure: `python -m bench [NAME …]`."""

import argparse
import importlib
import os
import platform

from clarity.local import tidy

BENCHES = {
    "ingest": "durable ingest against an empty gRPC stream, FastAPI with SQLite, and VictoriaMetrics",
    "memory": "the server's memory after 10 and after 1,000 chunks",
    "store": "a year in, six hours out, ninety days summed up, against SQLite rows, DuckDB and VictoriaMetrics",
    "unary": "GetAccount against an empty echo on the same server",
    "pat": "PAT's inference against Keras, tf.function, plain PyTorch, and the machine's sgemm peak",
    "weeks": "a week's analysis, five years of them, and other calls while PAT runs",
    "auth": "verifying tokens, other calls while a crowd signs in, and whether time tells who has an account",
    "fuzz": "100,000 random requests at every service",
    "profile": "where the server's time goes while one upload runs",
}
UNASKED = [name for name in BENCHES if name not in {"profile", "fuzz"}]


def main() -> None:
    """Run the benchmarks, one after the other: they share the machine's cores."""
    listed = "\n".join(f"  {name:10} {what}" for name, what in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="bench", description=f"{__doc__}\n\n{listed}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones; {', '.join(UNASKED)} when none is named")
    names = parser.parse_args().names or UNASKED
    if unknown := set(names) - set(BENCHES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there is {', '.join(BENCHES)}")
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    with tidy():
        for name in names:
            print(f"\n{name}: {BENCHES[name]}", flush=True)
            importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()

"""`python -m clarity_server`: serve until told to stop."""

import argparse
import asyncio
import sys

from clarity_server import config
from clarity_server.server import run


def main() -> int:
    """Read the settings and serve; return the exit code."""
    parser = argparse.ArgumentParser(prog="clarity_server", description="Serve CLARITY. Settings come from CLARITY_*.")
    parser.add_argument("--no-defaults", action="store_true", help="refuse to start unless every store is named")
    parser.add_argument("--settings", action="store_true", help="list the settings with their defaults, and exit")
    options = parser.parse_args()
    if options.settings:
        sys.stdout.write("\n".join(config.described()) + "\n")
        return 0
    try:
        asyncio.run(run.serve(config.load(no_defaults=options.no_defaults)))
    except run.REFUSALS as why:
        sys.stderr.write(f"clarity: {why}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

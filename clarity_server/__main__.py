"""`python -m clarity_server`: serve until told to stop; with `health`, ask a server that runs how it is.

With `audit`, `accounts` or `keys`, look after the stores of the settings: server/console.py; with `store`, after their
files: server/store_console.py.
"""

import argparse
import asyncio
import sys

from clarity_server import config


def main(arguments: list[str] | None = None) -> int:
    """Read the settings and serve, ask, or look after the stores; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] in (["audit"], ["accounts"], ["keys"]):
        return _console(given)
    if given[:1] == ["store"]:
        return _store_console(given)
    options = _parser().parse_args(given)
    if options.settings:
        sys.stdout.write("\n".join(config.described()) + "\n")
        return 0
    return _health() if options.verb == "health" else _serve(no_defaults=options.no_defaults)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clarity_server", description="Serve CLARITY. Settings come from CLARITY_*.")
    parser.add_argument(
        "verb",
        nargs="?",
        choices=["serve", "health"],
        default="serve",
        help="`health` asks a server that runs; `audit`, `accounts`, `keys`, `store`, with a --help each, look after "
        "its stores",
    )
    parser.add_argument("--no-defaults", action="store_true", help="refuse to start unless every store is named")
    parser.add_argument("--settings", action="store_true", help="list the settings with their defaults, and exit")
    return parser


def _serve(*, no_defaults: bool) -> int:
    from clarity_server.server import run  # noqa: PLC0415  a health check every few seconds does without the whole house

    try:
        asyncio.run(run.serve(config.load(no_defaults=no_defaults)))
    except run.REFUSALS as why:
        return _refused(why, 2)
    return 0


def _health() -> int:
    from clarity_server.server import checkup  # noqa: PLC0415  and serving does without this

    try:
        checkup.ask(config.load())
    except (config.ConfigError, checkup.NotServing) as why:
        return _refused(why, 1)  # a container's health check knows 0 and 1 only
    sys.stdout.write("SERVING\n")
    return 0


def _console(arguments: list[str]) -> int:
    from clarity_server.server import console  # noqa: PLC0415  asking and serving do without this

    return console.main(arguments)


def _store_console(arguments: list[str]) -> int:
    from clarity_server.server import store_console  # noqa: PLC0415  as above

    return store_console.main(arguments)


def _refused(why: Exception, code: int) -> int:
    sys.stderr.write(f"clarity: {why}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

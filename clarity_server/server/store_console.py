"""`python -m clarity_server store check|backup DIR|restore DIR`: the files of the stores, for who is at the machine.

Ends with 0; with 1 where something is damaged or cannot be done as things are; or with 2 where the command or the
settings cannot be used.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from clarity_server import config
from clarity_server.config import Config, ConfigError
from clarity_server.domain.errors import BackupRefused, ClarityError, StartRefused, StoreDamaged
from clarity_server.domain.upkeep import Findings, Restored, Tell
from clarity_server.server import wiring
from clarity_server.server.wiring import StoreConsole

CLEAR = "\r\033[K"
Run = Callable[[Config, argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    run: Run = options.run
    try:
        return run(config.load(), options)
    except StoreDamaged as why:
        return _refused(f"{why.facts['piece']} is damaged", 1)
    except (ClarityError, BackupRefused) as why:
        return _refused(str(why), 1)
    except (ConfigError, StartRefused) as why:
        return _refused(str(why), 2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clarity_server store", description="Look after the files of the stores.")
    parser.add_argument("noun", choices=["store"])
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    texts: dict[str, tuple[Run, str]] = {
        "check": (_check, "Look at every page, seal, blob, number and key, and name what is damaged."),
        "backup": (_back_up, "Copy the stores to a new directory, beside a server that runs. The keys are not in it."),
        "restore": (_restore, "Put a backup in place of the stores, which are kept aside, while no server runs."),
    }
    for name, (run, text) in texts.items():
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--json", action="store_true", help="print JSON")
        verb.set_defaults(run=run)
        if run is not _check:
            verb.add_argument("directory", metavar="DIR", type=Path)
    return parser


def _check(settings: Config, options: argparse.Namespace) -> int:
    found = _existing(settings).check(_telling())
    if options.json:
        _print(json.dumps({"whole": found.whole, **asdict(found)}))
    else:
        _print("\n".join(_lines(found)))
    for damage in found.damages:
        _refused(damage.sentence, 1)
    return 0 if found.whole else 1


def _lines(found: Findings) -> list[str]:
    """One line per kind, and what is worth knowing beside."""
    lines = [
        f"{kind:<11}{count:>12,}  " + (f"{found.damaged[kind]} damaged" if found.damaged[kind] else "whole")
        for kind, count in found.counts.items()
    ]
    if found.orphans:
        lines.append(f"{'orphans':<11}{found.orphans:>12,}  blobs that no row names: swept when they are a day old")
    if found.erased:
        lines.append(f"{'erased':<11}{found.erased:>12,}  accounts that are erased, again, by the next start")
    return lines


def _back_up(settings: Config, options: argparse.Namespace) -> int:
    manifest = _existing(settings).back_up(options.directory, _telling())
    if options.json:
        _print(json.dumps({name: told for name, told in manifest.items() if name != "files"}))
        return 0
    files, counts = manifest["files"].values(), manifest["counts"]
    size = sum(file["bytes"] for file in files)
    _print(
        f"{options.directory}: {counts['accounts']:,} accounts, {counts['series_samples']:,} samples of series, "
        f"{counts['samples']:,} others, {size:,} bytes in {len(files):,} files, copied and read again. "
        f"The keys are not in it: without {settings.keys} it opens nothing"
    )
    if not manifest["audit"]["whole"]:
        sys.stderr.write("clarity: the audit is broken in it, as it is in the store: see `clarity audit verify`\n")
    return 0


def _restore(settings: Config, options: argparse.Namespace) -> int:
    done = wiring.store_console(settings).restore(options.directory, _telling())
    kept = [str(path) for path in done.kept]
    if options.json:
        _print(json.dumps({"time": done.manifest["time"], "kept": kept, "acknowledged": done.acknowledged}))
    else:
        _print("\n".join(_told(done, kept)))
    return 0


def _told(done: Restored, kept: Sequence[str]) -> list[str]:
    audit = "`clarity audit verify` tells of it from now on"
    if not done.acknowledged:
        audit = "its audit was broken already when it was backed up, and `clarity audit verify` goes on saying so"
    return [
        f"the stores are those of {done.manifest['time']}; {audit}",
        *(f"kept: {path}" for path in kept),
        "accounts that were erased since then are erased again by the next start, before anybody is served",
    ]


def _existing(settings: Config) -> StoreConsole:
    """Find the stores, and refuse a database that there is not: it would be made, and found whole."""
    path = settings.records.partition(":")[2]
    if settings.records.startswith("sqlite:") and not Path(path).is_file():
        raise ConfigError(f"CLARITY_RECORDS: there is no {path} yet; name the stores that the server uses")
    return wiring.store_console(settings)


def _telling() -> Tell:
    """Say how far it is on a terminal, on one line, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _what, _done, _count: None

    def tell(what: str, done: int, count: int) -> None:
        sys.stderr.write(f"{CLEAR}{what}: {done:,} of {count:,}{CLEAR if done == count else ''}")
        sys.stderr.flush()

    return tell


def _print(text: str) -> None:
    sys.stderr.write(CLEAR * sys.stderr.isatty())
    sys.stdout.write(f"{text}\n")


def _refused(text: str, code: int) -> int:
    sys.stderr.write(f"{CLEAR * sys.stderr.isatty()}clarity: {text}\n")
    return code

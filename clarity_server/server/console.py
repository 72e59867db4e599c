"""`python -m clarity_server audit|accounts|keys …`: the operator at the machine, whether a server runs or not.

Ends with 0, with 1 and one sentence on what was found or went wrong, or with 2 where the command or the settings cannot
be used.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from clarity_server import config
from clarity_server.config import Config, ConfigError
from clarity_server.domain import chain
from clarity_server.domain.access import Role
from clarity_server.domain.accounts import Account, Origin
from clarity_server.domain.audit import AuditEvent, AuditKind
from clarity_server.domain.errors import ClarityError, StartRefused, StoreDamaged
from clarity_server.domain.tokens import public_keys
from clarity_server.flows.operate import CONSOLE
from clarity_server.server import wiring
from clarity_server.server.wiring import Console

LOCAL = ("sqlite", "file")  # the schemes that name a path


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[Console, argparse.Namespace], int] = options.run
    try:
        with closing(wiring.console(_settings())) as console:
            return run(console, options)
    except StoreDamaged as why:
        return _refused(f"{why.facts['piece']} is damaged", 1)  # who is at the machine has a right to the name
    except ClarityError as why:
        return _refused(str(why), 1)
    except (ConfigError, StartRefused) as why:
        return _refused(str(why), 2)


def _settings() -> Config:
    """Read the settings, and refuse those that name no store yet: a misspelt one would be made, and found whole."""
    found = config.load()
    for name, value in (("CLARITY_RECORDS", found.records), ("CLARITY_KEYS", found.keys)):
        scheme, _, path = value.partition(":")
        if scheme in LOCAL and not Path(path).exists():
            raise ConfigError(f"{name}: there is no {path} yet; name the stores that the server uses")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clarity_server", description="Look after the stores of the settings.")
    nouns = parser.add_subparsers(required=True, metavar="NOUN")
    audit = _noun(nouns, "audit", "What has happened, chained by hash.")
    _verb(audit, "verify", _verify, "Read all of the audit again, and name the first row that is not as it was.")
    _verb(audit, "key", _key, "Print the public key of heads and receipts, as a JWK.")
    keys = _noun(nouns, "keys", "The keys that sign access tokens.")
    _verb(
        keys, "list", _list_keys, "Print the ids of the keys that verify tokens; the last signs, or will in a minute."
    )
    _verb(keys, "rotate", _rotate_keys, "Make a new key. It signs in a minute; older tokens stay good to their end.")
    accounts = _noun(nouns, "accounts", "Who may do what.")
    listing = _verb(accounts, "list-roles", _list_roles, "Print the roles of an account.")
    setting = _verb(accounts, "set-roles", _set_roles, "Give an account these roles, and end its sessions.")
    for verb in (listing, setting):
        verb.add_argument("email", metavar="EMAIL")
    known = [role.value for role in Role]
    setting.add_argument("roles", metavar="ROLE", nargs="+", choices=known, help=", ".join(known))
    return parser


_Nouns = argparse._SubParsersAction  # noqa: SLF001  it has no other name


def _noun(nouns: "_Nouns[argparse.ArgumentParser]", name: str, text: str) -> "_Nouns[argparse.ArgumentParser]":
    return nouns.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar="VERB")


def _verb(
    verbs: "_Nouns[argparse.ArgumentParser]",
    name: str,
    run: Callable[[Console, argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    found = verbs.add_parser(name, help=text, description=text)
    found.add_argument("--json", action="store_true", help="print JSON")
    found.set_defaults(run=run)
    return found


def _verify(console: Console, options: argparse.Namespace) -> int:
    verdict = console.audit.verify()
    if options.json:
        _print(json.dumps({"whole": verdict.whole, **asdict(verdict), "sentence": verdict.sentence}))
    elif verdict.whole:
        _print(verdict.sentence)
    return 0 if verdict.whole else _refused(f"the audit is broken: {verdict.sentence}", 1)


def _key(console: Console, options: argparse.Namespace) -> int:
    key = chain.signing_key(console.keys.derived(chain.SIGNING_PURPOSE)).public_key()
    _print(json.dumps(chain.public_jwk(key), indent=None if options.json else 2))
    return 0


def _list_keys(console: Console, options: argparse.Namespace) -> int:
    known = list(public_keys(console.keys.jwks()))
    _print(json.dumps(known) if options.json else "\n".join(known))
    return 0


def _rotate_keys(console: Console, options: argparse.Namespace) -> int:
    console.audit.append(AuditEvent(AuditKind.KEY_ROTATED, actor_id=CONSOLE.account_id))
    made = console.keys.rotate_signing_key()
    _print(json.dumps({"key_id": made}) if options.json else made)
    return 0


def _list_roles(console: Console, options: argparse.Namespace) -> int:
    account = console.operate.find(CONSOLE, email=options.email, origin=Origin())
    _tell(account, as_json=options.json)
    return 0


def _set_roles(console: Console, options: argparse.Namespace) -> int:
    account = console.operate.find(CONSOLE, email=options.email, origin=Origin())
    roles = [*map(Role, options.roles)]
    _tell(console.operate.set_roles(CONSOLE, account.account_id, roles, Origin()), as_json=options.json)
    return 0


def _tell(account: Account, *, as_json: bool) -> None:
    roles = sorted(account.roles)
    _print(json.dumps({"account_id": account.account_id, "roles": roles}) if as_json else " ".join(roles))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _refused(text: str, code: int) -> int:
    sys.stderr.write(f"clarity: {text}\n")
    return code

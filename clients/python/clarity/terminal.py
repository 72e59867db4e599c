"""What the commands share: options, answers from the person, tables and JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from rich.table import Table

from clarity import local, show
from clarity.calls import target_of
from clarity.client import Client
from clarity.credentials import FileTokens
from clarity.moments import moment

TARGET = "127.0.0.1:50051"
TARGET_VARIABLE = "CLARITYCLIENT_TARGET"
LINE_CHARS_MAX = 4096  # of an answer from a pipe or a file

out = show.console()


class CommandFailed(Exception):
    """A command cannot go on; the text says why and what to do."""


# ---- options ---------------------------------------------------------------------------------------------------------


def checked_target(text: str | None) -> str | None:
    """Refuse what is no server's address, before anything is done."""
    try:
        target_of(text or TARGET)
    except ValueError as why:
        raise typer.BadParameter(str(why)) from why
    return text


Target = Annotated[
    str,
    typer.Option(
        envvar=TARGET_VARIABLE,
        callback=checked_target,
        metavar="HOST:PORT",
        help="The server; another machine than this one is called with TLS, unless you write http://.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, a message a line, with the contract's field names.")]
Of = Annotated[
    str, typer.Option("--of", metavar="ACCOUNT", help="Of somebody who has granted you this; by default your own.")
]
FROM_FILE = "from the first line of a file, `-` for standard input. Otherwise it is asked for."
PasswordFile = Annotated[
    Path | None, typer.Option(allow_dash=True, metavar="FILE", help=f"Read the password {FROM_FILE}")
]


def _moment(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError as why:
        raise typer.BadParameter(str(why)) from why


Moment = typer.Option(
    parser=_moment, metavar="TIME", help="A civil time like 2026-01-23T13:58, or an instant with an offset or Z."
)


def alone(context: typer.Context) -> bool:
    """Whether a group is called without a verb. Options before a verb would be lost: they are refused."""
    if context.invoked_subcommand is None:
        return True
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"write --{name.replace('_', '-')} after `{context.invoked_subcommand}`")
    return False


def group(name: str, text: str, *, verb_needed: bool = False) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        name=name,
        help=text,
        no_args_is_help=verb_needed,
        invoke_without_command=not verb_needed,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def client(target: str) -> Client:
    """Return a client that finds its tokens where the command before has left them."""
    found = target_of(target)
    return Client(found, FileTokens(str(found)))


# ---- asking ----------------------------------------------------------------------------------------------------------


def is_answered() -> bool:
    """Whether there is somebody to ask again."""
    return sys.stdin.isatty()


def line(prompt: str) -> str:
    """Ask: at a terminal with a prompt, else the next line of standard input. Empty where there is no answer."""
    if is_answered():
        answer: str = typer.prompt(prompt, default="", show_default=False, err=True)
        return answer.strip()
    return sys.stdin.readline(LINE_CHARS_MAX).strip()


def password(file: Path | None, *, prompt: str = "Password", confirm: bool = False) -> str:
    """The password, from where it cannot be seen: everybody on a machine can read its command lines."""
    if file is None and is_answered():
        asked: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
        return asked
    if file is None or str(file) == "-":
        return sys.stdin.readline(LINE_CHARS_MAX).rstrip("\r\n")
    with file.open(encoding="utf-8") as lines:
        return lines.readline(LINE_CHARS_MAX).rstrip("\r\n")


# ---- printing --------------------------------------------------------------------------------------------------------


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Return a table without lines."""
    made = Table(box=None, pad_edge=False, header_style="quiet")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return made


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print what something has, a line each."""
    given = list(pairs)
    width = max(len(name) for name, _ in given)
    for name, value in given:
        out.print(show.text((f"{name:<{width}}  ", "quiet"), value))


def print_json(message: Message) -> None:
    """A message on one line: a stream of them is NDJSON."""
    typer.echo(MessageToJson(message, preserving_proto_field_name=True, indent=None))


def print_all(messages: Iterable[Message]) -> None:
    """Messages, one a line."""
    for message in messages:
        print_json(message)


def become(*arguments: str) -> None:
    """Let the server's own command take our place, with every signal sent to us. Raises LocalError."""
    command = [*local.server_command(), *arguments]
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  no shell is what we want

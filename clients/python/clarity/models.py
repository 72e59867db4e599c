"""`clarity models …`: the server's own command for models, run beside this client.

The client never opens a model itself: weights, torch and the registry belong to the server, and so do the options.
`clarity models install --help` is answered there, too.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import typer

from clarity.local import LocalError

app = typer.Typer(
    name="models",
    help="Install, pull, verify and train models: what PAT answers with.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

VERBS = {
    "list": "List the models that are installed, and which of them answers.",
    "install": "Install weights from a file (Keras H5, safetensors) or from a model's folder.",
    "pull": "Fetch the weights that PAT's authors publish: pat-s, pat-m, pat-l.",
    "verify": "Read models again, bytes and layout.",
    "show": "Show what is known about a model.",
    "remove": "Remove a model.",
    "parity": "Compare weights with a golden file made by the original.",
    "train": "Train the demonstration model from scratch.",
}
# Everything after the verb is the server's to read, its --help included.
THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def command() -> list[str]:
    """Return the command that keeps models. Raises LocalError where no server is installed."""
    if importlib.util.find_spec("clarity_server") is None:
        raise LocalError("the server is not installed beside this client; install the clarity-backend package")
    return [sys.executable, "-m", "clarity_server.models"]


def _verb(name: str, text: str) -> None:
    @app.command(name, help=text, context_settings=THROUGH)
    def run(context: typer.Context) -> None:
        sys.stdout.flush()
        done = subprocess.run([*command(), name, *context.args], check=False)
        raise typer.Exit(done.returncode)


for _name, _text in VERBS.items():
    _verb(_name, _text)

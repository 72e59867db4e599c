"""`python -m clarity_server.models`: install, pull, verify, train models. `clarity models …` runs this.

Ends with 0, with 1 and one sentence on what happened and what to do, or with 2 for a mistake in the command itself.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from clarity_server import config
from clarity_server.config import ConfigError
from clarity_server.domain.errors import ClarityError, StartRefused
from clarity_server.domain.models import Kind, Manifest, preferred
from clarity_server.flows import models as flow
from clarity_server.pat import apart, weights
from clarity_server.ports import Models
from clarity_server.server import wiring

NO_MODEL = (
    "No model is installed, so PAT answers nothing. `clarity models pull pat-s` fetches its authors' weights; "
    "`clarity models install models/pat-s-depresjon-demo` installs the demonstration."
)
PROGRESS_STEPS = 50
MIB = 1024 * 1024


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (StartRefused, ClarityError, ConfigError, OSError) as why:
        if options.json:
            _print({"error": type(why).__name__, "text": str(why)})
        sys.stderr.write(f"clarity: {why}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clarity models", description="Models: what PAT answers with.")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        found = verbs.add_parser(name, help=text, description=text)
        found.add_argument("--json", action="store_true", help="print JSON")
        found.set_defaults(run=run)
        return found

    verb("list", _list, "List the models that are installed, and which of them answers.")
    install = verb("install", _install, "Install weights from a file (Keras H5, safetensors) or from a model's folder.")
    install.add_argument("file", type=Path)
    install.add_argument("--name", default="", help="by default what the file or the folder is called")
    install.add_argument("--source", default=flow.NOT_TOLD, help="where the file is from, as you know it")
    install.add_argument("--licence", default=flow.NOT_TOLD, help="under which licence you have it")
    install.add_argument("--model", default="", help="refuse the file unless it is this, like PAT-S")
    install.add_argument("--test", action="store_true", help="mark it as test weights, which never answer")
    pull = verb("pull", _pull, f"Fetch the weights that PAT's authors publish: {', '.join(flow.PUBLISHED)}.")
    pull.add_argument("name", choices=flow.PUBLISHED)
    verify = verb("verify", _verify, "Read models again, bytes and layout; without a name, all of them.")
    verify.add_argument("name", nargs="?", default="")
    show = verb("show", _show, "Show what is known about a model.")
    show.add_argument("name")
    remove = verb("remove", _remove, "Remove a model.")
    remove.add_argument("name")
    remove.add_argument("--forget", action="store_true", help="also forget the digest of the file it first came from")
    parity = verb("parity", _parity, "Compare weights with a golden file made by the original.")
    parity.add_argument("weights", type=Path)
    parity.add_argument("golden", type=Path, metavar="golden.npz")
    parity.add_argument("--positions", type=Path, help="Keras's own positions (.npy); the gates become the tight ones")
    train = verb(
        "train", _train, "Train PAT-S on Depresjon, measure it beside simple ways, and export it if it may be shown."
    )
    train.add_argument("archive", type=Path, help="depresjon.tar.xz")
    train.add_argument(
        "--out", type=Path, default=Path("var/training"), help="checkpoint, history and export; run again to resume"
    )
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--steps", type=int, default=0, help="by default the recipe's")
    train.add_argument("--threads", type=int, default=1, help="another number gives other bytes")
    return parser


# ---- what is installed ---------------------------------------------------------------------------------------


def _models() -> Models:
    return wiring.models(config.load())


def _list(options: argparse.Namespace) -> int:
    found = _models().list()
    answering = preferred(found)
    if options.json:
        _print({"models": [asdict(one) for one in found], "serving": answering.name if answering else ""})
        return 0
    for one in found:
        mark = "*" if one == answering else " "
        _say(f"{mark} {one.name:<24} {_model(one):<10} {one.kind.value:<13} {one.digest[:12]}  {one.summary}")
    _say("* answers" if answering else NO_MODEL)
    return 0


def _install(options: argparse.Namespace) -> int:
    path: Path = options.file
    if path.is_dir():
        return _installed(flow.install_card(_models(), path, options.name), options)
    content = weights.content_of(path)
    name = options.name or re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:64]
    kind = Kind.TEST if options.test else Kind.PRETRAINED
    source = options.source if options.source != flow.NOT_TOLD else f"{flow.NOT_TOLD}; the file {path.name}"
    told = flow.Told(source=source, licence=options.licence, kind=kind)
    return _installed(flow.install(_models(), content, name, told, options.model), options)


def _pull(options: argparse.Namespace) -> int:
    found = config.load()
    what = flow.PUBLISHED[options.name]
    if not options.json:
        _say(f"{what.model}, {what.people} people. {flow.ATTRIBUTION}")

    def tell(here: int, total: int | None) -> None:
        if sys.stderr.isatty():
            of = f" of {total / MIB:.1f}" if total else ""
            sys.stderr.write(f"\r{here / MIB:.1f}{of} MiB" + ("\n" if here == total else ""))

    return _installed(flow.pull(wiring.models(found), wiring.downloads(found), options.name, tell), options)


def _installed(manifest: Manifest, options: argparse.Namespace) -> int:
    if options.json:
        _print(asdict(manifest))
        return 0
    _say(f"{manifest.name} is installed: {_model(manifest)}, {manifest.kind.value}. {manifest.summary}")
    _say(f"sha256 of the file {manifest.source_digest}, recorded; another file under this name will be refused.")
    if manifest.attribution:
        _say(manifest.attribution)
    if not manifest.scaler_name:
        _say("It came without a scaler: nobody publishes the means and deviations it was trained with.")
    return 0


def _verify(options: argparse.Namespace) -> int:
    models = _models()
    names = [options.name] if options.name else [one.name for one in models.list()]
    found = [flow.verify(models, name) for name in names]
    if options.json:
        _print({"verified": [{"name": one.name, "digest": one.digest} for one in found]})
        return 0
    for one in found:
        _say(f"{one.name}: {one.byte_count:,} bytes as they were installed, sha256 {one.digest}")
    if not found:
        _say(NO_MODEL)
    return 0


def _show(options: argparse.Namespace) -> int:
    manifest = (
        next((one for one in _models().list() if one.name == options.name), None) or _models().get(options.name)[0]
    )
    if options.json:
        _print(asdict(manifest))
        return 0
    for field, value in asdict(manifest).items():
        _say(f"{field:<15} {value if value != '' else '–'}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    _models().remove(options.name, forget=options.forget)
    if options.json:
        _print({"removed": options.name, "forgotten": options.forget})
        return 0
    _say(f"{options.name} is removed" + (", and the digest of its file forgotten." if options.forget else "."))
    return 0


# ---- what runs a model; torch is loaded only here ------------------------------------------------------------


def _parity(options: argparse.Namespace) -> int:
    from clarity_server.flows import parity as flow_parity

    found = apart.read(weights.content_of(options.weights))
    positions = np.load(options.positions, allow_pickle=False) if options.positions else None
    gates = flow_parity.ANY_CPU if positions is None else flow_parity.TIGHT
    measured = flow_parity.parity(found, flow_parity.golden(options.golden, found), positions)
    passes = measured.passes(gates)
    if options.json:
        _print({**asdict(measured), "model": found.shape.name, "gates": asdict(gates), "passes": passes})
        return 0 if passes else 1
    for name, value, gate in zip(asdict(measured), asdict(measured).values(), asdict(gates).values(), strict=True):
        _say(f"{name:<18} {value:.2e}  at most {gate:.0e}")
    _say(f"{found.shape.name} agrees with the original." if passes else "This is NOT what the original computes.")
    return 0 if passes else 1


def _train(options: argparse.Namespace) -> int:
    import torch

    from clarity_server.flows import train as flow_train
    from clarity_server.pat.shapes import S
    from clarity_server.pat.training import Progress, Recipe

    torch.set_num_threads(options.threads)
    recipe = Recipe(seed=options.seed, **({"steps": options.steps} if options.steps else {}))
    data = flow_train.material(options.archive)

    def tell(progress: Progress, held_out: float | None) -> None:
        if held_out is not None:
            _say(f"step {progress.step:>5} of {progress.steps}  loss {progress.loss:.3f}  held out {held_out:.3f}")
        elif sys.stderr.isatty() and progress.step % PROGRESS_STEPS == 0:
            left_s = progress.seconds / PROGRESS_STEPS * (progress.steps - progress.step)
            sys.stderr.write(f"\r{progress.step}, about {left_s / 60:.0f} min left ")

    run = flow_train.train(data, S, recipe, options.out, (lambda _, __: None) if options.json else tell)
    table = flow_train.measured(run, data, options.out)
    if options.json:
        _print(asdict(table))
    else:
        _say(f"Held-out minute MSE, {table.weeks} weeks of {table.people} people, by the share of patches hidden:")
        _say(f"{'':<42}" + "".join(f"{share:>7.2f}" for share in table.shares))
        for name, row in table.rows.items():
            _say(f"{name:<42}" + "".join(f"{value:>7.3f}" for value in row))
    if not table.passes:
        raise flow_train.GateMissed(table)
    manifest = flow_train.export(run, data, options.out)
    _say(f"{manifest.name} is in {options.out}; `clarity models install {options.out}` installs it.")
    return 0


# ---- output --------------------------------------------------------------------------------------------------


def _model(manifest: Manifest) -> str:
    return f"PAT-{'Conv-' if manifest.variant == 'conv' else ''}{manifest.size}"


def _print(body: object) -> None:
    _say(json.dumps(body, ensure_ascii=False))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

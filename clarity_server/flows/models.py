"""Install, pull, verify and choose models. No torch here: looking at weights does not run them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from clarity_server.domain.models import (
    FILE_BYTES_MAX,
    Kind,
    Manifest,
    ManifestRefused,
    ModelChanged,
    ModelNotFound,
    TestWeights,
    WeightsRefused,
    from_json,
    preferred,
)
from clarity_server.pat import apart, weights
from clarity_server.pat.weights import Weights
from clarity_server.ports import Downloads, Models

CARD_WEIGHTS, CARD_MANIFEST = "model.safetensors", "manifest.json"
NOT_TOLD = "not told"


@dataclass(frozen=True, slots=True)
class Told:
    """What an operator says of a file; nobody can check it, so it is kept as it was said."""

    source: str = NOT_TOLD
    licence: str = NOT_TOLD
    attribution: str = ""
    summary: str = ""
    kind: Kind = Kind.PRETRAINED


@dataclass(frozen=True, slots=True)
class Published:
    """Weights that PAT's authors link to, and what they are said to be."""

    url: str
    model: str
    people: str
    remark: str = ""

    @property
    def told(self) -> Told:
        """What is kept with them."""
        return Told(
            source=self.url,
            licence="CC BY 4.0",
            attribution=ATTRIBUTION,
            summary=f"{self.model}, pretrained by its authors on {self.people} people (NHANES). {self.remark}".rstrip(),
        )


ATTRIBUTION = (
    "Pretrained Actigraphy Transformer, Ruan et al., arXiv 2411.15240; "
    "github.com/njacobsonlab/Pretrained-Actigraphy-Transformer, CC BY 4.0"
)
_DROPBOX = "https://www.dropbox.com/scl/fi/"
_ALL, _HELD_BACK = "29,307", "21,538"
_UNEVALUATED = "Has seen 2013-14, and its authors did not evaluate it: never evaluate it there."
# The links of the authors' README at 57ad9c7. No digest stands here: nobody has published one that can be trusted.
PUBLISHED: Mapping[str, Published] = {
    "pat-s": Published(
        f"{_DROPBOX}12ip8owx1psc4o7b2uqff/PAT-S_29k_weights.h5?rlkey=ffaf1z45a74cbxrl7c9i2b32h&st=mfk6f0y5&dl=1",
        "PAT-S", _ALL, _UNEVALUATED,
    ),
    "pat-m": Published(
        f"{_DROPBOX}hlfbni5bzsfq0pynarjcn/PAT-M_29k_weights.h5?rlkey=frbkjtbgliy9vq2kvzkquruvg&st=mxc4uet9&dl=1",
        "PAT-M", _ALL, _UNEVALUATED,
    ),
    "pat-l": Published(
        f"{_DROPBOX}exk40hu1nxc1zr1prqrtp/PAT-L_29k_weights.h5?rlkey=t1e5h54oob0e1k4frqzjt1kmz&st=7a20pcox&dl=1",
        "PAT-L", _ALL, _UNEVALUATED,
    ),
    "pat-s-21k": Published(
        f"{_DROPBOX}ik45lrtqgenm61cgkkgkz/PAT-S_21k_weights.h5?rlkey=n2zv3jhdnvp7w8inir96y1ime&st=xch3lnra&dl=1",
        "PAT-S", _HELD_BACK,
    ),
    "pat-m-21k": Published(
        f"{_DROPBOX}dsd6px97gcipqm80iie17/PAT-M_21k_weights.h5?rlkey=q480rjj5g2id88xt9feie70tj&st=ou924quo&dl=1",
        "PAT-M", _HELD_BACK,
    ),
    "pat-l-21k": Published(
        f"{_DROPBOX}dglz917p3hqw5mwbovsv2/PAT-L_21k_weights.h5?rlkey=ppzxvp9i7t9k8j3w9x77fjfil&st=3g3mm845&dl=1",
        "PAT-L", _HELD_BACK,
    ),
}  # fmt: skip


def install(models: Models, content: bytes, name: str, told: Told, declared: str = "") -> Manifest:
    """Judge a file, turn it into our own format and keep it; return its manifest.

    `declared` is the model it must be, like PAT-S. Raises WeightsRefused, TestWeights unless it is told to be a test,
    ModelExists, SourceChanged, StoreFull.
    """
    found = apart.read(content, declared)
    if found.is_test and told.kind is not Kind.TEST:
        raise TestWeights(found.is_test)
    kept = weights.to_safetensors(found)
    return models.install(describe(found, kept, content, name, told), kept)


def describe(found: Weights, kept: bytes, source: bytes, name: str, told: Told) -> Manifest:
    """Returns the manifest of weights: `kept` are their bytes in our format, `source` those they came in."""
    return Manifest(
        name=name,
        size=found.shape.size,
        variant=found.shape.variant,
        kind=told.kind,
        digest=_sha256(kept),
        tensor_digest=found.digest,
        byte_count=len(kept),
        source=told.source,
        source_digest=_sha256(source),
        licence=told.licence,
        attribution=told.attribution,
        summary=told.summary or f"{found.shape.name}, installed from a file; {NOT_TOLD} what it was trained on.",
        installed_time=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        scaler_name=found.scaler.name if found.scaler else "",
        scaler_digest=found.scaler.digest if found.scaler else "",
    )


def install_card(models: Models, folder: Path, name: str = "") -> Manifest:
    """Install a model that comes with its card: a folder of weights and manifest. Raises as install does."""
    manifest = from_json((folder / CARD_MANIFEST).read_text(encoding="utf-8"))
    content = weights.content_of(folder / CARD_WEIGHTS)
    if _sha256(content) != manifest.digest:
        raise ModelChanged(manifest.name, manifest.digest, _sha256(content))
    told = Told(manifest.source, manifest.licence, manifest.attribution, manifest.summary, manifest.kind)
    kept = install(models, content, name or manifest.name, told)
    assert kept.digest == manifest.digest, "our own format is written in one way only"
    return kept


def pull(
    models: Models,
    downloads: Downloads,
    name: str,
    tell: Callable[[int, int | None], None],
    published: Mapping[str, Published] = PUBLISHED,
) -> Manifest:
    """Fetch what the authors published, judge it and keep it; what is installed already is only verified.

    Raises ModelNotFound for a name that is not published, DownloadFailed, WeightsRefused, SourceChanged, ModelChanged.
    """
    if name not in published:
        raise ModelNotFound(name)
    if any(one.name == name for one in models.list()):
        return verify(models, name)
    what = published[name]
    content = downloads.fetch(what.url, name, FILE_BYTES_MAX, tell)
    try:
        kept = install(models, content, name, what.told, declared=what.model)
    except (WeightsRefused, TestWeights):
        downloads.discard(name)  # a page or another file: no use in keeping it
        raise
    downloads.discard(name)
    return kept


def verify(models: Models, name: str) -> Manifest:
    """Read a model again, bytes and layout; return its manifest. Raises ModelNotFound, ModelChanged, WeightsRefused."""
    manifest, content = models.get(name)
    _judged(manifest, content)
    return manifest


def _judged(manifest: Manifest, content: bytes) -> Weights:
    found = weights.read_own(content)
    said = replace(
        manifest,
        size=found.shape.size,
        variant=found.shape.variant,
        tensor_digest=found.digest,
        scaler_digest=found.scaler.digest if found.scaler else "",
    )
    if said != manifest:
        raise ManifestRefused(
            f"the manifest of {manifest.name} does not describe its weights: remove and install it again"
        )
    return found


def served(models: Models) -> tuple[Manifest, Weights] | None:
    """Returns the model that answers, or None where there is none that may.

    A demonstration gives way to every pretrained model. Raises ModelChanged where the bytes are not those that were
    installed: the server must not start with them. TestWeights where a manifest hides what they are.
    """
    chosen = preferred(models.list())
    if chosen is None:
        return None
    manifest, content = models.get(chosen.name)
    found = _judged(manifest, content)
    if found.is_test:
        raise TestWeights(found.is_test)
    return manifest, found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

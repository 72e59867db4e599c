"""Models: trained weights under a name, what is known about them, and why a file cannot be one."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from clarity_server.domain.errors import StartRefused

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
DIGEST = re.compile(r"[0-9a-f]{64}")
MANIFEST_BYTES_MAX = 64 * 1024
FILE_BYTES_MAX = 64 * 1024 * 1024  # PAT-L saved whole, with its optimizer, is 25 MB
NAMES_SHOWN = 8
TEXT_CHARS_MAX = 2000


class Kind(StrEnum):
    """What a model may be used for."""

    PRETRAINED = "pretrained"  # by its authors, or by the operator
    DEMONSTRATION = "demonstration"  # shows that everything works; gives way to every other
    TEST = "test"  # random or made for tests: never served


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known about an installed model. `source`, `licence` and `attribution` are as they were told."""

    name: str
    size: str  # S, M or L
    variant: str  # linear or conv
    kind: Kind
    digest: str  # sha256 of the installed file; goes into every result
    tensor_digest: str  # sha256 of the weights themselves, whatever file they came in
    byte_count: int
    source: str
    source_digest: str  # sha256 of the file it was installed from
    licence: str
    attribution: str
    summary: str  # the first line of its card
    installed_time: str  # RFC 3339, UTC
    scaler_name: str = ""  # empty: it came without one, and a week cannot be scaled as it wants
    scaler_digest: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no manifest. Raises ManifestRefused."""
        if not NAME.fullmatch(self.name):
            raise ManifestRefused(f"{self.name[:64]!r} is no name for a model: a-z, 0-9 and -, at most 64 letters")
        digests = (self.digest, self.tensor_digest, self.source_digest, *filter(None, [self.scaler_digest]))
        if not all(DIGEST.fullmatch(digest) for digest in digests):
            raise ManifestRefused(f"the manifest of {self.name} has a digest that is no sha256")
        if any(len(text) > TEXT_CHARS_MAX for text in (self.source, self.licence, self.attribution, self.summary)):
            raise ManifestRefused(f"source, licence, attribution and summary have at most {TEXT_CHARS_MAX} letters")

    @property
    def is_servable(self) -> bool:
        """Whether it may answer at all."""
        return self.kind is not Kind.TEST

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> Manifest:
    """Read what `to_json` wrote. Raises ManifestRefused."""
    known = {one.name for one in fields(Manifest)}
    try:
        found = json.loads(text)
        if not isinstance(found, dict) or not found.keys() <= known:
            raise ManifestRefused("a manifest has other fields than these: " + ", ".join(sorted(known)))
        wrong = [name for name, value in found.items() if not isinstance(value, int if name == "byte_count" else str)]
        if wrong:
            raise ManifestRefused(f"a manifest's {', '.join(wrong)} is of the wrong type")
        return Manifest(**{**found, "kind": Kind(found.get("kind", ""))})
    except (TypeError, ValueError, RecursionError) as why:
        raise ManifestRefused(f"this is no manifest: {why}") from why


def preferred(manifests: Sequence[Manifest]) -> Manifest | None:
    """Returns the model that answers: no test, a demonstration only where there is nothing else, then the largest."""
    sizes = "SML"
    servable = [one for one in manifests if one.is_servable]
    rank = {
        one.name: (one.kind is Kind.DEMONSTRATION, -sizes.find(one.size), one.variant != "linear", one.name)
        for one in servable
    }
    return min(servable, key=lambda one: rank[one.name], default=None)


# ---- what is refused, each by its name -----------------------------------------------------------------------


class DataRefused(StartRefused):
    """Training data or a checkpoint is not what it must be."""


class ManifestRefused(StartRefused):
    """A manifest is not one."""


class ModelNotFound(StartRefused):
    """No model of this name is installed."""

    def __init__(self, name: str) -> None:
        """Say what to do."""
        super().__init__(f"no model {name[:64]!r} is installed; `clarity models list` shows those that are")


class ModelExists(StartRefused):
    """The name is taken by another model."""

    def __init__(self, name: str) -> None:
        """Say what to do."""
        super().__init__(
            f"{name} is installed with other weights; `clarity models remove {name}` first, or choose a name"
        )


class ModelChanged(StartRefused):
    """What is installed is not what was installed."""

    def __init__(self, name: str, recorded: str, found: str) -> None:
        """Give both digests."""
        super().__init__(
            f"{name} was installed with sha256 {recorded} and is now {found}: do not trust it; "
            f"`clarity models remove {name}` and install it again from where you had it"
        )


class SourceChanged(StartRefused):
    """Another file came under a name whose first file was recorded."""

    def __init__(self, name: str, recorded: str, found: str) -> None:
        """Give both digests, and who decides."""
        super().__init__(
            f"{name} was first installed from a file with sha256 {recorded}; this one has {found}. If you know why it "
            f"changed, `clarity models remove {name} --forget` and install it again"
        )


class TestWeights(StartRefused):
    """Random or test weights: they would answer with noise."""

    __test__ = False  # pytest, this is no test

    def __init__(self, which: str) -> None:
        """Say what they are."""
        super().__init__(f"these are {which}: noise, which is never served. Install them with --test to test with them")


class DownloadFailed(StartRefused):
    """A published file could not be fetched; what came so far is kept."""


class WeightsRefused(StartRefused):
    """A file holds no weights that can be used. Its subclasses say why."""


class FileTooLarge(WeightsRefused):
    """The file is larger than any PAT."""

    def __init__(self, size: int) -> None:
        """Give both sizes."""
        super().__init__(
            f"the file has {size:,} bytes and no PAT has more than {FILE_BYTES_MAX:,}: it is something else"
        )


class LfsPointer(WeightsRefused):
    """A Git LFS pointer in place of the file."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("this is a Git LFS pointer, not the file: run `git lfs pull` where it came from")


class HtmlPage(WeightsRefused):
    """A web page in place of the file."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("this is a web page, not the file: download the file itself (for Dropbox, with dl=1)")


class NotWeights(WeightsRefused):
    """Neither HDF5 nor safetensors."""

    def __init__(self, what: str) -> None:
        """Say what it looks like."""
        super().__init__(f"this is {what}: give Keras's legacy .h5 (save_weights or model.save) or our .safetensors")


class FileDamaged(WeightsRefused):
    """The file is cut off or broken."""

    def __init__(self, why: str) -> None:
        """Say where it breaks."""
        super().__init__(f"the file is damaged ({why}): copy or download it again")


class PointsElsewhere(WeightsRefused):
    """A part of the file is a link to another place."""

    def __init__(self, part: str, how: str) -> None:
        """Name the part."""
        super().__init__(f"{part!r} is {how}: a weights file holds its own numbers. Do not trust where it came from")


class StoredOddly(WeightsRefused):
    """A tensor is chunked, compressed or filtered."""

    def __init__(self, tensor: str) -> None:
        """Name the tensor."""
        super().__init__(f"{tensor!r} is chunked or compressed, as Keras never writes it: save it again with Keras")


class Keras3Weights(WeightsRefused):
    """Keras 3's own weights file."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "this is a Keras 3 .weights.h5, whose tensors have lost their names: load it in Keras and "
            'save the whole model, model.save("pat.h5")'
        )


class AutomaticNames(WeightsRefused):
    """The layers were named by Keras, not by PAT."""

    def __init__(self, found: Sequence[str]) -> None:
        """List them."""
        super().__init__(
            f"the file has automatic layer names ({_listed(found)}), which tell no tensor from another: "
            "build the model with PAT's own names (encoder_layer_1_…), load these weights into it and save it again"
        )


class TensorsMissing(WeightsRefused):
    """Not all tensors are there."""

    def __init__(self, name: str, missing: Sequence[str]) -> None:
        """List them."""
        super().__init__(f"{len(missing)} tensors of {name} are missing ({_listed(missing)}): it cannot be filled in")


class TensorsUnexpected(WeightsRefused):
    """There are tensors that are no part of an encoder."""

    def __init__(self, name: str, unexpected: Sequence[str]) -> None:
        """List them."""
        super().__init__(
            f"{len(unexpected)} tensors are no part of {name}'s encoder ({_listed(unexpected)}): "
            "a head or a decoder? Save the encoder alone"
        )


class WrongShape(WeightsRefused):
    """A tensor has another shape."""

    def __init__(self, tensor: str, expected: tuple[int, ...], found: tuple[int, ...], name: str) -> None:
        """Give both shapes."""
        super().__init__(f"{tensor!r} has the shape {found} where {name} has {expected}: it is another model")


class NotFloat32(WeightsRefused):
    """A tensor is of another type."""

    def __init__(self, tensor: str, found: str) -> None:
        """Name the type."""
        super().__init__(f"{tensor!r} is {found[:64]} and not float32: save the model in float32")


class NotFinite(WeightsRefused):
    """A tensor holds NaN or Inf."""

    def __init__(self, tensor: str) -> None:
        """Name the tensor."""
        super().__init__(f"{tensor!r} holds NaN or Inf: the training failed or the file is damaged")


class SizeDisagrees(WeightsRefused):
    """The file is another size than it was said to be."""

    def __init__(self, declared: str, found: str) -> None:
        """Give both."""
        super().__init__(f"the file is {found} and was declared to be {declared}: it is the wrong file")


class ScalerRefused(WeightsRefused):
    """The scaler beside the weights cannot be one."""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:120] for name in names[:NAMES_SHOWN])
    return shown if len(names) <= NAMES_SHOWN else f"{shown}, and {len(names) - NAMES_SHOWN} more"

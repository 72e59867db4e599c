"""Weights out of files: Keras's legacy H5 and our own safetensors, everything else refused by its name.

A file is judged by its content, never by its suffix, and fully before anything of it is used: exactly the expected
tensors of one size, in their shapes, float32, finite. Nothing missing is ever filled in. The server itself opens only
safetensors; H5 is read once, by whoever installs it, and in a process of its own (pat/apart.py).

    Keras H5, by save_weights or model.save ─┐
                                             ├─ Weights, in PyTorch's layout ─ safetensors, with the scaler inside
    safetensors ─────────────────────────────┘
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from clarity_server.domain.models import (
    FILE_BYTES_MAX,
    AutomaticNames,
    FileDamaged,
    FileTooLarge,
    HtmlPage,
    Keras3Weights,
    LfsPointer,
    NotFinite,
    NotFloat32,
    NotWeights,
    PointsElsewhere,
    ScalerRefused,
    SizeDisagrees,
    StoredOddly,
    TensorsMissing,
    TensorsUnexpected,
    WrongShape,
)
from clarity_server.pat.scaling import Scaler, Transform
from clarity_server.pat.shapes import FEED_FORWARD, KERNEL_MINUTES, SHAPES, WIDTH, Shape

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
FORMAT = "clarity-pat-1"
NAMES_MAX = 1000  # PAT-L has 66

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Weights:
    """An encoder's tensors in PyTorch's layout, as Shape.tensors names them, and the scaler it was trained with."""

    shape: Shape
    tensors: Mapping[str, Array]
    scaler: Scaler | None = None

    @cached_property
    def digest(self) -> str:
        """The sha256 of the tensors: the same whatever file they came in."""
        found = hashlib.sha256(self.shape.name.encode())
        for name in self.shape.tensors():
            found.update(self.tensors[name].astype("<f4").tobytes())
        return found.hexdigest()

    @property
    def is_test(self) -> str:
        """What kind of noise this is, or nothing: known test weights, or the untouched start of a training."""
        if known := TEST_WEIGHTS.get(self.digest):
            return f"the random weights {known}, made for tests"
        biases = [value for name, value in self.tensors.items() if name.endswith(".bias")]
        return "" if any(value.any() for value in biases) else "untrained weights (every bias is still 0)"


# By Weights.digest, so that they are known again in any file. How they were made: tests/pat/golden/README.md.
TEST_WEIGHTS: Mapping[str, str] = {
    "f6559191803e95b81ae7a960b76496e1f2ea82806f6aff9c1bdcdab6602185ea": "legacy_S",
    "7065013287b51b5e8f9da1e5eff3468704928ae9381d8b3e379b1de2da15435c": "legacy_conv_S",
    "ccc16c531519a07d642a8ba010423c1fffe674a63b7690c09fe8caf3da7c4933": "keras3_S",
    "8d4bbd01154672a6a517c8489f148fbc82edd5fbcd9b8c989f4657abe9af201e": "legacy_L",
}


def content_of(path: Path) -> bytes:
    """Returns a file's bytes. Raises FileTooLarge before reading more than a PAT can have; OSError flies."""
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise FileTooLarge(path.stat().st_size)
    return content


def read(content: bytes, declared: str = "") -> Weights:
    """Returns the weights in a file's bytes; `declared` is what they must be, like PAT-S. Raises WeightsRefused."""
    if len(content) > FILE_BYTES_MAX:
        raise FileTooLarge(len(content))
    found = _from_h5(content) if content.startswith(HDF5_MAGIC) else read_own(content)
    if declared and declared.lower() != found.shape.name.lower():
        raise SizeDisagrees(declared, found.shape.name)
    return found


def read_own(content: bytes) -> Weights:
    """Returns the weights in our own format, and opens no other. Raises WeightsRefused."""
    if not _looks_like_safetensors(content):
        raise _stranger(content)
    return _from_safetensors(content)


def _stranger(content: bytes) -> LfsPointer | HtmlPage | NotWeights:
    """What the bytes look like."""
    start = content[:1024].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return LfsPointer()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<body")):
        return HtmlPage()
    known = next((text for magic, text in STRANGERS.items() if content.startswith(magic)), "")
    return NotWeights(known or ("neither HDF5 nor safetensors" if content else "an empty file"))


STRANGERS: Mapping[bytes, str] = {
    HDF5_MAGIC: "an HDF5 file where our own format has to be",
    b"PK\x03\x04": "a zip archive (a .keras model or a PyTorch checkpoint?)",
    b"\x80": "a Python pickle, which is never opened",
}


# ---- Keras's H5 ----------------------------------------------------------------------------------------------


def _from_h5(content: bytes) -> Weights:
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _read_h5(file)
    # What HDF5 says of broken files, through h5py; our own refusals are none of these.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as why:
        raise FileDamaged(str(why).splitlines()[0][:200] if str(why) else type(why).__name__) from why


def _read_h5(file: h5py.File) -> Weights:
    root = _child(file, "model_weights", h5py.Group) if "model_weights" in file.keys() else file  # noqa: SIM118  `in file` follows links
    if "layer_names" not in root.attrs:
        raise Keras3Weights if "layers" in file.keys() else NotWeights("an HDF5 file that Keras did not write")  # noqa: SIM118
    paths = list(_paths(root))
    shape = _shape_named(list(paths))
    expected = keras_tensors(shape)
    names = [_plain(path) for path in paths]
    if missing := [name for name in expected if name not in names]:
        raise TensorsMissing(shape.name, missing)
    if unexpected := [path for path, name in zip(paths, names, strict=True) if name not in expected]:
        raise TensorsUnexpected(shape.name, unexpected)
    if len(names) != len(set(names)):
        raise TensorsUnexpected(shape.name, sorted(name for name in set(names) if names.count(name) > 1))
    places = dict(zip(names, paths, strict=True))
    tensors = {
        one.name: one.turned(_numbers(root, places[name], one.shape, shape.name)) for name, one in expected.items()
    }
    return Weights(shape, tensors)


def _paths(root: h5py.Group) -> Iterator[str]:
    """Every weight's path as the attributes list it; layers without weights have none, whatever they are called."""
    count = 0
    for layer in _texts(root.attrs["layer_names"]):
        group = _child(root, layer, h5py.Group)
        for weight in _texts(group.attrs.get("weight_names", ())):
            count += 1
            if count > NAMES_MAX:
                raise FileDamaged(f"more than {NAMES_MAX} weights")
            yield f"{layer}/{weight}"


def _texts(attribute: object) -> list[str]:
    values = np.asarray(attribute).ravel().tolist()
    texts = [value.decode("utf-8") if isinstance(value, bytes) else value for value in values]
    if not all(isinstance(text, str) for text in texts) or len(texts) > NAMES_MAX:
        raise FileDamaged("a list of names is none")
    return texts


def _plain(path: str) -> str:
    """Keras 2 ends a name in `:0`, Keras 3 does not."""
    return path.removesuffix(":0")


def _child(parent: h5py.Group, path: str, kind: type[h5py.Group | h5py.Dataset]) -> h5py.Group | h5py.Dataset:
    """Walk down a path by hard links only: any other kind leads elsewhere."""
    here: h5py.Group | h5py.Dataset = parent
    parts = path.split("/")
    for part in parts:
        if not isinstance(here, h5py.Group) or part in {"", ".", ".."}:
            raise FileDamaged(f"there is no {path[:200]!r}")
        link = here.get(part, getlink=True)
        if link is None:
            raise FileDamaged(f"there is no {path[:200]!r}")
        if not isinstance(link, h5py.HardLink):
            raise PointsElsewhere(path[:200], "an external or soft link")
        here = here[part]
    if not isinstance(here, kind):
        raise FileDamaged(f"{path[:200]!r} is not a {kind.__name__.lower()}")
    return here


def _numbers(root: h5py.Group, path: str, expected: tuple[int, ...], name: str) -> Array:
    """Returns a dataset's numbers, judged before they are read."""
    found = _child(root, path, h5py.Dataset)
    if found.is_virtual or found.external:
        raise PointsElsewhere(path, "a virtual dataset" if found.is_virtual else "stored in another file")
    if found.chunks is not None:
        raise StoredOddly(path)
    if found.dtype != np.dtype("<f4"):
        raise NotFloat32(path, str(found.dtype))
    if found.shape != expected:
        raise WrongShape(path, expected, found.shape, name)
    return _finite(path, np.asarray(found[()], dtype=np.float32))


def _finite(name: str, values: Array) -> Array:
    if not np.isfinite(values).all():
        raise NotFinite(name)
    return values


BLOCK = re.compile(r"encoder_layer_(\d{1,3})_transformer/")
CONV_LAYER = "conv1d_patch_embedding"


def _shape_named(paths: Sequence[str]) -> Shape:
    """Returns the size whose layers the names tell of: the one that has as many, or the next larger."""
    blocks = {int(found[1]) for path in paths if (found := BLOCK.match(path))}
    if not blocks:
        raise AutomaticNames(sorted({path.partition("/")[0] for path in paths}))
    conv = any(path.startswith(f"{CONV_LAYER}/") for path in paths)
    sizes = [shape for shape in SHAPES if shape.conv == conv]
    return next((shape for shape in sizes if shape.layers >= len(blocks)), sizes[-1])


@dataclass(frozen=True, slots=True)
class KerasTensor:
    """Where a Keras tensor goes: its name and layout in PyTorch."""

    name: str
    shape: tuple[int, ...]  # in Keras
    axes: tuple[int, ...]  # Keras's axes in PyTorch's order
    final: tuple[int, ...]  # PyTorch's shape

    def turned(self, values: Array) -> Array:
        """Returns the tensor in PyTorch's layout."""
        return np.ascontiguousarray(values.transpose(self.axes)).reshape(self.final)


def keras_tensors(shape: Shape) -> Mapping[str, KerasTensor]:
    """Returns Keras's path → PyTorch's tensor, for every tensor of a size.

    `W_qkv[h·96 + o, i] = kernel[i, h, o]`, `W_out[e, h·96 + o] = kernel[h, o, e]`; a dense layer is transposed, a
    convolution is turned end for end; biases of heads are joined.
    """
    ours = shape.tensors()
    return {path: KerasTensor(name, keras, axes, ours[name]) for path, name, keras, axes in _rows(shape)}


Row = tuple[str, str, tuple[int, ...], tuple[int, ...]]  # Keras's path, our name, Keras's shape, its axes in our order


def _rows(shape: Shape) -> Iterator[Row]:
    if shape.conv:
        yield from _layer(f"{CONV_LAYER}/{CONV_LAYER}", "embedding", (KERNEL_MINUTES, 1, WIDTH), (2, 1, 0))
    else:
        yield from _layer("dense/dense", "embedding", (shape.patch_minutes, WIDTH), (1, 0))
    for block in range(shape.layers):
        theirs, ours = f"encoder_layer_{block + 1}_transformer/encoder_layer_{block + 1}", f"blocks.{block}"
        heads = (WIDTH, shape.heads, WIDTH)  # (in, head, out)
        for part in ("query", "key", "value"):
            yield from _layer(f"{theirs}_attention/{part}", f"{ours}.attention.{part}", heads, (1, 2, 0), heads[1:])
        joined = (shape.heads, WIDTH, WIDTH)  # (head, in, out)
        yield from _layer(f"{theirs}_attention/attention_output", f"{ours}.attention.output", joined, (2, 0, 1))
        yield from _layer(f"{theirs}_ff1", f"{ours}.widen", (WIDTH, FEED_FORWARD), (1, 0))
        yield from _layer(f"{theirs}_ff2", f"{ours}.narrow", (FEED_FORWARD, WIDTH), (1, 0))
        for norm in ("norm1", "norm2"):
            yield f"{theirs}_{norm}/gamma", f"{ours}.{norm}.weight", (WIDTH,), (0,)
            yield f"{theirs}_{norm}/beta", f"{ours}.{norm}.bias", (WIDTH,), (0,)


def _layer(
    path: str, name: str, kernel: tuple[int, ...], axes: tuple[int, ...], bias: tuple[int, ...] = ()
) -> Iterator[Row]:
    """A layer's two tensors; its bias is one number an output, unless said otherwise."""
    bias = bias or kernel[-1:]
    yield f"{path}/kernel", f"{name}.weight", kernel, axes
    yield f"{path}/bias", f"{name}.bias", bias, tuple(range(len(bias)))


# ---- our safetensors -----------------------------------------------------------------------------------------

SCALER_TENSORS = ("scaler.mean", "scaler.deviation")
HEADER_BYTES = 8


def to_safetensors(weights: Weights) -> bytes:
    """Returns our file: the tensors, the scaler's numbers beside them, the same bytes every time."""
    tensors: dict[str, NDArray[np.floating]] = {name: weights.tensors[name] for name in weights.shape.tensors()}
    about: dict[str, object] = {"format": FORMAT, "model": weights.shape.name}
    if scaler := weights.scaler:
        tensors |= dict(zip(SCALER_TENSORS, (scaler.mean, scaler.deviation), strict=True))
        about["scaler"] = {"name": scaler.name, "source": scaler.source, "transform": scaler.transform.value}
    # One entry: the library does not promise an order to more.
    return safetensors.numpy.save(tensors, metadata={"clarity": json.dumps(about, sort_keys=True)})


def _looks_like_safetensors(content: bytes) -> bool:
    size = int.from_bytes(content[:HEADER_BYTES], "little")
    return content[HEADER_BYTES : HEADER_BYTES + 1] == b"{" and size <= len(content)


def _from_safetensors(content: bytes) -> Weights:
    try:
        about = _about(content)
        tensors = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError, RecursionError) as why:
        raise FileDamaged(str(why).splitlines()[0][:200] if str(why) else type(why).__name__) from why
    shape = next((shape for shape in SHAPES if shape.name == about.get("model")), None)
    if about.get("format") != FORMAT or shape is None:
        raise NotWeights("a safetensors file that CLARITY did not write")
    extra = SCALER_TENSORS if "scaler" in about else ()
    expected = shape.tensors()
    if missing := [name for name in (*expected, *extra) if name not in tensors]:
        raise TensorsMissing(shape.name, missing)
    if unexpected := [name for name in tensors if name not in expected and name not in extra]:
        raise TensorsUnexpected(shape.name, unexpected)
    checked = {name: _checked(name, tensors[name], expected[name], shape.name) for name in expected}
    return Weights(shape, checked, _scaler(about["scaler"], tensors) if extra else None)


def _about(content: bytes) -> dict[str, object]:
    size = int.from_bytes(content[:HEADER_BYTES], "little")
    header = json.loads(content[HEADER_BYTES : HEADER_BYTES + size])
    found = json.loads(header.get("__metadata__", {}).get("clarity", "{}"))
    return found if isinstance(found, dict) else {}


def _checked(name: str, values: NDArray[np.generic], expected: tuple[int, ...], model: str) -> Array:
    if values.dtype != np.dtype("<f4"):
        raise NotFloat32(name, str(values.dtype))
    if values.shape != expected:
        raise WrongShape(name, expected, values.shape, model)
    return _finite(name, np.asarray(values, dtype=np.float32))


def _scaler(about: object, tensors: Mapping[str, NDArray[np.generic]]) -> Scaler:
    mean, deviation = (tensors[name] for name in SCALER_TENSORS)
    try:
        if not isinstance(about, dict) or mean.dtype != np.dtype("<f8") or deviation.dtype != np.dtype("<f8"):
            raise ScalerRefused("the scaler in the file is not described, or not in float64")
        return Scaler(
            str(about["name"]),
            str(about["source"]),
            Transform(about["transform"]),
            np.asarray(mean, dtype=np.float64),
            np.asarray(deviation, dtype=np.float64),
        )
    except (KeyError, ValueError) as why:
        raise ScalerRefused(f"the scaler in the file cannot be one: {why}") from why

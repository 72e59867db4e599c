"""H5 files as Keras writes them, and as somebody with other plans might."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from clarity_server.pat.shapes import Shape
from clarity_server.pat.weights import keras_tensors

Arrays = dict[str, NDArray[np.generic]]


def arrays(shape: Shape, seed: int = 0) -> Arrays:
    """Random tensors of a size under Keras's paths, without the `:0`."""
    rng = np.random.default_rng(seed)
    return {path: rng.normal(0, 0.05, one.shape).astype(np.float32) for path, one in keras_tensors(shape).items()}


def h5(tensors: Mapping[str, NDArray[np.generic]], ending: str = ":0", **layers: list[str]) -> bytes:
    """A file in the layout of `save_weights`: a group a layer, and attributes that list layers and weights."""
    body = io.BytesIO()
    with h5py.File(body, "w") as file:
        write(file, tensors, ending)
        for name, value in layers.items():
            file.attrs[name] = value
    return body.getvalue()


def write(root: h5py.Group, tensors: Mapping[str, NDArray[np.generic]], ending: str = ":0") -> None:
    names: dict[str, list[str]] = {"inputs": [], "tf.__operators__.add_7": []}
    for path in tensors:
        layer, _, weight = path.partition("/")
        names.setdefault(layer, []).append(weight + ending)
    root.attrs["layer_names"] = list(names)
    for layer, weights in names.items():
        root.create_group(layer).attrs["weight_names"] = weights or np.array([], dtype="S1")
    for path, values in tensors.items():
        root[path + ending] = values


def changed(content: bytes, change: Callable[[h5py.File], None]) -> bytes:
    """The same file after a change."""
    body = io.BytesIO(content)
    with h5py.File(body, "r+") as file:
        change(file)
    return body.getvalue()


def changed_on_disk(content: bytes, folder: Path, change: Callable[[h5py.File], None]) -> bytes:
    """The same, for changes that need a place on disk beside them."""
    path = folder / "changed.h5"
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        change(file)
    return path.read_bytes()

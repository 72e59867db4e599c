"""PAT in Keras on TensorFlow, for `python -m bench pat`: as its authors' notebooks call it, and compiled.

Written from the description of Ruan et al., arXiv 2411.15240. Positions are constants here, which costs nothing.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarity_server.pat.shapes import FEED_FORWARD, WIDTH, WINDOW_MINUTES, Shape
from clarity_server.pat.weights import KerasTensor, Weights, keras_tensors

NORM_EPS = 1e-6
DROPOUT = 0.1
LONGEST_WAVE = 10_000.0


def limit(threads: int) -> None:
    """Compute with so many threads: TensorFlow heeds it only before it starts."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    threading = import_module("tensorflow").config.threading
    threading.set_intra_op_parallelism_threads(threads)
    threading.set_inter_op_parallelism_threads(threads)


def versions() -> str:
    """Which ones are compared with."""
    return f"Keras {version('keras')} on TensorFlow {version('tensorflow-cpu')}"


def ways(weights: Weights) -> Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
    """Returns what is timed, by its name: each takes a scaled week and returns the tokens, (N, 96)."""
    model = filled(built(weights.shape), weights)
    compiled = import_module("tensorflow").function(lambda weeks: model(weeks, training=False))
    return {
        "function": lambda week: compiled(week[None]).numpy()[0],
        "predict": lambda week: model.predict(week[None], verbose=0)[0],
    }


def answers(weights: Weights, week: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
    """Returns the tokens, (N, 96), that every way makes of a week."""
    return {name: way(week) for name, way in ways(weights).items()}


def built(shape: Shape) -> Any:  # noqa: ANN401  Keras is not always installed
    """Returns the model with fresh weights: weeks (batch, 10080) in, tokens (batch, N, 96) out."""
    layers = import_module("keras").layers
    weeks = layers.Input((WINDOW_MINUTES,))
    patches = layers.Reshape((shape.patches, shape.patch_minutes))(weeks)  # (batch, N, P)
    x = layers.Dense(WIDTH, name="dense")(patches) + positions(shape.patches)  # (batch, N, 96)
    for block in range(shape.layers):
        x = attended(x, shape.heads, f"encoder_layer_{block + 1}")
    return import_module("keras").Model(weeks, x)


def attended(x: Any, heads: int, name: str) -> Any:  # noqa: ANN401  Keras is not always installed
    """Returns the tokens after one more block; each half is added to its input and then normalised."""
    layers = import_module("keras").layers
    looked = layers.MultiHeadAttention(heads, WIDTH, name=f"{name}_attention")(x, x)
    u = layers.LayerNormalization(epsilon=NORM_EPS, name=f"{name}_norm1")(x + layers.Dropout(DROPOUT)(looked))
    wide = layers.Dense(FEED_FORWARD, activation="relu", name=f"{name}_ff1")(u)
    narrow = layers.Dropout(DROPOUT)(layers.Dense(WIDTH, name=f"{name}_ff2")(wide))
    return layers.LayerNormalization(epsilon=NORM_EPS, name=f"{name}_norm2")(u + narrow)


def positions(tokens: int) -> NDArray[np.float32]:
    """Returns the fixed positions, (tokens, 96): 48 sines, then 48 cosines."""
    waves = np.exp(-2 * np.arange(WIDTH // 2) * np.log(LONGEST_WAVE) / WIDTH)  # (48,)
    angles = np.arange(tokens)[:, None] * waves  # (tokens, 48)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def filled(model: Any, weights: Weights) -> Any:  # noqa: ANN401  Keras is not always installed
    """Returns the model with these weights, turned into Keras's layout."""
    layers: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for path, tensor in keras_tensors(weights.shape).items():
        layers[path.split("/")[1]].append(turned_back(tensor, weights.tensors[tensor.name]))
    for name, arrays in layers.items():
        model.get_layer(name).set_weights(arrays)
    return model


def turned_back(tensor: KerasTensor, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns a tensor of PyTorch's layout in Keras's."""
    return values.reshape([tensor.shape[axis] for axis in tensor.axes]).transpose(np.argsort(tensor.axes))

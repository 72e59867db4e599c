"""The loader's rule: exactly one size of PAT out of Keras's legacy files, everything else refused by its name."""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clarity_server.domain import models as refusals
from clarity_server.domain.models import FILE_BYTES_MAX, WeightsRefused
from clarity_server.pat.scaling import Scaler, Transform
from clarity_server.pat.shapes import CONV_L, SHAPES, L, M, S, Shape
from clarity_server.pat.weights import Weights, content_of, keras_tensors, read, to_safetensors
from tests.pat.goldens import KERAS3_S_FULL, KERAS3_WEIGHTS, LEGACY_CONV_S, LEGACY_L, LEGACY_S, LEGACY_S_FULL
from tests.pat.keras_files import arrays, changed, changed_on_disk, h5, write

QUERY = "encoder_layer_1_transformer/encoder_layer_1_attention/query/kernel"
GAMMA = "encoder_layer_1_transformer/encoder_layer_1_norm1/gamma"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1126224\n"


@pytest.fixture(scope="module")
def legacy() -> bytes:
    return content_of(LEGACY_S.weights)


@pytest.fixture(scope="module")
def ours(legacy: bytes) -> bytes:
    scaler = Scaler("made-up", "a test", Transform.LOG1P, np.array([3.0]), np.array([2.0]))
    return to_safetensors(replace(read(legacy), scaler=scaler))


def refused(content: bytes, why: type[WeightsRefused], *words: str) -> None:
    with pytest.raises(WeightsRefused) as caught:
        read(content)
    assert type(caught.value) is why, caught.value
    assert all(word in str(caught.value) for word in words), caught.value


# ---- what is loaded ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", [LEGACY_S, LEGACY_S_FULL, LEGACY_CONV_S, KERAS3_S_FULL, LEGACY_L], ids=lambda c: c.weights.stem
)
def test_size_and_variant_follow_from_the_file(case: object) -> None:
    assert isinstance(case, type(LEGACY_S))
    found, _ = case.read()
    assert found.shape == case.shape
    assert {name: value.shape for name, value in found.tensors.items()} == dict(case.shape.tensors())
    assert all(value.dtype == np.float32 for value in found.tensors.values())


def test_a_whole_model_holds_the_same_weights_as_its_weights_alone() -> None:
    assert LEGACY_S_FULL.read()[0].digest == LEGACY_S.read()[0].digest
    assert KERAS3_S_FULL.read()[0].digest != LEGACY_S.read()[0].digest


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize("ending", [":0", ""])
def test_every_size_is_loaded_whatever_its_layers_without_weights_are_called(shape: Shape, ending: str) -> None:
    assert read(h5(arrays(shape), ending)).shape == shape


def test_the_number_of_tensors_is_the_published_one() -> None:
    assert [len(keras_tensors(shape)) for shape in (S, M, L)] == [18, 34, 66]


def test_names_may_be_bytes_or_texts() -> None:
    tensors = arrays(S)

    def in_bytes(file: h5py.File) -> None:
        file.attrs["layer_names"] = np.array([name.encode() for name in file.attrs["layer_names"]])

    assert read(changed(h5(tensors), in_bytes)).digest == read(h5(tensors)).digest


def test_a_declared_size_that_agrees_is_fine_and_one_that_does_not_is_refused(legacy: bytes) -> None:
    assert read(legacy, "pat-s").shape == S
    with pytest.raises(refusals.SizeDisagrees, match="PAT-S and was declared to be PAT-M"):
        read(legacy, "PAT-M")


def test_a_suffix_is_nothing_and_the_content_everything(tmp_path: Path, legacy: bytes) -> None:
    (tmp_path / "pat.txt").write_bytes(legacy)
    assert read(content_of(tmp_path / "pat.txt")).shape == S


# ---- files that are something else ---------------------------------------------------------------------------


def test_keras_3_s_own_weights_file_is_refused_with_what_to_do() -> None:
    refused(content_of(KERAS3_WEIGHTS), refusals.Keras3Weights, ".weights.h5", "model.save")


@pytest.mark.parametrize(
    ("content", "why", "words"),
    [
        (LFS, refusals.LfsPointer, ["git lfs pull"]),
        (b"<!DOCTYPE html><html><head>", refusals.HtmlPage, ["dl=1"]),
        (b"\n  <html lang='en'>", refusals.HtmlPage, []),
        (b'<?xml version="1.0"?>', refusals.HtmlPage, []),
        (b"", refusals.NotWeights, ["empty"]),
        (b"PK\x03\x04rest", refusals.NotWeights, ["zip"]),
        (b"\x80\x04\x95", refusals.NotWeights, ["pickle", "never opened"]),
        (b"just some text", refusals.NotWeights, ["neither HDF5 nor safetensors"]),
        (b"\x89HDF\r\n\x1a\n", refusals.FileDamaged, ["again"]),
        (b"\x89HDF\r\n\x1a\n" + bytes(4096), refusals.FileDamaged, []),
    ],
)
def test_what_is_no_weights_file_is_named(content: bytes, why: type[WeightsRefused], words: list[str]) -> None:
    refused(content, why, *words)


def test_a_file_larger_than_any_pat_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "large.h5").open("wb") as file:
        file.truncate(FILE_BYTES_MAX * 100)  # sparse: it takes no room
    with pytest.raises(refusals.FileTooLarge, match="6,710,886,400"):
        content_of(tmp_path / "large.h5")
    refused(bytes(FILE_BYTES_MAX + 1), refusals.FileTooLarge)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_damaged(legacy: bytes, share: float) -> None:
    refused(legacy[: int(len(legacy) * share)], refusals.FileDamaged)


def test_an_hdf5_file_of_somebody_else_is_refused() -> None:
    body = io.BytesIO()
    with h5py.File(body, "w") as file:
        file["table"] = np.arange(5)
    refused(body.getvalue(), refusals.NotWeights, "Keras did not write")


# ---- tensors that do not fit ---------------------------------------------------------------------------------


def test_automatic_names_are_refused_with_what_to_do() -> None:
    named = {"encoder_layer_1_transformer": "model", "dense": "dense_12"}
    tensors = {path.replace(*next((old, new) for old, new in named.items() if path.startswith(old))): value
               for path, value in arrays(S).items()}  # fmt: skip
    refused(h5(tensors), refusals.AutomaticNames, "model", "dense_12", "own names")


@pytest.mark.parametrize("missing", list(keras_tensors(S)))
def test_each_missing_tensor_is_named_and_never_filled_in(missing: str) -> None:
    tensors = arrays(S)
    del tensors[missing]
    refused(h5(tensors), refusals.TensorsMissing, "1 tensors of PAT-S", missing)


def test_a_missing_block_is_missing() -> None:
    tensors = {path: value for path, value in arrays(L).items() if "encoder_layer_4_" not in path}
    refused(h5(tensors), refusals.TensorsMissing, "16 tensors of PAT-L", "encoder_layer_4_", "and 8 more")


def test_a_head_or_a_decoder_is_named() -> None:
    tensors = arrays(S) | {"dense_1/dense_1/kernel": np.zeros((96, 128), dtype=np.float32)}
    refused(h5(tensors), refusals.TensorsUnexpected, "dense_1/dense_1/kernel", "encoder alone")


def test_a_fifth_block_is_unexpected() -> None:
    extra = {path.replace("_layer_4_", "_layer_5_"): value for path, value in arrays(L).items()}
    refused(h5(arrays(L) | extra), refusals.TensorsUnexpected, "encoder_layer_5_")


@pytest.mark.parametrize(
    ("path", "shape"),
    [(QUERY, (96, 12, 96)), ("dense/dense/kernel", (9, 96)), (GAMMA, (95,)), (GAMMA, ()), (GAMMA, (96, 1))],
)
def test_a_wrong_shape_is_named_with_both(path: str, shape: tuple[int, ...]) -> None:
    tensors = arrays(S) | {path: np.zeros(shape, dtype=np.float32)}
    refused(h5(tensors), refusals.WrongShape, path, str(shape), str(keras_tensors(S)[path].shape))


@pytest.mark.parametrize("kind", ["<f8", "<f2", ">f4", "<i4", "S4"])
def test_another_type_than_float32_is_named(kind: str) -> None:
    refused(h5(arrays(S) | {GAMMA: np.zeros(96, dtype=kind)}), refusals.NotFloat32, GAMMA)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_or_inf_is_refused(value: float) -> None:
    tensors = arrays(S)
    tensors[QUERY][3, 2, 1] = value
    refused(h5(tensors), refusals.NotFinite, QUERY)


def test_a_tensor_listed_twice_is_refused() -> None:
    def twice(file: h5py.File) -> None:
        names = file["dense"].attrs["weight_names"]
        file["dense"].attrs["weight_names"] = [*names, names[0]]

    refused(changed(h5(arrays(S)), twice), refusals.TensorsUnexpected, "dense/dense/kernel")


# ---- hostile files -------------------------------------------------------------------------------------------


def external_tensor(file: h5py.File) -> None:
    del file[GAMMA + ":0"]
    file[GAMMA + ":0"] = h5py.ExternalLink("/etc/hostname", "/x")


def external_layer(file: h5py.File) -> None:
    del file["dense"]
    file["dense"] = h5py.ExternalLink("elsewhere.h5", "/dense")


def soft(file: h5py.File) -> None:
    del file[GAMMA + ":0"]
    file[GAMMA + ":0"] = h5py.SoftLink("/dense/dense/bias:0")


def virtual(file: h5py.File) -> None:
    del file[GAMMA + ":0"]
    layout = h5py.VirtualLayout(shape=(96,), dtype="<f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape=(96,))
    file.create_virtual_dataset(GAMMA + ":0", layout)


def external_bytes(file: h5py.File) -> None:
    del file[GAMMA + ":0"]
    file.create_dataset(GAMMA + ":0", (96,), "<f4", external=[("/etc/hostname", 0, 384)])


@pytest.mark.parametrize("change", [external_tensor, external_layer, soft, virtual, external_bytes])
def test_a_file_that_points_elsewhere_is_refused(tmp_path: Path, change: Callable[[h5py.File], None]) -> None:
    refused(changed_on_disk(h5(arrays(S)), tmp_path, change), refusals.PointsElsewhere, "Do not trust")


def test_a_model_tree_behind_a_link_is_refused(tmp_path: Path) -> None:
    body = io.BytesIO()
    with h5py.File(body, "w") as file:
        file["model_weights"] = h5py.ExternalLink(str(tmp_path / "x.h5"), "/")
    refused(body.getvalue(), refusals.PointsElsewhere, "model_weights")


def test_a_compressed_tensor_is_refused_before_it_is_unpacked() -> None:
    """A chunk may be far larger than the dataset it belongs to."""

    def bomb(file: h5py.File) -> None:
        del file[GAMMA + ":0"]
        file.create_dataset(GAMMA + ":0", (96,), "<f4", maxshape=(None,), chunks=(10_000_000,), compression="gzip")

    refused(changed(h5(arrays(S)), bomb), refusals.StoredOddly, GAMMA)


def test_a_tensor_that_says_it_is_huge_is_refused_before_it_is_read() -> None:
    def huge(file: h5py.File) -> None:
        del file[GAMMA + ":0"]
        file.create_dataset(GAMMA + ":0", (1 << 40,), "<f4")

    refused(changed(h5(arrays(S)), huge), refusals.WrongShape, str(1 << 40))


@pytest.mark.parametrize("names", [["../dense"], ["/"], [""], ["."], ["no such layer"]])
def test_a_layer_name_that_is_a_path_or_nothing_is_damage(names: list[str]) -> None:
    refused(h5(arrays(S), layer_names=names), refusals.FileDamaged)


def test_a_layer_that_is_a_dataset_is_damage() -> None:
    def flat(file: h5py.File) -> None:
        del file["dense"]
        file["dense"] = np.zeros(3)

    refused(changed(h5(arrays(S)), flat), refusals.FileDamaged, "'dense' is not a group")


@pytest.mark.parametrize(
    "names", [np.arange(4), np.zeros((2, 2)), np.array([b"\xff\xfe"])], ids=["int", "float", "utf"]
)
def test_a_list_of_names_that_is_none_is_damage(names: object) -> None:
    def rename(file: h5py.File) -> None:
        file.attrs["layer_names"] = names

    refused(changed(h5(arrays(S)), rename), refusals.FileDamaged)


def test_a_million_layers_are_refused() -> None:
    def many(file: h5py.File) -> None:
        file.attrs["layer_names"] = np.array([b"dense"] * 5000)

    refused(changed(h5(arrays(S)), many), refusals.FileDamaged)


def test_a_root_within_itself_ends() -> None:
    """A hard link may close a circle; only the paths that are listed are walked."""

    def circle(file: h5py.File) -> None:
        file["dense/again"] = file["/"]

    assert read(changed(h5(arrays(S)), circle)).shape == S


with_bytes = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)


# ---- our own format ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [S, CONV_L], ids=lambda shape: shape.name)
def test_our_own_format_brings_every_tensor_back(shape: Shape) -> None:
    found = read(h5(arrays(shape)))
    again = read(to_safetensors(found))
    assert (again.shape, again.digest, again.scaler) == (found.shape, found.digest, None)
    assert all((again.tensors[name] == value).all() for name, value in found.tensors.items())


def test_our_own_format_brings_the_scaler_back(ours: bytes) -> None:
    scaler = read(ours).scaler
    assert scaler is not None
    assert (scaler.name, scaler.source, scaler.transform) == ("made-up", "a test", Transform.LOG1P)
    assert (scaler.mean.tolist(), scaler.deviation.tolist()) == ([3.0], [2.0])


def test_our_own_format_is_the_same_bytes_every_time(legacy: bytes, ours: bytes) -> None:
    assert to_safetensors(read(ours)) == ours
    assert to_safetensors(read(to_safetensors(read(legacy)))) == to_safetensors(read(legacy))


def saved(content: bytes, about: object, **changes: np.ndarray | None) -> bytes:
    """Our file with another header or other tensors."""
    tensors = dict(safetensors.numpy.load(content))
    for name, value in changes.items():
        name = name.replace("__", ".")  # noqa: PLW2901
        tensors.pop(name, None)
        if value is not None:
            tensors[name] = value
    return safetensors.numpy.save(tensors, metadata={"clarity": json.dumps(about)})


ABOUT = {"format": "clarity-pat-1", "model": "PAT-S"}
ABOUT_SCALER = ABOUT | {"scaler": {"name": "n", "source": "s", "transform": "log1p"}}


@pytest.mark.parametrize(
    ("about", "changes", "why"),
    [
        ({}, {}, refusals.NotWeights),
        ([], {}, refusals.NotWeights),
        (ABOUT | {"format": "clarity-pat-9"}, {}, refusals.NotWeights),
        (ABOUT | {"model": "PAT-XL"}, {}, refusals.NotWeights),
        (ABOUT, {}, refusals.TensorsUnexpected),  # the scaler's numbers, undescribed
        (ABOUT | {"model": "PAT-M"}, {}, refusals.TensorsMissing),
        (ABOUT_SCALER, {"embedding__bias": None}, refusals.TensorsMissing),
        (ABOUT_SCALER, {"scaler__mean": None}, refusals.TensorsMissing),
        (ABOUT_SCALER, {"head__weight": np.zeros(3, np.float32)}, refusals.TensorsUnexpected),
        (ABOUT_SCALER, {"embedding__bias": np.zeros(95, np.float32)}, refusals.WrongShape),
        (ABOUT_SCALER, {"embedding__bias": np.zeros(96)}, refusals.NotFloat32),
        (ABOUT_SCALER, {"embedding__bias": np.full(96, np.nan, np.float32)}, refusals.NotFinite),
        (ABOUT_SCALER, {"scaler__mean": np.zeros(1, np.float32)}, refusals.ScalerRefused),
        (ABOUT_SCALER, {"scaler__mean": np.zeros(3)}, refusals.ScalerRefused),
        (ABOUT_SCALER, {"scaler__deviation": np.zeros(1)}, refusals.ScalerRefused),
        (ABOUT_SCALER, {"scaler__mean": np.array([np.nan])}, refusals.ScalerRefused),
        (ABOUT | {"scaler": 3}, {}, refusals.ScalerRefused),
        (ABOUT | {"scaler": {"name": "n", "source": "s", "transform": "exp"}}, {}, refusals.ScalerRefused),
        (ABOUT | {"scaler": {"name": "n"}}, {}, refusals.ScalerRefused),
    ],
)
def test_a_safetensors_file_that_does_not_fit_is_refused(
    ours: bytes, about: object, changes: dict[str, np.ndarray | None], why: type[WeightsRefused]
) -> None:
    refused(saved(ours, about, **changes), why)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_safetensors_file_that_was_cut_off_is_damaged(ours: bytes, share: float) -> None:
    with pytest.raises((refusals.FileDamaged, refusals.NotWeights)):
        read(ours[: int(len(ours) * share)])


@with_bytes
@given(st.lists(st.tuples(st.integers(0, 2500), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_header_is_refused_but_never_a_crash(ours: bytes, damage: list[tuple[int, int]]) -> None:
    content = bytearray(ours)
    for place, value in damage:
        content[place] = value
    try:
        read(bytes(content))
    except WeightsRefused:
        return


# ---- noise ---------------------------------------------------------------------------------------------------


def test_the_golden_weights_are_known_again_in_any_file(legacy: bytes, ours: bytes) -> None:
    for content in (legacy, content_of(LEGACY_S_FULL.weights), ours):
        assert "legacy_S" in read(content).is_test
    for case in (LEGACY_CONV_S, KERAS3_S_FULL):
        assert "made for tests" in case.read()[0].is_test


def test_large_golden_weights_are_known_again() -> None:
    assert "legacy_L" in LEGACY_L.read()[0].is_test


def test_weights_that_nobody_trained_are_known() -> None:
    tensors = {path: value * 0 if path.endswith(("bias", "beta")) else value for path, value in arrays(S).items()}
    assert "untrained" in read(h5(tensors)).is_test
    assert read(h5(arrays(S))).is_test == ""


def test_a_digest_is_of_the_size_and_the_tensors() -> None:
    found = read(h5(arrays(S)))
    whole = hashlib.sha256(b"PAT-S" + b"".join(found.tensors[name].tobytes() for name in S.tensors()))
    assert found.digest == whole.hexdigest()
    assert Weights(S, dict(reversed(list(found.tensors.items())))).digest == found.digest


def test_a_whole_model_of_ours_is_written_as_keras_does() -> None:
    body = io.BytesIO()
    with h5py.File(body, "w") as file:
        write(file.create_group("model_weights"), arrays(M))
        file.create_group("optimizer_weights")["iteration"] = np.int64(9)
    assert read(body.getvalue()).digest == read(h5(arrays(M))).digest

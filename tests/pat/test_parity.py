"""Our PAT is the original: held to what real Keras computed, and to what those figures cannot show."""

from collections.abc import Callable
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from clarity_server.domain.models import DataRefused
from clarity_server.flows.parity import ANY_CPU, TIGHT, golden, parity
from clarity_server.pat.infer import loaded
from clarity_server.pat.model import NORM_EPS, Block, Encoder, FoldedAttention, positions, serving
from clarity_server.pat.shapes import CONV_L, CONV_M, CONV_S, SHAPES, L, M, S, Shape
from clarity_server.pat.weights import Weights
from tests.pat.goldens import CASES, KERAS3_S_FULL, LEGACY_CONV_S, LEGACY_L, LEGACY_S, Case, keras_positions

EACH = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@EACH
def test_every_golden_file_is_within_the_gates_of_any_cpu(case: Case) -> None:
    found, expected = case.read()
    measured = parity(found, expected)
    assert measured.passes(ANY_CPU), measured
    assert measured.tokens_max_abs <= 5e-5  # what the float64 positions leave


@EACH
def test_with_keras_own_positions_every_golden_file_is_within_the_tight_gates(case: Case) -> None:
    found, expected = case.read()
    measured = parity(found, expected, keras_positions())
    assert measured.passes(TIGHT), measured


@EACH
def test_every_block_gives_each_token_the_attention_it_has_in_keras(case: Case) -> None:
    """All blocks, folded and unfolded; the last alone is in the parity figure."""
    found, expected = case.read()
    with np.load(case.answers, allow_pickle=False) as arrays:
        wanted = [arrays[f"attn{block}_rowmean"] for block in range(found.shape.layers)]
    for encoder in (loaded(found), serving(loaded(found))):
        with torch.inference_mode():
            x = encoder.embedded(torch.from_numpy(expected.weeks))
            for block, attention in zip(encoder.blocks, wanted, strict=True):
                assert isinstance(block, Block)
                x, received = block.explained(x)
                assert np.abs(received.numpy() - attention).max() <= ANY_CPU.attention


# ---- what a mistake looks like, and that the gates see it ----------------------------------------------------


def interleaved(encoder: Encoder) -> None:
    straight = encoder.positions.clone()
    encoder.positions[:, 0::2], encoder.positions[:, 1::2] = straight[:, :48], straight[:, 48:]


def from_one(encoder: Encoder) -> None:
    encoder.positions.copy_(positions(encoder.shape.patches + 1)[1:])


def wrong_scale(encoder: Encoder) -> None:
    for block in encoder.blocks:
        assert isinstance(block, Block)
        assert isinstance(block.attention, FoldedAttention)
        block.attention.ask.mul_((96 / 16) ** 0.5)
        block.attention.ask_bias.mul_((96 / 16) ** 0.5)


def norms_swapped(encoder: Encoder) -> None:
    for block in encoder.blocks:
        assert isinstance(block, Block)
        block.norm1, block.norm2 = block.norm2, block.norm1


def wrong_eps(encoder: Encoder) -> None:
    for layer in encoder.modules():
        if isinstance(layer, nn.LayerNorm):
            layer.eps = 1e-5


@pytest.mark.parametrize(
    ("mistake", "at_least"),
    [(interleaved, 1.0), (from_one, 0.5), (wrong_scale, 0.05), (norms_swapped, 0.2), (wrong_eps, TIGHT.tokens)],
)
def test_a_mistake_is_seen(mistake: Callable[[Encoder], None], at_least: float) -> None:
    found, expected = LEGACY_S.read()
    encoder = serving(loaded(found))
    encoder.positions.copy_(torch.from_numpy(keras_positions()[:560]))
    mistake(encoder)
    with torch.inference_mode():
        tokens = encoder(torch.from_numpy(expected.weeks)).numpy()
    assert np.abs(tokens - expected.tokens).max() > at_least


@pytest.mark.parametrize("case", [LEGACY_S, LEGACY_CONV_S, LEGACY_L], ids=["S", "Conv-S", "L"])
def test_the_tight_gate_sees_a_wrong_eps_in_every_size(case: Case) -> None:
    found, expected = case.read()
    encoder = serving(loaded(found))
    encoder.positions.copy_(torch.from_numpy(keras_positions()[: case.shape.patches]))
    wrong_eps(encoder)
    with torch.inference_mode():
        tokens = encoder(torch.from_numpy(expected.weeks)).numpy()
    assert np.abs(tokens - expected.tokens).max() > TIGHT.tokens


# ---- what the gates cannot see -------------------------------------------------------------------------------


def test_every_norm_has_keras_eps() -> None:
    for shape in SHAPES:
        norms = [layer for layer in Encoder(shape).modules() if isinstance(layer, nn.LayerNorm)]
        assert len(norms) == 2 * shape.layers
        assert {layer.eps for layer in norms} == {NORM_EPS} == {1e-6}


def test_where_a_token_is_nearly_constant_eps_decides() -> None:
    """A variance of about 1e-6 over the 96 features: with 1e-6 it comes out halved in power, with 1e-5 crushed."""
    block = Encoder(S).eval().blocks[0]
    assert isinstance(block, Block)
    for layer in (block.attention.query, block.attention.output, block.narrow):
        assert isinstance(layer, nn.Linear)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    rest = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 560, 96))).float()
    rest = (rest - rest.mean(dim=2, keepdim=True)) / rest.std(dim=2, keepdim=True, unbiased=False)
    x = 0.5 + 1e-3 * rest  # variance 1e-6
    with torch.inference_mode():
        first = block.norm1(x)
    assert first.std(dim=2, unbiased=False).mean() == pytest.approx((1e-6 / (1e-6 + 1e-6)) ** 0.5, rel=1e-2)
    block.norm1.eps = 1e-5
    with torch.inference_mode():
        assert block.norm1(x).std() == pytest.approx((1e-6 / (1e-6 + 1e-5)) ** 0.5, rel=1e-2)


def test_the_key_bias_is_mapped_though_no_output_shows_it() -> None:
    """It cancels in softmax, so it is proven on the tensor: element for element out of Keras's array."""
    found, _ = LEGACY_S.read()
    with h5py.File(LEGACY_S.weights) as file:
        part = "encoder_layer_1_transformer/encoder_layer_1_attention"
        for ours in ("query", "key", "value"):
            bias, kernel = file[f"{part}/{ours}/bias:0"][()], file[f"{part}/{ours}/kernel:0"][()]
            assert np.ptp(bias) > 0
            for head, out in ((0, 0), (2, 17), (5, 95)):
                assert found.tensors[f"blocks.0.attention.{ours}.bias"][head * 96 + out] == bias[head, out]
                row = found.tensors[f"blocks.0.attention.{ours}.weight"][head * 96 + out]
                assert (row == kernel[:, head, out]).all()
        kernel = file[f"{part}/attention_output/kernel:0"][()]
        weight = found.tensors["blocks.0.attention.output.weight"]
        assert weight[7, 3 * 96 + 11] == kernel[3, 11, 7]


def test_another_key_bias_changes_next_to_nothing() -> None:
    """Why the test above is needed."""
    found, expected = LEGACY_S.read()
    noise = np.random.default_rng(1).standard_normal(6 * 96).astype(np.float32)
    other = replace(found, tensors={**found.tensors, "blocks.0.attention.key.bias": noise})
    assert parity(other, expected).passes(ANY_CPU)


# ---- positions -----------------------------------------------------------------------------------------------


def test_positions_are_sines_then_cosines_from_zero() -> None:
    found = positions(560).numpy()
    assert found.shape == (560, 96)
    assert (found[0, :48] == 0).all()
    assert (found[0, 48:] == 1).all()
    for p, j in ((1, 0), (17, 3), (559, 47)):
        wave = np.exp(-2 * j * np.log(10_000) / 96)
        assert found[p, j] == np.float32(np.sin(p * wave))
        assert found[p, 48 + j] == np.float32(np.cos(p * wave))


def test_positions_differ_from_tensorflow_s_only_by_its_float32() -> None:
    table = keras_positions()
    assert np.abs(positions(1120).numpy() - table).max() < 1e-4
    assert np.abs(positions(560).numpy() - table[:560]).max() < 5e-5


# ---- folding -------------------------------------------------------------------------------------------------


@EACH
def test_folding_is_exact(case: Case) -> None:
    """In float64 both forms agree to rounding, so the algebra is right and nothing but precision can differ."""
    found, expected = case.read()
    unfolded = loaded(found).double()
    weeks = torch.from_numpy(expected.weeks[:1]).double()
    with torch.inference_mode():
        assert (unfolded(weeks) - serving(unfolded)(weeks)).abs().max() < 1e-11


@EACH
def test_folding_in_float32_drifts_no_further_than_not_folding(case: Case) -> None:
    found, expected = case.read()
    encoder = loaded(found)
    weeks = torch.from_numpy(expected.weeks[:1])
    with torch.inference_mode():
        truth = serving(loaded(found).double())(weeks.double())
        folded = (serving(encoder)(weeks).double() - truth).abs().max()
        plain = (encoder(weeks).double() - truth).abs().max()
    assert folded < 5e-6
    assert folded < 2 * plain + 1e-6


def test_an_encoder_is_folded_in_float64_and_only_once() -> None:
    served = serving(Encoder(S))
    assert served.blocks[0].attention.ask.dtype is torch.float32  # type: ignore[union-attr]
    with pytest.raises(AssertionError, match="folded once"):
        serving(served)


# ---- sizes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "count"),
    [(S, 274_720), (M, 993_440), (L, 1_984_192), (CONV_S, 273_280), (CONV_M, 992_000), (CONV_L, 1_983_616)],
    ids=lambda value: value.name if isinstance(value, Shape) else "",
)
def test_every_size_has_the_published_number_of_parameters(shape: Shape, count: int) -> None:
    encoder = Encoder(shape)
    assert sum(weight.numel() for weight in encoder.parameters()) == count
    assert {name: tuple(value.shape) for name, value in encoder.state_dict().items()} == dict(shape.tensors())


# ---- golden files that are none ------------------------------------------------------------------------------


def test_golden_files_of_another_size_are_refused() -> None:
    found, _ = LEGACY_CONV_S.read()
    small = Weights(L, found.tensors)
    with pytest.raises(DataRefused, match="attn3_rowmean"):
        golden(LEGACY_S.answers, small)


def test_a_file_that_is_no_golden_file_is_refused() -> None:
    found, _ = KERAS3_S_FULL.read()
    with pytest.raises(DataRefused, match="not a golden file"):
        golden(KERAS3_S_FULL.weights, found)

"""Metrics by arithmetic: against hand arithmetic, and against a trace of the built network."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from constraints.rules import parse_all
from constraints.tracer import trace
from nas.architecture.model import build
from nas.architecture.named import SEED
from nas.architecture.spec import Architecture, parse
from nas.space.analytic import body, metrics
from nas.space.space import PRESETS, load


def test_params_and_macs_by_hand() -> None:
    found = metrics(parse("BR/c16s2-dw-pw24:b-c24g4:N/fc"))
    convs = 3 * 16 * 9 + 16 * 9 + (16 * 24 + 24) + 24 * 24 * 9 // 4
    assert found.params == convs + 2 * (16 + 16) + 24 * 10 + 10
    assert found.macs == 16 * 16 * (3 * 16 * 9 + 16 * 9 + 16 * 24 + 24 * 6 * 9) + 24 * 10


def test_memory_by_hand() -> None:
    found = metrics(parse("BR/c8:bBR-+c8.c8/fc"))
    kernels, vectors = 3 * 8 * 9 + 2 * 8 * 8 * 9 + 8 * 10, (8 + 16) + 2 * 16 + 10
    assert found.params == kernels + vectors
    assert (found.weight_bytes, found.weight_bytes_float16) == (4 * found.params, 2 * found.params)
    assert (found.weight_bytes_int8, found.flash_bytes) == (kernels + 4 * vectors, kernels + 4 * vectors)
    one = 8 * 32 * 32  # a map; of the residual block three are alive: its input, and input and result of c8
    assert found.ram_bytes == 3 * one
    assert (found.peak_activation_bytes, found.peak_activation_bytes_int8) == (4 * 3 * one, 3 * one)


def test_what_is_in_place_by_hand() -> None:
    image, one = 3 * 32 * 32, 8 * 32 * 32
    assert metrics(parse("BR/c8/fc")).ram_bytes == image + one
    assert metrics(parse("BT/c8/fc")).ram_bytes == 2 * one  # x tanh(exp x) reads x again
    assert metrics(parse("BR/u2-c8/fc")).ram_bytes == 2 * image  # the unshuffled image is as large
    assert metrics(parse("BR/c8-se4/fc")).ram_bytes == max(image + one, one + 8 + 2)
    assert metrics(parse("BR/c8-gl8/fc")).ram_bytes == 3 * one  # 8 channels to 16; both halves and the product
    assert metrics(parse("BR/c8/fc")).peak_activation_bytes == 4 * 2 * one


def test_receptive_field_by_hand() -> None:
    # 3x3 (3), 3x3 with stride 2 (5, jump 2), 5x5 (5 + 4*2 = 13), 3x3 with dilation 3 (13 + 6*2 = 25)
    found = metrics(parse("BR/c8-c8s2/c8k5-c8d3/fc"))
    assert (found.receptive_field, found.receptive_field_hw, found.downsampled_by) == (25, (25, 25), (2, 2))


def test_a_residual_sees_the_hull_of_both_branches() -> None:
    assert metrics(parse("BR/c8-+c8.c8/fc")).receptive_field == 7
    # An even kernel padded on both sides and one padded on none: its branch is parallel to the skipped component.
    assert metrics(parse("BR.3x8x8.10/c8/+c8k2p1.c8k2p0/fc")).receptive_field == 5


def test_structure_by_hand() -> None:
    found = metrics(parse("BR/c8-dw-pw8-c16s2/dw-c16-c16d2-dws2-pw24/c24-pw24/conv"))
    assert found.convs == 12
    assert (found.dilated_convs, found.depthwise_convs, found.depthwise_separable_convs) == (1, 3, 2)
    assert (found.stages, found.convs_per_stage) == (3, (3, 4, 2))
    assert (found.global_average_pools, found.max_pools, found.fully_connected) == (1, 0, 0)
    assert metrics(parse("BR/c8/fc")).fully_connected == 1


def test_only_1x1_convolutions_after_the_last_stride_make_no_stage() -> None:
    assert metrics(parse("BR/c8-c8s2/c8-c8s2-pw10/gap")).convs_per_stage == (2, 2)


def test_dilated_convolutions_end_stages_only_where_the_constraints_need_them() -> None:
    dilated, mixed = parse("BR/c8-c8d2/c8-c8d2/c8/fc"), parse("BR/c8-c8d2/c8-c8s2/c8/fc")
    assert metrics(dilated).convs_per_stage == (5,)
    assert metrics(mixed).convs_per_stage == (4, 1)
    assert metrics(dilated, parse_all(["stages == 3"])).convs_per_stage == (2, 2, 1)
    assert metrics(dilated, parse_all(["stages == 2"])).convs_per_stage == (2, 3)  # the earliest
    assert metrics(mixed, parse_all(["stages >= 3", "convs_per_stage < 3"])).convs_per_stage == (2, 2, 1)
    assert metrics(mixed, parse_all(["stages == 4"])).convs_per_stage == (4, 1)  # nothing satisfies it
    assert metrics(parse("BR/c8-c8/fc")).convs_per_stage == (2,)


def test_convolutions_side_by_side_are_one_place_that_is_dilated_where_one_is() -> None:
    several = parse("BR/c8-mx3_7d3-pw8-c8/fc")
    assert metrics(several, parse_all(["stages == 2"])).convs_per_stage == (2, 1)


def test_a_depthwise_result_that_is_added_first_makes_no_pair() -> None:
    assert metrics(parse("BR/c8/+dw-pw8/fc")).depthwise_separable_convs == 0
    assert metrics(parse("BR/c8/dw-+pw8/fc")).depthwise_separable_convs == 1


def test_peak_activation_by_hand() -> None:
    # conv 3x8x8 -> 4x8x8 holds 7 maps of 64, batch norm and ReLU 8; a residual sum 12.
    assert metrics(parse("BR.3x8x8.10/c4/fc")).peak_activation_bytes == 8 * 64 * 4
    assert metrics(parse("BR.3x8x8.10/c4-+c4/fc")).peak_activation_bytes == 12 * 64 * 4


def test_a_block_that_is_called_again_costs_its_parameters_once() -> None:
    once, again = metrics(parse("BR/c8-c8-c8s2/fc")), metrics(parse("BR/c8-3c8-c8s2/fc"))
    assert (again.params, again.convs, again.convs_per_stage) == (once.params, 3, (3,))
    assert again.macs == once.macs + 2 * 32 * 32 * 8 * 8 * 9
    assert again.receptive_field == 9 + 2  # five 3x3 in a row at jump 1, the last of them with stride 2
    assert (again.weight_bytes_int8, again.ram_bytes) == (once.weight_bytes_int8, once.ram_bytes)


REPEATED = [
    "BR/c8-3c8-c16s2/2dw.pw16-3+dw.pw16:B-c16s2/2%mx1_3_7d2_7d3a3:b.gl16:bT.pw16:b-c24/fc",
    "BR/c8-2pw8.dw-pw8-2dwd2.pw8-c16s2/2dw-pw16-4+se4.c16/2se4-5gl16:bLT/conv",  # dw reaches the 1x1 of the next call
    "BR.3x8x8.10/c8-2pw8.dw/2pw8.dw-se4-pw8-2pw8-2dw/fc",
    "BT.3x8x8.10/c8-2+c8.c8k5-2dw.gl8.pw8-pw10:N/gap",
    "BR.3x8x8.10/c8/2+c8k2p1.c8k2p0/fc",  # each call looks back and ahead by one
]


@pytest.mark.parametrize("text", REPEATED)
def test_both_roads_agree_on_blocks_that_are_called_again(text: str) -> None:
    _assert_roads_agree(parse(text))


def test_the_seed_networks_metrics() -> None:
    found = metrics(SEED)
    assert (found.params, found.stages, found.convs_per_stage) == (94_116, 4, (4, 4, 7, 5))
    assert (found.receptive_field, found.dilated_convs) == (99, 1)


def _assert_roads_agree(architecture: Architecture) -> None:
    model = build(architecture)
    traced, computed = trace(model, architecture.input), metrics(architecture).as_dict()
    assert computed == traced.metrics.as_dict(), str(architecture)
    path = [place._replace(name="") for place in traced.path]
    assert list(body(architecture).path) == path, str(architecture)
    assert computed["params"] == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("preset", PRESETS)
def test_both_roads_agree_on_random_networks(preset: str) -> None:
    torch.set_num_threads(1)
    space, generator = load(preset), random.Random(preset)
    for _ in range(8 if preset in ("long", "small") else 20):  # its networks are large, and of few kinds of layers
        _assert_roads_agree(space.decode(space.random(generator)))


def test_both_roads_agree_on_the_seed() -> None:
    _assert_roads_agree(SEED)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from(["1x28x28", "3x64x48", "4x96x128", "2x192x200"]))
def test_both_roads_agree_on_other_images(seed: int, size: str) -> None:
    channels, height, width = (int(n) for n in size.split("x"))
    space = load("tiny", input=(channels, height, width), classes=7)
    _assert_roads_agree(space.decode(space.random(random.Random(seed))))

"""Operations that slide a window over space: fields, jumps and costs by hand, at the edges of what is global."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracer import trace
from tests.constraints.tracing.alone import function, layer
from tests.constraints.written import Written


def metrics(model: nn.Module, *shape: int) -> Any:
    return trace(model, shape).metrics


@pytest.mark.parametrize(
    ("conv", "side", "field", "jump", "macs"),
    [
        (nn.Conv2d(4, 6, 3), 9, 3, 1, 6 * 7**2 * 4 * 9),
        (nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=3), 9, 7, 2, 6 * 3**2 * 4 * 9),
        (nn.Conv2d(4, 6, 5, groups=2), 9, 5, 1, 6 * 5**2 * 2 * 25),
        (nn.Conv2d(4, 6, 1), 9, 1, 1, 6 * 9**2 * 4),
    ],
)
def test_convolutions(conv: nn.Conv2d, side: int, field: int, jump: int, macs: int) -> None:
    found = layer(conv, 4, side, side)
    assert (found.receptive_field, found.jump, found.macs) == ((field, field), (jump, jump), macs)
    assert (found.op, found.params) == ("conv2d", conv.weight.numel() + conv.out_channels)
    assert (found.kernel, found.stride, found.dilation) == (conv.kernel_size, conv.stride, conv.dilation)


def test_a_transposed_convolution_halves_the_jump_and_costs_each_input_unit_a_kernel() -> None:
    found = layer(nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1), 4, 8, 8)
    assert (found.op, found.output, found.jump) == ("conv_transpose2d", (6, 16, 16), (0.5, 0.5))
    assert found.receptive_field == (2, 2)  # of four taps every second meets a unit
    assert found.macs == 4 * 8**2 * 6 * 16


@pytest.mark.parametrize("channels", [1, 2])
def test_depthwise_takes_more_than_one_channel(channels: int) -> None:
    found = metrics(nn.Conv2d(channels, channels, 3, groups=channels), channels, 8, 8)
    assert found.depthwise_convs == int(channels > 1)


@pytest.mark.parametrize(
    ("kernel", "padding", "side", "is_global"),
    [(8, 0, 8, True), (7, 0, 8, False), (8, 0, 9, False), (9, 1, 8, True), (8, 1, 7, True), (7, 1, 7, False),
     (1, 0, 1, True), (3, 1, 1, False)],
)  # fmt: skip
def test_an_average_is_global_where_its_window_holds_the_map(
    kernel: int, padding: int, side: int, is_global: bool
) -> None:
    pool = nn.AvgPool2d(kernel, stride=20, padding=padding)
    assert metrics(pool, 2, side, side).global_average_pools == int(is_global)


def test_poolings_see_windows() -> None:
    assert function(lambda x: F.max_pool2d(x, 3, 2, dilation=2), 2, 12, 12).receptive_field == (5, 5)
    found = function(lambda x: F.avg_pool2d(x, (2, 3)), 2, 12, 12)
    assert (found.receptive_field, found.jump, found.stride) == ((2, 3), (2, 3), (2, 3))


@pytest.mark.parametrize(
    ("run", "count"),
    [
        (lambda x: F.max_pool2d(x, 2), 1),
        (lambda x: F.max_pool2d(x, 1, 2), 0),  # it picks units, and takes no maximum
        (lambda x: F.max_pool2d(x, (1, 2)), 1),
        (lambda x: F.adaptive_max_pool2d(x, 4), 1),
        (lambda x: F.max_pool1d(x.flatten(2).transpose(1, 2), 2), 0),  # over channels
        (lambda x: F.avg_pool2d(x, 2), 0),
    ],
)
def test_a_spatial_maximum_is_one_over_space(run: Any, count: int) -> None:
    assert metrics(Written(lambda m, x: run(x)), 4, 8, 8).max_pools == count


@pytest.mark.parametrize(("size", "field"), [(1, None), (2, 4), (4, 2), (8, 1), (3, 4), (5, 3)])
def test_adaptive_pooling(size: int, field: int | None) -> None:
    """Unit i of n sees floor(8 i / n) to ceil(8 (i + 1) / n): of 3 the middle sees 2 to 6; of 5 one sees 1 to 4."""
    found = function(lambda x: F.adaptive_avg_pool2d(x, size), 2, 8, 8)
    assert found.receptive_field == (None if field is None else (field, field))


@pytest.mark.parametrize(
    ("pad", "offset"), [((1, 1, 1, 1), (-1, -1)), ((2, 0, 0, 3), (0, -2)), ((-1, 0, -2, 0), (2, 1))]
)
def test_padding_moves_the_first_unit_and_a_negative_one_crops(pad: tuple[int, ...], offset: tuple[int, int]) -> None:
    conv = nn.Conv2d(2, 2, 1)
    found = trace(Written(lambda m, x: m.c(F.pad(x, pad)), c=conv), (2, 8, 8)).layers[-1]
    # A 1x1 over the border itself sees no pixel; the first unit is at the place of its column of pixels.
    assert (found.receptive_field, found.offset) == ((1, 1), offset)


@pytest.mark.parametrize(("rows", "columns", "known"), [(5, 5, True), (3, 5, False), (5, 4, False)])
def test_a_kernel_that_a_mask_cuts_sees_less_than_its_size(rows: int, columns: int, known: bool) -> None:
    mask = torch.zeros(5, 5)
    mask[:rows, :columns] = 1
    weight = nn.Parameter(torch.randn(4, 3, 5, 5))
    model = Written(lambda m, x: F.conv2d(x, m.w * m.mask, padding=2), w=weight, mask=nn.Buffer(mask))
    found = trace(model, (3, 16, 16))
    assert found.metrics.receptive_field_hw == ((5, 5) if known else None)
    assert ("zero at an end" in "".join(found.warnings)) is not known
    assert found.metrics.macs == 256 * 3 * 25 * 4


def test_a_parameter_that_starts_at_zero_is_a_whole_kernel() -> None:
    conv = nn.Conv2d(3, 3, 5, padding=2)
    nn.init.dirac_(conv.weight)
    assert trace(conv, (3, 16, 16)).metrics.receptive_field_hw == (5, 5)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (nn.AdaptiveAvgPool2d((1, None)), nn.AdaptiveAvgPool2d((None, 1))),
        (nn.AvgPool2d((8, 1)), nn.AvgPool2d((1, 8))),
        (nn.AvgPool2d((8, 1)), nn.AdaptiveAvgPool2d(1)),
    ],
)
def test_a_pool_of_the_whole_map_an_axis_at_a_time_is_one_global_pool(rows: nn.Module, columns: nn.Module) -> None:
    found = metrics(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), rows, columns, nn.Flatten(), nn.Linear(4, 5)), 3, 8, 8)
    assert (found.receptive_field_hw, found.global_average_pools, found.fully_connected) == ((3, 3), 1, 1)


@pytest.mark.parametrize(
    ("pool", "field"),
    [
        (nn.AdaptiveAvgPool2d((1, 4)), (10, 4)),  # all eight rows of 3x3, and two columns
        (nn.AvgPool2d((8, 2)), (10, 4)),
        (nn.AvgPool2d((1, 1)), (3, 3)),
    ],
)
def test_a_pool_of_all_rows_that_slides_over_columns_is_none(pool: nn.Module, field: tuple[int, int]) -> None:
    found = metrics(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), pool, nn.Conv2d(4, 4, 1)), 3, 8, 8)
    assert (found.receptive_field_hw, found.global_average_pools) == (field, 0)


def test_a_strip_that_gates_a_map_adds_nothing_to_its_field() -> None:
    model = Written(lambda m, x: m.b(m.a(x) * F.adaptive_avg_pool2d(m.a(x), (None, 1)).sigmoid()),
                    a=nn.Conv2d(3, 4, 3, padding=1), b=nn.Conv2d(4, 4, 3, padding=1))  # fmt: skip
    assert metrics(model, 3, 8, 8).receptive_field_hw == (5, 5)


def whole_map_to_map(m: Any, x: torch.Tensor) -> Any:
    return m.mix(m.conv(x).flatten(1)).view(1, 4, 8, 8)


SLIDING = {
    "conv": lambda m, x: m.conv(whole_map_to_map(m, x)),
    "pool": lambda m, x: F.max_pool2d(whole_map_to_map(m, x), 2),
    "global pool": lambda m, x: F.adaptive_avg_pool2d(whole_map_to_map(m, x), 1),
    "upsampling": lambda m, x: F.interpolate(whole_map_to_map(m, x), scale_factor=2),
}


@pytest.mark.parametrize("how", SLIDING)
def test_a_map_that_a_linear_layer_makes_of_a_whole_map_is_none_that_sees_less(how: str) -> None:
    found = trace(Written(SLIDING[how], conv=nn.Conv2d(4, 4, 3, padding=1), mix=nn.Linear(256, 256)), (4, 8, 8))
    assert found.metrics.receptive_field is None
    assert "what a linear layer computed from all places" in found.unknown["receptive_field"]


def test_the_map_before_a_linear_layer_is_judged_where_its_output_is_no_map() -> None:
    model = Written(lambda m, x: m.mix(m.conv(x).flatten(1)), conv=nn.Conv2d(4, 4, 3), mix=nn.Linear(144, 10))
    assert trace(model, (4, 8, 8)).metrics.receptive_field == 3


def test_a_kernel_that_is_cut_out_of_the_map_sees_beyond_its_window() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.conv(x)
        return F.conv2d(y, y[:, :, 2:5, 2:5], padding=1)

    found = trace(Written(run, conv=nn.Conv2d(4, 4, 3, padding=1)), (4, 8, 8))
    assert "its kernel is made of places of the map" in found.unknown["receptive_field"]

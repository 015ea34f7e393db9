"""Random networks, and those on which the trace and the gradients once differed."""

import pytest
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from constraints.tracer import trace
from tests.constraints.compared import along
from tests.constraints.drawn import CHANNELS, FUNCTIONS, Function, Skip, Sum, networks, strips


@settings(max_examples=40, derandomize=True)
@given(st.sampled_from([1, 2, 2, 2, 3]).flatmap(lambda dims: st.tuples(st.just(dims), networks(dims))))
def test_the_trace_agrees_with_the_probe_on_any_network(drawn: tuple[int, nn.Module]) -> None:
    dims, model = drawn
    for axis, size in enumerate(strips(dims)):
        outcome = along(model, axis, size)
        assert outcome.kind != "differ", outcome.text


def functions(*names: str) -> list[nn.Module]:
    return [Function(name, FUNCTIONS[name]) for name in names]


def conv(kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> nn.Module:
    return nn.Conv2d(CHANNELS, CHANNELS, kernel, stride)


FOUND = {
    "paces that differ": Sum(*functions("avg_pool2d"), nn.Sequential(*functions("adaptive", "pad"))),
    "a stride over paces that differ": nn.Sequential(Skip(conv((1, 1), (1, 3)), "nearest"), nn.AvgPool2d(1, (1, 3))),
    "a window over paces that differ": nn.Sequential(Skip(conv((3, 3), (2, 2)), "bilinear"), conv((3, 3))),
    "a rhythm as long as the map": nn.Sequential(
        nn.Upsample(scale_factor=0.5), nn.Upsample(size=(37, 12)), nn.MaxPool2d((2, 1), (2, 1), ceil_mode=True)
    ),
    "a pixel shuffle seen through a window on one axis": nn.Sequential(
        nn.Upsample(size=(24, 24)), *functions("pixel shuffle"), conv((1, 2))
    ),
    "an upsampling by hand": nn.Sequential(*functions("upsampling by hand"), conv((1, 2))),
}


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND.keys())
def test_networks_on_which_trace_and_probe_once_differed(body: nn.Module) -> None:
    model = nn.Sequential(nn.Conv2d(3, CHANNELS, 1), body)
    for axis, size in enumerate(strips(2)):
        outcome = along(model, axis, size)
        assert outcome.kind == "agree", outcome.text


def test_where_paces_differ_the_units_inside_the_borders_count() -> None:
    # 64 pixels: unit i of the average pool sees i .. i + 2, unit i of 42 adaptive ones floor(i * 64 / 42) to
    # ceil((i + 1) * 64 / 42) - 1; units from 42 on are padding; unit 40 sees 40 .. 62, unit 41 the last pixel
    model = nn.Sequential(nn.Conv2d(3, CHANNELS, 1), FOUND["paces that differ"])
    sizes = [max(i + 2, -(-(i + 1) * 64 // 42) - 1) - min(i, i * 64 // 42) + 1 for i in range(1, 41)]
    found = trace(model, (3, 64, 20)).metrics.receptive_field_hw
    assert found is not None
    assert found[0] == max(sizes) == 23


def test_a_padded_window_over_one_unit_is_no_global_pooling() -> None:
    body = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.AvgPool2d(3, 1, 1), nn.Conv2d(4, 4, 3, padding=1))
    model = nn.Sequential(body, nn.AdaptiveAvgPool2d(1))
    for size in (8, 16, 64):  # 8 + 2 * 8 + 2 * 8, be the map 1, 2 or 8 units wide
        found = trace(model, (3, size, size)).metrics
        assert (found.receptive_field, found.global_average_pools) == (40, 1)


def test_a_global_window_larger_than_its_map_still_pools_globally() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Function("pool", lambda x: F.avg_pool2d(x, 10, padding=1)))
    assert trace(model, (3, 8, 8)).metrics.global_average_pools == 1

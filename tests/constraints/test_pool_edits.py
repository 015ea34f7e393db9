"""Changes to pools, which keep the windows and say what they are."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints import pool_edits
from constraints.conv_sites import sites
from constraints.edits import applied, words
from constraints.tracer import trace
from tests.constraints.written import Written


@pytest.mark.parametrize(
    ("pool", "average"),
    [
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
        (nn.MaxPool1d(2), nn.AvgPool1d(2)),
        (nn.AdaptiveMaxPool2d((2, 1)), nn.AdaptiveAvgPool2d((2, 1))),
    ],
)
def test_an_average_pool_of_the_same_windows(pool: nn.Module, average: nn.Module) -> None:
    (edit,) = pool_edits.average_pools(
        nn.Sequential(pool, nn.MaxPool2d(2, dilation=2))
    )  # torch averages no dilated windows
    assert (edit.layer, repr(edit.make(pool))) == ("0", repr(average))


def test_max_pools_called_in_a_forward_pass_average() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    model = Written(lambda m, x: F.adaptive_max_pool2d(F.max_pool2d(x, 2, padding=0), 1))
    (change,) = pool_edits.average_everywhere(model, ["max_pool2d", "adaptive_max_pool2d"])
    with applied(model, change):
        assert model(x).item() == x.mean().item() == 7.5
    assert model(x).item() == 15.0
    assert words(change) == (
        "an average pool in place of max_pool2d called in forward of Written "
        "and adaptive_max_pool2d called in forward of Written"
    )
    dilated = Written(lambda m, x: F.max_pool2d(x, 2, dilation=2, stride=1))
    (change,) = pool_edits.average_everywhere(dilated, ["max_pool2d"])
    with applied(dilated, change):
        assert dilated(x).max().item() == 15.0  # no average has such windows
    assert not list(pool_edits.average_everywhere(nn.Sequential(nn.MaxPool2d(2)), ["0"]))  # the single edit says it


def test_a_global_pool_before_what_reads_a_flattened_map() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 64, 10))
    (edit,) = pool_edits.pool_globally(model, trace(model, (3, 8, 8)).layers)
    assert (edit.layer, edit.size) == ("2", 2560)
    model[2] = edit.make(model[2])
    figures = trace(model, (3, 8, 8)).metrics
    assert (figures.global_average_pools, figures.params) == (1, 27 * 4 + 4 + 4 * 10 + 10)


@pytest.mark.parametrize("bias", [True, False])
def test_a_global_pool_before_a_convolution_that_reads_the_whole_map(bias: bool) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 10, 6, bias=bias), nn.Flatten())
    edits = pool_edits.pool_globally(model, trace(model, (3, 8, 8)).layers)
    (edit,) = (edit for edit in edits if edit.layer == "1")
    assert words((edit,)) == "a global average pool before layer 1, then Conv2d(4, 10, 1),"
    made = edit.make(model[1])
    x = torch.rand(2, 4, 6, 6)
    assert torch.allclose(made(x), made[1](x.mean((2, 3), keepdim=True)), atol=1e-6)
    assert sum(p.numel() for p in made.parameters()) == 4 * 10 + 10 * bias


@pytest.mark.parametrize(
    ("kernel", "options"), [(5, {}), (6, {"groups": 2}), (6, {"padding": 1}), (3, {"dilation": 2})]
)
def test_no_pool_goes_before_a_convolution_that_does_not_read_the_map_as_one_window(
    kernel: int, options: dict[str, int]
) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, kernel, **options), nn.Flatten())  # type: ignore[arg-type]
    edits = pool_edits.pool_globally(model, trace(model, (3, 8, 8)).layers)
    assert not [edit for edit in edits if edit.layer == "1"]


def test_a_global_pool_at_the_end_of_a_map() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    (edit,) = pool_edits.pool_globally(model, trace(model, (3, 8, 8)).layers)
    assert (edit.layer, edit.text) == ("", "a global average pool at the end")
    with applied(model, (edit,)):
        assert trace(model, (3, 8, 8)).output == (4,)


@pytest.mark.parametrize(
    "pool",
    [nn.AvgPool2d(3, 2), nn.AdaptiveAvgPool2d(2), nn.AdaptiveMaxPool2d(2), nn.AdaptiveMaxPool2d(1), nn.MaxPool2d(4)],
)
def test_a_pool_that_is_almost_global_or_a_maximum_becomes_a_global_average(pool: nn.Module) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), pool)
    (edit, *_) = pool_edits.pool_globally(model, trace(model, (3, 8, 8)).layers)
    assert edit.layer == "1"
    with applied(model, (edit,)):
        assert trace(model, (3, 8, 8)).metrics.global_average_pools == 1


@pytest.mark.parametrize("pool", [lambda x: F.avg_pool2d(x, 3, 2), lambda x: F.adaptive_avg_pool2d(x, (1, 2))])
def test_a_pool_called_in_forward_that_is_almost_global_averages_the_whole_map(
    pool: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    model = Written(lambda m, x: pool(F.max_pool2d(x, 2)).flatten(1))
    (edit, *_) = pool_edits.pool_globally(model, trace(model, (3, 8, 8)).layers)
    assert "in place of" in edit.text
    assert "called in forward of Written" in edit.text
    x = torch.arange(64.0).reshape(1, 1, 8, 8)
    with applied(model, (edit,)):
        assert model(x).item() == F.max_pool2d(x, 2).mean().item()


def test_a_stride_takes_the_place_of_a_2x2_pool() -> None:
    def conv(stride: int = 1) -> nn.Conv2d:
        return nn.Conv2d(4, 4, 3, stride, 1)

    model = nn.Sequential(
        conv(),
        nn.AvgPool2d(2),
        conv(),
        nn.ReLU(),
        nn.MaxPool2d(2),
        conv(2),
        nn.AvgPool2d(2),
        conv(),
        nn.AvgPool2d(3, 1),
    )
    layers = trace(model, (4, 64, 64)).layers
    first, second = pool_edits.stride_for_pools(sites(model, layers), model, layers)
    assert words(first) == "stride 2 in layer 0 and no pool in layer 1"
    assert words(second) == "stride 2 in layer 2 and no pool in layer 4"
    with applied(model, first + second):
        after = trace(model, (4, 64, 64))
    assert after.layers[-1].output == layers[-1].output
    assert after.metrics.max_pools == 0

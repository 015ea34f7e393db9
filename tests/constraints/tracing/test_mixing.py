"""Operations that combine tensors or elements: what the result sees, and what is a gate."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.metrics import Metrics
from constraints.tracer import Trace, trace
from tests.constraints.written import Written

Run = Callable[[Any, torch.Tensor], torch.Tensor]


def traced(run: Run, **parts: nn.Module) -> Trace:
    return trace(Written(run, **parts), (4, 8, 8))


def figures(run: Run, **parts: nn.Module) -> Metrics:
    return traced(run, **parts).metrics


def conv(kernel: int, outputs: int = 4, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(4, outputs, kernel, padding=kernel // 2, **options)


@pytest.mark.parametrize(
    ("run", "field"),
    [
        (lambda m, x: m.a(x) + m.b(x), 5),  # the hull of both
        (lambda m, x: m.a(x) * m.b(x), 5),
        (lambda m, x: torch.cat([m.a(x), m.b(x)], 1), 5),
        (lambda m, x: torch.stack([m.a(x), m.b(x)], 1).flatten(1, 2), 5),
        (lambda m, x: torch.where(m.a(x) > 0, x, m.b(x)), 5),
        (lambda m, x: F.relu(m.a(x)) + 1, 3),
        (lambda m, x: F.layer_norm(m.a(x), (4, 8, 8)), 3),  # a norm sees nothing new by definition
        (lambda m, x: m.a(x) * x.mean((2, 3), keepdim=True), 3),  # a gate
        (lambda m, x: m.a(x) + F.softmax(x.flatten(2), -1).reshape(x.shape), 3),
    ],
)
def test_what_meets_sees_the_hull(run: Run, field: int) -> None:
    assert figures(run, a=conv(3), b=conv(5)).receptive_field == field


@pytest.mark.parametrize(
    ("run", "context"),
    [
        (lambda m, x: m.a(x) * x.mean((2, 3), keepdim=True).sigmoid(), True),
        (lambda m, x: m.a(x) + x.amax((2, 3), keepdim=True), True),
        (lambda m, x: m.a(x) * x.mean(1, keepdim=True), False),  # over channels each place is for itself
        (lambda m, x: F.softmax(m.a(x).flatten(2), -1), True),
        (lambda m, x: F.softmax(m.a(x), 1), False),
        (lambda m, x: m.a(x) + m.a(x), False),
    ],
)
def test_a_gate_over_the_map_is_global_context(run: Run, context: bool) -> None:
    assert figures(run, a=conv(3)).global_context is context


@pytest.mark.parametrize(
    ("run", "count"),
    [
        (lambda x: torch.maximum(x[..., 1:], x[..., :-1]), 1),  # neighbours of one map
        (lambda x: torch.maximum(x, x.roll(1, 3)), 1),
        (lambda x: torch.maximum(x, x * 2), 0),
        (lambda x: torch.maximum(x[:, :2], x[:, 2:]), 0),  # over channels: maxout
        (lambda x: x.amax((2, 3)), 1),
        (lambda x: x.amax(3).amax(2), 1),  # one maximum in two steps
        (lambda x: x.amax(1), 0),
        (lambda x: x.unflatten(3, (4, 2)).amax(-1), 1),
        (lambda x: torch.stack([x[:, :, ::2], x[:, :, 1::2]]).amax(0), 1),
        (lambda x: torch.stack([x, x * 2]).amax(0), 0),
    ],
)
def test_a_spatial_maximum_is_over_places(run: Callable[[torch.Tensor], torch.Tensor], count: int) -> None:
    assert figures(lambda m, x: run(x)).max_pools == count


@pytest.mark.parametrize("size", [3, 4, 5])
def test_pieces_along_space_count_as_border_below_half_the_map(size: int) -> None:
    """The border of another field leaves the map's field as it is; a part as large as half of it does not."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, m.a(x)[..., :size]], 3)

    assert figures(run, a=conv(3)).receptive_field == (1 if size == 3 else None)


def test_depthwise_layers_stay_pending_through_concatenation_and_not_through_sums() -> None:
    parts = {"a": conv(3, groups=4), "b": conv(5, groups=4), "p": nn.Conv2d(8, 4, 1), "q": nn.Conv2d(4, 4, 1)}
    assert figures(lambda m, x: m.p(torch.cat([m.a(x), m.b(x)], 1)), **parts).depthwise_separable_convs == 2
    assert figures(lambda m, x: m.q(m.a(x) + m.b(x)), **parts).depthwise_separable_convs == 0
    assert figures(lambda m, x: m.q(F.relu(m.a(x))), **parts).depthwise_separable_convs == 1


def test_a_concatenation_of_what_a_detector_did_not_find() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.a(x)
        return y, torch.cat([y[0, 0, 0, :0], y[0, 1, 0, :0]])

    found = traced(run, a=conv(3))
    assert found.metrics.receptive_field_hw == (3, 3)


@pytest.mark.parametrize(
    "run",
    [
        lambda m, y: y + y.transpose(2, 3),
        lambda m, y: y + m.a(y).transpose(2, 3),
        lambda m, y: m.a(y + m.a(y).transpose(2, 3)),
        lambda m, y: torch.cat([y, y.transpose(2, 3)], 1),
    ],
)
def test_a_map_joined_with_its_transpose_has_places_that_count_along_both_axes(run: Run) -> None:
    found = traced(lambda m, x: run(m, m.a(x)), a=conv(3))
    assert (found.metrics.receptive_field, found.metrics.downsampled_by) == (None, None)
    assert "laid out differently" in found.unknown["receptive_field"]


def test_differences_of_all_pairs_of_places_are_a_table_that_is_no_map() -> None:
    found = figures(lambda m, x: (y := m.a(x).flatten(2))[..., None] - y[:, :, None], a=conv(3))
    assert found.receptive_field == 3


def pyramid(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A map, and its average as further channels."""
    y = m.a(x)
    whole = F.interpolate(m.p(F.adaptive_avg_pool2d(y, 1)), size=8, mode="bilinear")
    return torch.cat([y, m.b(y), whole], 1)


@pytest.mark.parametrize(
    ("run", "field"),
    [
        (lambda m, x: m.o(pyramid(m, x)), 7),  # 3 and 5 by hand; the pooled channels only shift what the layer sums
        (lambda m, x: torch.cat([m.a(x), m.a(x).mean((2, 3), keepdim=True).expand(-1, -1, 8, 8)], 1), 3),
    ],
)
def test_pooled_channels_beside_a_map_are_global_context(run: Run, field: int) -> None:
    found = figures(run, a=conv(3), b=conv(5), p=conv(1), o=nn.Conv2d(12, 4, 1))
    assert (found.receptive_field, found.global_context, found.global_average_pools) == (field, True, 0)


def test_pooled_rows_of_a_map_are_no_gate() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.a(x)
        y[:, :, 3:5] = y.mean((2, 3), keepdim=True)
        return m.b(y)  # type: ignore[no-any-return]

    assert figures(run, a=conv(3), b=conv(3)).receptive_field is None


def test_a_slice_of_pooled_channels_is_pooled() -> None:
    found = traced(lambda m, x: pyramid(m, x)[:, 8:, 0, 0], a=conv(3), b=conv(5), p=conv(1)).metrics
    assert (found.receptive_field, found.global_average_pools) == (3, 1)


def test_the_larger_of_neighbours_by_a_condition_may_be_a_maximum() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        left, right = m.a(x)[..., ::2], m.a(x)[..., 1::2]
        return torch.where(left > right, left, right)

    found = traced(run, a=conv(3))
    assert found.metrics.max_pools is None
    assert "it may pick the larger one of neighbouring units" in found.unknown["max_pools"]
    assert found.metrics.receptive_field_hw == (3, 4)


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: m.a(x) * m.a(x).mean(3, keepdim=True).sigmoid(),  # a row each, as in coordinate attention
        lambda m, x: F.normalize(m.a(x), dim=2),
    ],
)
def test_a_gate_along_one_axis_is_global_context(run: Run) -> None:
    found = figures(run, a=conv(3))
    assert (found.receptive_field_hw, found.global_context) == ((3, 3), True)

"""Maxima of places of a map, also those that are written without one; what may be one is unknown."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracer import trace
from tests.constraints.written import Written

Run = Callable[[Any], Any]


def max_pools(run: Run) -> int | None:
    return trace(Written(lambda m, x: run(m.conv(x)), conv=nn.Conv2d(3, 4, 3)), (3, 10, 10)).metrics.max_pools


def columns(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Every other column, and its right neighbour."""
    return y[..., 0::2], y[..., 1::2]


@pytest.mark.parametrize(
    "larger",
    [
        torch.maximum,
        torch.max,
        torch.fmax,
        lambda p, q: p.clamp(min=q),
        lambda p, q: p.clamp_min(q),
        lambda p, q: reduce(torch.max, [p, q]),
        lambda p, q: torch.stack([p, q]).amax(0),
        lambda p, q: torch.stack([p, q]).aminmax(dim=0).max,
    ],
)
def test_the_larger_of_neighbours_is_a_maximum(larger: Callable[..., torch.Tensor]) -> None:
    assert max_pools(lambda y: larger(*columns(y))) == 1
    assert max_pools(lambda y: larger(y[:, :2], y[:, 2:])) == 0  # of channels at one place


@pytest.mark.parametrize(
    "run",
    [
        lambda y: y.amax((2, 3)),
        lambda y: torch.linalg.vector_norm(y, ord=math.inf, dim=(2, 3)),  # of absolute values
        lambda y: y.norm(p=math.inf, dim=(2, 3)),
        lambda y: y.flatten(2).aminmax(dim=2).max,
        lambda y: reduce(torch.max, y.flatten(2).unbind(2)),
        lambda y: torch.max(y, y.flip(3)),  # of two places each
    ],
)
def test_the_largest_of_all_places_is_a_maximum(run: Run) -> None:
    assert max_pools(run) == 1


@pytest.mark.parametrize(
    "larger",
    [
        lambda p, q: p + F.relu(q - p),
        lambda p, q: F.relu(q - p) + p,
        lambda p, q: (p + q + (p - q).abs()) / 2,
        lambda p, q: q - (q - p).clamp(max=0),
        lambda p, q: -torch.minimum(-p, -q),
        lambda p, q: -(-p).clamp(max=-q),
        lambda p, q: (p > q) * p + (p <= q) * q,
        lambda p, q: torch.lerp(p, q, (q > p).float()),
        lambda p, q: p + (q - p) * ((q - p) > 0),
        lambda p, q: p + (q - p) * ((q - p).sign() + 1) / 2,
        lambda p, q: (p > 0) | (q > 0),
        lambda p, q: torch.stack([p, q]).median(0).values,
        lambda p, q: torch.stack([p, q]).kthvalue(2, 0).values,
        lambda p, q: torch.stack([p, q]).sort(0).values[1],
    ],
)
def test_what_may_be_the_larger_of_neighbours_is_unknown(larger: Callable[..., torch.Tensor]) -> None:
    assert max_pools(lambda y: larger(*columns(y)).float()) is None
    assert max_pools(lambda y: larger(y[:, :2], y[:, 2:]).float()) == 0


@pytest.mark.parametrize(
    "run",
    [
        lambda y: -(-y).amin((2, 3)),
        lambda y: torch.linalg.vector_norm(1 / y, ord=-math.inf, dim=(2, 3)),
        lambda y: (F.one_hot(y.flatten(2).argmax(2), 64) * y.flatten(2)).sum(2),
        lambda y: torch.quantile(y.flatten(2), 1.0, dim=2),
        lambda y: y.flatten(2).cumsum(2).amax(2),  # whose axes are not followed
        lambda y: torch.full((1, 4), -9.0).index_reduce(
            0, torch.zeros(64, dtype=torch.long), y[0].flatten(1).t(), "amax"
        ),
    ],
)
def test_what_may_be_the_largest_of_all_places_is_unknown(run: Run) -> None:
    assert max_pools(run) is None


@pytest.mark.parametrize(
    "run",
    [
        lambda y: sum(columns(y)) / 2,
        lambda y: F.relu(columns(y)[0] + columns(y)[1]),  # of a mean, with none of the two beside it
        lambda y: columns(y)[0] + (columns(y)[1] - columns(y)[0]) * 0.3,  # a linear interpolation
        lambda y: y + F.relu(y - y * 2),
        lambda y: y.amin(1),
        lambda y: torch.linalg.vector_norm(y, dim=(2, 3)),
        lambda y: y.clamp(0, 1),
        lambda y: torch.max(y, y.flip(3).relu().flip(3)),
    ],
)
def test_what_is_no_maximum_is_none(run: Run) -> None:
    assert max_pools(run) == 0


@pytest.mark.parametrize("larger", [torch.max, torch.min, torch.maximum])
def test_both_tensors_count_of_which_the_larger_is_taken(larger: Callable[..., torch.Tensor]) -> None:
    wide = {"a": nn.Conv2d(3, 4, 3, padding=1), "b": nn.Conv2d(3, 4, 7, padding=3)}
    for run in (lambda m, x: larger(m.a(x), m.b(x)), lambda m, x: larger(m.b(x), m.a(x))):
        found = trace(Written(run, **wide), (3, 10, 10)).metrics
        assert (found.receptive_field_hw, found.max_pools, found.global_average_pools) == ((7, 7), 0, 0)


def at_left(x: torch.Tensor) -> torch.Tensor:
    """Padded at its left only, so that a kernel sees what is left of each place."""
    return F.pad(x, (2, 0, 1, 1))


def at_right(x: torch.Tensor) -> torch.Tensor:
    """Padded at its right only."""
    return F.pad(x, (0, 2, 1, 1))


SHIFT = torch.eye(3)[2].expand(4, 1, 1, 3).contiguous()
"""A depthwise kernel that takes the right neighbour."""
LARGER: list[Callable[..., torch.Tensor]] = [
    torch.max,
    torch.maximum,
    torch.fmax,
    lambda p, q: torch.stack([p, q]).amax(0),
    lambda p, q: torch.cat([p[:, None], q[:, None]], 1).relu().amax(1),
]
MAY_BE_LARGER: list[Callable[..., torch.Tensor]] = [
    torch.minimum,
    lambda p, q: p + F.relu(q - p),
    lambda p, q: torch.where(p > q, p, q),
    lambda p, q: torch.stack([p, q]).amin(0),
]


def of_two(run: Callable[[Any, torch.Tensor], Any]) -> tuple[int | None, tuple[int, ...] | None]:
    parts = {"a": nn.Conv2d(3, 4, 3), "b": nn.Conv2d(3, 4, 3)}
    found = trace(Written(run, **parts), (3, 10, 10)).metrics
    return found.max_pools, found.receptive_field_hw


@pytest.mark.parametrize("larger", LARGER)
def test_the_larger_of_the_results_of_two_layers_is_no_maximum_over_places(
    larger: Callable[..., torch.Tensor],
) -> None:
    assert of_two(lambda m, x: larger(m.a(at_left(x)), m.b(at_right(x)))) == (0, (3, 5))
    assert of_two(lambda m, x: larger(m.a(at_left(x)), m.a(at_right(x)))) == (1, (3, 5))  # of one map


@pytest.mark.parametrize("larger", MAY_BE_LARGER)
def test_what_may_be_the_larger_is_known_to_be_none_of_two_layers(larger: Callable[..., torch.Tensor]) -> None:
    assert of_two(lambda m, x: larger(m.a(at_left(x)), m.b(at_right(x)))) == (0, (3, 5))
    assert of_two(lambda m, x: larger(m.a(at_left(x)), m.a(at_right(x)))) == (None, (3, 5))


@pytest.mark.parametrize("larger", LARGER)
def test_a_kernel_that_is_not_trained_may_shift_a_map(larger: Callable[..., torch.Tensor]) -> None:
    def shifted(y: torch.Tensor) -> torch.Tensor:
        return F.conv2d(y, SHIFT, padding=(0, 1), groups=4)

    assert of_two(lambda m, x: larger((y := m.a(x)), shifted(y)))[0] is None
    assert of_two(lambda m, x: torch.max(m.a(x), shifted(m.b(x))))[0] == 0


def test_the_larger_of_columns_that_were_written_side_by_side_may_be_a_maximum() -> None:
    def side_by_side(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.a(x)
        both = torch.zeros(1, 4, 8, 4, 2)
        both[..., 0], both[..., 1] = y[..., ::2], y[..., 1::2]
        return both.amax(4)

    assert of_two(side_by_side)[0] is None


def shifted(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """All columns but the first, and all but the last."""
    return y[..., 1:], y[..., :-1]


@pytest.mark.parametrize(
    "run",
    [
        lambda y: torch.cat(shifted(y), 1).view(1, 2, 4, 8, 7).amax(1),
        lambda y: torch.stack(shifted(y), -1).movedim(-1, 0).relu().amax(0),
        lambda y: torch.stack(shifted(y), 1).transpose(1, 2).max(2).values,
    ],
)
def test_a_maximum_of_neighbours_that_were_put_together_and_moved_is_one_where_they_are_followed(run: Run) -> None:
    assert max_pools(run) == 1


@pytest.mark.parametrize(
    "run",
    [
        lambda y: F.max_pool3d(torch.stack(shifted(y), 2), (2, 1, 1)),
        lambda y: torch.maximum(*torch.cat(shifted(y), 1).view(1, 2, 4, 8, 7).unbind(1)),
        lambda y: torch.maximum(*torch.cat(shifted(y), 1).relu().chunk(2, 1)),
        lambda y: F.pixel_unshuffle(y, 2)[:, ::4].maximum(F.pixel_unshuffle(y, 2)[:, 1::4]),
        lambda y: F.conv2d(y, torch.eye(9).view(9, 1, 3, 3).repeat(4, 1, 1, 1), groups=4).view(1, 4, 9, 6, 6).amax(2),
    ],
)
def test_a_maximum_of_neighbours_that_were_put_together_and_moved_is_unknown(run: Run) -> None:
    assert max_pools(run) is None


@pytest.mark.parametrize(
    "run",
    [
        lambda y: torch.cat([y, y.sigmoid()], 1).view(1, 2, 4, 8, 8).amax(1),  # of one place
        lambda y: torch.stack([y, y * 2], -1).movedim(-1, 0).amax(0),
        lambda y: torch.cat([y, F.avg_pool2d(y, 3, 1, 1)], 1).view(1, 2, 4, 8, 8).amax(1),  # of different maps
    ],
)
def test_a_maximum_of_other_tensors_that_were_put_together_is_none_of_places(run: Run) -> None:
    assert max_pools(run) == 0


def test_a_layer_on_neighbours_that_were_put_together_makes_a_map_of_its_own() -> None:
    parts = {"conv": nn.Conv2d(3, 4, 3), "mix": nn.Conv2d(8, 4, 1)}
    net = Written(lambda m, x: m.mix(torch.cat(shifted(m.conv(x)), 1)).unflatten(1, (2, 2)).amax(1), **parts)
    assert trace(net, (3, 10, 10)).metrics.max_pools == 0


def frozen(kernel: torch.Tensor) -> nn.Conv2d:
    """A convolution whose kernel is not trained."""
    conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    conv.weight = nn.Parameter(kernel, requires_grad=False)
    return conv


def of_two_frozen(larger: Callable[..., torch.Tensor], one: torch.Tensor, other: torch.Tensor) -> int | None:
    parts = {"one": frozen(one), "other": frozen(other)}
    return trace(Written(larger, **parts), (3, 10, 10)).metrics.max_pools


def test_a_maximum_of_frozen_convolutions_is_one_of_places_only_if_one_kernel_may_be_the_other_moved() -> None:
    torch.manual_seed(0)
    one, other = torch.randn(4, 3, 3, 3), torch.randn(4, 3, 3, 3)
    narrow = F.pad(one[..., 1:], (1, 0))  # zero in its first column
    assert of_two_frozen(lambda m, x: torch.maximum(m.one(x), m.other(x)), one, other) == 0
    assert of_two_frozen(lambda m, x: torch.maximum(m.one(x), m.one(x.roll(1, 3))), one, other) == 1
    assert of_two_frozen(lambda m, x: torch.maximum(m.one(x), m.other(x.roll(1, 3))), one, one.clone()) == 1
    assert of_two_frozen(lambda m, x: torch.maximum(m.one(x), m.other(x)), narrow, narrow.roll(-1, 3)) is None
    assert of_two_frozen(lambda m, x: torch.maximum(m.one(x), m.other(x)), one, narrow) is None


@pytest.mark.parametrize("layer", [nn.Conv1d, nn.Conv2d, nn.Conv3d])
def test_frozen_kernels_of_any_number_of_axes_are_compared(layer: type[nn.Conv1d | nn.Conv2d | nn.Conv3d]) -> None:
    torch.manual_seed(0)
    one, other = (layer(3, 4, 3).requires_grad_(False) for _ in range(2))
    shape = (3, *[6] * (one.weight.dim() - 2))
    apart = Written(lambda m, x: torch.maximum(m.one(x), m.other(x)).mean(-1), one=one, other=other)
    assert trace(apart, shape).metrics.max_pools == 0
    moved = Written(lambda m, x: torch.maximum(m.one(x)[..., 1:], m.one(x)[..., :-1]), one=one)
    assert trace(moved, shape).metrics.max_pools == 1


def test_a_maximum_of_one_layer_on_frozen_kernels_in_two_orders_may_be_one_of_places() -> None:
    torch.manual_seed(0)
    edges = {n: nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False).requires_grad_(False) for n in ("one", "other")}
    parts = {"last": nn.Conv2d(3, 4, 3, padding=1), **edges}

    def both(m: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return m.last(m.one(m.other(x))), m.last(m.other(m.one(x)))

    net = Written(lambda m, x: torch.maximum(both(m, x)[0][..., 1:], both(m, x)[1][..., :-1]), **parts)
    one, other = both(net, x := torch.randn(1, 3, 10, 10))
    assert torch.allclose(one[..., 3:7, 3:7], other[..., 3:7, 3:7], atol=1e-5)  # the same map
    assert trace(net, x.shape[1:]).metrics.max_pools is None


def test_frozen_kernels_that_mix_channels_may_shift_a_map_together() -> None:
    first, left, right = torch.zeros(3, 3, 3, 3), torch.zeros(4, 3, 3, 3), torch.zeros(4, 3, 3, 3)
    first[:, 0] = 1.0  # three equal channels, of which two cancel out in the kernels after it
    left[:, 2, :, :2], left[:, 0, :, 2], left[:, 1, :, 2] = 1.0, 1.0, -1.0
    right[:, 2, :, 1:], right[:, 0, :, 0], right[:, 1, :, 0] = 1.0, 1.0, -1.0
    parts = {"one": frozen(first), "left": frozen(left), "right": frozen(right)}
    net = Written(lambda m, x: (m.left(m.one(x)), m.right(m.one(x))), **parts)
    one, other = net(torch.randn(1, 3, 10, 10))
    assert torch.allclose(one[..., 3:7], other[..., 2:6], atol=1e-5)  # shifted by one column
    larger = Written(lambda m, x: torch.maximum(m.left(m.one(x)), m.right(m.one(x))), **parts)
    assert trace(larger, (3, 10, 10)).metrics.max_pools is None

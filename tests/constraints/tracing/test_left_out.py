"""Poolings of a part of a map, which are no global poolings, and of all of it, however it was cut before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from constraints.tracer import Trace, trace
from tests.constraints.written import Written

Run = Callable[[Any, Any], Any]
NOT_GLOBAL = "so it is no global pool, and linear layers after it do not count in fully_connected"


def traced(run: Run) -> Trace:
    """Of a network whose last map has 8 by 8 units that see 3 by 3 pixels."""
    parts = {
        "conv": nn.Conv2d(3, 4, 3, padding=1),
        "next": nn.Conv2d(4, 4, 1),
        "wide": nn.Conv2d(4, 4, 5, padding=2),
        "corner": nn.Conv2d(4, 4, 2),
    }
    return trace(Written(lambda m, x: run(m, m.conv(x)), **parts), (3, 8, 8))


def rows(y: torch.Tensor) -> list[torch.Tensor]:
    """Every row of a map."""
    return [y[:, :, i] for i in range(8)]


@pytest.mark.parametrize(
    ("run", "left_out"),
    [
        (lambda m, y: y[:, :, 2:-2, 1:].mean((2, 3)), "4 and 1"),
        (lambda m, y: F.adaptive_avg_pool2d(y[:, :, :5], 1), "3"),
        (lambda m, y: F.avg_pool2d(y[..., 1:].relu(), (8, 7)), "1"),
        (lambda m, y: y[:, :, ::2].mean((2, 3)), "4"),
        (lambda m, y: F.pad(y, (0, 0, 0, -1)).mean((2, 3)), "1"),
        (lambda m, y: y.narrow(2, 1, 6).flatten(2).mean(-1), "2"),
        (lambda m, y: y.chunk(2, 3)[0].mean(3).mean(2), "4"),
        (lambda m, y: F.adaptive_avg_pool2d(y[:, :, 1:], (1, None)).mean((2, 3)), "1"),
        (lambda m, y: F.avg_pool2d(y[:, :, 1:], (7, 1)).mean((2, 3)), "1"),
        (lambda m, y: y.index_select(2, torch.arange(6)).mean((2, 3)), "2"),
        (lambda m, y: torch.cat([y[:, :, :3], y[:, :, 5:]], 2).mean((2, 3)), "2"),
        (lambda m, y: torch.stack(rows(y)[2:5], 2).mean((2, 3)), "5"),
        (lambda m, y: y.unfold(2, 2, 3).mean((2, 3, 4)), "2"),  # the windows leave out every third row
        (lambda m, y: y.view(1, 4, 4, 2, 8)[:, :, 1:].mean((2, 3, 4)), "2"),
        (lambda m, y: (y[:, :, 1:] + y[:, :, 1:].sigmoid()).mean((2, 3)), "1"),
        (lambda m, y: (y[:, :, 1:7] + y[:, :, 2:]).mean((2, 3)), "1"),  # both together lack the first row
        (lambda m, y: (y[:, :, 1:] + m.wide(y)[:, :, 1:]).mean((2, 3)), "1"),
        (lambda m, y: (y + m.wide(y))[:, :, 1:].mean((2, 3)), "1"),
        (lambda m, y: (y[:, :, 2:] * m.wide(y)[:, :, 2:].sigmoid()).mean((2, 3)), "2"),
        (lambda m, y: torch.cat([y[:, :, 4:], m.wide(y)[:, :, 4:]], 1).view(1, 2, 4, 4, 8).mean((1, 3, 4)), "4"),
        (lambda m, y: (y[:, :, 1:] + y.flip(2)[:, :, :-1]).mean((2, 3)), "1"),  # the first row, turned round in one
        (lambda m, y: (y[:, :, 3:] + y.flip(2).roll(3, 2)[:, :, 3:]).mean((2, 3)), "3"),  # rows 3 to 7 in both
        (lambda m, y: (y.roll(3, 2)[:, :, 3:] + y[:, :, :5]).mean((2, 3)), "3"),  # rows 0 to 4 in both
        (lambda m, y: (torch.cat([y[:, :, :1]] * 4, 2) + torch.cat([y[:, :, 1:2]] * 4, 2)).mean((2, 3)), "6"),
        (lambda m, y: torch.cat([y[:, :, 1:], m.wide(y)[:, :, 1:]], 2).mean((2, 3)), "1"),
        (lambda m, y: F.pad(y, (0, 0, 4, 4))[:, :, 8:].mean((2, 3)), "4"),  # the border in front, then four rows
        (lambda m, y: F.pad(y, (0, 0, 1, -1)).mean((2, 3)), "1"),
        (lambda m, y: F.pad(y[:, :, 1:], (0, 0, 1, 0)).mean((2, 3)), "1"),  # a border is no row of the map
        (lambda m, y: F.pad(y, (0, 0, 2, 2), mode="reflect")[:, :, 4:].mean((2, 3)), "2"),
        (lambda m, y: F.conv2d(y, m.next.weight, padding=(4, 0))[:, :, 8:].mean((2, 3)), "4"),
        (lambda m, y: F.conv2d(y, m.corner.weight, padding=1)[:, :, :-2, :-1].mean((2, 3)), "1"),
    ],
)
def test_a_pooling_of_a_part_of_the_map_is_named_and_not_global(run: Run, left_out: str) -> None:
    found = traced(run)
    assert found.metrics.global_average_pools == 0
    assert traced(lambda m, y: run(m, y).view(1, 4) @ torch.ones(4, 2)).metrics.fully_connected == 0
    part = f"it leaves out a part of the map ({left_out} places along"
    assert any(part in w and w.endswith(NOT_GLOBAL) for w in found.warnings)


@pytest.mark.parametrize(
    "run",
    [
        lambda m, y: m.next(y[:, :, 2:]).mean((2, 3)),  # a layer makes a map of what is left
        lambda m, y: F.avg_pool2d(y[:, :, 2:], 2).mean((2, 3)),
        lambda m, y: F.interpolate(y[:, :, 2:], size=(8, 8)).mean((2, 3)),
        lambda m, y: nn.functional.linear(y[:, :, 2:].movedim(1, 3), m.next.weight[:, :, 0, 0]).mean((1, 2)),
        lambda m, y: F.pad(y, (0, 3, 0, 3))[:, :, :8, :8].mean((2, 3)),  # what is left out is the border
        lambda m, y: m.next(F.pad(y, (0, 3, 0, 3)))[:, :, :8, :8].mean((2, 3)),
        lambda m, y: torch.cat(y.chunk(2, 2), 2).mean((2, 3)),
        lambda m, y: torch.cat(y.chunk(2, 2), 1).mean((2, 3)),
        lambda m, y: torch.stack(rows(y), 2).mean((2, 3)),
        lambda m, y: (y[:, :, ::2] + y[:, :, 1::2]).mean((2, 3)),
        lambda m, y: torch.cat([y[:, :, ::2], y[:, :, 1::2]], 1).mean((2, 3)),
        lambda m, y: (y + F.pad(y[:, :, 1:], (0, 0, 1, 0))).mean((2, 3)),
        lambda m, y: torch.cat([y.new_zeros(1, 1, 4), y.flatten(2).mT], 1)[:, 1:].mean(1),  # without its class token
        lambda m, y: y.unfold(2, 3, 3).mean((2, 3, 4)) + y.mean((2, 3)),
        lambda m, y: y.roll(1, 2).mean((2, 3)),
        lambda m, y: (y.roll(3, 2)[:, :, 3:] + y[:, :, 3:]).mean((2, 3)),  # rows 0 to 4, and rows 3 to 7
        lambda m, y: (y[:, :, 1:] + y.flip(2)[:, :, 1:]).mean((2, 3)),  # all but the first, and all but the last
        lambda m, y: F.pad(y, (0, 0, 4, 4))[:, :, 4:12].mean((2, 3)),
        lambda m, y: F.pad(y, (0, 0, 4, 4))[:, :, 2:][:, :, 2:].mean((2, 3)),
        lambda m, y: F.conv2d(y, m.next.weight, padding=(4, 0))[:, :, 4:-4].mean((2, 3)),
        lambda m, y: F.conv2d(y, m.corner.weight, padding=1)[:, :, :-1, :-1].relu().mean((2, 3)),
        lambda m, y: F.avg_pool2d(y, 2, 1, 1)[:, :, 1:, :-1].mean((2, 3)),
        lambda m, y: F.conv2d(F.pad(y, (4, 4, 2, 2)), m.wide.weight, dilation=(1, 2)).mean((2, 3)),
        lambda m, y: F.conv2d(y, m.wide.weight, padding=(8, 2), dilation=(2, 1))[:, :, :-8].mean((2, 3)),  # causal
    ],
)
def test_a_pooling_of_all_that_a_layer_made_is_global(run: Run) -> None:
    assert traced(run).metrics.global_average_pools == 1


@pytest.mark.parametrize("pool", [F.adaptive_avg_pool3d, lambda y, _: F.avg_pool3d(y, (1, 8, 8))])
def test_a_pooling_that_takes_the_channels_for_an_axis_is_global(pool: Callable[..., torch.Tensor]) -> None:
    found = traced(lambda m, y: pool(y, (4, 1, 1)).flatten(1))
    assert found.metrics.global_average_pools == 1
    assert found.metrics.receptive_field_hw == (3, 3)


@pytest.mark.parametrize(
    ("run", "is_average"),
    [
        (lambda y: F.avg_pool2d(y, (8, 1)).mean(3).squeeze(2), True),
        (lambda y: F.adaptive_avg_pool2d(y, (1, None)).mean(3)[..., 0], True),
        (lambda y: F.avg_pool2d(F.avg_pool2d(y, (1, 8)), (8, 1)).flatten(1), True),
        (lambda y: F.conv2d(F.max_pool2d(y, (8, 1)), torch.ones(4, 4, 1, 1)).mean((2, 3)), True),  # of a map of one row
        (lambda y: F.avg_pool2d(F.max_pool2d(y, (8, 1)), (1, 8)).flatten(1), False),
        (lambda y: F.max_pool2d(y, (8, 1)).relu().mean((2, 3)), False),
        (lambda y: F.adaptive_max_pool2d(y, (1, 8)).mean(3).flatten(1), False),
        (lambda y: F.avg_pool2d(y[:, :, 1:], (7, 1)).mean(3).flatten(1), False),
    ],
)
def test_a_map_that_is_pooled_one_axis_after_the_other(run: Callable[[Any], Any], is_average: bool) -> None:
    assert traced(lambda m, y: run(y)).metrics.global_average_pools == is_average


@pytest.mark.parametrize(
    "run",
    [
        lambda y: y * y[:, :, 1:].mean((2, 3), keepdim=True).sigmoid(),
        lambda y: y + y[:, :, ::2].amax((2, 3), keepdim=True),
        lambda y: y - F.adaptive_avg_pool2d(y[..., :4], 1),
    ],
)
def test_a_pool_of_a_part_of_the_map_is_no_gate_on_all_of_it(run: Callable[[Any], Any]) -> None:
    found = traced(lambda m, y: run(y))
    assert found.metrics.receptive_field_hw is None
    assert "a pool of a part of a map joined with all places of it" in found.unknown["receptive_field_hw"]
    assert traced(lambda m, y: y * y[:, :, 1:].sigmoid().mean()).metrics.receptive_field_hw is None


STEPS: dict[str, Callable[[torch.Tensor, int, int], torch.Tensor]] = {
    "slice": lambda y, a, b: y[:, :, a : len(y[0, 0]) - b],
    "stride": lambda y, a, _: y[:, :, a % 2 :: 2],
    "flip": lambda y, *_: y.flip(2),
    "roll": lambda y, a, b: y.roll(a - b, 2),
    "pad": lambda y, a, b: F.pad(y, (0, 0, a - 1, b - 1)),
    "border": lambda y, a, b: F.pad(y, (0, 0, a, b))[:, :, b:],
    "turn": lambda y, *_: torch.cat([y[:, :, 1:], y[:, :, :1]], 2),
    "halves": lambda y, *_: y[:, :, 1:] + 2 * y.flip(2)[:, :, :-1],
    "neighbours": lambda y, *_: y[:, :, 1:] + 2 * y[:, :, :-1],
    "mirror": lambda y, *_: y + 3 * y.flip(2),
}


@settings(deadline=None)
@example([("border", 1, 0), ("neighbours", 0, 0), ("slice", 1, 1)])  # the last of 8 rows is left in by its neighbour
@example([("border", 1, 0), ("neighbours", 0, 0), ("border", 0, 1)])
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 2), st.integers(0, 2)), max_size=5))
def test_the_rows_left_out_are_those_without_a_gradient(steps: list[tuple[str, int, int]]) -> None:
    def run(y: torch.Tensor) -> torch.Tensor:
        for name, a, b in steps:
            y = STEPS[name](y, a, b) if y.shape[2] > 5 else y  # rows, enough for each step
        return y.mean((2, 3))

    rows = torch.ones(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    run(rows).sum().backward()  # type: ignore[no-untyped-call]
    assert rows.grad is not None
    lost = int((rows.grad == 0).all(3).sum())
    found = traced(lambda m, y: run(y))
    assert found.metrics.global_average_pools in (None, lost == 0)  # unknown for some maps laid side by side
    assert [w for w in found.warnings if "leaves out" in w] == [w for w in found.warnings if f"({lost} places" in w]

"""Parts of an axis, and tensors in the place of parts, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracer import trace
from tests.constraints.tracing.known import CONV, WIDE, known
from tests.constraints.written import Written


def both(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Three channels that see 3 x 3 pixels, then three that see 5 x 5."""
    return torch.cat([m.a(x), m.b(x)], 1)


def alternating(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Four channels that see 3 x 3, 5 x 5, 3 x 3 and 5 x 5 pixels."""
    return torch.stack([m.a(x)[:, :2], m.b(x)[:, :2]], 2).flatten(1, 2)


def fields(run: Callable[..., Any]) -> list[int | None]:
    """What the units of the output see along both axes; None where that is not known."""
    (out,) = known(run, a=CONV, b=WIDE).outputs
    return [None if v is None or v.unknown or v.blurred else v.size for v in out.views]


@pytest.mark.parametrize(
    ("run", "field"),
    [
        (lambda m, x: m.a(x)[:, :, 2:6], [3, 3]),
        (lambda m, x: m.a(x)[:, :, ::2], [3, 3]),
        (lambda m, x: m.a(x[:, :, ::2]), [5, 3]),  # three rows, two pixels apart
        (lambda m, x: m.a(x).split(4, 3)[1], [3, 3]),
        (lambda m, x: m.a(x).unbind(2)[3], [3, 3]),
        (lambda m, x: F.glu(torch.cat([m.a(x), m.b(x)], 1), 1), [5, 5]),
        (lambda m, x: torch.stack([m.a(x), m.b(x)], 1), [5, 5]),
        (lambda m, x: torch.stack([m.a(x), m.b(x)], 1)[:, 0], [3, 3]),
        (lambda m, x: F.glu(torch.cat([m.a(x), m.b(x), m.a(x), m.a(x)], 1), 1)[:, :3], [3, 3]),
        (lambda m, x: F.glu(torch.cat([m.a(x), m.b(x), m.a(x), m.a(x)], 1), 1)[:, 3:], [5, 5]),
        (lambda m, x: F.glu(torch.cat([m.a(x)[:, :2], m.b(x), m.a(x)], 1), 1)[:, :1], [5, 5]),  # 0 of a with 1 of b
        (lambda m, x: F.glu(torch.cat([m.a(x)[:, :2], m.b(x)[:, :1], m.a(x)], 1), 1)[:, :2], [3, 3]),
        (lambda m, x: F.glu(alternating(m, x), 1)[:, ::2], [3, 3]),  # of a alone
        (lambda m, x: F.glu(alternating(m, x), 1)[:, 1::2], [5, 5]),
        (lambda m, x: m.b(x)[:, [2, 0]], [5, 5]),
        (lambda m, x: m.a(m.a(x)[:, :, [0, 2, 4, 6]]), [7, 5]),  # as in a slice, every other row
        (lambda m, x: m.a(m.a(x)[..., torch.arange(2, 7)]), [5, 5]),
        (lambda m, x: m.a(x)[:, :, [0, 2, 2, 4]], [None, 3]),
        (lambda m, x: m.a(x)[:, :, [2, 0, 1]], [None, 3]),  # an order of rows that a tensor says
        (lambda m, x: m.a(x)[:, :, [2, 0], [1, 1]], [None, None]),
        (lambda m, x: torch.slice_scatter(m.a(x), m.b(x)[:, :1], 1, 0, 1)[:, 1:], [3, 3]),
        (lambda m, x: torch.select_scatter(m.a(x), m.b(x)[:, 0], 1, 2)[:, 2:], [5, 5]),
        (lambda m, x: m.a(x).index_add(1, torch.tensor([0]), m.b(x)[:, :1]), [5, 5]),
        (lambda m, x: m.a(x).index_copy(3, torch.tensor([0]), m.b(x)[..., :1]), [5, None]),
        (lambda m, x: both(m, x).index_fill(1, torch.tensor([3, 4, 5]), 0.0), [3, 3]),
        (lambda m, x: both(m, x).index_fill(1, torch.tensor([0, -1]), 0.0)[:, :3], [3, 3]),
        (lambda m, x: both(m, x).index_fill_(1, torch.tensor([0]), 1.0)[:, 3:], [5, 5]),
        (lambda m, x: both(m, x).index_fill(2, torch.tensor([0]), 1.0)[:, :3], [3, 3]),
        (
            lambda m, x: both(m, x).index_fill(0, torch.tensor([0]) * 0, 1.0)[:, :3],
            [None, None],
        ),  # all
        (lambda m, x: both(m, x).index_fill(1, torch.tensor([1]) * 2, 1.0)[:, :3], [3, 3]),
        (lambda m, x: both(m, x).index_fill(1, torch.randperm(6)[:1], 1.0)[:, :3], [None, None]),  # drawn
        (lambda m, x: both(m, x).index_fill(1, torch.arange(6), 0.0), [None, None]),  # not computed from the input
    ],
)
def test_what_is_cut_or_put(run: Callable[..., Any], field: list[int | None]) -> None:
    assert fields(run) == field


def test_an_index_that_the_input_decides_is_not_known() -> None:
    assert fields(lambda m, x: m.a(x).index_add(1, m.b(x).argmax(1).flatten()[:1], x[:, :1])) == [None, None]


def put(y: torch.Tensor, index: Any, values: torch.Tensor) -> torch.Tensor:
    found = y.clone()
    found[:, index] = values
    return found


@pytest.mark.parametrize(
    ("run", "field"),
    [
        (lambda m, x: put(m.twice(x), [2, 0, 4, 1, 3, 5], both(m, x))[:, 1:2], [5, 5]),  # the fourth of the values
        (lambda m, x: put(m.twice(x), [5, 1, 0, 2, 3, 4], both(m, x))[:, 2:], [5, 5]),
        (lambda m, x: put(m.twice(x), [5, 0, 1, 2, 3, 4], both(m, x))[:, :2], [3, 3]),
        (lambda m, x: put(m.twice(x), [0, 1, 2, 3, 4, 4], both(m, x))[:, :3], [None, None]),  # one is written twice
        (lambda m, x: put(m.b(x), torch.arange(3) < 1, m.a(x)[:, :1])[:, :1], [3, 3]),
        (lambda m, x: put(m.b(x), torch.rand(3) < 0.5, m.a(x)[:, :1])[:, :1], [None, None]),  # drawn
        (lambda m, x: put(m.b(x), torch.arange(3) < 1, m.a(x)[:, :1]).relu(), [5, 5]),
        (lambda m, x: put(m.a(x), torch.arange(3) < 1, m.a(x)[:, :1])[:, 1:], [3, 3]),
        (lambda m, x: put(torch.zeros(1, 3, 8, 8), torch.arange(3) < 1, m.a(x)[:, :1])[:, :2], [3, 3]),
        (lambda m, x: m.a(x).index_add(1, torch.tensor([0]), m.b(x)[:, :1])[:, :1], [None, None]),
    ],
)
def test_values_that_are_written_to_channels_by_an_index(run: Callable[..., Any], field: list[int | None]) -> None:
    (out,) = known(run, a=CONV, b=WIDE, twice=nn.Conv2d(3, 6, 1)).outputs
    assert [None if v is None or v.unknown or v.blurred else v.size for v in out.views] == field


def interleaved(y: torch.Tensor) -> torch.Tensor:
    """A map and its copy, rolled by three rows, in turn."""
    found = torch.zeros(1, 6, 24, 24)
    found[:, [0, 2, 4]] = y
    found[:, [1, 3, 5]] = y.roll(3, 2)
    return found


@pytest.mark.parametrize(
    ("move", "rows"),
    [
        # rows -1 to 1 and -4 to -2 around a place, then 3 rows of them: 5 of one map, 8 of both
        (lambda y: interleaved(y)[:, ::2], 5),
        (lambda y: interleaved(y)[:, 1::2], 5),
        (lambda y: interleaved(y)[:, :3], 8),
        (lambda y: y.index_copy(1, torch.tensor([0]), y[:, :1].roll(3, 2))[:, 1:].repeat(1, 2, 1, 1)[:, :3], 5),
        (lambda y: y.index_copy(1, torch.tensor([0]), y[:, :1].roll(3, 2)), 8),
        (lambda y: y.index_add(1, torch.tensor([0]), y[:, :1].roll(3, 2)), 8),
        (lambda y: y.index_put((torch.tensor([-1]),), y.roll(3, 2), accumulate=True), 8),
        (lambda y: y.index_fill(1, torch.tensor([0, -1]), 0.0), 5),
        (lambda y: y.index_fill(2, torch.tensor([0, -1]), 0.0), 5),
    ],
)
def test_channels_that_an_index_names_keep_what_was_written_to_them(
    move: Callable[[torch.Tensor], torch.Tensor], rows: int
) -> None:
    model = Written(lambda m, x: m.b(move(m.a(x))), a=nn.Conv2d(3, 3, 3, padding=1), b=nn.Conv2d(3, 3, 3, padding=1))
    assert trace(model, (3, 24, 24)).metrics.receptive_field_hw == (rows, 5)


def test_channels_that_the_input_chooses_are_not_known() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.a(x)
        least: torch.Tensor = m.a(x.roll(5, 2)).mean((0, 2, 3)).argmin()[None]
        return y.index_fill(1, least, 0.0)

    found = trace(Written(run, a=nn.Conv2d(3, 3, 3, padding=1)), (3, 24, 24))
    assert found.metrics.receptive_field_hw is None


def test_one_row_of_a_map_whose_rows_see_differently_has_its_own_field() -> None:
    def rows(m: Any, x: torch.Tensor) -> Any:
        return m.a(torch.cat([m.b(x)[:, :, :8], m.a(x)[:, :, 8:]], 2))  # 5 x 5 pixels, then 3 x 3

    def seen(run: Callable[..., Any]) -> int:
        (out,) = known(run, (3, 16, 16), a=CONV, b=WIDE).outputs
        (view, _) = out.views
        assert view is not None
        return view.size

    assert seen(rows) == seen(lambda m, x: rows(m, x)[:, :, 4]) == 7
    assert seen(lambda m, x: rows(m, x)[:, :, 12]) == seen(lambda m, x: rows(m, x)[:, :, [12, 13]]) == 5

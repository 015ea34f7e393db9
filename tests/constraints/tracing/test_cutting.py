"""Parts of an axis, and tensors in the place of parts, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from tests.constraints.tracing.known import CONV, WIDE, known


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
        (lambda m, x: m.b(x)[:, [2, 0]], [5, 5]),
        (lambda m, x: m.a(x)[:, :, [2, 0, 1]], [None, 3]),  # an order of rows that a tensor says
        (lambda m, x: m.a(x)[:, :, [2, 0], [1, 1]], [None, None]),
        (lambda m, x: torch.slice_scatter(m.a(x), m.b(x)[:, :1], 1, 0, 1)[:, 1:], [3, 3]),
        (lambda m, x: torch.select_scatter(m.a(x), m.b(x)[:, 0], 1, 2)[:, 2:], [5, 5]),
        (lambda m, x: m.a(x).index_add(1, torch.tensor([0]), m.b(x)[:, :1]), [5, 5]),
        (lambda m, x: m.a(x).index_copy(3, torch.tensor([0]), m.b(x)[..., :1]), [5, None]),
    ],
)
def test_what_is_cut_or_put(run: Callable[..., Any], field: list[int | None]) -> None:
    assert fields(run) == field


def test_an_index_that_the_input_decides_is_not_known() -> None:
    assert fields(lambda m, x: m.a(x).index_add(1, m.b(x).argmax(1).flatten()[:1], x[:, :1])) == [None, None]

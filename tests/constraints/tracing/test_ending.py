"""What the end of a network gives for one sample."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from constraints import trace


class Made(nn.Module):
    """A network that ends in a given function."""

    def __init__(self, end: object) -> None:
        super().__init__()
        self.conv, self.end = nn.Conv2d(1, 6, 1), end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.conv(x))  # type: ignore[no-any-return, operator]


@pytest.mark.parametrize(
    ("end", "rows"),
    [
        (lambda x: x.mean((2, 3)), 1),
        (lambda x: x.view(-1, 6), 4),
        (lambda x: x.flatten(), 24),
        (lambda x: x.mean((2, 3)).squeeze(), 6),
        (lambda x: x.sum(), 1),
    ],
)
def test_rows_of_one_sample(end: object, rows: int) -> None:
    traced = trace(Made(end), (1, 2, 2))
    assert traced.rows == rows
    said = [w.split(" (")[0] for w in traced.warnings if "sample" in w]
    assert said == [f"one sample gives {rows} rows"] * (rows != 1)


@pytest.mark.parametrize(
    ("end", "named"),
    [
        (lambda x: x.mean((2, 3)).softmax(1), True),
        (lambda x: x.mean((2, 3), keepdim=True).log_softmax(1).flatten(1), True),
        (lambda x: x.softmax(1).mean((2, 3)), False),
        (lambda x: 2 * x.mean((2, 3)).softmax(1), False),
        (lambda x: x.mean((2, 3)).sigmoid(), False),
    ],
)
def test_a_softmax_is_named_where_it_is_the_last_thing(end: object, named: bool) -> None:
    assert any("ends in" in w for w in trace(Made(end), (1, 2, 2)).warnings) is named

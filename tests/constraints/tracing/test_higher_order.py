"""Operators that take functions are followed into these; called as they are, without the import of the compiler."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from constraints.tracer import trace
from tests.constraints.written import Written


def test_the_branch_that_is_taken_is_the_one_that_counts() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        (y,) = torch.ops.higher_order.cond(x.mean() > 1e9, lambda t: (m.large(t),), lambda t: (m.small(t),), (x,))
        return y  # type: ignore[no-any-return]

    found = trace(Written(run, small=nn.Conv2d(3, 4, 3, padding=1), large=nn.Conv2d(3, 4, 5, padding=2)), (3, 8, 8))
    assert found.metrics.macs == 64 * 27 * 4
    assert found.metrics.receptive_field_hw == (3, 3)
    assert any("the value of a tensor is read" in warning for warning in found.warnings)


def test_a_loop_counts_each_turn() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        def again(n: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return n < 3

        def turn(n: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return n + 1, m.conv(y)

        return torch.ops.higher_order.while_loop(again, turn, (torch.zeros(()), x), ())[1]  # type: ignore[no-any-return]

    found = trace(Written(run, conv=nn.Conv2d(3, 3, 3, padding=1)), (3, 8, 8)).metrics
    assert (found.macs, found.receptive_field_hw, found.convs) == (3 * 64 * 27 * 3, (7, 7), 1)

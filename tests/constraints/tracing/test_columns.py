"""Windows as columns, and back onto pixels."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from constraints.metrics import Metrics
from constraints.tracer import trace
from tests.constraints.written import Written


def test_unfolded_windows_are_the_convolution_that_they_make() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        columns = F.unfold(x, 3, dilation=2, padding=2, stride=2)
        return (m.weight @ columns).reshape(1, 5, 4, 4)

    model = Written(run, weight=nn.Parameter(torch.zeros(5, 2 * 9)))
    plain = nn.Conv2d(2, 5, 3, stride=2, padding=2, dilation=2)
    assert (
        trace(model, (2, 8, 8)).metrics.receptive_field_hw
        == trace(plain, (2, 8, 8)).metrics.receptive_field_hw
        == (5, 5)
    )


def test_folded_windows_are_where_they_were_cut() -> None:
    def folded(weigh: Any, *cut: Any) -> Metrics:
        columns = {"kernel_size": cut[0], "stride": cut[1], "padding": cut[2]}
        run = lambda m, x: F.fold(weigh(F.unfold(m.conv(x), **columns)), (12, 9), **columns) + 0  # noqa: E731
        return trace(Written(run, conv=nn.Conv2d(2, 2, 3, padding=1)), (2, 12, 9)).metrics

    assert folded(lambda c: 2 * c, 3, 2, 1).receptive_field_hw == (3, 3)
    assert folded(lambda c: 2 * c, (2, 3), (2, 3), 0).receptive_field_hw == (3, 3)
    # each window whole, 3 units of 3 pixels: a unit is in windows of which the first begins, the last ends 2 away
    whole = folded(lambda c: c.reshape(1, 2, 9, -1).sum(2, True).expand(1, 2, 9, -1).reshape(1, 18, -1), 3, 2, 1)
    assert whole.receptive_field_hw == (7, 7)

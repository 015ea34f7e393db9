"""Operations on joined channels, part by part: what a slice of the result sees, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.constraints.tracing.known import CONV, WIDE, known

DEPTHWISE = nn.Conv2d(6, 6, 3, padding=1, groups=6)
DENSE = nn.Conv2d(6, 6, 3, padding=1)


@pytest.mark.parametrize(
    ("between", "first", "second"),
    [
        (torch.relu, 3, 5),
        (lambda y: y * y.sigmoid(), 3, 5),
        (lambda y: y * 2 + y, 3, 5),
        (lambda y: F.avg_pool2d(y, 3, 1, 1), 5, 7),
        (lambda y: F.max_pool2d(y, 3, 1, 1), 5, 7),
        (lambda y: F.pad(y, (1, 1, 1, 1)), 3, 5),
        (DEPTHWISE, 5, 7),
        (DENSE, 7, 7),  # it mixes channels
        (lambda y: y.flip(1), 5, 5),  # places of channels are not followed through it
    ],
)
def test_a_slice_behind_an_operation_sees_its_own_part(between: Callable[..., Any], first: int, second: int) -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        joined = between(torch.cat([m.a(x), m.b(x)], 1))
        return joined[:, :3], joined[:, 3:]

    found = known(run, a=CONV, b=WIDE)
    assert [[v.size for v in out.views if v] for out in found.outputs] == [[first] * 2, [second] * 2]

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
        (lambda y: y.flip(1), 5, 3),  # the parts in turn
    ],
)
def test_a_slice_behind_an_operation_sees_its_own_part(between: Callable[..., Any], first: int, second: int) -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        joined = between(torch.cat([m.a(x), m.b(x)], 1))
        return joined[:, :3], joined[:, 3:]

    found = known(run, a=CONV, b=WIDE)
    assert [[v.size for v in out.views if v] for out in found.outputs] == [[first] * 2, [second] * 2]


@pytest.mark.parametrize("keeps", [lambda y: (y.mean(3, True), y.mean(2, True)), None])
def test_rows_and_columns_that_share_a_pointwise_layer_are_told_apart_again(keeps: Any) -> None:
    """As in a coordinate attention: of 3 pixels each along its own axis, pooled along the other."""

    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.a(x)
        rows, columns = keeps(y) if keeps else (F.adaptive_avg_pool2d(y, (8, 1)), F.adaptive_avg_pool2d(y, (1, 6)))
        joined = F.hardswish(m.norm(m.shared(torch.cat([rows, columns.transpose(2, 3)], 2))))
        rows, columns = torch.split(joined, [8, 6], 2)
        return rows, columns.transpose(2, 3)

    found = known(run, (3, 8, 6), a=CONV, shared=nn.Conv2d(3, 2, 1), norm=nn.BatchNorm2d(2))
    (high, pooled), (also_pooled, wide) = (out.views for out in found.outputs)
    for view, axis, size in ((high, 2, 8), (wide, 3, 6)):
        assert view is not None
        assert (view.size, [d[:3] for d in view.digits], view.unknown, view.blurred) == (3, [(axis, 1, size)], "", "")
    assert all(v is not None and v.pooled == "mean" and v.units == 1 for v in (pooled, also_pooled))


def test_a_spatial_layer_over_rows_and_columns_is_not_followed() -> None:
    def run(m: Any, x: torch.Tensor) -> Any:
        y = m.a(x)
        joined = m.shared(torch.cat([y.mean(3, True), y.mean(2, True).transpose(2, 3)], 2))
        return joined.split([8, 6], 2)

    found = known(run, (3, 8, 6), a=CONV, shared=nn.Conv2d(3, 2, (3, 1), padding=(1, 0)))
    assert all(any(v is not None and (v.unknown or v.blurred) for v in out.views) for out in found.outputs)

"""Interpolation: fields and jumps by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracer import trace
from tests.constraints.tracing.alone import function
from tests.constraints.written import Written


@pytest.mark.parametrize(
    ("options", "field", "jump"),
    [
        ({"scale_factor": 2, "mode": "nearest"}, 1, 0.5),
        ({"scale_factor": 0.5, "mode": "nearest"}, 1, 2),
        ({"scale_factor": 2, "mode": "bilinear"}, 2, 0.5),
        ({"scale_factor": 2, "mode": "bicubic"}, 4, 0.5),
        ({"scale_factor": 0.5, "mode": "bilinear"}, 2, 2),
        ({"size": 16, "mode": "bilinear"}, 2, 0.5),
    ],
)
def test_interpolation(options: dict[str, Any], field: int, jump: float) -> None:
    found = function(lambda x: F.interpolate(x, **options), 2, 8, 8)
    assert (found.op, found.receptive_field, found.jump) == ("interpolate", (field, field), (jump, jump))


STRIPS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "means": lambda y: y.mean(3, keepdim=True),
    "adaptive": lambda y: F.adaptive_avg_pool2d(y, (None, 1)),
    "as wide as the map": lambda y: F.avg_pool2d(y, (1, y.shape[3])),
    "maxima": lambda y: F.adaptive_max_pool2d(y, (y.shape[2], 1)),
}


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", STRIPS)
def test_pools_of_rows_that_are_resized_to_the_map_are_global_context(name: str, mode: str) -> None:
    """Strip pooling: behind a 3x3, a kernel of three rows, and another 3x3; the pool's reach grows with the input."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.a(x)
        return m.b(y * F.interpolate(m.rows(STRIPS[name](y)), size=y.shape[2:], mode=mode).sigmoid())  # type: ignore[no-any-return]

    rows = nn.Conv2d(4, 4, (3, 1), padding=(1, 0))
    parts = {"a": nn.Conv2d(3, 4, 3, padding=1), "b": nn.Conv2d(4, 4, 3, padding=1), "rows": rows}
    found = trace(Written(run, **parts), (3, 16, 16)).metrics
    assert (found.receptive_field_hw, found.global_context) == ((7, 5), True)

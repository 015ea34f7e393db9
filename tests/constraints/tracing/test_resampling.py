"""Interpolation: fields and jumps by hand."""

from __future__ import annotations

from typing import Any

import pytest
from torch.nn import functional as F

from tests.constraints.tracing.alone import function


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

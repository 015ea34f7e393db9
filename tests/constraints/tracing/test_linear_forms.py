"""What each operand of an elementwise operation is multiplied by, by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracing.linear_forms import coefficients
from tests.constraints.tracing.known import CONV, known

QUARTERS, UNEVEN = torch.full((3, 1, 1), 0.25), torch.arange(3.0).reshape(3, 1, 1)


@pytest.mark.parametrize(
    ("run", "found"),
    [
        (lambda y, z: y + z, [1, 1]),
        (lambda y, z: y + y, [1, 1]),
        (lambda y, z: torch.sub(y, z, alpha=3), [1, -3]),
        (lambda y, z: torch.rsub(y, z, alpha=3), [-3, 1]),
        (lambda y, z: 1 - y, [-1]),
        (lambda y, z: y + 4, [1]),
        (lambda y, z: y / 4, [0.25]),
        (lambda y, z: torch.true_divide(y, 4), [0.25]),
        (lambda y, z: y * QUARTERS, [0.25]),
        (lambda y, z: y * UNEVEN, [None]),
        (lambda y, z: y * z, [None, None]),
        (lambda y, z: y / z, [None, 0]),
        (lambda y, z: UNEVEN / y, [0]),
        (lambda y, z: torch.div(y, 4, rounding_mode="floor"), [0]),
        (lambda y, z: y.neg(), [-1]),
        (lambda y, z: y.exp(), [0]),
        (lambda y, z: torch.addcmul(y, z, QUARTERS, value=2), [1, 0.5]),
        (lambda y, z: torch.addcdiv(y, z, QUARTERS, value=2), [1, 8]),
        (lambda y, z: torch.addcdiv(QUARTERS, QUARTERS, y), [0]),
        (lambda y, z: torch.lerp(y, z, 0.25), [0.75, 0.25]),
        (lambda y, z: torch.lerp(y, z, QUARTERS), [0.75, 0.25]),
        (lambda y, z: torch.lerp(QUARTERS, z, 0.25), [0.25]),
        (lambda y, z: torch.ldexp(y, torch.tensor(-2)), [0.25]),
    ],
)
def test_the_coefficient_of_each_operand(run: Callable[..., Any], found: list[float | None]) -> None:
    last = known(lambda m, x: run(m.a(x), m.b(x)), a=CONV, b=CONV).calls[-1]
    assert coefficients(last, [v for v in last.inputs if v.depends]) == found


def test_a_constant_that_cannot_be_read_is_a_coefficient_that_is_not_known() -> None:
    weight = torch.empty(3, 1, 1, device="meta")
    last = known(lambda m, x: m.a(x.to("meta")) * weight, a=nn.Conv2d(3, 3, 1, device="meta")).calls[-1]
    (found,) = coefficients(last, [v for v in last.inputs if v.depends])
    assert found is not None
    assert math.isnan(found)

"""Truth values that are read one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracer import trace
from tests.constraints.tracing.known import CONV, known
from tests.constraints.written import Written


def gated(y: torch.Tensor, signs: Sequence[float]) -> torch.Tensor:
    return y * torch.tensor(signs).float()[None, :, None, None]


@pytest.mark.parametrize(
    "signs",
    [
        lambda y: [bool(t) for t in y.amax((2, 3))[0] > 0],
        lambda y: [1.0 if t > 0 else 0.0 for t in y.amax((2, 3))[0]],
        lambda y: (v := y.amax((2, 3)) > 0, [float(v[0, k].item()) for k in [0, 1, 2]])[1],
        lambda y: (v := y.amax((2, 3)), [bool((v[:, torch.tensor([k])] > 0).all()) for k in [0, 1, 2]])[1],
    ],
)
def test_those_of_several_elements_carry_what_they_were_computed_from(signs: Callable[..., Any]) -> None:
    model = Written(lambda m, x: gated(y := m.a(x), signs(y)), a=nn.Conv2d(3, 3, 3, padding=1))
    found = trace(model, (3, 8, 8)).metrics
    assert (found.max_pools, found.global_context) == (1, None)


@pytest.mark.parametrize(
    ("run", "values"),
    [
        (lambda y: [1 if t else 0 for t in y.mean((2, 3))[0] > 0], 2),  # the second and the third of three
        (lambda y: [1 if (y[0, k] > 0).any() else 0 for k in range(3)], 2),
        (lambda y: 1 if bool(y.max() < 9) and bool(y.min() > -9) else 0, 0),
        (lambda y: [1 if (y > 0)[0, 0, 4, 4] else 0 for _ in range(3)], 0),  # one element, three times
        (lambda y: [1 if c.relu().max() < 9 else 0 for c in (y, y + 1)], 0),  # of two tensors
        (lambda y: [1 if torch.equal(y[:, k], y[:, 0]) else 0 for k in [1, 2]], 2),
    ],
)
def test_from_the_second_element_on_they_are_values(run: Callable[..., Any], values: int) -> None:
    found = known(lambda m, x: (y := m.a(x), run(y))[0], a=CONV)
    assert len(found.read.values) == values
    assert len(found.read.decided) >= 1

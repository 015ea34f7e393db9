"""Whether code decides by a truth value, or calculates with it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracer import trace
from constraints.tracing.decisions import only_decides
from tests.constraints.written import Written


class Truth:
    """A truth value that looks at the code which reads it."""

    def __init__(self) -> None:
        self.found: bool | None = None

    def __bool__(self) -> bool:
        self.found = only_decides(sys._getframe(1))
        return True


def in_a_function(t: Truth) -> int:
    return 1 if returned(t) else 2


def returned(t: Truth) -> bool:
    return bool(t)


def in_a_variable(t: Truth) -> int:
    is_so = bool(t)
    if not is_so:
        return 1
    return 2 if is_so else 3


def calculated_later(t: Truth) -> int:
    is_so = bool(t)
    return 1 + is_so if is_so else 2


def kept(t: Truth) -> list[bool]:
    return [bool(t)]


def asserted(t: Truth) -> None:
    assert t


def in_a_message(t: Truth) -> str:
    is_so = bool(t)
    return "so" if is_so else f"not so: {is_so}"


def in_a_text(t: Truth) -> str:
    return f"{bool(t)}"


def beside_a_decision(t: Truth, other: bool = False) -> float:
    is_so = bool(t)
    return max(is_so, 2 if other else 1)


def in_a_number(t: Truth) -> str:
    return f"{bool(t):d}"


def while_it_holds(t: Truth) -> None:
    while t:
        break


@pytest.mark.parametrize(
    ("run", "decides"),
    [
        (lambda t: 1 if t else 2, True),
        (lambda t: 1 if not t else 2, True),
        (lambda t: 1 if bool(t) and not t else 2, True),
        (asserted, True),
        (while_it_holds, True),
        (in_a_function, True),
        (in_a_variable, True),
        (in_a_message, True),
        (in_a_text, True),
        (lambda t: 2 * bool(t), False),
        (lambda t: 2 * (not t), False),
        (lambda t: (bool(t) and 1) + 1, False),
        (calculated_later, False),
        (kept, False),
        (beside_a_decision, False),
        (in_a_number, False),
        (lambda t: float(bool(t)), False),
    ],
)
def test_only_jumps_decide(run: Callable[[Truth], object], decides: bool) -> None:
    truth = Truth()
    run(truth)
    assert truth.found is decides


CASES: dict[str, Callable[..., Any]] = {
    "int": lambda y: y * int(y.amax() > 0),
    "float": lambda y: y * float(y.amax() > 0),
    "product": lambda y: y * (2 * float(y.amax() > 0)),
    "bool": lambda y: y * bool(y.amax() > 0),
    "item": lambda y: y * (y.amax() > 0).item(),
    "not": lambda y: y * (not y.amax() > 0),
    "tensor": lambda y: y * torch.tensor(float(y.amax() > 0)),
    "fill": lambda y: y * torch.full((1,), int(y.amax() > 0)),
    "steps": lambda y: [y := y * 0.5 for _ in range(int(y.amax() > -99))][-1],
    "index": lambda y: y * [0.5, 0.25][int(y.amax() > -99)],
    "equal": lambda y: y + torch.equal(y.amax(), y.mean()),
}


@pytest.mark.parametrize("name", CASES)
def test_a_maximum_behind_a_truth_value_counts_where_code_calculates_with_it(name: str) -> None:
    found = trace(Written(lambda m, x: CASES[name](m.a(x)), a=nn.Conv2d(3, 3, 3, padding=1)), (3, 8, 8))
    assert found.metrics.max_pools == 1


def test_code_that_only_decides_leaves_all_metrics_known() -> None:
    def multiplied(m: Any, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = m.a(x)
        is_large = bool(y.amax() > 9)
        is_finite = torch.isfinite(y).all().item()
        if not is_finite:
            raise ValueError(f"finite: {is_finite}")
        return y * 3 if is_large else y * 2

    found = trace(Written(multiplied, a=nn.Conv2d(3, 3, 3, padding=1)), (3, 8, 8))
    assert (found.metrics.max_pools, dict(found.unknown)) == (0, {})

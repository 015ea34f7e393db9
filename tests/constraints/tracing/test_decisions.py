"""Whether code decides by a truth value, or calculates with it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracer import trace
from constraints.tracing.decisions import Use, use_of_truth
from tests.constraints.written import Written


class Truth:
    """A truth value that looks at the code which reads it."""

    def __init__(self) -> None:
        self.found: Use | None = None

    def __bool__(self) -> bool:
        self.found = use_of_truth(sys._getframe(1))
        return True

    def __lt__(self, other: object) -> Truth:
        return self


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


def either(t: Truth) -> int:
    is_so = bool(t) or not t
    return 1 if is_so else 2


def either_of(t: Truth, other: bool = False) -> bool:
    return bool(t) or other


def either_returned(t: Truth) -> int:
    if not either_of(t):
        return 1
    return 2


def assigned_within(t: Truth) -> str:
    if is_so := bool(t):
        return f"so: {is_so}"
    return ""


def checked(t: Truth) -> None:
    is_so = bool(t)
    torch._assert(is_so, "it is not so")
    torch._check(bool(t))


def shown(t: Truth) -> None:
    is_so = bool(t)
    print("so:", is_so)
    logging.getLogger(__name__).debug("so: %s", is_so)


def stored(t: Truth) -> None:
    kept = SimpleNamespace()
    kept.is_so = bool(t)
    if not kept.is_so:
        print("not so")


def stored_and_multiplied(t: Truth) -> Any:
    kept = SimpleNamespace()
    kept.is_so = bool(t)
    return 0.5 * kept.is_so


def listed(t: Truth) -> None:
    found = []
    found.append(bool(t))
    named: dict[str, bool] = {}
    named["so"] = bool(t)


def while_it_holds(t: Truth) -> None:
    while t:
        break


@pytest.mark.parametrize(
    ("run", "use"),
    [
        (lambda t: 1 if t else 2, "decides"),
        (lambda t: 1 if not t else 2, "decides"),
        (lambda t: 1 if bool(t) and not t else 2, "decides"),
        (asserted, "decides"),
        (while_it_holds, "decides"),
        (in_a_function, "decides"),
        (in_a_variable, "decides"),
        (in_a_message, "decides"),
        (in_a_text, "decides"),
        (lambda t: 2 * bool(t), "calculates"),
        (lambda t: 2 * (not t), "calculates"),
        (lambda t: (bool(t) and 1) + 1, "calculates"),
        (calculated_later, "calculates"),
        (kept, "calculates"),
        (beside_a_decision, "calculates"),
        (in_a_number, "calculates"),
        (lambda t: float(bool(t)), "calculates"),
        (lambda t: 1 if bool(bool(t)) is not False else 2, "decides"),
        (lambda t: 1 if bool(t) == True else 2, "decides"),  # noqa: E712
        (lambda t: (bool(t) == True) + 1, "calculates"),  # noqa: E712
        (either, "decides"),
        (either_returned, "decides"),
        (lambda t: 2 * either_of(t), "calculates"),
        (assigned_within, "decides"),
        (lambda t: 1 if (is_so := bool(t)) else 1 + is_so, "calculates"),
        (checked, "decides"),
        (shown, "decides"),
        (stored, "kept"),
        (stored_and_multiplied, "calculates"),
        (listed, "kept"),
        (lambda t: max(t, Truth()), "decides"),
        (lambda t: min(Truth(), t), "decides"),
        (lambda t: [max([t, Truth()])], "calculates"),
        (lambda t: max(bool(t), 0), "calculates"),
        (lambda t: print(0.5 * bool(t)), "calculates"),
    ],
)
def test_jumps_and_messages_decide(run: Callable[[Truth], object], use: Use) -> None:
    truth = Truth()
    run(truth)
    assert truth.found == use


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


class _Keeping(nn.Module):
    """A convolution, a step that reads a truth value, and arithmetic with numbers written in the code."""

    def __init__(self, step: Callable[[Any, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 3, 3, padding=1)
        self.step, self.flags = step, list[bool]()
        self.is_so = False

    def forward(self, x: torch.Tensor) -> Any:
        return self.step(self, self.a(x)) * 2 + 3

    def kept(self, y: torch.Tensor) -> torch.Tensor:
        self.is_so = bool(y.amax() > 0)
        return y

    def counted(self, y: torch.Tensor) -> torch.Tensor:
        self.flags.append(bool(y.amax() > 0))
        return y


def _contains(m: _Keeping, y: torch.Tensor) -> torch.Tensor:
    return y if 5.0 in y.mean() else y.relu()


def _larger(m: _Keeping, y: torch.Tensor) -> torch.Tensor:
    return max(y, y.mean(), key=torch.Tensor.numel)


@pytest.mark.parametrize("step", [_contains, _larger, _Keeping.kept, _Keeping.counted])
def test_numbers_that_cannot_be_truth_values_are_the_codes_own(step: Any) -> None:
    assert not dict(trace(_Keeping(step), (3, 8, 8)).unknown)


def _kept_factor(m: _Keeping, y: torch.Tensor) -> torch.Tensor:
    return m.kept(y) * m.is_so


def _kept_integer(m: _Keeping, y: torch.Tensor) -> torch.Tensor:
    return m.kept(y) * int(m.is_so)


def _kept_tensor(m: _Keeping, y: torch.Tensor) -> torch.Tensor:
    return m.kept(y) * torch.tensor(float(m.is_so))


def _last_flag(m: _Keeping, y: torch.Tensor) -> torch.Tensor:
    return m.counted(y) * m.flags[-1]


def _number_of_flags(m: _Keeping, y: torch.Tensor) -> torch.Tensor:
    return m.counted(m.counted(y)) * sum(m.flags)


@pytest.mark.parametrize("step", [_kept_factor, _kept_integer, _kept_tensor, _last_flag, _number_of_flags])
def test_a_kept_truth_value_that_multiplies_a_map_is_noticed(step: Any) -> None:
    metrics = trace(_Keeping(step), (3, 8, 8)).metrics
    assert metrics.max_pools == (2 if step is _number_of_flags else 1)
    assert metrics.global_context is not False

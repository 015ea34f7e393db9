"""Whether code decides by a truth value, or calculates with it."""

from __future__ import annotations

import dis
import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracer import trace
from constraints.tracing.attribute_loads import Load
from constraints.tracing.decisions import Use, use_of_truth
from tests.constraints.written import Written


def loads(name: str) -> list[Load] | None:
    """Where the functions of this file load an attribute; it is not seen in one case."""
    if name == "hidden":
        return None
    steps = [list(dis.get_instructions(f)) for f in (stored, stored_and_multiplied, returns_it, appends_it)]
    return [Load(one, at) for one in steps for at, s in enumerate(one) if s.opname == "LOAD_ATTR" and s.argval == name]


class Truth:
    """A truth value that looks at the code which reads it."""

    def __init__(self) -> None:
        self.found: Use | None = None

    def __bool__(self) -> bool:
        self.found = use_of_truth(sys._getframe(1), loads)
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
    print("so:", is_so, 1, flush=True)
    print("so:", end=f"{is_so}")
    logging.getLogger(__name__).debug("so: %s", is_so)


def stored(t: Truth) -> None:
    kept = SimpleNamespace()
    kept.is_so = bool(t)
    if not kept.is_so:
        print("not so")


def stored_and_multiplied(t: Truth) -> Any:
    kept = SimpleNamespace()
    kept.factor = bool(t)
    return 0.5 * kept.factor


def stored_elsewhere(t: Truth, name: str) -> None:
    kept = SimpleNamespace()
    if name == "factor":
        kept.factor = bool(t)
    elif name == "given":
        kept.given = bool(t)
    elif name == "again":
        kept.again = bool(t)
    elif name == "hidden":
        kept.hidden = bool(t)
    else:
        kept.unused = bool(t)


def returns_it(kept: Any) -> Any:
    return kept.given


def appends_it(kept: Any, found: list[bool]) -> None:
    found.append(kept.again)


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
        (stored, "decides"),
        (stored_and_multiplied, "calculates"),
        (lambda t: stored_elsewhere(t, "factor"), "calculates"),
        (lambda t: stored_elsewhere(t, "given"), "calculates"),
        (lambda t: stored_elsewhere(t, "again"), "kept"),
        (lambda t: stored_elsewhere(t, "hidden"), "calculates"),
        (lambda t: stored_elsewhere(t, "unused"), "decides"),
        (listed, "kept"),
        (lambda t: print("so:", [bool(t)], flush=True), "calculates"),
        (lambda t: sum([bool(t)], start=1), "calculates"),
        (lambda t: max(t, Truth()), "decides"),
        (lambda t: max(t, Truth(), key=lambda one: one), "decides"),
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


class _Flagged(nn.Module):
    """One method stores a truth value, and another one uses it."""

    def __init__(self, used: Callable[[Any, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.a, self.used, self.ok = nn.Conv2d(3, 3, 3, padding=1), used, False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.used(self, self.looked(self.a(x)))

    def looked(self, y: torch.Tensor) -> torch.Tensor:
        self.ok = bool(y.amax() > 0)
        return y


def _half(m: _Flagged, y: torch.Tensor) -> Any:
    return y * (0.5 * m.ok + 0.25)


def _by_name(m: _Flagged, y: torch.Tensor) -> Any:
    return y * (0.5 * getattr(m, "ok") + 0.25)  # noqa: B009


def _in_a_table(m: _Flagged, y: torch.Tensor) -> Any:
    return y * (0.5 * vars(m)["ok"] + 0.25)


def _by_a_made_name(m: _Flagged, y: torch.Tensor) -> Any:
    start = "o"
    return y * (0.5 * getattr(m, f"{start}k") + 0.25)


def _from_another_function(m: _Flagged, y: torch.Tensor) -> torch.Tensor:
    return y * (0.5 * _flag(m) + 0.25)


def _flag(m: _Flagged) -> bool:
    return m.ok


@pytest.mark.parametrize("used", [_half, _by_name, _in_a_table, _by_a_made_name, _from_another_function])
def test_a_truth_value_in_an_attribute_that_another_function_calculates_with_is_a_number(used: Any) -> None:
    metrics = trace(_Flagged(used), (3, 8, 8)).metrics
    assert metrics.max_pools == 1
    assert metrics.global_context is not False


def _by_a_branch(m: _Flagged, y: torch.Tensor) -> torch.Tensor:
    return y * 0.5 if m.ok else y * 0.25


def _said(m: _Flagged, y: torch.Tensor) -> torch.Tensor:
    if not m.ok:
        print("ok", m.ok)
    return y * 0.5


@pytest.mark.parametrize("used", [_by_a_branch, _said, lambda m, y: y * 0.5])
def test_one_that_code_only_decides_by_or_does_not_use_is_none(used: Any) -> None:
    found = trace(_Flagged(used), (3, 8, 8))
    assert (found.metrics.max_pools, found.metrics.global_context, dict(found.unknown)) == (0, False, {})

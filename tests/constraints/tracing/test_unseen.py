"""Code that can reach memory unseen, and code that cannot, are recognised."""

from __future__ import annotations

import ctypes
import dis
import sys
import types
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._C import _DisableTorchDispatch as Quiet

from constraints.tracing.unseen import has_ways


def _by_address(x: Tensor) -> float:
    return float(ctypes.c_float.from_address(x.data_ptr()).value)


class _Plain(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x)


class _Direct(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch._C.TensorBase.data_ptr(x)


class _Renamed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with Quiet():
            return x * x.sum()


class _Helped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * sum(_by_address(y) for y in x)


class _Heir(_Helped):
    pass


def _computed(x: Tensor) -> Any:
    return getattr(torch, "_" + "C".upper())


def _imported(x: Tensor) -> Any:
    return __import__("cty" + str(x.dim() and "pes"))


def _evaluated(x: Tensor) -> Any:
    return eval("x.sum()")


def _written(x: Tensor) -> Any:
    return getattr(torch, "_C")  # noqa: B009 (the text is what is found)


def _as_a_text(x: Tensor) -> Any:
    return sys.modules["torch._C"]


def _by_default(x: Tensor, find: Callable[..., Any] = getattr) -> Any:
    return find(torch, "".join(["_", "C"]))


def _around(language: Any) -> Callable[[Tensor], Any]:
    return lambda x: language.c_float


class _OfItself(nn.Module):
    """Looks up its own parts by names that it makes, and an attribute that is written out."""

    def forward(self, x: Tensor) -> Tensor:
        for i in range(2):
            x = getattr(self, f"layer{i}")(x)
        y: Tensor = x + getattr(x, "scale", 1) + getattr(x.grad, "scale", None) * getattr(x, "offset")  # noqa: B009
        return y


class _Given(nn.Module):
    def __init__(self, run: Callable[..., Any]) -> None:
        super().__init__()
        self.run = run


@pytest.mark.parametrize(
    ("module", "has"),
    [
        (_Plain(), False),
        (nn.Conv2d(3, 4, 3), False),
        (_Given(lambda x: x.sum()), False),
        (_Direct(), True),
        (_Renamed(), True),
        (_Helped(), True),
        (_Heir(), True),
        (_Given(_by_address), True),
        (_Given(Quiet), True),
        (_Given(_computed), True),
        (_Given(_imported), True),
        (_Given(_evaluated), True),
        (_Given(_written), True),
        (_Given(_as_a_text), True),
        (_Given(_by_default), True),
        (_Given(_around(ctypes)), True),
        (_Given(_around(None)), False),
        (_OfItself(), False),
    ],
)
def test_ways_are_found_in_what_code_names(module: nn.Module, has: bool) -> None:
    assert has_ways(nn.Sequential(nn.ReLU(), module).modules()) is has


def test_a_program_turns_tensors_into_numbers_by_itself() -> None:
    program = torch.jit.trace(  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.ReLU(), torch.ones(1)
    )
    assert has_ways([nn.Sequential(program), program])


def test_getattr_on_self_is_known_where_one_instruction_loads_two_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python 3.13 compiles ``getattr(self, name)``."""
    names: tuple[str, ...] = ("self", "name")

    def steps(code: types.CodeType) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(opname="LOAD_GLOBAL", argval="getattr")
        yield SimpleNamespace(opname="LOAD_FAST_LOAD_FAST", argval=names)
        yield SimpleNamespace(opname="CALL", argval=2)
        yield SimpleNamespace(opname="RETURN_VALUE", argval=None)

    class Named(nn.Module):
        def forward(self, x: torch.Tensor, name: str = "name") -> Any:
            return getattr(self, name)

    monkeypatch.setattr(dis, "get_instructions", steps)
    assert not has_ways([Named()])
    names = ("x", "name")

    class Other(Named):
        pass

    assert has_ways([Other()])

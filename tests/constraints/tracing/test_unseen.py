"""Code that has ways to memory which nothing shows is told from code that has none."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
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
    ],
)
def test_ways_are_found_in_what_code_names(module: nn.Module, has: bool) -> None:
    assert has_ways(nn.Sequential(nn.ReLU(), module).modules()) is has


def test_a_program_turns_tensors_into_numbers_by_itself() -> None:
    program = torch.jit.trace(  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.ReLU(), torch.ones(1)
    )
    assert has_ways([nn.Sequential(program), program])

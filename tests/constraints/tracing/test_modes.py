"""No mode outlives an exception."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from constraints.tracer import trace
from constraints.tracing.modes import modes_kept


class _Passing(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def test_a_mode_that_cannot_leave_is_taken_off() -> None:
    before = torch._C._len_torch_dispatch_stack()

    def stay() -> None:
        mode: Any = _Passing  # whose parts torch leaves untyped
        mode().__enter__()
        torch.set_grad_enabled(False)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), modes_kept():
        stay()
    assert torch._C._len_torch_dispatch_stack() == before
    assert torch.is_grad_enabled()


def test_a_model_that_recurses_without_end_leaves_no_mode() -> None:
    class Endless(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return self(torch.nn.functional.layer_norm(x, (8,)))

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    try:
        with pytest.raises(RecursionError):
            trace(Endless(), (3, 8, 8))
    finally:
        sys.setrecursionlimit(limit)
    assert torch._C._len_torch_dispatch_stack() == 0

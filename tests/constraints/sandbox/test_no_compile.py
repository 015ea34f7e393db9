"""Compiled models run as they are written."""

from typing import Any

import torch
from torch import nn

from constraints.sandbox.no_compile import uncompiled


def test_a_call_and_a_decorator_give_back_what_they_are_given() -> None:
    model, before = nn.Linear(2, 2), torch.compile
    compiled: Any = torch
    with uncompiled():
        assert compiled.compile(model, mode="max-autotune") is model

        @compiled.compile(dynamic=True)  # type: ignore[untyped-decorator]
        def double(x: int) -> int:
            return 2 * x

    assert double(2) == 4
    assert torch.compile is before

"""Restore torch's stacks of modes, also where an exception interrupts the exit of a mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import _python_dispatch as dispatch

_FLAGS = (
    "_is_in_torch_dispatch_mode",
    "_is_in_non_infra_torch_dispatch_mode",
    "_is_in_any_mode_without_ignore_compile_internals",
)
"""State that torch keeps in addition to its stack of dispatch modes."""


@contextmanager
def modes_kept() -> Iterator[None]:
    """Restore both stacks of modes, and whether gradients are enabled, at the end.

    The exit of a mode deep in a recursion may itself raise RecursionError, since it is Python code. The mode would then
    stay active for every later operation of this process.
    """
    dispatched, functions = torch._C._len_torch_dispatch_stack(), torch._C._len_torch_function_stack()
    flags = {name: getattr(dispatch, name) for name in _FLAGS if hasattr(dispatch, name)}
    gradients = torch.is_grad_enabled()
    try:
        yield
    finally:
        while torch._C._len_torch_dispatch_stack() > dispatched:
            torch._C._pop_torch_dispatch_stack(None)
        while torch._C._len_torch_function_stack() > functions:
            torch._C._pop_torch_function_stack()
        vars(dispatch).update(flags)
        if set_flag := getattr(dispatch, "set_is_in_mode_without_ignore_compile_internals", None):  # torch 2.12 on
            set_flag(flags[_FLAGS[2]])
        torch.set_grad_enabled(gradients)

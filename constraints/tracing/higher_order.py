"""Run operators that take functions (``torch.cond``, flex attention) so that the functions' operations are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch

from constraints.faults import calls_user_code


def is_higher_order(func: Any) -> bool:
    """Whether an operator takes functions, and so has no schema."""
    return isinstance(func, torch._ops.HigherOrderOperator)


@calls_user_code
def run_in_parts(
    func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], recording: AbstractContextManager[object]
) -> Any:
    """The result of an operator, with its functions run under ``recording``; unrecorded where that is not possible."""
    kernel = func.py_kernels.get(torch._C.DispatchKey.CompositeExplicitAutograd)
    if func.name() == "cond":
        kernel = _branch  # torch's own implementation raises under a mode
    if kernel is None:
        return func(*args, **kwargs)
    with recording:
        return kernel(*args, **kwargs)


@calls_user_code
def _branch(condition: Any, if_true: Any, if_false: Any, operands: tuple[Any, ...] = ()) -> Any:
    return if_true(*operands) if condition else if_false(*operands)

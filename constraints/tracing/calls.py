"""How operations are handled; no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from constraints.tracing.values import Call, Flow, Views

Result = tuple[Views, Flow]
"""What a rule says of the result of a call."""
Results = list[Result]
"""The same for an operation with several results."""


class Operation(NamedTuple):
    """How an operation of the dispatcher is handled."""

    rule: Callable[[Call], Any]
    label: str
    """The name that people know it by."""
    cost: Callable[[Call], None] | None = None
    """Of one that multiplies tensors: writes down its multiplications, whatever its operands come from."""
    apart: Callable[[Call], int] | None = None
    """Of one that may treat the indices of an axis each by itself: how many axes, the last ones, it mixes."""

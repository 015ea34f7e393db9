"""How operations are handled; no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from constraints.tracing.values import Call, Flow, Views

Result = tuple[Views, Flow]
"""What a rule returns for the result of a call."""
Results = list[Result]
"""What a rule returns for an operation with several results."""


class Operation(NamedTuple):
    """How an operation of the dispatcher is handled."""

    rule: Callable[[Call], Any]
    """What it returns of a call: a result or several; None where it does not know."""
    label: str
    """Its common name, for messages."""
    cost: Callable[[Call], None] | None = None
    """For an operation that multiplies tensors: records its MACs, whether or not its operands depend on the input."""
    apart: Callable[[Call], int] | None = None
    """For an operation that treats the indices of some axes independently: the number of last axes that it mixes."""

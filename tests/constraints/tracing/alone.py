"""One operation run alone."""

from __future__ import annotations

from typing import Any

from torch import nn

from constraints.metrics import Layer
from constraints.tracer import trace
from tests.constraints.written import Written


def layer(model: nn.Module, *shape: int) -> Layer:
    """The only operation of the model."""
    (found,) = trace(model, shape).layers
    return found


def function(run: Any, *shape: int) -> Layer:
    return layer(Written(lambda m, x: run(x)), *shape)

"""Parts of a model that something of a missing module has made, whose parameters are unknown."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from constraints.model_state import named_modules
from constraints.sandbox.standins import absent_path, absent_reason

_NO_PARAMETERS = ("torchmetrics.", "pytorch_lightning.metrics.")
"""Packages whose objects have no parameters."""


def absent_parts(model: nn.Module) -> Iterator[str]:
    """A warning for each attribute of a module that a missing class or function has made.

    It may have parameters, which would count in ``params`` although the forward pass does not use it.
    """
    for path, module in named_modules(model).items():
        for name, value in vars(module).items():
            made_by = absent_path(value)
            if "(" in made_by and not made_by.startswith(_NO_PARAMETERS):
                part = f"{path}.{name}" if path else name
                yield f"{part}: not in params, if it has parameters: it is made by {absent_reason(value)}"

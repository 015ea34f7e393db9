"""``launch --start`` in the child process: reads a user's model as an architecture."""

from __future__ import annotations

from typing import Any

from constraints.sandbox.child import Checked
from constraints.sandbox.request import Request
from nas.architecture.module_import import from_module

FOLLOW_UP = f"{__name__}:written"


def written(checked: Checked, request: Request) -> dict[str, Any]:
    """The text of the architecture that the model computes; UnusableInputError where it cannot be written as one."""
    return {"architecture": str(from_module(checked.model, request.inputs[0].shape))}

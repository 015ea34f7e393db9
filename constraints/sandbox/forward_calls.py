"""The child's side of ``validate --patch`` for edits of a forward pass: where the user's code calls what changes."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

import torch

from constraints.checker import examined
from constraints.edits import applied
from constraints.errors import UnusableInputError
from constraints.forward_edits import PARAMETERS, ForwardEdit, noting
from constraints.sandbox.child import Checked
from constraints.sandbox.constructions import Call, calls_at
from constraints.source_edits import CallEdit, call_at

_LAYERS = str(Path(torch.__file__).parent / "nn" / "modules")
_HANDS_ON = str(Path(torch.__file__).parent)


def calls_in_forward(
    checked: Checked, edit: ForwardEdit, file: str, tree: Callable[[str], ast.Module]
) -> dict[Call, CallEdit]:
    """What becomes of each call in ``file`` that an edit of the forward pass changes.

    Raises UnusableInputError where such a call is made elsewhere, or not by its name, or changes at some times alone.
    """
    changed = _calls(checked, edit)
    if edit.number is not None and set(changed) & set(_calls(checked, replace(edit, number=None), but=edit.number)):
        raise UnusableInputError("a call in the forward pass would change at one of the times at which it is made")
    if not changed:
        raise UnusableInputError("the call in the forward pass that would change was not seen")
    found = {}
    for call, name in changed.items():
        node = call_at(tree(call.file), call.position)
        where, new = f"{Path(call.file).name}:{call.position.line}", edit.functions[name]
        if os.path.realpath(call.file) != file:
            raise UnusableInputError(f"what would change is called in another file: {where}")
        if ast.unparse(node.func).split(".")[-1] != name:
            raise UnusableInputError(f"{ast.unparse(node.func)}, which {where} calls, is not called {name}")
        found[call] = CallEdit(
            position=call.position, parameters=PARAMETERS[name], arguments=edit.arguments,
            function=new if new != name else "", kept=PARAMETERS[new],
        )  # fmt: skip
    return found


def _calls(checked: Checked, edit: ForwardEdit, but: int | None = None) -> dict[Call, str]:
    """The calls that an edit changes, each with the name of its function; all but the one of number ``but``."""
    found: dict[Call, str] = {}
    numbers = iter(range(sys.maxsize))

    def noted(name: str) -> None:
        if next(numbers) != but:
            with nullcontext() if but is None else suppress(UnusableInputError):  # of others it does not matter
                found[_in_forward(sys._getframe(2), name)] = name

    of_layers = tuple(other for other in checked.report.change if other.layer)
    with applied(checked.model, of_layers), noting(edit, noted):
        next(examined(checked.model, replace(checked.question, fixes_seconds=0.0, verify=False)))
    return found


def _in_forward(frame: FrameType | None, name: str) -> Call:
    """The user's call by which a function of torch runs; raises UnusableInputError where one of torch's layers does."""
    while frame is not None and frame.f_code.co_filename.startswith(_HANDS_ON):
        if frame.f_code.co_filename.startswith(_LAYERS):
            raise UnusableInputError(f"{name} is called by a layer whose class is not torch's own")
        frame = frame.f_back
    found = calls_at(frame)
    if not found:
        raise UnusableInputError(f"no line of a file is known that calls {name}")
    return found[0]

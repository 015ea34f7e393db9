"""The child's side of ``validate --patch`` for edits of a forward pass: find the user's calls that change."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from constraints.call_syntax import argument, call_at
from constraints.checker import examined
from constraints.edits import Edit, applied, words
from constraints.errors import UnusableInputError
from constraints.forward_edits import CONVOLUTIONS, PARAMETERS, ForwardEdit, is_of_a_layer, noting, users_frame
from constraints.sandbox.child import Checked
from constraints.sandbox.constructions import Cells, UserCall, calls_at
from constraints.sandbox.user_file import is_constant
from constraints.source_edits import CallEdit


def calls_in_forward(
    checked: Checked, edits: Sequence[Edit], file: str, tree: Callable[[str], ast.Module]
) -> dict[UserCall, CallEdit]:
    """The new text of each call in ``file`` that edits of the forward pass change.

    Raises UnusableInputError for a call in another file, one not made by the function's name, or one that would
    have to change in some of its executions only.
    """
    made: dict[UserCall, CallEdit] = {}
    for edit in _merged(edits):
        found = _of_edit(checked, edit, file, tree)
        if set(found) & set(made):
            raise UnusableInputError(f"one call would change twice: {words(tuple(edits))}")
        made |= found
    return made


def _merged(edits: Sequence[Edit]) -> list[ForwardEdit]:
    """The edits of the forward pass: those of one call merged, and calls that change in the same way together."""
    whole, single = list[ForwardEdit](), dict[tuple[object, ...], ForwardEdit]()
    for edit in edits:
        new = edit.in_forward
        if new is None:
            raise UnusableInputError(f"no single call can be changed for this: {words((edit,))}")
        if new.numbers is None:
            whole.append(new)
        for number in new.numbers or ():
            key = (*new.functions.items(), new.of_layers, number)
            before = single[key].arguments if key in single else {}
            single[key] = replace(new, numbers=frozenset({number}), arguments={**before, **new.arguments})
    merged: list[ForwardEdit] = []
    for one in single.values():
        same = next((other for other in merged if replace(other, numbers=one.numbers) == one), None)
        if same is None or same.numbers is None or one.numbers is None:
            merged.append(one)
        else:
            merged[merged.index(same)] = replace(same, numbers=same.numbers | one.numbers)
    return [*whole, *merged]


def _of_edit(
    checked: Checked, edit: ForwardEdit, file: str, tree: Callable[[str], ast.Module]
) -> dict[UserCall, CallEdit]:
    changed = _calls(checked, edit)
    if not changed:
        raise UnusableInputError("the call in the forward pass that would change was not seen")
    others = replace(edit, numbers=None, excluded=edit.numbers) if edit.numbers is not None else None
    for call in _calls(checked, others, is_strict=False) if others else ():
        if call in changed:
            where = f"{Path(call.file).name}:{call.position.line}"
            what = "write one call for each, or layers such as nn.Conv2d"
            raise UnusableInputError(f"the call at {where} runs several times, and not all of them change: {what}")
    return {call: _edited(call, name, edit, file, tree) for call, name in changed.items()}


def _edited(call: UserCall, name: str, edit: ForwardEdit, file: str, tree: Callable[[str], ast.Module]) -> CallEdit:
    node = call_at(tree(call.file), call.position)
    where, new = f"{Path(call.file).name}:{call.position.line}", edit.functions[name]
    if os.path.realpath(call.file) != file:
        raise UnusableInputError(f"what would change is called in another file: {where}")
    if ast.unparse(node.func).split(".")[-1] != name:
        raise UnusableInputError(f"{where} calls {ast.unparse(node.func)}, not {name}")
    for changed in edit.arguments if name in CONVOLUTIONS else ():
        given = argument(node, PARAMETERS[name], changed)
        if given is not None and not is_constant(given):
            raise UnusableInputError(f"{changed} is {ast.unparse(given)}, not a number: {where}")
    return CallEdit(
        position=call.position, parameters=PARAMETERS[name], arguments=edit.arguments,
        function=new if new != name else "", kept=PARAMETERS[new],
    )  # fmt: skip


def _calls(checked: Checked, edit: ForwardEdit, *, is_strict: bool = True) -> dict[UserCall, str]:
    """The calls that an edit changes, with their functions' names; where not strict, calls not found are left out."""
    found: dict[UserCall, str] = {}

    def noted(name: str) -> None:
        with nullcontext() if is_strict else suppress(UnusableInputError):
            found[_in_forward(sys._getframe(2), name, checked.made.cells)] = name

    of_layers = tuple(other for other in checked.report.change if other.layer)
    with applied(checked.model, of_layers), noting(edit, noted):
        next(examined(checked.model, replace(checked.question, fixes_seconds=0.0, verify=False)))
    return found


def _in_forward(frame: FrameType | None, name: str, cells: Cells) -> UserCall:
    """The user's call of a function of torch; raises UnusableInputError where a layer's own code calls it instead."""
    frame = users_frame(frame)
    if is_of_a_layer(frame):
        raise UnusableInputError(f"{name} is called by a layer whose class is not torch's own")
    found = calls_at(frame, cells)
    if not found:
        raise UnusableInputError(f"no line of a file is known that calls {name}")
    return found[0]

"""The child's side of ``validate --patch``: which calls of the user's file make the layers that a fix changes."""

from __future__ import annotations

import ast
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from constraints.checker import examined
from constraints.edits import Change, Edit, applied
from constraints.errors import UnusableInputError
from constraints.sandbox.child import Checked
from constraints.sandbox.constructions import Call
from constraints.sandbox.request import Request
from constraints.sandbox.source import NOTEBOOK
from constraints.source_edits import CallEdit, argument, call_at, edited

_SELF = ("self", "cls")


def patched(checked: Checked, request: Request) -> dict[str, Any]:
    """The text of the target's file with the edits of ``fix_all``, and the layers that it must then have.

    Raises UnusableInputError for an edit that is no change of a call in that file which makes this layer alone.
    """
    file, change = request.target.file, checked.report.change
    if file is None or file.suffix == NOTEBOOK:
        raise UnusableInputError(f"{request.target.place} is no .py file: name one")
    text = file.read_bytes().decode()
    found = _Calls(checked=checked, file=os.path.realpath(file), change=change)
    new = edited(text, found.edits())
    with applied(checked.model, change):
        after = next(examined(checked.model, checked.question))
    return {"source": new, "layers": [layer.as_dict() for layer in after.layers]}


@dataclass(frozen=True, kw_only=True)
class _Calls:
    """The calls that made a model's modules."""

    checked: Checked
    file: str
    change: Change
    trees: dict[str, ast.Module] = field(default_factory=dict)

    def edits(self) -> list[CallEdit]:
        """One for each call that changes."""
        made: dict[Call, CallEdit] = {}
        for layer in dict.fromkeys(edit.layer for edit in self.change):
            edits = [edit for edit in self.change if edit.layer == layer]
            if not layer:
                raise UnusableInputError(f"no call makes what would change: {edits[0].text}")
            call, edit = self._of_layer(layer, self.checked.model.get_submodule(layer), edits)
            if made.get(call, edit).arguments != edit.arguments or (call in made and edit.rewrites):
                raise UnusableInputError(
                    f"layer {layer} is made by the call at line {call.position.line} as others are"
                )
            made[call] = edit
        return list(made.values())

    def _of_layer(self, layer: str, module: nn.Module, edits: Sequence[Edit]) -> tuple[Call, CallEdit]:
        calls = self.checked.made.calls(module)
        if not calls:
            raise UnusableInputError(f"no call in {self.file} is known that makes layer {layer}")
        wanted = {name: _plain(value) for edit in edits if not edit.rewrite for name, value in edit.arguments.items()}
        parameters = tuple(inspect.signature(type(module)).parameters)
        if any(edit.rewrite for edit in edits):
            if os.path.realpath(calls[0].file) != self.file or self._made_by(calls[:1]) != {layer}:
                where = f"{Path(calls[0].file).name}:{calls[0].position.line}"
                raise UnusableInputError(f"layer {layer} is made by a call that makes others too: {where}")
            rewrites = tuple(self._rewrites(module, edits, calls[0]))
            return calls[0], CallEdit(
                position=calls[0].position, parameters=parameters, arguments=wanted, rewrites=rewrites
            )
        alike = {e.layer for e in self.change if [(e.text, e.arguments)] == [(o.text, o.arguments) for o in edits]}
        outermost: tuple[Call, CallEdit] | None = None  # of those that make layers that all change in the same way
        for level, call in enumerate(calls):
            layers = self._made_by(calls[: level + 1])
            if os.path.realpath(call.file) == self.file and layers <= alike | {layer}:
                outermost = call, CallEdit(position=call.position, parameters=parameters, arguments=wanted)
                if layers == {layer}:
                    return outermost
            try:
                wanted = self._handed_on(call, parameters, wanted, layer)
            except UnusableInputError:
                if outermost:
                    return outermost
                raise
            parameters = tuple(name for name in call.parameters if name not in _SELF)
        raise UnusableInputError(f"no call in {self.file} makes layer {layer} alone")

    def _made_by(self, calls: Sequence[Call]) -> set[str]:
        """Names of the model's modules that were made by these calls, the innermost first."""
        made = self.checked.made
        return {
            name
            for name, module in self.checked.model.named_modules()
            if made.calls(module)[: len(calls)] == tuple(calls)
        }

    def _handed_on(
        self, call: Call, parameters: Sequence[str], wanted: Mapping[str, Any], layer: str
    ) -> dict[str, Any]:
        """The parameters of the function around a call by which it gets the wanted arguments, with their values.

        An argument that is worked out of several, as a padding is, is left to follow them.
        """
        node, found = call_at(self._tree(call.file), call.position), dict[str, Any]()
        where = f"{Path(call.file).name}:{call.position.line}"
        for name, value in wanted.items():
            given = argument(node, parameters, name)
            if isinstance(given, ast.Name) and given.id in call.parameters:
                if found.setdefault(given.id, value) != value:
                    raise UnusableInputError(
                        f"layer {layer}: {given.id} would be {found[given.id]} and {value}: {where}"
                    )
            elif given is None or isinstance(given, ast.Constant):
                reason = f"the call that makes it makes others too, and none of its parameters sets {name}"
                raise UnusableInputError(f"layer {layer}: {reason}: {where}")
        if not found:
            raise UnusableInputError(f"layer {layer} is made by a call that makes others too: {where}")
        return found

    def _rewrites(self, module: nn.Module, edits: Sequence[Edit], call: Call) -> Iterator[Any]:
        """What each edit writes in place of the call, which is of the layer's own class."""
        node = call_at(self._tree(call.file), call.position)
        callee, name = ast.unparse(node.func), type(module).__name__
        if not callee.endswith(name):
            raise UnusableInputError(f"{callee} at line {call.position.line} is not called {name}")
        for edit in edits:
            if edit.rewrite:
                yield partial(edit.rewrite, module, callee.removesuffix(name))
            else:
                module = edit.make(module)

    def _tree(self, file: str) -> ast.Module:
        if file not in self.trees:
            self.trees[file] = ast.parse(Path(file).read_bytes())
        return self.trees[file]


def _plain(value: Any) -> Any:
    """One number where all axes have the same."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value

"""The child's side of ``validate --patch``: which calls of the user's file make the layers that a fix changes."""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from constraints.edits import Change, Edit
from constraints.errors import UnusableInputError
from constraints.model_state import parts
from constraints.sandbox.child import Checked
from constraints.sandbox.constructions import Call
from constraints.sandbox.forward_calls import calls_in_forward
from constraints.sandbox.notebooks import tree_of
from constraints.sandbox.passing import Passing
from constraints.sandbox.user_file import UserFile, is_constant, partials
from constraints.sites import CONVS, one
from constraints.source_edits import CallEdit, Piece, Written, argument, call_at, imported_as

_SELF = ("self", "cls")
_CHANGED = "is_changed"
"""What a parameter is called that chooses what replaces a call."""
_OPTIONS = frozenset({"stride", "padding", "dilation", "groups", "padding_mode"})


@dataclass(frozen=True, kw_only=True)
class LayerCalls:
    """The calls that made a model's modules."""

    checked: Checked
    file: str
    change: Change
    text: str
    more: list[Piece] = field(default_factory=list)
    """What changes besides calls."""
    trees: dict[str, ast.Module] = field(default_factory=dict)

    def edits(self) -> list[CallEdit]:
        """One for each call that changes."""
        made: dict[Call, CallEdit] = {}
        left: dict[str, UnusableInputError] = {}
        for layer in dict.fromkeys(edit.layer for edit in self.change):
            edits = [edit for edit in self.change if edit.layer == layer]
            if not layer:
                made |= calls_in_forward(self.checked, edits, self.file, self._tree)
                continue
            try:
                call, edit = self._of_layer(layer, parts(self.checked.model).modules[layer], edits)
                if made.get(call, edit).arguments != edit.arguments or (call in made and edit.rewrites):
                    raise UnusableInputError(
                        f"layer {layer} is made by the call at line {call.position.line} as others are"
                    )
            except UnusableInputError as error:
                left[layer] = error
            else:
                made[call] = edit
        return self._with(made, left) if left else list(made.values())

    def _with(self, made: Mapping[Call, CallEdit], left: Mapping[str, UnusableInputError]) -> list[CallEdit]:
        """The edits together with those that tell layers of one call apart; where there are none, raises the first."""
        try:
            passing = self._passed_on(list(left))
            both = set(made) & set(passing.calls)
            if any(made[call].rewrites or passing.calls[call].rewrites for call in both):
                raise UnusableInputError("a call would be rewritten and given arguments")
            self.more.extend(passing.pieces())
        except UnusableInputError as error:
            raise UnusableInputError(_both(next(iter(left.values())), error)) from error
        merged = {
            call: replace(made[call], arguments={**made[call].arguments, **passing.calls[call].arguments})
            for call in both
        }
        return list({**made, **passing.calls, **merged}.values())

    def _passed_on(self, layers: Sequence[str]) -> Passing:
        """New values, handed on to these layers alone; a layer that is rewritten is so where a condition holds."""
        modules = parts(self.checked.model).modules
        seen = {name: levels for name, module in modules.items() if (levels := self.checked.made.levels(module))}
        passing = Passing(source=UserFile(self.file, self.text), layers=seen, parameters_of=self._all_parameters)
        values: dict[str, dict[str, str]] = {}
        rewritten: dict[Call, list[str]] = {}
        for layer in layers:
            if layer not in seen:
                raise UnusableInputError(f"no call is known that makes layer {layer}")
            edits, module = [edit for edit in self.change if edit.layer == layer], modules[layer]
            if any(edit.rewrite for edit in edits):
                rewritten.setdefault(seen[layer][0].call, []).append(layer)
                continue
            wanted = _wanted(module, edits)
            passing.check_settled(layer, {o for e in edits for n in wanted for o in (n, *e.worked_out_of.get(n, ()))})
            for name, value in wanted.items():
                values.setdefault(name, {})[layer] = repr(value)
        for name, of_layers in values.items():
            passing.give(name, of_layers, self._default(next(iter(of_layers)), name), set(values) - {name})
        for call, names in rewritten.items():
            passing.calls[call] = self._rewritten(passing, call, names)
        return passing

    def _rewritten(self, passing: Passing, call: Call, layers: Sequence[str]) -> CallEdit:
        """The call with what replaces it where it makes some layers."""
        self._check_here(layers[0], call)
        first, *others = ([e for e in self.change if e.layer == layer] for layer in layers)
        kind = {type(parts(self.checked.model).modules[layer]) for layer in layers}
        alike = all([e.text for e in other] == [e.text for e in first] for other in others) and len(kind) == 1
        if not alike or call in passing.calls or not all(e.rewrite for e in first):
            raise UnusableInputError(f"the call at line {call.position.line} would change in several ways")
        condition = passing.condition(layers, _CHANGED)
        module = parts(self.checked.model).modules[layers[0]]
        rewrites = tuple(self._rewrites(module, first, call))

        def chosen(text: str, written: Written) -> str:
            new = text
            for rewrite in rewrites:
                new = rewrite(new, written)
            return new if condition == str(True) else f"({new} if {condition} else {text})"

        parameters = tuple(self._all_parameters(layers[0]))
        return CallEdit(position=call.position, parameters=parameters, rewrites=(chosen,))

    def _default(self, layer: str, name: str) -> str:
        """What an argument of a layer is where the call that makes it leaves it out."""
        module = parts(self.checked.model).modules[layer]
        called = _called(module, self.checked.made.calls(module)[0])
        return repr(inspect.signature(called).parameters[name].default)

    def _all_parameters(self, layer: str) -> Sequence[str]:
        module = parts(self.checked.model).modules[layer]
        used = _OPTIONS if isinstance(module, CONVS) else frozenset[str]()
        return self._parameters(module, self.checked.made.calls(module)[0], used)

    def _of_layer(self, layer: str, module: nn.Module, edits: Sequence[Edit]) -> tuple[Call, CallEdit]:
        calls = self.checked.made.calls(module)
        if not calls:
            raise UnusableInputError(f"no call in {self.file} is known that makes layer {layer}")
        wanted = _wanted(module, edits)
        depends = {name: {name, *(other for e in edits for other in e.worked_out_of.get(name, ()))} for name in wanted}
        is_rewritten = any(edit.rewrite for edit in edits)
        used = _OPTIONS if is_rewritten else set().union(*depends.values()) & _OPTIONS
        parameters = self._parameters(module, calls[0], used)
        if is_rewritten:
            self._check_here(layer, calls[0])
            if self._made_by(calls[:1]) != {layer}:
                where = f"{Path(calls[0].file).name}:{calls[0].position.line}"
                raise UnusableInputError(f"layer {layer} is made by a call that makes others too: {where}")
            if reason := self._unsettled(calls[0], parameters, depends):
                raise UnusableInputError(f"layer {layer}: {reason}")
            rewrites = tuple(self._rewrites(module, edits, calls[0]))
            return calls[0], CallEdit(
                position=calls[0].position, parameters=parameters, arguments=wanted, rewrites=rewrites
            )
        alike = {e.layer for e in self.change if [(e.text, e.arguments)] == [(o.text, o.arguments) for o in edits]}
        outermost: tuple[Call, CallEdit] | None = None  # of those that make layers that all change in the same way
        reason = ""
        for level, call in enumerate(calls):
            layers = self._made_by(calls[: level + 1])
            is_here = os.path.realpath(call.file) == self.file and layers <= alike | {layer}
            if is_here and not (reason := self._unsettled(call, parameters, depends)):
                outermost = call, CallEdit(position=call.position, parameters=parameters, arguments=wanted)
                if layers == {layer}:
                    return outermost
            try:
                wanted, depends = self._handed_on(call, parameters, wanted, depends, layer)
            except UnusableInputError as error:
                if outermost:
                    return outermost
                raise UnusableInputError(f"layer {layer}: {reason}" if reason else str(error)) from error
            parameters = tuple(name for name in call.parameters if name not in _SELF)
        raise UnusableInputError(
            f"layer {layer}: {reason}" if reason else f"no call in {self.file} makes layer {layer} alone"
        )

    def _check_here(self, layer: str, call: Call) -> None:
        """Raise UnusableInputError for a call that another file makes, whose lines are not the target's."""
        if os.path.realpath(call.file) != self.file:
            where = f"{os.path.relpath(call.file)}:{call.position.line}"
            raise UnusableInputError(f"layer {layer} is made in another file: {where}: take --fix OUT.py")

    def _parameters(self, module: nn.Module, call: Call, used: Set[str]) -> tuple[str, ...]:
        """Those of what makes a module; raises UnusableInputError where more than the call gives it ``used`` ones."""
        node, signature = self._node(call), inspect.signature(_called(module, call)).parameters
        is_lazy = ast.unparse(node.func).endswith(f"Lazy{type(module).__name__}")  # which has no in_channels
        parameters = tuple(name for name in signature if name not in _SELF)[1 if is_lazy else 0 :]
        for name in sorted(used & set(signature)) if isinstance(module, CONVS) else ():
            if argument(node, parameters, name) is None and one(getattr(module, name)) != signature[name].default:
                raise UnusableInputError(f"{ast.unparse(node)} at line {node.lineno} is not all that gives {name}")
        return parameters

    def _node(self, call: Call) -> ast.Call:
        """A call in the source; raises UnusableInputError where a ``partial`` is called."""
        tree = self._tree(call.file)
        node = call_at(tree, call.position)
        callee = ast.unparse(node.func)
        module = next((m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == call.file), None)
        called = vars(module).get(callee) if module else None
        if isinstance(called, partial) or callee.split(".")[-1] in partials(tree):
            place = f"{Path(call.file).name}:{node.lineno}"
            raise UnusableInputError(f"{callee}, which {place} calls, is a partial: write the call out")
        return node

    def _unsettled(self, call: Call, parameters: Sequence[str], depends: Mapping[str, set[str]]) -> str:
        """Why new values may be those of this run alone: an argument that they depend on is no constant."""
        node = self._node(call)
        for name in sorted(set().union(*depends.values())):
            given = argument(node, parameters, name)
            if given is not None and not is_constant(given):
                return f"{name} is {ast.unparse(given)}, no constant: {Path(call.file).name}:{node.lineno}"
        return ""

    def _made_by(self, calls: Sequence[Call]) -> set[str]:
        """Names of the model's modules that were made by these calls, the innermost first."""
        made = self.checked.made
        return {
            name
            for name, module in parts(self.checked.model).modules.items()
            if made.calls(module)[: len(calls)] == tuple(calls)
        }

    def _handed_on(
        self,
        call: Call,
        parameters: Sequence[str],
        wanted: Mapping[str, Any],
        depends: Mapping[str, set[str]],
        layer: str,
    ) -> tuple[dict[str, Any], dict[str, set[str]]]:
        """The parameters of the function around a call by which it gets the wanted arguments.

        Each with its value; and with those others on which that depends.

        An argument that is worked out of several, as a padding is, is left to follow them.
        """
        node, found, others = self._node(call), dict[str, Any](), dict[str, set[str]]()
        where = f"{Path(call.file).name}:{call.position.line}"
        for name, value in wanted.items():
            given = argument(node, parameters, name)
            if isinstance(given, ast.Name) and given.id in call.parameters:
                if found.setdefault(given.id, value) != value:
                    raise UnusableInputError(
                        f"layer {layer}: {given.id} would be {found[given.id]} and {value}: {where}"
                    )
                others.setdefault(given.id, set()).update(_names(node, parameters, depends[name], call, where))
            elif given is None or isinstance(given, ast.Constant):
                reason = f"the call that makes it makes others too, and none of its parameters sets {name}"
                raise UnusableInputError(f"layer {layer}: {reason}: {where}")
        if not found:
            raise UnusableInputError(f"layer {layer} is made by a call that makes others too: {where}")
        return found, others

    def _rewrites(self, module: nn.Module, edits: Sequence[Edit], call: Call) -> Iterator[Any]:
        """What each edit writes in place of the call, which is of the layer's own class."""
        callee, name = ast.unparse(self._node(call).func), type(module).__name__
        if callee.split(".")[-1] != name:
            raise UnusableInputError(f"{callee} at line {call.position.line} is not called {name}")
        is_own = not type(module).__module__.startswith("torch.nn.")
        nn_ = f"{imported_as(self._tree(call.file), 'torch.nn')}." if is_own else callee.removesuffix(name)
        for edit in edits:
            if edit.rewrite:
                yield partial(edit.rewrite, module, nn_)
            else:
                module = edit.make(module)

    def _tree(self, file: str) -> ast.Module:
        if file not in self.trees:
            self.trees[file] = tree_of(Path(file))
        return self.trees[file]


def _both(*reasons: UnusableInputError) -> str:
    """Why an edit is written neither in a call of the layer's own nor in one that it shares."""
    first, second = map(str, reasons)
    return first if second in first or first in second else f"{first}; {second}"


def _wanted(module: nn.Module, edits: Sequence[Edit]) -> dict[str, Any]:
    """The arguments of a layer that change, with their new values."""
    found = {name: one(value) for edit in edits if not edit.rewrite for name, value in edit.arguments.items()}
    return {name: value for name, value in found.items() if one(getattr(module, name)) != value}


def _names(node: ast.Call, parameters: Sequence[str], names: set[str], call: Call, where: str) -> Iterator[str]:
    """The parameters of the function around a call by which it gets these arguments, constants left out."""
    for name in names:
        given = argument(node, parameters, name)
        if isinstance(given, ast.Name) and given.id in call.parameters:
            yield given.id
        elif given is not None and not is_constant(given):
            raise UnusableInputError(f"{name} is {ast.unparse(given)}, no constant: {where}")


def _called(module: nn.Module, call: Call) -> Any:
    """What a call calls that makes a module: its class, or within the constructor of that the one of a base class."""
    kinds = type(module).__mro__
    for at, kind in enumerate(kinds):
        if getattr(vars(kind).get("__init__"), "__code__", None) is call.code:
            return next(vars(base)["__init__"] for base in kinds[at + 1 :] if "__init__" in vars(base))
    return type(module)

"""The child's side of ``validate --patch``: which calls of the user's file make the layers that a fix changes."""

from __future__ import annotations

import ast
import inspect
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import Any

from torch import nn

from constraints.call_syntax import Written, imported_as, written
from constraints.conv_sites import CONVS, one
from constraints.edits import Change, Edit
from constraints.errors import UnusableInputError
from constraints.model_state import parts
from constraints.sandbox.child import Checked
from constraints.sandbox.constructions import Level, UserCall
from constraints.sandbox.forward_calls import calls_in_forward
from constraints.sandbox.made_layers import MadeLayers
from constraints.sandbox.passed_on import also_set
from constraints.sandbox.passing import Passing
from constraints.sandbox.source_calls import SourceCalls, called_by
from constraints.sandbox.user_file import UserFile
from constraints.source_edits import CallEdit, Piece

_CHANGED = "is_changed"
"""Name of a new parameter that chooses what replaces a call."""
Rewrite = Callable[[str, Written], str]
_OPTIONS = frozenset({"stride", "padding", "dilation", "groups", "padding_mode"})


@dataclass(frozen=True, kw_only=True)
class LayerCalls:
    """The calls that made a model's modules."""

    checked: Checked
    file: str
    change: Change
    text: str
    more: list[Piece] = field(default_factory=list)
    """Changed places of the file other than calls."""

    @cached_property
    def source(self) -> SourceCalls:
        """The calls as syntax."""
        return SourceCalls(checked=self.checked)

    @cached_property
    def _levels(self) -> dict[str, Sequence[Level]]:
        """The layers whose construction was recorded, with the calls on the stack."""
        modules = parts(self.checked.model).modules
        return {name: levels for name, module in modules.items() if (levels := self.checked.made.levels(module))}

    def edits(self) -> list[CallEdit]:
        """One edit for each call that changes."""
        made: dict[UserCall, CallEdit] = {}
        left: dict[str, UnusableInputError] = {}
        for layer in dict.fromkeys(edit.layer for edit in self.change):
            edits = [edit for edit in self.change if edit.layer == layer]
            if not layer:
                made |= calls_in_forward(self.checked, edits, self.file, self.source.tree)
                continue
            try:
                call, edit = self._of_layer(layer, parts(self.checked.model).modules[layer], edits)
                if made.get(call, edit).arguments != edit.arguments or (call in made and edit.rewrites):
                    raise UnusableInputError(
                        f"layer {layer} is made by the same call as others: line {call.position.line}"
                    )
            except UnusableInputError as error:
                left[layer] = error
            else:
                made[call] = edit
        return self._with(made, left) if left else list(made.values())

    def _with(self, made: Mapping[UserCall, CallEdit], left: Mapping[str, UnusableInputError]) -> list[CallEdit]:
        """``made``, with edits that treat layers of one call differently; else raises the first error of ``left``."""
        try:
            passing = self._passed_on(list(left))
            both = set(made) & set(passing.calls)
            if any(made[call].rewrites and passing.calls[call].rewrites for call in both):
                raise UnusableInputError("a call would be rewritten in two ways")
            self.more.extend(passing.pieces())
        except UnusableInputError as error:
            raise UnusableInputError(_both(next(iter(left.values())), error)) from error
        merged = {
            call: replace(
                made[call],
                arguments={**made[call].arguments, **passing.calls[call].arguments},
                entries={**made[call].entries, **passing.calls[call].entries},
                rewrites=made[call].rewrites or passing.calls[call].rewrites,
            )
            for call in both
        }
        return list({**made, **passing.calls, **merged}.values())

    def _passed_on(self, layers: Sequence[str]) -> Passing:
        """New values passed on to these layers only; a rewritten layer is rewritten where a condition holds."""
        modules, seen = parts(self.checked.model).modules, self._levels
        made = MadeLayers(source=UserFile(self.file, self.text), layers=seen, parameters_of=self._all_parameters)
        passing = Passing.of(made)
        values: dict[str, dict[str, str]] = {}
        rewritten: dict[UserCall, list[str]] = {}
        for layer in layers:
            if layer not in seen:
                raise UnusableInputError(f"no call is known that makes layer {layer}")
            edits, module = [edit for edit in self.change if edit.layer == layer], modules[layer]
            if any(edit.rewrite for edit in edits):
                rewritten.setdefault(seen[layer][0].call, []).append(layer)
                continue
            wanted = _wanted(module, edits)
            made.check_settled(layer, {o for e in edits for n in wanted for o in (n, *e.worked_out_of.get(n, ()))})
            for name, value in wanted.items():
                values.setdefault(name, {})[layer] = repr(value)
        for name, of_layers in values.items():
            passing.give(name, of_layers, self._default(next(iter(of_layers)), name), set(values) - {name})
        for call, names in rewritten.items():
            passing.calls[call] = self._rewritten(passing, call, names)
        return passing

    def _rewritten(self, passing: Passing, call: UserCall, layers: Sequence[str]) -> CallEdit:
        """The call, with its replacement for some of the layers that it makes, which may differ from layer to layer."""
        self._check_here(layers[0], call)
        node, parameters = self.source.node(call), tuple(self._all_parameters(layers[0]))
        ways: dict[str, tuple[Rewrite, ...]] = {}
        groups: dict[str, list[str]] = {}
        for layer in layers:
            edits = [edit for edit in self.change if edit.layer == layer]
            if not all(edit.rewrite for edit in edits):
                raise UnusableInputError(f"the call at line {call.position.line} would change in several ways")
            rewrites = tuple(self._rewrites(parts(self.checked.model).modules[layer], edits, call))
            new = _applied(rewrites, ast.unparse(node), partial(written, node, parameters))
            ways.setdefault(new, rewrites)
            groups.setdefault(new, []).append(layer)
        names = (f"{_CHANGED}_{number}" if number else _CHANGED for number in count())
        conditions = {new: passing.condition(of, name) for (new, of), name in zip(groups.items(), names, strict=False)}

        def chosen(text: str, written: Written) -> str:
            made = text
            for new, condition in reversed(conditions.items()):
                own = _applied(ways[new], text, written)
                made = own if condition == str(True) else f"({own} if {condition} else {made})"
            return made

        given = passing.calls[call].arguments if call in passing.calls else {}
        return CallEdit(position=call.position, parameters=parameters, arguments=given, rewrites=(chosen,))

    def _default(self, layer: str, name: str) -> str:
        """The default of a layer's argument, for a call that leaves it out."""
        module = parts(self.checked.model).modules[layer]
        called = called_by(module, self.checked.made.calls(module)[0])
        return repr(inspect.signature(called).parameters[name].default)

    def _all_parameters(self, layer: str) -> Sequence[str]:
        module = parts(self.checked.model).modules[layer]
        used = _OPTIONS if isinstance(module, CONVS) else frozenset[str]()
        return self.source.parameters(module, self.checked.made.calls(module)[0], used)

    def _of_layer(self, layer: str, module: nn.Module, edits: Sequence[Edit]) -> tuple[UserCall, CallEdit]:
        calls = self.checked.made.calls(module)
        if not calls:
            raise UnusableInputError(f"no call in {self.file} is known that makes layer {layer}")
        wanted = _wanted(module, edits)
        depends = {name: {name, *(other for e in edits for other in e.worked_out_of.get(name, ()))} for name in wanted}
        is_rewritten = any(edit.rewrite for edit in edits)
        used = _OPTIONS if is_rewritten else set().union(*depends.values()) & _OPTIONS
        parameters = self.source.parameters(module, calls[0], used)
        if is_rewritten:
            self._check_here(layer, calls[0])
            if self.source.made_by(calls[:1]) != {layer}:
                where = f"{Path(calls[0].file).name}:{calls[0].position.line}"
                raise UnusableInputError(f"layer {layer} is made by a call that makes others too: {where}")
            if reason := self.source.unsettled(calls[0], parameters, depends):
                raise UnusableInputError(f"layer {layer}: {reason}")
            rewrites = tuple(self._rewrites(module, edits, calls[0]))
            return calls[0], CallEdit(
                position=calls[0].position, parameters=parameters, arguments=wanted, rewrites=rewrites
            )
        alike = {e.layer for e in self.change if [(e.text, e.arguments)] == [(o.text, o.arguments) for o in edits]}
        outermost: tuple[UserCall, CallEdit] | None = None  # among the calls whose layers all change in the same way
        reason = ""
        for level, call in enumerate(calls):
            layers = self.source.made_by(calls[: level + 1])
            is_here = os.path.realpath(call.file) == self.file and layers <= alike | {layer}
            if is_here and not (reason := self.source.unsettled(call, parameters, depends)):
                outermost = call, CallEdit(position=call.position, parameters=parameters, arguments=wanted)
                if layers == {layer}:
                    return outermost
            try:
                wanted, depends = self.source.handed_on(call, parameters, wanted, depends, layer)
                self._check_shared(layer, level, wanted, alike)
            except UnusableInputError as error:
                if outermost:
                    return outermost
                raise UnusableInputError(f"layer {layer}: {reason}" if reason else str(error)) from error
            parameters = self.source.passed_on(call, parameters)
        raise UnusableInputError(
            f"layer {layer}: {reason}" if reason else f"no call in {self.file} makes layer {layer} alone"
        )

    def _check_shared(self, layer: str, level: int, names: Iterable[str], alike: Container[str]) -> None:
        """Raise UnusableInputError where a variable of the function around a call sets layers that do not change."""
        levels = self._levels
        for name in names:
            for other in also_set(levels, layer, level, name, self.source.node):
                if other not in alike:
                    where = f"{Path(self.file).name}:{levels[layer][level].call.position.line}"
                    raise UnusableInputError(f"layer {layer}: {name} sets layer {other} too: {where}")

    def _check_here(self, layer: str, call: UserCall) -> None:
        """Raise UnusableInputError for a call in another file than the target's."""
        if os.path.realpath(call.file) != self.file:
            where = f"{os.path.relpath(call.file)}:{call.position.line}"
            raise UnusableInputError(f"layer {layer} is made in another file: {where}: take --fix OUT.py")

    def _rewrites(self, module: nn.Module, edits: Sequence[Edit], call: UserCall) -> Iterator[Any]:
        """The text that each edit writes in place of the call, which must be of the layer's own class."""
        callee, name = ast.unparse(self.source.node(call).func), type(module).__name__
        if callee.split(".")[-1] != name:
            raise UnusableInputError(f"line {call.position.line} calls {callee}, not {name}")
        is_own = not type(module).__module__.startswith("torch.nn.")
        nn_ = f"{imported_as(self.source.tree(call.file), 'torch.nn')}." if is_own else callee.removesuffix(name)
        for edit in edits:
            if edit.rewrite:
                yield partial(edit.rewrite, module, nn_)
            else:
                module = edit.make(module)


def _applied(rewrites: Sequence[Rewrite], text: str, written: Written) -> str:
    """The text of a call after its rewrites, one after another."""
    for rewrite in rewrites:
        text = rewrite(text, written)
    return text


def _both(*reasons: UnusableInputError) -> str:
    """Why an edit can be written neither in a call that makes this layer only nor in one that makes several."""
    first, second = map(str, reasons)
    return first if second in first or first in second else f"{first}; {second}"


def _wanted(module: nn.Module, edits: Sequence[Edit]) -> dict[str, Any]:
    """The arguments of a layer that change, with their new values."""
    found = {name: one(value) for edit in edits if not edit.rewrite for name, value in edit.arguments.items()}
    return {name: value for name, value in found.items() if one(getattr(module, name)) != value}

"""The child's side of ``validate --patch`` where one call makes several layers and only some of them change.

The difference is written into the file: as a new parameter of the function that contains the call, whose default
is the old value; as a changed element of the list that a loop iterates over; or as a test of the loop's iteration.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from constraints.errors import UnusableInputError
from constraints.sandbox.constructions import Call, Level
from constraints.sandbox.loops import Loop
from constraints.sandbox.passed_on import also_set, given, parameters_of
from constraints.sandbox.user_file import (
    FUNCTIONS,
    UserFile,
    default_of,
    element_for,
    is_constant,
    is_enumerated,
    turn_name,
    variables,
)
from constraints.source_edits import CallEdit, Piece, argument, last_parameter

_NONE = str(None)
_TRUE, _FALSE = "True", "False"
Layers = Mapping[str, Sequence[Level]]
"""Layer -> the calls on the stack when it was constructed, the innermost first."""
Values = Mapping[str, str]
"""Layer -> the expression of its new value."""


class Expression(str):
    """Source text of an argument, written without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        """The expression itself."""
        return str(self)


@dataclass(frozen=True, kw_only=True)
class Passing:
    """Edits of one file that pass new values to some of the layers that a call makes."""

    source: UserFile
    layers: Layers
    """All layers of the model whose construction was recorded."""
    parameters_of: Callable[[str], Sequence[str]]
    """Layer -> the parameters of the function that its innermost call calls."""
    calls: dict[Call, CallEdit] = field(default_factory=dict)
    """Call -> its changed arguments."""
    added: dict[int, dict[str, str]] = field(default_factory=dict)
    """First line of a function -> its new parameters, with their defaults."""
    passed: dict[tuple[int, str], dict[int, str | None]] = field(default_factory=dict)
    """First line of a function and a new parameter of it -> its value in each run of it; None: the default."""
    indices: dict[Loop, str] = field(default_factory=dict)
    """Loop -> the variable that counts its iterations."""
    elements: dict[tuple[int, int], Piece] = field(default_factory=dict)

    def give(self, name: str, values: Values, before: str, others: Iterable[str] = ()) -> None:
        """Set an argument of the innermost calls for some layers; ``before`` is its value in calls that leave it out.

        An argument computed from the arguments ``others``, which change too, is left as it is, since it follows them.
        Raises UnusableInputError where no such edit distinguishes them from the other layers.
        """
        for call in dict.fromkeys(self.layers[layer][0].call for layer in values):
            here = {layer: value for layer, value in values.items() if self.layers[layer][0].call == call}
            parameters, node = self.parameters_of(next(iter(here))), self.source.node(call)
            old = given(call, node, parameters, name)
            of_others = [a for other in others if isinstance(a := given(call, node, parameters, other), ast.Name)]
            is_plain = old is None or is_constant(old) or isinstance(old, ast.Name)
            if is_plain or not variables(old) & variables(*of_others):
                self._give((call,), name, parameters, here, before)

    def condition(self, layers: Iterable[str], name: str) -> str:
        """An expression that is true where the innermost call makes one of these layers, and false for others."""
        values = dict.fromkeys(layers, _TRUE)
        (call,) = {self.layers[layer][0].call for layer in values}
        text = self._expression((call,), name, values, _FALSE)
        return text.removeprefix(f"{_TRUE} if ").removesuffix(f" else {_FALSE}")

    def check_settled(self, layer: str, names: Iterable[str]) -> None:
        """Raise UnusableInputError where an argument of a layer may have another value in another run."""
        for name in names:
            value = self._given(layer, 0, name)
            if value is not None and not self._is_settled(layer, 0, value):
                where = f"{Path(self.source.file).name}:{value.lineno}"
                raise UnusableInputError(f"layer {layer}: {name} is {ast.unparse(value)}, not a constant: {where}")

    def _given(self, layer: str, level: int, name: str) -> ast.expr | None:
        """An argument of the call at a level of a layer's construction."""
        call = self.layers[layer][level].call
        return given(call, self.source.node(call), self._parameters(layer, level), name)

    def _parameters(self, layer: str, level: int) -> Sequence[str]:
        """The parameters of the function that the call at a level calls, with those that it passes on by stars."""
        parameters = self.parameters_of(layer)
        for passed in self.layers[layer][:level]:
            parameters = parameters_of(passed.call, self.source.node(passed.call), parameters)
        return parameters

    def _is_settled(self, layer: str, level: int, given: ast.expr) -> bool:
        """Whether an expression depends only on constants in the file: in calls, defaults and lists."""
        return all(self._is_written(layer, level, name) for name in variables(given))

    def _is_written(self, layer: str, level: int, name: str) -> bool:
        levels = self.layers[layer]
        call = levels[level].call
        bound = [self.source.loop(loop) for loop in self.source.loops_around(call)]
        of_loop = [node for node in bound if name in variables(node.target)]
        if of_loop:
            return self.source.literal(of_loop[0].iter) is not None
        if level + 1 == len(levels) or name not in self._parameters(layer, level + 1):
            return False
        value = self._given(layer, level + 1, name)
        if value is not None:
            return self._is_settled(layer, level + 1, value)
        return name not in call.parameters or bool(default_of(self.source.function(call), name))

    def pieces(self) -> Iterator[Piece]:
        """Changes other than arguments of calls: parameters, loop headers, elements of lists."""
        for line, parameters in self.added.items():
            yield self._signature(line, parameters)
        for loop, name in self.indices.items():
            yield from self.source.enumerated(loop, name)
        yield from self.elements.values()

    def _give(self, calls: tuple[Call, ...], name: str, parameters: Sequence[str], values: Values, before: str) -> None:
        """Write an argument of the outermost of ``calls``, which are common to the layers, the innermost first."""
        node = self.source.node(calls[-1])
        value = given(calls[-1], node, parameters, name)
        passed = parameters_of(calls[-1], node, parameters)
        is_starred = isinstance(value, ast.Name) and value.id in passed and value.id not in calls[-1].parameters
        old = before if value is None or is_starred else ast.get_source_segment(self.source.text, value) or ""
        if isinstance(value, ast.Name) and not is_starred and self._of_list(calls, value.id, values):
            return
        is_passed = isinstance(value, ast.Name) and value.id in passed and self._is_uniform(calls, values)
        if isinstance(value, ast.Name) and is_passed and not self._sets_others(calls, value.id, values):
            self._outwards(calls, value.id, values, before if is_starred else "")
            return
        if is_starred:
            argument(node, parameters, name)  # raises, with the star
        new = {name: Expression(self._expression(calls, name, values, old))}
        known = self.calls.get(calls[-1])
        self.calls[calls[-1]] = CallEdit(
            position=calls[-1].position, parameters=tuple(parameters),
            arguments={**known.arguments, **new} if known else new,
        )  # fmt: skip

    def _expression(self, calls: tuple[Call, ...], name: str, values: Values, old: str) -> str:
        """The value within the function that contains the outermost of ``calls``."""
        all_of = self._made_by(calls)
        if set(values) == all_of and len(set(values.values())) == 1:
            return next(iter(values.values()))
        if self._is_uniform(calls, values):
            default = old if is_constant(_parsed(old)) else _NONE
            parameter = self._parameter(calls[-1], name, default, self._by_frame(calls, values))
            self._outwards(calls, parameter, values, default)
            return _or_old(parameter, old)
        for loop in self.source.loops_around(calls[-1]):
            by_turn = self._by_turn(calls, loop, values, all_of)
            if by_turn is not None:
                return self._by_index(loop, by_turn, old)
        frames = {id(self._level(calls, layer).frame) for layer in values}
        of_frames = {layer for layer in all_of if id(self._level(calls, layer).frame) in frames}
        if len(set(values.values())) == 1:
            for loop in self.source.loops_around(calls[-1]):
                by_turn = self._by_turn(calls, loop, values, of_frames)
                if by_turn is not None:
                    passed = dict.fromkeys(of_frames, next(iter(values.values())))
                    default = old if is_constant(_parsed(old)) else _NONE
                    parameter = self._parameter(calls[-1], name, default, self._by_frame(calls, passed))
                    self._outwards(calls, parameter, passed, default)
                    new = parameter if default == old else f"({_or_old(parameter, old)})"
                    return self._by_index(loop, dict.fromkeys(by_turn, new), old)
        raise UnusableInputError(f"no edit changes only some of what the call at line {calls[-1].position.line} makes")

    def _outwards(self, calls: tuple[Call, ...], parameter: str, values: Values, old: str) -> None:
        """Set a parameter of the function that contains a call, in the calls of that function."""
        groups: dict[Call, dict[str, str]] = {}
        for layer, value in values.items():
            levels = self.layers[layer]
            if len(levels) <= len(calls):
                raise UnusableInputError(f"no call is known that passes {parameter} on")
            groups.setdefault(levels[len(calls)].call, {})[layer] = value
        for call, here in groups.items():
            function = self.source.function(calls[-1])
            names = self._parameters(next(iter(here)), len(calls))
            self._give((*calls, call), parameter, names, here, old or default_of(function, parameter))

    def _sets_others(self, calls: tuple[Call, ...], name: str, values: Values) -> bool:
        """Whether a variable sets layers too that other calls make and that do not change in the same way."""
        return any(
            values.get(other) != value
            for layer, value in values.items()
            for other in also_set(self.layers, layer, len(calls) - 1, name, self.source.node)
        )

    def _is_uniform(self, calls: tuple[Call, ...], values: Values) -> bool:
        """Whether all layers made in one run of the function that contains the call have the same value."""
        by_frame: dict[int, set[str | None]] = {}
        for layer in self._made_by(calls):
            by_frame.setdefault(id(self._level(calls, layer).frame), set()).add(values.get(layer))
        return all(len(found) == 1 for found in by_frame.values()) and len(by_frame) > 1

    def _by_turn(self, calls: tuple[Call, ...], loop: Loop, values: Values, among: set[str]) -> dict[int, str] | None:
        """Iteration of a loop -> its new value; None where an iteration has several."""
        found: dict[int | None, set[str | None]] = {}
        for layer in among:
            found.setdefault(self._level(calls, layer).turns.get(loop), set()).add(values.get(layer))
        if None in found or any(len(of_turn) > 1 for of_turn in found.values()):
            return None
        pairs = ((turn, next(iter(of_turn))) for turn, of_turn in found.items())
        return {turn: value for turn, value in sorted(pairs, key=str) if turn is not None and value is not None}

    def _by_index(self, loop: Loop, by_turn: Mapping[int, str], old: str) -> str:
        name, text = self._index(loop), old
        for value in dict.fromkeys(by_turn.values()):
            turns = sorted(turn for turn, other in by_turn.items() if other == value)
            is_one = f"{name} == {turns[0]}" if len(turns) == 1 else f"{name} in {tuple(turns)}"
            text = is_one if (value, text) == (_TRUE, _FALSE) else f"{value} if {is_one} else {text}"
        return text

    def _of_list(self, calls: tuple[Call, ...], name: str, values: Values) -> bool:
        """Change elements of a list, where a loop over it binds the name; returns whether it did."""
        for loop in self.source.loops_around(calls[-1]):
            node = self.source.loop(loop)
            elements = self.source.literal(node.iter)
            by_turn = self._by_turn(calls, loop, values, self._made_by(calls))
            if elements is None or by_turn is None:
                continue
            target = node.target
            if is_enumerated(node.iter) and isinstance(target, ast.Tuple):
                target = target.elts[-1]
            found = {turn: element_for(target, elements[turn], name) for turn in by_turn if turn < len(elements)}
            if found and all(e is not None and is_constant(e) for e in found.values()):
                for turn, element in found.items():
                    assert element is not None
                    span = self.source.bytes.span(element)
                    self.elements[span] = Piece(*span, by_turn[turn])
                return True
        return False

    def _index(self, loop: Loop) -> str:
        """The variable that counts a loop's iterations: the file's own, else a new one."""
        node = self.source.loop(loop)
        known = turn_name(node)
        if known:
            return known
        used = {*self.source.names(), *self.indices.values()}
        return self.indices.setdefault(loop, next(n for n in chain("ijk", _numbered("turn")) if n not in used))

    def _by_frame(self, calls: tuple[Call, ...], values: Values) -> dict[int, str | None]:
        """Each run of the function that contains a call -> the value passed to it; None where it keeps the default."""
        return {id(self._level(calls, layer).frame): values.get(layer) for layer in self._made_by(calls)}

    def _parameter(self, call: Call, name: str, default: str, by_frame: Mapping[int, str | None]) -> str:
        """A new parameter of the function that contains a call; one that has these values in its runs is shared."""
        function = self.source.function(call)
        here = self.added.setdefault(function.lineno, {})
        for known_name, known_default in here.items():
            passed = self.passed[function.lineno, known_name]
            is_same = all(passed.get(frame, value) == value for frame, value in by_frame.items())
            if re.fullmatch(rf"{name}(_\d+)?", known_name) and known_default == default and is_same:
                passed.update(by_frame)
                return known_name
        known = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)} | {*call.code.co_varnames, *here}
        free = next(n for n in chain((name,), _numbered(f"{name}_")) if n not in known)
        here[free] = default
        self.passed[function.lineno, free] = dict(by_frame)
        return free

    def _signature(self, line: int, parameters: Mapping[str, str]) -> Piece:
        """The new parameters, after the existing ones."""
        function = next(n for n in ast.walk(self.source.tree) if isinstance(n, FUNCTIONS) and n.lineno == line)
        arguments = function.args
        if not (arguments.args or arguments.posonlyargs or arguments.vararg):
            raise UnusableInputError(f"no parameter can be added to {function.name} at line {line}")
        if arguments.kwarg:
            end = self.source.bytes.data.rindex(b"**", 0, self.source.bytes.start(arguments.kwarg))
            return Piece(end, end, "".join(f"{name}={default}, " for name, default in parameters.items()))
        start, stop = self.source.bytes.span(function)[0], self.source.bytes.span(function.body[0])[0]
        end = start + last_parameter(self.source.bytes.data[start:stop].decode())
        return Piece(end, end, "".join(f", {name}={default}" for name, default in parameters.items()))

    def _made_by(self, calls: tuple[Call, ...]) -> set[str]:
        """The layers that were made by these calls, the innermost first."""
        return {layer for layer, levels in self.layers.items() if tuple(v.call for v in levels[: len(calls)]) == calls}

    def _level(self, calls: tuple[Call, ...], layer: str) -> Level:
        return self.layers[layer][len(calls) - 1]


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _or_old(parameter: str, old: str) -> str:
    """A parameter's value; where its default is None, since the old value is computed, that value in its place."""
    return parameter if is_constant(_parsed(old)) else f"{old} if {parameter} is None else {parameter}"


def _numbered(name: str) -> Iterator[str]:
    return (f"{name}{i}" for i in count(1))

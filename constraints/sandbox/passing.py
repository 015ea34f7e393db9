"""The child's side of ``validate --patch`` where one call makes several layers and only some of them change.

The difference is written into the file: as a new parameter of the function that contains the call, whose default
is the old value; as a changed element of the list that a loop iterates over; or as a test of the loop's iteration.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from constraints.call_syntax import argument
from constraints.errors import UnusableInputError
from constraints.sandbox.constructions import UserCall
from constraints.sandbox.iteration_values import FALSE, TRUE, IterationValues
from constraints.sandbox.made_layers import MadeLayers, Values
from constraints.sandbox.new_parameters import NewParameters
from constraints.sandbox.passed_on import given, parameters_of, passes_keyword
from constraints.sandbox.user_file import default_of, is_constant, variables
from constraints.source_edits import CallEdit, Piece

_NONE = str(None)


class Expression(str):
    """Source text of an argument, written without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        """The expression itself."""
        return str(self)


@dataclass(frozen=True, kw_only=True)
class Passing:
    """Edits of one file that pass new values to some of the layers that a call makes."""

    made: MadeLayers
    new: NewParameters
    loops: IterationValues
    calls: dict[UserCall, CallEdit] = field(default_factory=dict)
    """Call -> its changed arguments."""

    @classmethod
    def of(cls, made: MadeLayers) -> Passing:
        """No edits yet."""
        return cls(made=made, new=NewParameters(source=made.source), loops=IterationValues(made=made))

    def give(self, name: str, values: Values, before: str, others: Iterable[str] = ()) -> None:
        """Set an argument of the innermost calls for some layers; ``before`` is its value in calls that leave it out.

        An argument computed from the arguments ``others``, which change too, is left as it is, since it follows them.
        Raises UnusableInputError where no such edit distinguishes them from the other layers.
        """
        for call in dict.fromkeys(self.made.layers[layer][0].call for layer in values):
            here = {layer: value for layer, value in values.items() if self.made.layers[layer][0].call == call}
            parameters, node = self.made.parameters_of(next(iter(here))), self.made.source.node(call)
            old = given(call, node, parameters, name)
            of_others = [a for other in others if isinstance(a := given(call, node, parameters, other), ast.Name)]
            is_plain = old is None or is_constant(old) or isinstance(old, ast.Name)
            if is_plain or not variables(old) & variables(*of_others):
                self._give((call,), name, parameters, here, before)

    def condition(self, layers: Iterable[str], name: str) -> str:
        """An expression that is true where the innermost call makes one of these layers, and false for others."""
        values = dict.fromkeys(layers, TRUE)
        (call,) = {self.made.layers[layer][0].call for layer in values}
        text = self._expression((call,), name, values, FALSE)
        return text.removeprefix(f"{TRUE} if ").removesuffix(f" else {FALSE}")

    def pieces(self) -> Iterator[Piece]:
        """Changes other than arguments of calls: parameters, loop headers, elements of lists."""
        yield from self.new.pieces()
        yield from self.loops.pieces()

    def _give(
        self, calls: tuple[UserCall, ...], name: str, parameters: Sequence[str], values: Values, before: str
    ) -> None:
        """Write an argument of the outermost of ``calls``, which are common to the layers, the innermost first."""
        node = self.made.source.node(calls[-1])
        value = given(calls[-1], node, parameters, name)
        passed = parameters_of(calls[-1], node, parameters)
        is_starred = isinstance(value, ast.Name) and value.id in passed and value.id not in calls[-1].parameters
        old = before if value is None or is_starred else ast.get_source_segment(self.made.source.text, value) or ""
        if isinstance(value, ast.Name) and not is_starred and self.loops.set_elements(calls, value.id, values):
            return
        is_passed = isinstance(value, ast.Name) and value.id in passed and self.made.is_uniform(calls, values)
        if isinstance(value, ast.Name) and is_passed and not self.made.sets_others(calls, value.id, values):
            self._outwards(calls, value.id, values, before if is_starred else "")
            return
        if is_starred:
            self._put_over(calls, name, parameters, values, before)
            return
        new = {name: Expression(self._expression(calls, name, values, old))}
        known = self.calls.get(calls[-1]) or CallEdit(position=calls[-1].position, parameters=tuple(parameters))
        self.calls[calls[-1]] = replace(known, arguments={**known.arguments, **new})

    def _put_over(
        self, calls: tuple[UserCall, ...], name: str, parameters: Sequence[str], values: Values, before: str
    ) -> None:
        """Set an argument that ``**kwargs`` gives to other layers too, by an entry over that of the dictionary."""
        node = self.made.source.node(calls[-1])
        star = passes_keyword(calls[-1], node, parameters, name)
        if not star:
            argument(node, parameters, name)  # raises, with the star
        old = f'{star}.get("{name}", {before})'
        new = {name: self._expression(calls, f"new_{name}", values, old)}
        known = self.calls.get(calls[-1]) or CallEdit(position=calls[-1].position, parameters=tuple(parameters))
        self.calls[calls[-1]] = replace(known, entries={**known.entries, **new})

    def _expression(self, calls: tuple[UserCall, ...], name: str, values: Values, old: str) -> str:
        """The value within the function that contains the outermost of ``calls``."""
        all_of = self.made.made_by(calls)
        if set(values) == all_of and len(set(values.values())) == 1:
            return next(iter(values.values()))
        if self.made.is_uniform(calls, values):
            default = old if is_constant(_parsed(old)) else _NONE
            parameter = self.new.add(calls[-1], name, default, self.made.by_frame(calls, values))
            self._outwards(calls, parameter, values, default)
            return _or_old(parameter, old)
        for loop in self.made.source.loops_around(calls[-1]):
            by_turn = self.made.by_turn(calls, loop, values, all_of)
            if by_turn is not None:
                return self.loops.by_index(loop, by_turn, old)
        loops = [*self.made.source.loops_around(calls[-1])]
        for inner in (found for count in range(2, len(loops) + 1) for found in combinations(loops, count)):
            by_turns = self.made.by_turns(calls, inner[::-1], values, all_of)
            if by_turns is not None:
                return self.loops.by_indices(inner[::-1], by_turns, old)
        frames = {id(self.made.level(calls, layer).frame) for layer in values}
        of_frames = {layer for layer in all_of if id(self.made.level(calls, layer).frame) in frames}
        if len(set(values.values())) == 1:
            for loop in self.made.source.loops_around(calls[-1]):
                by_turn = self.made.by_turn(calls, loop, values, of_frames)
                if by_turn is not None:
                    passed = dict.fromkeys(of_frames, next(iter(values.values())))
                    default = old if is_constant(_parsed(old)) else _NONE
                    parameter = self.new.add(calls[-1], name, default, self.made.by_frame(calls, passed))
                    self._outwards(calls, parameter, passed, default)
                    new = parameter if default == old else f"({_or_old(parameter, old)})"
                    return self.loops.by_index(loop, dict.fromkeys(by_turn, new), old)
        raise UnusableInputError(f"no edit changes only some of what the call at line {calls[-1].position.line} makes")

    def _outwards(self, calls: tuple[UserCall, ...], parameter: str, values: Values, old: str) -> None:
        """Set a parameter of the function that contains a call, in the calls of that function."""
        groups: dict[UserCall, dict[str, str]] = {}
        for layer, value in values.items():
            levels = self.made.layers[layer]
            if len(levels) <= len(calls):
                raise UnusableInputError(f"no call is known that passes {parameter} on")
            groups.setdefault(levels[len(calls)].call, {})[layer] = value
        for call, here in groups.items():
            function = self.made.source.function(calls[-1])
            names = self.made.parameters(next(iter(here)), len(calls))
            self._give((*calls, call), parameter, names, here, old or default_of(function, parameter))


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _or_old(parameter: str, old: str) -> str:
    """A parameter's value; where its default is None, since the old value is computed, that value in its place."""
    return parameter if is_constant(_parsed(old)) else f"{old} if {parameter} is None else {parameter}"

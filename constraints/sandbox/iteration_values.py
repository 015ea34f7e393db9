"""Values that differ between the iterations of a loop in a user's file: its list's elements, or its counter."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from constraints.sandbox.constructions import UserCall
from constraints.sandbox.loops import Loop
from constraints.sandbox.made_layers import MadeLayers, Values
from constraints.sandbox.new_parameters import numbered
from constraints.sandbox.user_file import element_for, is_constant, is_enumerated, turn_name
from constraints.source_edits import Piece

TRUE, FALSE = "True", "False"


@dataclass(frozen=True, kw_only=True)
class IterationValues:
    """The edits of one file's loops that give single iterations other values."""

    made: MadeLayers
    indices: dict[Loop, str] = field(default_factory=dict)
    """Loop -> the variable that counts its iterations."""
    elements: dict[tuple[int, int], Piece] = field(default_factory=dict)
    """Place of a list's element in the file -> its new text."""

    def pieces(self) -> Iterator[Piece]:
        """The changes of loop headers, and of elements of lists."""
        for loop, name in self.indices.items():
            yield from self.made.source.enumerated(loop, name)
        yield from self.elements.values()

    def by_index(self, loop: Loop, by_turn: Mapping[int, str], old: str) -> str:
        """An expression that has the new value of each of these iterations, and ``old`` in the others."""
        return self.by_indices((loop,), {(turn,): value for turn, value in by_turn.items()}, old)

    def by_indices(self, loops: Sequence[Loop], by_turns: Mapping[tuple[int, ...], str], old: str) -> str:
        """The same of iterations of loops inside each other."""
        names, text = [self._index(loop) for loop in loops], old
        for value in dict.fromkeys(by_turns.values()):
            turns = sorted(turn for turn, other in by_turns.items() if other == value)
            is_one = " and ".join(f"{name} == {turn}" for name, turn in zip(names, turns[0], strict=True))
            if len(turns) > 1:
                several = turns if len(names) > 1 else [turn for (turn,) in turns]
                which = ", ".join(names)
                is_one = f"{f'({which})' if len(names) > 1 else which} in {tuple(several)}"
            text = is_one if (value, text) == (TRUE, FALSE) else f"{value} if {is_one} else {text}"
        return text

    def set_elements(self, calls: tuple[UserCall, ...], name: str, values: Values) -> bool:
        """Change elements of a list, where a loop over it binds the name; returns whether it did."""
        for loop in self.made.source.loops_around(calls[-1]):
            node = self.made.source.loop(loop)
            elements = self.made.source.literal(node.iter)
            by_turn = self.made.by_turn(calls, loop, values, self.made.made_by(calls))
            if elements is None or by_turn is None:
                continue
            target = node.target
            if is_enumerated(node.iter) and isinstance(target, ast.Tuple):
                target = target.elts[-1]
            found = {turn: element_for(target, elements[turn], name) for turn in by_turn if turn < len(elements)}
            if found and all(e is not None and is_constant(e) for e in found.values()):
                for turn, element in found.items():
                    assert element is not None
                    span = self.made.source.bytes.span(element)
                    self.elements[span] = Piece(*span, by_turn[turn])
                return True
        return False

    def _index(self, loop: Loop) -> str:
        """The variable that counts a loop's iterations: the file's own, else a new one."""
        node = self.made.source.loop(loop)
        known = turn_name(node)
        if known:
            return known
        used = {*self.made.source.names(), *self.indices.values()}
        return self.indices.setdefault(loop, next(n for n in chain("ijk", numbered("turn")) if n not in used))

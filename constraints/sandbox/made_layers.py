"""The layers of a model by the calls that made them: which layers a call makes, in which runs and iterations."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from constraints.errors import UnusableInputError
from constraints.sandbox.constructions import Level, UserCall
from constraints.sandbox.loops import Loop
from constraints.sandbox.passed_on import also_set, given, parameters_of
from constraints.sandbox.user_file import UserFile, default_of, variables

Layers = Mapping[str, Sequence[Level]]
"""Layer -> the calls on the stack when it was constructed, the innermost first."""
Values = Mapping[str, str]
"""Layer -> the expression of its new value."""


@dataclass(frozen=True, kw_only=True)
class MadeLayers:
    """Layers with the calls that made them; ``calls`` in its methods are calls inside each other, innermost first."""

    source: UserFile
    layers: Layers
    """All layers of the model whose construction was recorded."""
    parameters_of: Callable[[str], Sequence[str]]
    """Layer -> the parameters of the function that its innermost call calls."""

    def made_by(self, calls: tuple[UserCall, ...]) -> set[str]:
        """The layers that were made by these calls, the innermost first."""
        return {layer for layer, levels in self.layers.items() if tuple(v.call for v in levels[: len(calls)]) == calls}

    def level(self, calls: tuple[UserCall, ...], layer: str) -> Level:
        """The outermost of the calls, as it was when it made the layer."""
        return self.layers[layer][len(calls) - 1]

    def is_uniform(self, calls: tuple[UserCall, ...], values: Values) -> bool:
        """Whether all layers made in one run of the function that contains the call have the same value."""
        by_frame: dict[int, set[str | None]] = {}
        for layer in self.made_by(calls):
            by_frame.setdefault(id(self.level(calls, layer).frame), set()).add(values.get(layer))
        return all(len(found) == 1 for found in by_frame.values()) and len(by_frame) > 1

    def by_turn(
        self, calls: tuple[UserCall, ...], loop: Loop, values: Values, among: set[str]
    ) -> dict[int, str] | None:
        """Iteration of a loop -> its new value; None where an iteration has several."""
        by_turns = self.by_turns(calls, (loop,), values, among)
        return None if by_turns is None else {turn: value for (turn,), value in by_turns.items()}

    def by_turns(
        self, calls: tuple[UserCall, ...], loops: Sequence[Loop], values: Values, among: set[str]
    ) -> dict[tuple[int, ...], str] | None:
        """Iterations of loops inside each other -> the new value; None where the same iterations have several."""
        found: dict[tuple[int, ...], set[str | None]] = {}
        for layer in among:
            of_layer = self.level(calls, layer).turns
            if not all(loop in of_layer for loop in loops):
                return None
            found.setdefault(tuple(of_layer[loop] for loop in loops), set()).add(values.get(layer))
        if any(len(of_turns) > 1 for of_turns in found.values()):
            return None
        pairs = ((turns, next(iter(of_turns))) for turns, of_turns in found.items())
        return {turns: value for turns, value in sorted(pairs, key=str) if value is not None}

    def by_frame(self, calls: tuple[UserCall, ...], values: Values) -> dict[int, str | None]:
        """Each run of the function that contains a call -> the value passed to it; None where it keeps the default."""
        return {id(self.level(calls, layer).frame): values.get(layer) for layer in self.made_by(calls)}

    def sets_others(self, calls: tuple[UserCall, ...], name: str, values: Values) -> bool:
        """Whether a variable sets layers too that other calls make and that do not change in the same way."""
        return any(
            values.get(other) != value
            for layer, value in values.items()
            for other in also_set(self.layers, layer, len(calls) - 1, name, self.source.node)
        )

    def check_settled(self, layer: str, names: Iterable[str]) -> None:
        """Raise UnusableInputError where an argument of a layer may have another value in another run."""
        for name in names:
            value = self.given(layer, 0, name)
            if value is not None and not self._is_settled(layer, 0, value):
                where = f"{Path(self.source.file).name}:{value.lineno}"
                raise UnusableInputError(f"layer {layer}: {name} is {ast.unparse(value)}, not a constant: {where}")

    def given(self, layer: str, level: int, name: str) -> ast.expr | None:
        """An argument of the call at a level of a layer's construction."""
        call = self.layers[layer][level].call
        return given(call, self.source.node(call), self.parameters(layer, level), name)

    def parameters(self, layer: str, level: int) -> Sequence[str]:
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
        if level + 1 == len(levels) or name not in self.parameters(layer, level + 1):
            return False
        value = self.given(layer, level + 1, name)
        if value is not None:
            return self._is_settled(layer, level + 1, value)
        return name not in call.parameters or bool(default_of(self.source.function(call), name))

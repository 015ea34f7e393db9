"""New parameters of functions in a user's file, whose defaults keep what calls without them do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count

from constraints.call_syntax import last_parameter
from constraints.errors import UnusableInputError
from constraints.sandbox.constructions import UserCall
from constraints.sandbox.user_file import FUNCTIONS, UserFile
from constraints.source_edits import Piece


@dataclass(frozen=True, kw_only=True)
class NewParameters:
    """The parameters that edits add to the functions of one file."""

    source: UserFile
    added: dict[int, dict[str, str]] = field(default_factory=dict)
    """First line of a function -> its new parameters, with their defaults."""
    passed: dict[tuple[int, str], dict[int, str | None]] = field(default_factory=dict)
    """First line of a function and a new parameter of it -> its value in each run of it; None: the default."""

    def pieces(self) -> Iterator[Piece]:
        """The changes of the functions' signatures."""
        for line, parameters in self.added.items():
            yield self._signature(line, parameters)

    def add(self, call: UserCall, name: str, default: str, by_frame: Mapping[int, str | None]) -> str:
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
        free = next(n for n in chain((name,), numbered(f"{name}_")) if n not in known)
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


def numbered(name: str) -> Iterator[str]:
    """``name1``, ``name2`` and so on."""
    return (f"{name}{i}" for i in count(1))

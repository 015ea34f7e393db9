"""Change arguments of calls in Python source, and put other expressions in their place; what is around them stays."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from constraints.errors import UnusableInputError

_INSIGNIFICANT = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)


_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = "\ufeff"
_REPEATABLE = (
    ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.Subscript,
    ast.operator, ast.unaryop, ast.expr_context,
)  # fmt: skip
"""Nodes of expressions that may stand twice: they come to the same and do nothing else."""
Written = Callable[[str], str | None]
"""Parameter -> the expression that a call gives for it, None where it leaves it out.

Raises UnusableInputError for one that cannot stand twice.
"""


class Position(NamedTuple):
    """Where a call stands in a file: lines from 1, columns from 0 in bytes of UTF-8."""

    line: int
    end_line: int
    column: int
    end_column: int


@dataclass(frozen=True, kw_only=True)
class CallEdit:
    """What becomes of one call."""

    position: Position
    parameters: tuple[str, ...]
    """Names of what is called's parameters, in order."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Parameter -> its new value."""
    rewrites: tuple[Callable[[str, Written], str], ...] = ()
    """(text of the call, its new arguments) -> what stands in its place; one after the other."""


def call_at(tree: ast.AST, position: Position) -> ast.Call:
    """The call at a position; raises UnusableInputError where none is, as in code that was made at run time."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and position == (
            node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
        ):  # fmt: skip
            return node
    raise UnusableInputError(f"no call is at line {position.line}")


def argument(call: ast.Call, parameters: Sequence[str], name: str) -> ast.expr | None:
    """What a call gives for a parameter; None where it leaves it out.

    Raises UnusableInputError where something with a star may give it.
    """
    for parameter, given in zip(parameters, call.args, strict=False):
        if isinstance(given, ast.Starred):
            break
        if parameter == name:
            return given
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    stars = [ast.unparse(a) for a in call.args if isinstance(a, ast.Starred)]
    stars += [f"**{ast.unparse(k.value)}" for k in call.keywords if k.arg is None]
    if stars:
        raise UnusableInputError(f"{stars[0]} at line {call.lineno} may give {name}: write that argument out")
    return None


def written(call: ast.Call, parameters: Sequence[str], name: str) -> str | None:
    """The text of an argument, as ``Written`` gives it."""
    given = argument(call, parameters, name)
    if given is not None and not all(isinstance(node, _REPEATABLE) for node in ast.walk(given)):
        place = f"{name} is {ast.unparse(given)} at line {call.lineno}"
        raise UnusableInputError(f"{place}, which would stand there twice: give it a name")
    return None if given is None else ast.unparse(given)


def edited(text: str, edits: Sequence[CallEdit]) -> str:
    """The source with each call edited; raises UnusableInputError where one is within another."""
    source = _Bytes(text)
    tree = ast.parse(text.removeprefix(_BOM))
    found = sorted(((source.span(call_at(tree, e.position)), e) for e in edits), key=lambda pair: pair[0])
    end = 0
    for (start, stop), _ in found:
        if start < end:
            raise UnusableInputError("one call that would change is within another")
        end = stop
    data = source.data
    for (start, stop), edit in reversed(found):
        new = source.call(call_at(tree, edit.position), edit)
        data = data[:start] + new.encode() + data[stop:]
    return data.decode()


class _Bytes:
    """Source as the bytes in which ``ast`` counts columns."""

    def __init__(self, text: str) -> None:
        self.data = text.encode()
        first = len(_BOM.encode()) if text.startswith(_BOM) else 0
        self.starts = [first, *(end.end() for end in _LINE_END.finditer(self.data))]

    def span(self, node: ast.expr) -> tuple[int, int]:
        """From which byte up to which a node stands."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def call(self, node: ast.Call, edit: CallEdit) -> str:
        """The text of a call after an edit."""
        start, stop = self.span(node)
        data, added = self.data[start:stop], []
        replaced = []
        for name, value in edit.arguments.items():
            if (given := argument(node, edit.parameters, name)) is None:
                added.append(f"{name}={value!r}")
            else:
                replaced.append((*self.span(given), repr(value)))
        for a, b, new in sorted(replaced, reverse=True):
            data = data[: a - start] + new.encode() + data[b - start :]
        text = data.decode()
        if added:
            comma = "" if _before_the_end(text) in {"(", ","} else ", "
            text = f"{text[:-1]}{comma or ' ' * (_before_the_end(text) == ',')}{', '.join(added)})"
        if edit.rewrites:
            call = ast.parse(f"({text})", mode="eval").body
            assert isinstance(call, ast.Call)
            ast.increment_lineno(call, node.lineno - 1)
            for rewrite in edit.rewrites:
                text = rewrite(text, partial(written, call, edit.parameters))
        return text


def _before_the_end(call: str) -> str:
    """The last token before the bracket that closes a call."""
    tokens = tokenize.generate_tokens(io.StringIO(f"({call})").readline)
    return [t.string for t in tokens if t.type not in _INSIGNIFICANT][-3]

"""Change arguments of calls in Python source, and put other expressions in their place; what is around them stays."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from constraints.errors import UnusableInputError

_INSIGNIFICANT = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)


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
    rewrites: tuple[Callable[[str], str], ...] = ()
    """Text of the call, with its new arguments -> what stands in its place; one after the other."""


def call_at(tree: ast.AST, position: Position) -> ast.Call:
    """The call at a position; raises UnusableInputError where none is, as in code that was made at run time."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and position == (
            node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
        ):  # fmt: skip
            return node
    raise UnusableInputError(f"no call is at line {position.line}")


def argument(call: ast.Call, parameters: Sequence[str], name: str) -> ast.expr | None:
    """What a call gives for a parameter; None where it leaves it out."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    given = dict(zip(parameters, call.args, strict=False))
    return None if any(isinstance(a, ast.Starred) for a in call.args) else given.get(name)


def edited(text: str, edits: Sequence[CallEdit]) -> str:
    """The source with each call edited; raises UnusableInputError where one is within another."""
    source = _Bytes(text)
    tree = ast.parse(source.data)
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
        lines = self.data.split(b"\n")
        self.starts = [0]
        for line in lines:
            self.starts.append(self.starts[-1] + len(line) + 1)

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
        for rewrite in edit.rewrites:
            text = rewrite(text)
        return text


def _before_the_end(call: str) -> str:
    """The last token before the bracket that closes a call."""
    tokens = tokenize.generate_tokens(io.StringIO(f"({call})").readline)
    return [t.string for t in tokens if t.type not in _INSIGNIFICANT][-3]

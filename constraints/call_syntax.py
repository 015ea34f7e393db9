"""Read calls in Python source: where they are, their arguments, and the end of their last one."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable, Sequence
from typing import NamedTuple

from constraints.errors import UnusableInputError

_INSIGNIFICANT = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)
_REPEATABLE = (
    ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.Subscript,
    ast.IfExp, ast.Compare, ast.BoolOp, ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context,
)  # fmt: skip
"""Nodes of expressions that may be repeated in the source: they have no side effects and the same value each time."""
Written = Callable[[str], str | None]
"""Parameter -> the source of its argument in a call, None where the call leaves it out.

Raises UnusableInputError for one that must not be repeated.
"""


class Position(NamedTuple):
    """Where a call is in a file: lines from 1, columns from 0 in bytes of UTF-8."""

    line: int
    end_line: int
    column: int
    end_column: int


def call_at(tree: ast.AST, position: Position) -> ast.Call:
    """The call at a position; raises UnusableInputError where there is none, as in code generated at run time."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and position == (
            node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
        ):  # fmt: skip
            return node
    raise UnusableInputError(f"no call is at line {position.line}")


def argument(call: ast.Call, parameters: Sequence[str], name: str) -> ast.expr | None:
    """The argument of a call for a parameter; None where it is left out.

    Raises UnusableInputError where a starred argument may set it.
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
    """The source of an argument, for ``Written``."""
    given = argument(call, parameters, name)
    if given is not None and not all(isinstance(node, _REPEATABLE) for node in ast.walk(given)):
        place = f"{name} is {ast.unparse(given)} at line {call.lineno}"
        raise UnusableInputError(f"{place}, which would be written there twice: give it a name")
    return None if given is None else ast.unparse(given)


def imported_as(tree: ast.AST, module: str) -> str:
    """The name of a module in a file; its full name if no import gives it another."""
    for node in ast.walk(tree):
        for alias in getattr(node, "names", []) if isinstance(node, (ast.Import, ast.ImportFrom)) else []:
            package = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            name = f"{package}{alias.name}"
            known = alias.asname or (alias.name if package else "")
            if known and f"{module}.".startswith(f"{name}."):
                return str(known + module.removeprefix(name))
    return module


def last_argument(call: str) -> tuple[int, bool]:
    """The byte after the last argument of a call, and whether the call has none."""
    tokens = _tokens(f"({call})")[:-2]  # without the call's closing bracket and the one around it
    return _behind(f"({call})", tokens) - 1, tokens[-1].string == "("


def last_parameter(header: str) -> int:
    """The byte after the last parameter of a function that has parameters, in its text from ``def`` to its body."""
    tokens, depth = _tokens(header), 0
    for i, token in enumerate(tokens):
        depth += (token.string in set("([{")) - (token.string in set(")]}"))
        if token.string == ")" and not depth:
            return _behind(header, tokens[:i])
    raise UnusableInputError(f"no parameters are in {header!r}")


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    return [t for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type not in _INSIGNIFICANT]


def _behind(text: str, tokens: Sequence[tokenize.TokenInfo]) -> int:
    """The byte after the last of some tokens of a text, without a trailing comma."""
    line, column = tokens[-2 if tokens[-1].string == "," else -1].end
    start = sum(len(part) + 1 for part in text.split("\n")[: line - 1])
    return len(text[: start + column].encode())

"""Change arguments of calls in Python source, or replace the calls; the text around them is kept."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from constraints.code_layout import laid_out, place_in
from constraints.errors import UnusableInputError

_INSIGNIFICANT = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)


_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = "\ufeff"
_REPEATABLE = (
    ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.Subscript,
    ast.IfExp, ast.Compare, ast.BoolOp, ast.operator, ast.unaryop, ast.cmpop, ast.boolop, ast.expr_context,
)  # fmt: skip
"""Nodes of expressions that may be repeated in the source: they have no side effects and the same value each time."""
_FUNCTIONAL = "torch.nn.functional"
_NO_MODULE = frozenset({"", "torch"})
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


@dataclass(frozen=True, kw_only=True)
class CallEdit:
    """The edit of one call."""

    position: Position
    parameters: tuple[str, ...]
    """Names of the parameters of the called function, in order."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Parameter -> its new value."""
    entries: Mapping[str, str] = field(default_factory=dict)
    """Parameter -> the expression of its new value, put over that in a dictionary that the call passes on by ``**``."""
    rewrites: tuple[Callable[[str, Written], str], ...] = ()
    """(text of the call, its new arguments) -> the text that replaces it; applied one after another."""
    function: str = ""
    """New name for the last part of the callee; empty if it stays."""
    kept: tuple[str, ...] = ()
    """The parameters of the new function, in order; arguments for other parameters are removed."""


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


class Piece(NamedTuple):
    """Text that replaces the bytes from ``start`` up to ``stop``."""

    start: int
    stop: int
    text: str


def edited(text: str, edits: Sequence[CallEdit], more: Iterable[Piece] = ()) -> str:
    """The source with each call edited, and with ``more`` changes.

    Raises UnusableInputError where two of them overlap, for example if a rewritten call is inside another.
    """
    source = Bytes(text)
    tree = ast.parse(text.removeprefix(_BOM))
    of_calls = [piece for e in edits for piece in source.pieces(call_at(tree, e.position), e)]
    return replaced(source, [*of_calls, *more])


def replaced(source: Bytes, pieces: Sequence[Piece]) -> str:
    """The source with all pieces replaced; raises UnusableInputError where two of them overlap."""
    data, end = source.data, len(source.data)
    for start, stop, new in sorted(pieces, reverse=True):
        if stop > end:
            raise UnusableInputError("one call that would change is within another")
        data, end = data[:start] + new.encode() + data[stop:], start
    return data.decode()


class Bytes:
    """Source as UTF-8 bytes, in which ``ast`` counts columns."""

    def __init__(self, text: str) -> None:
        """Encode a text with any line ends, with or without a byte order mark."""
        self.data = text.encode()
        first = len(_BOM.encode()) if text.startswith(_BOM) else 0
        self.starts = [first, *(end.end() for end in _LINE_END.finditer(self.data))]

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """The byte range of a node: the first byte, and the one after the last."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def start(self, node: ast.arg) -> int:
        """The first byte of a parameter's name."""
        return self.starts[node.lineno - 1] + node.col_offset

    def pieces(self, node: ast.Call, edit: CallEdit) -> list[Piece]:
        """The replacements for an edit of a call, as small as possible, so that calls inside it can change too."""
        start, stop = self.span(node)
        text, added, found = self.data[start:stop].decode(), [], list[Piece]()
        for name, value in edit.arguments.items():
            if (given := argument(node, edit.parameters, name)) is None:
                added.append(f"{name}={value!r}")
            else:
                found.append(Piece(*self.span(given), repr(value)))
        if edit.entries:
            found.append(self._over(node, edit.entries))
        if edit.function:
            found += [*self._called(node, edit.function), *self._left_out(node, edit)]
        if added:
            end, is_first = _last_argument(text)
            found.append(Piece(start + end, start + end, f"{'' if is_first else ', '}{', '.join(added)}"))
        return [self._rewritten(node, edit, found)] if edit.rewrites else found

    def _rewritten(self, node: ast.Call, edit: CallEdit, pieces: Sequence[Piece]) -> Piece:
        """The replacement of the whole call."""
        start, stop = self.span(node)
        data = self.data[start:stop]
        for a, b, new in sorted(pieces, reverse=True):
            data = data[: a - start] + new.encode() + data[b - start :]
        text = data.decode()
        call = ast.parse(f"({text})", mode="eval").body
        assert isinstance(call, ast.Call)
        ast.increment_lineno(call, node.lineno - 1)
        for rewrite in edit.rewrites:
            text = rewrite(text, partial(written, call, edit.parameters))
        whole, first, last = self.data.decode(), len(self.data[:start].decode()), len(self.data[:stop].decode())
        return Piece(start, stop, laid_out(text, place_in(whole, first, last)))

    def _over(self, node: ast.Call, entries: Mapping[str, str]) -> Piece:
        """``**{**kwargs, "dilation": 2}`` in place of ``**kwargs``."""
        (passed,) = (keyword.value for keyword in node.keywords if keyword.arg is None)
        start, stop = self.span(passed)
        pairs = ", ".join(f'"{name}": {value}' for name, value in entries.items())
        whole, first, last = self.data.decode(), len(self.data[:start].decode()), len(self.data[:stop].decode())
        return Piece(start, stop, laid_out(f"{{**{ast.unparse(passed)}, {pairs}}}", place_in(whole, first, last)))

    def _called(self, node: ast.Call, function: str) -> Iterator[Piece]:
        """Replace the function by one of the same module; by its full name if the module lacks it or is not named."""
        module = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        yield Piece(*self.span(node.func), f"{self._functional if module in _NO_MODULE else module}.{function}")

    @property
    def _functional(self) -> str:
        return imported_as(ast.parse(self.data.decode().removeprefix(_BOM)), _FUNCTIONAL)

    def _left_out(self, node: ast.Call, edit: CallEdit) -> Iterator[Piece]:
        """Remove arguments that the new function does not take; pass those whose position changed by keyword."""
        position, end = 0, self.span(node.func)[1] + 1
        for name, given in zip(edit.parameters, node.args, strict=False):
            start, stop = self.span(given)
            if name not in edit.kept:
                yield Piece(end if position else start, stop, "")
            elif edit.kept.index(name) == position:
                position += 1
            else:
                yield Piece(start, start, f"{name}=")
            end = stop
        for keyword in node.keywords:
            stop = self.span(keyword.value)[1]
            if keyword.arg is not None and keyword.arg not in edit.kept:
                yield Piece(end, stop, "")
            end = stop


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


def _last_argument(call: str) -> tuple[int, bool]:
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

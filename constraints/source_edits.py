"""Change arguments of calls in Python source, or replace the calls; the text around them is kept."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from constraints.call_syntax import Position, Written, argument, call_at, imported_as, last_argument, written
from constraints.code_layout import laid_out, place_in
from constraints.errors import UnusableInputError

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = "\ufeff"
_FUNCTIONAL = "torch.nn.functional"
_NO_MODULE = frozenset({"", "torch"})


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
            end, is_first = last_argument(text)
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

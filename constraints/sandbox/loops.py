"""Track the current iteration of each loop in a user's code, so that a patch can change single layers of a loop."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, TypeVar

NAME = "__counted__"
"""Name of the counting function in the user's module."""
T = TypeVar("T")
Loop = tuple[int, int]
"""Line and column of the iterable of a loop."""


class Loops(ast.NodeTransformer):
    """Rewrites loops so that their iterations are counted, and knows the current iteration of each running loop."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.start = 0
        """Number of lines before the rewritten text, where it is one of several (a notebook's cells)."""
        self._turns: dict[tuple[int, Loop], int] = {}

    def counted(self, line: int, column: int, items: Iterable[T]) -> Iterator[T]:
        """The same items; the iteration is recorded for the calling frame."""
        for turn, item in enumerate(items):
            self._turns[id(sys._getframe(1)), (line, column)] = turn
            yield item

    def turns(self, frame: FrameType) -> dict[Loop, int]:
        """Loop of a frame -> its current iteration, from 0."""
        return {loop: turn for (number, loop), turn in self._turns.items() if number == id(frame)}

    def visit_For(self, node: ast.For) -> Any:
        """Count the iterations of a ``for`` statement."""
        self.generic_visit(node)
        node.iter = _counting(node.iter, self.start)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        """Count the iterations of a comprehension."""
        self.generic_visit(node)
        if not node.is_async:
            node.iter = _counting(node.iter, self.start)
        return node


def _counting(items: ast.expr, start: int) -> ast.expr:
    call = ast.Call(
        func=ast.Name(id=NAME, ctx=ast.Load()),
        args=[ast.Constant(items.lineno + start), ast.Constant(items.col_offset), items],
        keywords=[],
    )
    return ast.fix_missing_locations(ast.copy_location(call, items))

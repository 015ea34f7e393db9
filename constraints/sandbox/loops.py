"""At which turn of each loop a user's code is, so that a patch may tell apart what one call in a loop makes."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, TypeVar

NAME = "__counted__"
"""What the counting function is called in the user's module."""
T = TypeVar("T")
Loop = tuple[int, int]
"""Line and column of what a loop goes over."""


class Loops(ast.NodeTransformer):
    """Rewrites loops so that their turns are counted, and knows the turns of those that run."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.start = 0
        """How many lines are before the text that is rewritten, where it is one of several."""
        self._turns: dict[tuple[int, Loop], int] = {}

    def counted(self, line: int, column: int, items: Iterable[T]) -> Iterator[T]:
        """The same items; the turn is noted for the frame that asks for them."""
        for turn, item in enumerate(items):
            self._turns[id(sys._getframe(1)), (line, column)] = turn
            yield item

    def turns(self, frame: FrameType) -> dict[Loop, int]:
        """Loop of a frame -> at which turn it is, from 0."""
        return {loop: turn for (number, loop), turn in self._turns.items() if number == id(frame)}

    def visit_For(self, node: ast.For) -> Any:
        """Count a statement's turns."""
        self.generic_visit(node)
        node.iter = _counting(node.iter, self.start)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        """Count a comprehension's turns."""
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

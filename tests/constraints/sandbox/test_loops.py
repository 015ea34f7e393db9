"""The turns of a user's loops are counted, and the loops run as they are written."""

from __future__ import annotations

import ast
import sys
from types import FrameType
from typing import Any

from constraints.sandbox.loops import NAME, Loops

CODE = """
found = []
def inner(rows):
    for row in rows:
        for x in row:
            found.append((x, turns(frame())))
    else:
        found.append("end")
inner([(7, 8), (9,)])
squares = [(x * x, turns(frame())) for x in (2, 3)]
for x in [1]: inner([])
"""


def test_the_turn_of_each_loop_is_known_where_a_frame_is() -> None:
    loops = Loops()

    def frame() -> FrameType:
        return sys._getframe(1)

    space: dict[str, Any] = {NAME: loops.counted, "turns": loops.turns, "frame": frame}
    exec(compile(ast.fix_missing_locations(loops.visit(ast.parse(CODE))), "code", "exec"), space)
    outer, inner = (4, 15), (5, 17)
    assert space["found"] == [
        (7, {outer: 0, inner: 0}), (8, {outer: 0, inner: 1}), (9, {outer: 1, inner: 0}), "end", "end",
    ]  # fmt: skip
    assert [(value, list(turns.values())) for value, turns in space["squares"]] == [(4, [0]), (9, [1])]

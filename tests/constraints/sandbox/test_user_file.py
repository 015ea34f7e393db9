"""What a file says around a call: its function, its loops, the lists that these go over."""

from __future__ import annotations

import ast

import pytest

from constraints.sandbox.user_file import FUNCTIONS, UserFile, default_of, is_constant, variables
from constraints.source_edits import replaced

CODE = """ROWS = [(1, 2), (3, 4)]
def make(a, b=3, *, c=None):
    for i, o in ROWS:
        made = [conv(i, k) for k in (5, 6)]
"""


def expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def test_lists_that_are_written_out() -> None:
    file = UserFile("net.py", CODE)
    rows = file.literal(expression("enumerate(ROWS)"))
    assert [ast.unparse(row) for row in rows or []] == ["(1, 2)", "(3, 4)"]
    assert file.literal(expression("range(2)")) is None
    assert UserFile("net.py", "R = [1]\nR = [2]\n").literal(expression("R")) is None  # it is not known which of them


def test_a_loop_counts_its_turns() -> None:
    file = UserFile("net.py", CODE)
    new = replaced(file.bytes, [*file.enumerated((3, 16), "n"), *file.enumerated((4, 36), "m")])
    assert "    for n, (i, o) in enumerate(ROWS):\n" in new
    assert "[conv(i, k) for m, k in enumerate((5, 6))]" in new


def test_defaults_names_and_constants() -> None:
    file = UserFile("net.py", CODE)
    (function,) = (node for node in ast.walk(file.tree) if isinstance(node, FUNCTIONS))
    assert [default_of(function, name) for name in ("a", "b", "c")] == ["", "3", "None"]
    assert file.names() == {"ROWS", "i", "o", "made", "conv", "k", "a", "b", "c"}
    assert variables(expression("k // 2"), None, expression("d")) == {"k", "d"}


@pytest.mark.parametrize(("text", "is_so"), [("(1, -2)", True), ("'M'", True), ("w", False), ("2 * 3", False)])
def test_what_is_written_out(text: str, is_so: bool) -> None:
    assert is_constant(expression(text)) == is_so

"""All texts of the packages that name a flag, as they stand in the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import constraints
import nas

FLAG = re.compile(r"(?<![\w-])--[a-z]")
FILLED = "a:b"
"""What stands for a value that a message is filled with."""


def messages() -> list[str]:
    """Every string with a flag in it that is no docstring, sorted; parts in braces are FILLED."""
    found: set[str] = set()
    for package in (nas, constraints):
        for folder in package.__path__:
            for file in Path(folder).rglob("*.py"):
                found.update(text for text in _texts(ast.parse(file.read_text(encoding="utf-8"))) if FLAG.search(text))
    return sorted(found)


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else FILLED for part in node.values)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _texts(part.value)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)

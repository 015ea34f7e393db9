"""Commands that load torch or Optuna show on a terminal what they do before they load it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMANDS = sorted((Path(__file__).parents[3] / "nas" / "cli").glob("*.py"))
SLOW = (
    "nas.latency.calibration",
    "nas.search.deletion",
    "nas.search.given_launch",
    "nas.search.search_launch",
    "nas.results.cards",
    "nas.results.dashboard",
    "nas.results.report.page",
    "nas.training.datasets",
)
"""Modules that take a second or more to load."""


def loaded(node: ast.ImportFrom) -> set[str]:
    return {f"{node.module}", *(f"{node.module}.{one.name}" for one in node.names)}


def unannounced(code: str) -> set[str]:
    """The slow modules that code loads only outside ``with working(...)``."""
    found = [*imports(ast.parse(code), is_working=False)]
    announced = {name for name, is_working in found if is_working}
    return {name for name, _ in found} - announced


def imports(node: ast.AST, *, is_working: bool) -> Iterator[tuple[str, bool]]:
    """Each slow module that is loaded, and whether a message is shown then."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.With):
        is_working |= any(ast.unparse(item.context_expr).startswith("working(") for item in node.items)
    if isinstance(node, ast.ImportFrom):
        yield from ((name, is_working) for name in loaded(node) & {*SLOW})
    for child in ast.iter_child_nodes(node):
        yield from imports(child, is_working=is_working)


@pytest.mark.parametrize("file", COMMANDS, ids=lambda file: file.stem)
def test_a_slow_import_is_announced(file: Path) -> None:
    assert unannounced(file.read_text()) == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from nas.search import deletion", ["nas.search.deletion"]),
        ("with working('x'):\n    from nas.search.deletion import delete", []),
        ("def f():\n    from nas.search.deletion import delete", ["nas.search.deletion"]),
        ("with quiet():\n    from nas.search import deletion", ["nas.search.deletion"]),
    ],
)
def test_the_check_finds_them(code: str, found: list[str]) -> None:
    assert unannounced(code) == {*found}

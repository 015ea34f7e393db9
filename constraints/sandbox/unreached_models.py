"""Models that an import does not make: of ``if __name__ == "__main__"``, in functions, in files of cells; no torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NETWORKS = frozenset({"LightningModule", "Module", "Sequential"})
"""Last parts of the names of classes whose subclasses and calls are networks."""


def unreached(tree: ast.Module) -> str:
    """Where a file makes a network that cannot be named, and what to do; empty where there is none."""
    return next(_unreached(tree), "")


def written_model(files: Mapping[str, str]) -> str:
    """Which file that a notebook's cell writes defines a network, and how the notebook has it; empty where none does.

    ``files`` are the texts of the written files by their paths.
    """
    for path, text in files.items():
        with suppress(SyntaxError, ValueError):
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef) and any(_last(base) in _NETWORKS for base in node.bases):
                    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                    return f"a cell writes {path}: add a cell after it: from {module} import {node.name}"
    return ""


def _unreached(tree: ast.Module) -> Iterator[str]:
    for function in (node for node in tree.body if isinstance(node, _FUNCTIONS)):
        for node in ast.walk(function):
            if isinstance(node, ast.ClassDef) and any(_last(base) in _NETWORKS for base in node.bases):
                yield f"the class {node.name} is inside {function.name}: move it out of that function"
    for block in (node for node in tree.body if _is_for_scripts(node)):
        for name, line in _networks_in(block):
            yield f"line {line} makes {name} only if the file is run: move it out of if __name__ == '__main__'"
    for function in (node for node in tree.body if isinstance(node, _FUNCTIONS)):
        for name, line in _networks_in(function):
            yield f"line {line} makes {name} inside {function.name}: move it out of that function"


def _networks_in(block: ast.stmt) -> Iterator[tuple[str, int]]:
    """Name and line of each variable of a block that is a network made of layers."""
    for node in ast.walk(block):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            made = node.value
            if any(isinstance(n, ast.Call) and _last(n.func) in _NETWORKS for n in ast.walk(made)):
                yield node.targets[0].id, node.lineno


def _is_for_scripts(node: ast.stmt) -> bool:
    """Whether this is an ``if`` of the module's ``__name__``."""
    names = ast.walk(node.test) if isinstance(node, ast.If) else ()
    return any(isinstance(n, ast.Name) and n.id == "__name__" for n in names)


def _last(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]

"""Models that an import does not make: of ``if __name__ == "__main__"``, in functions, in files of cells; no torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NETWORKS = frozenset({"LightningModule", "Module", "Sequential"})
"""Last parts of the names of classes whose subclasses and calls are networks."""

_OUT_OF_BLOCK = "move it out of if __name__ == '__main__'"


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
                if isinstance(node, ast.ClassDef) and _is_network(node):
                    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                    return f"a cell writes {path}: add a cell after it: from {module} import {node.name}"
    return ""


def defining_functions(tree: ast.Module) -> frozenset[str]:
    """The functions of a file inside which a network is defined."""
    return frozenset(f.name for f in tree.body if isinstance(f, _FUNCTIONS) and any(_classes_in(f)))


def _unreached(tree: ast.Module) -> Iterator[str]:
    blocks = [node for node in tree.body if is_for_scripts(node)]
    functions = [node for node in tree.body if isinstance(node, _FUNCTIONS)]
    for block in blocks:
        for name, line in _classes_in(block):
            yield f"line {line} defines the class {name} only if the file is run: {_OUT_OF_BLOCK}"
    for outer in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for place, name in _inner_classes(outer, outer.name):
            yield f"the class {name} is inside {place}: name {place}.{name}"
    for function in (node for outer in tree.body for node in [outer, *_methods(outer)] if isinstance(node, _FUNCTIONS)):
        for name, _ in _classes_in(function):
            yield f"the class {name} is inside {function.name}: move it out of that function"
    for block in blocks:
        for name, line in _networks_in(block):
            yield f"line {line} makes {name} only if the file is run: {_OUT_OF_BLOCK}"
    for function in functions:
        for name, line in _networks_in(function):
            yield f"line {line} makes {name} inside {function.name}: move it out of that function"


def _inner_classes(outer: ast.ClassDef, place: str) -> Iterator[tuple[str, str]]:
    """Each network that the body of a class defines: the full name of the class around it, and its own."""
    for node in outer.body:
        if isinstance(node, ast.ClassDef):
            if _is_network(node):
                yield place, node.name
            yield from _inner_classes(node, f"{place}.{node.name}")


def _methods(node: ast.stmt) -> list[ast.stmt]:
    return node.body if isinstance(node, ast.ClassDef) else []


def _is_network(node: ast.ClassDef) -> bool:
    return any(_last(base) in _NETWORKS for base in node.bases)


def _classes_in(block: ast.stmt) -> Iterator[tuple[str, int]]:
    """Name and line of each network that a block defines."""
    for node in ast.walk(block):
        if isinstance(node, ast.ClassDef) and _is_network(node):
            yield node.name, node.lineno


def _networks_in(block: ast.stmt) -> Iterator[tuple[str, int]]:
    """Name and line of each variable of a block that is a network made of layers."""
    for node in ast.walk(block):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            made = node.value
            if any(isinstance(n, ast.Call) and _last(n.func) in _NETWORKS for n in ast.walk(made)):
                yield node.targets[0].id, node.lineno


def is_for_scripts(node: ast.stmt) -> bool:
    """Whether this is an ``if`` of the module's ``__name__``."""
    names = ast.walk(node.test) if isinstance(node, ast.If) else ()
    return any(isinstance(n, ast.Name) and n.id == "__name__" for n in names)


def _last(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]

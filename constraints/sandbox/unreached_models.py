"""Models that an import does not make: of ``if __name__ == "__main__"``, in functions, in files of cells; no torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_PARTS = (ast.ExceptHandler, ast.match_case)
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
    blocks = [statement for node in tree.body for statement in for_scripts(node)]
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


def for_scripts(node: ast.stmt) -> list[ast.stmt]:
    """The statements of an ``if`` that run only if the file is run and not where it is imported; none for others."""
    if not isinstance(node, ast.If):
        return []
    imported = _holds_by_import(node.test)
    inner = [found for statement in node.orelse for found in for_scripts(statement)]  # an elif
    return node.body + inner if imported is False else node.orelse if imported else inner


def by_import(node: ast.stmt) -> list[ast.stmt]:
    """The statements right within a block, without those that run only if the file is run."""
    imported = _holds_by_import(node.test) if isinstance(node, ast.If) else None
    if isinstance(node, ast.If) and imported is not None:
        return node.body if imported else node.orelse
    return [inner for child in ast.iter_child_nodes(node) for inner in _statements(child)]


def _statements(node: ast.AST) -> list[ast.stmt]:
    """A statement itself, or those of an ``except`` or a ``case``."""
    return [node] if isinstance(node, ast.stmt) else list(getattr(node, "body", [])) if isinstance(node, _PARTS) else []


def _holds_by_import(test: ast.expr) -> bool | None:
    """Whether a condition holds where the file is imported, as far as its ``__name__`` decides it; None if not."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            held = _holds_by_import(inner)
            return None if held is None else not held
        case ast.BoolOp(op=operator, values=values):
            decides = isinstance(operator, ast.Or)
            held_parts = [_holds_by_import(value) for value in values]
            return decides if decides in held_parts else None if None in held_parts else not decides
        case ast.Compare(left=left, ops=[operation], comparators=[right]):
            names = [ast.unparse(side) for side in (left, right)]
            if "__name__" in names and any("__main__" in name for name in names):
                return isinstance(operation, (ast.NotEq, ast.NotIn, ast.IsNot))
    return None


def _last(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]

"""Which entries of an argument a constructor reads, such as ``args.width`` or ``cfg["model"]["width"]``; no torch."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Entries = Mapping[str, Any]
"""Name -> the entries below it; empty for a plain value."""
_SAVED = "self.hparams"
"""Where Lightning keeps what ``save_hyperparameters`` is given."""
_METHODS = (ast.FunctionDef, ast.AsyncFunctionDef)


def entries_of(thing: Any, parameter: str) -> Entries:
    """The entries of a parameter that a class or function reads; empty where its source is not known."""
    for maker in inspect.getmro(thing) if inspect.isclass(thing) else (thing,):
        if inspect.isclass(thing) and "__init__" not in vars(maker):
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(maker)))
        except (OSError, TypeError, SyntaxError):
            return {}
        return entries_in(tree.body[0], parameter)
    return {}


def entries_in(definition: ast.stmt, parameter: str) -> Entries:
    """The same of the syntax of a class or a function."""
    is_function = isinstance(definition, _METHODS)
    within = [definition] if is_function else getattr(definition, "body", [])
    functions = [n for n in within if isinstance(n, _METHODS)]
    maker = next((n for n in functions if is_function or n.name == "__init__"), None)
    found: dict[str, Any] = {}
    if maker is None:
        return found
    stored = {*_stored(maker, parameter)}
    given = {maker.name: parameter, **dict(_handed_on(maker, functions, parameter))}
    for function in functions:
        called = {id(n.func) for n in ast.walk(function) if isinstance(n, ast.Call)}
        bases = stored | ({given[function.name]} if function.name in given else set())
        for node in ast.walk(function):
            here = found
            for key in (_path(node, bases) or ()) if id(node) not in called else ():
                here = here.setdefault(key, {})
    return found


def as_toml(entries: Entries) -> str:
    """An inline table with these entries, ``...`` for each value."""
    pairs = [f"{key}={as_toml(inner) if inner else '...'}" for key, inner in entries.items()]
    return f"{{{', '.join(pairs)}}}"


def _stored(maker: ast.AST, parameter: str) -> Iterator[str]:
    """The attributes in which a constructor stores a parameter."""
    for node in ast.walk(maker):
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == parameter:
            yield from (ast.unparse(target) for target in node.targets if isinstance(target, ast.Attribute))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "self.save_hyperparameters":
            yield from (_SAVED for given in node.args if ast.unparse(given) == parameter)


def _handed_on(
    maker: ast.FunctionDef | ast.AsyncFunctionDef,
    methods: Sequence[ast.FunctionDef | ast.AsyncFunctionDef],
    parameter: str,
) -> Iterator[tuple[str, str]]:
    """The methods that a constructor calls with a parameter, and the names that they give it."""
    names = {f"self.{method.name}": [a.arg for a in method.args.args[1:]] for method in methods}
    for node in (n for n in ast.walk(maker) if isinstance(n, ast.Call)):
        method = ast.unparse(node.func)
        for name, value in zip(names.get(method, []), node.args, strict=False):
            if ast.unparse(value) == parameter:
                yield method.removeprefix("self."), name


def _path(node: ast.AST, bases: set[str]) -> list[str] | None:
    """The names on the way from one of the bases to what an expression reads; None for any other expression."""
    if isinstance(node, (ast.Name, ast.Attribute)) and ast.unparse(node) in bases:
        return []
    if isinstance(node, ast.Attribute):
        inner, name = _path(node.value, bases), node.attr
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        inner, name = _path(node.value, bases), node.slice.value
    else:
        return None
    return None if inner is None else [*inner, name]

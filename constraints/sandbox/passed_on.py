"""Arguments that a function passes on to a call by its own ``*args`` and ``**kwargs``; no torch."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from constraints.call_syntax import argument
from constraints.errors import UnusableInputError
from constraints.sandbox.constructions import Level, UserCall

SELF = ("self", "cls")
"""The first parameter of a method, which calls do not give."""


def given(call: UserCall, node: ast.Call, parameters: Sequence[str], name: str) -> ast.expr | None:
    """The argument of a call for a parameter; None where it is left out.

    Where ``*args`` or ``**kwargs`` of the function around the call may give it, it is a variable of the same name,
    as if that function had such a parameter and passed it on. Raises UnusableInputError for any other star.
    """
    own = ast.Call(func=node.func, args=list(node.args), keywords=list(node.keywords))
    ast.copy_location(own, node)
    positional, keywords = _stars(call)
    position = _star(node, positional)
    if position is not None:
        own.args = own.args[:position]
    own.keywords = [k for k in own.keywords if k.arg is not None or not _is_name(k.value, keywords)]
    found = argument(own, parameters, name)
    if found is not None or (len(own.args), len(own.keywords)) == (len(node.args), len(node.keywords)):
        return found
    if name not in _passed(call, node, parameters):
        return None
    return ast.copy_location(ast.Name(id=name, ctx=ast.Load()), node)


def parameters_of(call: UserCall, node: ast.Call, parameters: Sequence[str]) -> tuple[str, ...]:
    """The parameters of the function around a call, in order, with those of the call that it passes on by stars."""
    own = [name for name in call.parameters if name not in SELF]
    count = call.code.co_argcount - sum(name in SELF for name in call.parameters)
    passed = _passed(call, node, parameters)
    position = _star(node, _stars(call)[0])
    by_position = [] if position is None else [name for name in parameters[position:] if name in passed]
    names = [*own[:count], *by_position, *own[count:], *passed]
    return tuple(dict.fromkeys(names))


def passes_keyword(call: UserCall, node: ast.Call, parameters: Sequence[str], name: str) -> str:
    """The name of the ``**kwargs`` by which a call may get an argument; empty where another star may give it too."""
    keywords = _stars(call)[1]
    stars = [k.value for k in node.keywords if k.arg is None] + [a for a in node.args if isinstance(a, ast.Starred)]
    is_only = len(stars) == 1 and _is_name(stars[0], keywords)
    return keywords if is_only and name in _passed(call, node, parameters) else ""


def also_set(
    layers: Mapping[str, Sequence[Level]], layer: str, level: int, name: str, node_of: Callable[[UserCall], ast.Call]
) -> Iterator[str]:
    """The other layers that a variable of a function sets as well, in the run of it that made a layer.

    ``level`` is that of the function's call for the layer; the other layers are made by other calls, which read it.
    """
    here = layers[layer][level]
    read = {name} if name in here.call.parameters else {star for star in _stars(here.call) if star}
    for other, levels in layers.items():
        for found in levels:
            if found.frame is here.frame and found.call != here.call:
                with suppress(UnusableInputError):
                    if read & set(_read(node_of(found.call))):
                        yield other


def _read(node: ast.Call) -> Iterator[str]:
    """The variables in a call's arguments, without those in calls inside them."""
    waiting: list[ast.AST] = [*node.args, *node.keywords]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, ast.Name):
            yield inner.id
        elif not isinstance(inner, ast.Call):
            waiting += ast.iter_child_nodes(inner)


def _passed(call: UserCall, node: ast.Call, parameters: Sequence[str]) -> list[str]:
    """The parameters of a call that the function around it may get by its own ``*args`` or ``**kwargs``."""
    positional, keywords = _stars(call)
    position = _star(node, positional)
    by_keyword = any(k.arg is None and _is_name(k.value, keywords) for k in node.keywords)
    before = len(node.args) if position is None else position
    named = {k.arg for k in node.keywords}
    left = [name for name in parameters[before:] if name not in named]
    return [name for name in left if (by_keyword and name not in call.parameters) or position is not None]


def _stars(call: UserCall) -> tuple[str, str]:
    """The names of ``*args`` and ``**kwargs`` of the function around a call; empty where it has none."""
    code = call.code
    names = iter(code.co_varnames[code.co_argcount + code.co_kwonlyargcount :])
    positional = next(names) if code.co_flags & inspect.CO_VARARGS else ""
    return positional, next(names) if code.co_flags & inspect.CO_VARKEYWORDS else ""


def _star(node: ast.Call, name: str) -> int | None:
    """The position of ``*name`` among a call's arguments, where it is the last of them."""
    last = node.args[-1] if node.args else None
    return len(node.args) - 1 if isinstance(last, ast.Starred) and _is_name(last.value, name) else None


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and bool(name) and node.id == name

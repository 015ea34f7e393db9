"""Replace a module wherever a model stores it, registered or not, and undo that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import ExitStack
from typing import Any

from torch import nn

from constraints.model_state import OF_ANY_MODULE, parts

_DEEPEST = 4


def replace_module(model: nn.Module, original: nn.Module, made: nn.Module) -> Callable[[], None]:
    """Replace ``original`` by ``made`` under all its names; the returned function undoes it.

    Plain lists, dicts, sets and tuples are changed too, as if the model had been built with ``made``. If a class of the
    model raises an error, everything is restored and the error is raised.
    """
    with ExitStack() as undo:
        _replace(list(parts(model).modules.values()), original, made, undo)
        return undo.pop_all().close


def _replace(owners: Iterable[nn.Module], original: nn.Module, made: nn.Module, undo: ExitStack) -> None:
    for owner in owners:
        for leaf, part in list(owner._modules.items()):
            if part is original:
                setattr(owner, leaf, made)
                undo.callback(setattr, owner, leaf, original)
        for name, value in list(vars(owner).items()):
            if name not in OF_ANY_MODULE and (new := _with(value, original, made, undo, 0)) is not value:
                vars(owner)[name] = new
                undo.callback(vars(owner).__setitem__, name, value)


def _with(value: Any, original: nn.Module, made: nn.Module, undo: ExitStack, depth: int) -> Any:
    """The replacement of a value: the value itself if it does not contain the original.

    Lists, dicts and sets are changed in place; immutable containers are rebuilt.
    """
    if value is original:
        return made
    if depth == _DEEPEST or not isinstance(value, (list, tuple, set, frozenset, Mapping)):
        return value
    before = value.items() if isinstance(value, Mapping) else enumerate(value)
    pairs = [(key, inner, _with(inner, original, made, undo, depth + 1)) for key, inner in before]
    changed = [(key, inner, new) for key, inner, new in pairs if new is not inner]
    if not changed:
        return value
    if isinstance(value, (list, MutableMapping)):
        for key, inner, new in changed:
            value[key] = new
            undo.callback(value.__setitem__, key, inner)
        return value
    if isinstance(value, set):
        _refill(value, [new for *_, new in pairs])
        undo.callback(_refill, value, [inner for _, inner, _ in pairs])
        return value
    return _another(value, {key: new for key, _, new in pairs})


def _another(value: Any, items: Mapping[Any, Any]) -> Any:
    """A tuple, frozenset or mapping of the same class with other items, without calling its constructor."""
    kind = value.__class__
    if isinstance(value, Mapping):
        return kind(items)
    new = (tuple if isinstance(value, tuple) else frozenset).__new__(kind, items.values())
    vars(new).update(vars(value)) if hasattr(value, "__dict__") else None
    return new


def _refill(value: set[Any], items: Iterable[Any]) -> None:
    value.clear()
    value.update(items)

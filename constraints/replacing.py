"""Put one module in place of another wherever a model keeps it, registered or not, and take that back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch import nn

from constraints.model_state import OF_ANY_MODULE, parts

_DEEPEST = 4


def replace_module(model: nn.Module, original: nn.Module, made: nn.Module) -> Callable[[], None]:
    """Put ``made`` in place of ``original`` under every name that it has; what is returned takes it back.

    Plain lists, dicts and tuples hold it too, as they would where the call that makes the module had made another.
    """
    undo = ExitStack()
    for owner in parts(model).modules.values():
        for leaf, part in list(owner._modules.items()):
            if part is original:
                setattr(owner, leaf, made)
                undo.callback(setattr, owner, leaf, original)
        for name, value in list(vars(owner).items()):
            if name not in OF_ANY_MODULE and (new := _with(value, original, made, undo, 0)) is not value:
                vars(owner)[name] = new
                undo.callback(vars(owner).__setitem__, name, value)
    return undo.close


def _with(value: Any, original: nn.Module, made: nn.Module, undo: ExitStack, depth: int) -> Any:
    """What there is in place of a value: itself, where it holds the original nowhere; lists and dicts are changed."""
    if value is original:
        return made
    kind = value.__class__
    if depth == _DEEPEST or not issubclass(kind, (list, dict, tuple)):
        return value
    if issubclass(kind, tuple):
        items = [_with(v, original, made, undo, depth + 1) for v in value]
        if all(a is b for a, b in zip(items, value, strict=True)):
            return value
        return kind(*items) if hasattr(kind, "_fields") else tuple(items)
    for key, inner in list(value.items() if issubclass(kind, dict) else enumerate(value)):
        if (new := _with(inner, original, made, undo, depth + 1)) is not inner:
            value[key] = new
            undo.callback(value.__setitem__, key, inner)
    return value

"""The whole numbers that a model's program holds: in the code of its classes, and in their attributes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from torch import nn

from constraints.tracing.unseen import functions, within

_DEEPEST = 2


def whole_numbers(modules: Iterable[nn.Module]) -> Collection[int]:
    """Their absolute values; those of code that is called from elsewhere are not among them."""
    kept = list(modules)
    found = {abs(n) for module in kept for n in _among(list(vars(module).values()), _DEEPEST)}
    for kind in {type(module) for module in kept}:
        for function in functions(kind):
            values = [code.co_consts for code in within(function.__code__)]
            named = [v for n in function.__code__.co_names if type(v := function.__globals__.get(n)) in {int, tuple}]
            found |= {abs(n) for n in _among([*values, function.__defaults__ or (), *named], _DEEPEST)}
    return frozenset(found)


def _among(values: Iterable[Any], depth: int) -> Iterator[int]:
    for value in values:
        if type(value) is int:
            yield value
        elif depth and isinstance(value, (tuple, list)):
            yield from _among(value, depth - 1)
        elif depth and isinstance(value, Mapping):
            yield from _among(value.values(), depth - 1)

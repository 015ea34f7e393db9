"""What a forward pass returns: the tensors in an output of any type, and what cannot be opened."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import islice
from typing import Any
from weakref import ref

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

_MOST_ITEMS = 1000
"""The number of items taken from an output that is a generator."""
_MOST_OBJECTS = 1000
"""The number of objects other than Python's containers that are opened."""
_PLAIN = (str, bytes, int, type(None), type, types.ModuleType, Enum, np.dtype)
_CLOSED = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    partial,
    nn.Module,
    ref,
    torch.futures.Future,
)


@dataclass(kw_only=True)
class Opened:
    """The contents of an output."""

    tensors: list[torch.Tensor] = field(default_factory=list)
    numbers: list[complex] = field(default_factory=list)
    """Numbers other than integers."""
    has_arrays: bool = False
    closed: list[str] = field(default_factory=list)
    """The types of objects that may contain more and cannot be opened."""


def opened(output: Any) -> Opened:
    """The tensors and numbers of nested containers, dataclasses, distributions, generators, user-defined classes."""
    found = Opened()
    _open(output, found, {})
    return found


def _open(thing: Any, found: Opened, seen: dict[int, Any]) -> None:
    for leaf in tree_leaves(thing):
        if isinstance(leaf, torch.Tensor):
            found.tensors.append(leaf)
        elif isinstance(leaf, (float, complex)):
            found.numbers.append(leaf)
        elif isinstance(leaf, (np.ndarray, np.generic)):
            found.has_arrays = True
        elif isinstance(leaf, _PLAIN) or id(leaf) in seen or _is_bare(leaf):
            continue
        elif _is_closed(leaf) or len(seen) >= _MOST_OBJECTS:
            found.closed.append(type(leaf).__name__)
        else:
            seen[id(leaf)] = leaf  # kept alive, so that its id is not reused
            for inner in inside(leaf):
                _open(inner, found, seen)


def _is_bare(thing: Any) -> bool:
    """Whether it is a function without closure, attributes or bound object."""
    if isinstance(thing, types.BuiltinFunctionType):
        return not isinstance(thing.__self__, torch.Tensor)
    return isinstance(thing, types.FunctionType) and not thing.__closure__


def _is_closed(thing: Any) -> bool:
    """Whether it is something that may contain or compute more when it is called."""
    return isinstance(thing, _CLOSED) or inspect.isawaitable(thing)


def inside(thing: Any) -> Iterable[Any]:
    """What an object other than a Python container contains."""
    if isinstance(thing, (Iterator, set, frozenset)):
        return islice(thing, _MOST_ITEMS)
    if isinstance(thing, Mapping):
        return list(thing.values())
    slots = [n for kind in type(thing).__mro__ for n in _names(getattr(kind, "__slots__", ()))]
    return [*getattr(thing, "__dict__", {}).values(), *(getattr(thing, n) for n in slots if hasattr(thing, n))]


def _names(slots: str | Iterable[str]) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots

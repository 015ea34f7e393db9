"""Copies of tables and configurations that ``copy.deepcopy`` cannot make, since ``__getattr__`` has its own error.

The usual one is a dictionary whose entries are attributes: ``__getattr__ = dict.__getitem__`` raises KeyError for the
method ``__deepcopy__``, where Python expects AttributeError.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

_DEEPEST, _MOST = 4, 10_000


def note_tables(modules: Iterable[nn.Module], memo: dict[int, Any]) -> None:
    """Note in ``memo``, as ``copy.deepcopy`` reads it, a copy of each such table in the attributes of the modules."""
    found = {id(one): one for module in modules for one in _uncopied(vars(module))}
    blank = {at: _blank(type(one)) for at, one in found.items()}
    memo.update(blank)  # all of them first, since they may hold each other
    for at, one in found.items():
        if isinstance(one, dict):
            dict.update(blank[at], {copy.deepcopy(k, memo): copy.deepcopy(v, memo) for k, v in dict.items(one)})
        if attributes := _attributes(one):
            _attributes(blank[at]).update(copy.deepcopy(attributes, memo))


def _blank(kind: Any) -> Any:
    """An instance without content."""
    return kind.__new__(kind)


def _uncopied(attributes: Mapping[str, Any]) -> Iterator[Any]:
    waiting = [(value, 0) for value in attributes.values()]
    seen = set[int]()
    while waiting and len(seen) < _MOST:
        value, depth = waiting.pop()
        if id(value) in seen or value is None or isinstance(value, (bool, int, float, str, torch.Tensor, nn.Module)):
            continue
        seen.add(id(value))
        if _has_own_error(value):
            yield value
        if depth < _DEEPEST:
            inner = dict.values(value) if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
            waiting += [(one, depth + 1) for one in inner]


def _has_own_error(value: Any) -> bool:
    """Whether looking for the method of a copy raises something else than AttributeError."""
    if isinstance(value, type) or not hasattr(type(value), "__getattr__"):
        return False
    try:
        getattr(value, "__deepcopy__", None)
    except Exception:  # whatever the code raises for a name that it does not have
        return True
    return False


def _attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object, without its own way to look them up; empty where it has none."""
    try:
        found: dict[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found

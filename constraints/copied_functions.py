"""Functions of a copied model: ``copy.deepcopy`` keeps them, and with them the modules that they have from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import CellType, FunctionType, MethodType
from typing import Any

import torch
from torch import nn


def rebind(modules: Iterable[nn.Module], memo: Mapping[int, Any]) -> None:
    """Replace functions in the attributes, hooks, lists and dicts of copied modules that hold what was copied.

    ``memo`` has each copy by the id of its original, as ``copy.deepcopy`` leaves it. Such a function would call the
    original: ``self.act = lambda x: self.drop(x)``, or a hook that writes to ``self``.
    """
    functions = _Functions(memo)
    for module in modules:
        if isinstance(module, torch.jit.ScriptModule):
            continue
        attributes = vars(module)
        for kept in (attributes, *(value for value in attributes.values() if isinstance(value, dict))):
            kept.update({k: functions.value(v) for k, v in kept.items() if isinstance(v, (FunctionType, tuple))})
        for values in (value for value in attributes.values() if isinstance(value, list)):
            values[:] = [functions.bound(v) if isinstance(v, FunctionType) else v for v in values]


class _Functions:
    """Functions that hold copies in place of originals, each made once."""

    def __init__(self, memo: Mapping[int, Any]) -> None:
        self._memo = memo
        self._cells: dict[int, CellType] = {}
        self._made: dict[int, FunctionType] = {}

    def bound(self, function: FunctionType) -> FunctionType:
        """A copy with other values where the function has some of the originals; else the function itself."""
        if id(function) in self._made:
            return self._made[id(function)]
        self._made[id(function)] = function  # where it has itself
        closure, defaults = function.__closure__ or (), function.__defaults__ or ()
        named = function.__kwdefaults__ or {}
        cells, now = tuple(map(self._cell, closure)), tuple(map(self.value, defaults))
        now_named = {name: self.value(value) for name, value in named.items()}
        pairs = zip((*closure, *defaults, *named.values()), (*cells, *now, *now_named.values()), strict=True)
        if all(before is after for before, after in pairs):
            return function
        cells = tuple(CellType(function) if _holds(cell, function) else cell for cell in cells)
        made = FunctionType(function.__code__, function.__globals__, function.__name__, now or None, cells or None)
        made.__kwdefaults__ = now_named or None
        made.__dict__.update(function.__dict__)
        made.__qualname__, made.__doc__, made.__module__ = function.__qualname__, function.__doc__, function.__module__
        self._made[id(function)] = made
        for cell in cells:
            if _holds(cell, function):  # it calls itself
                cell.cell_contents = made
        return made

    def _cell(self, cell: CellType) -> CellType:
        if id(cell) not in self._cells:
            before = _content(cell)
            now = self.value(before)
            self._cells[id(cell)] = cell if now is before else CellType(now)
        return self._cells[id(cell)]

    def value(self, value: Any) -> Any:
        """The copy of ``value``, if it is a part of the model or holds some."""
        if isinstance(value, FunctionType):
            return self.bound(value)
        if isinstance(value, (list, tuple)) and type(value) in (list, tuple) and id(value) not in self._memo:
            now = [self.value(v) for v in value]
            return type(value)(now) if any(a is not b for a, b in zip(now, value, strict=True)) else value
        if isinstance(value, MethodType):
            owner = self.value(value.__self__)
            return value if owner is value.__self__ else MethodType(value.__func__, owner)
        return self._memo.get(id(value), value)


def _holds(cell: CellType, function: FunctionType) -> bool:
    return _content(cell) is function


def _content(cell: CellType) -> Any:
    """What a variable holds; None where nothing was assigned so far."""
    try:
        return cell.cell_contents
    except ValueError:
        return None

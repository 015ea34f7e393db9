"""Whether two networks of one class are equal: in their layers, and in what else their forward pass reads."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from functools import partial
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import nn

from constraints.sandbox.code_objects import codes
from constraints.sandbox.layer_settings import have_equal_layers

_BY_NAME = frozenset({"__dict__", "delattr", "getattr", "hasattr", "setattr", "vars"})
"""What reads or sets attributes whose names are not known before."""
_WHOLE = (bool, int, float, complex, str, bytes, set, frozenset, type, CodeType)
_DEEPEST = 6
"""How deep values within values are compared; what is deeper counts as equal."""


def are_equal(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have equal layers and equal values of the attributes that their forward pass reads.

    An attribute that the forward pass sets itself, as a counter, is not compared.
    """
    if not have_equal_layers(one, other):
        return False
    pairs = zip(one.modules(), other.modules(), strict=False)
    return all(_have_equal_attributes(a, b) for a, b in pairs if not _is_torchs(type(a)))


def _is_torchs(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "torch"


def _have_equal_attributes(one: nn.Module, other: nn.Module) -> bool:
    mine, others = ({k: v for k, v in vars(m).items() if not k.startswith("_")} for m in (one, other))
    differing = [n for n in mine.keys() | others.keys() if not _is_same(mine.get(n), others.get(n), _DEEPEST)]
    if not differing:
        return True
    read, is_open = _read(type(one))
    return not is_open and not read.intersection(differing)


def _read(kind: type[nn.Module]) -> tuple[set[str], bool]:
    """The attributes that a class's forward pass reads and does not set, and whether it may read others, too."""
    read, stored, is_open = set[str](), set[str](), False
    for code in _forward_codes(kind):
        is_open |= not _BY_NAME.isdisjoint(code.co_names)
        for step in dis.get_instructions(code):
            if step.opname == "STORE_ATTR":
                stored.add(str(step.argval))
            elif "ATTR" in step.opname or "METHOD" in step.opname:
                read.add(str(step.argval))
    return read - stored, is_open


def _forward_codes(kind: type[nn.Module]) -> Iterator[CodeType]:
    """The code of the forward method, and of the methods and the functions of files that it names, and so on."""
    waiting: list[Any] = [kind.forward]
    seen = set[int]()
    while waiting:
        function = _function(waiting.pop())
        if function is None or id(function.__code__) in seen or _is_torchs_function(function):
            continue
        seen.add(id(function.__code__))
        for code in codes(function.__code__):
            yield code
            for name in code.co_names:
                if name != "__init__":
                    waiting += [vars(base)[name] for base in kind.__mro__ if name in vars(base)]
                    waiting += [function.__globals__.get(name)]


def _is_torchs_function(function: FunctionType) -> bool:
    return (function.__module__ or "").partition(".")[0] == "torch"


def _function(thing: Any) -> FunctionType | None:
    """The function of a method, a property or a decorated function; None for anything else."""
    thing = getattr(thing, "fget", None) or getattr(thing, "func", None) or getattr(thing, "__func__", thing)
    thing = inspect.unwrap(thing) if callable(thing) else thing
    return thing if isinstance(thing, FunctionType) else None


def _is_same(one: Any, other: Any, deep: int) -> bool:
    """Whether two values are the same as far as a forward pass may depend on them; arrays are compared by shape."""
    if one is other or not deep:
        return True
    if isinstance(one, (torch.Tensor, np.ndarray)) and isinstance(other, (torch.Tensor, np.ndarray)):
        return one.shape == other.shape
    if type(one) is not type(other):
        return False
    if isinstance(one, nn.Module):
        return have_equal_layers(one, other)
    mine, others = _parts(one), _parts(other)
    if mine is None or others is None:
        return _equals(one, other)
    return mine.keys() == others.keys() and all(_is_same(mine[key], others[key], deep - 1) for key in mine)


def _equals(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # of a comparison that the user wrote
        return False


def _parts(value: Any) -> dict[Any, Any] | None:
    """The values that a value consists of; None for one that is compared as a whole, as a number or a set."""
    if isinstance(value, dict):
        return value
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value))
    if isinstance(value, partial):
        return {"func": value.func, "args": value.args, "keywords": value.keywords}
    if isinstance(value, FunctionType):
        return {"code": value.__code__.co_code, "constants": value.__code__.co_consts, "closure": _closed_over(value)}
    return None if isinstance(value, _WHOLE) else vars(value) if hasattr(value, "__dict__") else None


def _closed_over(function: FunctionType) -> list[Any]:
    return [_content(cell) for cell in function.__closure__ or ()]


def _content(cell: CellType) -> Any:
    """What a function has closed over; None where that has no value yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None

"""Put back what a forward pass changed in a model: attributes, registries, hooks, classes, and what modules keep."""

from __future__ import annotations

import operator
import random
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from constraints.tracing.unseen import is_known

_REGISTRIES = tuple(name for name, value in vars(nn.Module()).items() if isinstance(value, (dict, set)))
"""Attributes of every module: its parameters, buffers, modules and hooks."""
_CONTAINERS = (dict, list, set, bytearray, deque, OrderedDict, defaultdict, Counter)
_DEEPEST, _MOST = 4, 10_000
_MOST_BYTES = 1 << 26
"""Most bytes of arrays that are copied for one module."""
_OF_ANY_MODULE = frozenset(vars(nn.Module()))
_FILLED = frozenset([dict, OrderedDict, set])
_kind: Callable[[object], Any] = type  # mypy does not accept it as hashable
_registries = operator.itemgetter(*_REGISTRIES)
Restore = Callable[[], object]


@contextmanager
def modules_kept(modules: Sequence[nn.Module], tensors: Sequence[torch.Tensor]) -> Iterator[None]:
    """Put modules back at the end, and whether their tensors are trained, with their gradients and hooks.

    The values of the tensors are not looked at. A lazy module may become what it is once it knows its shapes.
    """
    attributes = [m.__dict__.copy() for m in modules]
    kinds = [*map(_kind, modules)]
    classes = [(k, dict(vars(k))) for k in set(kinds) if not is_torchs(k)]
    settled = [a for a, kind in zip(attributes, kinds, strict=True) if not issubclass(kind, LazyModuleMixin)]
    registries = [r for held in settled for r in _of_module(held)]
    held = [(r, r.copy()) for r in registries if r]
    empty = [r for r in registries if not r]
    inside = [restore for m, kind in zip(modules, kinds, strict=True) if not is_torchs(kind) for restore in _of(m)]
    of_tensors = _of_tensors(tensors)
    try:
        yield
    finally:
        for module, kind, before in zip(modules, kinds, attributes, strict=True):
            if _kind(module) is not kind and not issubclass(kind, LazyModuleMixin):
                object.__setattr__(module, "__class__", kind)
            module.__dict__.clear()
            module.__dict__.update(before)
        for registry in empty:
            if registry:
                registry.clear()
        for container, was in held:
            _refill(container, was)
        for kind, was in classes:
            _put_back_class(kind, was)
        for restore in inside:
            restore()
        for tensor, *state in zip(tensors, *of_tensors, strict=True):
            _put_back_tensor(tensor, *state)


@cache
def is_torchs(kind: type[nn.Module]) -> bool:
    """Whether a class is one of torch's own layers, which change only their buffers when they run."""
    return kind.__module__.startswith("torch.nn.modules.")


def _of_module(attributes: Mapping[str, Any]) -> Iterable[Any]:
    """The registries of a module; a TorchScript program has none, or other objects in their place."""
    try:
        found: Iterable[Any] = _registries(attributes)
    except KeyError:  # a module made without ``__init__``, or a traced program
        found = [attributes.get(name) for name in _REGISTRIES]
    return found if _FILLED.issuperset(map(_kind, found)) else [r for r in found if isinstance(r, (dict, set))]


def _put_back_class(kind: type, before: Mapping[str, Any]) -> None:
    now = dict(vars(kind))
    for name in now.keys() - before.keys():
        delattr(kind, name)
    for name, value in before.items():
        if now.get(name) is not value:
            setattr(kind, name, value)


def _of_tensors(tensors: Sequence[torch.Tensor]) -> Sequence[Sequence[Any]]:
    """Whether each parameter is trained, its gradient, hooks and attributes."""
    return (
        [t.requires_grad for t in tensors],
        [t.grad if t.is_leaf else None for t in tensors],
        [t._backward_hooks for t in tensors],
        [t.__dict__.copy() for t in tensors],
    )


def _put_back_tensor(tensor: torch.Tensor, is_trained: bool, gradient: Any, hooks: Any, attributes: Any) -> None:
    if tensor.requires_grad is not is_trained:
        tensor.requires_grad_(is_trained)
    if tensor.is_leaf and tensor.grad is not gradient:
        tensor.grad = gradient
    if tensor._backward_hooks is not hooks:
        tensor._backward_hooks = hooks
    if tensor.__dict__ or attributes:
        _refill(tensor.__dict__, attributes)


def _of(module: nn.Module) -> Iterator[Restore]:
    """How to put back what a module keeps in attributes of its own, as deep as it is found."""
    waiting = [(v, 0) for k, v in vars(module).items() if k not in _OF_ANY_MODULE]
    seen: set[int] = set()
    free_bytes = _MOST_BYTES
    while waiting and len(seen) < _MOST:
        value, depth = waiting.pop()
        if id(value) in seen or isinstance(value, _PLAIN):
            continue
        seen.add(id(value))
        if (size := _array_bytes(value)) > free_bytes:
            continue
        free_bytes -= size
        if (restore := _restore(value)) is not None:
            yield restore
        if depth < _DEEPEST:
            waiting += [(inner, depth + 1) for inner in _inside(value)]


_PLAIN = (bool, int, float, complex, str, bytes, type(None), type, torch.Tensor, nn.Module, types.FunctionType)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return list(value.values())[:_MOST]
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return list(value)[:_MOST]
    return list(vars(value).values()) if _is_users(value) else ()


def _restore(value: Any) -> Restore | None:
    """How to put back one value that may be changed in place; None where it cannot be, or has another way."""
    if type(value) in _CONTAINERS:
        return partial(_refill, value, value.copy())
    if isinstance(value, torch.Generator):
        return partial(value.set_state, value.get_state())
    if isinstance(value, random.Random):
        return partial(value.setstate, value.getstate())
    if _is_users(value):
        return partial(_refill, vars(value), vars(value).copy())
    return _restore_numpy(value) if "numpy" in sys.modules else None


def _array_bytes(value: Any) -> int:
    """The bytes of an array that a copy would take; 0 of anything else, whose attributes may be code of the user."""
    numpy: Any = sys.modules.get("numpy")
    return int(value.nbytes) if numpy and isinstance(value, numpy.ndarray) and value.flags.writeable else 0


def _restore_numpy(value: Any) -> Restore | None:
    numpy: Any = sys.modules["numpy"]
    if isinstance(value, numpy.ndarray):
        if not value.flags.writeable:
            return None
        return partial(numpy.copyto, value, value.copy())
    if isinstance(value, numpy.random.Generator):
        return partial(setattr, value.bit_generator, "state", value.bit_generator.state)
    return None


def _is_users(value: Any) -> bool:
    """Whether it is an object with attributes, of a class that the user wrote."""
    return isinstance(getattr(value, "__dict__", None), dict) and not is_known(type(value).__module__)


def _refill(container: Any, before: Any) -> None:
    """Give a container its elements again, if it has others now."""
    if not _differ(container, before):
        return
    container.clear()
    if isinstance(container, (list, bytearray, deque)):
        container.extend(before)
    else:
        container.update(before)


def _differ(container: Any, before: Any) -> bool:
    try:
        return bool(container != before)  # this tests each element for identity first
    except Exception:  # of tensors and arrays that were replaced, and of comparisons that the user wrote
        return True

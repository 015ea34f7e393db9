"""The parts of a model, and keeping it bit for bit as it was while it runs in eval mode."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

_REGISTRIES = frozenset(["_parameters", "_buffers", "_modules"])
_DEEPEST, _MOST = 4, 10_000


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A model's modules by their paths, those that it keeps without registering them included."""

    model: nn.Module
    registered: Mapping[str, nn.Module]
    hidden: Mapping[str, nn.Module]
    """Modules in plain lists, dicts and the like: ``more.0`` is the first of the list ``more``."""

    @cached_property
    def modules(self) -> Mapping[str, nn.Module]:
        """All of them."""
        return {**self.registered, **self.hidden}

    @property
    def is_lazy(self) -> bool:
        """Whether some parameter or buffer has no shape yet."""
        return any(is_lazy(t) for m in self.modules.values() for t in _tensors(m))


def parts(model: nn.Module) -> Parts:
    """Find a model's modules."""
    registered = dict(model.named_modules())
    found = {id(m): path for path, m in registered.items()}
    hidden: dict[str, nn.Module] = {}
    waiting = list(registered.items())
    while waiting:
        path, module = waiting.pop()
        for place, kept in _kept_aside(module):
            for inner, part in kept.named_modules(prefix=f"{path}.{place}" if path else place):
                if id(part) not in found:
                    found[id(part)] = inner
                    hidden[inner] = part
                    waiting.append((inner, part))
    return Parts(model=model, registered=registered, hidden=hidden)


def _kept_aside(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules that a module's plain attributes hold, each with its place."""
    attributes = ((k, v) for k, v in vars(module).items() if k not in _REGISTRIES and not _is_plain(v))
    waiting = [(name, value, 0) for name, value in attributes]
    seen = 0
    while waiting and seen < _MOST:
        place, value, depth = waiting.pop(0)
        seen += 1
        if isinstance(value, nn.Module):
            yield place, value
        elif depth < _DEEPEST and isinstance(value, (list, tuple)):
            waiting += [(f"{place}.{i}", v, depth + 1) for i, v in enumerate(value[:_MOST]) if not _is_plain(v)]
        elif depth < _DEEPEST and isinstance(value, Mapping):
            waiting += [(f"{place}.{k}", v, depth + 1) for k, v in value.items() if not _is_plain(v)]
        elif depth < _DEEPEST and isinstance(value, (set, frozenset)):
            waiting += [(f"{place}.{i}", v, depth + 1) for i, v in enumerate(value) if not _is_plain(v)]


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, torch.Tensor))


def copied(model: nn.Module) -> nn.Module:
    """A deep copy, also of a model that holds buffers without a shape, which torch cannot copy."""
    memo: dict[int, Any] = {}
    for buffer in chain.from_iterable(m._buffers.values() for m in parts(model).modules.values()):
        if isinstance(buffer, UninitializedBuffer):
            memo[id(buffer)] = UninitializedBuffer(buffer.requires_grad, buffer.data.device, buffer.data.dtype)  # type: ignore[arg-type]  # its stub is Tensor's
    return copy.deepcopy(model, memo)


def has_own_eval(found: Parts) -> bool:
    """Whether ``eval()`` may do more than set flags: a module overrides it or ``train()``, as to fold its weights."""
    return any(
        type(m).train is not nn.Module.train
        or type(m).eval is not nn.Module.eval
        or not vars(m).keys().isdisjoint(("train", "eval"))
        for m in found.registered.values()
        if not isinstance(m, torch.jit.ScriptModule)
    )


@contextmanager
def unchanged(found: Parts) -> Iterator[None]:
    """Eval mode inside; afterwards the modules, their tensors and the random number generators are what they were.

    What a plain list, dict or set of a module held is put back too. Values that an operation writes in place are
    not seen here: the recorder puts those back.
    """
    modules = found.modules.values()
    states = [_State(m) for m in modules]
    training = [m for m in found.registered.values() if getattr(m, "training", False)]  # a frozen script has none
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused kernels hide what attention does
    try:
        with _same_draws(), _eager():
            for m in training:
                m.training = False
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for state in states:
            state.restore()
        for m in training:
            m.training = True


class _State:
    """What one module held."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.attributes = dict(vars(module))
        held = ((v, copy.copy(v)) for v in self.attributes.values() if type(v) in _CONTAINERS)
        self.containers = list(held)
        self.memories = [(t, t.detach()) for t in _tensors(module) if t is not None and not is_lazy(t)]

    def restore(self) -> None:
        vars(self.module).clear()
        vars(self.module).update(self.attributes)
        for container, before in self.containers:
            if _differ(container, before):
                _refill(container, before)
        for tensor, before in self.memories:
            if tensor.shape != before.shape or tensor.untyped_storage()._cdata != before.untyped_storage()._cdata:
                tensor.data = before


_CONTAINERS = (dict, list, set)


def _differ(container: Any, before: Any) -> bool:
    if len(container) != len(before):
        return True
    if isinstance(container, dict):
        return any(a is not b or container[a] is not before[b] for a, b in zip(container, before, strict=True))
    if isinstance(container, list):
        return any(a is not b for a, b in zip(container, before, strict=True))
    return bool(container != before)


def _refill(container: Any, before: Any) -> None:
    container.clear()
    if isinstance(container, list):
        container.extend(before)
    else:
        container.update(before)


def _tensors(module: nn.Module) -> Iterable[torch.Tensor]:
    return [t for t in (*module._parameters.values(), *module._buffers.values()) if t is not None]


@contextmanager
def _same_draws() -> Iterator[None]:
    python, numpy, torches = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]  # torch leaves it untyped
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(torches)
        if devices:
            torch.cuda.set_rng_state_all(devices)


@contextmanager
def _eager() -> Iterator[None]:
    """Run what was compiled, or would be, as it is written: only those operations are the model's own."""
    compiling = torch.compile
    stance: AbstractContextManager[None] = nullcontext()
    if "torch._dynamo" in sys.modules:  # else nothing was compiled so far, and its import takes seconds
        stance = torch.compiler.set_stance("force_eager")
    vars(torch)["compile"] = _uncompiled  # torch.cond compiles what it is given, say
    try:
        with stance:
            yield
    finally:
        vars(torch)["compile"] = compiling


def _uncompiled(model: Any = None, **options: Any) -> Any:
    """``torch.compile`` that leaves a function as it is; as a decorator with options too."""
    return model if model is not None else lambda function: function

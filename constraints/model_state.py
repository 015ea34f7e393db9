"""Find the parts of a model, and restore the model bit for bit after it ran in eval mode."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedTensorMixin  # type: ignore[attr-defined]  # not in its stub

from constraints.copied_functions import rebind
from constraints.copied_tables import note_tables
from constraints.errors import UnusableInputError, first_line
from constraints.kept_state import is_torchs, modules_kept
from constraints.process_state import process_kept

OF_ANY_MODULE = frozenset(vars(nn.Module()))
"""Attributes that every nn.Module has."""
_kind: Callable[[object], Any] = type  # mypy does not accept it as hashable
_DEEPEST, _MOST = 4, 10_000
Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A model's modules by their paths, including modules that it stores without registering them."""

    model: nn.Module
    registered: Mapping[str, nn.Module]
    hidden: Mapping[str, nn.Module]
    """Unregistered modules, in plain lists, dicts and the like: ``more.0`` is the first of the list ``more``."""

    @cached_property
    def modules(self) -> Mapping[str, nn.Module]:
        """All modules."""
        return {**self.registered, **self.hidden}

    @cached_property
    def tensors(self) -> Sequence[torch.Tensor]:
        """The parameters and buffers of all modules; a shared one once for each module."""
        registries = chain.from_iterable((m._parameters.values(), m._buffers.values()) for m in self.modules.values())
        return [t for t in chain.from_iterable(registries) if t is not None]

    @cached_property
    def is_lazy(self) -> bool:
        """Whether some parameter or buffer has no shape yet."""
        return any(issubclass(kind, UninitializedTensorMixin) for kind in set(map(_kind, self.tensors)))


def named_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The registered modules by their paths; UnusableInputError where torch cannot list them."""
    try:
        return dict(model.named_modules())
    except TypeError as error:
        raise UnusableInputError(
            f"torch cannot list the model's modules: {first_line(error)}: a class that defines __eq__ needs "
            "__hash__ = nn.Module.__hash__ too"
        ) from error


def parts(model: nn.Module) -> Parts:
    """Find a model's modules."""
    registered = named_modules(model)
    found = {id(m): path for path, m in registered.items()}
    hidden: dict[str, nn.Module] = {}
    waiting = [(path, m) for path, m in registered.items() if not is_torchs(_kind(m))]  # those keep none aside
    while waiting:
        path, module = waiting.pop()
        for place, kept in kept_aside(module):
            for inner, part in kept.named_modules(prefix=f"{path}.{place}" if path else place):
                if id(part) not in found:
                    found[id(part)] = inner
                    hidden[inner] = part
                    waiting.append((inner, part))
    return Parts(model=model, registered=registered, hidden=hidden)


def kept_aside(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules in a module's plain attributes, each with its path; torch's own classes have none."""
    if is_torchs(_kind(module)):
        return
    attributes = ((k, v) for k, v in vars(module).items() if k not in OF_ANY_MODULE and not _is_plain(v))
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


def copied(model: Model) -> Model:
    """A deep copy, also where torch cannot make one: for buffers without a shape, or with an autograd history.

    Functions in it, such as lambdas and hooks, call the copy where they called the model.
    """
    memo: dict[int, Any] = {}
    modules = parts(model).modules.values()
    for kept in chain.from_iterable(m.__dict__.values() for m in modules):
        if isinstance(kept, torch.Tensor) and kept.grad_fn is not None:  # as the old weight_norm stores its weight
            memo[id(kept)] = kept.detach().clone()
    for buffer in chain.from_iterable(m._buffers.values() for m in modules):
        if isinstance(buffer, UninitializedBuffer):
            memo[id(buffer)] = UninitializedBuffer(buffer.requires_grad, buffer.data.device, buffer.data.dtype)  # type: ignore[arg-type]  # its stub is Tensor's
    note_tables(modules, memo)
    made = copy.deepcopy(model, memo)
    rebind(made.modules(), memo)
    return made


def has_own_eval(found: Parts) -> bool:
    """Whether ``eval()`` may do more than set flags: a module overrides it or ``train()``, to fold weights, say."""
    modules = found.registered.values()
    return any(map(_overrides_eval, {_kind(m) for m in modules})) or any(
        "train" in m.__dict__ or "eval" in m.__dict__ for m in modules
    )


@cache
def _overrides_eval(kind: type[nn.Module]) -> bool:
    if issubclass(kind, torch.jit.ScriptModule):  # its methods belong to the TorchScript program
        return False
    return kind.train is not nn.Module.train or kind.eval is not nn.Module.eval


@contextmanager
def unchanged(found: Parts) -> Iterator[None]:
    """Eval mode inside; afterwards the modules, their tensors and the settings of the process are what they were.

    So is what the modules keep in lists, dicts, arrays and objects of the user's classes. Values of tensors that an
    operation writes in place are not seen here: the recorder restores those.
    """
    strided = torch.strided
    dense = [] if found.is_lazy else [t for t in found.tensors if t.layout is strided]
    contents, places = [t.data for t in dense], [t.data_ptr() for t in dense]
    parameters = [p for m in found.modules.values() for p in m._parameters.values() if p is not None]
    training = [m for m in found.registered.values() if getattr(m, "training", False)]  # a frozen script lacks it
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused kernels hide what attention does
    try:
        with modules_kept([*found.modules.values()], parameters), process_kept(), eager():
            for m in training:
                m.training = False
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for tensor, before, place in zip(dense, contents, places, strict=True):
            if tensor.data_ptr() != place or tensor.shape != before.shape:
                tensor.data = before
        for m in training:
            if not m.training:  # of a TorchScript program, whose flag is no attribute
                m.training = True


@contextmanager
def eager() -> Iterator[None]:
    """Run compiled code, and code that would be compiled, uncompiled, so that the model's own operations are seen."""
    compiling = torch.compile
    stance: AbstractContextManager[None] = nullcontext()
    if "torch._dynamo" in sys.modules:  # else nothing was compiled so far; importing it takes seconds
        stance = torch.compiler.set_stance("force_eager")
    vars(torch)["compile"] = _uncompiled  # torch.cond, for example, compiles its functions
    try:
        with stance:
            yield
    finally:
        vars(torch)["compile"] = compiling


def _uncompiled(model: Any = None, **options: Any) -> Any:
    """A ``torch.compile`` that returns a function unchanged; also usable as a decorator with options."""
    return model if model is not None else lambda function: function

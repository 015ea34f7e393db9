"""Run a model once under a dispatch mode and write down which operations ran, on what, and in which module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from constraints.tracing.axes import Shape
from constraints.tracing.operations import CONSTANT, OPERATIONS, Operation
from constraints.tracing.values import Handle

_HANDLE = "_traced_handle"
_FLOAT32_BYTES = 4
_NO_KWARGS: Mapping[str, Any] = {}


class Operator(NamedTuple):
    """What is looked up once for each operator of torch's dispatcher."""

    op: str
    names: Mapping[str, int]
    """Place of each argument in its schema."""
    operation: Operation | None
    """Its rule; None where it is not known."""
    mutates: bool
    decomposes: bool
    """Whether torch writes it in other operations; such a one arrives whole under inference mode only."""


class Frame:
    """A module that is running."""

    __slots__ = ("calls", "is_leaf", "path")

    def __init__(self, path: str, is_leaf: bool) -> None:
        """Begin a call of the module at ``path``."""
        self.path, self.is_leaf = path, is_leaf
        self.calls: dict[str, int] = {}
        """How often each operation was called so far, for who reads the steps in their order."""


class Step(NamedTuple):
    """One operation that ran; a handle stands for every tensor."""

    operator: Operator
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    inputs: Sequence[Handle]
    outputs: Sequence[Handle]
    shapes: Sequence[Shape]
    """The shapes of the outputs, which an operation in place may change."""
    frame: Frame


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run of a model did, first to last."""

    steps: Sequence[Step]
    inputs: Sequence[Handle]
    outputs: Sequence[Handle]
    output: Shape
    """Shape of the first output, with batch axis; empty where there is none."""
    parameters: Mapping[str, torch.Tensor]
    """Every registered parameter once, by its first path."""
    used: frozenset[str]
    """The parameters that an operation read."""


def record(model: nn.Module, modules: Mapping[str, nn.Module], inputs: Sequence[torch.Tensor]) -> Run:
    """Run ``model``, whose parts by their paths are ``modules``, without gradients on ``inputs`` (with batch axis).

    Whatever happens, the wrappers are gone afterwards, and the parameters and buffers hold what they held.
    """
    recorder = _Recorder(modules)
    entered = [recorder.handle(tensor) for tensor in inputs]
    try:
        with torch.no_grad(), _naming(modules, recorder.stack), recorder:
            output = model(*inputs)
        outputs = [t for t in tree_leaves(output) if isinstance(t, torch.Tensor)]
        left = [recorder.handle(t) for t in outputs]
    finally:
        recorder.undo()
    return Run(
        steps=recorder.steps,
        inputs=entered,
        outputs=left,
        output=tuple(outputs[0].shape) if outputs else (),
        parameters=recorder.parameters,
        used=frozenset(h.name for h in recorder.weights.values() if h.name),
    )


@contextmanager
def _naming(modules: Mapping[str, nn.Module], stack: list[Frame]) -> Iterator[None]:
    """Keep on ``stack`` the module that runs, by wrappers around the forward methods."""
    own = [(m, m.__dict__.get("forward")) for m in dict.fromkeys(modules.values())]
    for path, module in modules.items():
        module.__dict__["forward"] = _named(module.forward, path, not module._modules, stack)
    try:
        yield
    finally:
        for module, forward in own:
            del module.__dict__["forward"]
            if forward is not None:
                module.__dict__["forward"] = forward


def _named(forward: Callable[..., Any], path: str, is_leaf: bool, stack: list[Frame]) -> Callable[..., Any]:
    def named(*args: Any, **kwargs: Any) -> Any:
        stack.append(Frame(path, is_leaf))
        try:
            return forward(*args, **kwargs)
        finally:
            stack.pop()

    named.__wrapped__ = forward  # type: ignore[attr-defined]  # so that its signature still reads
    return named


class _Recorder(TorchDispatchMode):
    """Writes down every operation; each tensor carries its handle, so that no memory is held."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep the mode out of the compiler's wrapper, which costs an import of a second and time on every call."""
        return False

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.steps: list[Step] = []
        self.stack = [Frame("", False)]
        self.parameters: dict[str, torch.Tensor] = {}
        self.weights: dict[int, Handle] = {}
        """Identity of a parameter or buffer that was used -> its handle, which it does not carry."""
        self._registered = self._register(modules)
        self._overwritten: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._outside: list[torch.Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and write it down."""
        operator = _looked_up(func)
        if operator.decomposes:
            with self:
                return func.decompose(*args, **(kwargs or {}))
        inputs: list[Handle] = []
        held = self._held(args, inputs)
        named = dict(zip(kwargs, self._held(kwargs.values(), inputs), strict=True)) if kwargs else _NO_KWARGS
        if operator.mutates:
            self._keep(args, kwargs)
        result = func(*args, **kwargs) if kwargs else func(*args)
        results = (result,) if isinstance(result, torch.Tensor) else _tensors(result)
        outputs = [self._made(t) for t in results]
        shapes = [tuple(t.shape) for t in results]
        self.steps.append(Step(operator, held, named, inputs, outputs, shapes, self.stack[-1]))
        return result

    def handle(self, tensor: torch.Tensor) -> Handle:
        """What stands for a tensor: one of this run, a parameter or a buffer, or a constant from outside."""
        handle: Handle | None = tensor.__dict__.get(_HANDLE)
        if handle is not None and handle.run is self:
            return handle
        name = self._registered.get(id(tensor))
        if name is None:
            self._outside.append(tensor)
            handle = tensor.__dict__[_HANDLE] = Handle(self, tuple(tensor.shape), _itemsize(tensor))
            return handle
        handle = self.weights.get(id(tensor))
        if handle is None:
            handle = self.weights[id(tensor)] = Handle(self, tuple(tensor.shape), _itemsize(tensor), name)
        return handle

    def _made(self, tensor: torch.Tensor) -> Handle:
        """The handle of a result, which is a new one where no argument was written to."""
        held: dict[str, Any] = tensor.__dict__
        handle: Handle | None = held.get(_HANDLE)
        if handle is not None and handle.run is self:
            return handle
        if id(tensor) in self._registered:
            return self.handle(tensor)
        handle = held[_HANDLE] = Handle(self, tuple(tensor.shape), _itemsize(tensor))
        return handle

    def _held(self, args: Iterable[Any], found: list[Handle]) -> list[Any]:
        """The arguments with handles in place of tensors, which are noted in ``found`` too."""
        held: list[Any] = []
        for a in args:
            if isinstance(a, torch.Tensor):
                handle = self.handle(a)
                found.append(handle)
                held.append(handle)
            elif isinstance(a, (list, tuple)) and a and not isinstance(a[0], int):
                held.append(self._held(a, found))
            else:
                held.append(a)
        return held

    def _keep(self, args: Iterable[Any], kwargs: Mapping[str, Any] | None) -> None:
        """Remember what a parameter or buffer held before an operation that writes."""
        for tensor in (*_tensors(args), *_tensors(kwargs.values() if kwargs else ())):
            if id(tensor) in self._registered and id(tensor) not in self._overwritten:
                self._overwritten[id(tensor)] = (tensor, tensor.detach().clone())

    def undo(self) -> None:
        """Write back what the run overwrote, and take the handles off tensors that live longer than it."""
        with torch.no_grad():
            for tensor, before in self._overwritten.values():
                tensor.copy_(before)
        for tensor in self._outside:
            tensor.__dict__.pop(_HANDLE, None)

    def _register(self, modules: Mapping[str, nn.Module]) -> dict[int, str]:
        """Identity of each parameter or buffer -> name of the parameter, empty for a buffer."""
        registered: dict[int, str] = {}
        for path, module in modules.items():
            for name, parameter in module._parameters.items():
                if parameter is not None and id(parameter) not in registered:
                    full = f"{path}.{name}" if path else name
                    registered[id(parameter)] = full
                    self.parameters[full] = parameter
            for buffer in module._buffers.values():
                if buffer is not None:
                    registered.setdefault(id(buffer), "")
        return registered


@cache
def _looked_up(func: Any) -> Operator:
    schema = func._schema
    space, op = schema.name.split("::")
    names = {a.name: i for i, a in enumerate(schema.arguments)}
    mutates = any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)
    if space != "aten":
        return Operator(schema.name, names, None, mutates, False)
    base = op[:-1] if mutates and op.endswith("_") else op
    known = OPERATIONS.get(base)
    decomposes = func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd)
    return Operator(base, names, known, mutates, decomposes and not (known or base in CONSTANT))


def _itemsize(tensor: torch.Tensor) -> int:
    """Bytes of an element in a float32 forward pass."""
    return _FLOAT32_BYTES if tensor.is_floating_point() else tensor.element_size()


def _tensors(values: Any) -> list[torch.Tensor]:
    """The tensors among values and in the lists among them."""
    found: list[torch.Tensor] = []
    for a in values if isinstance(values, Iterable) else ():
        if isinstance(a, torch.Tensor):
            found.append(a)
        elif isinstance(a, (list, tuple)) and a and not isinstance(a[0], int):
            found += [t for t in a if isinstance(t, torch.Tensor)]
    return found

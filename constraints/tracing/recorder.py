"""Run a model once under a dispatch mode and write down which operations ran, on what, and in which module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from constraints.faults import hands_over
from constraints.tracing.axes import Shape
from constraints.tracing.higher_order import is_higher_order, run_in_parts
from constraints.tracing.modes import modes_kept
from constraints.tracing.operations import CONSTANT, OPERATIONS, Operation
from constraints.tracing.values import Handle

_HANDLE = "_traced_handle"
_FLOAT32_BYTES = 4
_TOLD_OTHERWISE = ("padding", "vec")
"""Overloads that torch works out first: padding in words, sizes or factors as a list."""
_BATCH_NORMS, _IS_TRAINING = ("native_batch_norm", "batch_norm", "cudnn_batch_norm", "miopen_batch_norm"), 5
"""Operations that write to their running statistics and do not say so; the place of the argument that makes them."""
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
    """Whether it is run as the operations that torch writes it in."""


class Frame:
    """A module that is running."""

    __slots__ = ("calls", "is_leaf", "path")

    def __init__(self, path: str, is_leaf: bool) -> None:
        """Begin a call of the module at ``path``."""
        self.path, self.is_leaf = path, is_leaf
        self.calls: dict[str, int] = {}
        """How often each operation was called so far, for code that reads the steps in their order."""


class RecordedOperation(NamedTuple):
    """One operation that ran; handles represent its tensors."""

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

    steps: Sequence[RecordedOperation]
    inputs: Sequence[Handle]
    outputs: Sequence[Handle]
    output: Shape
    """Shape of the first output, with batch axis; empty where there is none."""
    parameters: Mapping[str, torch.Tensor]
    """Every registered parameter once, by its first path."""
    weights: Sequence[Handle]
    """Of the parameters and buffers, used or not."""
    uncounted: Mapping[str, str] = field(default_factory=dict)
    """Parameter, or module that keeps parameters in a form of its own -> why they cannot be counted."""
    unregistered: Mapping[str, int] = field(default_factory=dict)
    """Module that is not registered (empty where its place is not known) -> how many parameters of it were used."""


class WantsGradientsError(Exception):
    """The model turned gradients on while autograd was left out, so that the run shows less than it should."""


def record(
    model: nn.Module,
    modules: Mapping[str, nn.Module],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] = _NO_KWARGS,
    *,
    autograd: bool = False,
    hidden: Collection[str] = (),
    watch: Callable[[Sequence[RecordedOperation]], AbstractContextManager[object]] | None = None,
) -> Run:
    """Run ``model``, whose parts by their paths are ``modules``, without gradients on its arguments (with batch axis).

    Whatever happens, the wrappers and the mode are gone afterwards, and the tensors that were there before hold what
    they held. ``autograd`` is for a model that turns gradients on: without it WantsGradientsError is raised for one.
    ``hidden`` are the paths of modules that are not registered. ``watch`` is entered around the run, with the steps
    as they come.
    """
    recorder = _Recorder({path: module for path, module in modules.items() if path not in hidden}, autograd)
    entered = [recorder.handle(t) for t in tree_leaves([args, kwargs]) if isinstance(t, torch.Tensor)]
    watching = watch(recorder.steps) if watch else nullcontext()
    below = nullcontext() if autograd else torch._C._AutoDispatchBelowAutograd()
    try:
        with modes_kept(), torch.no_grad(), _naming(modules, recorder.stack), below, watching, recorder:
            output = called(model, args, kwargs)
        outputs = [t for t in tree_leaves(output) if isinstance(t, torch.Tensor)]
        left = [recorder.handle(t) for t in outputs]
    except Exception as error:
        if recorder.wants_gradients:
            raise WantsGradientsError from error
        raise
    finally:
        recorder.undo()
    if recorder.wants_gradients:
        raise WantsGradientsError
    return Run(
        steps=recorder.steps,
        inputs=entered,
        outputs=left,
        output=tuple(outputs[0].shape) if outputs else (),
        parameters=recorder.parameters,
        weights=tuple(recorder.weights.values()),
        uncounted=recorder.uncounted,
        unregistered=recorder.unregistered(modules, hidden),
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
    @hands_over
    def named(*args: Any, **kwargs: Any) -> Any:
        stack.append(Frame(path, is_leaf))
        try:
            return forward(*args, **kwargs)
        finally:
            stack.pop()

    vars(named)["__wrapped__"] = forward  # so that its signature still reads
    return named


def handle_of(tensor: torch.Tensor) -> Handle | None:
    """The handle that a tensor carries; None where no step of the run made it."""
    return vars(tensor).get(_HANDLE)


class _Recorder(TorchDispatchMode):
    """Writes down every operation; each tensor carries its handle, so that no memory is held."""

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep the mode out of the compiler's wrapper, which costs an import of a second and time on every call."""
        return False

    def __init__(self, modules: Mapping[str, nn.Module], has_autograd: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.steps: list[RecordedOperation] = []
        self.has_autograd = has_autograd
        self.wants_gradients = False
        self.stack = [Frame("", False)]
        self.parameters: dict[str, torch.Tensor] = {}
        self.uncounted: dict[str, str] = {}
        self.weights: dict[int, Handle] = {}
        """Identity of a parameter or buffer -> its handle, which it does not carry."""
        self._registered: list[torch.Tensor] = []
        self._register(modules)
        self._memories: dict[int, list[torch.Tensor]] = {}
        self._placed = 0
        """How many tensors ``_memories`` holds."""
        self._overwritten: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}
        self._outside: list[torch.Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and write it down."""
        if is_higher_order(func):
            return run_in_parts(func, args, kwargs or {}, self)
        operator = _looked_up(func)
        if operator.decomposes:
            with self:
                return _in_parts(func, *args, **(kwargs or {}))
        if torch.is_grad_enabled() and not self.has_autograd:
            self.wants_gradients = True
        inputs: list[Handle] = []
        held = self._held(args, inputs)
        named = dict(zip(kwargs, self._held(kwargs.values(), inputs), strict=True)) if kwargs else _NO_KWARGS
        if operator.mutates or (operator.op in _BATCH_NORMS and args[_IS_TRAINING]):
            self._keep(args, kwargs)
        result = _ran(func, args, kwargs)
        results = (result,) if isinstance(result, torch.Tensor) else _tensors(result)
        shapes = [tuple(t.shape) for t in results]
        outputs = [self._made(t, shape) for t, shape in zip(results, shapes, strict=True)]
        self.steps.append(RecordedOperation(operator, held, named, inputs, outputs, shapes, self.stack[-1]))
        return result

    def handle(self, tensor: torch.Tensor) -> Handle:
        """The handle of a tensor: a parameter or a buffer, one of this run, or a constant from outside."""
        handle = self.weights.get(id(tensor))
        if handle is None:
            handle = tensor.__dict__.get(_HANDLE)
            if handle is None or handle.run is not self:
                self._outside.append(tensor)
                handle = tensor.__dict__[_HANDLE] = self._new(tensor, tuple(tensor.shape))
        return handle

    def _made(self, tensor: torch.Tensor, shape: Shape) -> Handle:
        """The handle of a result, which is a new one where no argument was written to."""
        held = tensor.__dict__
        handle: Handle | None = held.get(_HANDLE) or self.weights.get(id(tensor))
        if handle is None or handle.run is not self:
            handle = held[_HANDLE] = self._new(tensor, shape)
        return handle

    def _new(self, tensor: torch.Tensor, shape: Shape, name: str | None = None) -> Handle:
        return Handle(self, shape, _FLOAT32_BYTES if tensor.is_floating_point() else tensor.element_size(), name)

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
        """Remember what tensors that outlive the run held before an operation writes to them, through a view too."""
        self._find_memories()
        for tensor in (*_tensors(args), *_tensors(kwargs.values() if kwargs else ())):
            place = _memory(tensor)
            if place in self._memories and place not in self._overwritten:
                self._overwritten[place] = [(t, t.detach().clone()) for t in self._memories[place]]

    def _find_memories(self) -> None:
        """Parameters, buffers and tensors from outside by their place in memory; only where a model writes in place."""
        for tensor in (*self._registered, *self._outside)[self._placed :]:
            if place := _memory(tensor):  # a tensor on the meta device has none
                self._memories.setdefault(place, []).append(tensor)
        self._placed = len(self._registered) + len(self._outside)

    def unregistered(self, modules: Mapping[str, nn.Module], hidden: Iterable[str]) -> Mapping[str, int]:
        """Modules that are not registered -> how many of their parameters the run used."""
        owners = {id(p): path for path in hidden for p in modules[path]._parameters.values() if p is not None}
        found: dict[str, int] = {}
        for tensor in self._outside:
            if isinstance(tensor, nn.Parameter):
                owner = owners.get(id(tensor), "")
                found[owner] = found.get(owner, 0) + tensor.numel()
        return found

    def undo(self) -> None:
        """Write back what the run overwrote, and take the handles off tensors that live longer than it."""
        with torch.no_grad():
            for tensor, before in chain.from_iterable(self._overwritten.values()):
                tensor.copy_(before)
        for tensor in self._outside:
            tensor.__dict__.pop(_HANDLE, None)

    def _register(self, modules: Mapping[str, nn.Module]) -> None:
        for path, module in modules.items():
            if why := _packed(module):
                self.uncounted[path or type(module).__name__] = why
            for name, parameter in module._parameters.items():
                full = f"{path}.{name}" if path else name
                if parameter is not None and is_lazy(parameter):
                    self.uncounted[full] = "the forward pass has given it no shape"
                elif parameter is not None and id(parameter) not in self.weights:
                    self.parameters[full] = parameter
                    self._add(parameter, full)
            for buffer in module._buffers.values():
                if buffer is not None and id(buffer) not in self.weights and not is_lazy(buffer):
                    self._add(buffer, "")

    def _add(self, tensor: torch.Tensor, name: str) -> None:
        self._registered.append(tensor)
        self.weights[id(tensor)] = self._new(tensor, tuple(tensor.shape), name)


def _packed(module: nn.Module) -> str:
    """Why a module's weights are no parameters, where they are kept in another form."""
    if (
        "quantized" in type(module).__module__.split(".")
        and hasattr(module, "_weight_bias")
        and hasattr(module, "weight")
    ):
        return "a quantised module packs its weights, which are no parameters any more"
    if isinstance(module, torch.jit.ScriptModule) and not hasattr(module, "training"):
        return "a frozen program holds its weights as constants, which are no parameters any more"
    return ""


@hands_over
def called(model: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The model's result: what is raised here is the model's doing."""
    return model(*args, **kwargs)


@hands_over
def _ran(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> Any:
    return func(*args, **kwargs) if kwargs else func(*args)


@cache
def _looked_up(func: Any) -> Operator:
    schema = func._schema
    space, op = schema.name.split("::")
    names = {a.name: i for i, a in enumerate(schema.arguments)}
    mutates = any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)
    if space != "aten":
        return Operator(schema.name, names, None, mutates, False)
    base = op[:-1] if mutates and op.endswith("_") else op
    known = None if func._overloadname in _TOLD_OTHERWISE else OPERATIONS.get(base)
    decomposes = func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd)
    return Operator(base, names, known, mutates, decomposes and not (known or base in CONSTANT))


@hands_over
def _in_parts(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a composite operation as its parts: torch's own, and not those that it knows for the compiler."""
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        return func._op_dk(torch._C.DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
    return func.decompose(*args, **kwargs)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout is torch.strided else 0


def _tensors(values: Any) -> list[torch.Tensor]:
    """The tensors among values and in the lists among them."""
    found: list[torch.Tensor] = []
    for a in values if isinstance(values, Iterable) else ():
        if isinstance(a, torch.Tensor):
            found.append(a)
        elif isinstance(a, (list, tuple)) and a and not isinstance(a[0], int):
            found += [t for t in a if isinstance(t, torch.Tensor)]
    return found

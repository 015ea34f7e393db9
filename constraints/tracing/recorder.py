"""Run a model once under a dispatch mode and write down which operations ran, on what, and in which module."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache, cached_property, wraps
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from constraints.errors import UnusableInputError
from constraints.faults import hands_over
from constraints.operators import STAND_INS
from constraints.tracing import quantised
from constraints.tracing.axes import Shape
from constraints.tracing.boundary import kept_by, known_to, watched
from constraints.tracing.higher_order import is_higher_order, run_in_parts
from constraints.tracing.modes import modes_kept
from constraints.tracing.operations import CONSTANT, NO_PRODUCTS, OPERATIONS
from constraints.tracing.outputs import opened
from constraints.tracing.values import CONVOLUTIONS, FROM_NOWHERE, MADE_OF_NUMBERS, Handle, Operation

_HANDLE = "_traced_handle"
_storage = torch._C.TensorBase.untyped_storage  # not the one that is watched
_FLOAT32_BYTES = 4
_TWO_CHANNEL_AXES = 2
_TOLD_OTHERWISE = ("padding", "vec")
"""Overloads that torch works out first: padding in words, sizes or factors as a list."""
_OPERANDS = ("Tensor", "number")
"""Types in a schema of what an operation may calculate with; other integers are shapes and axes."""
_USUAL, _LARGE = 2, 1_000_000
"""Whole numbers up to the first stand in any program, those beyond the second in nearly none."""
_NEAR = 2
"""How far a number that was read and one that was made of it by rounding and counting from 1 may be apart."""
_SPECIAL = ("lift_fresh", "as_strided", *CONVOLUTIONS)
_HIDDEN_VIEWS = ("_unsafe_view", "unsafe_split", "unsafe_split_with_sizes")
"""Views that do not say so in their schema."""
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
    writes: tuple[int | str, ...]
    """The arguments that it writes to, by place or, in one of ``out``'s kind, by name."""
    is_view: bool
    """Whether its result shares the memory of its first argument."""
    decomposes: bool
    """Whether it is run as the operations that torch writes it in."""
    is_special: bool = False
    """Whether the tensors themselves say what it does."""
    hides: bool = False
    """Whether it is not known, and may hold products of tensors."""

    @property
    def is_of_torch(self) -> bool:
        """Whether it is one of torch's own."""
        return "::" not in self.op


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
    targets: Sequence[Handle] = ()
    """Of the outputs, the tensors that were there before and were written to."""
    returned: bool = False
    """Whether it takes a number that was read from a tensor before."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run of a model did, first to last."""

    steps: Sequence[RecordedOperation]
    inputs: Sequence[Handle]
    outputs: Sequence[Handle]
    output: Shape
    """Shape of the first output, with batch axis; empty where there is none."""
    closed: Sequence[str] = ()
    """The types of outputs that cannot be opened."""
    numbers: str = ""
    """Of outputs that are numbers or arrays: whether they were "read" from tensors or may be "computed" of such."""
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
    recorder = _Recorder(modules, autograd, hidden)
    entered = [recorder.entered(t) for t in tree_leaves([args, kwargs]) if isinstance(t, torch.Tensor)]
    watching = watch(recorder.steps) if watch else nullcontext()
    try:
        with modes_kept(), _naming(modules, recorder), watched(recorder), recorder.following(), watching:
            found = opened(called(model, args, kwargs))  # a generator runs here
        left = [recorder.left(t) for t in found.tensors]
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
        output=tuple(found.tensors[0].shape) if found.tensors else (),
        closed=tuple(dict.fromkeys(found.closed)),
        numbers="computed" if found.has_arrays else recorder.kind_of(found.numbers),
        parameters=recorder.parameters,
        weights=tuple(recorder.weights.values()),
        uncounted=recorder.uncounted,
        unregistered=recorder.unregistered(),
    )


@contextmanager
def _naming(modules: Mapping[str, nn.Module], recorder: _Recorder) -> Iterator[None]:
    """Let ``recorder`` know which module runs, by wrappers around the forward methods."""
    own = [(m, m.__dict__.get("forward")) for m in dict.fromkeys(modules.values())]
    for path, module in modules.items():
        module.__dict__["forward"] = _named(module.forward, path, not module._modules, recorder)
    try:
        yield
    finally:
        for module, forward in own:
            del module.__dict__["forward"]
            if forward is not None:
                module.__dict__["forward"] = forward


def _named(forward: Callable[..., Any], path: str, is_leaf: bool, recorder: _Recorder) -> Callable[..., Any]:
    here = recorder.here

    @hands_over
    def named(*args: Any, **kwargs: Any) -> Any:
        stack = here.stack
        if not stack:  # in a thread that was running before
            return recorder.follow(named)(*args, **kwargs)
        stack.append(Frame(path, is_leaf))
        try:
            return forward(*args, **kwargs)
        finally:
            stack.pop()

    vars(named)["__wrapped__"] = forward  # so that its signature still reads
    return named


class _Here(threading.local):
    """What is known of one thread."""

    def __init__(self) -> None:
        self.stack: list[Frame] = []
        """The modules that are running, the innermost last; empty where the thread is not followed."""
        self.is_copying = False


class _Recorder(TorchDispatchMode):
    """Writes down every operation; each tensor carries its handle, so that no memory is held."""

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep the mode out of the compiler's wrapper, which costs an import of a second and time on every call."""
        return False

    def __init__(self, modules: Mapping[str, nn.Module], has_autograd: bool, hidden: Collection[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.steps: list[RecordedOperation] = []
        self.is_over = False
        self.has_autograd = has_autograd
        self.wants_gradients = False
        self.uncounted: dict[str, str] = {}
        self.here = _Here()
        self.parameters: dict[str, torch.Tensor] = {}
        self.weights: dict[int, Handle] = {}
        """Identity of a parameter or buffer -> its handle, which it does not carry."""
        self._registered: list[torch.Tensor] = []
        self._hidden = {path: modules[path] for path in hidden}
        self._register({path: module for path, module in modules.items() if path not in hidden})
        self._overwritten: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = {}
        self._outside: list[torch.Tensor] = []
        self._places: dict[int, list[torch.Tensor]] = {}
        """Place in memory -> the tensors from outside that are there, of the first ``_placed``."""
        self._placed = 0
        self._modules = modules
        self._kept = kept_by(modules.values())
        self._numbers: set[float] = set()
        """What was read from tensors."""
        self._exported: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Tensors whose memory others may write to, and what they held."""

    @contextmanager
    def following(self) -> Iterator[None]:
        """Record the operations of this thread."""
        autograd = nullcontext() if self.has_autograd else torch._C._AutoDispatchBelowAutograd()
        with torch.no_grad(), autograd, self:
            self.here.stack.append(Frame("", False))
            try:
                yield
            finally:
                self.here.stack.clear()

    def is_followed(self) -> bool:
        """Whether the operations of this thread are recorded."""
        return bool(self.here.stack)

    def follow(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose operations are recorded in whatever thread runs it."""

        @wraps(run)
        @hands_over
        def followed(*args: Any, **kwargs: Any) -> Any:
            if self.here.stack or self.is_over:
                return run(*args, **kwargs)
            with self.following():
                return run(*args, **kwargs)

        return followed

    def read(self, tensor: torch.Tensor) -> None:
        """Note that values of a tensor leave the run."""
        if self.here.is_copying:
            return
        self._note(_READ, [self.handle(tensor)])
        if tensor.is_meta:
            return  # without values nothing can be written from outside
        with torch.utils._python_dispatch._disable_current_modes():
            self._exported.append((tensor, tensor.detach().clone()))

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Within it no values leave the run: a tensor is copied."""
        before, self.here.is_copying = self.here.is_copying, True
        try:
            yield
        finally:
            self.here.is_copying = before

    def rewrapped(self, tensor: torch.Tensor, again: torch.Tensor) -> None:
        """Note that a tensor was given another type."""
        if again is not tensor:
            held = self._new(again, tuple(again.shape))
            again.__dict__[_HANDLE] = held
            self._note(_ALIAS, [self.handle(tensor)], [held], [tuple(again.shape)])

    @contextmanager
    def bare(self, tensor: torch.Tensor) -> Iterator[None]:
        """Within it a tensor does not carry its handle, as where it is written as bytes."""
        handle = tensor.__dict__.pop(_HANDLE, None)
        try:
            yield
        finally:
            if handle is not None:
                tensor.__dict__[_HANDLE] = handle

    def copied(self, handle: Handle) -> Handle:
        """The handle of a deep copy."""
        copy = Handle(self, handle.shape, handle.itemsize, handle.kind)
        self._note(_CLONE, [handle], [copy], [handle.shape])
        return copy

    def _note(
        self,
        operator: Operator,
        inputs: list[Handle],
        outputs: Sequence[Handle] = (),
        shapes: Sequence[Shape] = (),
        targets: Sequence[Handle] = (),
    ) -> None:
        frame = self.here.stack[-1] if self.here.stack else Frame("", False)
        self.steps.append(RecordedOperation(operator, inputs, _NO_KWARGS, inputs, outputs, shapes, frame, targets))

    def entered(self, tensor: torch.Tensor) -> Handle:
        """The handle of an input."""
        self._outside.append(tensor)
        handle = tensor.__dict__[_HANDLE] = self._new(tensor, tuple(tensor.shape))
        return handle

    def left(self, tensor: torch.Tensor) -> Handle:
        """The handle of an output."""
        if self._exported:
            self._note_changes()
        return self.handle(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and write it down."""
        if is_higher_order(func):
            return run_in_parts(func, args, kwargs or {}, self)
        operator = _looked_up(func)
        if types and any(t.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__ for t in types):
            return NotImplemented  # a subclass says itself which operations it stands for
        if operator.decomposes:
            with self:
                return _in_parts(func, *args, **(kwargs or {}))
        if STAND_INS and operator.operation is None and (stand_in := STAND_INS.get(func._schema.name)):
            with self:
                made = _ran(stand_in, args, kwargs)
            return made if func._schema.returns else None
        if torch.is_grad_enabled() and not self.has_autograd:
            self.wants_gradients = True
        if self._exported:
            self._note_changes()
        told = args
        if operator.is_special:
            operator, told = self._seen_closely(operator, args)
        inputs: list[Handle] = []
        held = self._held(told, inputs)
        named = self._named(kwargs, operator, inputs) if kwargs else _NO_KWARGS
        writes = operator.writes
        if writes or (operator.op in _BATCH_NORMS and args[_IS_TRAINING]):
            self._keep(args, kwargs)
        result = _ran(func, args, kwargs)
        results = (result,) if isinstance(result, torch.Tensor) else _tensors(result)
        shapes = _shapes(results, operator.op)
        outputs = [self._made(t, shape) for t, shape in zip(results, shapes, strict=True)]
        targets = self._written(operator, args, kwargs or {}, outputs, shapes) if writes else ()
        frame, again = self.here.stack[-1], bool(self._numbers) and self._takes_a_number(func, args, kwargs)
        self.steps.append(RecordedOperation(operator, held, named, inputs, outputs, shapes, frame, targets, again))
        if not results:
            self._note_number(func, args, result)
        if writes and self._exported:
            self._exported = [(t, t.detach().clone()) for t, _ in self._exported]
        return result

    def _seen_closely(self, operator: Operator, args: tuple[Any, ...]) -> tuple[Operator, tuple[Any, ...]]:
        """The operation as it is written down, and its arguments.

        Notes what is made of Python's numbers or of an array; looks at kernels, and at how memory is laid out.
        """
        tensor = args[0]
        if not operator.is_of_torch:
            return self._quantised(operator, args)
        if operator.op == "as_strided":
            return _ALIAS if _is_laid_out_as(tensor, *args[1:]) else operator, args
        if operator.op in CONVOLUTIONS:
            self._look_at_kernel(args[1])
        elif _HANDLE not in tensor.__dict__ and id(tensor) not in self.weights:
            made = self.handle(tensor)
            made.source = MADE_OF_NUMBERS
            made.number = float(tensor) if tensor.numel() == 1 and tensor.is_floating_point() else None
        return operator, args

    def _quantised(self, operator: Operator, args: tuple[Any, ...]) -> tuple[Operator, tuple[Any, ...]]:
        """The operation on real numbers that a quantised one stands for; its weights are constants of the model."""
        func, args = quantised.told(operator.op, args)
        for tensor in args:
            if isinstance(tensor, torch.Tensor) and not tensor.is_quantized and _HANDLE not in tensor.__dict__:
                tensor.__dict__[_HANDLE] = self._new(tensor, tuple(tensor.shape))
        label = operator.op.removeprefix("quantized::")
        real = _looked_up(func)
        assert real.operation is not None
        return real._replace(operation=real.operation._replace(label=label)), args

    def _look_at_kernel(self, kernel: torch.Tensor) -> None:
        """Note where a kernel ends in zeros, which a mask makes and training does not change; not in a parameter's."""
        handle = self.handle(kernel)
        if handle.name or kernel.is_meta or kernel.dim() <= _TWO_CHANNEL_AXES:
            return
        values = kernel.detach()
        used = (values != 0).flatten(0, _TWO_CHANNEL_AXES - 1).any(0)
        if used.any():
            axes = range(used.dim())
            handle.bordered = [not (used.select(a, 0).any() and used.select(a, -1).any()) for a in axes]

    def _note_number(self, func: Any, args: tuple[Any, ...], result: Any) -> None:
        if isinstance(result, (float, complex)) or type(result) is int:
            self._numbers.add(abs(result))
        elif func is _SET_DATA:  # x.data = y
            target, source = self.handle(args[0]), self.handle(args[1])
            self._note(_SET, [source], [target], [tuple(args[1].shape)], [target])

    def _takes_a_number(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> bool:
        """Whether an argument is a number that was read before, or one that may be computed from it."""
        operands = zip(args, func._schema.arguments, strict=False)
        whole = [abs(a) for a, spec in operands if type(a) is int and str(spec.type) in _OPERANDS]
        near = any(a > _LARGE or any(abs(a - n) <= _NEAR for n in self._numbers) for a in whole if a > _USUAL)
        return near or bool(self.kind_of([*args, *(kwargs.values() if kwargs else ())]))

    def kind_of(self, numbers: Iterable[Any]) -> str:
        """Whether some of them were "read" from tensors, or may be "computed" of such; integers left aside.

        What stands in a program has few digits; what comes of a sample's values has many.
        """
        floats = [abs(a) for a in numbers if isinstance(a, (float, complex))]
        computed = any(a not in self._numbers and a != float(f"{a:.6g}") for a in floats)
        return "computed" if computed else "read" if any(a in self._numbers for a in floats) else ""

    def _note_changes(self) -> None:
        """Note tensors that were written to from outside the run."""
        for at, (tensor, before) in enumerate(self._exported):
            now = tensor.detach()
            if now.shape != before.shape or not torch.equal(now.nan_to_num(), before.nan_to_num()):
                handle = self.handle(tensor)
                self._note(_CHANGED, [handle], [handle], [tuple(now.shape)], [handle])
                self._exported[at] = (tensor, now.clone())

    def _named(self, kwargs: Mapping[str, Any], operator: Operator, inputs: list[Handle]) -> dict[str, Any]:
        """The arguments by name; what is only written to is no input."""
        read = {k: v for k, v in kwargs.items() if k not in operator.writes}
        named = dict(zip(read, self._held(read.values(), inputs), strict=True))
        out = {k: v for k, v in kwargs.items() if k in operator.writes}
        return {**named, **dict(zip(out, self._held(out.values(), []), strict=True))} if out else named

    def _written(
        self,
        operator: Operator,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        outputs: list[Handle],
        shapes: list[Shape],
    ) -> Sequence[Handle]:
        """The handles of what was written to, which are outputs too where the operation is not known."""
        given = [kwargs.get(w) if isinstance(w, str) else args[w] if w < len(args) else None for w in operator.writes]
        found: list[Handle] = []
        for tensor in _tensors(given):
            handle = self.handle(tensor)
            found.append(handle)
            if operator.operation is None and not any(handle is o for o in outputs):
                outputs.append(handle)
                shapes.append(tuple(tensor.shape))
        return found

    def handle(self, tensor: torch.Tensor) -> Handle:
        """The handle of a tensor: a parameter or a buffer, one of this run, or a constant from outside."""
        handle = self.weights.get(id(tensor))
        if handle is None:
            handle = tensor.__dict__.get(_HANDLE)
            if handle is None or handle.run is not self:
                self._outside.append(tensor)
                handle = tensor.__dict__[_HANDLE] = self._new(tensor, tuple(tensor.shape))
                self._trace_back(tensor, handle)
        return handle

    def _trace_back(self, tensor: torch.Tensor, handle: Handle) -> None:
        """Say where a tensor comes from that no recorded operation made."""
        shared = self._memories.get(_memory(tensor))
        if shared:
            handle.tied = self.weights[id(shared[0])]
        elif not any(tensor is t for t in self._kept) and not any(tensor is t for t in self._in_code):
            handle.source = FROM_NOWHERE

    @cached_property
    def _in_code(self) -> list[torch.Tensor]:
        return known_to(self._modules.values())

    def _made(self, tensor: torch.Tensor, shape: Shape) -> Handle:
        """The handle of a result, which is a new one where no argument was written to."""
        held = tensor.__dict__
        handle: Handle | None = held.get(_HANDLE) or self.weights.get(id(tensor))
        if handle is None or handle.run is not self:
            handle = held[_HANDLE] = self._new(tensor, shape)
        return handle

    def _new(self, tensor: torch.Tensor, shape: Shape, name: str | None = None) -> Handle:
        if tensor.is_floating_point() or tensor.is_quantized:
            return Handle(self, shape, _FLOAT32_BYTES, "real", name)
        kind = "truth" if tensor.dtype is torch.bool else "real" if tensor.is_complex() else "integer"
        return Handle(self, shape, tensor.element_size(), kind, name)

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
        for tensor in self._outside[self._placed :]:
            if place := _memory(tensor):
                self._places.setdefault(place, []).append(tensor)
        self._placed = len(self._outside)
        for tensor in (*_tensors(args), *_tensors(kwargs.values() if kwargs else ())):
            place = _memory(tensor)
            there = [*self._memories.get(place, ()), *self._places.get(place, ())]
            if there and place not in self._overwritten:
                self._overwritten[place] = [(t, t.detach().clone()) for t in there]

    @cached_property
    def _memories(self) -> Mapping[int, Sequence[torch.Tensor]]:
        """Parameters and buffers by their place in memory; needed only for a model that writes in place."""
        places: dict[int, list[torch.Tensor]] = {}
        for tensor in self._registered:
            places.setdefault(_memory(tensor), []).append(tensor)
        places.pop(0, None)  # a tensor on the meta device has no memory
        return places

    def unregistered(self) -> Mapping[str, int]:
        """Modules that are not registered -> how many of their parameters the run used."""
        owners = {id(p): path for path, m in self._hidden.items() for p in m._parameters.values() if p is not None}
        found: dict[str, int] = {}
        for tensor in self._outside:
            if isinstance(tensor, nn.Parameter):
                owner = owners.get(id(tensor), "")
                found[owner] = found.get(owner, 0) + tensor.numel()
        return found

    def undo(self) -> None:
        """Write back what the run overwrote, and take the handles off tensors that live longer than it."""
        self.is_over = True
        with torch.no_grad():
            for tensor, before in chain.from_iterable(self._overwritten.values()):
                tensor.copy_(before)
        for tensor in self._outside:
            tensor.__dict__.pop(_HANDLE, None)

    def _register(self, modules: Mapping[str, nn.Module]) -> None:
        kinds: set[Any] = {type(m) for m in modules.values()}
        if any(any(_kind(kind)) for kind in kinds):
            whys = {path or type(module).__name__: _packed(module) for path, module in modules.items()}
            self.uncounted = {path: why for path, why in whys.items() if why}
        for path, module in modules.items():
            for name, parameter in module._parameters.items():
                full = f"{path}.{name}" if path else name
                if parameter is None or id(parameter) in self.weights:
                    continue
                if parameter.__class__ is not nn.Parameter and is_lazy(parameter):
                    self.uncounted[full] = "the forward pass has given it no shape"
                else:
                    self.parameters[full] = parameter
                    self._add(parameter, full)
            for buffer in module._buffers.values():
                if buffer is None or id(buffer) in self.weights:
                    continue
                if buffer.__class__ is torch.Tensor or not is_lazy(buffer):
                    self._add(buffer, "")

    def _add(self, tensor: torch.Tensor, name: str) -> None:
        self._registered.append(tensor)
        self.weights[id(tensor)] = self._new(tensor, tuple(tensor.shape), name)


_SET_DATA = torch.ops.aten._has_compatible_shallow_copy_type.default
"""What runs first where a tensor is given another one's memory: ``x.data = y``."""


def handle_of(tensor: torch.Tensor) -> Handle | None:
    """The handle that a tensor carries; None where no step of the run made it."""
    return vars(tensor).get(_HANDLE)


def _packed(module: nn.Module) -> str:
    """Why a module's weights are no parameters, where they are kept in another form."""
    kind: Any = type(module)
    is_quantised, is_script = _kind(kind)
    if is_quantised and not any(p is not None for p in module._parameters.values()):
        return "a quantised module packs its weights, which are no parameters any more"
    if is_script and not hasattr(module, "training"):
        return "a frozen program holds its weights as constants, which are no parameters any more"
    return ""


@cache
def _kind(kind: Any) -> tuple[bool, bool]:
    """Whether a class of modules packs its weights, and whether it is a program."""
    is_quantised = "quantized" in kind.__module__.split(".") and (
        hasattr(kind, "weight") or hasattr(kind, "get_weight")
    )
    return is_quantised, issubclass(kind, torch.jit.ScriptModule)


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
    writes = tuple(a.name if a.kwarg_only else i for i, a in enumerate(schema.arguments) if _is_written(a.alias_info))
    is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)
    if space != "aten":
        is_known = quantised.is_known(schema.name)
        return Operator(schema.name, names, None, writes, is_view, False, is_known, schema.name not in NO_PRODUCTS)
    base = op[:-1] if writes and op.endswith("_") else op
    known = None if func._overloadname in _TOLD_OTHERWISE else OPERATIONS.get(base)
    if known is None and torch.Tag.pointwise in func.tags:
        known = Operation(OPERATIONS["add"].rule, base.lstrip("_"))
    decomposes = func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd)
    decomposes = decomposes and not (known or base in CONSTANT or func is _SET_DATA)
    hides = known is None and base not in CONSTANT and base not in NO_PRODUCTS
    is_view = is_view or base in _HIDDEN_VIEWS
    return Operator(base, names, known, writes, is_view, decomposes, base in _SPECIAL, hides)


def _shapes(tensors: Iterable[torch.Tensor], op: str) -> list[Shape]:
    try:
        return [tuple(t.shape) for t in tensors]
    except RuntimeError:
        why = f"a nested tensor that has no shape cannot be traced: {op}: make it with layout=torch.jagged"
        raise UnusableInputError(why) from None


def _is_laid_out_as(
    tensor: torch.Tensor, size: Sequence[int], stride: Sequence[int], offset: int | None = None
) -> bool:
    """Whether a view of the memory is the tensor again; along an axis of one index no stride is taken."""
    steps = [(a, b) for n, a, b in zip(size, stride, tensor.stride(), strict=False) if n > 1]
    is_at_its_place = offset is None or offset == tensor.storage_offset()
    return tuple(size) == tuple(tensor.shape) and all(a == b for a, b in steps) and is_at_its_place


def _is_written(alias: Any) -> bool:
    return alias is not None and bool(alias.is_write)


_READ = Operator("read", {}, None, (), False, False)
_CHANGED = Operator("changed", {}, None, (0,), False, False)
_ALIAS = _looked_up(torch.ops.aten.alias.default)
_CLONE = _looked_up(torch.ops.aten.clone.default)
_SET = _ALIAS._replace(op="set_data")


@hands_over
def _in_parts(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a composite operation as its parts: torch's own, and not those that it knows for the compiler."""
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        return func._op_dk(torch._C.DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
    return func.decompose(*args, **kwargs)


def _memory(tensor: torch.Tensor) -> int:
    return _storage(tensor).data_ptr() if tensor.layout is torch.strided else 0


def _tensors(values: Any) -> list[torch.Tensor]:
    """The tensors among values and in the lists among them."""
    found: list[torch.Tensor] = []
    for a in values if isinstance(values, Iterable) else ():
        if isinstance(a, torch.Tensor):
            found.append(a)
        elif isinstance(a, (list, tuple)) and a and not isinstance(a[0], int):
            found += [t for t in a if isinstance(t, torch.Tensor)]
    return found

"""Run a model once under a dispatch mode and write down which operations ran, on what, and in which module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property, partial, wraps
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from constraints.faults import hands_over
from constraints.operators import STAND_INS
from constraints.tracing import quantised
from constraints.tracing.axes import Shape
from constraints.tracing.boundary import kept_by, known_to, watched
from constraints.tracing.higher_order import is_higher_order, run_in_parts
from constraints.tracing.masks import limits_reach, may_mask
from constraints.tracing.modes import modes_kept
from constraints.tracing.module_calls import Here, naming
from constraints.tracing.outputs import opened
from constraints.tracing.overloads import (
    ALIAS,
    CHANGED,
    CLONE,
    READ,
    SET,
    SET_DATA,
    Operator,
    is_laid_out_as,
    looked_up,
    shapes_of,
)
from constraints.tracing.overwritten import Overwritten, tensors_among
from constraints.tracing.postponed import Postponed, ran
from constraints.tracing.read_numbers import ReadNumbers, are_short
from constraints.tracing.registry import Registry, memory_of, new_handle
from constraints.tracing.rounding import floor_divides, rounds
from constraints.tracing.run import Frame, RecordedOperation, Run
from constraints.tracing.unseen import has_ways
from constraints.tracing.values import CONVOLUTIONS, FROM_NOWHERE, MADE_OF_NUMBERS, MADE_OF_READ, Handle

_HANDLE = "_traced_handle"
_TWO_CHANNEL_AXES = 2
_MOST_VALUES = 1000
_IS_TRAINING = 5
"""The place of the argument that makes a batch normalisation write to its running statistics."""
_NO_KWARGS: Mapping[str, Any] = {}
_OVERLOAD = torch._ops.OpOverload


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
    postponed = Postponed(is_open=not (autograd or watch or has_ways(modules.values())))
    recorder = _Recorder(modules, autograd, hidden, postponed)
    entered = [recorder.entered(t) for t in tree_leaves([args, kwargs]) if isinstance(t, torch.Tensor)]
    watching = watch(recorder.steps) if watch else nullcontext()
    try:
        border = watched(recorder, modules.values())
        with modes_kept(), naming(modules, recorder), border, recorder.following(), watching:
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
        numbers="computed" if found.has_arrays else recorder.numbers.kind_of(found.numbers),
        parameters=recorder.registry.parameters,
        weights=tuple(recorder.weights.values()),
        uncounted=recorder.registry.uncounted,
        unregistered=recorder.registry.unregistered(recorder.outside),
    )


class _Copies:
    """What the handles of a run know of it: what notes their copies, until it is over."""

    def __init__(self, recorder: _Recorder) -> None:
        self._recorder: _Recorder | None = recorder

    def copied(self, handle: Handle) -> Handle | None:
        """The handle of a deep copy; None after the run."""
        return self._recorder.copied(handle) if self._recorder else None

    def end(self) -> None:
        """Let go of the recorder, so that a run is freed as soon as nothing needs it."""
        self._recorder = None


class _Recorder(TorchDispatchMode):
    """Writes down every operation; each tensor carries its handle, so that no memory is held."""

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep the mode out of the compiler's wrapper, which costs an import of a second and time on every call."""
        return False

    def __init__(
        self, modules: Mapping[str, nn.Module], has_autograd: bool, hidden: Collection[str], postponed: Postponed
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.steps: list[RecordedOperation] = []
        self._copies = _Copies(self)
        self.is_over = False
        self.has_autograd = has_autograd
        self.wants_gradients = False
        self.here = Here()
        self.registry = Registry(modules, hidden, self._copies)
        self.weights = self.registry.handles
        self._overwritten = Overwritten(self.registry)
        self._postponed = postponed
        self._modules = modules
        self._kept = kept_by(modules.values())
        self.numbers = ReadNumbers(partial(rounds, modules.values()), partial(floor_divides, modules.values()))
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
        self._postponed.close()

        @wraps(run)
        @hands_over
        def followed(*args: Any, **kwargs: Any) -> Any:
            if self.here.stack or self.is_over:
                return run(*args, **kwargs)
            with self.following():
                return run(*args, **kwargs)

        return followed

    def leave(self) -> None:
        """Let all memory hold its values: operations may read them that are not recorded."""
        self._postponed.close()

    def read(self, tensor: torch.Tensor) -> None:
        """Note that values of a tensor leave the run."""
        if self.here.is_copying:
            return
        self._postponed.close()
        self.numbers.note_all()
        self._note(READ, [self.handle(tensor)])
        if tensor.is_meta:
            return  # without values nothing can be written from outside
        with torch.utils._python_dispatch._disable_current_modes():
            self._exported.append((tensor, tensor.detach().clone()))

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Within it no values leave the run: a tensor is copied."""
        self._postponed.fill()
        before, self.here.is_copying = self.here.is_copying, True
        try:
            yield
        finally:
            self.here.is_copying = before

    def rewrapped(self, tensor: torch.Tensor, again: torch.Tensor) -> None:
        """Note that a tensor was given another type."""
        if again is not tensor:
            held = new_handle(self._copies, again, tuple(again.shape))
            held.round = self.handle(tensor).round
            again.__dict__[_HANDLE] = held
            self._note(ALIAS, [self.handle(tensor)], [held], [tuple(again.shape)])

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
        copy = Handle(self._copies, handle.shape, handle.itemsize, handle.kind)
        self._note(CLONE, [handle], [copy], [handle.shape])
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
        self._overwritten.outside.append(tensor)
        handle = tensor.__dict__[_HANDLE] = new_handle(self._copies, tensor, tuple(tensor.shape))
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
        if func.__class__ is not _OVERLOAD and is_higher_order(func):
            self._postponed.fill()
            return run_in_parts(func, args, kwargs or {}, self)
        operator = looked_up(func)
        if types and any(t.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__ for t in types):
            return NotImplemented  # a subclass says itself which operations it stands for
        if operator.decomposes:
            with self:
                return _in_parts(func, *args, **(kwargs or {}))
        if STAND_INS and operator.operation is None and (stand_in := STAND_INS.get(func._schema.name)):
            with self:
                made = ran(stand_in, args, kwargs or _NO_KWARGS)
            return made if func._schema.returns else None
        if not self.has_autograd and torch.is_grad_enabled():
            self.wants_gradients = True
        if self._exported:
            self._note_changes()
        restated, really = args, operator
        if operator.is_special:
            operator, restated = self._seen_closely(operator, args)
        inputs: list[Handle] = []
        held = self._given(restated, operator.tensors, inputs)
        named = self._named(kwargs, operator, inputs) if kwargs else _NO_KWARGS
        writes = operator.writes
        if writes or (operator.keeps_statistics and args[_IS_TRAINING]):
            self._overwritten.keep(args, kwargs)
        result, waits = self._postponed.ran(really, func, args, kwargs or _NO_KWARGS, inputs)
        if result.__class__ is torch.Tensor and not result.is_nested:  # as nearly every one is
            results = [result]
            shapes = [tuple(result.shape)]
            outputs = [self._made(result, shapes[0])]
        else:
            results = [result] if isinstance(result, torch.Tensor) else tensors_among(result)
            shapes = shapes_of(results, operator.op)
            outputs = [self._made(t, shape) for t, shape in zip(results, shapes, strict=True)]
        targets = self._written(operator, args, kwargs or {}, outputs, shapes) if writes else ()
        if waits:
            for handle in outputs:
                handle.round = waits
        frame, again = self.here.stack[-1], self.numbers.come_back(really, args, kwargs)
        limits = may_mask(operator.op) and len(shapes[0]) > _TWO_CHANNEL_AXES and self._limits(operator, args, kwargs)
        self.steps.append(
            RecordedOperation(operator, held, named, inputs, outputs, shapes, frame, targets, again, limits)
        )
        self._note_numbers(func, args, result, writes=bool(writes))
        return result

    def _seen_closely(self, operator: Operator, args: tuple[Any, ...]) -> tuple[Operator, tuple[Any, ...]]:
        """The operation as it is written down, and its arguments.

        Notes what is made of Python's numbers or of an array; looks at kernels, and at how memory is laid out.
        """
        tensor = args[0]
        if not operator.is_of_torch:
            return self._quantised(operator, args)
        if operator.op == "as_strided":
            return ALIAS if is_laid_out_as(tensor, *args[1:]) else operator, args
        if operator.op in CONVOLUTIONS:
            self._look_at_kernel(args[1])
        elif _HANDLE not in tensor.__dict__ and id(tensor) not in self.weights:
            made = self.handle(tensor)
            made.source = self._source_of(tensor)
            made.number = float(tensor) if tensor.numel() == 1 and tensor.is_floating_point() else None
        return operator, args

    def _source_of(self, made: torch.Tensor) -> str:
        """What is known of a tensor that was made of numbers: some are in no program, and were all read before."""
        if self.numbers.is_empty:
            return ""
        if made.is_meta or not made.is_floating_point():
            return MADE_OF_NUMBERS if made.is_meta or self.numbers.may_be_round() else ""
        before = [t.detach().flatten().double() for t, _ in self._exported if not t.is_meta]
        known = torch.cat([self.numbers.as_tensor().to(made.dtype).double(), *before])
        values = made.detach().flatten().double()
        with self.unread():
            is_short = are_short(values[:_MOST_VALUES].tolist())
        is_read = not is_short and bool(torch.isin(values.abs(), known.abs()).all())
        return MADE_OF_READ if is_read else MADE_OF_NUMBERS

    def _quantised(self, operator: Operator, args: tuple[Any, ...]) -> tuple[Operator, tuple[Any, ...]]:
        """The operation on real numbers that a quantised one stands for; its weights are constants of the model."""
        func, restated = quantised.restated(operator.op, args)
        for tensor in restated:
            if isinstance(tensor, torch.Tensor) and not any(tensor is a for a in args):
                tensor.__dict__[_HANDLE] = new_handle(self._copies, tensor, tuple(tensor.shape))
        label = operator.op.removeprefix("quantized::")
        real = looked_up(func)
        assert real.operation is not None
        return real._replace(operation=real.operation._replace(label=label)), restated

    def _look_at_kernel(self, kernel: torch.Tensor) -> None:
        """Note where a kernel ends in zeros, which a mask makes and training does not change; not in a parameter's."""
        handle = self.handle(kernel)
        if handle.name or kernel.is_meta or kernel.dim() <= _TWO_CHANNEL_AXES:
            return
        self._postponed.fill()
        values = kernel.detach()
        used = (values != 0).flatten(0, _TWO_CHANNEL_AXES - 1).any(0)
        if used.any():
            axes = range(used.dim())
            handle.bordered = [not (used.select(a, 0).any() and used.select(a, -1).any()) for a in axes]

    def _limits(self, operator: Operator, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> bool:
        """Whether one of the tensors is a mask that limits how far places see; a parameter is learned, and none."""
        now = self._postponed.round

        def is_known(tensor: torch.Tensor) -> bool:
            handle = self.handle(tensor)
            return handle.round != now and not handle.name

        return limits_reach(operator.op, args, kwargs or _NO_KWARGS, is_known)

    def _note_numbers(self, func: Any, args: tuple[Any, ...], result: Any, *, writes: bool) -> None:
        if writes and self._exported:
            self._exported = [(t, t.detach().clone()) for t, _ in self._exported]
        self.numbers.note(result)
        if func is SET_DATA:  # x.data = y
            target, source = self.handle(args[0]), self.handle(args[1])
            self._note(SET, [source], [target], [tuple(args[1].shape)], [target])

    def _note_changes(self) -> None:
        """Note tensors that were written to from outside the run."""
        for at, (tensor, before) in enumerate(self._exported):
            now = tensor.detach()
            if now.shape != before.shape or not torch.equal(now.nan_to_num(), before.nan_to_num()):
                handle = self.handle(tensor)
                self._note(CHANGED, [handle], [handle], [tuple(now.shape)], [handle])
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
        for tensor in tensors_among(given):
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
            if handle is None or handle.run is not self._copies:
                self._overwritten.outside.append(tensor)
                self._postponed.met(tensor)
                handle = tensor.__dict__[_HANDLE] = new_handle(self._copies, tensor, tuple(tensor.shape))
                self._trace_back(tensor, handle)
        return handle

    def _trace_back(self, tensor: torch.Tensor, handle: Handle) -> None:
        """Say where a tensor comes from that no recorded operation made."""
        shared = self.registry.memories.get(memory_of(tensor))
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
        if handle is None or handle.run is not self._copies:
            handle = held[_HANDLE] = new_handle(self._copies, tensor, shape)
        return handle

    def _given(self, args: Sequence[Any], places: Sequence[int], found: list[Handle]) -> list[Any]:
        """The same of the arguments by place, of which only those at ``places`` can be or hold tensors."""
        held, weights = list(args), self.weights
        if places and places[-1] >= len(held):
            places = [at for at in places if at < len(held)]
        for at in places:
            a = held[at]
            if a is None:
                continue
            handle = weights.get(id(a))
            if handle is None:
                if not isinstance(a, torch.Tensor):
                    held[at] = self._held((a,), found)[0]
                    continue
                handle = self.handle(a)
            held[at] = handle
            found.append(handle)
        return held

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

    @property
    def outside(self) -> Sequence[torch.Tensor]:
        """The tensors from outside that the run met, the inputs among them."""
        return self._overwritten.outside

    def undo(self) -> None:
        """Write back what the run overwrote, and take the handles off tensors that live longer than it."""
        self.is_over = True
        self._copies.end()
        self._overwritten.restore()
        for tensor in self.outside:
            tensor.__dict__.pop(_HANDLE, None)


def handle_of(tensor: torch.Tensor) -> Handle | None:
    """The handle that a tensor carries; None where no step of the run made it."""
    return vars(tensor).get(_HANDLE)


@hands_over
def called(model: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The model's result: what is raised here is the model's doing."""
    return model(*args, **kwargs)


@hands_over
def _in_parts(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a composite operation as its parts: torch's own, and not those that it knows for the compiler."""
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        return func._op_dk(torch._C.DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
    return func.decompose(*args, **kwargs)

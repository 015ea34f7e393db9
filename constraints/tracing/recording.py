"""The dispatch mode that records every operation of a run, and what happens outside torch's dispatcher."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial, wraps
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from constraints.faults import calls_user_code
from constraints.operators import STAND_INS
from constraints.tracing.attribute_loads import AttributeLoads
from constraints.tracing.axes import Shape
from constraints.tracing.decisions import use_of_truth
from constraints.tracing.exported import Exported
from constraints.tracing.handles import Handle
from constraints.tracing.higher_order import is_higher_order, run_in_parts
from constraints.tracing.index_numbers import TAKING, indices_among
from constraints.tracing.masks import may_mask
from constraints.tracing.module_calls import Here
from constraints.tracing.operand_notes import OperandNotes
from constraints.tracing.overloads import (
    ALIAS,
    CHANGED,
    CLONE,
    READ,
    SET,
    SET_DATA,
    Operator,
    looked_up,
    shapes_of,
)
from constraints.tracing.overwritten import tensors_among
from constraints.tracing.postponed import Postponed, ran
from constraints.tracing.read_numbers import ReadNumbers
from constraints.tracing.registry import Registry
from constraints.tracing.rounding import adds_up, floor_divides, rounds
from constraints.tracing.run import Frame, RecordedOperation
from constraints.tracing.tensor_handles import HANDLE, TensorHandles
from constraints.tracing.truths import Truths

_TWO_CHANNEL_AXES = 2
_IS_TRAINING = 5
"""The position of the argument that makes a batch normalisation write to its running statistics."""
_NO_KWARGS: Mapping[str, Any] = {}
_OVERLOAD = torch._ops.OpOverload


class _Copies:
    """The only reference of a run's handles to the recorder, to record copies of them until the run is over."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder: Recorder | None = recorder

    def copied(self, handle: Handle) -> Handle | None:
        """The handle of a deep copy; None after the run."""
        return self._recorder.copied(handle) if self._recorder else None

    def end(self) -> None:
        """Drop the recorder, so that a run is freed as soon as nothing needs it."""
        self._recorder = None


class Recorder(TorchDispatchMode):
    """Records every operation; each tensor carries its handle as an attribute, so that no tensor is kept alive."""

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep the mode out of the compiler's wrapper, which costs an import of a second and time on every call."""
        return False

    def __init__(
        self, modules: Mapping[str, nn.Module], has_autograd: bool, hidden: Collection[str], postponed: Postponed
    ) -> None:
        """Begin a run; ``hidden`` are the paths of modules that are not registered."""
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.operations: list[RecordedOperation] = []
        self._copies = _Copies(self)
        self.is_over = False
        self.has_autograd = has_autograd
        self.wants_gradients = False
        self.here = Here()
        self.registry = Registry(modules, hidden, self._copies)
        self._postponed = postponed
        self.handles = TensorHandles(self._copies, modules, self.registry, postponed)
        self._handle = self.handles.of
        self.numbers = ReadNumbers(*(partial(finds, modules.values()) for finds in (rounds, floor_divides, adds_up)))
        self._truths, self._loads = Truths(), AttributeLoads(modules.values())
        self._exported = Exported()
        self._notes = OperandNotes(self.handles, self.numbers, self._exported, postponed, self.here)

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
        """The same function, with its operations recorded in whatever thread runs it."""
        self._postponed.close()

        @wraps(run)
        @calls_user_code
        def followed(*args: Any, **kwargs: Any) -> Any:
            if self.here.stack or self.is_over:
                return run(*args, **kwargs)
            with self.following():
                return run(*args, **kwargs)

        return followed

    def leave(self) -> None:
        """Fill all postponed memory, since operations that are not recorded may read it."""
        self._postponed.close()

    def read(self, tensor: torch.Tensor) -> None:
        """Record that values of a tensor leave the run."""
        if self.here.is_copying:
            return
        self._postponed.close()
        self.numbers.note_all()
        self._note(READ, [self._handle(tensor)])
        self.handles.overwritten.keep((tensor,), None)  # an array of its memory may be written to
        self._exported.add(tensor)

    def unread(self) -> AbstractContextManager[None]:
        """Within it, reads do not count as values leaving the run, as in copying a tensor."""
        return self._notes.unread()

    def rewrapped(self, tensor: torch.Tensor, again: torch.Tensor) -> None:
        """Record that a tensor was given another type."""
        if again is not tensor:
            held = self.handles.new(again)
            held.round = self._handle(tensor).round
            self._note(ALIAS, [self._handle(tensor)], [held], [tuple(again.shape)])

    @contextmanager
    def bare(self, tensor: torch.Tensor) -> Iterator[None]:
        """Within it, the tensor has no handle attached, as while it is pickled."""
        handle = tensor.__dict__.pop(HANDLE, None)
        try:
            yield
        finally:
            if handle is not None:
                tensor.__dict__[HANDLE] = handle

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
        self.operations.append(RecordedOperation(operator, inputs, _NO_KWARGS, inputs, outputs, shapes, frame, targets))

    def left(self, tensor: torch.Tensor) -> Handle:
        """The handle of an output."""
        if self._exported.has_any:
            self._note_changes()
        return self._handle(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and record it."""
        if func.__class__ is not _OVERLOAD and is_higher_order(func):
            self._postponed.fill()
            return run_in_parts(func, args, kwargs or {}, self)
        operator = looked_up(func)
        if types and any(t.__torch_dispatch__ is not torch.Tensor.__torch_dispatch__ for t in types):
            return NotImplemented  # a tensor subclass decides which operations it runs
        if STAND_INS and operator.operation is None and (stand_in := STAND_INS.get(func._schema.name)):
            with self:
                made = ran(stand_in, args, kwargs or _NO_KWARGS)
            return made if func._schema.returns else None
        if operator.decomposes:
            with self:
                return _in_parts(func, *args, **(kwargs or {}))
        if not self.has_autograd and torch.is_grad_enabled():
            self.wants_gradients = True
        if self._exported.has_any:
            self._note_changes()
        restated, really = args, operator
        if operator.is_special:
            operator, restated = self._notes.as_written(operator, args)
        inputs: list[Handle] = []
        held = self.handles.given(restated, operator.tensors, inputs)
        named = self.handles.named(kwargs, operator, inputs) if kwargs else _NO_KWARGS
        writes = operator.writes
        if writes or (operator.keeps_statistics and args[_IS_TRAINING]):
            self.handles.overwritten.keep(args, kwargs)
        result, waits = self._postponed.ran(really, func, args, kwargs or _NO_KWARGS, inputs)
        if result.__class__ is torch.Tensor and not result.is_nested:  # the usual case
            results = [result]
            shapes = [tuple(result.shape)]
            outputs = [self.handles.made(result, shapes[0])]
        else:
            results = [result] if isinstance(result, torch.Tensor) else tensors_among(result)
            shapes = shapes_of(results, operator.op)
            outputs = [self.handles.made(t, shape) for t, shape in zip(results, shapes, strict=True)]
        targets = self.handles.written(operator, args, kwargs or {}, outputs, shapes) if writes else ()
        for handle in outputs if waits else ():
            handle.round = waits
        frame = self.here.stack[-1]
        again = "" if self.numbers.is_empty else self.numbers.come_back(really, args, kwargs)
        limits = (
            may_mask(operator.op) and len(shapes[0]) > _TWO_CHANNEL_AXES and self._notes.limits(operator, args, kwargs)
        )
        indices = indices_among(args) if operator.op in TAKING else ()
        self.operations.append(
            RecordedOperation(operator, held, named, inputs, outputs, shapes, frame, targets, again, limits, indices)
        )
        if writes or result.__class__ is not torch.Tensor:
            self._note_others(func, args, result, writes=bool(writes))
        return result

    def _note_others(self, func: Any, args: tuple[Any, ...], result: Any, *, writes: bool) -> None:
        """Note a result that is a number, and memory that was written to or exchanged."""
        if writes and self._exported.has_any:
            self._exported.look_again()
        self.numbers.note(result)
        if result.__class__ is bool and self.operations[-1].inputs:
            is_another = self._truths.is_another(self.operations)
            use = "calculates" if is_another else use_of_truth(sys._getframe(), self._loads)
            if use != "decides":
                self.operations[-1] = self.operations[-1]._replace(is_a_value=True)
                self.numbers.note_truth(is_only_kept=use == "kept")
        if func is SET_DATA:  # x.data = y
            target, source = self._handle(args[0]), self._handle(args[1])
            self._note(SET, [source], [target], [tuple(args[1].shape)], [target])

    def _note_changes(self) -> None:
        """Record tensors that were written to from outside the run."""
        for tensor in self._exported.changed():
            handle = self._handle(tensor)
            self._note(CHANGED, [handle], [handle], [tuple(tensor.shape)], [handle])

    def undo(self) -> None:
        """Restore what the run changed."""
        self.is_over = True
        self._copies.end()
        self.handles.undo()


@calls_user_code
def _in_parts(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a composite operation as its parts: torch's own decomposition, and not the compiler's."""
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        return func._op_dk(torch._C.DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
    return func.decompose(*args, **kwargs)

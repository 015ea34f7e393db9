"""The value of every tensor of a run, from when it is first seen through every write to its memory; no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from constraints.receptive_field import Field
from constraints.tracing.axes import Digit, Shape, View, unknown
from constraints.tracing.calls import Operation, Result
from constraints.tracing.handles import FROM_NOWHERE, Handle, Memory
from constraints.tracing.lineage import entered
from constraints.tracing.maps import Maps
from constraints.tracing.memory import is_stale, rebuilt, shared
from constraints.tracing.operations import BLANK
from constraints.tracing.outcomes import Outcomes
from constraints.tracing.read_values import ReadValues
from constraints.tracing.values import Call, Flow, Origin, Storage, Value, Views

if TYPE_CHECKING:
    from constraints.tracing.run import RecordedOperation

STILL = Flow()
"""The flow of a weight or a constant: empty."""
NO_PARAMS: frozenset[str] = frozenset()


class TensorValues:
    """The values of a run's tensors as the operations up to now left them, and the memory that they are in."""

    def __init__(self, outcomes: Outcomes, maps: Maps, read: ReadValues) -> None:
        """Begin before the first operation."""
        self.storages: list[Storage] = []
        self._viewed: list[Handle] = []
        """The tensors that have views."""
        self.nothing: Views = (None,) * sum(len(span) for span in maps.spans)
        """The views of a tensor that depends on no input."""
        self._outcomes, self._maps, self._read_values = outcomes, maps, read

    def forget(self) -> None:
        """Break reference cycles, so that memory is freed at once, without the garbage collector."""
        for handle in self._viewed:
            handle.memory = None

    def enter(self, handle: Handle, span: range) -> Value:
        """Set the value of an input, whose spatial axes have the numbers ``span`` over all inputs."""
        views = list(self.nothing)
        first = len(handle.shape) - len(span)
        for axis, at in enumerate(span, first):
            views[at] = View(Field(), (Digit(axis, 1, handle.shape[axis], 1),), extent=handle.shape[axis])
        value = Value(handle.shape, tuple(views), Flow(origin=object()), self.store(0, handle, handle.shape))
        value.lineage = entered(handle)
        self._maps.note(value)
        handle.value = value
        return value

    def constant(self, recorded: RecordedOperation, shape: Shape) -> tuple[Views, Flow]:
        """The views and the flow of a tensor that depends on no input; of uninitialised memory, they are unknown.

        What is read from that was not written by a recorded operation.
        """
        if recorded.operator.op not in BLANK or 0 in shape:
            return self.nothing, STILL
        place = f" in {recorded.frame.path}" if recorded.frame.path else ""
        why = f"{recorded.operator.op}{place}: memory that no recorded operation wrote to"
        return (unknown(why),) * len(self.nothing), Flow(origin=object(), poison=frozenset([why]))

    def anything(self, shape: Shape, why: str, index: int) -> Value:
        """The value of a tensor about which nothing is known."""
        flow = Flow(origin=object(), poison=frozenset([why]))
        return Value(shape, (unknown(why),) * len(self.nothing), flow, None, index)

    def read_each(self, handles: Sequence[Handle], index: int) -> list[Value]:
        """The values of the tensors that an operation reads."""
        values = []
        for handle in handles:
            value = handle.value
            if handle.memory is not None:
                value = self.read(handle, index)
            elif value is None:
                value = handle.value = self._appeared(handle, index)
            elif (storage := value.storage) is not None and storage.last < index:
                storage.last = index
            values.append(value)
        return values

    def read(self, handle: Handle, index: int) -> Value:
        """The value of a tensor that an operation reads."""
        if handle.memory is not None and is_stale(handle):
            self._work_out(handle, handle.memory)
        value = handle.value
        if value is None:
            value = handle.value = self._appeared(handle, index)
        elif (storage := value.storage) is not None and storage.last < index:
            storage.last = index
        return value

    def _work_out(self, handle: Handle, memory: Memory) -> None:
        """Recompute the value of a tensor whose memory was written to through another one."""
        handle.version = memory.version
        if handle.base is None or handle.made is None:
            value = rebuilt(memory)
            self._maps.note(value)
            handle.value = value
            return
        base = self.read(handle.base, 0)
        call, operation, which = handle.made
        again = call.changed(inputs=[base, *call.inputs[1:]], index=base.index, parts={}, tags=set(call.tags))
        if not base.depends:
            origin = Origin(again, again.inputs, which)
            handle.value = Value(call.shape, self.nothing, STILL, base.storage, base.index, base.params, origin=origin)
            return
        outcome = self._outcomes.of(again, operation)
        result = outcome[which] if isinstance(outcome, list) else outcome
        shape = handle.value.shape if handle.value else handle.shape
        handle.value = self.made(again, which, shape, result, base.storage)

    def share(self, base: Handle, view: Handle, call: Call, operation: Operation | None, which: int) -> None:
        """Record that a tensor is a view of another: result ``which`` of ``call``."""
        self._viewed.append(base)
        shared(base, view, call, operation, which)

    def storage_of(self, handle: Handle, recorded: RecordedOperation, call: Call, which: int, shape: Shape) -> Storage:
        """The memory of a result: that of the tensor it was written to or is a view of, else new."""
        targets, is_view = recorded.targets, recorded.operator.is_view
        if is_view or targets:
            value = handle.value if is_in(handle, targets) else call.inputs[0] if is_view else None
            if value is not None and value.storage is not None:
                return value.storage
        storage = self.store(call.index, handle, shape)
        storage.is_auxiliary = which > 0 and not is_view and not targets
        if recorded.operator.is_elementwise and not which:
            size, held = storage.int8_bytes, [v.storage for v in call.inputs if v.shape == shape]
            storage.operands = tuple([s for s in held if s is not None and s.int8_bytes == size])
        return storage

    def made(self, call: Call, which: int, shape: Shape, result: Result, storage: Storage | None) -> Value:
        """The value of a result of a call, from the result of its rule."""
        data, (views, flow) = call.inputs[0], result
        parts = call.parts and call.parts.get(which)
        if views is not data.views:
            value = Value(shape, views, flow, storage, call.index, NO_PARAMS, parts or ())
            value.made_by = call
            self._maps.note(value)
            return value
        kept = flow.origin is data.flow.origin  # norms and activations keep the origin
        value = Value(shape, views, flow, storage, call.index, NO_PARAMS, parts or (data.parts if kept else ()))
        value.made_by = call
        if data.flow.map is data:
            self._maps.note(value, is_map=True)
        return value

    def _appeared(self, handle: Handle, index: int) -> Value:
        """The value of a tensor that no recorded operation made."""
        if handle.name is not None:  # a parameter or a buffer
            params = frozenset((handle.name,)) if handle.name else NO_PARAMS
            return Value(handle.shape, self.nothing, STILL, None, 0, params, fill=handle.number, origin=_origin(handle))
        value = self._read_values.made(handle, index)
        if value is not None:
            value.storage = self.store(index, handle, handle.shape)
            return value
        if handle.source == FROM_NOWHERE:
            why = f"{FROM_NOWHERE}: it may come from another thread, or from code that torch does not see"
            self._outcomes.hidden[why] = "layers"
            value = self.anything(handle.shape, why, 0)
            value.storage = self.store(index, handle, handle.shape)
            return value
        registered = handle.tied or handle
        if handle.tied is not None:
            self.read(handle.tied, index)
        params = frozenset([registered.name]) if registered.name else NO_PARAMS
        return Value(handle.shape, self.nothing, STILL, None, 0, params, fill=handle.number, origin=_origin(handle))

    def store(self, index: int, handle: Handle, shape: Shape) -> Storage:
        """The memory of a new tensor."""
        size = math.prod(shape)
        small = handle.itemsize // 4 if handle.kind == "real" else handle.itemsize
        storage = Storage(size * handle.itemsize, index, index, int8_bytes=size * small)
        self.storages.append(storage)
        return storage


def _origin(handle: Handle) -> Origin | None:
    """Of a tensor that no recorded operation made: its elements; None for a whole parameter, and where unreadable."""
    return Origin(handle.content) if handle.content is not None else None


def is_in(handle: Handle, several: Sequence[Handle]) -> bool:
    """Whether a tensor is one of several."""
    return any(handle is h for h in several)

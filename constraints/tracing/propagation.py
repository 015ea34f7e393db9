"""Propagate what is known of each tensor through the steps of a run, from the inputs to the outputs; no torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from constraints.receptive_field import Field
from constraints.tracing.axes import Digit, Shape, View, unknown
from constraints.tracing.calls import Operation, Result
from constraints.tracing.charges import Charges
from constraints.tracing.constants import filled
from constraints.tracing.handles import FROM_NOWHERE, Handle, Memory
from constraints.tracing.lineage import entered
from constraints.tracing.maps import Maps
from constraints.tracing.memory import is_stale, rebuilt, shared, write
from constraints.tracing.operations import BLANK, CONSTANT, OPERATIONS
from constraints.tracing.outcomes import Outcomes
from constraints.tracing.read_values import ReadValues
from constraints.tracing.values import Call, Flow, Storage, Value, Views

if TYPE_CHECKING:
    from constraints.tracing.overloads import Operator
    from constraints.tracing.run import RecordedOperation, Run

_COPY = OPERATIONS["add"]._replace(label="copy")
"""A copy keeps each element and is broadcast to the shape of its target."""
_OF_VALUES = frozenset(["bernoulli", "normal", "fill", "poisson"])
"""Operations that make constants and may read tensors."""
_OF_OTHERS = CONSTANT | {"copy", "changed", "set", "set_data"}
"""Operations whose results do not depend on exactly the tensors in their arguments."""
_STILL = Flow()
"""The flow of a weight or a constant: empty."""
_NO_PARAMS: frozenset[str] = frozenset()


class Propagation:
    """What is known after all steps of a run."""

    def __init__(self, run: Run, flat: Collection[int] = (), *, suspects: bool = False) -> None:
        """Follow the steps of ``run`` in order; the inputs with the numbers ``flat`` have no channel axis.

        With ``suspects``, every number that may be computed from values read before counts as one that is.
        """
        self.run = run
        self.calls: list[Call] = []
        """The operations that depend on an input, without views and copies."""
        self.storages: list[Storage] = []
        self._viewed: list[Handle] = []
        """The tensors that have views."""
        self.end = len(run.steps)
        self.maps = Maps([h.shape for h in run.inputs], flat)
        self.spans = self.maps.spans
        """For each input, the numbers of its spatial axes, counted over all inputs."""
        self._nothing: Views = (None,) * sum(len(span) for span in self.spans)
        self.outcomes = Outcomes(len(self._nothing))
        self.read = ReadValues(self.outcomes, self.maps, suspects=suspects)
        self._charges = Charges(run.parameters)
        self.inputs = [self._enter(handle, span) for handle, span in zip(run.inputs, self.spans, strict=True)]
        for index, step in enumerate(run.steps, 1):
            if step.inputs or (step.returned and self.read.are_taken(step)):
                self._follow(index, step)
            else:
                self._enter_new(index, step)
        self.outputs = [*(self._read(h, 0) for h in run.outputs), *self._left_otherwise()]

    def forget(self) -> None:
        """Break reference cycles, so that memory is freed at once, without the garbage collector."""
        for call in self.calls:
            call.out = None
        self.maps.forget()
        for handle in self._viewed:
            handle.memory = None

    def _enter(self, handle: Handle, span: range) -> Value:
        views = list(self._nothing)
        first = len(handle.shape) - len(span)
        for axis, at in enumerate(span, first):
            views[at] = View(Field(), (Digit(axis, 1, handle.shape[axis], 1),), extent=handle.shape[axis])
        value = Value(handle.shape, tuple(views), Flow(origin=object()), self._store(0, handle, handle.shape))
        value.lineage = entered(handle)
        self.maps.note(value)
        handle.value = value
        return value

    def _enter_new(self, index: int, step: RecordedOperation) -> None:
        """Set the values of tensors made without an input tensor."""
        for handle, shape in zip(step.outputs, step.shapes, strict=True):
            if handle.name is None:
                storage = self._store(index, handle, shape)
                views, flow = self._blank(step, shape) if step.operator.op in BLANK else (self._nothing, _STILL)
                fill = filled(step.operator.op, step.args, ())
                handle.value = Value(shape, views, flow, storage, index, fill=fill)

    def _blank(self, step: RecordedOperation, shape: Shape) -> tuple[Views, Flow]:
        """The value of uninitialised memory: what is read from it was not written by a recorded operation."""
        if 0 in shape:
            return self._nothing, _STILL
        place = f" in {step.frame.path}" if step.frame.path else ""
        why = f"{step.operator.op}{place}: memory that no recorded operation wrote to"
        return (unknown(why),) * len(self._nothing), Flow(origin=object(), poison=frozenset([why]))

    def _follow(self, index: int, step: RecordedOperation) -> None:
        """Set the values of the results of a step."""
        operator, depends = step.operator, False
        inputs = self._read_each(step.inputs, index)
        op, operation = operator.op, operator.operation
        if not step.outputs:
            self.read.note(step, inputs)
            return
        if op in _OF_OTHERS:
            inputs = self._of_others(step, inputs)
            operation = _COPY if op == "copy" or (op in CONSTANT and not operator.is_view) else operation
        if step.returned and self.read.are_taken(step):
            inputs = [*inputs, self.read.returned((), index, is_seed=operator.draws)]
        for value in inputs:
            flow = value.flow
            if flow is _STILL:
                continue
            depends = depends or flow.origin is not None
            if flow.poison and not operator.is_view and op != "copy":  # a view or copy may be overwritten
                reasons = self.outcomes.reasons
                reasons.update(dict.fromkeys(flow.poison.difference(reasons), op))
        call = Call(index, op, step.frame.path, (), step.args, step.kwargs, operator.names, inputs, step.shapes[0])
        if step.limits and any(not (v.depends or v.params) for v in inputs):
            call.tags.add("limited")
        if depends:
            if operator.is_sized_by_values:
                self.read.note_size(step, inputs)
            self._settle(call, step, operation)
        else:
            self._settle_constant(call, step)

    def _of_others(self, step: RecordedOperation, inputs: list[Value]) -> list[Value]:
        """The values that the result depends on, for operations where these are not exactly the tensor arguments."""
        op = step.operator.op
        if op == "copy":  # copy_(target, source): the result depends on the source only
            return inputs[1:2]
        if op in ("changed", "set"):  # written from outside, or set to existing memory
            return [*inputs, *self.read.values]
        if op == "set_data":  # x.data = y: x has y's memory from here on
            step.outputs[0].memory = step.outputs[0].value = None
            return inputs
        return _read_by_constant(step.operator, inputs)

    def _left_otherwise(self) -> Sequence[Value]:
        """The values of outputs other than tensors: numbers, arrays, objects that cannot be opened."""
        if self.run.closed:
            why = f"an output of type {', '.join(self.run.closed)}: it cannot be opened, and may hold or compute more"
            self.outcomes.hidden[why] = "layers"
            return [self._anything((), why, self.end)]
        if self.run.numbers == "computed" and self.read.values:
            return [self.read.returned((), self.end)]
        return self.read.values if self.run.numbers else ()

    def _anything(self, shape: Shape, why: str, index: int) -> Value:
        """The value of a tensor about which nothing is known."""
        flow = Flow(origin=object(), poison=frozenset([why]))
        return Value(shape, (unknown(why),) * len(self._nothing), flow, None, index)

    def _read_each(self, handles: Sequence[Handle], index: int) -> list[Value]:
        """The values of the tensors that a step reads."""
        values = []
        for handle in handles:
            value = handle.value
            if handle.memory is not None:
                value = self._read(handle, index)
            elif value is None:
                value = handle.value = self._appeared(handle, index)
            elif (storage := value.storage) is not None and storage.last < index:
                storage.last = index
            values.append(value)
        return values

    def _read(self, handle: Handle, index: int) -> Value:
        """The value of a tensor that a step reads."""
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
            self.maps.note(value)
            handle.value = value
            return
        base = self._read(handle.base, 0)
        call, operation, which = handle.made
        again = call.changed(inputs=[base, *call.inputs[1:]], index=base.index, parts={}, tags=set(call.tags))
        if not base.depends:
            handle.value = Value(call.shape, self._nothing, _STILL, base.storage, base.index, base.params)
            return
        outcome = self.outcomes.of(again, operation)
        result = outcome[which] if isinstance(outcome, list) else outcome
        shape = handle.value.shape if handle.value else handle.shape
        handle.value = self._made(again, which, shape, result, base.storage)

    def _settle(self, call: Call, step: RecordedOperation, operation: Operation | None) -> None:
        """Set the values of results that depend on an input."""
        self._charges.identify(call, step.frame)
        outcome = self.outcomes.of(call, operation)
        if step.operator.hides:
            self.outcomes.note_hidden(call, step)
        if not isinstance(outcome, list):
            self._give(call, step, operation, 0, outcome)
            for i in range(1, len(step.outputs)):
                if 0 not in step.shapes[i]:  # as are statistics saved by batch normalisation for training
                    self._give(call, step, operation, i, outcome)
        else:
            for i in range(min(len(step.outputs), len(outcome))):
                self._give(call, step, operation, i, outcome[i])
        if not step.operator.is_view:
            if call.op == "clone":
                call.out = None
            else:
                self.calls.append(call)
        if call.kernel:
            self.maps.note_flat(call)

    def _give(
        self, call: Call, step: RecordedOperation, operation: Operation | None, which: int, result: Result
    ) -> None:
        """Set the value of one of the results."""
        handle, shape, targets = step.outputs[which], step.shapes[which], step.targets
        value = self._made(call, which, shape, result, self._storage_of(handle, step, call, which, shape))
        if not (which or step.operator.is_view):
            call.out = value
        if handle.value is not None or (targets and _is_in(handle, targets)):
            write(handle, value)
            return
        handle.value = value
        if step.operator.is_view:
            self._share(step.inputs[0], handle, call, operation, which)

    def _share(self, base: Handle, view: Handle, call: Call, operation: Operation | None, which: int) -> None:
        self._viewed.append(base)
        shared(base, view, call, operation, which)

    def _storage_of(self, handle: Handle, step: RecordedOperation, call: Call, which: int, shape: Shape) -> Storage:
        """The memory of a result: that of the tensor it was written to or is a view of, else new."""
        targets, is_view = step.targets, step.operator.is_view
        if is_view or targets:
            value = handle.value if _is_in(handle, targets) else call.inputs[0] if is_view else None
            if value is not None and value.storage is not None:
                return value.storage
        storage = self._store(call.index, handle, shape)
        storage.is_auxiliary = which > 0 and not is_view and not targets
        if step.operator.is_elementwise and not which:
            operands = [v.storage for v in call.inputs if v.storage is not None and v.shape == shape]
            storage.operands = tuple(s for s in operands if s.int8_bytes == storage.int8_bytes)
        return storage

    def _settle_constant(self, call: Call, step: RecordedOperation) -> None:
        """Set the values of results that depend on no input: computed from parameters only (weights), or constants."""
        operator = step.operator
        is_new = not call.inputs
        params = _NO_PARAMS.union(*(v.params for v in call.inputs))
        is_weight = not is_new and all(v.storage is None for v in call.inputs)
        if not is_weight and operator.operation is not None and operator.operation.cost is not None:
            self._charges.identify(call, step.frame)  # a product with an initial state of zeros counts too
            call.label = operator.operation.label
            operator.operation.cost(call)
            self.calls.append(call)
        for i, (handle, shape) in enumerate(zip(step.outputs, step.shapes, strict=True)):
            if handle.name is not None and not (handle.value is not None and handle.value.depends):
                continue  # it remains a parameter or a buffer
            storage = None
            if not is_weight:
                storage = self._storage_of(handle, step, call, i, shape) if call.inputs or handle.value else None
                storage = storage or self._store(call.index, handle, shape)
            is_blank = call.op in BLANK
            views, flow = self._blank(step, shape) if is_blank else (self._nothing, _STILL)
            fill = filled(call.op, call.args, call.inputs, shape, is_view=operator.is_view, named=call.kwargs)
            value = Value(shape, views, flow, storage, call.index, params, fill=fill)
            if _is_in(handle, step.targets):
                write(handle, value)
            else:
                handle.value = value
                if operator.is_view and step.inputs:
                    self._share(step.inputs[0], handle, call, operator.operation, i)

    def _made(self, call: Call, which: int, shape: Shape, result: Result, storage: Storage | None) -> Value:
        data, (views, flow) = call.inputs[0], result
        parts = call.parts and call.parts.get(which)
        if views is not data.views:
            value = Value(shape, views, flow, storage, call.index, _NO_PARAMS, parts or ())
            value.made_by = call
            self.maps.note(value)
            return value
        kept = flow.origin is data.flow.origin  # norms and activations keep the origin
        value = Value(shape, views, flow, storage, call.index, _NO_PARAMS, parts or (data.parts if kept else ()))
        value.made_by = call
        if data.flow.map is data:
            self.maps.note(value, is_map=True)
        return value

    def _appeared(self, handle: Handle, index: int) -> Value:
        """The value of a tensor that no recorded operation made."""
        if handle.name is not None:  # a parameter or a buffer
            params = frozenset((handle.name,)) if handle.name else _NO_PARAMS
            return Value(handle.shape, self._nothing, _STILL, None, 0, params, fill=handle.number)
        value = self.read.made(handle, index)
        if value is not None:
            value.storage = self._store(index, handle, handle.shape)
            return value
        if handle.source == FROM_NOWHERE:
            why = f"{FROM_NOWHERE}: it may come from another thread, or from code that torch does not see"
            self.outcomes.hidden[why] = "layers"
            value = self._anything(handle.shape, why, 0)
            value.storage = self._store(index, handle, handle.shape)
            return value
        registered = handle.tied or handle
        if handle.tied is not None:
            self._read(handle.tied, index)
        params = frozenset([registered.name]) if registered.name else _NO_PARAMS
        return Value(handle.shape, self._nothing, _STILL, None, 0, params, fill=handle.number)

    def _store(self, index: int, handle: Handle, shape: Shape) -> Storage:
        size = math.prod(shape)
        small = handle.itemsize // 4 if handle.kind == "real" else handle.itemsize
        storage = Storage(size * handle.itemsize, index, index, int8_bytes=size * small)
        self.storages.append(storage)
        return storage


def propagated(run: Run, *, suspects: bool = False) -> Propagation:
    """What is known after all steps of a run, whose inputs may have a channel axis or not."""
    if suspects:
        _forget_values(run)
    known = Propagation(run, suspects=suspects)
    if not known.maps.found_flat:
        return known
    _forget_values(run)
    return Propagation(run, known.maps.found_flat, suspects=suspects)


def _forget_values(run: Run) -> None:
    handles = {id(h): h for step in run.steps for h in (*step.inputs, *step.outputs)}
    for handle in (*handles.values(), *run.inputs, *run.outputs, *run.weights):
        handle.value = handle.memory = handle.base = handle.made = None
        handle.version = 0


def _is_in(handle: Handle, several: Sequence[Handle]) -> bool:
    return any(handle is h for h in several)


def _read_by_constant(operator: Operator, inputs: list[Value]) -> list[Value]:
    """The tensors whose values, and not only shapes, a new constant takes."""
    if operator.op in _OF_VALUES:
        return inputs[1:] if operator.writes or operator.op == "fill" else inputs
    return []

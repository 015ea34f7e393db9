"""Propagate what is known of each tensor through the operations of a run, from the inputs to the outputs; no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import TYPE_CHECKING

from constraints.tracing.calls import Operation, Result
from constraints.tracing.charges import Charges
from constraints.tracing.constants import filled
from constraints.tracing.maps import Maps
from constraints.tracing.memory import write
from constraints.tracing.operations import CONSTANT, OPERATIONS
from constraints.tracing.outcomes import Outcomes
from constraints.tracing.read_values import ReadValues
from constraints.tracing.recipes import is_drawn, step_of
from constraints.tracing.tensor_values import NO_PARAMS, STILL, TensorValues, is_in
from constraints.tracing.used import used
from constraints.tracing.values import Call, Origin, Value

if TYPE_CHECKING:
    from constraints.tracing.overloads import Operator
    from constraints.tracing.run import RecordedOperation, Run

_COPY = OPERATIONS["add"]._replace(label="copy")
"""A copy keeps each element and is broadcast to the shape of its target."""
_OF_VALUES = frozenset(["bernoulli", "normal", "fill", "poisson"])
"""Operations that make constants and may read tensors."""
_OF_OTHERS = CONSTANT | {"copy", "changed", "set", "set_data"}
"""Operations whose results do not depend on exactly the tensors in their arguments."""


class Propagation:
    """What is known after all operations of a run."""

    def __init__(self, run: Run, flat: Collection[int] = (), *, suspects: bool = False) -> None:
        """Follow the operations of ``run`` in order; the inputs with the numbers ``flat`` have no channel axis.

        With ``suspects``, every number that may be computed from values read before counts as one that is.
        """
        self.run = run
        self.calls: list[Call] = []
        """The operations that depend on an input, without views and copies."""
        self.end = len(run.operations)
        self.maps = Maps([h.shape for h in run.inputs], flat)
        self.spans = self.maps.spans
        """For each input, the numbers of its spatial axes, counted over all inputs."""
        self.outcomes = Outcomes(sum(len(span) for span in self.spans))
        self.read = ReadValues(self.outcomes, self.maps, suspects=suspects)
        self.tensors = TensorValues(self.outcomes, self.maps, self.read)
        self.storages = self.tensors.storages
        self._charges = Charges(run.parameters)
        self.inputs = [self.tensors.enter(handle, span) for handle, span in zip(run.inputs, self.spans, strict=True)]
        for index, recorded in enumerate(run.operations, 1):
            if recorded.inputs or (recorded.returned and self.read.are_taken(recorded)):
                self._follow(index, recorded)
            else:
                self._enter_new(index, recorded)
        self.outputs = [*(self.tensors.read(h, 0) for h in run.outputs), *self._left_otherwise()]

    @cached_property
    def used(self) -> AbstractSet[int]:
        """The numbers of the operations from which a value may reach an output, or the model's code."""
        return used(self.run)

    @cached_property
    def maxima(self) -> list[Call]:
        """The calls that take the maximum over places of a map, without those whose results nothing uses."""
        found = [c for c in self.calls if "max_pool" in c.tags]
        return [c for c in found if c.index in self.used]

    @cached_property
    def kept_maxima(self) -> Mapping[str, str]:
        """Call that takes, or may take, such a maximum that only a later run may use -> the attribute that keeps it."""
        picking = {index for indices in self.outcomes.picking.values() for index in indices}
        unused = [c for c in self.calls if ("max_pool" in c.tags or c.index in picking) and c.index not in self.used]
        if not unused:
            return {}
        reached = [(name, used(self.run, handles)) for name, handles in self.run.kept.attributes.items()]
        return {c.name_and_label: name for c in unused for name, found in reached if c.index in found}

    def forget(self) -> None:
        """Break reference cycles, so that memory is freed at once, without the garbage collector."""
        for call in self.calls:
            call.out = None
        self.maps.forget()
        self.tensors.forget()

    def _enter_new(self, index: int, recorded: RecordedOperation) -> None:
        """Set the values of tensors made without an input tensor."""
        for handle, shape in zip(recorded.outputs, recorded.shapes, strict=True):
            if handle.name is None:
                storage = self.tensors.store(index, handle, shape)
                views, flow = self.tensors.constant(recorded, shape)
                fill = filled(recorded.operator.op, recorded.args, ())
                origin = Origin(step_of(recorded.operator.op, recorded.args, recorded.kwargs))
                handle.value = Value(shape, views, flow, storage, index, fill=fill, origin=origin)

    def _follow(self, index: int, recorded: RecordedOperation) -> None:
        """Set the values of the results of an operation."""
        operator, depends = recorded.operator, False
        inputs = self.tensors.read_each(recorded.inputs, index)
        op, operation = operator.op, operator.operation
        if not recorded.outputs:
            self.read.note(recorded, inputs)
            return
        if op in _OF_OTHERS:
            inputs = self._of_others(recorded, inputs)
            operation = _COPY if op == "copy" or (op in CONSTANT and not operator.is_view) else operation
        if recorded.returned and self.read.are_taken(recorded):
            inputs = [*inputs, self.read.returned((), index, is_seed=operator.draws)]
        for value in inputs:
            flow = value.flow
            if flow is STILL:
                continue
            depends = depends or flow.origin is not None
            if flow.poison and not operator.is_view and op != "copy":  # a view or copy may be overwritten
                reasons = self.outcomes.reasons
                reasons.update(dict.fromkeys(flow.poison.difference(reasons), op))
        path, args, kwargs = recorded.frame.path, recorded.args, recorded.kwargs
        call = Call(index, op, path, (), args, kwargs, operator.names, inputs, recorded.shapes[0])
        if recorded.limits and any(not (v.depends or v.params) for v in inputs):
            call.tags.add("limited")
        if recorded.indices:
            pairs = zip(recorded.indices, inputs, strict=False)
            call.indices = [None if v.depends or is_drawn(v) else numbers for numbers, v in pairs]
        if depends:
            if operator.is_sized_by_values:
                self.read.note_size(recorded, inputs)
            self._settle(call, recorded, operation)
        else:
            self._settle_constant(call, recorded)

    def _of_others(self, recorded: RecordedOperation, inputs: list[Value]) -> list[Value]:
        """The values that the result depends on, for operations where these are not exactly the tensor arguments."""
        op = recorded.operator.op
        if op == "copy":  # copy_(target, source): the result depends on the source only
            return inputs[1:2]
        if op in ("changed", "set"):  # written from outside, or set to existing memory
            return [*inputs, *self.read.values]
        if op == "set_data":  # x.data = y: x has y's memory from here on
            recorded.outputs[0].memory = recorded.outputs[0].value = None
            return inputs
        return _read_by_constant(recorded.operator, inputs)

    def _left_otherwise(self) -> Sequence[Value]:
        """The values of outputs other than tensors: numbers, arrays, objects that cannot be opened."""
        if self.run.closed:
            why = f"an output of type {', '.join(self.run.closed)}: it cannot be opened, and may hold or compute more"
            self.outcomes.hidden[why] = "layers"
            return [self.tensors.anything((), why, self.end)]
        if self.run.numbers == "computed" and self.read.values:
            return [self.read.returned((), self.end)]
        return self.read.values if self.run.numbers else ()

    def _settle(self, call: Call, recorded: RecordedOperation, operation: Operation | None) -> None:
        """Set the values of results that depend on an input."""
        self._charges.identify(call, recorded.frame)
        outcome = self.outcomes.of(call, operation)
        if recorded.operator.hides:
            self.outcomes.note_hidden(call, recorded)
        if not isinstance(outcome, list):
            self._give(call, recorded, operation, 0, outcome)
            for i in range(1, len(recorded.outputs)):
                if 0 not in recorded.shapes[i]:  # as are statistics saved by batch normalisation for training
                    self._give(call, recorded, operation, i, outcome)
        else:
            for i in range(min(len(recorded.outputs), len(outcome))):
                self._give(call, recorded, operation, i, outcome[i])
        if not recorded.operator.is_view:
            if call.op == "clone":
                call.out = None
            else:
                self.calls.append(call)
        if call.kernel:
            self.maps.note_flat(call)

    def _give(
        self, call: Call, recorded: RecordedOperation, operation: Operation | None, which: int, result: Result
    ) -> None:
        """Set the value of one of the results."""
        handle, shape, targets = recorded.outputs[which], recorded.shapes[which], recorded.targets
        storage = self.tensors.storage_of(handle, recorded, call, which, shape)
        value = self.tensors.made(call, which, shape, result, storage)
        if not (which or recorded.operator.is_view):
            call.out = value
        if handle.value is not None or (targets and is_in(handle, targets)):
            write(handle, value)
            return
        handle.value = value
        if recorded.operator.is_view:
            self.tensors.share(recorded.inputs[0], handle, call, operation, which)

    def _settle_constant(self, call: Call, recorded: RecordedOperation) -> None:
        """Set the values of results that depend on no input: computed from parameters only (weights), or constants."""
        operator = recorded.operator
        is_new = not call.inputs
        params = NO_PARAMS.union(*(v.params for v in call.inputs))
        is_weight = not is_new and all(v.storage is None for v in call.inputs)
        if not is_weight and operator.operation is not None and operator.operation.cost is not None:
            self._charges.identify(call, recorded.frame)  # a product with an initial state of zeros counts too
            call.label = operator.operation.label
            operator.operation.cost(call)
            self.calls.append(call)
        for i, (handle, shape) in enumerate(zip(recorded.outputs, recorded.shapes, strict=True)):
            if handle.name is not None and not (handle.value is not None and handle.value.depends):
                continue  # it remains a parameter or a buffer
            storage = None
            if not is_weight and (call.inputs or handle.value):
                storage = self.tensors.storage_of(handle, recorded, call, i, shape)
            elif not is_weight:
                storage = self.tensors.store(call.index, handle, shape)
            views, flow = self.tensors.constant(recorded, shape)
            fill = filled(call.op, call.args, call.inputs, shape, is_view=operator.is_view, named=call.kwargs)
            origin = Origin(call, call.inputs, i)
            value = Value(shape, views, flow, storage, call.index, params, fill=fill, origin=origin)
            if is_in(handle, recorded.targets):
                write(handle, value)
            else:
                handle.value = value
                if operator.is_view and recorded.inputs:
                    self.tensors.share(recorded.inputs[0], handle, call, operator.operation, i)


def propagated(run: Run, *, suspects: bool = False) -> Propagation:
    """What is known after all operations of a run, whose inputs may have a channel axis or not."""
    if suspects:
        _forget_values(run)
    known = Propagation(run, suspects=suspects)
    if not known.maps.found_flat:
        return known
    _forget_values(run)
    return Propagation(run, known.maps.found_flat, suspects=suspects)


def _forget_values(run: Run) -> None:
    handles = {id(h): h for recorded in run.operations for h in (*recorded.inputs, *recorded.outputs)}
    for handle in (*handles.values(), *run.inputs, *run.outputs, *run.weights):
        handle.value = handle.memory = handle.base = handle.made = None
        handle.version = 0


def _read_by_constant(operator: Operator, inputs: list[Value]) -> list[Value]:
    """The tensors whose values, and not only shapes, a new constant takes."""
    if operator.op in _OF_VALUES:
        return inputs[1:] if operator.writes or operator.op == "fill" else inputs
    return []

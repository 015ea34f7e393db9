"""Carry what is known of each tensor through the steps of a run, from the inputs to the outputs; no torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from constraints.receptive_field import Field
from constraints.tracing.axes import Digit, Shape, View, unknown
from constraints.tracing.constants import filled
from constraints.tracing.distribution import distribute
from constraints.tracing.memory import is_stale, rebuilt, shared, write
from constraints.tracing.operations import BLANK, CONSTANT, OPERATIONS
from constraints.tracing.parts import ROWS_APART
from constraints.tracing.reshaping import cuts
from constraints.tracing.values import (
    FROM_NOWHERE,
    MADE_OF_NUMBERS,
    Call,
    Flow,
    Handle,
    Memory,
    Operation,
    Result,
    Storage,
    Value,
    Views,
    fresh,
    join_views,
    merge_flows,
)

if TYPE_CHECKING:
    from constraints.tracing.recorder import Frame, Operator, RecordedOperation, Run

_COPY = OPERATIONS["add"]._replace(label="copy")
"""A copy takes each element as it is, and spreads over the shape of its target."""
_OF_VALUES = frozenset(["bernoulli", "normal", "fill", "poisson"])
"""Of the operations that make constants, those that may read tensors."""
_TRUTHS = ("equal", "is_nonzero", "allclose", "is_same_size")
"""Operations that say yes or no."""
_STILL = Flow()
"""What a weight or a constant inherits: nothing."""
_NO_PARAMS: frozenset[str] = frozenset()
_NOT_KNOWN = "what it does to the receptive field is not known"


class Propagation:
    """What is known after all steps of a run."""

    def __init__(self, run: Run, flat: Collection[int] = ()) -> None:
        """Follow the steps of ``run`` in their order; the inputs of the numbers ``flat`` have no channel axis."""
        self.run = run
        self.found_flat: set[int] = set()
        """The inputs whose first windows slide over more axes than are behind a channel axis."""
        self.calls: list[Call] = []
        """The operations that depend on an input, views and copies aside."""
        self.reasons: dict[str, str] = {}
        """Why what an operation does is not known -> the operation."""
        self.hidden: dict[str, str] = {}
        """Why something may be hidden -> what: "products", "linear" (layers behind a global pool too) or "layers"."""
        self.read: list[Value] = []
        """What was read from tensors that depend on an input, as numbers or arrays."""
        self.decided: list[str] = []
        """Where values of the input were read, by which the code may decide what runs."""
        self.read_by = ""
        """Where that was first."""
        self.storages: list[Storage] = []
        self.end = len(run.steps)
        self.spans = _spans([h.shape for h in run.inputs], flat)
        """For each input the indices of its spatial axes among all of them."""
        self._nothing: Views = (None,) * sum(len(span) for span in self.spans)
        self._charged: set[str] = set()
        self.inputs = [self._enter(handle, span) for handle, span in zip(run.inputs, self.spans, strict=True)]
        for index, step in enumerate(run.steps, 1):
            if step.inputs or step.returned:
                self._follow(index, step)
            else:
                self._enter_new(index, step)
        self.outputs = [*(self._read(h, 0) for h in run.outputs), *self._left_otherwise()]

    def _enter(self, handle: Handle, span: range) -> Value:
        views = list(self._nothing)
        first = len(handle.shape) - len(span)
        for axis, at in enumerate(span, first):
            views[at] = View(Field(), (Digit(axis, 1, handle.shape[axis], 1),), extent=handle.shape[axis])
        value = Value(handle.shape, tuple(views), Flow(origin=object()), self._store(0, handle, handle.shape))
        self._note_map(value)
        handle.value = value
        return value

    def _enter_new(self, index: int, step: RecordedOperation) -> None:
        """Tensors that were made from nothing."""
        for handle, shape in zip(step.outputs, step.shapes, strict=True):
            if handle.name is None:
                storage = self._store(index, handle, shape)
                views, flow = self._blank(step, shape) if step.operator.op in BLANK else (self._nothing, _STILL)
                fill = filled(step.operator.op, step.args, ())
                handle.value = Value(shape, views, flow, storage, index, fill=fill)

    def _blank(self, step: RecordedOperation, shape: Shape) -> tuple[Views, Flow]:
        """Memory that was not written to yet: who reads it, reads what no recorded operation put there."""
        if 0 in shape:
            return self._nothing, _STILL
        place = f" in {step.frame.path}" if step.frame.path else ""
        why = f"{step.operator.op}{place}: memory that no recorded operation wrote to"
        return (unknown(why),) * len(self._nothing), Flow(origin=object(), poison=frozenset([why]))

    def _follow(self, index: int, step: RecordedOperation) -> None:
        """Give the results of a step their values."""
        operator, depends = step.operator, False
        inputs = [self._read(handle, index) for handle in step.inputs]
        op, operation = operator.op, operator.operation
        if not step.outputs:
            self._note_read(step, inputs)
            return
        if op == "copy":  # copy_(target, source): the target is what the source is now
            inputs, operation = inputs[1:2], _COPY
        elif op in CONSTANT:
            inputs = _read_by_constant(operator, inputs)
        elif op in ("changed", "set"):  # from outside, or to memory that was there
            inputs = [*inputs, *self.read]
        elif op == "set_data":  # x.data = y: x has y's memory from here on
            step.outputs[0].memory = step.outputs[0].value = None
        if step.returned and self.read:
            inputs = [*inputs, self._returned((), index)]
        for value in inputs:
            depends = depends or value.flow.origin is not None
            if value.flow.poison and not operator.is_view and op != "copy":  # what is moved may yet be written over
                self.reasons.update(dict.fromkeys(value.flow.poison.difference(self.reasons), op))
        call = Call(index, op, step.frame.path, (), step.args, step.kwargs, operator.names, inputs, step.shapes[0])
        if depends:
            self._settle(call, step, _COPY if op in CONSTANT and not operator.is_view else operation)
        else:
            self._settle_constant(call, step)

    def _note_read(self, step: RecordedOperation, inputs: Sequence[Value]) -> None:
        """Values leave the run: what comes back from outside may depend on them."""
        found = [v for v in inputs if v.depends]
        if not found or step.operator.op == "_has_compatible_shallow_copy_type":
            return
        if step.operator.op != "read":
            self.decided.append(step.frame.path)
        if step.operator.op in _TRUTHS or all(h.kind == "truth" for h in step.inputs):
            return  # one truth value: it decides what runs, and what runs is seen
        self.read_by = self.read_by if self.read else step.frame.path
        self.read += found

    def _returned(self, shape: Shape, index: int) -> Value:
        """The value of what was made of numbers that were read before."""
        place = f" in {self.read_by}" if self.read_by else ""
        views, flow = self._of_anything(self.read, f"values that were read from a tensor{place} and came back")
        value = Value(shape, views, flow, None, index)
        self._note_map(value)
        return value

    def _left_otherwise(self) -> Sequence[Value]:
        """The values of outputs that are no tensors: numbers, arrays, what cannot be opened."""
        if self.run.closed:
            why = f"an output of type {', '.join(self.run.closed)}: it cannot be opened, and may hold or compute more"
            self.hidden[why] = "layers"
            return [self._anything((), why, self.end)]
        if self.run.numbers == "computed" and self.read:
            return [self._returned((), self.end)]
        return self.read if self.run.numbers else ()

    def _anything(self, shape: Shape, why: str, index: int) -> Value:
        """The value of a tensor of which nothing is known."""
        flow = Flow(origin=object(), poison=frozenset([why]))
        return Value(shape, (unknown(why),) * len(self._nothing), flow, None, index)

    def _read(self, handle: Handle, index: int) -> Value:
        """The value of a tensor that a step reads."""
        if handle.memory is not None and is_stale(handle):
            self._work_out(handle, handle.memory)
        value = handle.value
        if value is None:
            value = handle.value = self._appeared(handle, index)
        elif value.storage is not None:
            value.storage.last = max(value.storage.last, index)
        return value

    def _work_out(self, handle: Handle, memory: Memory) -> None:
        """The value of a tensor whose memory was written to through another one."""
        handle.version = memory.version
        if handle.base is None or handle.made is None:
            value = rebuilt(memory)
            self._note_map(value)
            handle.value = value
            return
        base = self._read(handle.base, 0)
        call, operation, which = handle.made
        again = replace(call, inputs=[base, *call.inputs[1:]], index=base.index, parts={}, tags=set(call.tags))
        if not base.depends:
            handle.value = Value(call.shape, self._nothing, _STILL, base.storage, base.index, base.params)
            return
        outcome = self._outcome(again, operation)
        result = outcome[which] if isinstance(outcome, list) else outcome
        shape = handle.value.shape if handle.value else handle.shape
        handle.value = self._made(again, which, shape, result, base.storage)

    def _settle(self, call: Call, step: RecordedOperation, operation: Operation | None) -> None:
        """Values that depend on an input."""
        self._identify(call, step.frame)
        outcome = self._outcome(call, operation)
        if step.operator.hides:
            self._note_hidden(call, step)
        several: Sequence[tuple[Views, Flow]] | None = outcome if isinstance(outcome, list) else None
        is_view = step.operator.is_view
        for i, (handle, shape) in enumerate(zip(step.outputs, step.shapes, strict=True)):
            is_auxiliary = i > 0 and several is None
            if is_auxiliary and 0 in shape:
                continue  # the statistics that a batch normalisation saves for training
            if several is not None and i >= len(several):
                break
            storage = self._storage_of(handle, step, call, i, shape)
            value = self._made(call, i, shape, several[i] if several is not None else outcome, storage)
            call.out = call.out or value
            if handle.value is not None or (step.targets and _is_in(handle, step.targets)):
                write(handle, value)
            else:
                handle.value = value
                if is_view:
                    shared(step.inputs[0], handle, call, operation, i)
        if not is_view and call.op != "clone":
            self.calls.append(call)
        if call.kernel:
            self._note_flat(call)

    def _note_flat(self, call: Call) -> None:
        """Find inputs without a channel axis: a spectrogram, or a waveform."""
        data, n = call.inputs[0], len(call.kernel)
        if data.flow.path is not None or data.flow.heads:
            return
        for i, span in enumerate(self.spans):
            is_its_own = len(self.spans) == 1 and (not span or any(data.views[at] for at in span))
            if is_its_own and len(span) < n <= len(self.inputs[i].shape) - 1:
                self.found_flat.add(i)

    def _storage_of(self, handle: Handle, step: RecordedOperation, call: Call, which: int, shape: Shape) -> Storage:
        """The memory of a result: that of what it was written to or is a view of, or new."""
        is_written = bool(step.targets) and _is_in(handle, step.targets)
        value = handle.value if is_written else call.inputs[0] if step.operator.is_view else None
        if value is not None and value.storage is not None:
            return value.storage
        storage = self._store(call.index, handle, shape)
        storage.is_auxiliary = which > 0 and not step.operator.is_view and not step.targets
        return storage

    def _outcome(self, call: Call, operation: Operation | None) -> Any:
        """What the rule says; what it cannot tell is noted with its reason."""
        if operation is None:
            return self._not_known(call)
        call.label = operation.label
        outcome = operation.rule(call)
        for value in call.inputs:
            if value.parts and operation.apart is not None and outcome[0] is not call.inputs[0].views:
                distribute(call, operation)
                break
        for value in call.inputs:
            if value.flow.poison and not (value.parts and cuts(call, value.shape)):  # a slice sees its own parts alone
                outcome = [_spread(call, o) for o in outcome] if isinstance(outcome, list) else _spread(call, outcome)
                break
        if isinstance(outcome, list):
            return [(self._placed(call, views), flow) for views, flow in outcome]
        for view in outcome[0]:
            if view is not None and (view.unknown or view.blurred):
                return self._placed(call, outcome[0]), outcome[1]
        return outcome

    def _placed(self, call: Call, views: Views) -> Views:
        """The views, where something became unknown here with the operation and its place in the reason."""
        for i, view in enumerate(views):
            if view is None or not (view.unknown or view.blurred):
                continue
            known = {why for v in call.inputs if (u := v.views[i]) is not None for why in (u.unknown, u.blurred)}
            if view.unknown and view.unknown not in known:
                why = f"{call.name_and_label}: {view.unknown}"
                self.reasons.setdefault(why, call.op)
                views = (*views[:i], view._replace(unknown=why), *views[i + 1 :])
            elif view.blurred and view.blurred not in known:
                why = f"{call.name_and_label}: {view.blurred}"
                views = (*views[:i], view._replace(blurred=why), *views[i + 1 :])
        return views

    def _not_known(self, call: Call) -> tuple[Views, Flow]:
        """Anything may come of anything; but what sees the same wherever it is still sees no more than that."""
        call.label = call.op.lstrip("_")
        reason = f"{call.name_and_label}: {_NOT_KNOWN}"
        self.reasons.setdefault(reason, call.op)
        if "max_pool" in call.op:
            call.tags.add("max_pool")
        return self._of_anything([v for v in call.inputs if v.depends], reason)

    def _note_hidden(self, call: Call, step: RecordedOperation) -> None:
        """An operation that is not known may multiply its operands: those of the kind of number that it gives."""
        reason = f"{call.name_and_label}: how many multiplications it takes is not known"
        if not step.operator.is_of_torch:
            self.hidden[reason] = "layers"
            return
        kinds = {h.kind for h in step.outputs} - {"truth"}
        if any(h.kind in kinds for h in step.inputs):
            behind = any(v.flow.heads for v in call.inputs)
            self.hidden.setdefault(reason, "linear" if behind else "products")

    def _of_anything(self, data: Sequence[Value], reason: str) -> tuple[Views, Flow]:
        flow = merge_flows([v.flow for v in data])
        views = tuple(_mixed([v for value in data if (v := value.views[i])], reason) for i in range(len(self._nothing)))
        return views, fresh(flow)

    def _identify(self, call: Call, frame: Frame) -> None:
        """Tell which layer a call belongs to, and charge its parameters to the first call that uses them."""
        place = frame.calls[call.op] = frame.calls.get(call.op, -1) + 1
        call.key = (frame.path, call.op, place)
        if not (frame.is_leaf and frame.path):
            call.tags.add("functional")
        named = [v.params for v in call.inputs if v.params]
        if not named:
            return
        weights = named[0].union(*named[1:])
        call.tags.add("weighted")
        call.key = (call.op, weights)
        new = weights - self._charged
        self._charged |= new
        call.params = sum(self.run.parameters[name].numel() for name in new)

    def _settle_constant(self, call: Call, step: RecordedOperation) -> None:
        """Values that depend on no input: made from parameters only (weights), or new."""
        operator = step.operator
        is_new = not call.inputs
        params = _NO_PARAMS.union(*(v.params for v in call.inputs))
        is_weight = not is_new and all(v.storage is None for v in call.inputs)
        if not is_weight and operator.operation is not None and operator.operation.cost is not None:
            self._identify(call, step.frame)  # a state of zeros, say, that is multiplied all the same
            call.label = operator.operation.label
            operator.operation.cost(call)
            self.calls.append(call)
        for i, (handle, shape) in enumerate(zip(step.outputs, step.shapes, strict=True)):
            if handle.name is not None and not (handle.value is not None and handle.value.depends):
                continue  # a parameter or a buffer stays one
            storage = None
            if not is_weight:
                storage = self._storage_of(handle, step, call, i, shape) if call.inputs or handle.value else None
                storage = storage or self._store(call.index, handle, shape)
            is_blank = call.op in BLANK
            views, flow = self._blank(step, shape) if is_blank else (self._nothing, _STILL)
            fill = filled(call.op, call.args, call.inputs, operator.is_view)
            value = Value(shape, views, flow, storage, call.index, params, fill=fill)
            if _is_in(handle, step.targets):
                write(handle, value)
            else:
                handle.value = value
                if operator.is_view and step.inputs:
                    shared(step.inputs[0], handle, call, operator.operation, i)

    def _made(self, call: Call, which: int, shape: Shape, result: Result, storage: Storage | None) -> Value:
        data, (views, flow) = call.inputs[0], result
        is_same = views is data.views  # as norms and activations leave them
        parts = call.parts.get(which) or (data.parts if is_same and flow is data.flow else ())
        value = Value(shape, views, flow, storage, call.index, _NO_PARAMS, parts)
        if is_same and data.flow.map is data:
            self._note_map(value, is_map=True)
        elif not is_same:
            self._note_map(value)
        return value

    def _note_map(self, value: Value, is_map: bool = False) -> None:
        """Let a value that is a map, or of which nothing can be known, be the latest map on its way."""
        flow = value.flow
        for view in () if is_map else value.views:
            if view is not None and view.unknown:
                flow = value.flow = flow._replace(poison=flow.poison.union([view.unknown]))
                is_map = is_map or view.is_lost
        if is_map or self._is_map(value.views):
            heads = frozenset(h.inside() for h in flow.heads) if flow.heads else flow.heads
            origin, depthwise, path, _, context, _, whole, total, poison = flow
            value.flow = Flow(origin, depthwise, path, heads, context, value, whole, total, poison)

    def _is_map(self, views: Views) -> bool:
        """Whether every spatial axis of some input has a tensor axis of its own, or one unit whose axis is gone."""
        for span in self.spans:
            axes, units = set(), 0
            for i in span:
                view = views[i]
                if view is not None and view.is_unit:
                    units += 1
                elif view is not None and (axis := _own_axis(view)) is not None:
                    axes.add(axis)
                else:
                    break
            if axes and len(axes) + units == len(span):
                return True
        return False

    def _appeared(self, handle: Handle, index: int) -> Value:
        """The value of a tensor that no recorded operation made."""
        if handle.source == MADE_OF_NUMBERS and self.read:
            value = self._returned(handle.shape, index)
            value.storage = self._store(index, handle, handle.shape)
            return value
        if handle.source == FROM_NOWHERE:
            why = f"{FROM_NOWHERE}: it may come from another thread, or from code that torch does not see"
            self.hidden[why] = "layers"
            value = self._anything(handle.shape, why, 0)
            value.storage = self._store(index, handle, handle.shape)
            return value
        registered = handle.tied or handle
        if handle.tied is not None:
            self._read(handle.tied, index)
        params = frozenset([registered.name]) if registered.name else _NO_PARAMS
        return Value(handle.shape, self._nothing, _STILL, None, 0, params, fill=handle.number)

    def _store(self, index: int, handle: Handle, shape: Shape) -> Storage:
        storage = Storage(math.prod(shape) * handle.itemsize, index, index)
        self.storages.append(storage)
        return storage


def propagated(run: Run) -> Propagation:
    """What is known after all steps of a run, be its inputs maps with a channel axis or without."""
    known = Propagation(run)
    if not known.found_flat:
        return known
    handles = {id(h): h for step in run.steps for h in (*step.inputs, *step.outputs)}
    for handle in (*handles.values(), *run.inputs, *run.outputs, *run.weights):
        handle.value = handle.memory = handle.base = handle.made = None
        handle.version = 0
    return Propagation(run, known.found_flat)


def _own_axis(view: View) -> int | None:
    """The tensor axis that counts a map's places along a spatial axis, patches in the batch aside; None without."""
    within = [d for d in view.digits if d.axis] if len(view.digits) > 1 else view.digits
    is_known = not (view.other or view.swept or (view.blurred and ROWS_APART not in view.blurred))
    is_plain = len(within) == 1 and within[0].inner == 1 and not within[0].offset
    return within[0].axis if is_known and is_plain else None


def _is_in(handle: Handle, several: Sequence[Handle]) -> bool:
    return any(handle is h for h in several)


def _read_by_constant(operator: Operator, inputs: list[Value]) -> list[Value]:
    """The tensors of which a new one takes the values, not only the shape."""
    if operator.op in _OF_VALUES:
        return inputs[1:] if operator.writes or operator.op == "fill" else inputs
    return []


def _mixed(views: Sequence[View], reason: str) -> View | None:
    """What a function of any kind sees along an axis of which it reads tensors."""
    if not views:
        return None
    lost = next((v.unknown for v in views if v.unknown), "")
    if lost or any(v.digits for v in views):
        return unknown(lost or reason)
    result = join_views([(v,) for v in views])[0]
    return result._replace(pooled="mixed") if result and result.pooled else result


def _spread(call: Call, outcome: tuple[Views, Flow]) -> tuple[Views, Flow]:
    """What is not known of an operand is not known of the result; no rule may lose it."""
    views, flow = outcome
    for i, view in enumerate(views):
        whys = [u.unknown for v in call.inputs if (u := v.views[i]) is not None and u.unknown and not u.pooled]
        if whys and not (view is not None and view.unknown):
            views = (*views[:i], unknown(whys[0]), *views[i + 1 :])
    return views, flow


def _spans(shapes: Sequence[Shape], flat: Collection[int]) -> list[range]:
    spans, at = [], 0
    is_spread = any(max(shape[2:], default=1) > 1 for shape in shapes)
    for i, shape in enumerate(shapes):
        is_point = is_spread and max(shape[2:], default=1) == 1 and i not in flat  # a scale beside an image, say
        n = 0 if is_point else max(len(shape) - (1 if i in flat else 2), 0)
        spans.append(range(at, at + n))
        at += n
    return spans

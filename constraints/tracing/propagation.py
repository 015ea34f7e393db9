"""Carry what is known of each tensor through the steps of a run, from the inputs to the outputs; no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from constraints.receptive_field import Field
from constraints.tracing.axes import Cut, Digit, Shape, View, unknown, written
from constraints.tracing.operations import CONSTANT, OPERATIONS, Operation
from constraints.tracing.values import (
    Call,
    Flow,
    Handle,
    Storage,
    Value,
    Views,
    join_views,
    merge_flows,
)

if TYPE_CHECKING:
    from constraints.tracing.recorder import Frame, RecordedOperation, Run

_HALF = 0.5
_STILL = Flow()
"""What a weight or a constant inherits: nothing."""
_NO_PARAMS: frozenset[str] = frozenset()
_HIDDEN_WRITE = "copy_: a write through a view that is no slice"


class Propagation:
    """What is known after all steps of a run."""

    def __init__(self, run: Run) -> None:
        """Follow the steps of ``run`` in their order."""
        self.run = run
        self.calls: list[Call] = []
        """The operations that depend on an input, views and copies aside."""
        self.reasons: dict[str, str] = {}
        """Why what an operation does is not known -> the operation."""
        self.storages: list[Storage] = []
        self.end = len(run.steps)
        self.spans = _spans([h.shape for h in run.inputs])
        """For each input the indices of its spatial axes among all of them."""
        self._nothing: Views = (None,) * sum(len(span) for span in self.spans)
        self._charged: set[str] = set()
        self.inputs = [self._enter(handle, span) for handle, span in zip(run.inputs, self.spans, strict=True)]
        for index, step in enumerate(run.steps, 1):
            if step.inputs:
                self._follow(index, step)
            else:
                self._enter_new(index, step)
        self.outputs = [h.value for h in run.outputs if h.value is not None]

    def _enter(self, handle: Handle, span: range) -> Value:
        views = list(self._nothing)
        for i, at in enumerate(span):
            views[at] = View(Field(), (Digit(i + 2, 1, handle.shape[i + 2], 1),), extent=handle.shape[i + 2])
        value = Value(handle.shape, tuple(views), Flow(origin=object()), self._store(0, handle, handle.shape))
        if self._is_map(value.views):
            value.flow = value.flow._replace(map=value)
        handle.value = value
        return value

    def _enter_new(self, index: int, step: RecordedOperation) -> None:
        """Tensors that were made from nothing."""
        for handle, shape in zip(step.outputs, step.shapes, strict=True):
            if handle.name is None:
                handle.value = Value(shape, self._nothing, _STILL, self._store(index, handle, shape), index)

    def _follow(self, index: int, step: RecordedOperation) -> None:
        """Give the results of a step their values."""
        if not step.outputs:
            return
        operator, inputs, depends = step.operator, [], False
        for handle in step.inputs:
            value = handle.value
            if value is None:
                value = handle.value = self._weight(handle)
            elif value.storage is not None:
                value.storage.last = index
            depends = depends or value.flow.origin is not None
            inputs.append(value)
        operation = operator.operation
        if operator.op == "copy":  # copy_(target, source): the target is what the source is now
            inputs, operation = inputs[1:2], OPERATIONS["clone"]
            depends = inputs[0].depends
        call = Call(
            index, operator.op, step.frame.path, (), step.args, step.kwargs, operator.names, inputs, step.shapes[0]
        )
        if depends and operator.op not in CONSTANT:
            self._settle(call, step, operation)
        else:
            self._settle_constant(call, step, operation)

    def _settle(self, call: Call, step: RecordedOperation, operation: Operation | None) -> None:
        """Values that depend on an input."""
        self._identify(call, step.frame)
        outcome = self._outcome(call, operation)
        is_view = operation is not None and operation.is_view
        several: Sequence[tuple[Views, Flow]] | None = outcome if isinstance(outcome, list) else None
        target = step.inputs[0] if step.operator.mutates else None
        for i, (handle, shape) in enumerate(zip(step.outputs, step.shapes, strict=True)):
            is_auxiliary = i > 0 and several is None
            if is_auxiliary and 0 in shape:
                continue  # the statistics that a batch normalisation saves for training
            if several is not None and i >= len(several):
                break
            views, flow = several[i] if several is not None else outcome
            old = handle.value if handle is target else call.inputs[0] if is_view else None
            storage = old.storage if old is not None else None
            if storage is None:
                storage = self._store(call.index, handle, shape)
                storage.is_auxiliary = is_auxiliary
            value = self._made(call, shape, views, flow, storage)
            call.out = call.out or value
            self._attach(handle, value, step, _cut(call) if is_view else None, is_view)
        if not is_view and call.op != "clone":
            self.calls.append(call)

    def _outcome(self, call: Call, operation: Operation | None) -> Any:
        """What the rule says; what it cannot tell is noted with its reason."""
        if operation is None:
            return self._not_known(call)
        call.label = operation.label
        outcome = operation.rule(call)
        first: Views = outcome[0][0] if isinstance(outcome, list) else outcome[0]
        for i, view in enumerate(first):
            if view is not None and view.unknown and not any(_is_unknown(v.views[i]) for v in call.inputs):
                self.reasons.setdefault(f"{call.name_and_label}: {view.unknown}", view.unknown)
        return outcome

    def _not_known(self, call: Call) -> tuple[Views, Flow]:
        call.label = call.op
        why = "what it does to the receptive field is not known"
        reason = f"{call.name_and_label}: {why}"
        self.reasons.setdefault(reason, call.op)
        if "max_pool" in call.op:
            call.tags.add("max_pool")
        flow = merge_flows([v.flow for v in call.inputs if v.depends])
        touched = [any(v.views[i] is not None for v in call.inputs) for i in range(len(self._nothing))]
        views = tuple(unknown(reason) if t else None for t in touched)
        return views, flow._replace(origin=object(), depthwise=frozenset(), whole=None)

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
        if not frame.is_leaf:
            call.key = (call.op, *sorted(weights))
        new = weights - self._charged
        self._charged |= new
        call.params = sum(self.run.parameters[name].numel() for name in new)

    def _settle_constant(self, call: Call, step: RecordedOperation, operation: Operation | None) -> None:
        """Values that depend on no input: made from parameters only (weights), or new."""
        is_new = call.op in CONSTANT
        params = _NO_PARAMS if is_new else _NO_PARAMS.union(*(v.params for v in call.inputs))
        is_weight = not is_new and any(v.storage is None for v in call.inputs)
        is_view = operation is not None and operation.is_view
        target = step.inputs[0] if step.operator.mutates else None
        for handle, shape in zip(step.outputs, step.shapes, strict=True):
            if handle.name is not None or (handle is target and not is_new):
                continue
            old, storage = handle.value, None
            if not is_weight:
                storage = call.inputs[0].storage if is_view else old.storage if old else None
                storage = storage or self._store(call.index, handle, shape)
            handle.value = Value(shape, self._nothing, _STILL, storage, call.index, params)
            handle.base, handle.cut = (step.inputs[0], _cut(call)) if is_view else (None, None)

    def _made(self, call: Call, shape: Shape, views: Views, flow: Flow, storage: Storage) -> Value:
        value, data = Value(shape, views, flow, storage, call.index), call.inputs[0]
        is_same = views is data.views  # as norms and activations leave them
        whys = () if is_same else [v.unknown for v in views if v is not None and v.unknown]
        if whys and not flow.poison.issuperset(whys):
            value.flow = flow._replace(poison=flow.poison.union(whys))
        elif data.flow.map is data if is_same else self._is_map(views):
            heads = frozenset(h.inside() for h in flow.heads) if flow.heads else flow.heads
            origin, depthwise, path, _, context, _, whole, total, poison = flow
            value.flow = Flow(origin, depthwise, path, heads, context, value, whole, total, poison)
        return value

    def _attach(self, handle: Handle, value: Value, step: RecordedOperation, cut: Cut | None, is_view: bool) -> None:
        if handle.value is None:
            handle.value, handle.cut = value, cut
            handle.base = step.inputs[0] if is_view else None
            return
        handle.value = value
        while handle.base is not None:  # written through a slice: the tensor behind it changed too
            self._write_back(handle, handle.base)
            handle = handle.base

    def _write_back(self, part: Handle, whole: Handle) -> None:
        before, after = whole.value, part.value
        if before is None or after is None:
            return
        if part.cut is None and before.shape == after.shape:
            views: Views = after.views
        elif part.cut is None:
            views = tuple(v and unknown(_HIDDEN_WRITE) for v in after.views)
            self.reasons.setdefault(_HIDDEN_WRITE, "copy")
        else:
            views = tuple(written(v, part.cut, before.shape) for v in after.views)
        share = part.cut.share(before.shape, views) if part.cut else 1.0
        if before.depends and share < _HALF <= whole.covered:
            return  # a border of a map that is there already
        flows = [after.flow]
        if before.depends and not whole.covered < _HALF <= share:
            views, flows = join_views([before.views, views]), [before.flow, after.flow]
        whole.covered = max(whole.covered, share)
        storage = before.storage or after.storage
        value = Value(before.shape, views, merge_flows(flows), storage, self.end)
        if self._is_map(views):
            value.flow = value.flow._replace(map=value)
        whole.value = value

    def _is_map(self, views: Views) -> bool:
        """Whether every spatial axis of some input has a tensor axis of its own."""
        for span in self.spans:
            axes = set()
            for i in span:
                view = views[i]
                if view is None or len(view.digits) != 1:
                    break
                digit = view.digits[0]
                if digit.inner != 1 or digit.offset:
                    break
                axes.add(digit.axis)
            if span and len(axes) == len(span):
                return True
        return False

    def _weight(self, handle: Handle) -> Value:
        """The value of a parameter, a buffer or a constant from outside."""
        params = frozenset([handle.name]) if handle.name else _NO_PARAMS
        return Value(handle.shape, self._nothing, _STILL, None, 0, params)

    def _store(self, index: int, handle: Handle, shape: Shape) -> Storage:
        storage = Storage(math.prod(shape) * handle.itemsize, index, index)
        self.storages.append(storage)
        return storage


def _is_unknown(view: View | None) -> bool:
    return view is not None and bool(view.unknown)


def _cut(call: Call) -> Cut | None:
    """Which part of its base a slice or a selection is."""
    if call.op not in ("slice", "select"):
        return None
    shape, args = call.inputs[0].shape, call.args
    axis = args[1] % len(shape) if len(args) > 1 else 0
    size = shape[axis]
    if call.op == "select":
        return Cut(axis, args[2] % size, 1, 1, True)
    start = (args[2] if len(args) > 2 else None) or 0
    start = min(max(start + size if start < 0 else start, 0), size)
    return Cut(axis, start, args[4] if len(args) > 4 else 1, call.shape[axis])


def _spans(shapes: Sequence[Shape]) -> list[range]:
    spans, at = [], 0
    is_spread = any(max(shape[2:], default=1) > 1 for shape in shapes)
    for shape in shapes:
        is_point = is_spread and max(shape[2:], default=1) == 1  # a scale beside an image, say
        n = 0 if is_point else max(len(shape) - 2, 0)
        spans.append(range(at, at + n))
        at += n
    return spans

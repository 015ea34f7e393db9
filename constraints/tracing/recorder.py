"""Run a model once under a dispatch mode and write down what each operation did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from constraints.receptive_field import Field
from constraints.tracing.axes import Cut, Digit, View, unknown, written
from constraints.tracing.operations import CONSTANT, OPERATIONS, Operation
from constraints.tracing.values import (
    Call,
    Flow,
    Storage,
    Value,
    Views,
    join_views,
    merge_flows,
)

_SLOT = "_traced_slot"
_FLOAT32_BYTES = 4
_HALF = 0.5
_HIDDEN_WRITE = "copy_: a write through a view that is no slice"


class _Slot:
    """What a tensor object carries: its value now, and the part of which tensor it is."""

    __slots__ = ("base", "covered", "cut", "run", "value")

    def __init__(self, run: object, value: Value, base: _Slot | None = None, cut: Cut | None = None) -> None:
        """Attach ``value`` in the run ``run``; ``cut`` says which slice of ``base`` shares its memory."""
        self.run, self.value, self.base, self.cut = run, value, base, cut
        self.covered = 0.0


class _Function(NamedTuple):
    """What is looked up once for each operator of a run."""

    op: str
    names: tuple[str, ...]
    operation: Operation | None
    mutates: bool


class _Frame(NamedTuple):
    """A module that is running."""

    path: str
    is_leaf: bool
    calls: dict[str, int]


class Recorder(TorchDispatchMode):
    """Carries a Value with every tensor, from the inputs to the outputs."""

    def __init__(self, model: nn.Module, inputs: Sequence[torch.Tensor]) -> None:
        """Prepare to follow ``inputs`` (with batch axis) through ``model``."""
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.calls: list[Call] = []
        self.reasons: dict[str, str] = {}
        """Operation -> why what it does is not known."""
        self.used: set[str] = set()
        self.storages: list[Storage] = []
        self.overwritten: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        """Parameters and buffers that the forward pass wrote to, with what they held before."""
        self.end = 0
        """The number of operations that ran."""
        self.spans = _spans(inputs)
        self._nothing: Views = (None,) * sum(len(span) for span in self.spans)
        self.parameters = dict(model.named_parameters())
        self._constants = {id(b): "" for b in model.buffers()} | {id(p): name for name, p in self.parameters.items()}
        modules = dict(model.named_modules())
        self._frames = {id(m): (path, not m._modules) for path, m in modules.items()}
        self._stack: list[_Frame] = []
        self._charged: set[str] = set()
        self._functions: dict[Any, _Function] = {}
        self.inputs = [self._enter(tensor, span) for tensor, span in zip(inputs, self.spans, strict=True)]

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Know the path of the module that runs, by hooks that are gone afterwards whatever happens."""
        enter = register_module_forward_pre_hook(self._push)
        leave = register_module_forward_hook(self._pop, always_call=True)
        try:
            yield
        finally:
            enter.remove()
            leave.remove()

    def value_of(self, tensor: torch.Tensor) -> Value | None:
        """What is known of a tensor of this run."""
        slot = self._slot(tensor)
        return slot.value if slot else None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation, then its rule."""
        kwargs = kwargs or {}
        function = self._functions.get(func)
        if function is None:
            function = self._functions[func] = _looked_up(func)
        tensors = [*_tensors(args), *_tensors(kwargs.values())]
        if function.mutates:
            self._keep(tensors)
        result = func(*args, **kwargs)
        self.end += 1
        results = list(_tensors((result,)))
        if results:
            call = self._call(function, args, kwargs, [self._value(t) for t in tensors])
            call.shape = tuple(results[0].shape)
            self._follow(function, call, tensors, results)
        return result

    def _call(self, function: _Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], inputs: list[Value]) -> Call:
        frame = self._stack[-1] if self._stack else _Frame("", False, {})
        return Call(self.end, function.op, frame.path, (), args, kwargs, function.names, inputs)

    def _follow(
        self, function: _Function, call: Call, tensors: list[torch.Tensor], results: list[torch.Tensor]
    ) -> None:
        """Give the results of a call their values."""
        for value in call.inputs:
            if value.storage is not None:
                value.storage.last = self.end
        operation = function.operation
        if function.op == "copy":  # copy_(target, source): the target is what the source is now
            call.inputs, operation = call.inputs[1:2], OPERATIONS["clone"]
        target = tensors[0] if function.mutates and tensors else None
        if function.op in CONSTANT or not any(v.depends for v in call.inputs):
            self._settle_constant(call, operation, results, target)
            return
        self._identify(call)
        outcome = self._outcome(call, operation)
        cut = _cut(call)
        call.args, call.kwargs = (), {}
        is_view = operation is not None and operation.is_view
        several = outcome if isinstance(outcome, list) else [outcome] * len(results)
        for i, (tensor, (views, flow)) in enumerate(zip(results, several, strict=False)):
            is_auxiliary = i > 0 and not isinstance(outcome, list)
            storage = self._storage_of(tensor, target, call.inputs[0] if is_view else None, is_auxiliary)
            value = self._made(tensor, views, flow, storage)
            call.out = call.out or value
            self._attach(tensor, value, self._slot(tensors[0]) if is_view else None, cut)
        if not is_view and function.op != "clone":
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
        return views, replace(flow, origin=object(), depthwise=frozenset(), whole=None)

    def _identify(self, call: Call) -> None:
        """Tell which layer a call belongs to, and charge its parameters to the first call that uses them."""
        frame = self._stack[-1] if self._stack else _Frame("", False, {})
        place = frame.calls[call.op] = frame.calls.get(call.op, -1) + 1
        weights = sorted({p for v in call.inputs if not v.depends for p in v.params})
        call.key = (frame.path, call.op, place)
        if weights:
            call.tags.add("weighted")
            if not frame.is_leaf:
                call.key = (call.op, *weights)
        if not (frame.is_leaf and frame.path):
            call.tags.add("functional")
        new = set(weights) - self._charged
        self._charged |= new
        call.params = sum(self.parameters[p].numel() for p in new)

    def _settle_constant(
        self, call: Call, operation: Operation | None, results: list[torch.Tensor], target: torch.Tensor | None
    ) -> None:
        """Values that depend on no input: made from parameters only (weights), or new."""
        is_new = call.op in CONSTANT
        params = frozenset().union(*(v.params for v in call.inputs)) if not is_new else frozenset()
        is_weight = not is_new and any(v.storage is None for v in call.inputs)
        is_view = operation is not None and operation.is_view
        for tensor in results:
            if id(tensor) in self._constants or (tensor is target and not is_new):
                continue
            base = self._slot_of_first(call, tensor) if is_view else None
            old = self._slot(tensor)
            storage = None
            if not is_weight:
                storage = call.inputs[0].storage if is_view else old.value.storage if old else self._store(tensor)
            value = Value(tuple(tensor.shape), self._nothing, Flow(), storage, self.end, params)
            tensor.__dict__[_SLOT] = _Slot(self, value, base, _cut(call))

    def _slot_of_first(self, call: Call, tensor: torch.Tensor) -> _Slot | None:
        first = next(_tensors(call.args), None)
        return self._slot(first) if first is not None and first is not tensor else None

    def _storage_of(
        self, tensor: torch.Tensor, target: torch.Tensor | None, base: Value | None, is_auxiliary: bool
    ) -> Storage:
        old = self.value_of(tensor) if tensor is target else base
        storage = old.storage if old is not None else None
        if storage is None:
            storage = self._store(tensor)
            storage.is_auxiliary = is_auxiliary
        return storage

    def _made(self, tensor: torch.Tensor, views: Views, flow: Flow, storage: Storage) -> Value:
        value = Value(tuple(tensor.shape), views, flow, storage, self.end)
        whys = {v.unknown for v in views if v is not None and v.unknown}
        if whys - flow.poison:
            value.flow = replace(flow, poison=flow.poison | whys)
        elif self._is_map(views):
            value.flow = replace(flow, map=value, heads=frozenset(h.inside() for h in flow.heads))
        return value

    def _attach(self, tensor: torch.Tensor, value: Value, base: _Slot | None, cut: Cut | None) -> None:
        slot = self._slot(tensor)
        if slot is None:
            tensor.__dict__[_SLOT] = _Slot(self, value, base, cut)
            return
        slot.value = value
        while slot.base is not None:  # written through a slice: the tensor behind it changed too
            self._write_back(slot, slot.base)
            slot = slot.base

    def _write_back(self, part: _Slot, whole: _Slot) -> None:
        before, after = whole.value, part.value
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
            value.flow = replace(value.flow, map=value)
        whole.value = value

    def _is_map(self, views: Views) -> bool:
        """Whether every spatial axis of some input lies on a tensor axis of its own."""
        for span in self.spans:
            axes = set()
            for i in span:
                view = views[i]
                if view is not None and len(view.digits) == 1:
                    digit = view.digits[0]
                    if digit.inner == 1 and not digit.offset:
                        axes.add(digit.axis)
            if span and len(axes) == len(span):
                return True
        return False

    def _enter(self, tensor: torch.Tensor, span: range) -> Value:
        views = list(self._nothing)
        for i, at in enumerate(span):
            views[at] = View(Field(), (Digit(i + 2, 1, tensor.shape[i + 2], 1),))
        value = Value(tuple(tensor.shape), tuple(views), Flow(origin=object()), self._store(tensor), is_input=True)
        if self._is_map(value.views):
            value.flow = replace(value.flow, map=value)
        tensor.__dict__[_SLOT] = _Slot(self, value)
        return value

    def _slot(self, tensor: torch.Tensor) -> _Slot | None:
        slot: _Slot | None = tensor.__dict__.get(_SLOT)
        return slot if slot is not None and slot.run is self else None

    def _value(self, tensor: torch.Tensor) -> Value:
        """The value of an argument: of this run, or a parameter, a buffer, a constant from outside."""
        slot = tensor.__dict__.get(_SLOT)
        if slot is not None and slot.run is self:
            return slot.value  # type: ignore[no-any-return]
        name = self._constants.get(id(tensor))
        params = frozenset([name]) if name else frozenset[str]()
        self.used.update(params)
        return Value(tuple(tensor.shape), self._nothing, Flow(), None, 0, params)

    def _store(self, tensor: torch.Tensor) -> Storage:
        size = _FLOAT32_BYTES if tensor.is_floating_point() else tensor.element_size()
        storage = Storage(tensor.numel() * size, self.end, self.end)
        self.storages.append(storage)
        return storage

    def _keep(self, tensors: Iterable[torch.Tensor]) -> None:
        """Remember a parameter or buffer before an operation writes to it."""
        for tensor in tensors:
            if id(tensor) in self._constants and id(tensor) not in self.overwritten:
                self.overwritten[id(tensor)] = (tensor, tensor.detach().clone())

    def _push(self, module: nn.Module, args: Any) -> None:
        known = self._frames.get(id(module))
        if known is not None:
            self._stack.append(_Frame(*known, {}))

    def _pop(self, module: nn.Module, args: Any, result: Any) -> None:
        if id(module) in self._frames and self._stack:
            self._stack.pop()


def _is_unknown(view: View | None) -> bool:
    return view is not None and bool(view.unknown)


def _cut(call: Call) -> Cut | None:
    """Which part of its base a slice or a selection is."""
    args = call.args
    if not args or call.op not in ("slice", "select"):
        return None
    n = args[0].dim()
    axis = args[1] % n if len(args) > 1 else 0
    size = args[0].shape[axis]
    if call.op == "select":
        return Cut(axis, args[2] % size, 1, 1, True)
    start = (args[2] if len(args) > 2 else None) or 0
    start = min(max(start + size if start < 0 else start, 0), size)
    return Cut(axis, start, args[4] if len(args) > 4 else 1, call.shape[axis])


def _spans(inputs: Sequence[torch.Tensor]) -> list[range]:
    """For each input the indices of its spatial axes among all of them."""
    spans, at = [], 0
    for tensor in inputs:
        n = max(tensor.dim() - 2, 0)
        spans.append(range(at, at + n))
        at += n
    return spans


def _looked_up(func: Any) -> _Function:
    schema = func._schema
    space, op = schema.name.split("::")
    names = tuple(a.name for a in schema.arguments)
    mutates = any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)
    if space != "aten":
        return _Function(schema.name, names, None, mutates)
    base = op[:-1] if mutates and op.endswith("_") else op
    return _Function(base, names, OPERATIONS.get(base), mutates)


def _tensors(args: Iterable[Any]) -> Iterator[torch.Tensor]:
    for a in args:
        if isinstance(a, torch.Tensor):
            yield a
        elif isinstance(a, (list, tuple)):
            yield from (t for t in a if isinstance(t, torch.Tensor))

"""Run a model once under a dispatch mode and write down what each operation did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from constraints.receptive_field import Field
from constraints.tracing.axes import Digit, View, unknown
from constraints.tracing.operations import CONSTANT, OPERATIONS, Operation
from constraints.tracing.values import Call, Flow, Storage, Value, Views

_SLOT = "_traced_slot"
_FLOAT32_BYTES = 4


class _Slot:
    """What a tensor object carries: its value now, and the tensor that it is a slice of."""

    __slots__ = ("base", "place", "run", "value")

    def __init__(self, run: object, value: Value, base: _Slot | None = None, place: Any = None) -> None:
        self.run, self.value, self.base, self.place = run, value, base, place


class Recorder(TorchDispatchMode):
    """Carries a Value with every tensor, from the inputs to the outputs."""

    def __init__(self, model: nn.Module, inputs: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.unknown: dict[str, str] = {}
        self.opaque: set[str] = set()
        self.used: set[str] = set()
        self.storages: list[Storage] = []
        self.saved: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.spans = _spans(inputs)
        self._names = {id(m): name for name, m in model.named_modules()}
        self._leaves = {id(m) for m in model.modules() if not m._modules}
        self._stack: list[tuple[str, bool, dict[str, int]]] = [("", "" in self._names, {})]
        self._stack = []
        self._known = _constants(model)
        self._sizes = {name: p.numel() for name, p in model.named_parameters()}
        self._charged: set[str] = set()
        self._index = 0

        self._handled: dict[Any, tuple[str, tuple[str, ...], Operation | None, bool]] = {}
        self.inputs = [self._enter(tensor, i) for i, tensor in enumerate(inputs)]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare the import of torch's compiler: nothing is compiled here, and it takes longer than torch itself."""
        return False

    def _enter(self, tensor: torch.Tensor, which: int) -> Value:
        n = sum(len(span) for span in self.spans)
        views: list[View | None] = [None] * n
        for i, at in enumerate(self.spans[which]):
            views[at] = View(Field(), (Digit(i + 2, 1, tensor.shape[i + 2], 1),))
        if not self.spans[which]:
            views = [None] * n
        storage = self._store(tensor)
        value = Value(tuple(tensor.shape), tuple(views), Flow(origin=object()), storage)
        value = replace(value, flow=replace(value.flow, map=value if self.is_map(value) else None))
        tensor.__dict__[_SLOT] = _Slot(self, value)
        return value

    @property
    def end(self) -> int:
        """The number of operations that ran."""
        return self._index

    def is_map(self, value: Value) -> bool:
        """Whether every spatial axis of one input lies on a tensor axis of its own."""
        for span in self.spans:
            digits = [v.digits[0] for i in span if (v := value.views[i]) and len(v.digits) == 1]
            if span and len({d.axis for d in digits if d.inner == 1 and not d.offset}) == len(span):
                return True
        return False

    def value_of(self, tensor: torch.Tensor) -> Value | None:
        """What is known of a tensor of this run."""
        slot = tensor.__dict__.get(_SLOT)
        if slot is not None and slot.run is self:
            return slot.value  # type: ignore[no-any-return]
        return None

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Keep the path of the module that runs, by hooks that are gone afterwards whatever happens."""
        enter = register_module_forward_pre_hook(self._push)
        leave = register_module_forward_hook(self._pop, always_call=True)
        try:
            yield
        finally:
            enter.remove()
            leave.remove()

    def _push(self, module: nn.Module, args: Any) -> None:
        name = self._names.get(id(module))
        if name is not None:
            self._stack.append((name, id(module) in self._leaves, {}))

    def _pop(self, module: nn.Module, args: Any, result: Any) -> None:
        if self._stack and self._stack[-1][0] == self._names.get(id(module)):
            self._stack.pop()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation, then its rule."""
        kwargs = kwargs or {}
        known = self._handled.get(func)
        if known is None:
            known = self._handled[func] = _describe(func)
        op, names, operation, mutates = known
        tensors = list(_tensors(args)) + (list(_tensors(tuple(kwargs.values()))) if kwargs else [])
        if mutates:
            self._keep(tensors)
        result = func(*args, **kwargs)
        self._index += 1
        inputs = [self._value(t) for t in tensors]
        if isinstance(result, torch.Tensor):
            results = [result]
        elif isinstance(result, (tuple, list)):
            results = [r for r in result if isinstance(r, torch.Tensor)]
        else:
            results = []
        if results:
            self._follow(op, names, operation, mutates, args, kwargs, tensors, inputs, results)
        return result

    def _follow(
        self,
        op: str,
        names: tuple[str, ...],
        operation: Operation | None,
        mutates: bool,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        tensors: list[torch.Tensor],
        inputs: list[Value],
        results: list[torch.Tensor],
    ) -> None:
        depends = [v for v in inputs if v.storage is not None and v.depends]
        target = tensors[0] if mutates and tensors else None
        if op in CONSTANT or not depends:
            self._constant(op, operation, inputs, results, target)
            return
        if op in ("copy", "copy_"):
            inputs, op = inputs[1:2], "copy"
            if not inputs or not inputs[0].depends:
                self._constant(op, operation, inputs, results, target)
                return
            operation = OPERATIONS["clone"]
        call = self._call(op, names, args, kwargs, inputs, results[0])
        if operation is None:
            outcome: Any = self._unknown(call)
        else:
            call.label = operation.label
            outcome = operation.rule(call)
        call.args, call.kwargs = (), {}
        is_view = operation is not None and operation.is_view
        outcomes = outcome if isinstance(outcome, list) else [outcome] * len(results)
        for i, (tensor, (views, flow)) in enumerate(zip(results, outcomes, strict=False)):
            aux = i > 0 and not isinstance(outcome, list)
            value = self._result(tensor, views, flow, inputs[0] if is_view else None, target, aux)
            if i == 0:
                call.out = value
            self._attach(tensor, value, tensors[0] if is_view else None, call, i, target)
        if not is_view:
            self.calls.append(call)

    def _call(
        self,
        op: str,
        names: tuple[str, ...],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        inputs: list[Value],
        result: torch.Tensor,
    ) -> Call:
        path, is_leaf, counts = self._stack[-1] if self._stack else ("", False, {})
        place = counts[op] = counts.get(op, -1) + 1
        call = Call(
            self._index, op, path if is_leaf and path else "", (path, op, place), args, kwargs, names, inputs
        )
        params = [p for v in inputs if not v.depends for p in v.params]
        if params and not is_leaf:
            call.key = ("shared", op, *sorted(params))
        if not call.name:
            call.name = path  # completed with the operation's name once its rule has run
            call.tags.add("functional")
        new = [p for p in params if p not in self._charged]
        self._charged.update(new)
        call.params = sum(self._sizes.get(p, 0) for p in set(new))
        if params:
            call.tags.add("weighted")
        call.shape = tuple(result.shape)
        for v in inputs:
            if v.storage is not None:
                v.storage.last = self._index
        return call

    def _unknown(self, call: Call) -> tuple[Views, Flow]:
        why = f"{call.op} (in {call.name or 'the model itself'}) is an operation whose receptive field is not known"
        self.unknown.setdefault(call.op, why)
        if "::" in call.op:
            self.opaque.add(call.op)
        call.label = call.op
        n = len(call.inputs[0].views)
        touched = [any(v.views[i] is not None for v in call.inputs) for i in range(n)]
        flow = next(v for v in call.inputs if v.depends).flow
        views = tuple(unknown(why) if t else None for t in touched)
        poison = frozenset().union({why}, *(v.flow.poison for v in call.inputs))
        return views, replace(flow, origin=object(), depthwise=frozenset(), poison=poison)

    def _constant(
        self,
        op: str,
        operation: Operation | None,
        inputs: list[Value],
        results: list[torch.Tensor],
        target: torch.Tensor | None,
    ) -> None:
        params = frozenset().union(*(v.params for v in inputs)) if op not in CONSTANT else frozenset()
        is_weight = any(v.storage is None for v in inputs) and op not in CONSTANT
        is_view = operation is not None and operation.is_view
        for tensor in results:
            if tensor is target and self.value_of(tensor) is None:
                continue
            storage = None
            if not is_weight:
                storage = inputs[0].storage if is_view and inputs else self._store(tensor)
            n = sum(len(s) for s in self.spans)
            value = Value(tuple(tensor.shape), (None,) * n, Flow(), storage, self._index, params)
            tensor.__dict__[_SLOT] = _Slot(self, value)

    def _result(
        self,
        tensor: torch.Tensor,
        views: Views,
        flow: Flow,
        base: Value | None,
        target: torch.Tensor | None,
        is_auxiliary: bool,
    ) -> Value:
        if target is not None and tensor is target and (old := self.value_of(tensor)) is not None:
            storage = old.storage or self._store(tensor)
            storage.last = self._index
        elif base is not None:
            storage = base.storage or self._store(tensor)
        else:
            storage = self._store(tensor)
            storage.is_auxiliary = is_auxiliary
        value = Value(tuple(tensor.shape), views, flow, storage, self._index)
        if self.is_map(value):
            value = replace(value, flow=replace(flow, map=value))
        return value

    def _attach(
        self,
        tensor: torch.Tensor,
        value: Value,
        base: torch.Tensor | None,
        call: Call,
        which: int,
        target: torch.Tensor | None,
    ) -> None:
        slot = tensor.__dict__.get(_SLOT)
        if tensor is target and slot is not None and slot.run is self:
            slot.value = value
            if slot.base is not None:
                self._write_back(slot)
            return
        base_slot = base.__dict__.get(_SLOT) if base is not None else None
        tensor.__dict__[_SLOT] = _Slot(self, value, base_slot, None)

    def _write_back(self, slot: _Slot) -> None:
        """A slice was written to: what its base sees grows by it."""

    def _value(self, tensor: torch.Tensor) -> Value:
        slot = tensor.__dict__.get(_SLOT)
        if slot is not None and slot.run is self:
            return slot.value  # type: ignore[no-any-return]
        n = sum(len(s) for s in self.spans)
        name = self._known.get(id(tensor))
        params = frozenset() if not name else frozenset([name])
        self.used.update(params)
        return Value(tuple(tensor.shape), (None,) * n, Flow(), None, 0, params)

    def _store(self, tensor: torch.Tensor) -> Storage:
        size = _FLOAT32_BYTES if tensor.is_floating_point() else tensor.element_size()
        storage = Storage(tensor.numel() * size, self._index, self._index)
        self.storages.append(storage)
        return storage

    def _keep(self, tensors: Iterable[torch.Tensor]) -> None:
        """Remember a parameter or buffer before an operation writes to it."""
        for tensor in tensors:
            if id(tensor) in self._known and id(tensor) not in self.saved:
                self.saved[id(tensor)] = (tensor, tensor.detach().clone())


def _spans(inputs: Sequence[torch.Tensor]) -> list[range]:
    spans, at = [], 0
    for tensor in inputs:
        n = max(tensor.dim() - 2, 0)
        spans.append(range(at, at + n))
        at += n
    return spans


def _constants(model: nn.Module) -> dict[int, str]:
    known = {id(b): "" for b in model.buffers()}
    known.update({id(p): name for name, p in model.named_parameters()})
    return known


def _describe(func: Any) -> tuple[str, tuple[str, ...], Operation | None, bool]:
    schema = func._schema
    space, op = schema.name.split("::")
    names = tuple(a.name for a in schema.arguments)
    mutates = any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)
    if space != "aten":
        return schema.name, names, None, mutates
    base = op[:-1] if mutates and op.endswith("_") and not op.endswith("__") else op
    return (op if op in CONSTANT else base), names, OPERATIONS.get(base), mutates


def _tensors(args: Iterable[Any]) -> Iterator[torch.Tensor]:
    for a in args:
        if isinstance(a, torch.Tensor):
            yield a
        elif isinstance(a, (list, tuple)):
            yield from (t for t in a if isinstance(t, torch.Tensor))

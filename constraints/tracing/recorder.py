"""Run a model once under a dispatch mode and write down what each operation did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import nn
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
_STILL = Flow()
"""What a weight or a constant inherits: nothing."""
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
    names: Mapping[str, int]
    operation: Operation | None
    mutates: bool
    decomposes: bool
    """Whether torch writes it in other operations; such a one arrives whole under inference mode only."""


class _Frame:
    """A module that is running."""

    __slots__ = ("calls", "is_leaf", "path")

    def __init__(self, path: str, is_leaf: bool) -> None:
        """Begin a call of the module at ``path``."""
        self.path, self.is_leaf = path, is_leaf
        self.calls: dict[str, int] = {}
        """How often each operation was called so far."""


class Recorder(TorchDispatchMode):
    """Carries a Value with every tensor, from the inputs to the outputs."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep the mode out of the compiler's wrapper, which costs an import of a second and time on every call."""
        return False

    def __init__(self, modules: Mapping[str, nn.Module], inputs: Sequence[torch.Tensor]) -> None:
        """Prepare to follow ``inputs`` (with batch axis) through a model with these ``modules`` by their paths."""
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
        self.parameters: dict[str, torch.Tensor] = {}
        self._registered: dict[int, str] = {}
        """Identity of a parameter or buffer -> name of the parameter, empty for a buffer."""
        self._register(modules)
        self._weights: dict[int, Value] = {}
        """Identity of a parameter or buffer that was used -> its value, which no write changes."""
        self._frames = {m: (path, not m._modules) for path, m in modules.items()}
        self._stack = [_Frame("", False)]
        self._charged: set[str] = set()
        self.inputs = [self._enter(tensor, span) for tensor, span in zip(inputs, self.spans, strict=True)]

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Know the path of the module that runs, by wrappers that are gone afterwards whatever happens."""
        own = [(m, m.__dict__.get("forward")) for m in self._frames]
        for module, (path, is_leaf) in self._frames.items():
            module.__dict__["forward"] = self._named(module.forward, path, is_leaf)
        try:
            yield
        finally:
            for module, forward in own:
                del module.__dict__["forward"]
                if forward is not None:
                    module.__dict__["forward"] = forward

    def _named(self, forward: Callable[..., Any], path: str, is_leaf: bool) -> Callable[..., Any]:
        stack = self._stack

        def named(*args: Any, **kwargs: Any) -> Any:
            stack.append(_Frame(path, is_leaf))
            try:
                return forward(*args, **kwargs)
            finally:
                stack.pop()

        named.__wrapped__ = forward  # type: ignore[attr-defined]  # so that its signature still reads
        return named

    def value_of(self, tensor: torch.Tensor) -> Value | None:
        """What is known of a tensor of this run."""
        slot = self._slot(tensor)
        return slot.value if slot else None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation, then its rule."""
        kwargs = kwargs or {}
        function = _looked_up(func)
        if function.decomposes:
            with self:
                return func.decompose(*args, **kwargs)
        tensors = _tensors(args)
        if kwargs:
            tensors += _tensors(kwargs.values())
        if function.mutates:
            self._keep(tensors)
        result = func(*args, **kwargs)
        self.end += 1
        results = [result] if isinstance(result, torch.Tensor) else _tensors((result,))
        if not tensors:
            self._enter_new(results)
        elif results:
            inputs = [self._value(t) for t in tensors]
            path, shape = self._stack[-1].path, tuple(results[0].shape)
            call = Call(self.end, function.op, path, (), args, kwargs, function.names, inputs, shape)
            self._follow(function, call, tensors, results)
        return result

    def _enter_new(self, results: list[torch.Tensor]) -> None:
        """Tensors that were made from nothing."""
        for tensor in results:
            if id(tensor) not in self._registered:
                value = Value(tuple(tensor.shape), self._nothing, _STILL, self._store(tensor), self.end)
                tensor.__dict__[_SLOT] = _Slot(self, value)

    def _follow(
        self, function: _Function, call: Call, tensors: list[torch.Tensor], results: list[torch.Tensor]
    ) -> None:
        """Give the results of a call their values."""
        depends = False
        for value in call.inputs:
            depends = depends or value.depends
            if value.storage is not None:
                value.storage.last = self.end
        operation = function.operation
        if function.op == "copy":  # copy_(target, source): the target is what the source is now
            call.inputs, operation = call.inputs[1:2], OPERATIONS["clone"]
            depends = call.inputs[0].depends
        target = tensors[0] if function.mutates and tensors else None
        if not depends or function.op in CONSTANT:
            self._settle_constant(call, operation, results, target)
            return
        self._identify(call)
        outcome = self._outcome(call, operation)
        is_view = operation is not None and operation.is_view
        cut = _cut(call) if is_view else None
        call.args, call.kwargs = (), {}
        several = outcome if isinstance(outcome, list) else [outcome] * len(results)
        for i, (tensor, (views, flow)) in enumerate(zip(results, several, strict=False)):
            is_auxiliary = i > 0 and not isinstance(outcome, list)
            if is_auxiliary and not tensor.numel():
                continue  # the statistics that a batch normalisation saves for training
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
            if view is not None and view.unknown != "" and not any(_is_unknown(v.views[i]) for v in call.inputs):
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

    def _identify(self, call: Call) -> None:
        """Tell which layer a call belongs to, and charge its parameters to the first call that uses them."""
        frame = self._stack[-1]
        place = frame.calls[call.op] = frame.calls.get(call.op, -1) + 1
        weights = sorted({p for v in call.inputs if v.params and not v.depends for p in v.params})
        call.key = (frame.path, call.op, place)
        if weights:
            call.tags.add("weighted")
            if not frame.is_leaf:
                call.key = (call.op, *weights)
        if not (frame.is_leaf and frame.path):
            call.tags.add("functional")
        for name in weights:
            if name not in self._charged:
                self._charged.add(name)
                call.params += self.parameters[name].numel()

    def _settle_constant(
        self, call: Call, operation: Operation | None, results: list[torch.Tensor], target: torch.Tensor | None
    ) -> None:
        """Values that depend on no input: made from parameters only (weights), or new."""
        is_new = call.op in CONSTANT
        params = frozenset().union(*(v.params for v in call.inputs)) if not is_new else frozenset()
        is_weight = not is_new and any(v.storage is None for v in call.inputs)
        is_view = operation is not None and operation.is_view
        for tensor in results:
            if id(tensor) in self._registered or (tensor is target and not is_new):
                continue
            base = self._slot_of_first(call, tensor) if is_view else None
            old = self._slot(tensor)
            storage = None
            if not is_weight:
                storage = call.inputs[0].storage if is_view else old.value.storage if old else self._store(tensor)
            value = Value(tuple(tensor.shape), self._nothing, _STILL, storage, self.end, params)
            tensor.__dict__[_SLOT] = _Slot(self, value, base, _cut(call))

    def _slot_of_first(self, call: Call, tensor: torch.Tensor) -> _Slot | None:
        first = _tensors(call.args)[:1]
        return self._slot(first[0]) if first and first[0] is not tensor else None

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
        whys = [v.unknown for v in views if v is not None and v.unknown]
        if not flow.poison.issuperset(whys):
            value.flow = flow._replace(poison=flow.poison.union(whys))
        elif self._is_map(views):
            heads = frozenset(h.inside() for h in flow.heads) if flow.heads else flow.heads
            value.flow = flow._replace(map=value, heads=heads)
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
            value.flow = value.flow._replace(map=value)
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
        value = Value(tuple(tensor.shape), tuple(views), Flow(origin=object()), self._store(tensor))
        if self._is_map(value.views):
            value.flow = value.flow._replace(map=value)
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
        value = self._weights.get(id(tensor))
        if value is None:
            name = self._registered.get(id(tensor))
            params = frozenset([name]) if name else frozenset[str]()
            value = Value(tuple(tensor.shape), self._nothing, _STILL, None, 0, params)
            if name is not None:
                self._weights[id(tensor)] = value
                self.used.update(params)
        return value

    def _store(self, tensor: torch.Tensor) -> Storage:
        size = _FLOAT32_BYTES if tensor.is_floating_point() else tensor.element_size()
        storage = Storage(tensor.numel() * size, self.end, self.end)
        self.storages.append(storage)
        return storage

    def _keep(self, tensors: Iterable[torch.Tensor]) -> None:
        """Remember a parameter or buffer before an operation writes to it."""
        for tensor in tensors:
            if id(tensor) in self._registered and id(tensor) not in self.overwritten:
                self.overwritten[id(tensor)] = (tensor, tensor.detach().clone())

    def _register(self, modules: Mapping[str, nn.Module]) -> None:
        for path, module in modules.items():
            prefix = f"{path}." if path else ""
            for name, parameter in module._parameters.items():
                if parameter is not None and id(parameter) not in self._registered:
                    self._registered[id(parameter)] = prefix + name
                    self.parameters[prefix + name] = parameter
            for buffer in module._buffers.values():
                if buffer is not None:
                    self._registered.setdefault(id(buffer), "")


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


@cache
def _looked_up(func: Any) -> _Function:
    schema = func._schema
    space, op = schema.name.split("::")
    names = {a.name: i for i, a in enumerate(schema.arguments)}
    mutates = any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)
    if space != "aten":
        return _Function(schema.name, names, None, mutates, False)
    base = op[:-1] if mutates and op.endswith("_") else op
    known = OPERATIONS.get(base)
    decomposes = func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd)
    return _Function(base, names, known, mutates, decomposes and not (known or base in CONSTANT))


def _tensors(args: Iterable[Any]) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    for a in args:
        if isinstance(a, torch.Tensor):
            found.append(a)
        elif isinstance(a, (list, tuple)) and a and not isinstance(a[0], int):
            found += [t for t in a if isinstance(t, torch.Tensor)]
    return found

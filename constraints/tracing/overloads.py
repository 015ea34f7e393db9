"""Facts about each operator of torch's dispatcher, looked up once: its rule, and what its schema says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from constraints.errors import UnusableInputError
from constraints.tracing import quantised
from constraints.tracing.axes import Shape
from constraints.tracing.calls import Operation
from constraints.tracing.operations import CONSTANT, NO_PRODUCTS, OPERATIONS
from constraints.tracing.values import CONVOLUTIONS

_TOLD_OTHERWISE = ("padding", "vec", "other")
"""Overloads that torch reduces to others: padding by name, sizes or factors as a list, the larger of two tensors."""
_SPECIAL = ("lift_fresh", "as_strided", *CONVOLUTIONS)
_HIDDEN_VIEWS = ("_unsafe_view", "unsafe_split", "unsafe_split_with_sizes")
"""View operations that are not marked as such in their schema."""
_BATCH_NORMS = ("native_batch_norm", "batch_norm", "cudnn_batch_norm", "miopen_batch_norm")
"""Operations that write to their running statistics in training mode, which their schema does not say."""


class Operator(NamedTuple):
    """What is known of an operator of torch's dispatcher."""

    op: str
    names: Mapping[str, int]
    """Argument name -> position in its schema."""
    operation: Operation | None
    """Its rule; None where it is not known."""
    writes: tuple[int | str, ...]
    """The arguments that it writes to, by position, or by name for ``out`` arguments."""
    is_view: bool
    """Whether its result shares the memory of its first argument."""
    decomposes: bool
    """Whether it is decomposed into the operations that torch implements it with."""
    is_special: bool = False
    """Whether its tensors have to be inspected to know what it does."""
    hides: bool = False
    """Whether it has no rule and may contain products of tensors."""
    tensors: tuple[int, ...] = ()
    """The positions of arguments that may be or contain tensors, by their types in its schema."""
    operands: frozenset[int] = frozenset()
    """The positions of arguments that it may calculate with; other integers are shapes and axes."""
    keeps_statistics: bool = False
    """Whether it writes to running statistics in training mode, which its schema does not say."""
    hides_writes: bool = False
    """Whether it may write to any argument although its schema does not say so."""
    is_elementwise: bool = False
    """Whether each element of its result depends on those at the same place only (and on statistics, in norms)."""
    draws: bool = False
    """Whether it draws random numbers, which follow from a seed."""
    is_sized_by_values: bool = False
    """Whether the size of its result depends on values: on those of truth values, for an index."""

    @property
    def is_of_torch(self) -> bool:
        """Whether it is one of torch's own."""
        return "::" not in self.op


SET_DATA = torch.ops.aten._has_compatible_shallow_copy_type.default
"""The operator that runs first in ``x.data = y``, which gives a tensor the memory of another."""
_OPERATORS: dict[int, tuple[Any, Operator]] = {}
"""``id`` of an overload -> the overload, to keep the id valid, and the facts; the overload's own hash is slow."""
_WRAPPED = re.compile(r"Optional|List|[\[\]]")
_NO_TENSORS = frozenset(["int", "bool", "float", "number", "str", "Device", "Generator"])
"""Types of arguments, or of the elements of lists, that neither are nor contain tensors."""
_ELEMENTWISE = ("add", "batch_norm")
"""Rules of elementwise operations and norms."""
_OPERANDS = frozenset(["Tensor", "number", "Optional[number]"])
"""Types of arguments that an operation may calculate with."""


def looked_up(func: Any) -> Operator:
    """What is known of an overload."""
    known = _OPERATORS.get(id(func))
    if known is None:
        known = _OPERATORS[id(func)] = func, _read(func)
    return known[1]


def _read(func: Any) -> Operator:
    schema = func._schema
    space, op = schema.name.split("::")
    names = {a.name: i for i, a in enumerate(schema.arguments)}
    writes = tuple(a.name if a.kwarg_only else i for i, a in enumerate(schema.arguments) if _is_written(a.alias_info))
    is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)
    operands = frozenset([i for i, a in enumerate(schema.arguments) if str(a.type) in _OPERANDS])
    in_parts = func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd)
    tensors = tuple(i for i, a in enumerate(schema.arguments) if _WRAPPED.sub("", str(a.type)) not in _NO_TENSORS)
    if space != "aten":
        hides, is_known = schema.name not in NO_PRODUCTS, quantised.is_known(schema.name)
        custom = Operator(
            schema.name, names, None, writes, is_view, in_parts and not is_known, is_known, hides, tensors, operands
        )
        return custom._replace(hides_writes=True)
    base = op[:-1] if writes and op.endswith("_") else op
    known = None if func._overloadname in _TOLD_OTHERWISE else OPERATIONS.get(base)
    if known is not None and known.rule is OPERATIONS["add"].rule and "List" in str(schema.returns[0].type):
        known = None  # ``where`` of a condition alone: the indices at which it holds
    elif known is None and torch.Tag.pointwise in func.tags:
        known = Operation(OPERATIONS["add"].rule, base.lstrip("_"))
    decomposes = in_parts and not (known or base in CONSTANT or func is SET_DATA)
    hides = known is None and base not in CONSTANT and base not in NO_PRODUCTS
    is_view = is_view or base in _HIDDEN_VIEWS
    is_special, trains = base in _SPECIAL, base in _BATCH_NORMS
    hides_writes = func is SET_DATA
    return Operator(
        base,
        names,
        known,
        writes,
        is_view,
        decomposes,
        is_special,
        hides,
        tensors,
        operands,
        trains,
        hides_writes,
        known is not None and known.rule in {OPERATIONS[name].rule for name in _ELEMENTWISE},
        torch.Tag.nondeterministic_seeded in func.tags and (known is None or known.rule is OPERATIONS["add"].rule),
        torch.Tag.dynamic_output_shape in func.tags,
    )


def is_laid_out_as(tensor: torch.Tensor, size: Sequence[int], stride: Sequence[int], offset: int | None = None) -> bool:
    """Whether a view with this size, stride and offset equals the tensor; strides of axes of size 1 are ignored."""
    steps = [(a, b) for n, a, b in zip(size, stride, tensor.stride(), strict=False) if n > 1]
    is_at_its_place = offset is None or offset == tensor.storage_offset()
    return tuple(size) == tuple(tensor.shape) and all(a == b for a, b in steps) and is_at_its_place


def shapes_of(tensors: Iterable[torch.Tensor], op: str) -> list[Shape]:
    """The shapes of an operation's results; raises UnusableInputError for a nested tensor without one."""
    try:
        return [tuple(t.shape) for t in tensors]
    except RuntimeError:
        why = f"a nested tensor that has no shape cannot be traced: {op}: make it with layout=torch.jagged"
        raise UnusableInputError(why) from None


def _is_written(alias: Any) -> bool:
    return alias is not None and bool(alias.is_write)


READ = Operator("read", {}, None, (), False, False)
CHANGED = Operator("changed", {}, None, (0,), False, False)
ALIAS = looked_up(torch.ops.aten.alias.default)
CLONE = looked_up(torch.ops.aten.clone.default)
SET = ALIAS._replace(op="set_data")

"""Record facts about special operands: kernels with zero borders, memory layouts, tensors made of numbers, masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from constraints.tracing import quantised
from constraints.tracing.exported import Exported
from constraints.tracing.handles import MADE_OF_NUMBERS, MADE_OF_READ
from constraints.tracing.masks import limits_reach
from constraints.tracing.module_calls import Here
from constraints.tracing.overloads import (
    ALIAS,
    Operator,
    is_laid_out_as,
    looked_up,
)
from constraints.tracing.postponed import Postponed
from constraints.tracing.read_numbers import ReadNumbers, are_short
from constraints.tracing.registry import Fixed
from constraints.tracing.tensor_handles import HANDLE, TensorHandles
from constraints.tracing.values import CONVOLUTIONS

_TWO_CHANNEL_AXES = 2
_MOST_VALUES = 1000
_NO_KWARGS: Mapping[str, Any] = {}


class OperandNotes:
    """Inspects the operands of the few operations whose rule depends on more than shapes."""

    def __init__(
        self,
        handles: TensorHandles,
        numbers: ReadNumbers,
        exported: Exported,
        postponed: Postponed,
        here: Here,
    ) -> None:
        """The facts are stored in the ``handles``."""
        self._handles, self._numbers, self._exported = handles, numbers, exported
        self._postponed, self._here = postponed, here
        self._handle = handles.of

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Within it, reads in this thread do not count as values leaving the run."""
        self._postponed.fill()
        before, self._here.is_copying = self._here.is_copying, True
        try:
            yield
        finally:
            self._here.is_copying = before

    def as_written(self, operator: Operator, args: tuple[Any, ...]) -> tuple[Operator, tuple[Any, ...]]:
        """The operation and its arguments in the form that is recorded.

        Records tensors made of Python numbers or of an array; inspects kernels and memory layouts.
        """
        tensor = args[0]
        if not operator.is_of_torch:
            return self._quantised(operator, args)
        if operator.op == "as_strided":
            return ALIAS if is_laid_out_as(tensor, *args[1:]) else operator, args
        if operator.op in CONVOLUTIONS:
            self._look_at_kernel(args[1])
        elif HANDLE not in tensor.__dict__ and id(tensor) not in self._handles.weights:
            made = self._handle(tensor)
            made.source = self._source_of(tensor)
            is_known = tensor.numel() == 1 and not (tensor.is_complex() or tensor.is_meta)
            made.number = float(tensor) if is_known else None
            made.content = Fixed(tensor.detach().clone(), is_older=False)  # as it is before anything writes to it
        return operator, args

    def _source_of(self, made: torch.Tensor) -> str:
        """The origin of a tensor made of numbers; numbers with too many digits for source text were read."""
        if self._numbers.is_empty:
            return ""
        if self._numbers.has_only_truths and not made.is_meta:
            with self.unread():
                has_truth = bool(((made.detach() == 0) | (made.detach() == 1)).any())
            return MADE_OF_NUMBERS if has_truth else ""
        if made.is_meta or not made.is_floating_point():
            return MADE_OF_NUMBERS if made.is_meta or self._numbers.may_be_round() else ""
        known = torch.cat([self._numbers.as_tensor().to(made.dtype).double(), *self._exported.values()])
        values = made.detach().flatten().double()
        with self.unread():
            is_short = are_short(values[:_MOST_VALUES].tolist())
        is_read = not is_short and bool(torch.isin(values.abs(), known.abs()).all())
        return MADE_OF_READ if is_read else MADE_OF_NUMBERS

    def _quantised(self, operator: Operator, args: tuple[Any, ...]) -> tuple[Operator, tuple[Any, ...]]:
        """The operation on real numbers that a quantised one represents; its weights are constants of the model."""
        func, restated = quantised.restated(operator.op, args)
        for tensor in restated:
            if isinstance(tensor, torch.Tensor) and not any(tensor is a for a in args):
                self._handles.new(tensor)
        label = operator.op.removeprefix("quantized::")
        real = looked_up(func)
        assert real.operation is not None
        return real._replace(operation=real.operation._replace(label=label)), restated

    def _look_at_kernel(self, kernel: torch.Tensor) -> None:
        """Record the axes on which a kernel has zeros at an end, as by a mask; not of a parameter as it was before."""
        handle = self._handle(kernel)
        if (
            (handle.name and not self._handles.overwritten.has(kernel))
            or kernel.is_meta
            or kernel.dim() <= _TWO_CHANNEL_AXES
        ):
            return
        self._postponed.fill()
        values = kernel.detach()
        used = (values != 0).flatten(0, _TWO_CHANNEL_AXES - 1).any(0)
        if used.any():
            axes = range(used.dim())
            handle.bordered = [not (used.select(a, 0).any() and used.select(a, -1).any()) for a in axes]

    def limits(self, operator: Operator, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> bool:
        """Whether one of the tensors is a mask that limits how far places see; a learned parameter is no mask."""
        now = self._postponed.round

        def is_known(tensor: torch.Tensor) -> bool:
            handle = self._handle(tensor)
            return handle.round != now and not handle.name

        return limits_reach(operator.op, args, kwargs or _NO_KWARGS, is_known)

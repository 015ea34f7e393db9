"""Find the function call in a forward pass that makes the judged map, so that the probe measures the same map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from constraints.errors import UnusableInputError
from constraints.inputs import Sizes
from constraints.model_state import parts
from constraints.samples import Sample
from constraints.tracer import ready, recorded
from constraints.tracing.axes import View
from constraints.tracing.handles import Handle
from constraints.tracing.propagation import propagated
from constraints.tracing.run import RecordedOperation
from constraints.tracing.structure import judged_map
from constraints.tracing.tensor_handles import handle_of
from constraints.tracing.values import Value


@dataclass(frozen=True, kw_only=True)
class JudgedCall:
    """The function call of a forward pass that makes the judged map."""

    model: nn.Module
    """The model that was run; for a lazy model, an initialised copy."""
    names: tuple[str, ...]
    """Names of the functions called, up to the one after which the map is complete."""
    at: int
    """The number of the call that returns it: an earlier one, if the last one only writes to it."""
    position: int
    """The number of the tensor in that call's result."""
    shape: tuple[int, ...]
    """The map's shape, with the batch axis."""
    sample: Sample
    input: int
    """The number of the sample's tensor in whose pixels the receptive field is measured."""
    first: int
    """Its first spatial axis."""
    axes: tuple[int, ...]
    """The map's axis for each spatial axis of that input."""


class _Called(NamedTuple):
    """One call: its function, the operations before and after it, the tensors of its result."""

    name: str
    before: int
    after: int
    results: Sequence[Handle | None]


class _Numbering(TorchFunctionMode):
    """Records the functions that a forward pass calls, but not those called inside them."""

    def __init__(self, operations: Sequence[RecordedOperation]) -> None:
        super().__init__()
        self.operations, self.calls = operations, list[_Called]()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func`` and record it."""
        before = len(self.operations)
        result = func(*args, **(kwargs or {}))
        tensors = [handle_of(t) for t in leaves(result)]
        self.calls.append(_Called(function_name(func), before, len(self.operations), tensors))
        return result


def function_name(func: Callable[..., Any]) -> str:
    """The name of a function that torch passes to a mode."""
    return getattr(func, "__name__", "")


def leaves(result: Any) -> list[torch.Tensor]:
    """The tensors of a function's result, in order."""
    if isinstance(result, torch.Tensor):
        return [result]
    return [t for t in tree_leaves(result) if isinstance(t, torch.Tensor)]


def judged_call(model: nn.Module, input_size: Sizes, input_data: Any = None) -> JudgedCall:
    """Run ``model`` as ``trace`` does and find the call that returns the judged map.

    Raises UnusableInputError where there is no such map, or no function call returns it.
    """
    watched: list[_Numbering] = []

    def watch(operations: Sequence[RecordedOperation]) -> _Numbering:
        watched.append(_Numbering(operations))
        return watched[-1]

    with ready(parts(model), input_size, input_data) as (found, samples):
        run, sample = recorded(found, samples, watch)
    known, calls = propagated(run), watched[-1].calls
    value = judged_map(known.outputs)
    if value is None:
        raise UnusableInputError("no map is judged: the model makes none")
    number, at, position = _call_of(value, calls, run.operations)
    names = tuple(c.name for c in calls[: number + 1])
    reached = next(i for i, span in enumerate(known.spans) if any(value.views[at] is not None for at in span))
    span = known.spans[reached]
    return JudgedCall(
        model=found.model, names=names, at=at, position=position, shape=value.shape, sample=sample, input=reached,
        first=sample.tensors[reached].dim() - len(span), axes=tuple(_axis(value.views[at]) for at in span),
    )  # fmt: skip


def _axis(view: View | None) -> int:
    """The tensor axis that corresponds to a spatial axis."""
    if view is None or len(view.digits) != 1:
        raise UnusableInputError("the judged map does not have one tensor axis for each spatial axis")
    return view.digits[0].axis


def _call_of(value: Value, calls: Sequence[_Called], operations: Sequence[RecordedOperation]) -> tuple[int, int, int]:
    """The call after which a value is complete, the call that returned it, and its index in that result.

    The two calls differ if the tensor is written to after it is made.
    """
    number = next((n for n, call in enumerate(calls) if call.before < value.index <= call.after), None)
    if number is not None:
        made = operations[value.index - 1].outputs
        results = [(number, calls[number]), *enumerate(calls[:number])]
        for is_it in (lambda h: h.value is value, lambda h: any(h is m for m in made) and h.shape == value.shape):
            for at, call in results:
                for position, handle in enumerate(call.results):
                    if handle is not None and is_it(handle):
                        return number, at, position
    raise UnusableInputError("the judged map is made inside of a function or of compiled code, where it cannot be seen")

"""The handle of each tensor in a run: a parameter, a tensor made in the run, or a constant from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import nn

from constraints.tracing.axes import Shape
from constraints.tracing.handles import FROM_NOWHERE, Handle, HandleCopier
from constraints.tracing.older_tensors import kept_by, known_to
from constraints.tracing.overloads import Operator
from constraints.tracing.overwritten import Overwritten, tensors_among
from constraints.tracing.postponed import Postponed
from constraints.tracing.registry import Fixed, Registry, memory_of, new_handle

HANDLE = "_traced_handle"
"""The attribute of a tensor that contains its handle; registered tensors have none."""


class TensorHandles:
    """The handles of a run, each attached to its tensor, so that no tensor is kept alive."""

    def __init__(
        self, run: HandleCopier, modules: Mapping[str, nn.Module], registry: Registry, postponed: Postponed
    ) -> None:
        """Begin with the handles of the registered tensors; ``run`` is the recorder of the handles."""
        self.weights = registry.handles
        self.overwritten = Overwritten(registry)
        self._run, self._registry, self._postponed = run, registry, postponed
        self._modules = modules
        self._kept = kept_by(modules.values())

    def of(self, tensor: torch.Tensor) -> Handle:
        """The handle of a tensor: a parameter or a buffer, one of this run, or a constant from outside."""
        handle = self.weights.get(id(tensor))
        if handle is None:
            handle = tensor.__dict__.get(HANDLE)
            if handle is None or handle.run is not self._run:
                self.overwritten.outside.append(tensor)
                self._postponed.met(tensor)
                handle = tensor.__dict__[HANDLE] = new_handle(self._run, tensor, tuple(tensor.shape))
                self._trace_back(tensor, handle)
        return handle

    def entered(self, tensor: torch.Tensor) -> Handle:
        """The handle of an input."""
        self.overwritten.outside.append(tensor)
        return self.new(tensor)

    def new(self, tensor: torch.Tensor) -> Handle:
        """A new handle of a tensor."""
        handle = tensor.__dict__[HANDLE] = new_handle(self._run, tensor, tuple(tensor.shape))
        return handle

    def made(self, tensor: torch.Tensor, shape: Shape) -> Handle:
        """The handle of a result; a new one if no argument was written to."""
        held = tensor.__dict__
        handle: Handle | None = held.get(HANDLE) or self.weights.get(id(tensor))
        if handle is None or handle.run is not self._run:
            handle = held[HANDLE] = new_handle(self._run, tensor, shape)
        return handle

    def given(self, args: Sequence[Any], places: Sequence[int], found: list[Handle]) -> list[Any]:
        """The positional arguments with handles, also added to ``found``; only those at ``places`` contain tensors."""
        held, weights = list(args), self.weights
        if places and places[-1] >= len(held):
            places = [at for at in places if at < len(held)]
        for at in places:
            a = held[at]
            if a is None:
                continue
            handle = weights.get(id(a))
            if handle is None:
                if not isinstance(a, torch.Tensor):
                    held[at] = self._held((a,), found)[0]
                    continue
                handle = self.of(a)
            held[at] = handle
            found.append(handle)
        return held

    def named(self, kwargs: Mapping[str, Any], operator: Operator, inputs: list[Handle]) -> dict[str, Any]:
        """The keyword arguments with handles; what is only written to is not added to ``inputs``."""
        read = {k: v for k, v in kwargs.items() if k not in operator.writes}
        named = dict(zip(read, self._held(read.values(), inputs), strict=True))
        out = {k: v for k, v in kwargs.items() if k in operator.writes}
        return {**named, **dict(zip(out, self._held(out.values(), []), strict=True))} if out else named

    def written(
        self,
        operator: Operator,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        outputs: list[Handle],
        shapes: list[Shape],
    ) -> Sequence[Handle]:
        """The handles of tensors that were written to; they are outputs too if the operation is unknown."""
        given = [kwargs.get(w) if isinstance(w, str) else args[w] if w < len(args) else None for w in operator.writes]
        found: list[Handle] = []
        for tensor in tensors_among(given):
            handle = self.of(tensor)
            found.append(handle)
            if operator.operation is None and not any(handle is o for o in outputs):
                outputs.append(handle)
                shapes.append(tuple(tensor.shape))
        return found

    def _held(self, args: Iterable[Any], found: list[Handle]) -> list[Any]:
        """The arguments with handles in place of tensors; the handles are also added to ``found``."""
        held: list[Any] = []
        for a in args:
            if isinstance(a, torch.Tensor):
                handle = self.of(a)
                found.append(handle)
                held.append(handle)
            elif isinstance(a, (list, tuple)) and a and not isinstance(a[0], int):
                held.append(self._held(a, found))
            else:
                held.append(a)
        return held

    def _trace_back(self, tensor: torch.Tensor, handle: Handle) -> None:
        """Record the origin of a tensor that no recorded operation made."""
        shared = self._registry.memories.get(memory_of(tensor))
        if shared:
            handle.tied = self.weights[id(shared[0])]
            is_fixed = handle.tied.number is not None
            if handle.tied.name and _laid_out(tensor) != _laid_out(shared[0]):
                handle.content = _LaidOut(_laid_out(tensor))
        elif not any(tensor is t for t in self._kept) and not any(tensor is t for t in self._in_code):
            handle.source = FROM_NOWHERE
            return
        else:
            is_fixed = not tensor.requires_grad
        if is_fixed:
            handle.number = fixed = Fixed(tensor)
            handle.content = handle.content or fixed

    @cached_property
    def _in_code(self) -> list[torch.Tensor]:
        return known_to(self._modules.values())

    @property
    def outside(self) -> Sequence[torch.Tensor]:
        """The tensors from outside that the run used, the inputs included."""
        return self.overwritten.outside

    def undo(self) -> None:
        """Restore what the run overwrote, and remove the handles from tensors that outlive it."""
        self.overwritten.restore()
        for tensor in self.outside:
            tensor.__dict__.pop(HANDLE, None)


class _LaidOut(NamedTuple):
    """Part of the memory of a parameter, which is known by its place there."""

    place: tuple[object, ...]
    is_older: bool = True

    def digest(self) -> str:
        """The same for the same part."""
        return repr(self.place)


def _laid_out(tensor: torch.Tensor) -> tuple[object, ...]:
    return tensor.storage_offset(), tuple(tensor.shape), tensor.stride()


def handle_of(tensor: torch.Tensor) -> Handle | None:
    """The handle that a tensor carries; None where no operation of the run made it."""
    return vars(tensor).get(HANDLE)

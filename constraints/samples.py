"""Make one sample for a model from random tensors, or take it from the caller's data."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

from constraints.errors import UnusableInputError
from constraints.inputs import InputSpec

_FLOAT = torch.float32
_PLAIN = (nn.Parameter, torch.Tensor)
"""The plain tensor types; lazy tensors, which have no size yet, and subclasses are of other types."""
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One call's arguments, every tensor with a batch axis of one."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 1
    """Number of samples in the caller's data, of which this is the first."""

    @property
    def tensors(self) -> list[torch.Tensor]:
        """Every tensor, in the order of the arguments, positional ones first."""
        return [t for t in tree_leaves([self.args, dict(self.kwargs)]) if isinstance(t, torch.Tensor)]

    def specs(self) -> tuple[InputSpec, ...]:
        """The specification of each tensor, without the batch axis."""
        found = [_spec(leaf, "") for leaf in _opened(self.args)]
        found += [_spec(leaf, name) for name, value in self.kwargs.items() for leaf in _opened(value)]
        return tuple(found)

    def cloned(self) -> Sample:
        """A copy of the values in new memory, without gradients."""
        if not self.kwargs and all(isinstance(a, torch.Tensor) for a in self.args):  # the usual case
            return Sample(args=tuple(map(_clone, self.args)), batch=self.batch)
        args, kwargs = tree_map(_clone, (self.args, dict(self.kwargs)))
        return Sample(args=args, kwargs=kwargs, batch=self.batch)


def made(model: nn.Module, inputs: Sequence[InputSpec], tensors: Iterable[torch.Tensor]) -> Iterator[Sample]:
    """Random samples to try in turn, in the dtypes of the model's ``tensors``, the most frequent dtype first.

    Integers are first 1, a valid index of nearly every table and a valid length, then 0.
    """
    _check_given(model, [i.name for i in inputs])
    whole = any(i.dtype and not _is_floating(i) for i in inputs)
    for dtype, device in _precisions(tensors):
        for value in (1, 0) if whole else (1,):
            generator = torch.Generator().manual_seed(0)
            tensors = [_tensor(i, dtype, value, generator).to(device) for i in inputs]
            places = [t for i, t in zip(inputs, tensors, strict=True) if not i.name]
            named = {i.name: t for i, t in zip(inputs, tensors, strict=True) if i.name}
            yield Sample(args=tuple(places), kwargs=named)


def taken(model: nn.Module, data: Any, tensors: Iterable[torch.Tensor]) -> Sample:
    """The first sample of the caller's data: a tensor, a dict, or a tuple or list of arguments.

    A dict alone, or at the end, has keyword arguments if the forward pass accepts its keys by name; else it is
    an argument itself. If the first tensor has several samples (along its first axis), all tensors with the same
    number are cut to the first sample.
    """
    args = list(data) if isinstance(data, (tuple, list)) and not hasattr(data, "_fields") else [data]
    kwargs: Mapping[str, Any] = {}
    if args and isinstance(args[-1], Mapping) and _takes(model, args[-1]):
        kwargs = dict(args.pop())
    if not any(isinstance(t, torch.Tensor) for t in tree_leaves([args, dict(kwargs)])):
        raise UnusableInputError(f"no tensor in input_data: {type(data).__name__}: give tensors with their batch axis")
    _check_given(model, ["" for _ in args] + list(kwargs))
    return _first(Sample(args=tuple(args), kwargs=kwargs), next((d for _, d in _precisions(tensors)), None))


def _first(sample: Sample, device: torch.device | None) -> Sample:
    """The first sample of a batch, in new memory and on the model's device."""
    batch = next((len(t) for t in sample.tensors if t.dim()), 1)

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        cut = leaf[:1] if batch > 1 and leaf.dim() and len(leaf) == batch else leaf
        return _clone(cut).to(device)

    args, kwargs = tree_map(one, (sample.args, dict(sample.kwargs)))
    return Sample(args=args, kwargs=kwargs, batch=batch)


def _opened(value: Any) -> list[torch.Tensor]:
    return [t for t in tree_leaves(value) if isinstance(t, torch.Tensor)]


def _spec(tensor: torch.Tensor, name: str) -> InputSpec:
    dtype = "" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")
    return InputSpec(shape=tuple(tensor.shape[1:]), dtype=dtype, name=name)


def _clone(leaf: Any) -> Any:
    return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf


def _is_floating(spec: InputSpec) -> bool:
    dtype: torch.dtype = getattr(torch, spec.dtype)
    return dtype.is_floating_point or dtype.is_complex


def _tensor(spec: InputSpec, dtype: torch.dtype, value: int, generator: torch.Generator) -> torch.Tensor:
    if spec.dtype and not _is_floating(spec):
        return torch.full((1, *spec.shape), value, dtype=getattr(torch, spec.dtype))
    drawn = torch.randn(1, *spec.shape, generator=generator)
    return drawn.to(getattr(torch, spec.dtype) if spec.dtype else dtype)


def _precisions(tensors: Iterable[torch.Tensor]) -> list[tuple[torch.dtype, torch.device]]:
    """The floating dtypes of a model's tensors, that with most elements first, and the first such tensor's device."""
    several = list(tensors)
    kinds = {t.dtype for t in several}
    sizes = {d: 0 for d in kinds if d.is_floating_point} or {_FLOAT: 0}
    if len(sizes) > 1:
        sizes = _sizes(several)
    device = next((t.device for t in several if t.dtype.is_floating_point), torch.device("cpu"))
    return [(d, device) for d in sorted(sizes, key=lambda d: -sizes[d])]


def _sizes(tensors: Iterable[torch.Tensor]) -> dict[torch.dtype, int]:
    """Floating dtype -> number of elements."""
    sizes: dict[torch.dtype, int] = {}
    for tensor in tensors:
        if tensor.dtype.is_floating_point:
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + (tensor.numel() if type(tensor) in _PLAIN else 0)
    return sizes


def _takes(model: nn.Module, named: Mapping[Any, Any]) -> bool:
    """Whether the forward pass accepts all keys of a dict as keyword arguments."""
    parameters = _parameters(model)
    names = {p.name for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}}
    is_open = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return all(isinstance(k, str) and (is_open or k in names) for k in named)


def _parameters(model: nn.Module) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        return []


def _check_given(model: nn.Module, names: Sequence[str]) -> None:
    """Raise UnusableInputError where the forward pass lacks a required argument, or does not take a given one."""
    parameters = _parameters(model)
    given = {n for n in names if n}
    places = sum(not n for n in names)
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    needed = [p.name for p in positional[places:] if p.default is p.empty and p.name not in given]
    needed += [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty and p.name not in given]
    if needed:
        options = " ".join(f"--input {n}=SHAPE" for n in needed)
        raise UnusableInputError(
            f"the forward pass of {type(model).__name__} needs further inputs: {', '.join(needed)}: give {options} "
            "(int64:16 for whole numbers), in Python input_data=(tensor, ...)"
        )
    is_open = any(p.kind is p.VAR_KEYWORD for p in parameters)
    strange = given - {p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY}
    if parameters and strange and not is_open:
        known = ", ".join(p.name for p in parameters) or "none"
        raise UnusableInputError(
            f"the forward pass of {type(model).__name__} takes no input {min(strange)!r}: it takes {known}"
        )
    is_long = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if parameters and not is_long and places > len(positional):
        raise UnusableInputError(
            f"the forward pass of {type(model).__name__} takes {len(positional)} positional inputs, not {places}: "
            "leave some out"
        )

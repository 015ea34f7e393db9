"""Record the convolutions that a forward pass calls as functions, with their arguments."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from constraints.forward_edits import CONVOLUTIONS, PARAMETERS, is_of_a_layer


@dataclass(frozen=True, kw_only=True)
class CalledConv:
    """A call of ``F.conv1d``, ``F.conv2d`` or ``F.conv3d``, its arguments named like a layer's attributes."""

    function: str
    """Its name."""
    number: int
    """Its number among such calls in the user's code, from 0."""
    weight: torch.Tensor
    bias: torch.Tensor | None
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Kernel size of each axis."""
        return tuple(self.weight.shape[2:])

    @property
    def in_channels(self) -> int:
        """Channels of its input."""
        return self.weight.shape[1] * self.groups

    @property
    def out_channels(self) -> int:
        """Channels of its output."""
        return self.weight.shape[0]


Calls = Sequence[CalledConv | None]
"""The convolutions of a forward pass in order; None for one called by a layer of torch's."""


@contextmanager
def watched(model: nn.Module) -> Iterator[list[CalledConv | None]]:
    """While entered, the list contains the convolutions of the model's latest forward pass."""
    found: list[CalledConv | None] = []
    before = vars(model).get("forward")
    model.forward = partial(_watching, found, model.forward)
    try:
        yield found
    finally:
        if before is None:
            del model.forward
        else:
            model.forward = before


def _watching(found: list[CalledConv | None], forward: Any, *args: Any, **kwargs: Any) -> Any:
    found.clear()
    with _Watch(found):
        return forward(*args, **kwargs)


class _Watch(TorchFunctionMode):
    def __init__(self, found: list[CalledConv | None]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Record a convolution, and call it."""
        given, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name in CONVOLUTIONS:
            number = sum(call is not None for call in self.found)
            self.found.append(None if is_of_a_layer(sys._getframe(1)) else _call(name, number, args, given))
        return func(*args, **given)


def _call(name: str, number: int, args: Sequence[Any], kwargs: Mapping[str, Any]) -> CalledConv:
    given = dict(zip(PARAMETERS[name], args, strict=False)) | dict(kwargs)
    axes, padding = given["weight"].dim() - 2, given.get("padding", 0)
    return CalledConv(
        function=name,
        number=number,
        weight=given["weight"],
        bias=given.get("bias"),
        stride=_sizes(given.get("stride", 1), axes),
        padding=padding if isinstance(padding, str) else _sizes(padding, axes),
        dilation=_sizes(given.get("dilation", 1), axes),
        groups=int(given.get("groups", 1)),
    )


def _sizes(value: Any, axes: int) -> tuple[int, ...]:
    """One number per axis, from one for all axes or one for each."""
    sizes = [value] if isinstance(value, int) else list(value)
    return tuple(map(int, sizes * axes if len(sizes) == 1 else sizes))

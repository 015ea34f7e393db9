"""The convolutions of a model that can be changed: layers, and calls of functions in forward methods."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from constraints.called_convs import CalledConv, Calls
from constraints.edits import Called
from constraints.forward_edits import CONVOLUTIONS
from constraints.metrics import Layer
from constraints.model_state import parts
from constraints.stages import Place

ConvNd = nn.Conv1d | nn.Conv2d | nn.Conv3d
CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_MADE = tuple(kind.__init__ for kind in CONVS)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A convolution of the model together with its layer in the trace."""

    name: str
    """The layer's path; for a call in a forward method its name in the trace, numbered if several share it."""
    conv: ConvNd | CalledConv
    layer: Layer
    called: Called | None = None
    """The call in a forward method; None for a layer."""

    @property
    def plain(self) -> ConvNd | None:
        """The layer, if its class has the constructor of torch's classes, so that another can be made; else None."""
        is_plain = type(self.conv).__init__ in _MADE and not hasattr(self.conv, "parametrizations")
        return self.conv if isinstance(self.conv, CONVS) and is_plain else None

    @property
    def jump(self) -> tuple[float, ...]:
        """Distance in input pixels between neighbouring units of the layer's input."""
        jumps = self.layer.jump or (1.0,) * len(self.conv.stride)
        return tuple(j / s for j, s in zip(jumps, self.conv.stride, strict=True))

    @property
    def spatial(self) -> bool:
        """Whether the kernel exceeds 1 on some axis."""
        return max(self.conv.kernel_size) > 1

    def reaches(self, dilation: tuple[int, ...]) -> bool:
        """Whether, with this dilation, every tap of the kernel still reaches the map at some position."""
        sides = [n * s for n, s in zip(self.layer.output[1:], self.conv.stride, strict=True)]
        return all(d * (k - 1) < 2 * side for d, k, side in zip(dilation, self.conv.kernel_size, sides, strict=True))

    @property
    def pixels(self) -> int:
        """Number of units in one channel of the result."""
        return math.prod(self.layer.output[1:])


def sites(model: nn.Module, layers: Sequence[Layer], calls: Calls = ()) -> tuple[Site, ...]:
    """The convolutions that the forward pass ran, in order, each layer once.

    They are layers of torch's classes and of user classes derived from these; with ``calls`` (the convolutions of the
    same forward pass) also those called as functions.
    """
    modules, found = parts(model).modules, dict[str, Site]()
    convs = [layer for layer in layers if layer.op in CONVOLUTIONS]
    called = calls if _agree(convs, calls) else (None,) * len(convs)
    numbers, known = Counter[str](), Counter(layer.name for layer in convs)
    for layer, call in zip(convs, called, strict=True):
        conv = modules.get(layer.name)
        numbers[layer.name] += 1
        if isinstance(conv, CONVS):
            found.setdefault(layer.name, Site(name=layer.name, conv=conv, layer=layer))
        elif call is not None:
            name = _numbered(layer.name, numbers[layer.name], known[layer.name])
            called_at = _called(layer, modules, numbers[layer.name] if known[layer.name] > 1 else 0)
            found[name] = Site(name=name, conv=call, layer=layer, called=called_at)
    return tuple(found.values())


def told_apart(path: Sequence[Place], layers: Sequence[Layer]) -> tuple[Place, ...]:
    """The places of a main path with the names of ``sites``, which distinguish calls that share a name in the trace."""
    known = Counter(layer.name for layer in layers if layer.op in CONVOLUTIONS)
    on_path, numbers, found = Counter(place.name for place in path), Counter[str](), list[Place]()
    for place in path:
        numbers[place.name] += 1
        is_whole = on_path[place.name] == known[place.name]  # otherwise some of them are on branches
        name = _numbered(place.name, numbers[place.name], known[place.name]) if is_whole else place.name
        found.append(place._replace(name=name))
    return tuple(found)


def _agree(convs: Sequence[Layer], calls: Calls) -> bool:
    """Whether the calls match the traced convolutions."""
    return len(convs) == len(calls) and all(
        c is None or (c.function, c.kernel_size, c.stride, c.dilation) == (v.op, v.kernel, v.stride, v.dilation)
        for v, c in zip(convs, calls, strict=True)
    )


def _numbered(name: str, number: int, known: int) -> str:
    return f"{name} {number}" if known > 1 else name


def _called(layer: Layer, modules: Mapping[str, nn.Module], number: int) -> Called:
    owner = layer.name if layer.name in modules else layer.name.rpartition(".")[0]
    return Called(layer.op, owner or type(modules[""]).__name__, number)


def one(value: Any) -> Any:
    """A single number if all axes have the same; else the tuple."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value

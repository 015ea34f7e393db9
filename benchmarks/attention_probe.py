"""A receptive field by gradients where attention takes part: what grows with the input is left aside, as by definition.

The network runs twice, on strips of two lengths, and the shapes of all products are compared. A product that sums an
axis which is longer on the longer strip brings in the whole map: only its other side, which is the query's, keeps its
gradient. Sums over axes that stay as they are (channels, the places of a window) let both sides through. Nothing here
reads the trace, and nothing knows an operation's or a network's name beyond torch's own products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from constraints.gradient_probe import _Linearised, _positive

Shape = tuple[int, ...]
Build = Callable[[tuple[int, int]], nn.Module]
"""A network for an input of height and width, with the same weights in number each time."""
_PRODUCTS = frozenset(["matmul", "__matmul__", "bmm", "baddbmm"])
_FUSED = "scaled_dot_product_attention"
_SCALINGS = frozenset(
    ["mul", "mul_", "__mul__", "__rmul__", "__imul__", "add", "add_", "__add__", "__radd__", "__iadd__"]
)
_DIFFERENCES = frozenset(["sub", "sub_", "__sub__", "__rsub__", "__isub__"])
_QUOTIENTS = frozenset(["div", "div_", "__truediv__", "true_divide", "__rtruediv__", "__itruediv__"])
_SOFTMAXES = frozenset(["softmax", "log_softmax", "normalize"])
_DYNAMIC = frozenset(["conv1d", "conv2d", "conv3d", "linear"])
_COMPARED = _PRODUCTS | _SCALINGS | _DIFFERENCES | _QUOTIENTS | {_FUSED}


class NotComparableError(Exception):
    """The probe has nothing to say of this network, and why."""


class _Shapes(TorchFunctionMode):
    """Notes the shapes of what meets, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[Shape, ...]]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in _COMPARED:
            self.calls.append((name, tuple(tuple(a.shape) for a in args if isinstance(a, torch.Tensor))))
        return func(*args, **(kwargs or {}))


class _Aside(_Linearised):
    """Linear stand-ins that see what the real operations see locally."""

    def __init__(self, grown: Sequence[tuple[tuple[bool, ...], ...]]) -> None:
        super().__init__(dims=0, axis=0)
        self.grown, self.at = grown, 0
        """For each call that was compared: which axes of each tensor are longer on a longer strip."""

    def _called(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name in _COMPARED:
            tensors = [a for a in args if isinstance(a, torch.Tensor)]
            grown, self.at = self.grown[self.at], self.at + 1
            if len(tensors) > 1:
                return self._met(func, name, args, kwargs, grown)
        if name in _SOFTMAXES:
            return args[0]
        if name in _DYNAMIC and len(args) > 1 and args[1].requires_grad:
            args = (args[0], args[1].detach(), *args[2:])
        return super()._called(func, name, args, kwargs)

    def _met(
        self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any], grown: Sequence[Any]
    ) -> Any:
        if name == _FUSED:
            return _attended(*args[:3], *grown[:3])
        if name in _PRODUCTS:
            a, b = args[-2:]
            return _product(a, b, grown[-2], grown[-1]) if a.requires_grad and b.requires_grad else torch.matmul(a, b)
        first, second = (_without_gate(args[i], args[1 - i], grown[i], grown[1 - i]) for i in (0, 1))
        if name in _DIFFERENCES or (name in _QUOTIENTS and second.requires_grad):
            return first + second  # so that nothing cancels
        return func(first, second, *args[2:], **kwargs)


def _without_gate(one: torch.Tensor, other: torch.Tensor, grows: Sequence[bool], beside: Sequence[bool]) -> Any:
    """A tensor of one value where the other one has as many as the strip is long: a gate, and so a constant."""
    pairs = zip(reversed(one.shape), reversed(grows), reversed(other.shape), reversed(beside), strict=False)
    is_gate = any(n == 1 and not g and m > 1 and h for n, g, m, h in pairs)
    return one.detach() if is_gate else one


def _product(a: torch.Tensor, b: torch.Tensor, of_a: Sequence[bool], of_b: Sequence[bool]) -> torch.Tensor:
    rows, columns = a.mean(-1, keepdim=True), b.mean(-2, keepdim=True)
    if of_a[-1]:  # a sum over places of the map
        is_row, is_column = of_a[-2], of_b[-1]
        rows = rows if is_row else rows.detach()
        columns = columns if is_column and not is_row else columns.detach()
    elif of_a[-2] and of_b[-1]:  # a table of pairs of places, rows for the queries
        columns = columns.detach()
    return rows + columns


def _attended(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, of_q: Sequence[bool], of_k: Sequence[bool], of_v: Sequence[bool]
) -> torch.Tensor:
    seen = q.mean(-1, keepdim=True)
    if not of_k[-2]:
        seen = seen + k.mean((-2, -1), keepdim=True) + v.mean((-2, -1), keepdim=True)
    return seen.expand(*q.shape[:-1], v.shape[-1])


def probed(build: Build, across: int, length: int, features: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> int:
    """The field along the width of a unit of the map that ``features`` gives, on a strip ``across`` by ``length``.

    Raises NotComparableError where the network does not run at two lengths, or no unit keeps clear of the strip's ends.
    """
    shorter, longer = (_shapes(build, (across, n), features) for n in (length // 2, length))
    if [name for name, _ in shorter] != [name for name, _ in longer]:
        raise NotComparableError("it does other things on a longer strip")
    grown = [
        tuple(tuple(n != m for n, m in zip(s, t, strict=True)) for s, t in zip(a, b, strict=True))
        for (_, a), (_, b) in zip(shorter, longer, strict=True)
    ]
    model = _positive(build((across, length)))
    sample = torch.ones(1, 3, across, length, dtype=torch.float64, requires_grad=True)
    with _Aside(grown):
        out = features(model, sample)
    return _field(out, sample)


def _shapes(
    build: Build, size: tuple[int, int], features: Callable[[nn.Module, torch.Tensor], torch.Tensor]
) -> list[tuple[str, tuple[Shape, ...]]]:
    with torch.device("meta"):
        model = build(size).eval()
    with torch.no_grad(), _Shapes() as mode:
        features(model, torch.zeros(1, 3, *size, device="meta"))
    return mode.calls


def _field(out: torch.Tensor, sample: torch.Tensor) -> int:
    """Of the largest of some units in the middle of a map (1, c, h, w)."""
    middle = out.shape[-1] // 2
    sizes = []
    for unit in range(middle, min(middle + 1, out.shape[-1])):
        (gradient,) = torch.autograd.grad(out[..., unit].sum(), sample, retain_graph=True)
        seen = torch.nonzero(gradient.abs().sum((0, 1, 2))).flatten()
        if not len(seen):
            raise NotComparableError("its gradient vanishes")
        if seen[0] == 0 or seen[-1] == sample.shape[-1] - 1:
            raise NotComparableError(f"no unit keeps clear of the ends of {sample.shape[-1]} pixels")
        sizes.append(int(seen[-1] - seen[0]) + 1)
    return max(sizes)

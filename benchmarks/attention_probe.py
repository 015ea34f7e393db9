"""Measures receptive fields by gradients for networks with attention, without what grows with the input.

The network runs on strips of two lengths, and the shapes of the operands are compared. A product that sums over an axis
which is longer on the longer strip reads the whole map: only its other operand, the query's, keeps its gradient. A mean
over such an axis is a gate and keeps none. Sums over axes of unchanged length (channels, the places of a window) keep
both gradients. Nothing here uses the trace or the name of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from constraints.linear_copy import positive
from constraints.linearised import Linearised

Shape = tuple[int, ...]
Build = Callable[[tuple[int, int]], nn.Module]
"""Builds a network for an input of a height and width."""
Features = Callable[[nn.Module, torch.Tensor], torch.Tensor]
"""Returns the map (1, c, h, w) whose field is measured."""
_FUSED = "scaled_dot_product_attention"
_PRODUCTS = frozenset(["matmul", "__matmul__", "bmm"])
_SUMS = frozenset(["add", "add_", "__add__", "__radd__", "__iadd__"])
_TIMES = frozenset(["mul", "mul_", "__mul__", "__rmul__", "__imul__"])
_DIFFERENCES = frozenset(["sub", "sub_", "__sub__", "__rsub__", "__isub__"])
_QUOTIENTS = frozenset(["div", "div_", "__truediv__", "true_divide", "__rtruediv__", "__itruediv__"])
_REDUCTIONS = frozenset(["mean", "sum", "amax", "max", "std", "var", "norm", "vector_norm", "logsumexp"])
_SCALINGS = frozenset(["softmax", "log_softmax", "normalize"])
_ADAPTIVE = frozenset(f"adaptive_{how}_pool{n}d" for how in ("avg", "max") for n in (1, 2, 3))
_DYNAMIC = frozenset(["conv1d", "conv2d", "conv3d", "linear"])
_COMPARED = _PRODUCTS | _SUMS | _TIMES | _DIFFERENCES | _QUOTIENTS | _REDUCTIONS | _ADAPTIVE | {_FUSED}
_UNITS = 32
"""Number of neighbouring units that are measured where units may differ by phase."""


class NotComparableError(Exception):
    """The probe cannot measure this network; the message says why."""


class _Shapes(TorchFunctionMode):
    """Records the shapes of the operands, call by call."""

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
        """Call ``func`` unchanged."""
        name = getattr(func, "__name__", "")
        if name in _COMPARED:
            self.calls.append((name, tuple(tuple(a.shape) for a in args if isinstance(a, torch.Tensor))))
        return func(*args, **(kwargs or {}))


class _Aside(Linearised):
    """Replaces operations by linear ones with the same local receptive field."""

    def __init__(self, grown: Sequence[Sequence[Sequence[bool]]]) -> None:
        """``grown``: for each compared call, which axes of each tensor are longer on a longer strip."""
        super().__init__(dims=0, axis=0)
        self._grown = iter(grown)

    def _called(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        grown = next(self._grown) if name in _COMPARED else ()
        if name in _SCALINGS:
            return args[0]
        if name in _REDUCTIONS | _ADAPTIVE and grown:
            result = super()._called(func, name, args, kwargs)
            return _cut(result) if _gathers(name, grown[0], args, kwargs) else result
        if len(grown) > 1:
            return _met(func, name, args, kwargs, grown)
        if name in _DYNAMIC and len(args) > 1:
            args = (args[0], args[1].detach(), *args[2:])  # a kernel computed from the input scales it, as a gate does
        return super()._called(func, name, args, kwargs)


def _gathers(name: str, grows: Sequence[bool], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a reduction, or a pooling to a given size, combines an axis that grows."""
    if name in _ADAPTIVE:
        return any(grows[-int(name[-2]) :])
    dim = kwargs.get("dim", args[1] if len(args) > 1 and name != "norm" else None)
    axes = range(len(grows)) if dim is None else [dim] if isinstance(dim, int) else dim
    return any(grows[a] for a in axes)


def _cut(result: Any) -> Any:
    return result.detach() if isinstance(result, torch.Tensor) else result


def _met(
    func: Callable[..., Any],
    name: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    grown: Sequence[Sequence[bool]],
) -> Any:
    if name == _FUSED:
        return _attended(args[:3], grown[1])
    if name in _PRODUCTS:
        a, b = args
        return _product(a, b, *grown) if a.requires_grad and b.requires_grad else func(a, b)
    a, b = _gated(args[0], args[1], *grown), _gated(args[1], args[0], *reversed(grown))
    seen = [t for t in (a, b) if t.requires_grad]
    if name in _TIMES and len(seen) == 1 and seen[0].shape == (a.detach() + b.detach()).shape:
        return seen[0]  # so that no value grows beyond bounds
    if name in _DIFFERENCES or (name in _QUOTIENTS | _TIMES and a.requires_grad and b.requires_grad):
        return a + b  # so that nothing cancels or overflows
    return func(a, b, *args[2:], **kwargs)


def _gated(one: torch.Tensor, other: torch.Tensor, grows: Sequence[bool], beside: Sequence[bool]) -> torch.Tensor:
    """``one``, without a gradient if it has one value for all places of a strip of ``other``."""
    pairs = zip(reversed(one.shape), reversed(grows), reversed(other.shape), reversed(beside), strict=False)
    is_gate = any(n == 1 and not g and m > 1 and h for n, g, m, h in pairs)
    return one.detach() if is_gate else one


def _product(a: torch.Tensor, b: torch.Tensor, of_a: Sequence[bool], of_b: Sequence[bool]) -> torch.Tensor:
    rows, columns = a.mean(-1, keepdim=True), b.mean(-2, keepdim=True)
    if of_a[-1]:  # a sum over places of the map
        rows = rows if of_a[-2] else rows.detach()
        columns = columns if of_b[-1] and not of_a[-2] else columns.detach()
    elif of_a[-2] and of_b[-1]:  # a table of pairs of places, rows for the queries
        columns = columns.detach()
    return rows + columns


def _attended(args: Sequence[torch.Tensor], of_key: Sequence[bool]) -> torch.Tensor:
    query, key, value = args
    seen = query.mean(-1, keepdim=True)
    if not of_key[-2]:
        seen = seen + key.mean((-2, -1), keepdim=True) + value.mean((-2, -1), keepdim=True)
    return seen.expand(*query.shape[:-1], value.shape[-1])


def probe(build: Build, across: int, length: int, features: Features, has_phases: bool = False) -> int:
    """The field along the width of a unit in the middle of a map, on a strip of ``across`` by ``length`` pixels.

    Raises NotComparableError where the network runs other operations at half the length, or no unit is far enough from
    the strip's ends.
    """
    shorter, longer = (_shapes(build, (across, n), features) for n in (length // 2, length))
    if [name for name, _ in shorter] != [name for name, _ in longer]:
        raise NotComparableError("it runs other operations on a longer strip")
    grown = [
        [[n != m for n, m in zip(s, t, strict=True)] for s, t in zip(few, many, strict=True)]
        for (_, few), (_, many) in zip(shorter, longer, strict=True)
    ]
    model = positive(build((across, length)))
    sample = torch.ones(1, 3, across, length, dtype=torch.float64, requires_grad=True)
    with _Aside(grown):
        out = features(model, sample)
    return max(_fields(out, sample, _UNITS if has_phases else 1))


def _shapes(build: Build, size: tuple[int, int], features: Features) -> list[tuple[str, tuple[Shape, ...]]]:
    with torch.device("meta"):
        model = build(size).eval()
        sample = torch.zeros(1, 3, *size)
    mode = _Shapes()
    with torch.no_grad(), mode:
        features(model, sample)
    return mode.calls


def _fields(out: torch.Tensor, sample: torch.Tensor, units: int) -> Iterable[int]:
    middle = out.shape[-1] // 2
    for unit in range(middle, min(middle + units, out.shape[-1])):
        (gradient,) = torch.autograd.grad(out[..., unit].sum(), sample, retain_graph=True)
        seen = torch.nonzero(gradient.abs().sum((0, 1, 2))).flatten()
        if not len(seen):
            raise NotComparableError("its gradient vanishes")
        if seen[0] == 0 or seen[-1] == sample.shape[-1] - 1:
            raise NotComparableError(f"no unit is far enough from the ends of {sample.shape[-1]} pixels")
        yield int(seen[-1] - seen[0]) + 1

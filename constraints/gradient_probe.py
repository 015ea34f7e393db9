"""Measure a receptive field by gradients: an independent check that shares nothing with the trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from constraints.errors import UnusableInputError

_IDENTITIES = frozenset(
    [
        "relu",
        "relu_",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "mish",
        "hardswish",
        "hardtanh",
        "hardsigmoid",
        "sigmoid",
        "tanh",
        "softplus",
        "prelu",
        "batch_norm",
        "layer_norm",
        "group_norm",
        "instance_norm",
        "rms_norm",
        "dropout",
        "dropout2d",
    ]
)
_LAYOUTS = frozenset(
    ["permute", "transpose", "movedim", "swapaxes", "mT", "layer_norm", "rms_norm", "linear", "view", "reshape"]
)
"""Functions around which the spatial axes may be other tensor axes than in the input."""
_COMBINING = frozenset(
    [
        "add",
        "add_",
        "sub",
        "sub_",
        "mul",
        "mul_",
        "div",
        "__add__",
        "__radd__",
        "__iadd__",
        "__sub__",
        "__rsub__",
        "__mul__",
        "__rmul__",
        "__imul__",
        "__truediv__",
    ]
)
_MAXIMA = {"max_pool1d": F.avg_pool1d, "max_pool2d": F.avg_pool2d, "max_pool3d": F.avg_pool3d}
_ADAPTIVE = {
    "adaptive_max_pool1d": F.adaptive_avg_pool1d,
    "adaptive_max_pool2d": F.adaptive_avg_pool2d,
    "adaptive_max_pool3d": F.adaptive_avg_pool3d,
}


def probe(
    model: nn.Module,
    input_size: Sequence[int] = (3, 64, 64),
    *,
    shortest: int = 0,
    longest: int = 8192,
    units: int = 1,
) -> tuple[int, ...]:
    """Measure the receptive field of the last map before global pooling, per axis, in input pixels.

    For each axis in turn the input is a strip: as long as it takes for no unit's field to touch its ends (doubled
    from ``input_size``, or ``shortest`` where that is longer, up to ``longest``), and ``input_size`` wide. ``units``
    neighbouring units in the middle are measured and the largest counts, which matters where they differ by phase.
    Gates are left aside.

    The copy that is measured is linear and positive, so that no gradient cancels or vanishes: float64, weights of
    one sign that average, activations and normalisations replaced by the identity, maxima by averages.
    Raises UnusableInputError where ``longest`` is too short.
    """
    linear = _positive(model)
    strips = []
    for axis in range(len(input_size) - 1):
        strip = list(input_size)
        strip[axis + 1] = max(strip[axis + 1], shortest)
        strips.append(strip)
    return tuple(_grown(linear, strip, axis, longest, units) for axis, strip in enumerate(strips))


def probe_axis(
    model: nn.Module, input_size: Sequence[int], axis: int, units: int | None = None, tolerance: float = 0.0
) -> int | None:
    """The largest field along one axis of those units whose field touches no border; None where each does.

    ``units`` limits the measurement to that many in the middle; gradients up to ``tolerance`` times the largest
    count as nothing.
    """
    return _measured(_positive(model), input_size, axis, units, tolerance)


def _grown(model: nn.Module, input_size: Sequence[int], axis: int, longest: int, units: int) -> int:
    size = list(input_size)
    while size[axis + 1] <= longest:
        field = _measured(model, size, axis, units, 0.0)
        if field is not None:
            return field
        size[axis + 1] *= 2
    raise UnusableInputError(
        f"no unit's field fits into a strip of {longest} pixels: give the probe a longer one (longest=...)"
    )


def _measured(
    model: nn.Module, input_size: Sequence[int], axis: int, units: int | None, tolerance: float
) -> int | None:
    sample = torch.ones(1, *input_size, dtype=torch.float64, requires_grad=True)
    with _Linearised(sample.dim(), axis + 2) as mode:
        model(sample)
    if mode.map is None and mode.is_spatial:
        return None  # the strip is too short for more than one unit
    if mode.map is None:
        raise UnusableInputError(
            f"no map to probe: {type(model).__name__} makes no tensor of {sample.dim()} axes: probe one that does"
        )
    count = mode.map.shape[axis + 2]
    first = 0 if units is None else max((count - units) // 2, 0)
    last = count if units is None else min(first + units, count)
    ends = _span(mode.map, sample, axis, tolerance)  # a sampling may leave out pixels at the input's border
    if ends is None:
        return None
    spans = [_span(mode.map.select(axis + 2, unit), sample, axis, tolerance) for unit in range(first, last)]
    inside = [b - a + 1 for a, b in filter(None, spans) if a > ends[0] and b < ends[1]]
    return max(inside, default=None)


def _span(output: torch.Tensor, sample: torch.Tensor, axis: int, tolerance: float) -> tuple[int, int] | None:
    """The first and the last input position along ``axis`` that the output changes with."""
    total = output.sum()
    (gradient,) = torch.autograd.grad(total, sample, retain_graph=True, allow_unused=True)
    if gradient is None:
        return None
    others = [d for d in range(gradient.dim()) if d != axis + 2]
    profile = gradient.abs().sum(others)
    seen = torch.nonzero(profile > tolerance * profile.max()).flatten()
    return (int(seen[0]), int(seen[-1])) if len(seen) else None


def _positive(model: nn.Module) -> nn.Module:
    """A float64 copy whose weights are positive and average what they read."""
    copy = deepcopy(model).double().eval()
    with torch.no_grad():
        for parameter in chain(copy.parameters(), copy.buffers()):
            if parameter.is_floating_point():
                fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
                parameter.fill_(1 / max(fan_in, 1))
    return copy.requires_grad_(False)


class _Linearised(TorchFunctionMode):
    """Turns what is not linear into something linear that sees the same, and cuts gates off."""

    def __init__(self, dims: int, axis: int) -> None:
        super().__init__()
        self.dims, self.axis = dims, axis
        self.map: torch.Tensor | None = None
        """The last tensor that is still a map along the probed axis."""
        self.is_spatial = False
        """Whether any tensor had as many axes as the input."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the linear substitute for ``func``."""
        name, kwargs = getattr(func, "__name__", ""), dict(kwargs or {})
        result = self._called(func, name, args, kwargs)
        if name not in _LAYOUTS and isinstance(result, torch.Tensor) and self._is_map(result):
            self.map = result
        return result

    def _is_map(self, tensor: torch.Tensor) -> bool:
        if not tensor.requires_grad or tensor.dim() != self.dims:
            return False
        self.is_spatial = True
        return tensor.shape[self.axis] > 1

    def _called(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name in _IDENTITIES:
            return args[0] if args else kwargs["input"]
        if name in _ADAPTIVE:
            return _ADAPTIVE[name](args[0], *args[1:2], **_only(kwargs, "output_size"))
        if name in _MAXIMA:
            return _averaged(name, args, kwargs)
        if name in ("amax", "max") and (len(args) > 1 or "dim" in kwargs):
            axes = args[1] if len(args) > 1 else kwargs["dim"]
            return args[0].mean(axes, keepdim=bool(kwargs.get("keepdim", False)))
        if name in _BORDERLESS:
            return _BORDERLESS[name](*args, **kwargs)
        if name in _COMBINING:
            args = tuple(self._without_gate(a, args) for a in args)
        return func(*args, **kwargs)

    def _without_gate(self, operand: Any, operands: Sequence[Any]) -> Any:
        """An operand that is one value along the probed axis, where another is a map, counts as a constant."""
        tensors = [o for o in operands if isinstance(o, torch.Tensor) and o.dim() == self.dims]
        if not any(operand is t for t in tensors) or operand.shape[self.axis] > 1:
            return operand
        is_gate = any(t.shape[self.axis] > 1 for t in tensors)
        return torch.ones_like(operand) if is_gate else operand


def _only(kwargs: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: kwargs[name] for name in names if name in kwargs}


def _averaged(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """An average over the windows of a max pooling, dilated ones included."""
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    given.pop("return_indices", None)
    data, n = given.pop("input"), int(name[-2])
    dilation = _tuple(given.pop("dilation", 1), n)
    if all(d == 1 for d in dilation):
        return _MAXIMA[name](data, **{k: v for k, v in given.items() if v is not None})
    kernel = _tuple(given["kernel_size"], n)
    stride = _tuple(given.get("stride") or kernel, n)
    weight = torch.full((data.shape[1], 1, *kernel), 1.0, dtype=data.dtype)
    convolve: Any = (F.conv1d, F.conv2d, F.conv3d)[n - 1]
    padding = _tuple(given.get("padding", 0), n)
    return convolve(data, weight, None, stride, padding, dilation, data.shape[1])  # type: ignore[no-any-return]


def _shifted(input: torch.Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> torch.Tensor:
    """A roll whose wrapped part is zero; one over the flattened tensor as it is."""
    data = input
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    if not axes:
        return data.roll(shifts)
    for axis, shift in zip(axes, _tuple(shifts, len(axes)), strict=True):
        size = data.shape[axis]
        by = (shift + size // 2) % size - size // 2  # the shorter way round
        kept = data.narrow(axis, max(-by, 0), size - abs(by))
        zeros = torch.zeros_like(data.narrow(axis, 0, abs(by)))
        data = torch.cat([zeros, kept] if by > 0 else [kept, zeros], axis)
    return data


def _zero_padded(input: torch.Tensor, pad: Sequence[int], mode: str = "", value: float | None = None) -> torch.Tensor:
    return F.pad(input, list(pad))


_BORDERLESS: dict[str, Callable[..., torch.Tensor]] = {"pad": _zero_padded, "roll": _shifted}
"""What reflects or wraps around at a border is no part of an interior unit's field: zeros take its place."""


def _tuple(value: int | Sequence[int], n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value)

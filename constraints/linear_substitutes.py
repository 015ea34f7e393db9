"""Linear functions that replace nonlinear ones and see the same: averages for maxima, zeros at borders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from constraints.judged_call import function_name

_MAXIMA = {"max_pool1d": F.avg_pool1d, "max_pool2d": F.avg_pool2d, "max_pool3d": F.avg_pool3d}
_ADAPTIVE = {
    "adaptive_max_pool1d": F.adaptive_avg_pool1d,
    "adaptive_max_pool2d": F.adaptive_avg_pool2d,
    "adaptive_max_pool3d": F.adaptive_avg_pool3d,
}


def _averaged(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """An average over the windows of a max pooling, dilated ones included."""
    name = function_name(func)
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


def _adaptive(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    kwargs.pop("return_indices", None)
    return _ADAPTIVE[function_name(func)](*args[:2], **kwargs)


def _sum(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The sum of two tensors in place of their elementwise maximum or minimum."""
    return args[0] + (args[1] if len(args) > 1 else kwargs["other"])


def _bounded(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The sum of a tensor and the tensors that bound it in a clamp; bounds that are numbers are ignored."""
    given = [*args, *(v for name, v in kwargs.items() if name != "out")]
    data, *bounds = (v for v in given if isinstance(v, torch.Tensor))
    add = torch.Tensor.add_ if function_name(func).endswith("_") else torch.Tensor.add
    for bound in bounds:
        data = add(data, bound)
    return data


def _reduced(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The average over an axis in place of its maximum or minimum; the indices stay unchanged."""
    if len(args) == 1 and "dim" not in kwargs:
        return func(*args, **kwargs)
    axes = args[1] if len(args) > 1 else kwargs["dim"]
    if isinstance(axes, torch.Tensor):
        return args[0] + axes
    keep = bool(args[2] if len(args) > 2 else kwargs.get("keepdim", False))
    mean = args[0].mean(axes, keepdim=keep)
    kind: Any = {"max": torch.return_types.max, "min": torch.return_types.min}.get(function_name(func))
    return kind((mean, args[0].argmax(axes, keepdim=keep))) if kind else mean


SUBSTITUTES: dict[str, Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]] = {
    **dict.fromkeys(_MAXIMA, _averaged),
    **dict.fromkeys(_ADAPTIVE, _adaptive),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), _sum),
    **{name + end: _bounded for name in ("clamp", "clamp_max", "clamp_min", "clip") for end in ("", "_")},
    **dict.fromkeys(("amax", "amin", "max", "min"), _reduced),
}
"""Function -> its linear replacement."""


def _shifted(input: torch.Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> torch.Tensor:
    """A roll whose wrapped part is zero; a roll over the flattened tensor is unchanged."""
    data = input
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    if not axes:
        return data.roll(shifts)
    for axis, shift in zip(axes, _tuple(shifts, len(axes)), strict=True):
        size = data.shape[axis]
        by = (shift + size // 2) % size - size // 2  # the shift in the shorter direction
        kept = data.narrow(axis, max(-by, 0), size - abs(by))
        zeros = torch.zeros_like(data.narrow(axis, 0, abs(by)))
        data = torch.cat([zeros, kept] if by > 0 else [kept, zeros], axis)
    return data


def _zero_padded(input: torch.Tensor, pad: Sequence[int], mode: str = "", value: float | None = None) -> torch.Tensor:
    return F.pad(input, list(pad))


BORDERLESS: dict[str, Callable[..., torch.Tensor]] = {"pad": _zero_padded, "roll": _shifted}
"""Padding functions: reflected and circular borders are not part of an interior unit's field and become zeros."""


def _tuple(value: int | Sequence[int], n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value)

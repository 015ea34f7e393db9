"""Allocate memory with the shape and layout of an operation's result, without computing it: a rule for each operation.

A rule takes the arguments, and whether the operation writes to the first of them. It returns None for anything
unusual: other dtypes, devices and layouts, arguments that are missing or invalid. Then the operation itself runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch

from constraints.tracing.axes import Shape

_KINDS = (torch.Tensor, torch.nn.Parameter)
_DTYPES = (torch.float32, torch.float64)
_NUMBERS = (int, float)
_STRIDED = torch.strided
_PLANE, _MAP = 2, 4
"""Numbers of axes of a map, and of a batch of maps with channels."""
_CONVOLUTION = (None, None, None, [1, 1], [0, 0], [1, 1], 1)
_POOL: tuple[Any, ...] = (None, None, [], [0, 0], [1, 1], False)
"""Default arguments of a convolution and of a pooling."""
_MOST = 10_000

_storage = torch._C.TensorBase.untyped_storage  # the original, not the watched one


@lru_cache(_MOST)
def _strides(shape: Shape) -> Shape | None:
    """The strides of a contiguous tensor of this shape; None for an empty one."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return tuple(reversed(steps)) if step else None


def _is_plain(tensor: Any, dtype: torch.dtype) -> bool:
    """Whether a tensor has this ``dtype`` and the default layout of torch's results."""
    return (
        tensor.__class__ in _KINDS
        and tensor.dtype is dtype
        and tensor.is_cpu
        and tensor.layout is _STRIDED
        and tensor.stride() == _strides(tensor.shape)
    )


def _is_vector(tensor: Any, dtype: torch.dtype, length: int) -> bool:
    """Whether a tensor is a vector of ``length`` elements, or None."""
    return tensor is None or (
        tensor.__class__ in _KINDS
        and tensor.dtype is dtype
        and tensor.is_cpu
        and tensor.layout is _STRIDED
        and tensor.shape == (length,)
    )


def _pointwise(args: Sequence[Any], in_place: bool) -> Any:
    first = args[0]
    dtype = first.dtype
    if dtype not in _DTYPES or not _is_plain(first, dtype):
        return None
    for other in args[1:]:
        if other.__class__ in _NUMBERS or other is first:
            continue
        if not isinstance(other, torch.Tensor) or other.shape != first.shape or not _is_plain(other, dtype):
            return None
        if in_place and _storage(first).data_ptr() == _storage(other).data_ptr():
            return None  # torch raises an error for some of these
    return first if in_place else torch.empty_like(first)


@lru_cache(_MOST)
def _places(size: Shape, kernel: Shape, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers of window positions along the last two axes; ``numbers`` are strides, paddings and dilations.

    Empty if torch would raise an error for them, or if a number is given once for both axes.
    """
    if len(numbers) != 3 * _PLANE:
        return ()
    found = []
    for n, k, s, p, d in zip(size[-_PLANE:], kernel[-_PLANE:], numbers, numbers[2:], numbers[4:], strict=False):
        found.append((n + 2 * p - d * (k - 1) - 1) // s + 1 if min(k, s, d) > 0 <= p else 0)
    return tuple(found) if min(found) > 0 else ()


def _convolved(args: Sequence[Any], _: bool) -> Any:
    given: Sequence[Any] = (*args, *_CONVOLUTION[len(args) :])
    data, kernel, bias, stride, padding, dilation, groups = given
    dtype, size, shape = data.dtype, data.shape, kernel.shape
    if dtype not in _DTYPES or not len(size) == len(shape) == _MAP:
        return None
    if groups < 1 or size[1] != shape[1] * groups or shape[0] % groups:
        return None
    if not (_is_plain(data, dtype) and _is_plain(kernel, dtype) and _is_vector(bias, dtype, shape[0])):
        return None
    places = _places(size, shape, (*stride, *padding, *dilation))
    return data.new_empty((size[0], shape[0], *places)) if places else None


def _normalised(args: Sequence[Any], _: bool) -> Any:
    data, weight, bias, mean, variance, training = args[:6]
    dtype, size = data.dtype, data.shape
    if training or mean is None or variance is None or dtype not in _DTYPES or len(size) < _PLANE:
        return None
    for tensor in (weight, bias, mean, variance):
        if not _is_vector(tensor, dtype, size[1]):
            return None
    return torch.empty_like(data) if _is_plain(data, dtype) else None


def _pooled(args: Sequence[Any], _: bool) -> Any:
    given: Sequence[Any] = (*args, *_POOL[len(args) :])
    data, kernel, stride, padding, dilation, ceil = given
    dtype, size = data.dtype, data.shape
    if ceil or dtype not in _DTYPES or len(size) != _MAP or len(kernel) != _PLANE or not _is_plain(data, dtype):
        return None
    places = _places(size, tuple(kernel), (*(stride or kernel), *padding, *dilation))
    if not places or any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        return None
    shape = (*size[:2], *places)
    return data.new_empty(shape), data.new_empty(shape, dtype=torch.int64)


def _product(args: Sequence[Any], _: bool) -> Any:
    return _multiplied(*args, axes=2)


def _batch_of_products(args: Sequence[Any], _: bool) -> Any:
    return _multiplied(*args, axes=3)


def _added_product(args: Sequence[Any], _: bool) -> Any:
    bias, a, b = args
    return _multiplied(a, b, axes=2) if bias is not None and _is_vector(bias, a.dtype, b.shape[-1]) else None


def _multiplied(a: torch.Tensor, b: torch.Tensor, *, axes: int) -> Any:
    left, right = a.shape, b.shape
    for tensor in (a, b):
        if tensor.__class__ not in _KINDS or not tensor.is_cpu or tensor.layout is not _STRIDED:
            return None
    if a.dtype not in _DTYPES or a.dtype is not b.dtype or not len(left) == len(right) == axes:
        return None
    if 0 in left or 0 in right or left[:-2] != right[:-2] or left[-1] != right[-2]:
        return None
    return a.new_empty((*left[:-1], right[-1]))


_POINTWISE = (
    "relu sigmoid tanh silu hardswish hardsigmoid hardtanh leaky_relu neg abs exp sqrt rsqrt add sub rsub mul div"
)
RULES: Mapping[str, Callable[[Sequence[Any], bool], Any]] = {
    **dict.fromkeys(_POINTWISE.split(), _pointwise),
    "conv2d": _convolved,
    "batch_norm": _normalised,
    "max_pool2d_with_indices": _pooled,
    "mm": _product,
    "bmm": _batch_of_products,
    "addmm": _added_product,
}
"""Operation of the dispatcher -> the rule for its result."""

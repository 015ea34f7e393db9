"""Faster ways to compute the same convolutions on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from constraints.faults import calls_user_code

SMALL = 12
"""Longest side of a sub-grid at which sub-grids are faster in float32 on AVX-512; beyond it native dilation is."""

Pair = tuple[int, int]


class FasterConvolutions(TorchFunctionMode):
    """Computes every ``torch.conv2d`` in its block by ``convolution``, equal within rounding."""

    @calls_user_code
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call ``func``, or what replaces it."""
        return (convolution if func is torch.conv2d else func)(*args, **(kwargs or {}))


def convolution(  # noqa: PLR0917 - as torch.conv2d has them
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: int | Pair = 1,
    padding: str | int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> torch.Tensor:
    """``torch.conv2d`` on a CPU; under autocast, in bfloat16 or float32, whichever is faster for this layer.

    The type of the result is unchanged. A dilated convolution is computed without dilation on each of the sub-grids of
    its input, where these have equal size and that is faster. Otherwise it runs in float32: in bfloat16 on processors
    with avx512_bf16 (oneDNN as of torch 2.15, maps of 31 pixels and more), the gradient of its weights reads past its
    input, which gives noise, infinities or a segmentation fault. The same happens without dilation where the stride is
    longer than the map.
    """
    is_bfloat16 = torch.is_autocast_enabled("cpu")
    kind = (weight, _pair(stride), groups)
    steps, margins = _pair(dilation), None if isinstance(padding, str) else _pair(padding)
    if max(steps) > 1 and margins and _can_be_cut(input, _pair(stride), margins, steps):
        in_bfloat16 = is_bfloat16 and _gains_from_bfloat16(*kind)
        if _gains_from_sub_grids(input, weight, groups, steps, is_bfloat16=in_bfloat16):
            return _typed(_on_sub_grids, in_bfloat16, input, weight, bias, margins, steps, groups)
    is_sound = max(steps) == 1 and all(side >= step for side, step in zip(input.shape[-2:], _pair(stride), strict=True))
    in_bfloat16 = is_bfloat16 and is_sound and _gains_from_bfloat16(*kind)
    return _typed(torch.conv2d, in_bfloat16, input, weight, bias, stride, padding, dilation, groups)


@calls_user_code
def _typed(function: Callable[..., torch.Tensor], in_bfloat16: bool, input: torch.Tensor, *rest: Any) -> torch.Tensor:
    """The result of ``function``, computed in bfloat16 or float32, in the result type of the autocast block."""
    if in_bfloat16 or not torch.is_autocast_enabled("cpu"):
        return function(input, *rest)
    with torch.autocast("cpu", enabled=False):
        return function(input.float(), *rest).bfloat16()


def _gains_from_bfloat16(weight: torch.Tensor, stride: Pair, groups: int) -> bool:
    """Whether bfloat16 is faster, forward and backward, on a CPU where it is for dense convolutions.

    Measured on a Xeon with AVX-512, bfloat16 and AMX, torch 2.15: grouped ones are 1.2 to 6 times faster in bfloat16,
    but with fewer than 4 channels a group up to 1.9 times slower, and depthwise ones 2 to 5 times slower with kernels
    other than 3x3 and 9 to 20 times with a stride.
    """
    filters, channels, *kernel = weight.shape
    is_plain_depthwise = filters == groups and kernel == [3, 3] and stride == (1, 1)
    return groups == 1 or channels >= 4 or (channels == 1 and is_plain_depthwise)


def _can_be_cut(images: torch.Tensor, stride: Pair, padding: Pair, dilation: Pair) -> bool:
    """Whether all sub-grids have equal size and padding."""
    sides = (*images.shape[2:], *padding)
    return images.dim() == 4 and stride == (1, 1) and not any(s % d for s, d in zip(sides, dilation * 2, strict=True))


def _gains_from_sub_grids(
    images: torch.Tensor, weight: torch.Tensor, groups: int, dilation: Pair, *, is_bfloat16: bool
) -> bool:
    """Whether sub-grids are faster, forward and backward, than float32 with native dilation.

    Measured as above. In bfloat16: depthwise 3x3 1.5 to 3.1 times, dense 1.2 to 2.1 times faster (0.8 on sub-grids of
    4x4 cut out of 16x16). In float32 depthwise: 1.1 to 5.5 times on AVX-512, 1.1 to 10 times on AVX2. In float32
    dense: 0.6 to 0.8 times on AVX-512, 1.0 to 1.4 on AVX2. Grouped: mostly slower in all.
    """
    is_dense, is_depthwise = groups == 1, groups == len(weight) == images.shape[1]
    if is_bfloat16:
        return is_dense or is_depthwise
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return is_dense or is_depthwise
    sides = (side // step for side, step in zip(images.shape[2:], dilation, strict=True))
    return is_depthwise and max(sides) <= SMALL


def _on_sub_grids(  # noqa: PLR0917
    images: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> torch.Tensor:
    """A dilated convolution as one without dilation on every dilation-th row and column (space to batch)."""
    if torch.is_autocast_enabled("cpu"):
        images = images.bfloat16()  # before it is copied
    rows, columns = dilation
    inner = (padding[0] // rows, padding[1] // columns)
    return _together(torch.conv2d(_apart(images, dilation), weight, bias, 1, inner, 1, groups), dilation)


def _apart(images: torch.Tensor, dilation: Pair) -> torch.Tensor:
    """N x C x H x W -> the sub-grids as a batch of (rows * columns * N) x C x H / rows x W / columns, channels last."""
    (rows, columns), (count, channels, height, width) = dilation, images.shape
    grid = images.permute(0, 2, 3, 1).reshape(count, height // rows, rows, width // columns, columns, channels)
    return grid.permute(2, 4, 0, 1, 3, 5).flatten(0, 2).permute(0, 3, 1, 2)


def _together(images: torch.Tensor, dilation: Pair) -> torch.Tensor:
    """The inverse of ``_apart``."""
    (rows, columns), (count, channels, height, width) = dilation, images.shape
    grid = images.permute(0, 2, 3, 1).reshape(rows, columns, count // (rows * columns), height, width, channels)
    return grid.permute(2, 3, 0, 4, 1, 5).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])

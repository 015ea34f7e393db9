"""The number format of a training's forward and backward pass: float32, or bfloat16 where that is faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, get_args

import torch
from torch.overrides import TorchFunctionMode

from constraints.errors import UnusableInputError
from nas.training.cpu_timing import timing
from nas.training.recipes import Setting

Precision = Literal["float32", "bfloat16"]


def resolve(setting: Setting, device: torch.device, auto: Precision | None = None) -> Precision:
    """What ``setting`` means on ``device``: ``auto`` is what was chosen before, or else what trains faster there.

    On a CPU that is measured (nas.training.cpu_timing); a GPU computes in bfloat16 or only emulates it, which torch
    knows. Weights, optimiser and loss stay float32 in either: bfloat16 is torch's autocast.
    """
    if setting not in get_args(Setting):
        raise UnusableInputError(f"no such precision: {setting!r}: choose one of {', '.join(get_args(Setting))}")
    if setting != "auto":
        return setting
    return auto or ("bfloat16" if _is_bfloat16_faster(device) else "float32")


def _is_bfloat16_faster(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and timing().is_bfloat16_faster


@contextmanager
def autocast(precision: Precision, device: torch.device) -> Iterator[None]:
    """The context in which a forward pass runs in ``precision``; on a CPU dilated convolutions stay in float32."""
    with ExitStack() as stack:
        if precision == "bfloat16" and device.type == "cpu":
            stack.enter_context(_DilatedInFloat32())
        stack.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"))
        yield


class _DilatedInFloat32(TorchFunctionMode):
    """Keeps dilated convolutions out of autocast.

    The bfloat16 gradient of a dilated convolution's weights reads past its input on processors with avx512_bf16
    (oneDNN as of torch 2.15, maps of 31 pixels and more): it is noise, infinite, or a segmentation fault.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call ``func``, in float32 where it is a dilated convolution as nn.Conv2d calls it."""
        if func is not torch.conv2d or not _is_dilated(*args):
            return func(*args, **(kwargs or {}))
        images, *rest = args
        with torch.autocast(images.device.type, enabled=False):
            return func(images.float(), *rest)


def _is_dilated(*args: Any) -> bool:
    """Whether these arguments (input, weight, bias, stride, padding, dilation, groups) dilate."""
    return len(args) > 5 and max(args[5]) > 1

"""The number format of a training's forward and backward pass: float32, or bfloat16 where that is faster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal, get_args

import torch

from constraints.errors import UnusableInputError
from nas.training.convolutions import FasterConvolutions
from nas.training.cpu_timing import timing
from nas.training.recipes import Setting

Precision = Literal["float32", "bfloat16"]


def resolve(setting: Setting, device: torch.device, auto: Precision | None = None) -> Precision:
    """The precision that ``setting`` means on ``device``; ``auto`` was chosen before, or else the faster one is used.

    On a CPU, speed is measured (nas.training.cpu_timing); on a GPU, torch knows whether bfloat16 is native or emulated.
    Weights, optimiser and loss are always float32: bfloat16 means torch's autocast.
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
    """The context in which a forward pass runs in ``precision``; on a CPU with faster convolutions.

    torch caches the bfloat16 copies of weights for all threads together, and drops them when any thread leaves such a
    context. The gradient of a weight that is used twice would then depend on timing, so the cache is off on a CPU.
    """
    is_cpu, is_bfloat16 = device.type == "cpu", precision == "bfloat16"
    with ExitStack() as stack:
        if is_cpu:
            stack.enter_context(FasterConvolutions())
        keeps = {"cache_enabled": False} if is_cpu else {}
        stack.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=is_bfloat16, **keeps))
        yield

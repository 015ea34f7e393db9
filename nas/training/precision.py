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
    """The context in which a forward pass runs in ``precision``; on a CPU as convolutions are fastest there.

    torch keeps the bfloat16 copies of weights for all threads at once, and drops them when any of them leaves such a
    context. The gradients of a weight that is used twice would then depend on when that is: on a CPU none is kept.
    """
    is_cpu, is_bfloat16 = device.type == "cpu", precision == "bfloat16"
    with ExitStack() as stack:
        if is_cpu:
            stack.enter_context(FasterConvolutions())
        keeps = {"cache_enabled": False} if is_cpu else {}
        stack.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=is_bfloat16, **keeps))
        yield

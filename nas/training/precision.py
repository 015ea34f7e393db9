"""The number format of a training's forward and backward pass: float32, or bfloat16 where the machine has it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, get_args

import torch

from constraints.errors import UnusableInputError

Precision = Literal["float32", "bfloat16"]
Setting = Literal["auto", "float32", "bfloat16"]

NATIVE = ("avx512_bf16", "amx_bf16")
"""Features of x86 processors that multiply bfloat16 numbers in one instruction; elsewhere they are only emulated."""


def resolve(setting: Setting, device: torch.device) -> Precision:
    """What `setting` means on `device`: `auto` is bfloat16 where the hardware computes in it, else float32.

    Weights, optimiser and loss stay float32 in either: bfloat16 is torch's autocast.
    """
    if setting not in get_args(Setting):
        raise UnusableInputError(f"no such precision: {setting!r}: choose one of {', '.join(get_args(Setting))}")
    if setting != "auto":
        return setting
    return "bfloat16" if is_native(device) else "float32"


def is_native(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16 rather than emulating it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: Mapping[str, Any] = getattr(
        torch.cpu, "get_capabilities", dict
    )()  # not in the oldest torch: float32 there
    return device.type == "cpu" and any(capabilities.get(name, False) for name in NATIVE)


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """The context in which a forward pass runs in `precision`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")

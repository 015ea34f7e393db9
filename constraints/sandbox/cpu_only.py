"""Run code that asks for a GPU on the CPU, where every check runs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode

from constraints.faults import calls_user_code

WARNING = "the code asks for a graphics card: everything was run on the CPU"
_ACCELERATOR = re.compile(r"cuda|nvidia|\bhip\b|\bmps\b|\bxpu\b|accelerator", re.IGNORECASE)
_HERE = ("cpu", "meta")
_MOVES = ("cuda", "xpu", "hpu", "ipu")


def asks_for_accelerator(error: str) -> bool:
    """Whether an error's text says that there is no GPU."""
    return bool(_ACCELERATOR.search(error))


class CpuOnly(ExitStack):
    """While entered, tensors stay on the CPU, whatever device the code names."""

    def __enter__(self) -> CpuOnly:
        super().__enter__()
        _reset_defaults()
        load = torch.load

        def load_here(*args: Any, **kwargs: Any) -> Any:
            return load(*args, **{**kwargs, "map_location": "cpu"})

        here: Mapping[str, Callable[..., Any]] = {
            "torch.load": load_here,
            "torch.set_default_device": lambda *_: None,
            "torch.set_default_tensor_type": lambda *_: None,
            "torch.cuda.set_device": lambda *_: None,
            "torch.cuda.synchronize": lambda *_: None,
            "torch.cuda.current_device": lambda: 0,
        }
        for name, function in here.items():
            self.enter_context(patch(name, function))
        self.enter_context(_Devices())
        return self


def _reset_defaults() -> None:
    """Make the CPU the default again; the code may have named a GPU, which fails only when a tensor is made."""
    torch.set_default_device(None)
    try:
        torch.empty(0)
    except (RuntimeError, AssertionError):  # the default type of tensors is one of a GPU
        dtype = torch.get_default_dtype()
        with warnings.catch_warnings(action="ignore"):
            torch.set_default_tensor_type(torch.FloatTensor)
        torch.set_default_dtype(dtype)


class _Devices(TorchFunctionMode):
    """Replaces the device of each call by the CPU."""

    @calls_user_code
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in _MOVES and args and isinstance(args[0], torch.Tensor):
            return args[0]
        if name == "to":
            args = tuple(_here(arg, by_number=position == 1) for position, arg in enumerate(args))
        if "device" in kwargs:
            kwargs["device"] = _here(kwargs["device"], by_number=True)
        return func(*args, **kwargs)


def _here(value: Any, *, by_number: bool = False) -> Any:
    if isinstance(value, torch.device):
        return value if value.type in _HERE else torch.device("cpu")
    if isinstance(value, str):
        return value if value.partition(":")[0] in _HERE else "cpu"
    return "cpu" if by_number and isinstance(value, int) and not isinstance(value, bool) else value

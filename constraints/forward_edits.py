"""Changes to calls of torch's functions in a forward pass: what is called in their place, and where the calls are."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

_MAXIMA = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVERAGES = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
_FAMILIES = {
    "max_pool{}d": _MAXIMA, "avg_pool{}d": _AVERAGES,
    "adaptive_max_pool{}d": ("input", "output_size", "return_indices"),
    "adaptive_avg_pool{}d": ("input", "output_size"),
    "conv{}d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
}  # fmt: skip
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    name.format(axes): names for name, names in _FAMILIES.items() for axes in (1, 2, 3)
}
"""Function of ``torch.nn.functional`` -> its parameters, in order."""
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
_TORCH = str(Path(torch.__file__).parent) + os.sep
_LAYERS = str(Path(torch.__file__).parent / "nn" / "modules")
_OURS = str(Path(__file__).parent) + os.sep


@dataclass(frozen=True, kw_only=True)
class ForwardEdit:
    """Another function, or other arguments, in some calls of functions in a forward pass."""

    functions: Mapping[str, str]
    """Name of a function -> of what is called in its place, with those of the arguments that it takes too."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Parameter of what is called then -> its new value."""
    numbers: frozenset[int] | None = None
    """Which of the calls of ``functions`` alone change, from 0; None for all of them."""
    but: frozenset[int] = frozenset()
    """Those that do not."""
    of_layers: bool = True
    """Whether calls that torch's layers make are among them, and count."""

    def around(self) -> Callable[[Callable[..., Any]], Any]:
        """What makes of a forward method one with the changed calls, which a copy of the model copies with it."""
        return partial(partial, _changing, self)

    def given(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """The arguments of what is called in a call's place; None where that cannot do what the call does."""
        written = dict(zip(PARAMETERS[name], args, strict=False)) | dict(kwargs)
        new = PARAMETERS[self.functions[name]]
        lost = {key: value for key, value in written.items() if key not in new}
        if "kernel_size" in new and (lost.get("dilation", 1) not in _ONES or lost.get("return_indices")):
            return None
        return {key: value for key, value in written.items() if key in new} | dict(self.arguments)

    def changes(self, number: int) -> bool:
        """Whether the call of that number is one that changes."""
        return number not in self.but and (self.numbers is None or number in self.numbers)


_ONES = (1, (1,), (1, 1), (1, 1, 1), [1], [1, 1], [1, 1, 1])
Noted = Callable[[str], None]


def _changing(edit: ForwardEdit, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A forward pass in which calls are changed."""
    with _Changing(edit):
        return forward(*args, **kwargs)


@contextmanager
def noting(edit: ForwardEdit, noted: Noted) -> Iterator[None]:
    """While entered, ``noted`` gets the name of each call that an edit would change, from within that call."""
    with _Changing(edit, noted):
        yield


class _Changing(TorchFunctionMode):
    """Calls what is called in place of others; or notes these."""

    def __init__(self, edit: ForwardEdit, noted: Noted | None = None) -> None:
        super().__init__()
        self.edit, self.noted, self.calls = edit, noted, 0

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call ``func``, or what takes its place."""
        given, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name in self.edit.functions and (self.edit.of_layers or not is_of_a_layer(sys._getframe(1))):
            self.calls += 1
            new = self.edit.given(name, args, given)
            if new is not None and self.edit.changes(self.calls - 1):
                if self.noted is None:
                    return getattr(F, self.edit.functions[name])(**new)
                self.noted(name)
        return func(*args, **given)


def users_frame(frame: FrameType | None) -> FrameType | None:
    """The frame of the code that calls a function of torch in a frame; one of torch's where a layer of it does."""
    while frame is not None and frame.f_code.co_filename.startswith((_TORCH, _OURS)):
        if frame.f_code.co_filename.startswith(_LAYERS):
            return frame
        frame = frame.f_back
    return frame


def is_of_a_layer(frame: FrameType | None) -> bool:
    """Whether a call of a function of torch in a frame is one that a layer of torch's makes."""
    found = users_frame(frame)
    return found is not None and found.f_code.co_filename.startswith(_LAYERS)

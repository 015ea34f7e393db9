"""Replace calls of torch's functions in a forward pass, and find where these calls are in the user's code."""

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
    """Another function, or other arguments, for some function calls in a forward pass."""

    functions: Mapping[str, str]
    """Name of a function -> name of its replacement, which gets those arguments that it also accepts."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Parameter of the replacement -> its new value."""
    numbers: frozenset[int] | None = None
    """Numbers (from 0) of the calls of ``functions`` that change; None for all."""
    excluded: frozenset[int] = frozenset()
    """Numbers of the calls that do not change."""
    of_layers: bool = True
    """Whether calls made by torch's layers are included and counted."""

    def around(self) -> Callable[[Callable[..., Any]], Any]:
        """A wrapper of a forward method that changes the calls; a deep copy of the model copies it."""
        return partial(partial, _changing, self)

    def given(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """The arguments of the replacement of a call; None where it cannot do what the call does."""
        written = dict(zip(PARAMETERS[name], args, strict=False)) | dict(kwargs)
        new = PARAMETERS[self.functions[name]]
        lost = {key: value for key, value in written.items() if key not in new}
        if "kernel_size" in new and (lost.get("dilation", 1) not in _ONES or lost.get("return_indices")):
            return None
        return {key: value for key, value in written.items() if key in new} | dict(self.arguments)

    def changes(self, number: int) -> bool:
        """Whether the call with this number changes."""
        return number not in self.excluded and (self.numbers is None or number in self.numbers)


_ONES = (1, (1,), (1, 1), (1, 1, 1), [1], [1, 1], [1, 1, 1])
Noted = Callable[[str], None]


def _changing(edit: ForwardEdit, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A forward pass with changed calls."""
    with _Changing(edit):
        return forward(*args, **kwargs)


@contextmanager
def noting(edit: ForwardEdit, noted: Noted) -> Iterator[None]:
    """While entered, ``noted`` gets the name of each call that an edit would change, from within that call."""
    with _Changing(edit, noted):
        yield


class _Changing(TorchFunctionMode):
    """Replaces calls, or reports them to ``noted``."""

    def __init__(self, edit: ForwardEdit, noted: Noted | None = None) -> None:
        super().__init__()
        self.edit, self.noted, self.calls = edit, noted, 0

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call ``func`` or its replacement."""
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
    """The frame that calls a function of torch, from one inside it; it is torch's own if one of its layers does."""
    while frame is not None and frame.f_code.co_filename.startswith((_TORCH, _OURS)):
        if frame.f_code.co_filename.startswith(_LAYERS):
            return frame
        frame = frame.f_back
    return frame


def is_of_a_layer(frame: FrameType | None) -> bool:
    """Whether a call of a function of torch in this frame comes from one of torch's layers."""
    found = users_frame(frame)
    return found is not None and found.f_code.co_filename.startswith(_LAYERS)

"""Adapts the user's own model for training: it must return one row of logits per image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from constraints.errors import UnusableInputError
from constraints.faults import calls_user_code

_QUANTISED = ("torch.ao.nn.quantized.", "torch.ao.nn.intrinsic.quantized.")
"""Modules of torch with the layers whose weights are whole numbers."""


class GivenModel(nn.Module):
    """Calls ``model``, and checks that it returns a row of ``classes`` logits for each image.

    Where it ends in a softmax, the logarithm of its outputs is returned, which has the same loss and accuracy as the
    logits. ``alive``, a heartbeat, is called before each forward pass.
    """

    layout: torch.memory_format = torch.channels_last
    """The memory format of images and filters; contiguous where the model needs it."""
    gives_probabilities = False
    first: str = ""
    """The name of the convolution that reads the images directly, if it can be whitened."""

    def __init__(self, model: nn.Module, classes: int, alive: Callable[[], None] = lambda: None) -> None:
        """Wrap the model itself, not a copy.

        Raises UnusableInputError for one on the device ``meta``, without values, for a quantised one, and for one whose
        state has other values than dense tensors.
        """
        super().__init__()
        if empty := [name for name, p in model.named_parameters() if p.is_meta]:
            raise UnusableInputError(
                f"the model's weights have no values: {empty[0]} is on the device meta: make it on the cpu"
            )
        if quantised := [name for name, m in model.named_modules() if type(m).__module__.startswith(_QUANTISED)]:
            raise UnusableInputError(
                f"the model is quantised, and no optimiser trains whole numbers: {quantised[0] or 'itself'}: give the "
                "float model that it was made from"
            )
        state = _state(model)
        if kept := [name for name, value in state.items() if not isinstance(value, torch.Tensor)]:
            raise UnusableInputError(
                f"the model keeps what is no tensor, which checkpoints and weights here do not hold: {kept[0]}: "
                "register it as a buffer, or leave get_extra_state and a state_dict of its own out"
            )
        if kept := [name for name, value in state.items() if value.layout != torch.strided or value.is_quantized]:
            raise UnusableInputError(
                "the model keeps a sparse or quantised tensor, which checkpoints and weights here do not hold: "
                f"{kept[0]}: keep it dense, or, where it is no weight, out of the state: register_buffer(..., "
                "persistent=False)"
            )
        self.model = model
        self.classes, self.alive = classes, alive

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, N x classes. Raises UnusableInputError where the output cannot be logits."""
        self.alive()
        found = _called(self.model, images.contiguous(memory_format=self.layout))
        if not isinstance(found, torch.Tensor):
            raise UnusableInputError(_no_tensor(found, is_training=self.training))
        found = _rows(found, len(images), self.classes)
        if self.gives_probabilities:
            return found.float().clamp_min(torch.finfo(torch.float32).tiny).log()
        return found


@calls_user_code
def _state(model: nn.Module) -> Mapping[str, Any]:
    return model.state_dict()


@calls_user_code
def _called(model: nn.Module, images: torch.Tensor) -> Any:
    return model(images)


def _no_tensor(found: Any, *, is_training: bool) -> str:
    many = f" of {len(found)}" if isinstance(found, list | tuple | dict) else ""
    what = f"the model gives no tensor in {'training' if is_training else 'eval mode'}: {type(found).__name__}{many}"
    remedy = "let its forward method return the logits alone"
    if not is_training:
        return f"{what}: {remedy}"
    return f"{what}: {remedy}, also in training: without auxiliary heads, perhaps by --arg (aux_logits=false)"


def _rows(found: torch.Tensor, images: int, classes: int) -> torch.Tensor:
    if found.is_complex():
        raise UnusableInputError(f"the model gives complex numbers: {found.dtype}: let it return real logits")
    shape = "x".join(map(str, found.shape)) or "a single number"
    if not found.ndim or len(found) != images:
        raise UnusableInputError(
            f"the model does not give a row an image: {shape} for {images} images: keep the batch as the first axis"
        )
    if found[0].numel() != classes:
        raise UnusableInputError(
            f"the model gives {_counted(found[0].numel())} an image ({shape} for {images}), the data has {classes} "
            "classes: give it as many, perhaps by --arg"
        )
    return found.flatten(1)


def _counted(outputs: int) -> str:
    return f"{outputs} output{'s' * (outputs != 1)}"


def placed(model: nn.Module, device: torch.device, layout: torch.memory_format) -> Any:
    """The model moved to a device, with its filters in a memory format."""
    if layout == torch.contiguous_format:
        return model.to(device)
    return model.to(device, memory_format=layout)  # type: ignore[call-overload]

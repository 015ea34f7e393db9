"""Everything that a network stores, also what its own ``state_dict`` leaves out (frozen parts, say)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn


def whole_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Its ``state_dict`` with all parameters and persistent buffers, by name; not copied."""
    return {**model.state_dict(), **dict(_tensors(model))}


def left_out(model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters and persistent buffers, by name, that its own ``state_dict`` leaves out; not copied."""
    stored = model.state_dict()
    return {name: tensor for name, tensor in _tensors(model) if name not in stored}


@torch.no_grad()
def give_state(model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Copy what ``whole_state`` of another instance returned.

    Raises LookupError for other names, RuntimeError for other shapes.
    """
    if other := whole_state(model).keys() ^ state.keys():
        raise LookupError(f"another network's state: {min(other)}")
    model.load_state_dict(state, strict=False)
    for name, tensor in left_out(model).items():
        tensor.copy_(state[name])


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for path, module in model.named_modules(remove_duplicate=False):
        dot = f"{path}." if path else ""
        persistent = {k: v for k, v in module._buffers.items() if k not in module._non_persistent_buffers_set}
        for name, tensor in {**module._parameters, **persistent}.items():
            if tensor is not None:
                yield dot + name, tensor.detach()

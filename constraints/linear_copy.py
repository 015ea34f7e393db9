"""Copy a model with weights under which gradients neither cancel nor vanish, for measurements by gradients."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from constraints.model_state import copied, parts


def positive_like(shape: torch.Size, seed: int) -> torch.Tensor:
    """Random values between 0.5 and 1.5."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5


def positive(model: nn.Module) -> nn.Module:
    """A float64 copy in eval mode with positive random weights that average their inputs; buffers are kept."""
    copy = copied(model)
    found = parts(copy)  # unregistered ones too, which ``double()`` and ``eval()`` do not reach
    for module in found.registered.values():
        module.training = False
    for module in found.modules.values():
        for kept in (module._buffers, module.__dict__):
            doubled = {k: v.double() for k, v in kept.items() if isinstance(v, torch.Tensor) and _is_single(v)}
            kept.update(doubled)
    parameters = {id(p): p for m in found.modules.values() for p in m._parameters.values() if p is not None}
    for seed, parameter in enumerate(parameters.values()):
        if is_lazy(parameter):
            continue
        parameter.requires_grad_(False)
        if parameter.is_floating_point():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
            parameter.data = positive_like(parameter.shape, seed) / max(fan_in, 1)
    return copy


def _is_single(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and not is_lazy(tensor)

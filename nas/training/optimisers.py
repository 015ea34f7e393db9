"""From a recipe's phase to torch's optimisers, which step together."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nas.training.muon import Muon
from nas.training.recipes import Phase, Recipe
from nas.training.uncompiled import SGD, Adam, AdamW

SCALE = "lr_scale"
"""The key of an optimiser's group that says how many times the schedule's rate its parameters learn at."""


class Optimisers:
    """The optimisers of a recipe's phase: one, or Muon on the dense filters and SGD on everything else.

    Muon is Jordan et al., Muon: An optimizer for hidden layers in neural networks (2024): an update of a matrix is
    made orthogonal. A filter bank is a matrix with one row an output channel. The first convolution and the
    classifier are no hidden layers. ``capturable`` keeps rates on the device, as a CUDA graph needs.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, number: int = 0, *, capturable: bool = False) -> None:
        """For the phase ``number``; weight decay spares tensors of one axis or none: norms and biases."""
        phase = recipe.phases[number]
        self.filters = hidden_filters(model) if phase.optimiser == "muon" else []
        self.matrices = [_matrix(weight) for weight in self.filters]
        spared = {id(weight) for weight in self.filters}
        rest = [p for p in model.parameters() if p.requires_grad and id(p) not in spared]
        scale = phase.rest_lr / phase.peak_lr if phase.optimiser == "muon" and phase.peak_lr else 1.0
        groups: list[dict[str, Any]] = [
            {"params": [p for p in rest if p.ndim > 1], "weight_decay": _decay(phase), SCALE: scale},
            {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0, SCALE: scale * recipe.norm_bias_lr},
        ]
        groups = [group for group in groups if group["params"]]
        self.is_real = all(p.is_floating_point() for p in rest)
        capturable = capturable and self.is_real
        if capturable:  # each group's rate in a place of its own on the device
            groups = [{**group, "lr": torch.tensor(phase.peak_lr, device=_device(model))} for group in groups]
        self.members = [_elementwise(groups, phase, fused=self.is_real, capturable=capturable)] if groups else []
        if self.matrices:
            group = {"params": self.matrices, SCALE: 1.0}
            self.members.append(
                Muon([group], lr=phase.peak_lr, momentum=phase.momentum, weight_decay=phase.weight_decay)
            )

    @property
    def is_capturable(self) -> bool:
        """Whether a step may be part of a CUDA graph: Muon's and that of complex weights read the rate on the host."""
        return self.is_real and not self.matrices

    def set_rate(self, rate: float) -> None:
        """Set the rate of the next step; each group takes its multiple of it."""
        for member in self.members:
            for group in member.param_groups:
                if isinstance(group["lr"], torch.Tensor):
                    group["lr"].fill_(rate * group[SCALE])
                else:
                    group["lr"] = rate * group[SCALE]

    def clear(self) -> None:
        """Drop the gradients."""
        for weight in self.filters:
            weight.grad = None
        for member in self.members:
            member.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Update the weights by their gradients."""
        for matrix, weight in zip(self.matrices, self.filters, strict=True):
            matrix.grad = None if weight.grad is None else _flat(weight.grad, like=weight)
        for member in self.members:
            member.step()

    def state(self) -> list[dict[str, Any]]:
        """Everything that the next step depends on beside weights and gradients."""
        return [member.state_dict() for member in self.members]

    def restore(self, states: list[dict[str, Any]]) -> None:
        """Go back to where ``states`` were taken."""
        for member, state in zip(self.members, states, strict=True):
            member.load_state_dict(state)


def hidden_filters(model: nn.Module) -> list[torch.Tensor]:
    """Weights of the ungrouped convolutions, those of the first and of the classifier aside."""
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hidden = [m for m in layers[1:-1] if isinstance(m, nn.Conv2d) and m.groups == 1 and m.out_channels > 1]
    weights = [m.weight for m in hidden if isinstance(m.weight, nn.Parameter) and m.weight.requires_grad]
    return list(dict.fromkeys(weights))  # layers may share one


def _matrix(weight: torch.Tensor) -> nn.Parameter:
    """The same memory as a matrix, one row an output channel, its columns in the order of that memory."""
    return nn.Parameter(_flat(weight.detach(), like=weight))


def _flat(tensor: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:
    """Rows of a filter bank's values, in the order of ``like``; of ``like`` itself a view."""
    if like.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).flatten(1)
    return tensor.flatten(1)


def _elementwise(groups: list[dict[str, Any]], phase: Phase, *, fused: bool, capturable: bool) -> torch.optim.Optimizer:
    if phase.optimiser in ("sgd", "muon"):
        nesterov = phase.nesterov and phase.momentum > 0
        return SGD(groups, lr=phase.peak_lr, momentum=phase.momentum, nesterov=nesterov, fused=fused)
    kind = Adam if phase.optimiser == "adam" else AdamW
    return kind(groups, lr=phase.peak_lr, fused=fused, capturable=capturable)


def _decay(phase: Phase) -> float:
    return phase.rest_weight_decay if phase.optimiser == "muon" else phase.weight_decay


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device

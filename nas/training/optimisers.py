"""Creates torch's optimisers for a recipe's phase and steps them together."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nas.training.options.updates import SCALE
from nas.training.recipes import Recipe


class Optimisers:
    """The optimisers of a recipe's phase: one, or Muon on the dense filters and SGD on everything else.

    Muon is Jordan et al., Muon: An optimizer for hidden layers in neural networks (2024): an update of a matrix is
    made orthogonal. A filter bank is a matrix with one row an output channel. The first convolution and the
    classifier are no hidden layers. ``capturable`` keeps rates on the device, as a CUDA graph needs.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, number: int = 0, *, capturable: bool = False) -> None:
        """Create the optimisers of phase ``number``."""
        phase = recipe.phases[number]
        self.filters = hidden_filters(model) if phase.optimiser == "muon" else []
        self.matrices = [_matrix(weight) for weight in self.filters]
        spared = {id(weight) for weight in self.filters}
        self.weights = [p for p in model.parameters() if p.requires_grad]
        rest = [p for p in self.weights if id(p) not in spared]
        groups = recipe.groups(rest, decay=phase.elementwise_decay, scale=phase.elementwise_scale)
        self.is_real = all(p.is_floating_point() for p in rest)
        capturable = capturable and self.is_real
        if capturable:  # each group's rate is its own tensor on the device
            groups = [{**group, "lr": torch.tensor(phase.peak_lr, device=_device(model))} for group in groups]
        self.members = [phase.elementwise(groups, fused=self.is_real, capturable=capturable)] if groups else []
        if self.matrices:
            self.members.append(phase.orthogonal([{"params": self.matrices, SCALE: 1.0}]))

    @property
    def is_capturable(self) -> bool:
        """Whether a step may be part of a CUDA graph; Muon and complex weights need the rate on the host."""
        return self.is_real and not self.matrices

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next step; each group uses its multiple of it."""
        for member in self.members:
            for group in member.param_groups:
                if isinstance(group["lr"], torch.Tensor):
                    group["lr"].fill_(rate * group[SCALE])
                else:
                    group["lr"] = rate * group[SCALE]

    def clear(self) -> None:
        """Drop the gradients."""
        for weight in (*self.weights, *self.matrices):
            weight.grad = None

    def step(self) -> None:
        """Update the weights by their gradients."""
        for matrix, weight in zip(self.matrices, self.filters, strict=True):
            matrix.grad = None if weight.grad is None else _flat(weight.grad, like=weight)
        for member in self.members:
            member.step()

    def state(self) -> list[dict[str, Any]]:
        """Everything that the next step depends on, except weights and gradients."""
        return [member.state_dict() for member in self.members]

    def restore(self, states: list[dict[str, Any]]) -> None:
        """Restore what ``state`` returned."""
        for member, state in zip(self.members, states, strict=True):
            member.load_state_dict(state)


def hidden_filters(model: nn.Module) -> list[torch.Tensor]:
    """Weights of the ungrouped convolutions, except the first one and the classifier."""
    hidden = _hidden(model).values()
    weights = [m.weight for m in hidden if isinstance(m.weight, nn.Parameter) and m.weight.requires_grad]
    return list(dict.fromkeys(weights))  # layers may share one


def computed_filters(model: nn.Module) -> list[str]:
    """Names of such convolutions whose weights are computed from others (weight norm, say), which Muon leaves alone."""
    return [name for name, layer in _hidden(model).items() if not isinstance(layer.weight, nn.Parameter)]


def _hidden(model: nn.Module) -> dict[str, nn.Conv2d]:
    layers = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return {name: m for name, m in layers[1:-1] if isinstance(m, nn.Conv2d) and m.groups == 1 and m.out_channels > 1}


def _matrix(weight: torch.Tensor) -> nn.Parameter:
    """The same memory as a matrix with one row per output channel, its columns in memory order."""
    return nn.Parameter(_flat(weight.detach(), like=weight))


def _flat(tensor: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:
    """A filter bank as one row per output channel, in the memory order of ``like``; a view if it is ``like`` itself."""
    if like.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).flatten(1)
    return tensor.flatten(1)


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device

"""Options of an update: which weights learn how fast, what is done with gradients, and the average of the weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.training.options.option import option

if TYPE_CHECKING:
    from torch import nn

    from nas.training.averaging import Average
    from nas.training.optimisers import Optimisers

SCALE = "lr_scale"
"""The key of an optimiser's group that says how many times the schedule's rate its parameters learn at."""


@dataclass(frozen=True, kw_only=True)
class UpdateOptions:
    """How a step changes the weights, whatever optimiser makes the update."""

    ema_decay: float = option(
        0.0, "decay a step of the weights' moving average, which is what is evaluated; 0 is none",
        low=0, high=1, below=True, tune=(0.9, 0.999),
    )  # fmt: skip
    norm_bias_lr: float = option(
        1.0, "how many times as fast norms and biases learn (tensors of one axis or none)", low=0, factor=4
    )

    def groups(self, weights: Iterable[nn.Parameter], *, decay: float, scale: float) -> list[dict[str, Any]]:
        """The groups of an optimiser of ``weights``; ``decay`` spares norms and biases. No group is empty."""
        weights = list(weights)
        matrices, vectors = [p for p in weights if p.ndim > 1], [p for p in weights if p.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": decay, SCALE: scale},
            {"params": vectors, "weight_decay": 0.0, SCALE: scale * self.norm_bias_lr},
        ]
        return [group for group in groups if group["params"]]

    def average_of(self, model: nn.Module) -> Average | None:
        """The moving average of a network's weights; None for none."""
        from nas.training.averaging import Average

        return Average(model, self.ema_decay) if self.ema_decay else None

    def update(self, optimisers: Optimisers, average: Average | None) -> None:
        """Change the optimisers' ``weights`` by their gradients, and move the average."""
        optimisers.step()
        if average is not None:
            average.update()

"""Options of an update: learning rates of groups of weights, and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.training.options.declaration import option

if TYPE_CHECKING:
    from torch import nn

    from nas.training.averaging import Average
    from nas.training.optimisers import Optimisers

SCALE = "lr_scale"
"""Key in an optimiser's parameter group: the factor on the schedule's learning rate."""


@dataclass(frozen=True, kw_only=True)
class UpdateOptions:
    """How a step changes the weights, independent of the optimiser."""

    ema_decay: float = option(
        0.0, "decay a step of the weights' moving average, which is what is evaluated; 0 is none",
        low=0, high=1, below=True, tune=(0.9, 0.999),
    )  # fmt: skip
    norm_bias_lr: float = option(
        1.0, "how many times as fast norms and biases learn (tensors of one axis or none)", low=0, factor=4
    )
    halved_norm: bool = option(
        False, "where two threads share a step, batch norm has statistics of each one's images, so neither waits"
    )

    def groups(self, weights: Iterable[nn.Parameter], *, decay: float, scale: float) -> list[dict[str, Any]]:
        """An optimiser's parameter groups for ``weights``; norms and biases have no ``decay``. No group is empty."""
        weights = list(weights)
        matrices, vectors = [p for p in weights if p.ndim > 1], [p for p in weights if p.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": decay, SCALE: scale},
            {"params": vectors, "weight_decay": 0.0, SCALE: scale * self.norm_bias_lr},
        ]
        return [group for group in groups if group["params"]]

    def average_of(self, model: nn.Module) -> Average | None:
        """The moving average of a network's weights; None where the recipe has none."""
        from nas.training.averaging import Average

        return Average(model, self.ema_decay) if self.ema_decay else None

    def update(self, optimisers: Optimisers, average: Average | None) -> None:
        """Update the weights by their gradients, then update the average."""
        optimisers.step()
        if average is not None:
            average.update()

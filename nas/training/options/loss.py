"""Options of the loss: label smoothing, and distillation from a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.training.options.declaration import option

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """The targets of the loss, and their weights."""

    label_smoothing: float = option(
        0.0, "share of each label that is spread over all classes", low=0, high=1, below=True, tune=(0.0, 0.2)
    )
    distillation: float = option(0.0, "share of a teacher in the loss", low=0, high=1, tune=(0.0, 1.0))
    temperature: float = option(
        4.0, "what both logits are divided by before the teacher's part", low=0, above=True, tune=(1.0, 8.0)
    )

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, targets: torch.Tensor | None) -> torch.Tensor:
        """The mean loss of a batch: logits (batch x classes) against labels and, with a teacher, its logits."""
        from torch.nn import functional as F

        from nas.training.teacher import distilled

        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        if targets is None:
            return loss
        return distilled(loss, logits, targets, weight=self.distillation, temperature=self.temperature)

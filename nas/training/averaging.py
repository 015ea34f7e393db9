"""The exponential moving average of a network's weights, which is evaluated in place of the weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from constraints.model_state import copied
from nas.architecture.whole_state import give_state, whole_state


class Average:
    """A network whose floating-point state is a moving average of another's; early steps have a lower decay.

    The decay is 1/10, 2/11, ... up to ``decay``, as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Start as a copy of ``model``."""
        self.model = copied(model)
        self.decay, self.steps = decay, 0
        state = whole_state(model)
        pairs = [(_real(averaged), _real(state[name])) for name, averaged in whole_state(self.model).items()]
        distinct = {(a.data_ptr(), a.storage_offset(), a.shape, a.stride()): (a, now) for a, now in pairs}
        self._pairs = list(distinct.values())  # a weight that two layers share is averaged once
        endless = [averaged for averaged, _ in self._pairs if not averaged.isfinite().all()]
        self._copied = {id(averaged) for averaged in endless}  # infinities, as of a mask, have no average
        self._taken = torch.ones((), dtype=torch.float32, device=next(iter(state.values())).device)

    def advance(self) -> None:
        """Count a step, which sets the decay of the next update."""
        kept = min((self.steps + 1) / (self.steps + 10), self.decay) if self.steps else 0.0
        self._taken.fill_(1 - kept)
        self.steps += 1

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the network's current weights; may be part of a CUDA graph."""
        for averaged, current in self._pairs:
            if averaged.is_floating_point() and id(averaged) not in self._copied:
                averaged.lerp_(current, self._taken)
            else:
                averaged.copy_(current)  # integers too, such as a count of batches

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on."""
        return {"weights": whole_state(self.model), "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what ``state`` returned."""
        give_state(self.model, state["weights"])
        self.steps = state["steps"]


def _real(tensor: torch.Tensor) -> torch.Tensor:
    """A view of complex numbers as pairs of real ones; any other tensor as it is."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor

"""A guess by arithmetic of how accurate a network gets in a short training: which of several to try first.

The guess is linear in a few features. Its weights were fitted to measured learning curves, and rank networks that they
were not fitted to better than their multiply-accumulates do (docs/search.md has both rank correlations).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from constraints.metrics import Metrics
from nas.architecture.spec import Architecture
from nas.architecture.units import Conv

Guess = Callable[[Architecture, Metrics], float]
"""Greater for what is worth trying first; values mean nothing else."""


def features(network: Architecture, figures: Metrics) -> dict[str, float]:
    """What the guess looks at: logarithms to base 2, and shares of the convolutions."""
    convs = [placed for placed in network.placed if isinstance(placed.unit, Conv)]
    residual = [placed for placed in convs if network.stages[placed.stage][placed.block].residual]
    dense = [unit for _, _, unit, _, _ in convs if isinstance(unit, Conv) and unit.kernel > 1 == unit.groups]
    return {
        "params": math.log2(figures.params),
        "macs": math.log2(figures.macs),
        "receptive_field": math.log2(figures.receptive_field or 1),
        "last_map": math.log2(min(convs[-1].output[1:])),
        "first_width": math.log2(convs[0].output[0]),
        "residual": len(residual) / len(convs),
        "dense": len(dense) / len(convs),
        "dilated": figures.dilated_convs / len(convs),
    }


@dataclass(frozen=True)
class Prior:
    """A weighted sum of the features; a feature without a weight counts nothing.

    It was fitted to networks of fewer than ``macs`` multiply-accumulates and knows nothing of dearer ones.
    """

    weights: Mapping[str, float]
    macs: float = math.inf

    def __call__(self, network: Architecture, figures: Metrics) -> float:
        """The guess for one network; the lowest for what it knows nothing of."""
        if figures.macs >= self.macs:
            return -math.inf
        return sum(self.weights.get(name, 0.0) * value for name, value in features(network, figures).items())


FITTED = Prior(
    MappingProxyType(
        {
            "params": 0.00973,
            "macs": 0.00718,
            "receptive_field": -0.01648,
            "last_map": 0.00224,
            "first_width": 0.03778,
            "residual": 0.10733,
            "dense": 0.04005,
            "dilated": 0.03599,
        }
    ),
    macs=40_000_000,
)
"""What ``python -m benchmarks.prior`` printed for CIFAR-10 (JPEG copy)."""

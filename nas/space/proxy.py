"""A zero-cost proxy: predicts the accuracy of a network after a short training, without training it.

It chooses which networks to try first. It is linear in a few features, minus a price for training time. Its weights
were fitted to measured learning curves, and rank held-out networks better than multiply-accumulates do:
docs/measurements/search.md has both correlations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from nas.architecture.spec import Architecture
from nas.space.proxy_features import ProxyFeatures

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LinearProxy:
    """A weighted sum of features, minus ``price`` per doubling of training time; a feature without weight is ignored.

    The time is a weighted sum of the work. Both were fitted to networks with fewer than ``macs`` multiply-accumulates;
    larger networks get minus infinity.
    """

    weights: Mapping[str, float]
    seconds: Mapping[str, float] = field(default_factory=lambda: {"any": 1.0})
    price: float = 0.0
    macs: float = math.inf

    def __call__(self, network: Architecture) -> float:
        """The proxy of one network."""
        return float(self.of(ProxyFeatures.of([network]))[0])

    def of(self, features: ProxyFeatures) -> Floats:
        """The proxy of each network; only the order of values is meaningful."""
        worth = _sum(self.weights, features.accuracy) - self.price * np.log2(self.predicted_seconds(features))
        return np.where(features.macs >= self.macs, -np.inf, worth)

    def predicted_seconds(self, features: ProxyFeatures) -> Floats:
        """Predicted training time for the epochs that the proxy was fitted to, up to a factor per machine."""
        return np.asarray(_sum(self.seconds, features.work), dtype=np.float64)


def _sum(weights: Mapping[str, float], values: Mapping[str, Floats]) -> Floats | float:
    return sum(weights.get(name, 0.0) * value for name, value in values.items())


PRICE = 0.02
"""Gain in accuracy that justifies twice the training time."""

FITTED = LinearProxy(
    MappingProxyType(
        {
            "whitened": 0.04599,
            "residual": 0.09298,
            "dilated": -0.04635,
            "convs": -0.07822,
            "params": 0.0114,
            "macs": 0.01133,
        }
    ),
    MappingProxyType(
        {
            "any": 24.86267,
            "standard": 1.46074,
            "dilated": 2.46224,
            "grouped": 3.29184,
            "depthwise": 43.07836,
            "pointwise": 3.07375,
        }
    ),
    PRICE,
    macs=40_000_000,
)
"""What ``python -m benchmarks.prior`` printed for CIFAR-10 (JPEG copy), trained on one thread of a processor."""

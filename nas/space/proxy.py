"""A zero-cost proxy: the accuracy of a network after a short training, predicted by arithmetic.

It chooses which networks to try first. It is linear in a few features, less what the training costs. Its weights were
fitted to measured learning curves, and rank networks that they were not fitted to better than their
multiply-accumulates do: docs/measurements/search.md has both correlations.
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
    """A weighted sum of the features, less ``price`` for every doubling of the time; what has no weight counts nothing.

    The time is a weighted sum of the work. Both were fitted to networks of fewer than ``macs`` multiply-accumulates;
    larger ones get minus infinity.
    """

    weights: Mapping[str, float]
    seconds: Mapping[str, float] = field(default_factory=lambda: {"any": 1.0})
    price: float = 0.0
    macs: float = math.inf

    def __call__(self, network: Architecture) -> float:
        """The proxy of one network."""
        return float(self.of(ProxyFeatures.of([network]))[0])

    def of(self, features: ProxyFeatures) -> Floats:
        """The proxy of each network; only the order of its values has a meaning."""
        worth = _sum(self.weights, features.accuracy) - self.price * np.log2(self.predicted_seconds(features))
        return np.where(features.macs >= self.macs, -np.inf, worth)

    def predicted_seconds(self, features: ProxyFeatures) -> Floats:
        """What a training of the length that the proxy was fitted to takes, up to a factor of the machine."""
        return np.asarray(_sum(self.seconds, features.work), dtype=np.float64)


def _sum(weights: Mapping[str, float], values: Mapping[str, Floats]) -> Floats | float:
    return sum(weights.get(name, 0.0) * value for name, value in values.items())


PRICE = 0.02
"""Accuracy by which a candidate must be better where its training takes twice as long."""

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

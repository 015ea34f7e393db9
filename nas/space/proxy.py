"""A zero-cost proxy: what a network is worth after a short training, predicted by arithmetic.

It chooses which networks to try first. It is linear in a few features, less what the training costs. Its weights were
fitted to measured learning curves, and rank networks that they were not fitted to better than their
multiply-accumulates do: docs/measurements/search.md has both correlations.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from constraints.metrics import Metrics
from nas.architecture.spec import Architecture, Placed

Proxy = Callable[[Architecture, Metrics], float]
"""Greater for networks to try first; only the order of its values has a meaning."""


def features(network: Architecture, metrics: Metrics) -> dict[str, float]:
    """The features that predict the accuracy: logarithms to base 2, and shares of the convolutions.

    ``whitened`` is 1 where the first convolution has as many filters as a patch has values: the default recipe then
    begins with a whitening one.
    """
    convs = _convs(network)
    first, channels = convs[0], convs[0].input[0]
    conv = first.unit.convolutions(channels)[0]
    residual = [placed for placed in convs if network.stages[placed.stage][placed.block].residual]
    return {
        "whitened": float(conv.groups == 1 and first.output[0] >= channels * conv.kernel**2),
        "residual": len(residual) / len(convs),
        "dilated": metrics.dilated_convs / len(convs),
        "convs": math.log2(len(convs)),
        "params": math.log2(metrics.params),
        "macs": math.log2(metrics.macs),
    }


def work(network: Architecture) -> dict[str, float]:
    """Million multiply-accumulates of an image by the kind of convolution, which cost differently; ``any`` is 1."""
    found: Counter[str] = Counter()
    for placed in _convs(network):
        conv = placed.unit.convolutions(placed.input[0])[0]
        kind = "dilated" if conv.dilation > 1 and conv.groups == 1 else placed.unit.kind(placed.input[0])
        found[kind] += placed.unit.macs(placed.input)
    kinds = ("standard", "dilated", "grouped", "depthwise", "pointwise")
    return {"any": 1.0} | {kind: found[kind] / 1e6 for kind in kinds}


def _convs(network: Architecture) -> list[Placed]:
    """The units of the kinds that the proxy was fitted to, each call of a block anew."""
    kinds = {"standard", "grouped", "depthwise", "pointwise", "gated"}
    known = (placed for placed in network.placed if placed.unit.kind(placed.input[0]) in kinds)
    return [placed for placed in known for _ in range(placed.calls)]


@dataclass(frozen=True)
class LinearProxy:
    """A weighted sum of the features, less ``price`` for every doubling of the time; what has no weight counts nothing.

    The time is a weighted sum of ``work``. Both were fitted to networks of fewer than ``macs`` multiply-accumulates;
    larger ones get minus infinity.
    """

    weights: Mapping[str, float]
    seconds: Mapping[str, float] = field(default_factory=lambda: {"any": 1.0})
    price: float = 0.0
    macs: float = math.inf

    def __call__(self, network: Architecture, metrics: Metrics) -> float:
        """The proxy of one network; minus infinity from ``macs`` multiply-accumulates on."""
        if metrics.macs >= self.macs:
            return -math.inf
        seconds = predicted_seconds(self, network)
        return _sum(self.weights, features(network, metrics)) - self.price * math.log2(seconds)


def predicted_seconds(proxy: LinearProxy, network: Architecture) -> float:
    """What a training of the length that ``proxy`` was fitted to takes, up to a factor of the machine."""
    return _sum(proxy.seconds, work(network))


def _sum(weights: Mapping[str, float], values: Mapping[str, float]) -> float:
    return sum(weights.get(name, 0.0) * value for name, value in values.items())


PRICE = 0.02
"""Accuracy that a candidate must be worth more where its training takes twice as long."""

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
            "any": 39.50902,
            "standard": 1.43612,
            "dilated": 2.30692,
            "grouped": 2.64615,
            "depthwise": 31.24089,
            "pointwise": 6.68063,
        }
    ),
    PRICE,
    macs=40_000_000,
)
"""What ``python -m benchmarks.prior`` printed for CIFAR-10 (JPEG copy), trained on one thread of a processor."""

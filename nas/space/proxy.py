"""A zero-cost proxy: what a network is worth after a short training, predicted by arithmetic.

It chooses which networks to try first. It is linear in a few features, less what the training costs. Its weights were
fitted to measured learning curves, and rank networks that they were not fitted to better than their
multiply-accumulates do: docs/measurements/search.md has both correlations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from constraints.metrics import Metrics
from nas.architecture.spec import Architecture, Placed
from nas.architecture.units import Convolution

Proxy = Callable[[Architecture, Metrics], float]
"""Greater for networks to try first; only the order of its values has a meaning."""
_KINDS = frozenset({"standard", "grouped", "depthwise", "pointwise", "gated"})
"""Of units that the proxy was fitted to."""


def features(network: Architecture, metrics: Metrics) -> dict[str, float]:
    """The features that predict the accuracy: logarithms to base 2, and shares of the convolutions.

    ``whitened`` is 1 where the first convolution has as many filters as a patch has values: the default recipe then
    begins with a whitening one.
    """
    return _features(_convs(network), network, metrics)


def _features(convs: Sequence[_Conv], network: Architecture, metrics: Metrics) -> dict[str, float]:
    first, _, conv = convs[0]
    residual = sum(network.stages[placed.stage][placed.block].residual for placed, _, _ in convs)
    return {
        "whitened": float(conv.groups == 1 and first.output[0] >= first.input[0] * conv.kernel**2),
        "residual": residual / len(convs),
        "dilated": metrics.dilated_convs / len(convs),
        "convs": math.log2(len(convs)),
        "params": math.log2(metrics.params),
        "macs": math.log2(metrics.macs),
    }


def work(network: Architecture) -> dict[str, float]:
    """Million multiply-accumulates of an image by the kind of convolution, which cost differently; ``any`` is 1."""
    return _work(_convs(network))


def _work(convs: Sequence[_Conv]) -> dict[str, float]:
    found = dict.fromkeys(("standard", "dilated", "grouped", "depthwise", "pointwise", "gated"), 0)
    for placed, kind, conv in convs:
        found["dilated" if conv.dilation > 1 and conv.groups == 1 else kind] += placed.unit.macs(placed.input)
    del found["gated"]
    return {"any": 1.0} | {kind: macs / 1e6 for kind, macs in found.items()}


class _Conv(NamedTuple):
    """A call of a unit of a kind that the proxy was fitted to."""

    placed: Placed
    kind: str
    conv: Convolution
    """Its convolution, the first of several."""


def _convs(network: Architecture) -> list[_Conv]:
    found: list[_Conv] = []
    for placed in network.placed:
        channels = placed.input[0]
        kind = placed.unit.kind(channels)
        if kind in _KINDS:
            found += [_Conv(placed, kind, placed.unit.convolutions(channels)[0])] * placed.calls
    return found


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
        convs = _convs(network)
        seconds = _sum(self.seconds, _work(convs))
        return _sum(self.weights, _features(convs, network, metrics)) - self.price * math.log2(seconds)


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

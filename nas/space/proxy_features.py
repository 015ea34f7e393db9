"""The inputs of the proxy, computed by arithmetic: features that predict accuracy, and work that predicts time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nas.architecture.spec import Architecture, Placed
from nas.space.analytic import metrics

Array = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_KINDS = ("standard", "grouped", "depthwise", "pointwise", "gated")
"""The kinds of convolutions that the proxy was fitted to."""


class ConvTotals(NamedTuple):
    """Sums over the convolutions, of the fitted kinds, in a network or a part of one.

    Numbers, or arrays with one number per network. A component counts once per call.
    """

    convs: Any = 0
    residual: Any = 0
    """Convolutions in residual blocks."""
    standard: Any = 0
    """Multiply-accumulates per image, as the following fields; the kinds differ in time per operation."""
    dilated: Any = 0
    """Of dense and 1x1 convolutions with dilation above 1."""
    grouped: Any = 0
    depthwise: Any = 0
    """Counted as if without stride, since reading the input takes the time."""
    pointwise: Any = 0
    whitened: Any = 0
    """Not a sum: 1 where the first convolution has enough filters for the default recipe to whiten it."""


def conv_totals(network: Architecture) -> ConvTotals:
    """The totals of one network."""
    found = dict.fromkeys(ConvTotals._fields, 0)
    for placed in network.placed:
        channels = placed.input[0]
        kind = placed.component.kind(channels)
        if kind not in _KINDS:
            continue
        conv = placed.component.convolutions(channels)[0]
        if not found["convs"]:
            found["whitened"] = int(conv.groups == 1 and placed.output[0] >= channels * conv.kernel**2)
        found["convs"] += placed.calls
        found["residual"] += placed.calls * bool(network.stages[placed.stage][placed.block].residual)
        work = "dilated" if conv.dilation > 1 and conv.groups == 1 else kind
        if work in found:  # gated convolutions were not fitted
            found[work] += placed.calls * (
                _read(placed) if work == "depthwise" else placed.component.macs(placed.input)
            )
    return ConvTotals(**found)


def _read(placed: Placed) -> int:
    """Multiply-accumulates of a depthwise component if it had stride 1."""
    return math.prod(placed.input) * placed.component.convolutions(placed.input[0])[0].kernel ** 2


@dataclass(frozen=True, kw_only=True)
class ProxyFeatures:
    """The inputs of the proxy for n networks, as arrays of n."""

    accuracy: Mapping[str, Floats]
    """Features that predict accuracy: logarithms to base 2, and shares of the convolutions."""
    work: Mapping[str, Floats]
    """Million multiply-accumulates per image by kind of convolution, and ``any``, the constant 1."""
    macs: Array

    @classmethod
    def made(cls, totals: ConvTotals, params: Array, macs: Array, dilated_convs: Array) -> ProxyFeatures:
        """From totals and three metrics; zero convolutions count as one, so that logarithms are finite."""
        convs = np.maximum(totals.convs, 1)
        accuracy = {
            "whitened": totals.whitened * 1.0,
            "residual": totals.residual / convs,
            "dilated": dilated_convs / convs,
            "convs": np.log2(convs),
            "params": np.log2(params),
            "macs": np.log2(macs),
        }
        kinds = ("standard", "dilated", "grouped", "depthwise", "pointwise")
        work = {"any": np.ones(len(macs))} | {kind: getattr(totals, kind) / 1e6 for kind in kinds}
        return cls(accuracy=accuracy, work=work, macs=macs)

    @classmethod
    def of(cls, networks: Sequence[Architecture]) -> ProxyFeatures:
        """For several networks, not necessarily of one space."""
        totals = np.array([conv_totals(network) for network in networks], dtype=np.int64)
        found = [metrics(network) for network in networks]
        three = np.array([(one.params, one.macs, one.dilated_convs) for one in found], dtype=np.int64)
        return cls.made(ConvTotals(*totals.T), *three.T)

    def rows(self, names: Sequence[str]) -> Floats:
        """(n, names): the features of ``accuracy`` that have these names."""
        return np.column_stack([np.asarray(self.accuracy[name], dtype=np.float64) for name in names])

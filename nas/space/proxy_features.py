"""What the proxy looks at, by arithmetic: features that predict the accuracy, and the work that takes the time."""

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
"""Of units that the proxy was fitted to."""


class ConvTotals(NamedTuple):
    """Sums over the convolutions of a network, or of a part of one: of units of the kinds that the proxy was fitted to.

    Numbers, or arrays with a number for each of several networks. A unit counts once a call.
    """

    convs: Any = 0
    residual: Any = 0
    """Those in residual blocks."""
    standard: Any = 0
    """Multiply-accumulates of an image, as the following ones: the kinds cost differently."""
    dilated: Any = 0
    """Of dense and of 1x1 convolutions with a dilation over 1."""
    grouped: Any = 0
    depthwise: Any = 0
    """As if it did not stride: it takes as long as its input takes to read."""
    pointwise: Any = 0
    whitened: Any = 0
    """No sum: 1 where the first convolution has as many filters as a patch has values: the default recipe then begins
    with a whitening one."""


def conv_totals(network: Architecture) -> ConvTotals:
    """The totals of one network."""
    found = dict.fromkeys(ConvTotals._fields, 0)
    for placed in network.placed:
        channels = placed.input[0]
        kind = placed.unit.kind(channels)
        if kind not in _KINDS:
            continue
        conv = placed.unit.convolutions(channels)[0]
        if not found["convs"]:
            found["whitened"] = int(conv.groups == 1 and placed.output[0] >= channels * conv.kernel**2)
        found["convs"] += placed.calls
        found["residual"] += placed.calls * bool(network.stages[placed.stage][placed.block].residual)
        work = "dilated" if conv.dilation > 1 and conv.groups == 1 else kind
        if work in found:  # what a gated one takes was not fitted
            found[work] += placed.calls * (_read(placed) if work == "depthwise" else placed.unit.macs(placed.input))
    return ConvTotals(**found)


def _read(placed: Placed) -> int:
    """Multiply-accumulates of a depthwise unit at every place of its input."""
    return math.prod(placed.input) * placed.unit.convolutions(placed.input[0])[0].kernel ** 2


@dataclass(frozen=True, kw_only=True)
class ProxyFeatures:
    """Of n networks: arrays of n."""

    accuracy: Mapping[str, Floats]
    """What predicts the accuracy: logarithms to base 2, and shares of the convolutions."""
    work: Mapping[str, Floats]
    """Million multiply-accumulates of an image by the kind of convolution, and ``any``, which is 1."""
    macs: Array

    @classmethod
    def made(cls, totals: ConvTotals, params: Array, macs: Array, dilated_convs: Array) -> ProxyFeatures:
        """From the totals and three of the metrics; a network without such a convolution counts as one with one."""
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
        """Of several networks, which need not be of a space."""
        totals = np.array([conv_totals(network) for network in networks], dtype=np.int64)
        found = [metrics(network) for network in networks]
        three = np.array([(one.params, one.macs, one.dilated_convs) for one in found], dtype=np.int64)
        return cls.made(ConvTotals(*totals.T), *three.T)

    def rows(self, names: Sequence[str]) -> Floats:
        """(n, names): the features of ``accuracy`` that have these names."""
        return np.column_stack([np.asarray(self.accuracy[name], dtype=np.float64) for name in names])

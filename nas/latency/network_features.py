"""Features that predict a network's latency: calls, multiply-accumulates and values moved, by kind of layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import prod

from nas.architecture.components import Convolution
from nas.architecture.spec import Architecture, Placed

KERNELS = (3, 5, 7)
"""Depthwise kernels with separate weights; any other kernel counts as the nearest of these."""


def features(network: Architecture) -> defaultdict[str, float]:
    """Name -> amount; the time of a network is modelled as a weighted sum of them, since its layers run one by one.

    ``calls`` is the number of layers of a kind, ``macs`` their multiply-accumulates and ``values`` the values that they
    read and write, both in millions.
    """
    found: defaultdict[str, float] = defaultdict(float, network=1.0)
    for placed in network.placed:
        for kind, macs, values in _parts(placed):
            found[f"{kind} calls"] += placed.calls
            found[f"{kind} macs"] += placed.calls * macs / 1e6
            found[f"{kind} values"] += placed.calls * values / 1e6
    for kind, values in (*_sums(network), *_head(network)):
        found[f"{kind} calls"] += 1
        found[f"{kind} values"] += values / 1e6
    return found


def _parts(placed: Placed) -> Iterator[tuple[str, int, int]]:
    """(kind, multiply-accumulates, values read and written) of each operation of a component."""
    component, read, written = placed.component, prod(placed.input), prod(placed.output)
    convolutions = component.convolutions(placed.input[0])
    made = written * (2 if component.kind(placed.input[0]) == "gated" else 1)
    areas = sum(c.kernel**2 for c in convolutions)
    for c in convolutions:
        share = c.kernel**2 / areas
        yield _kind(c), round(component.macs(placed.input) * share), (read + made) // len(convolutions)
    if not convolutions and not component.gates:
        yield component.kind(placed.input[0]), 0, read + written
    if len(convolutions) > 1:
        yield "joined", 0, 2 * made
    if component.gates:
        yield "gate", component.macs(placed.input), read + written
    if component.kind(placed.input[0]) == "gated":
        yield "product", 0, made + written
    for name in getattr(component, "post", ()):
        yield name, 0, 2 * made


def _kind(c: Convolution) -> str:
    dilated = " dilated" * (c.dilation > 1)
    if c.is_depthwise:
        return f"depthwise {min(KERNELS, key=lambda kernel: abs(kernel - c.kernel))}{dilated}"
    if c.groups > 1:
        return f"grouped{dilated}"
    return "pointwise" if c.kernel == 1 else f"dense{dilated}"


def _sums(network: Architecture) -> Iterator[tuple[str, int]]:
    """Each residual sum with the values that it reads and writes."""
    first = {(p.stage, p.block): p for p in reversed(network.placed)}
    for (stage, block), placed in first.items():
        if network.stages[stage][block].residual:
            yield from [("sum", 3 * prod(placed.input))] * placed.calls


def _head(network: Architecture) -> Iterator[tuple[str, int]]:
    yield "pool", prod(network.last_map)
    if network.head != "gap":
        yield network.head, network.last_map[0] * network.classes

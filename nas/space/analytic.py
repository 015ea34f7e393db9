"""Computes an Architecture's metrics without building it; the definitions are those of constraints.metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from math import prod
from typing import Any, NamedTuple

from constraints.metrics import Metrics
from constraints.rules import Constraint
from constraints.stages import Place, split
from nas.architecture.components import Convolution
from nas.architecture.spec import Architecture, Block, HeadKind, Placed, Shape

FLOAT32_BYTES = INT32_BYTES = 4


class Added(NamedTuple):
    """Metrics that are sums over a network's layers."""

    params: int = 0
    macs: int = 0
    receptive_field: int = 0
    """Receptive field minus 1, in input pixels."""
    convs: int = 0
    dilated_convs: int = 0
    depthwise_convs: int = 0
    depthwise_separable_convs: int = 0
    fully_connected: int = 0
    weight_bytes_int8: int = 0


class Greatest(NamedTuple):
    """Metrics that are maxima over a network's layers."""

    global_context: int = 0
    peak_activation_bytes: int = 0
    ram_bytes: int = 0


SCALED: Mapping[str, tuple[str, Fraction]] = {
    "weight_bytes": ("params", Fraction(4)),
    "weight_bytes_float16": ("params", Fraction(2)),
    "peak_activation_bytes_int8": ("peak_activation_bytes", Fraction(1, FLOAT32_BYTES)),
}
"""Metrics that are a constant multiple of another metric in every network of a space."""


@dataclass(frozen=True, kw_only=True)
class ChainMetrics:
    """The metrics of a chain of layers."""

    added: Added
    greatest: Greatest
    path: tuple[Place, ...] = ()


def combined(*chains: ChainMetrics) -> ChainMetrics:
    """The metrics of successive chains; all receptive fields are in pixels of the first chain's input."""
    return ChainMetrics(
        added=Added(*map(sum, zip(*(chain.added for chain in chains), strict=True))),
        greatest=Greatest(*map(max, zip(*(chain.greatest for chain in chains), strict=True))),
        path=tuple(conv for chain in chains for conv in chain.path),
    )


def metrics(architecture: Architecture, constraints: Iterable[Constraint] = ()) -> Metrics:
    """Every metric of tracing the built network, from shapes alone; ``constraints`` decide how stages are split."""
    found = combined(body(architecture), head(architecture.head, architecture.last_map, architecture.classes))
    added = found.added._asdict()
    reach = added.pop("receptive_field") + 1
    per_stage = split(found.path, constraints).convs_per_stage
    return Metrics(
        **added,
        trainable_params=found.added.params,
        receptive_field=reach,
        receptive_field_hw=(reach, reach),
        global_context=bool(found.greatest.global_context),
        peak_activation_bytes=found.greatest.peak_activation_bytes,
        ram_bytes=found.greatest.ram_bytes,
        flash_bytes=found.added.weight_bytes_int8,
        **scaled(added | found.greatest._asdict()),
        global_average_pools=1,
        max_pools=0,
        stages=len(per_stage),
        convs_per_stage=per_stage,
        downsampled_by=downsampled_by(architecture),
    )


def board_metrics(architecture: Architecture) -> dict[str, int]:
    """The metrics that a leaderboard shows, as in ``metrics``, in a fraction of its time."""
    placed = architecture.placed
    ending = head(architecture.head, architecture.last_map, architecture.classes).added
    return {
        "params": _params(architecture) + ending.params,
        "macs": sum(p.component.macs(p.input) * p.calls for p in placed) + ending.macs,
        "receptive_field": receptive_field(architecture)[0],
    }


def scaled(found: Mapping[str, int]) -> dict[str, int]:
    """The metrics of SCALED, computed from the metrics that they are multiples of."""
    return {name: int(found[base] * factor) for name, (base, factor) in SCALED.items()}


def body(architecture: Architecture) -> ChainMetrics:
    """The metrics of the stages."""
    placed = architecture.placed
    of_components = [p.component.convolutions(p.input[0]) for p in placed]
    convolutions = [convolution for component in of_components for convolution in component]
    pairs, path = _main_path(architecture, of_components)
    params = _params(architecture)
    int8 = params + 3 * sum(p.component.vectors(p.input[0]) for p in placed)
    peak, in_place = _peaks(architecture)
    return ChainMetrics(
        added=Added(
            params=params,
            macs=sum(p.component.macs(p.input) * p.calls for p in placed),
            receptive_field=receptive_field(architecture)[0] - 1,
            convs=len(convolutions),
            dilated_convs=sum(c.dilation > 1 for c in convolutions),
            depthwise_convs=sum(c.is_depthwise for c in convolutions),
            depthwise_separable_convs=pairs,
            weight_bytes_int8=int8,
        ),
        greatest=Greatest(
            global_context=any(p.component.gates for p in placed),
            peak_activation_bytes=FLOAT32_BYTES * peak,
            ram_bytes=in_place,
        ),
        path=path,
    )


def head(kind: HeadKind, last_map: Shape, classes: int) -> ChainMetrics:
    """The metrics of the global pool, which costs nothing, and of the layers after it."""
    channels = last_map[0]
    is_layer = kind != "gap"
    peak = max(prod(last_map) + channels, channels + is_layer * classes)
    added = Added(
        params=is_layer * (channels + 1) * classes,
        macs=is_layer * channels * classes,
        convs=int(kind == "conv"),
        fully_connected=int(kind == "fc"),
        weight_bytes_int8=is_layer * (channels + INT32_BYTES) * classes,
    )
    return ChainMetrics(added=added, greatest=Greatest(peak_activation_bytes=FLOAT32_BYTES * peak, ram_bytes=peak))


def _params(architecture: Architecture) -> int:
    """Number of parameters of the stages."""
    return sum(p.component.params(p.input[0]) for p in architecture.placed) + _scales(architecture)


def _scales(architecture: Architecture) -> int:
    """Number of parameters of the learned scales of residual blocks."""
    first = {(p.stage, p.block): p.input[0] for p in reversed(architecture.placed)}
    return sum(channels for (s, b), channels in first.items() if architecture.stages[s][b].scaled)


def receptive_field(architecture: Architecture) -> tuple[int, int]:
    """Size of the field in input pixels, and the jump (Araujo, Norris and Sim, Distill 2019, equations 1 to 4).

    Output i sees [jump*i + low, jump*i + high]; a residual sum sees the hull of both branches. Each further call
    of a block enlarges the field.
    """
    low = high = 0
    jump = 1
    for stage in architecture.stages:
        for block in (one for one in stage for _ in range(one.calls)):
            skipped = low, high
            for component in block.components:
                before, after, stride = component.reach()
                low += before * jump
                high += after * jump
                jump *= stride
            if block.residual:
                low, high = min(low, skipped[0]), max(high, skipped[1])
    return high - low + 1, jump


def _main_path(
    architecture: Architecture, of_components: Iterable[Sequence[Convolution]]
) -> tuple[int, tuple[Place, ...]]:
    """Number of depthwise convolutions that reach a pointwise one (are separable), and the main path's convolutions.

    Parallel convolutions are one place, which is dilated where one of them is. Calling a block again adds no place, but
    its last depthwise convolution may then reach its first pointwise one.
    """
    convolutions_of = iter(of_components)
    places: list[Sequence[Convolution]] = []
    ended: set[tuple[int, int]] = set()
    """(place of a depthwise convolution, that of a pointwise one that it reaches)."""
    before: int | None = None  # the depthwise place whose result has only passed norms and activations since
    for block, members in _blocks(architecture):
        components = [(placed.component.gates, next(convolutions_of)) for placed in members]
        first = len(places)
        places += (convolutions for _, convolutions in components if convolutions)
        for _ in range(min(block.calls, 2)):  # a third call adds no pair that the second does not
            place = first
            for gates, convolutions in components:
                if gates:
                    before = None  # a gate ends the direct path from a depthwise to a pointwise convolution
                if not convolutions:
                    continue
                if before is not None and convolutions[0].is_pointwise:
                    ended.add((before, place))
                before = place if any(c.is_depthwise for c in convolutions) else None
                place += 1
            if block.residual:
                before = None
    pairs = sum(c.is_depthwise for place in {depthwise for depthwise, _ in ended} for c in places[place])
    halves = {pointwise for _, pointwise in ended}
    return pairs, tuple(_place(several, counts=i not in halves) for i, several in enumerate(places))


def _place(convolutions: Sequence[Convolution], *, counts: bool) -> Place:
    first, is_dilated = convolutions[0], any(c.dilation > 1 for c in convolutions)
    return Place(counts, first.kernel > 1 or is_dilated, first.stride > 1, is_dilated)


def downsampled_by(architecture: Architecture) -> tuple[Any, ...]:
    """Input size over the size of the last map, per axis; whole numbers as integers."""
    ratios = [side / left for side, left in zip(architecture.input[1:], architecture.last_map[1:], strict=True)]
    return tuple(int(r) if r.is_integer() else r for r in ratios)


def _peaks(architecture: Architecture) -> tuple[int, int]:
    """Most values alive at once in the stages; a value lives from the operation that makes it to its last reader.

    The second number is the same with elementwise operations in place. The input of a residual block lives until it is
    added; then the block's result and, unless in place, the sum are alive too.
    """
    peaks = [_block_peaks(block, members) for block, members in _blocks(architecture)]
    return max(peak for peak, _ in peaks), max(in_place for _, in_place in peaks)


def _block_peaks(block: Block, members: Iterable[Placed]) -> tuple[int, int]:
    skipped = peak = in_place = 0
    for i, placed in enumerate(members):
        if block.residual and i == 0:
            skipped = prod(placed.input)
        shapes, is_held = (placed.input, placed.output), block.residual and i == 0
        reading, following = placed.component.peak(*shapes, is_held=is_held)
        reading_in_place, following_in_place = placed.component.peak_in_place(*shapes, is_held=is_held)
        held = skipped if i else 0  # the first component's input is the skipped map itself
        peak = max(peak, held + reading, skipped + following)
        in_place = max(in_place, held + reading_in_place, skipped + following_in_place)
    return max(peak, 3 * skipped), max(in_place, 2 * skipped)


def _blocks(architecture: Architecture) -> Iterator[tuple[Block, Iterator[Placed]]]:
    for (stage, block), members in groupby(architecture.placed, key=lambda p: (p.stage, p.block)):
        yield architecture.stages[stage][block], members

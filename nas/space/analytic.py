"""An Architecture's metrics by arithmetic, without building it; definitions as in constraints.metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from math import prod
from typing import Any, NamedTuple

from constraints.metrics import Metrics
from nas.architecture.spec import Architecture, Block, Conv, Excite, Mixed, Placed

FLOAT32_BYTES = 4


class Step(NamedTuple):
    """A convolution of the main path, which of several side by side takes the first."""

    counts: bool
    """The pointwise half of a depthwise-separable pair does not."""
    is_spatial: bool
    is_strided: bool
    is_dilated: bool


def metrics(architecture: Architecture) -> Metrics:
    """Every metric that tracing the built network gives, from shapes alone."""
    placed = architecture.placed
    convolutions = [c for p in placed for c in p.unit.convolutions(p.input[0])]
    pairs, path = main_path(architecture)
    reach, _ = receptive_field(architecture)
    params = body_params(architecture) + head_params(architecture)
    per_stage = convs_per_stage(path)
    return Metrics(
        params=params,
        trainable_params=params,
        macs=sum(p.unit.macs(p.input) for p in placed) + _head_macs(architecture),
        receptive_field=reach,
        receptive_field_hw=(reach, reach),
        global_context=any(isinstance(p.unit, Excite) for p in placed),
        convs=len(convolutions) + (architecture.head == "conv"),
        dilated_convs=sum(c.dilation > 1 for c in convolutions),
        depthwise_convs=sum(c.is_depthwise for c in convolutions),
        depthwise_separable_convs=pairs,
        global_average_pools=1,
        max_pools=0,
        fully_connected=int(architecture.head == "fc"),
        stages=len(per_stage),
        convs_per_stage=per_stage,
        downsampled_by=downsampled_by(architecture),
        peak_activation_bytes=max(body_peak_bytes(architecture), head_peak_bytes(architecture)),
    )


def body_params(architecture: Architecture) -> int:
    """Parameters of the stages: convolutions, norms, gates and residual scales."""
    first = {(p.stage, p.block): p.input[0] for p in reversed(architecture.placed)}
    scales = sum(n for (s, b), n in first.items() if architecture.stages[s][b].scaled)
    return sum(p.unit.params(p.input[0]) for p in architecture.placed) + scales


def head_params(architecture: Architecture) -> int:
    """Parameters after the global pool."""
    return 0 if architecture.head == "gap" else (architecture.last_map[0] + 1) * architecture.classes


def _head_macs(architecture: Architecture) -> int:
    return 0 if architecture.head == "gap" else architecture.last_map[0] * architecture.classes


def receptive_field(architecture: Architecture) -> tuple[int, int]:
    """Size of the field in input pixels, and the jump (Araujo, Norris and Sim, Distill 2019, equations 1 to 4).

    Output unit i sees [jump*i + low, jump*i + high]; a residual sum sees the hull of what its two branches see.
    """
    low = high = 0
    jump = 1
    for stage in architecture.stages:
        for block in stage:
            skipped = low, high
            for unit in block.units:
                before, after, stride = unit.reach()
                low += before * jump
                high += after * jump
                jump *= stride
            if block.residual:
                low, high = min(low, skipped[0]), max(high, skipped[1])
    return high - low + 1, jump


def main_path(architecture: Architecture) -> tuple[int, list[Step]]:
    """Number of depthwise convolutions that reach a pointwise one unmixed, and the steps of the main path."""
    pairs = open_pairs = 0
    steps = []
    for block, members in _blocks(architecture):
        for placed in members:
            convolutions = placed.unit.convolutions(placed.input[0])
            if isinstance(placed.unit, Excite):
                open_pairs = 0  # what a gate scales is not handed on unmixed
                continue
            ends_pair = convolutions[0].is_pointwise and open_pairs > 0
            pairs += open_pairs if ends_pair else 0
            first = convolutions[0]
            steps.append(Step(not ends_pair, first.kernel > 1, first.stride > 1, first.dilation > 1))
            open_pairs = sum(c.is_depthwise for c in convolutions)
        if block.residual:
            open_pairs = 0
    return pairs, steps


def convs_per_stage(path: Sequence[Step]) -> tuple[int, ...]:
    """Convolutions of each stage; a stage ends with a strided one, where nothing strides with a dilated one.

    Spatial convolutions after the last end make a stage more; 1x1 ones alone belong to the output.
    """
    ends = [i for i, step in enumerate(path) if step.is_strided]
    ends = ends or [i for i, step in enumerate(path) if step.is_dilated]
    after = ends[-1] + 1 if ends else 0
    tail = any(step.is_spatial for step in path[after:])
    bounds = [0, *(end + 1 for end in ends), *([len(path)] if tail else [])]
    return tuple(sum(step.counts for step in path[a:b]) for a, b in pairwise(bounds))


def downsampled_by(architecture: Architecture) -> tuple[Any, ...]:
    """Input size over the size of the last map, per axis; whole numbers as integers."""
    ratios = [side / left for side, left in zip(architecture.input[1:], architecture.last_map[1:], strict=True)]
    return tuple(int(r) if r.is_integer() else r for r in ratios)


def body_peak_bytes(architecture: Architecture) -> int:
    """Largest sum of maps alive at once in the stages: each from the operation that makes it to the last that reads it.

    The input of a residual block is held until it is added, where the block's result and the sum are alive too.
    """
    return FLOAT32_BYTES * max(_block_peak(block, list(members)) for block, members in _blocks(architecture))


def head_peak_bytes(architecture: Architecture) -> int:
    """The same from the last map to the logits."""
    channels = architecture.last_map[0]
    logits = architecture.classes if architecture.head != "gap" else 0
    return FLOAT32_BYTES * max(prod(architecture.last_map) + channels, channels + logits)


def _block_peak(block: Block, members: Sequence[Placed]) -> int:
    skipped = prod(members[0].input) if block.residual else 0
    peak = 3 * skipped
    for i, placed in enumerate(members):
        held = skipped if i else 0  # the first unit's input is the skipped map itself
        peak = max(peak, held + _unit_peak(placed), skipped + _post_peak(placed))
        if isinstance(placed.unit, Mixed):
            peak = max(peak, held + _mixed_peak(placed.unit, placed, is_held=bool(skipped) and not i))
    return peak


def _unit_peak(placed: Placed) -> int:
    """While the unit's own operation reads its input and writes its result."""
    before, after = prod(placed.input), prod(placed.output)
    if isinstance(placed.unit, Excite):
        return before + after + placed.input[0]
    if isinstance(placed.unit, Mixed):
        return 0
    return before + after * placed.unit.filters // placed.unit.out


def _post_peak(placed: Placed) -> int:
    """While norm, activation or product follow, the unit's input no longer alive."""
    after = prod(placed.output)
    if isinstance(placed.unit, Excite):
        return 0
    if isinstance(placed.unit, Conv) and placed.unit.gated:
        return (4 if placed.unit.post else 3) * after
    if "tanhexp" in placed.unit.post:
        return 3 * after
    return 2 * after if placed.unit.post else 0


def _mixed_peak(unit: Mixed, placed: Placed, *, is_held: bool) -> int:
    """Parts are made one after another and then joined; the input lives until the last part has read it."""
    n = len(unit.parts)
    before, after = prod(placed.input), prod(placed.output)
    passes = is_held or any(part.kernel == 1 for part in unit.parts)
    peak = made = 0
    for i, part in enumerate(unit.parts):
        if part.kernel == 1:
            continue
        pooled = before // n if part.pool > 1 else 0
        is_read = passes or i < n - 1 or not pooled
        peak = max(peak, before + made + pooled, before * is_read + made + pooled + after // n)
        made += after // n
    return max(peak, before * passes + made + after)


def _blocks(architecture: Architecture) -> Iterator[tuple[Block, Iterator[Placed]]]:
    for (stage, block), members in groupby(architecture.placed, key=lambda p: (p.stage, p.block)):
        yield architecture.stages[stage][block], members

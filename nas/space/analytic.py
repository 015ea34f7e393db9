"""An Architecture's figures by arithmetic, without building it; definitions as in constraints.metrics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from math import prod

from constraints.metrics import Metrics
from nas.architecture.spec import Architecture, Placed

FLOAT32_BYTES = 4


def metrics(architecture: Architecture) -> Metrics:
    """Every figure that tracing the built network gives, from shapes alone."""
    placed = tuple(architecture.walk())
    pairs = _separable_pairs(architecture, placed)
    reach = _receptive_field(architecture)
    params = _params(architecture, placed)
    per_stage = _convs_per_stage(placed, pairs)
    return Metrics(
        params=params,
        trainable_params=params,
        macs=_macs(architecture, placed),
        receptive_field=reach,
        receptive_field_hw=(reach, reach),
        global_context=False,
        convs=len(placed) + (architecture.head == "conv"),
        dilated_convs=sum(p.conv.dilation > 1 for p in placed),
        depthwise_convs=sum(_is_depthwise(p) for p in placed),
        depthwise_separable_convs=len(pairs),
        global_average_pools=1,
        max_pools=0,
        fully_connected=int(architecture.head == "fc"),
        stages=len(per_stage),
        convs_per_stage=per_stage,
        downsampled_by=_downsampled_by(architecture),
        peak_activation_bytes=_peak_activation_bytes(architecture, placed),
    )


def _params(architecture: Architecture, placed: Sequence[Placed]) -> int:
    """Weights of the convolutions, scale and shift of each batch norm, and the head with its bias."""
    total = sum(p.conv.weights(p.input[0]) + 2 * p.conv.out * ("batch_norm" in p.conv.post) for p in placed)
    return total + _head_macs(architecture) + (architecture.classes if architecture.head != "gap" else 0)


def _macs(architecture: Architecture, placed: Sequence[Placed]) -> int:
    """Every output unit of a convolution costs kernel area times the channels of its group."""
    total = sum(prod(p.output) * (p.input[0] // p.conv.groups) * p.conv.kernel**2 for p in placed)
    return total + _head_macs(architecture)


def _head_macs(architecture: Architecture) -> int:
    return 0 if architecture.head == "gap" else architecture.last_map[0] * architecture.classes


def _receptive_field(architecture: Architecture) -> int:
    """Size of the field in input pixels (Araujo, Norris and Sim, Distill 2019, equations 1 to 4).

    Output unit i sees [jump*i + low, jump*i + high]; a residual sum sees the hull of what its two branches see.
    """
    low = high = 0
    jump = 1
    for stage in architecture.stages:
        for block in stage:
            skipped = low, high
            for conv in block.convs:
                low -= conv.pad * jump
                high += (conv.dilation * (conv.kernel - 1) - conv.pad) * jump
                jump *= conv.stride
            if block.residual:
                low, high = min(low, skipped[0]), max(high, skipped[1])
    return high - low + 1


def _is_depthwise(placed: Placed) -> bool:
    return placed.conv.groups == placed.input[0] > 1


def _separable_pairs(architecture: Architecture, placed: Sequence[Placed]) -> dict[int, int]:
    """Index of each depthwise convolution -> index of the pointwise one that its result reaches unmixed."""
    pairs = {}
    for i, (this, following) in enumerate(pairwise(placed)):
        pointwise = following.conv.kernel == 1 and following.conv.groups == 1
        block_ends = (this.stage, this.block) != (following.stage, following.block)
        added = block_ends and architecture.stages[this.stage][this.block].residual
        if _is_depthwise(this) and pointwise and not added:
            pairs[i] = i + 1
    return pairs


def _convs_per_stage(placed: Sequence[Placed], pairs: dict[int, int]) -> tuple[int, ...]:
    """Convolutions of each stage; a stage ends with a strided one, where nothing strides with a dilated one.

    Spatial convolutions after the last end make a stage more; 1x1 ones alone belong to the output.
    """
    ends = [i for i, p in enumerate(placed) if p.conv.stride > 1]
    ends = ends or [i for i, p in enumerate(placed) if p.conv.dilation > 1]
    after = ends[-1] + 1 if ends else 0
    tail = any(p.conv.kernel > 1 for p in placed[after:])
    bounds = [0, *(end + 1 for end in ends), *([len(placed)] if tail or not ends else [])]
    seconds = set(pairs.values())
    return tuple(sum(i not in seconds for i in range(*span)) for span in pairwise(bounds))


def _downsampled_by(architecture: Architecture) -> tuple[float, ...]:
    ratios = [side / left for side, left in zip(architecture.input[1:], architecture.last_map[1:], strict=True)]
    return tuple(int(r) if r.is_integer() else r for r in ratios)


def _peak_activation_bytes(architecture: Architecture, placed: Sequence[Placed]) -> int:
    """Largest sum of maps alive at once: a layer's result is made while its input is held, from birth to last use.

    The input of a residual block is held until it is added, where the result of the block and the sum are alive too.
    """
    peak = 0
    for (stage, block), convs in groupby(placed, key=lambda p: (p.stage, p.block)):
        members = list(convs)
        residual = architecture.stages[stage][block].residual
        skipped = prod(members[0].input) if residual else 0
        for i, p in enumerate(members):
            before, after = prod(p.input), prod(p.output)
            held = skipped if i else 0
            peak = max(peak, held + before + after, (skipped + 2 * after) if p.conv.post else 0)
        peak = max(peak, 3 * skipped)
    channels = architecture.last_map[0]
    last, pooled = (
        prod(architecture.last_map),
        channels + (architecture.classes if architecture.head != "gap" else 0),
    )
    return FLOAT32_BYTES * max(peak, last + channels, pooled)

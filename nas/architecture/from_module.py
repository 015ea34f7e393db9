"""nn.Module -> Architecture, for chains of convolutions, norms, activations, gates and residual sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from constraints.errors import UnusableInputError
from constraints.tracer import trace
from nas.architecture.graph import Graph
from nas.architecture.model import build
from nas.architecture.reading import Reading, read
from nas.architecture.spec import DEFAULT_INPUT, Architecture, Block, Conv, Mixed, Shape, Stage, Unit

_TOLERANCE = 1e-4
_NOT_COMPARED = {"peak_activation_bytes", "trainable_params"}
"""Metrics that depend on how a forward pass is written, or on which weights are frozen: no part of an architecture."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A model's architecture, and its weights under the names of ``nas.architecture.model.build(architecture)``."""

    architecture: Architecture
    weights: dict[str, torch.Tensor]


def from_module(model: nn.Module, input_size: Sequence[int] = DEFAULT_INPUT) -> Architecture:
    """The architecture that ``model`` computes for images of ``input_size`` (channels, height, width).

    Layers that change nothing in eval mode (dropout), and a softmax at the end, are left out; stages end with the
    convolutions that stride, or where none does, with those that are dilated. The answer is proved before it is given:
    the architecture built, with the model's weights, gives the same outputs and the same metrics.

    Raises UnusableInputError naming the part that cannot be written down. What the model's own code raises goes
    through unchanged.
    """
    return import_module(model, input_size).architecture


def import_module(model: nn.Module, input_size: Sequence[int] = DEFAULT_INPUT) -> Imported:
    """As ``from_module``, with the weights."""
    if len(input_size) != 3:
        raise UnusableInputError(f"unusable input size: {tuple(input_size)}: give channels, height and width")
    shape = (input_size[0], input_size[1], input_size[2])
    traced = trace(model, shape)
    reading = read(Graph(model, shape))
    architecture = _architecture(reading, shape)
    made = build(architecture).eval()
    names = read(Graph(made, shape)).tensors
    state = model.state_dict()
    weights = made.state_dict() | {
        mine: state[theirs].detach().clone() for mine, theirs in zip(names, reading.tensors, strict=True)
    }
    made.load_state_dict(weights)
    _prove_outputs(model, made, reading, shape)
    _prove_figures(traced.metrics.as_dict(), trace(made, shape).metrics.as_dict())
    return Imported(architecture=architecture, weights=weights)


def _architecture(reading: Reading, shape: Shape) -> Architecture:
    stages = tuple(_stages(reading.blocks, shape[0]))
    return Architecture(stages=stages, head=reading.head, input=shape, classes=reading.classes)


def _stages(blocks: Sequence[Block], channels: int) -> list[Stage]:
    """Cut a chain where the metrics see the end of a stage; pointwise layers after the last one stay with it."""
    ends = _ends(blocks, channels, strided=True) or _ends(blocks, channels, strided=False)
    cuts = [0, *ends]
    stages = [tuple(blocks[a:b]) for a, b in pairwise(cuts)]
    rest = tuple(blocks[cuts[-1] :])
    if not stages or any(_is_spatial(block) for block in rest):
        return [*stages, rest]
    return [*stages[:-1], stages[-1] + rest]


def _ends(blocks: Sequence[Block], channels: int, *, strided: bool) -> list[int]:
    """Where stages end: behind each convolution that strides (or is dilated), and the 1x1 that completes it."""
    ends = []
    for i, block in enumerate(blocks, start=1):
        if any(_ends_stage(unit, channels, strided=strided) for unit in block.units):
            last = block.units[-1]
            is_half = isinstance(last, Mixed) or (isinstance(last, Conv) and last.kind(channels) == "depthwise")
            ends.append(i + (is_half and i < len(blocks) and _is_pointwise(blocks[i])))
        for unit in block.units:
            channels = unit.out if isinstance(unit, Conv) else channels
    return ends


def _ends_stage(unit: Unit, channels: int, *, strided: bool) -> bool:
    """Whether its convolution, of several side by side the first, strides or is dilated."""
    return any(c.stride > 1 if strided else c.dilation > 1 for c in unit.convolutions(channels)[:1])


def _is_pointwise(block: Block) -> bool:
    unit = block.units[0]
    return not block.residual and isinstance(unit, Conv) and unit.kernel == unit.groups == unit.stride == 1


def _is_spatial(block: Block) -> bool:
    return any(isinstance(u, Mixed) or (isinstance(u, Conv) and u.kernel > 1) for u in block.units)


def _prove_outputs(model: nn.Module, made: nn.Module, reading: Reading, shape: Shape) -> None:
    images = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    first = next(iter(model.parameters()))
    training = {name for name, module in model.named_modules() if module.training}
    try:
        with torch.no_grad():
            wanted = model.eval()(images.to(first)).cpu().float().flatten(1)
    finally:
        for name, module in model.named_modules():
            module.training = name in training
    with torch.no_grad():
        got = made(images)
    got = {"softmax": F.softmax, "log_softmax": F.log_softmax}[reading.softmax](got, 1) if reading.softmax else got
    if got.shape != wanted.shape or not torch.allclose(got, wanted, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise UnusableInputError(
            "no architecture can be written of this model: "
            f"{made} would give other outputs: write its forward pass as a plain chain"
        )


def _prove_figures(theirs: dict[str, object], ours: dict[str, object]) -> None:
    for name in theirs.keys() - _NOT_COMPARED:
        if theirs[name] != ours[name]:
            raise UnusableInputError(
                f"no architecture can be written of this model: {name} is {theirs[name]}, the architecture's would be "
                f"{ours[name]}: leave out what the forward pass does not use, and count each layer once"
            )

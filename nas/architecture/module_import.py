"""nn.Module -> Architecture, for chains of convolutions, norms, activations, gates and residual sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import torch
from torch import nn
from torch.nn import functional as F

from constraints.errors import UnusableInputError
from constraints.tracer import trace
from nas.architecture.components import Convolution
from nas.architecture.graph import Graph
from nas.architecture.model import build
from nas.architecture.reading import GraphReading, read
from nas.architecture.spec import DEFAULT_INPUT, Architecture, Shape, Stage

_TOLERANCE = 1e-4
_NOT_COMPARED = {
    "peak_activation_bytes", "peak_activation_bytes_int8", "ram_bytes", "weight_bytes_int8", "flash_bytes",
    "trainable_params", "weight_bytes", "weight_bytes_float16",
}  # fmt: skip
"""Metrics that depend on how a forward pass or a parameter is written, or on which weights are frozen, and so are no
part of an architecture; and multiples of the parameters."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A model's architecture, and its weights under the names of ``nas.architecture.model.build(architecture)``."""

    architecture: Architecture
    weights: dict[str, torch.Tensor]


def from_module(model: nn.Module, input_size: Sequence[int] = DEFAULT_INPUT) -> Architecture:
    """The architecture that ``model`` computes for images of ``input_size`` (channels, height, width).

    Layers that change nothing in eval mode (dropout), and a softmax at the end, are left out; stages end with the
    convolutions that stride, or where none does, with those that are dilated. The result is verified: the built
    architecture with the model's weights gives the same outputs and metrics.

    Raises UnusableInputError naming the part that cannot be written down. Errors of the model's own code are passed on
    unchanged.
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
    state = model.state_dict()
    weights = made.state_dict() | {
        mine: state[theirs].detach().clone() for mine, theirs in zip(_used(made), reading.tensors, strict=True)
    }
    made.load_state_dict(weights)
    _prove_outputs(model, made, reading, shape)
    _prove_metrics(traced.metrics.as_dict(), trace(made, shape).metrics.as_dict())
    return Imported(architecture=architecture, weights=weights)


def _used(made: nn.Module) -> list[str]:
    """Names of a built network's tensors in the order of use, which is the order in which modules are created."""
    return [name for name in made.state_dict() if not name.endswith("num_batches_tracked")]


def _architecture(reading: GraphReading, shape: Shape) -> Architecture:
    """The chain, cut into stages by stride, or where nothing strides by dilation."""
    whole = Architecture(stages=(tuple(reading.blocks),), head=reading.head, input=shape, classes=reading.classes)
    return replace(whole, stages=tuple(_stages(whole)))


def _stages(whole: Architecture) -> list[Stage]:
    """The stages of a chain of one; pointwise layers after the last end stay with it."""
    blocks = whole.stages[0]
    convolutions = [
        [p.component.convolutions(p.input[0]) for p in members]
        for _, members in groupby(whole.placed, lambda p: p.block)
    ]
    ends = _ends(blocks, convolutions, strided=True) or _ends(blocks, convolutions, strided=False)
    cuts = [0, *ends]
    stages = [blocks[a:b] for a, b in pairwise(cuts)]
    rest = blocks[cuts[-1] :]
    if not stages or any(
        c.kernel > 1 for components in convolutions[cuts[-1] :] for component in components for c in component
    ):
        return [*stages, rest]
    return [*stages[:-1], stages[-1] + rest]


Components = Sequence[tuple[Convolution, ...]]
"""The convolutions of each component of a block; parallel ones together."""


def _ends(blocks: Stage, convolutions: Sequence[Components], *, strided: bool) -> list[int]:
    """Where stages end: behind each convolution that strides (or is dilated), and the 1x1 that completes it."""
    ends = []
    for i, components in enumerate(convolutions, start=1):
        firsts = [
            component[0] for component in components if component
        ]  # of several side by side the metrics take the first
        if any(c.stride > 1 if strided else c.dilation > 1 for c in firsts):
            is_half = bool(components[-1]) and all(c.is_depthwise for c in components[-1])
            is_completed = is_half and i < len(blocks) and not blocks[i].residual and _is_pointwise(convolutions[i][0])
            ends.append(i + is_completed)
    return ends


def _is_pointwise(component: Sequence[Convolution]) -> bool:
    return bool(component) and component[0].is_pointwise and component[0].stride == 1


def _prove_outputs(model: nn.Module, made: nn.Module, reading: GraphReading, shape: Shape) -> None:
    images = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    first = next(iter(model.parameters()))
    training = {name for name, module in model.named_modules() if module.training}
    try:
        with torch.no_grad():
            model.eval()  # which returns nothing where the code overrides train() so
            wanted = model(images.to(first)).cpu().float().flatten(1)
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


def _prove_metrics(theirs: dict[str, object], ours: dict[str, object]) -> None:
    for name in theirs.keys() - _NOT_COMPARED:
        if theirs[name] != ours[name]:
            raise UnusableInputError(
                f"no architecture can be written of this model: {name} is {theirs[name]}, the architecture's would be "
                f"{ours[name]}: leave out what the forward pass does not use, and count each layer once"
            )

"""Computes the report on a network from its text, without building or tracing it; loads no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from math import isfinite, prod
from types import MappingProxyType
from typing import Any

from constraints.inputs import specs
from constraints.metrics import Layer
from constraints.receptive_field import Field
from constraints.report import Report
from constraints.rules import Constraint
from constraints.stages import STRUCTURE, Place, StageSplit, split
from constraints.verdicts import Verdict, judge
from nas.architecture import norm_act
from nas.architecture.spec import Architecture, Block, Placed
from nas.space import analytic

_ONE_OPERATION = tuple(name for name, entry in norm_act.TABLE.items() if not entry.operations)


def report_of(
    architecture: Architecture, constraints: Sequence[Constraint], own: Mapping[str, Any], target: str
) -> Report | None:
    """The report that ``constraints.check`` gives for the built network; ``own`` are metrics that were measured before.

    None where the network has to be built: it has components that this module does not support, or a constraint fails,
    whose fixes must be tried out.
    """
    if not all(_is_plain(block) for stage in architecture.stages for block in stage):
        return None
    body = list(_body(architecture))
    layers = (*body, *_head(architecture))
    path = _path(architecture, body)
    stages = split(path, constraints)
    metrics = _metrics(architecture, constraints, own)
    verdicts = judge(constraints, metrics, responsible=_responsible(layers, body[-1], path, stages))
    if not all(verdict.ok for verdict in verdicts):
        return None
    return Report(
        target=target,
        input=architecture.input,
        inputs=specs(architecture.input),
        output=(architecture.classes,),
        metrics=MappingProxyType(metrics),
        constraints=tuple(_with_ends(verdict, stages, constraints) for verdict in verdicts),
        layers=layers,
        stage_ends=tuple(stages.reasons().items()),
        stage_spans=stages.spans(),
    )


def _is_plain(block: Block) -> bool:
    """Whether a block has only convolutions with norms and activations of one operation, and is called once."""
    convs = all(
        component.is_one_convolution and {*component.followers} <= {*_ONE_OPERATION} for component in block.components
    )
    return convs and not block.scaled and block.calls == 1


def _body(architecture: Architecture) -> Iterator[Layer]:
    field = Field()
    for (s, b), members in groupby(architecture.placed, key=lambda placed: (placed.stage, placed.block)):
        block, skipped, name = architecture.stages[s][b], field, f"stages.c{s + 1}.{b}"
        for i, placed in enumerate(members):
            low, high, stride = placed.component.reach()
            field = field.window(high - low + 1, offset=low).every(stride)
            yield from _layers(placed, f"{name}.{i}" if block.residual else name, field)
            shape = placed.output
        if block.residual:
            field = field.hull(skipped) or field
            yield _seen(Layer(name=f"{name}.add", op="add", output=shape), field)


def _layers(placed: Placed, name: str, field: Field) -> Iterator[Layer]:
    """The layers of a convolution, its norm and its activation."""
    component, channels = placed.component, placed.input[0]
    (conv,) = component.convolutions(channels)
    sizes = [(size, size) for size in (conv.kernel, conv.stride, conv.dilation)]
    following = placed.output[0] * sum(norm_act.TABLE[name].params for name in component.followers)
    yield _seen(
        Layer(
            name=f"{name}.conv", op="conv2d", output=placed.output,
            params=component.params(channels) - following,
            macs=component.macs(placed.input),
            kernel=sizes[0], stride=sizes[1], dilation=sizes[2], groups=conv.groups,
        ),
        field,
    )  # fmt: skip
    for post in component.followers:
        kind = "norm" if norm_act.is_norm(post) else "act"
        output = (*placed.output[1:], placed.output[0]) if post == "layer_norm" else placed.output
        params = placed.output[0] * norm_act.TABLE[post].params
        yield _seen(Layer(name=f"{name}.{kind}", op=post, output=output, params=params), field)


def _seen(layer: Layer, field: Field) -> Layer:
    low, high = int(field.lo[0]), int(field.hi[0])
    size, jump = high - low + 1, float(field.jump)
    return replace(layer, receptive_field=(size, size), jump=(jump, jump), offset=(low, low))


def _head(architecture: Architecture) -> Iterator[Layer]:
    channels, classes = architecture.last_map[0], architecture.classes
    added = analytic.head(architecture.head, architecture.last_map, classes).added
    yield Layer(name="head.pool", op="mean", output=(channels, 1, 1))
    if architecture.head == "conv":
        one = (1, 1)
        yield Layer(
            name="head.conv", op="conv2d", output=(classes, 1, 1), params=added.params, macs=added.macs,
            kernel=one, stride=one, dilation=one,
        )  # fmt: skip
    if architecture.head == "fc":
        yield Layer(name="head.fc", op="linear", output=(classes,), params=added.params, macs=added.macs)


def _path(architecture: Architecture, body: Sequence[Layer]) -> tuple[Place, ...]:
    """The main path with the names of its convolutions."""
    names = [layer.name for layer in body if layer.kernel]
    places = analytic.body(architecture).path
    return tuple(place._replace(name=name) for place, name in zip(places, names, strict=True))


def _metrics(architecture: Architecture, constraints: Sequence[Constraint], own: Mapping[str, Any]) -> dict[str, Any]:
    size, jump = analytic.receptive_field(architecture)
    with_pool = size + (min(architecture.last_map[1:]) - 1) * jump
    metrics = analytic.metrics(architecture, constraints).as_dict() | dict(own)
    metrics["receptive_field_with_pool"] = with_pool
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in metrics.items()}


def _responsible(
    layers: Sequence[Layer], last: Layer, path: Sequence[Place], stages: StageSplit
) -> dict[str, tuple[str, ...]]:
    """The layers behind each metric."""
    convs = [layer for layer in layers if layer.kernel]
    depthwise = tuple(c.name for c in convs if c.groups > 1 and c.params and _is_depthwise(c))
    return {
        **dict.fromkeys(("receptive_field", "receptive_field_hw", "downsampled_by"), (last.name,)),
        "convs": tuple(c.name for c in convs),
        "dilated_convs": tuple(c.name for c in convs if max(c.dilation) > 1 and max(c.kernel) > 1),
        "depthwise_convs": depthwise,
        "depthwise_separable_convs": tuple(a.name for a, b in pairwise(path) if not b.counts),
        "global_average_pools": ("head.pool",),
        "fully_connected": tuple(layer.name for layer in layers if layer.op == "linear"),
        "stages": tuple(stages.reasons()),
        "convs_per_stage": tuple(place.name for place in path),
    }


def _is_depthwise(conv: Layer) -> bool:
    """Whether each group has one input channel: then an output value costs as many MACs as the kernel has elements."""
    rows, columns = conv.kernel
    channels, height, width = conv.output
    return conv.macs == rows * columns * channels * height * width


def _with_ends(verdict: Verdict, stages: StageSplit, rules: Sequence[Constraint]) -> Verdict:
    """The verdict, with the stages listed as in a check where dilated convolutions end stages in place of strides."""
    if verdict.name not in STRUCTURE or not stages.stand_ins:
        return verdict
    return replace(verdict, why=f"{verdict.why}; convolutions of the stages: {stages.words(rules)}")


def sizes_of(report: Report) -> tuple[int, int, int]:
    """Bytes in float32 of the input, of layer outputs (of layers with parameters, forward and backward), of parameters.

    By torchinfo's definitions, except that torchinfo's input also counts the overhead of the Python object.
    """
    outputs = sum(prod(layer.output) for layer in report.layers if layer.params)
    return 4 * prod(report.input), 2 * 4 * outputs, 4 * int(report.metrics["params"])

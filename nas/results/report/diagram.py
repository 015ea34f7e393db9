"""The diagram of a network by arithmetic: its layers with their shapes, costs and receptive fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from constraints.errors import UnusableInputError
from constraints.output.field_drawing import in_sight, middle
from constraints.receptive_field import Field
from nas.architecture.spec import Architecture, Block, Component, Placed, Shape, parse, split_word
from nas.space import analytic


@dataclass(frozen=True, kw_only=True)
class DrawnLayer:
    """One component of a network, with its norm and activation."""

    stage: int
    block: int
    word: str
    """Its word in the architecture's text, followed by ``x2`` if its block is called twice."""
    output: Shape
    params: int
    """A residual block's learned scale counts with its last layer."""
    macs: int
    """Sum over all calls of its block."""
    field: Field
    """Receptive field of its result in the last call of its block; that of a residual block's last layer includes the
    field of the block's input."""


def layers(architecture: Architecture) -> Iterator[DrawnLayer]:
    """The components of the stages in order, with the values that a trace of the built network gives."""
    words = [[split_word(block)[2] for block in stage.split("-")] for stage in str(architecture).split("/")[1:-1]]
    field = Field()
    for (s, b), members in groupby(architecture.placed, key=lambda p: (p.stage, p.block)):
        block, placed = architecture.stages[s][b], list(members)
        for _ in range(block.calls):
            fields = _fields(block, field)
            field = fields[-1]
        for i, one in enumerate(placed):
            params = one.component.params(one.input[0]) + _scale(block, placed) * (i == len(placed) - 1)
            word = words[s][b][i] + f" x{block.calls}" * (block.calls > 1)
            yield DrawnLayer(
                stage=s, block=b, word=word, output=one.output, params=params,
                macs=one.component.macs(one.input) * block.calls, field=fields[i],
            )  # fmt: skip


def _fields(block: Block, field: Field) -> list[Field]:
    """The receptive field of each component in one call of a block, where ``field`` is that of the block's input."""
    fields = [field]
    for component in block.components:
        fields.append(_seen(fields[-1], component))
    if block.residual:
        fields[-1] = fields[-1].hull(field) or fields[-1]
    return fields[1:]


def _seen(field: Field, component: Component) -> Field:
    """The field of a component's result; its output i depends on its input from stride*i + low to stride*i + high."""
    low, high, stride = component.reach()
    return field.window(high - low + 1, offset=low).every(stride)


def _scale(block: Block, placed: list[Placed]) -> int:
    return placed[0].input[0] if block.scaled else 0


def drawing(text: str) -> dict[str, Any]:
    """The diagram of a network's text as compact JSON values; only ``error`` where the text is not a network.

    ``layers`` holds [stage, block, word, [channels, height, width], params, macs, jump, side, x, y]: the receptive
    field of the map's middle unit is ``side`` pixels wide and high and starts at ``x`` and ``y``. ``box`` is the area
    that a drawing of the fields shows. ``residual`` lists the residual blocks as [stage, block].
    """
    try:
        architecture = parse(text)
    except (UnusableInputError, ValueError) as error:
        return {"error": str(error)}
    rows = [_row(layer) for layer in layers(architecture)]
    _, height, width = architecture.input
    head = analytic.head(architecture.head, architecture.last_map, architecture.classes)
    return {
        "input": architecture.input,
        "classes": architecture.classes,
        "head": [architecture.head, head.added.params],
        "residual": [
            [s, b] for s, stage in enumerate(architecture.stages) for b, block in enumerate(stage) if block.residual
        ],
        "layers": rows,
        "box": in_sight([(x, y, side, side) for *_, side, x, y in rows], width, height),
    }


def _row(layer: DrawnLayer) -> list[Any]:
    field = layer.field
    low, side = int(field.lo[0]), int(field.hi[0] - field.lo[0]) + 1
    _, rows, columns = layer.output
    seen = [field.jump, side, middle(low, field.jump, columns), middle(low, field.jump, rows)]
    return [layer.stage, layer.block, layer.word, layer.output, layer.params, layer.macs, *seen]

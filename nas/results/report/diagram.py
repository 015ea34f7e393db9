"""What a network looks like, by arithmetic: its layers with their shapes, costs and the pixels that they see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from constraints.errors import UnusableInputError
from constraints.output.drawing import in_sight, middle
from constraints.receptive_field import Field
from nas.architecture.spec import Architecture, Block, Placed, Shape, Unit, parse
from nas.space import analytic


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One unit of a network, with what follows it."""

    stage: int
    block: int
    word: str
    """In the words of the architecture's text."""
    output: Shape
    params: int
    """A residual block's learned scale counts with its last layer."""
    macs: int
    field: Field
    """What its units see of the input; the last layer of a residual block also sees what the block's input does."""


def layers(architecture: Architecture) -> Iterator[Layer]:
    """The units of the stages in order, as a trace of the built network finds them."""
    words = [
        [block.lstrip("+%").split(".") for block in stage.split("-")] for stage in str(architecture).split("/")[1:-1]
    ]
    field = Field()
    for (s, b), members in groupby(architecture.placed, key=lambda p: (p.stage, p.block)):
        block, placed = architecture.stages[s][b], list(members)
        skipped = field
        for i, one in enumerate(placed):
            field = _seen(field, one.unit)
            is_last = i == len(placed) - 1
            if block.residual and is_last:
                field = field.hull(skipped) or field
            params = one.unit.params(one.input[0]) + _scale(block, placed) * is_last
            yield Layer(
                stage=s, block=b, word=words[s][b][i], output=one.output, params=params, macs=one.unit.macs(one.input),
                field=field,
            )  # fmt: skip


def _seen(field: Field, unit: Unit) -> Field:
    """A unit's output i sees its input from stride*i + low to stride*i + high."""
    low, high, stride = unit.reach()
    return field.window(high - low + 1, offset=low).every(stride)


def _scale(block: Block, placed: list[Placed]) -> int:
    return placed[0].input[0] if block.scaled else 0


def drawing(text: str) -> dict[str, Any]:
    """The diagram of a network's text, ready for JSON and short; ``error`` alone where the text describes no network.

    ``layers`` holds [stage, block, word, [channels, height, width], params, macs, jump, side, x, y]: the middle unit
    sees ``side`` pixels along both axes from ``x`` and ``y`` on. ``box`` is what a drawing of these shows.
    ``residual`` names the blocks [stage, block] around which the input is added.
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


def _row(layer: Layer) -> list[Any]:
    field = layer.field
    low, side = int(field.lo[0]), int(field.hi[0] - field.lo[0]) + 1
    _, rows, columns = layer.output
    seen = [field.jump, side, middle(low, field.jump, columns), middle(low, field.jump, rows)]
    return [layer.stage, layer.block, layer.word, layer.output, layer.params, layer.macs, *seen]

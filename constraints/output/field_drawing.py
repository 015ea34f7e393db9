"""Draw the receptive field of each layer as a square over the input's pixels; no torch.

The HTML report of a study draws the same figure when a trial is chosen, with the same ``middle``, ``in_sight`` and
``CAPTION``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from constraints.findings import Findings
from constraints.metrics import Layer
from constraints.output.numbers import sides
from constraints.output.plain import html_text

CAPTION = "What the middle unit after each stage sees, over the {image} image; thin: after each layer."
_TIMES = "\N{MULTIPLICATION SIGN}"
_WIDTH = 480
"""Pixels on a screen where no style sheet says otherwise, as in a notebook."""
_MARGIN = 0.04
"""Margin around the squares, as a share of the larger side of the visible area."""
_LABEL = 1 / 24
"""Height of a label, as a share of the larger side of the visible area without its margin: 13 of 340 pixels."""
_COLOURS = 6
"""Number of stage colours, used in turn; the page's style defines them as ``--s1`` to ``--s6``."""
_USUAL = ("#7a5195", "#2f6fbf", "#0e8a8a", "#b4690e", "#c0392b", "#566173")
"""Colours where no style defines them, as in a notebook."""


@dataclass(frozen=True, kw_only=True)
class Square:
    """The input pixels that the middle unit of a layer sees."""

    layer: Layer
    stage: int
    """Number of its stage, from 0; layers after the last stage belong to the last one."""
    is_last: bool
    """Whether it is the last layer of its stage."""
    x: float
    y: float
    width: float
    height: float


Box = tuple[float, float, float, float]
"""Left, top, width and height in input pixels."""


def middle(offset: float, jump: float, units: int) -> float:
    """First pixel of the middle one of ``units`` units; unit 0 begins at ``offset``, each next one ``jump`` later."""
    return offset + jump * (units // 2)


def in_sight(squares: Sequence[Box], width: int, height: int) -> Box:
    """The box around all squares and the image, with a margin."""
    left, top = min(0.0, *(x for x, _, _, _ in squares)), min(0.0, *(y for _, y, _, _ in squares))
    right = max(width, *(x + wide for x, _, wide, _ in squares))
    bottom = max(height, *(y + high for _, y, _, high in squares))
    margin = _MARGIN * max(right - left, bottom - top)
    return left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin


def drawing(report: Findings) -> str:
    """A figure as SVG, every text escaped; empty where no layer's field is known over an image of two sides."""
    squares = _squares(report)
    if len(report.input) != 3 or not squares:
        return ""
    _, height, width = report.input
    sight = in_sight([(s.x, s.y, s.width, s.height) for s in squares], width, height)
    extent = max(sight[2:]) / (1 + 2 * _MARGIN)
    thin, box = extent / 500, " ".join(f"{n:g}" for n in sight)
    label = f"receptive field of the last map: {_size(squares[-1])} pixels over a {width}{_TIMES}{height} image"
    parts = [
        f'<figure><svg class="field" width="{_WIDTH}" viewBox="{box}" role="img" aria-label="{html_text(label)}">',
        f'<rect width="{width}" height="{height}" fill="none" stroke="gray" stroke-width="{3 * thin:g}"/>',
        *(_rectangle(square, thin) for square in squares),
        *_names([square for square in squares if square.is_last], extent),
        f"</svg><figcaption>{CAPTION.format(image=f'{width}{_TIMES}{height}')}</figcaption></figure>",
    ]
    return "\n".join(parts)


def _squares(report: Findings) -> list[Square]:
    """A square for every layer with a window and a known field, in order."""
    stages = _stages(report)
    known = [
        (layer, stage)
        for layer, stage in zip(report.layers, stages, strict=True)
        if layer.kernel and len(layer.output) == 3 and layer.receptive_field and layer.jump and _at(layer)
    ]
    return [
        _square(layer, stage, is_last=i + 1 == len(known) or known[i + 1][1] != stage)
        for i, (layer, stage) in enumerate(known)
    ]


def _at(layer: Layer) -> bool:
    return layer.offset is not None and len(layer.offset) == 2 and None not in layer.offset


def _square(layer: Layer, stage: int, *, is_last: bool) -> Square:
    """The square of a layer; unit i of an axis sees ``receptive_field`` pixels from ``offset + jump * i`` on."""
    fields, jumps, offsets = layer.receptive_field or (), layer.jump or (), layer.offset or ()
    y, x = (
        middle(offset or 0, jump, side) for offset, jump, side in zip(offsets, jumps, layer.output[1:], strict=True)
    )
    return Square(layer=layer, stage=stage, is_last=is_last, x=x, y=y, width=fields[1], height=fields[0])


def _stages(report: Findings) -> list[int]:
    """The stage number of each layer: a stage ends before the first layer of the next one."""
    begins: Sequence[str] = [span.first for span in report.stage_spans]
    found, stage = [], 0
    for layer in report.layers:
        stage = max(stage, begins.index(layer.name)) if layer.name in begins else stage
        found.append(stage)
    return found


def _colour(stage: int) -> str:
    number = stage % _COLOURS
    return f"var(--s{number + 1}, {_USUAL[number]})"


def _rectangle(square: Square, thin: float) -> str:
    strength = "" if square.is_last else ' stroke-opacity=".35"'
    width = (3 if square.is_last else 1.5) * thin
    text = f"{square.layer.name}: {sides(square.layer.receptive_field)}"
    return (
        f'<rect x="{square.x:g}" y="{square.y:g}" width="{square.width:g}" height="{square.height:g}" fill="none" '
        f'style="stroke: {_colour(square.stage)}" stroke-width="{width:g}"{strength}>'
        f"<title>{html_text(text)}</title></rect>"
    )


def _size(square: Square) -> str:
    """Height and width, as in the report of a study."""
    return f"{square.height:g}{_TIMES}{square.width:g}"


def _names(squares: Sequence[Square], extent: float) -> list[str]:
    """Labels of one size, legible on the width of a phone; a label that would cover another is moved down."""
    font, free, texts = extent * _LABEL, -inf, {}
    for square in sorted(squares, key=lambda square: square.y):
        y = max(square.y + 1.05 * font, free)
        free = y + 1.15 * font
        texts[square.stage] = (
            f'<text x="{square.x + 0.3 * font:g}" y="{y:g}" font-size="{font:g}" '
            f'style="fill: {_colour(square.stage)}; stroke: var(--panel, none); stroke-width: {font / 4:g}; '
            f'paint-order: stroke">C{square.stage + 1} {_size(square)}</text>'
        )
    return [texts[square.stage] for square in squares]

"""Shared parts of the pictures in the documentation: size, colours for light and dark pages, text and a frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 52, 52
"""Pixels around the axes' frame."""
STYLE = """
svg { font-family: system-ui, sans-serif; background: #ffffff }
text { fill: #24292f } .axis { stroke: #8c959f } .grid { stroke: #d8dee4 } .front { stroke: #8c959f; fill: none }
.published { fill: #6e7781 } .student { fill: #bc4c00 } .ours { fill: #0969da } .halo { stroke: #ffffff }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117 } text { fill: #e6edf3 } .axis, .front { stroke: #7d8590 } .grid { stroke: #30363d }
  .published { fill: #9198a1 } .student { fill: #f0883e } .ours { fill: #58a6ff } .halo { stroke: #0d1117 }
}
""".strip()


def document(label: str, parts: Iterable[str], style: str = STYLE) -> str:
    """The whole file; ``label`` is read by screen readers."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{escape(label)}">'
    )
    return "\n".join([head, f"<style>{style}</style>", *parts, "</svg>"]) + "\n"


def text(x: float, y: float, words: str, anchor: str = "middle", *, size: int = 12, more: str = "") -> str:
    """A text at a position; ``more`` are further attributes."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}"{more}>{escape(words)}</text>'


def rows(marks: Mapping[str, float]) -> Iterator[str]:
    """Horizontal grid lines with their labels on the left."""
    for label, y in marks.items():
        yield f'<line class="grid" x1="{LEFT}" y1="{y:g}" x2="{WIDTH - RIGHT}" y2="{y:g}"/>'
        yield text(LEFT - 8, y + 4, label, "end")


def columns(marks: Mapping[str, float]) -> Iterator[str]:
    """Vertical grid lines with their labels below."""
    foot = HEIGHT - BOTTOM
    for label, x in marks.items():
        yield f'<line class="grid" x1="{x:g}" y1="{TOP}" x2="{x:g}" y2="{foot}"/>'
        yield text(x, foot + 18, label)


def frame(across: str, up: str) -> Iterator[str]:
    """The two axes with their titles."""
    right, foot, middle = WIDTH - RIGHT, HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
    yield f'<path class="axis" d="M{LEFT} {TOP}V{foot}H{right}" fill="none"/>'
    yield text((LEFT + right) / 2, HEIGHT - 12, across)
    yield text(16, middle, up, more=f' transform="rotate(-90 16 {middle:g})"')

"""Draws accuracy against parameters: published networks, students' networks and the champions, with the Pareto front.

Run ``python -m benchmarks.landscape [--to FILE.svg] [--json]``. The same networks give the same bytes. The published
ones are in ``published.toml``, with sources; the front of all of them is by ``nas.pareto``.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape

from benchmarks.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, columns, document, frame, rows, text
from nas.champions.registry import champions
from nas.pareto import front
from nas.toml import read_toml

PUBLISHED = Path(__file__).with_name("published.toml")
PICTURE = Path(__file__).parents[1] / "docs" / "landscape.svg"
SIZE = 11
"""Size of a label's letters in pixels; they are about 0.55 times as wide."""
TICKS = (10_000, 20_000, 50_000, 100_000, 200_000, 400_000)
LIMIT = 200_000
"""The assignment's limit of parameters."""
Kind = Literal["published", "student", "ours"]
WORDS: dict[Kind, str] = {
    "published": "published",
    "student": "solutions of the assignment",
    "ours": "champions of this tool",
}


@dataclass(frozen=True, kw_only=True)
class Point:
    """A network: parameters, and test accuracy in percent."""

    kind: Kind
    name: str
    params: int
    accuracy: float
    std: float | None = None
    epochs: int | None = None
    source: str = ""


def points(published: Path = PUBLISHED) -> list[Point]:
    """Every network of the picture, the published ones first."""
    found = [Point(**{"kind": "published", **table}) for table in read_toml(published)["networks"]]
    for one in champions().values():
        std = None if one.test_std is None else 100 * one.test_std
        found.append(
            Point(
                kind="ours",
                name=one.name.removeprefix("champion-"),
                params=one.params,
                accuracy=100 * one.test_accuracy,
                std=std,
                epochs=one.epochs,
                source=f"{one.name}: {one.data}, {one.commit}",
            )
        )
    return found


def on_front(several: Sequence[Point]) -> list[Point]:
    """The points that no other dominates in accuracy and parameters, sorted by parameters."""
    kept = front([[one.params, -one.accuracy] for one in several])
    return sorted((one for one, is_on in zip(several, kept, strict=True) if is_on), key=lambda one: one.params)


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Maps parameters (logarithmic) and accuracies to pixels."""

    left: float
    right: float
    low: float
    high: float

    @classmethod
    def of(cls, several: Sequence[Point]) -> Axes:
        """Axes around all points: whole percents, and a tenth beyond the least and the most parameters."""
        params, accuracies = [one.params for one in several], [one.accuracy for one in several]
        return cls(
            left=min(params) / 1.3,
            right=max(params) * 1.3,
            low=math.floor(min(accuracies)) - 1,
            high=math.ceil(max(accuracies)) + 1,
        )

    def x(self, params: float) -> float:
        """Pixels from the left."""
        share = math.log(params / self.left) / math.log(self.right / self.left)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, accuracy: float) -> float:
        """Pixels from the top."""
        return round(TOP + (self.high - accuracy) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM), 1)


def picture(several: Sequence[Point]) -> str:
    """The SVG of the points and their front."""
    axes = Axes.of(several)
    parts = [
        *_frame(axes),
        *_front(on_front(several), axes),
        *(_mark(one, axes.x(one.params), axes.y(one.accuracy)) for one in several),
        *_labels(several, axes),
        *_legend(),
    ]
    return document("CIFAR-10 test accuracy against parameters", parts)


def _frame(axes: Axes) -> Iterator[str]:
    """Axes, grid and the limit of the assignment."""
    yield from rows({f"{percent}": axes.y(percent) for percent in range(int(axes.low), int(axes.high) + 1, 2)})
    yield from columns({f"{tick // 1000}k": axes.x(tick) for tick in TICKS if axes.left <= tick <= axes.right})
    if axes.left <= LIMIT <= axes.right:
        x = axes.x(LIMIT)
        yield f'<line class="axis" x1="{x:g}" y1="{TOP}" x2="{x:g}" y2="{HEIGHT - BOTTOM}" stroke-dasharray="2 3"/>'
    yield from frame("parameters (dotted: the limit of the assignment)", "CIFAR-10 test accuracy, %")


def _front(kept: Sequence[Point], axes: Axes) -> Iterator[str]:
    """The step line of the front."""
    steps = " ".join(f"H{axes.x(one.params):g}V{axes.y(one.accuracy):g}" for one in kept[1:])
    yield (
        f'<path class="front" stroke-dasharray="5 4" '
        f'd="M{axes.x(kept[0].params):g} {axes.y(kept[0].accuracy):g}{steps}"/>'
    )


def _mark(one: Point, x: float, y: float) -> str:
    """A circle, a square or a diamond; its title has the point's data."""
    spread = "" if one.std is None else f" ± {one.std:.2f}"
    epochs = "" if one.epochs is None else f", {one.epochs} epochs"
    title = escape(f"{one.name}: {one.params:,} parameters, {one.accuracy:.2f}{spread} %{epochs}. {one.source}")
    shape = {
        "published": f'<circle cx="{x:g}" cy="{y:g}" r="5"',
        "student": f'<rect x="{x - 5:g}" y="{y - 5:g}" width="10" height="10"',
        "ours": f'<path d="M{x:g} {y - 8:g}l8 8l-8 8l-8 -8z"',
    }[one.kind]
    return f'{shape} class="{one.kind} halo"><title>{title}</title></{shape[1:].split()[0]}>'


Box = tuple[float, float, float, float]


def _labels(several: Sequence[Point], axes: Axes) -> Iterator[str]:
    """One name per point, at the first position around it where it covers no point and no other name."""
    marks = ((axes.x(one.params), axes.y(one.accuracy)) for one in several)
    taken = [*((x - 9, y - 9, x + 9, y + 9) for x, y in marks), *_stairs(on_front(several), axes)]
    for one in sorted(several, key=lambda p: (p.kind != "ours", p.params, p.name)):
        x, y, wide = axes.x(one.params), axes.y(one.accuracy), 0.55 * SIZE * len(one.name)
        places: list[tuple[float, float, str, Box]] = []
        for down in (4, -10, 20, -24, 34, -38, 48):
            places.append((x + 11, y + down, "start", (x + 11, y + down - SIZE, x + 11 + wide, y + down + 2)))
            places.append((x - 11, y + down, "end", (x - 11 - wide, y + down - SIZE, x - 11, y + down + 2)))
        free = [p for p in places if _is_inside(p[3]) and not any(_overlap(p[3], box) for box in taken)]
        left, top, anchor, box = (free or places)[0]
        taken.append(box)
        weight = ' font-weight="bold"' if one.kind == "ours" else ""
        yield text(left, top, one.name, anchor, size=SIZE, more=weight)


def _stairs(kept: Sequence[Point], axes: Axes) -> Iterator[Box]:
    """The lines of the front as boxes."""
    for before, after in pairwise(kept):
        left, right = axes.x(before.params), axes.x(after.params)
        foot, top = axes.y(before.accuracy), axes.y(after.accuracy)
        yield from ((left, foot - 1, right, foot + 1), (right - 1, top, right + 1, foot))


def _is_inside(box: Box) -> bool:
    return box[0] >= LEFT and box[2] <= WIDTH - RIGHT and box[1] >= TOP and box[3] <= HEIGHT - BOTTOM


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _legend() -> Iterator[str]:
    x = float(LEFT)
    for kind, words in WORDS.items():
        one = Point(kind=kind, name=words, params=1, accuracy=0.0)
        yield _mark(one, x + 8, 26).partition("><title>")[0] + "/>"
        yield text(x + 22, 30, words, "start")
        x += 40 + 0.56 * 12 * len(words)
    yield f'<path class="front" stroke-dasharray="5 4" d="M{x:g} 26h26"/>'
    yield text(x + 32, 30, "not beaten in both", "start")


def main() -> None:
    """Write the picture, or print the networks and their front as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=PICTURE)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="changes nothing: it takes no time")
    options = parser.parse_args()
    several = points()
    if options.json:
        kept = on_front(several)
        print(json.dumps({"networks": [{**asdict(one), "front": one in kept} for one in several]}))
        return
    options.to.write_text(picture(several), encoding="utf-8")
    print(f"wrote {options.to}: {len(several)} networks, {len(on_front(several))} on the front")


if __name__ == "__main__":
    main()

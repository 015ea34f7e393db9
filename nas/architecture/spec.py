"""What a network is: a frozen value with a short text form; no torch.

Text form, one word a stage, layers joined by ``-``::

    BR/c16-pw16-c32-c32s2/+dw.pw32-c48s2/%mx3_7:b.gl48:bT.pw48:b-c64s2/c64-se4-pw10/gap
    │  │    │                │               │                                     └ head: gap | conv | fc
    │  │    │                │               └ ``%``: the same, the input times a learned scale a channel
    │  │    │                └ ``+``: a residual around layers joined by ``.``
    │  │    └ pointwise: 1x1
    │  └ convolution to 16 channels, 3x3; k5 kernel, s2 stride, d2 dilation, p3 padding, g4 groups
    └ what follows every convolution unless it says otherwise (``c16:RB``): a norm and an activation in this order, by
      the letters of ``nas.architecture.norm_act.TABLE``: B batch norm, R ReLU, ...

``dw`` (``dw64``: to 64 channels) is depthwise: one group an input channel. ``mx1_3_7d3a3`` is depthwise over equal
shares of the channels: one passes, one goes through 3x3, one through an average pool of 3 and 7x7 of dilation 3.
``gl48`` is a gated product: 1x1 to twice 48 channels, the first half activated, times the second. ``se4`` is
squeeze-and-excitation with a quarter of the channels between. A bias is ``b`` before the letters (``c16:bR``), ``:N``
means that nothing follows. An input other than 3x32x32, or other than 10 classes, follow the first letters:
``BR.1x28x28.7/...``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from nas.architecture import norm_act, units
from nas.architecture.errors import ArchitectureError
from nas.architecture.units import Shape, Unit

__all__ = [
    "DEFAULT_CLASSES", "DEFAULT_INPUT", "HEADS", "Architecture", "ArchitectureError", "Block", "HeadKind", "Placed",
    "Shape", "Stage", "Unit", "parse",
]  # fmt: skip

HeadKind = Literal["gap", "conv", "fc"]
HEADS: tuple[HeadKind, ...] = ("gap", "conv", "fc")
"""After global average pooling: nothing, a 1x1 convolution, or a fully connected layer (both with bias)."""

DEFAULT_INPUT: Shape = (3, 32, 32)
DEFAULT_CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Block:
    """Units in a row; a residual block adds its input to their result, so both have one shape.

    ``scaled``: the input times a learned scale, one a channel.
    """

    units: tuple[Unit, ...]
    residual: bool = False
    scaled: bool = False

    def __post_init__(self) -> None:
        """A plain block is one unit, so that equal networks are equal values."""
        if not self.units or (not self.residual and len(self.units) > 1):
            raise ArchitectureError(
                f"a block of {len(self.units)} layers without a residual: write each as a block of its own"
            )
        if self.scaled and not self.residual:
            raise ArchitectureError("a scaled input without a residual: there is nothing to scale: set residual")
        if self.residual and any(unit.reach().stride > 1 for unit in self.units):
            raise ArchitectureError("a residual block with a stride: its input could not be added: stride outside it")


Stage = tuple[Block, ...]


class Placed(NamedTuple):
    """A unit at its place: its stage, its block and the shapes around it."""

    stage: int
    block: int
    unit: Unit
    input: Shape
    output: Shape


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A chain of stages and a head; equal values are equal networks."""

    stages: tuple[Stage, ...]
    head: HeadKind = "fc"
    input: Shape = DEFAULT_INPUT
    classes: int = DEFAULT_CLASSES

    def __post_init__(self) -> None:
        """Refuse what cannot be built, naming the stage."""
        if not self.stages or not all(self.stages):
            raise ArchitectureError("an architecture needs stages, and each of them a convolution: write c16-c16s2/...")
        if self.head not in HEADS:
            raise ArchitectureError(f"unknown head: {self.head!r}: use one of {', '.join(HEADS)}")
        last = self.last_map
        if self.head == "gap" and last[0] != self.classes:
            raise ArchitectureError(
                f"the last convolution has {last[0]} channels for {self.classes} classes: "
                f"end with pw{self.classes} or use the head conv or fc"
            )

    @property
    def last_map(self) -> Shape:
        """Shape of the map that is pooled globally."""
        return self.placed[-1].output

    @cached_property
    def placed(self) -> tuple[Placed, ...]:
        """Every unit of the stages, in order, with the shapes around it."""
        return tuple(self._walk())

    def _walk(self) -> Iterator[Placed]:
        shape = self.input
        for s, stage in enumerate(self.stages):
            for b, block in enumerate(stage):
                before = shape
                for unit in block.units:
                    try:
                        after = unit.output(shape)
                    except ArchitectureError as error:
                        raise ArchitectureError(f"stage c{s + 1}, block {b + 1}: {error}") from None
                    yield Placed(s, b, unit, shape, after)
                    shape = after
                if block.residual and shape != before:
                    raise ArchitectureError(
                        f"stage c{s + 1}, block {b + 1}: a residual from {before} to {shape}: both shapes must be equal"
                    )

    def __str__(self) -> str:
        """The canonical text, which ``parse`` reads back to an equal value."""
        usual = self._usual_post()
        first = usual
        if (self.input, self.classes) != (DEFAULT_INPUT, DEFAULT_CLASSES):
            first += f".{'x'.join(map(str, self.input))}.{self.classes}"
        texts = [["" for _ in stage] for stage in self.stages]
        for placed in self.placed:
            text = texts[placed.stage][placed.block]
            prefix = f"{text}." if text else _mark(self.stages[placed.stage][placed.block])
            texts[placed.stage][placed.block] = prefix + placed.unit.write(placed.input[0], usual)
        return "/".join([first, *("-".join(stage) for stage in texts), self.head])

    def _usual_post(self) -> str:
        counts = Counter(letters for p in self.placed if (letters := p.unit.letters) is not None)
        return min(counts, key=lambda letters: (-counts[letters], letters), default="N")


_HEADER = re.compile(r"(?P<post>\w+)(?:\.(?P<input>\d+x\d+x\d+)\.(?P<classes>\d+))?")


def parse(text: str) -> Architecture:
    """Read the text form; ArchitectureError names the part that cannot be read."""
    header, *stages, head = text.strip().split("/") if text.count("/") > 1 else ("", "", "")
    match = _HEADER.fullmatch(header)
    if not stages or match is None or norm_act.read(match["post"]) is None:
        raise ArchitectureError(f"not an architecture: {text!r}: write it like BR/c16-c16s2/c32-c32s2/c64/fc")
    if head not in HEADS:
        raise ArchitectureError(f"unknown head: {head!r}: end the architecture with one of {', '.join(HEADS)}")
    channels, height, width = (int(n) for n in match["input"].split("x")) if match["input"] else DEFAULT_INPUT
    shape, parsed = (channels, height, width), []
    for stage in stages:
        blocks = []
        for word in stage.split("-"):
            members = []
            for part in word.removeprefix("+").removeprefix("%").split("."):
                members.append(units.read(part, channels, match["post"]))
                channels = members[-1].out_channels(channels)
            blocks.append(Block(units=tuple(members), residual=word[:1] in ("+", "%"), scaled=word.startswith("%")))
        parsed.append(tuple(blocks))
    classes = int(match["classes"] or DEFAULT_CLASSES)
    return Architecture(stages=tuple(parsed), head=head, input=shape, classes=classes)


def _mark(block: Block) -> str:
    return "%" if block.scaled else "+" * block.residual

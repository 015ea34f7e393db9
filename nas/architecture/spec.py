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
means that nothing follows. A number before a word, or before its mark, is how often the block is called, one call after
another with the same weights: ``3c16``, ``2dw.pw32``, ``2%dw.pw32``. An input other than 3x32x32, or other than 10
classes, follow the first letters: ``BR.1x28x28.7/...``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from nas.architecture import components, norm_act
from nas.architecture.components import Component, Shape
from nas.architecture.errors import ArchitectureError

__all__ = [
    "DEFAULT_CLASSES",
    "DEFAULT_INPUT",
    "HEADS",
    "MOST_CALLS",
    "Architecture",
    "ArchitectureError",
    "Block",
    "Component",
    "HeadKind",
    "Placed",
    "Shape",
    "Stage",
    "parse",
    "split_word",
]  # fmt: skip

HeadKind = Literal["gap", "conv", "fc"]
HEADS: tuple[HeadKind, ...] = ("gap", "conv", "fc")
"""After global average pooling: nothing, a 1x1 convolution, or a fully connected layer (both with bias)."""

DEFAULT_INPUT: Shape = (3, 32, 32)
DEFAULT_CLASSES = 10
MOST_CALLS = 64
"""Limit of the calls of one block."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Components in sequence; a residual block adds its input to their result, so both have the same shape.

    ``scaled``: the input is multiplied by a learned scale per channel before that. ``calls``: how often it is called,
    each call on the result of the one before, with the same weights, norms and scale (Savarese and Maire, Learning
    Implicitly Recurrent CNNs Through Parameter Sharing, 2019); if more than once, input and result have the same shape.
    """

    components: tuple[Component, ...]
    residual: bool = False
    scaled: bool = False
    calls: int = 1

    def __post_init__(self) -> None:
        """A plain block that is called once is one component, so that equal networks are equal values."""
        if not 1 <= self.calls <= MOST_CALLS:
            raise ArchitectureError(f"calls of a block is {self.calls}: it must be 1 to {MOST_CALLS}")
        if not self.components or (not self.keeps_shape and len(self.components) > 1):
            raise ArchitectureError(
                f"a block of {len(self.components)} layers without a residual: write each as a block of its own"
            )
        if self.scaled and not self.residual:
            raise ArchitectureError("a scaled input without a residual: there is nothing to scale: set residual")
        if self.keeps_shape and any(component.reach().stride > 1 for component in self.components):
            why = "its input could not be added" if self.residual else "it could not be called again on its result"
            raise ArchitectureError(f"a {self._kind} with a stride: {why}: stride outside it")

    @property
    def keeps_shape(self) -> bool:
        """Whether its result must have the shape of its input."""
        return self.residual or self.calls > 1

    @property
    def _kind(self) -> str:
        return "residual block" if self.residual else f"block that is called {self.calls} times"


Stage = tuple[Block, ...]


class Placed(NamedTuple):
    """A component at its place: its stage, its block and the shapes around it."""

    stage: int
    block: int
    component: Component
    input: Shape
    output: Shape
    calls: int = 1
    """How often its block is called; its parameters are the same in every call."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A chain of stages and a head for images of ``input``, (channels, height, width); equal values are equal networks.

    ``str`` is its canonical text. Raises ArchitectureError, on construction, for what cannot be built.
    """

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
        """Every component of the stages, in order, with the shapes around it."""
        return tuple(self._walk())

    def _walk(self) -> Iterator[Placed]:
        shape = self.input
        for s, stage in enumerate(self.stages):
            for b, block in enumerate(stage):
                before = shape
                for component in block.components:
                    try:
                        after = component.output(shape)
                    except ArchitectureError as error:
                        raise ArchitectureError(f"stage c{s + 1}, block {b + 1}: {error}") from None
                    yield Placed(s, b, component, shape, after, block.calls)
                    shape = after
                if block.keeps_shape and shape != before:
                    what = "a residual" if block.residual else f"a block that is called {block.calls} times"
                    raise ArchitectureError(
                        f"stage c{s + 1}, block {b + 1}: {what} from {before} to {shape}: both shapes must be equal"
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
            texts[placed.stage][placed.block] = prefix + placed.component.write(placed.input[0], usual)
        return "/".join([first, *("-".join(stage) for stage in texts), self.head])

    def _usual_post(self) -> str:
        counts = Counter(letters for p in self.placed if (letters := p.component.letters) is not None)
        return min(counts, key=lambda letters: (-counts[letters], letters), default="N")


_BLOCK = re.compile(r"(?P<calls>[1-9]\d+|[2-9])?(?P<mark>[+%])?(?P<components>.*)", re.DOTALL)
_OF_PATTERNS = re.compile(r"[*?\[\]]")
_TOO_LONG = re.compile(r"\d{10,}")
_HEADER = re.compile(r"(?P<post>\w+)(?:\.(?P<input>\d+x\d+x\d+)\.(?P<classes>\d+))?")


def parse(text: str) -> Architecture:
    """Read the text form; ArchitectureError names the part that cannot be read."""
    _check_characters(text)
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
            members: list[Component] = []
            calls, mark, parts = split_word(word)
            for part in parts:
                members.append(components.read(part, channels, match["post"]))
                channels = members[-1].out_channels(channels)
            blocks.append(Block(components=tuple(members), residual=bool(mark), scaled=mark == "%", calls=calls))
        parsed.append(tuple(blocks))
    classes = int(match["classes"] or DEFAULT_CLASSES)
    return Architecture(stages=tuple(parsed), head=head, input=shape, classes=classes)


def is_like_text(text: str) -> bool:
    """Whether a text that may also be a pattern of files begins or ends as an architecture's text."""
    parts = _OF_PATTERNS.sub("", text.strip()).split("/")
    header = _HEADER.fullmatch(parts[0])
    return len(parts) > 2 and (parts[-1] in HEADS or bool(header and norm_act.read(header["post"]) is not None))


def _check_characters(text: str) -> None:
    # ``\d`` and ``int`` take the digits of every script, and ``int`` raises for thousands of them.
    if other := next((character for character in text if not character.isascii()), None):
        raise ArchitectureError(f"not an architecture: {text!r}: write ASCII in place of {other!r}")
    if wild := _OF_PATTERNS.search(text):
        where = f"{wild[0]!r} at character {wild.start() + 1}"
        raise ArchitectureError(f"not an architecture: {text!r}: {where} belongs to no word: take it out")
    if long := _TOO_LONG.search(text):
        raise ArchitectureError(f"a number of {len(long[0])} digits: {long[0][:10]}...: use at most 9")


def split_word(word: str) -> tuple[int, str, list[str]]:
    """The word of a block as its calls, its mark (``+``, ``%`` or none) and the words of its components."""
    match = _BLOCK.fullmatch(word)
    assert match is not None  # everything is optional
    return int(match["calls"] or 1), match["mark"] or "", match["components"].split(".")


def _mark(block: Block) -> str:
    return f"{block.calls}" * (block.calls > 1) + ("%" if block.scaled else "+" * block.residual)

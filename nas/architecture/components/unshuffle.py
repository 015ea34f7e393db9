"""Space to depth: ``u2``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Self

from nas.architecture.calls import ModuleCall
from nas.architecture.components.component import Component, Peak, Reach, Shape
from nas.architecture.errors import ArchitectureError

_WORD = re.compile(r"u(\d+)")


@dataclass(frozen=True, kw_only=True)
class Unshuffle(Component):
    """Turns each square of ``factor`` x ``factor`` pixels into one pixel with ``factor`` squared times the channels.

    The inverse of Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network (2016); as a stem in Ridnik et al., TResNet (2020). It has no parameters, and is no
    convolution: it ends no stage.
    """

    factor: int = 2

    def __post_init__(self) -> None:
        """Reject a factor without effect."""
        if self.factor < 2:
            raise ArchitectureError(f"factor of an unshuffle is {self.factor}: it must be 2 or more")

    @classmethod
    def read(cls, word: str, channels: int, usual: str) -> Self | None:
        """As ``Component.read``."""
        match = _WORD.fullmatch(word)
        return cls(factor=int(match[1])) if match else None

    def write(self, channels: int, usual: str) -> str:
        """As ``Component.write``."""
        return f"u{self.factor}"

    def call(self, channels: int) -> ModuleCall:
        """As ``Component.call``."""
        return ModuleCall("nn.PixelUnshuffle", (self.factor,))

    def output(self, shape: Shape) -> Shape:
        """As ``Component.output``."""
        channels, height, width = shape
        if height % self.factor or width % self.factor:
            raise ArchitectureError(
                f"{self.write(channels, '')} does not divide a map of {height}x{width}: take a factor that does"
            )
        return self.out_channels(channels), height // self.factor, width // self.factor

    def out_channels(self, channels: int) -> int:
        """As ``Component.out_channels``."""
        return channels * self.factor**2

    def params(self, channels: int) -> int:
        """None."""
        return 0

    def vectors(self, channels: int) -> int:
        """None."""
        return 0

    def macs(self, shape: Shape) -> int:
        """None."""
        return 0

    def reach(self) -> Reach:
        """The square that a pixel of the result comes from."""
        return Reach(high=self.factor - 1, stride=self.factor)

    def peak(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """Input and result."""
        return Peak(prod(before) + prod(after))

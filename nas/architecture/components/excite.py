"""Squeeze-and-excitation: ``se4``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Self

from nas.architecture.calls import ModuleCall
from nas.architecture.components.component import Component, Peak, Shape
from nas.architecture.errors import ArchitectureError

_WORD = re.compile(r"se(\d+)")


@dataclass(frozen=True, kw_only=True)
class Excite(Component):
    """The channels' means through two linear layers and a sigmoid scale the channels.

    Hu, Shen and Sun, Squeeze-and-Excitation Networks (2018); ReLU between the layers, both with bias.
    """

    reduction: int = 4

    gates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Reject an invalid reduction."""
        if self.reduction < 1:
            raise ArchitectureError(f"reduction of a squeeze-and-excitation is {self.reduction}: it must be 1 or more")

    @classmethod
    def read(cls, word: str, channels: int, usual: str) -> Self | None:
        """As ``Component.read``."""
        match = _WORD.fullmatch(word)
        return cls(reduction=int(match[1])) if match else None

    def write(self, channels: int, usual: str) -> str:
        """As ``Component.write``."""
        return f"se{self.reduction}"

    def call(self, channels: int) -> ModuleCall:
        """As ``Component.call``."""
        return ModuleCall("SqueezeExcite", (channels, self.hidden(channels)))

    def hidden(self, channels: int) -> int:
        """Width between the two linear layers."""
        return max(1, channels // self.reduction)

    def params(self, channels: int) -> int:
        """Weights and biases of the two linear layers."""
        return 2 * channels * self.hidden(channels) + self.vectors(channels)

    def vectors(self, channels: int) -> int:
        """The biases."""
        return self.hidden(channels) + channels

    def macs(self, shape: Shape) -> int:
        """The two linear layers."""
        return 2 * shape[0] * self.hidden(shape[0])

    def peak(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """Input, result and one value per channel."""
        return Peak(2 * prod(before) + before[0])

    def peak_in_place(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """The input, and the linear layers' inputs and outputs; the result too where the input is needed afterwards."""
        read, channels = prod(before), before[0]
        return Peak(max(read + channels + self.hidden(channels), (2 * read + channels) * is_held))

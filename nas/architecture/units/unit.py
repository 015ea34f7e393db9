"""What a network is chained from: what every kind of unit answers for itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, Self

from nas.architecture.calls import Call

Shape = tuple[int, int, int]
"""(channels, height, width)."""


class Convolution(NamedTuple):
    """One convolution of a unit as the metrics see it; ``channels`` are its input's."""

    channels: int
    kernel: int
    stride: int
    dilation: int
    groups: int

    @property
    def is_depthwise(self) -> bool:
        """One group a channel."""
        return self.groups == self.channels > 1

    @property
    def is_pointwise(self) -> bool:
        """A 1x1 that mixes all channels."""
        return self.kernel == self.groups == 1


class Reach(NamedTuple):
    """Output i sees the input from stride*i + low to stride*i + high, along each side."""

    low: int = 0
    high: int = 0
    stride: int = 1


class Peak(NamedTuple):
    """Most values alive at once in a unit's own tensors."""

    reading: int
    """While its own operation reads its input."""
    following: int = 0
    """While what follows is computed, the input no longer alive."""


class Unit(ABC):
    """One link of the chain; each kind is a frozen dataclass, listed in ``nas.architecture.units.KINDS``."""

    gates: ClassVar[bool] = False
    """Whether it only scales its input by what it makes of the whole map."""

    @classmethod
    @abstractmethod
    def read(cls, word: str, channels: int, usual: str) -> Self | None:
        """The unit of a word that gets ``channels``; None where the word is another kind's, or none.

        ``usual`` are the letters of what follows a convolution whose word does not say.
        """

    @abstractmethod
    def write(self, channels: int, usual: str) -> str:
        """The canonical word, which ``read`` reads back."""

    @property
    def letters(self) -> str | None:
        """The letters of the bias and of what follows; None where nothing can follow."""
        return None

    @abstractmethod
    def call(self, channels: int) -> Call:
        """What makes its module where it gets ``channels``."""

    def kind(self, channels: int) -> str:
        """What it is called, given the number of input channels."""
        return type(self).__name__.lower()

    def output(self, shape: Shape) -> Shape:
        """Shape of the result; ArchitectureError where the unit cannot take ``shape``."""
        return shape

    def out_channels(self, channels: int) -> int:
        """Channels of the result."""
        return channels

    @abstractmethod
    def params(self, channels: int) -> int:
        """Learned values, given the number of input channels."""

    def vectors(self, channels: int) -> int:
        """How many of the learned values are in parameters of one axis: biases, and the scales and shifts of norms.

        All of them; a kind that has kernels says so.
        """
        return self.params(channels)

    @abstractmethod
    def macs(self, shape: Shape) -> int:
        """Multiply-accumulates of convolutions and linear layers."""

    def convolutions(self, channels: int) -> tuple[Convolution, ...]:
        """Those that it is made of, several side by side."""
        return ()

    def reach(self) -> Reach:
        """What its result sees of its input; a gate is no part of the receptive field."""
        return Reach()

    @abstractmethod
    def peak(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """Values alive at once; ``is_held``: its input ``before`` outlives it, to be added to its result ``after``."""

    def peak_in_place(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """The same where elementwise operations write over what nothing reads later; as many, unless a kind says so."""
        return self.peak(before, after, is_held=is_held)

"""The interface of a component: an operation of a block, with the norm and activation that follow it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, Self

from nas.architecture.calls import ModuleCall

Shape = tuple[int, int, int]
"""(channels, height, width)."""


class Convolution(NamedTuple):
    """One convolution of a component, for the metrics; ``channels`` are those of its input."""

    channels: int
    kernel: int
    stride: int
    dilation: int
    groups: int

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel is its own group."""
        return self.groups == self.channels > 1

    @property
    def is_pointwise(self) -> bool:
        """Whether it is a 1x1 convolution that mixes all channels."""
        return self.kernel == self.groups == 1


class Reach(NamedTuple):
    """Output i depends on the input from stride*i + low to stride*i + high, along each axis."""

    low: int = 0
    high: int = 0
    stride: int = 1


class Peak(NamedTuple):
    """Most values in memory at once in a component's own tensors."""

    reading: int
    """While its own operation runs, input included."""
    following: int = 0
    """While what follows is computed, after the input was freed."""


class Component(ABC):
    """A part of a block; each kind is a frozen dataclass, listed in ``nas.architecture.components.KINDS``."""

    gates: ClassVar[bool] = False
    """Whether it only scales its input by values computed from the whole map."""
    is_one_convolution: ClassVar[bool] = False
    """Whether it is one convolution of its whole input and what follows it."""

    @classmethod
    @abstractmethod
    def read(cls, word: str, channels: int, usual: str) -> Self | None:
        """The component of a word, given its input ``channels``; None for any other text.

        ``usual`` are the letters of what follows a convolution whose word does not say.
        """

    @abstractmethod
    def write(self, channels: int, usual: str) -> str:
        """The canonical word, which ``read`` reads back."""

    @property
    def letters(self) -> str | None:
        """The letters of the bias and of what follows; None where nothing can follow."""
        return None

    @property
    def followers(self) -> tuple[str, ...]:
        """Names in ``norm_act.TABLE`` of what follows, in order."""
        return ()

    def spatial_word(self) -> str:
        """Its kernels in a layer's word of a space file, such as ``5d2`` or ``1_3_7d3a3``; empty where it has none."""
        return ""

    def word_without_channels(self, channels: int, usual: str) -> str:
        """As ``write``, without the number of output channels."""
        return self.write(channels, usual)

    def with_out_channels(self, out: int) -> Component:
        """The same component with so many output channels, where these are its own; else the component itself."""
        return self

    @abstractmethod
    def call(self, channels: int) -> ModuleCall:
        """The call that creates its module for ``channels`` input channels."""

    def kind(self, channels: int) -> str:
        """The name of its kind, which may depend on the number of input channels."""
        return type(self).__name__.lower()

    def output(self, shape: Shape) -> Shape:
        """Shape of the result; ArchitectureError where the component cannot take ``shape``."""
        return shape

    def out_channels(self, channels: int) -> int:
        """Channels of the result."""
        return channels

    @abstractmethod
    def params(self, channels: int) -> int:
        """Learned values, given the number of input channels."""

    def vectors(self, channels: int) -> int:
        """Number of learned values in one-dimensional parameters: biases, and the scales and shifts of norms.

        By default all of them; a kind with kernels overrides this.
        """
        return self.params(channels)

    @abstractmethod
    def macs(self, shape: Shape) -> int:
        """Multiply-accumulates of convolutions and linear layers."""

    def convolutions(self, channels: int) -> tuple[Convolution, ...]:
        """Its convolutions; several are parallel."""
        return ()

    def reach(self) -> Reach:
        """The receptive field of its result in its input; a gate does not enlarge it."""
        return Reach()

    @abstractmethod
    def peak(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """Most values in memory; ``is_held`` if its input ``before`` is kept, to be added to its result ``after``."""

    def peak_in_place(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """The same with in-place elementwise operations; equal to ``peak`` unless a kind overrides it."""
        return self.peak(before, after, is_held=is_held)

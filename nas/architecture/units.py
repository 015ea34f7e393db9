"""The units that a network is chained from: convolutions, mixed depthwise convolutions, gates over channels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from constraints.errors import UnusableInputError

Shape = tuple[int, int, int]
"""(channels, height, width)."""

NORMS = ("batch_norm", "layer_norm")
"""Over the batch and the map of each channel, or over the channels of each pixel; both scale and shift a channel."""

POST = {
    "B": "batch_norm",
    "L": "layer_norm",
    "R": "relu",
    "S": "silu",
    "G": "gelu",
    "H": "hardswish",
    "T": "tanhexp",
}
"""What may follow a convolution, by its letter; tanhexp(x) is x tanh(exp x)."""


class ArchitectureError(UnusableInputError):
    """The value or text describes no network: it names the part, the value and the remedy."""


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


@dataclass(frozen=True, kw_only=True)
class Conv:
    """One convolution and what follows it; ``padding`` None keeps the size of the map at stride 1.

    A gated one is 1x1 and makes twice ``out`` channels: the first half, activated, times the second half.
    """

    out: int
    kernel: int = 3
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    groups: int = 1
    bias: bool = False
    gated: bool = False
    post: tuple[str, ...] = ("batch_norm", "relu")

    def __post_init__(self) -> None:
        """Resolve the padding and refuse what no convolution can be."""
        if self.kernel == 1 and self.dilation != 1:
            raise ArchitectureError(f"dilation of a 1x1 kernel dilates nothing: {self.dilation}: leave it at 1")
        if self.padding is None:
            object.__setattr__(self, "padding", self.dilation * (self.kernel - 1) // 2)
        for name in ("out", "kernel", "stride", "dilation", "groups"):
            if getattr(self, name) < 1:
                raise ArchitectureError(f"{name} of a convolution is {getattr(self, name)}: it must be 1 or more")
        if self.pad < 0 or self.out % self.groups:
            raise ArchitectureError(
                f"a convolution to {self.out} channels with padding {self.padding} and {self.groups} groups: "
                "padding must not be negative and groups must divide the channels"
            )
        _check_post(self.post)
        if self.gated and (self.kernel, self.stride, self.groups, self.pad) != (1, 1, 1, 0):
            raise ArchitectureError("a gated convolution is 1x1 without stride, padding or groups: write gl32")
        if self.gated and self.post[1:] and self.post[0] not in NORMS:
            raise ArchitectureError(
                f"after a gated convolution: {'-'.join(self.post)}: the norm comes before the activation"
            )

    @property
    def pad(self) -> int:
        """The padding, resolved."""
        return self.padding if self.padding is not None else self.dilation * (self.kernel - 1) // 2

    @property
    def filters(self) -> int:
        """Channels that the convolution itself makes: twice ``out`` where it is gated."""
        return self.out * (2 if self.gated else 1)

    def kind(self, channels: int) -> str:
        """standard, pointwise, grouped, depthwise or gated, given the number of input channels."""
        if self.gated:
            return "gated"
        if self.groups > 1:
            return "depthwise" if self.groups == channels else "grouped"
        return "pointwise" if self.kernel == 1 else "standard"

    def output(self, shape: Shape) -> Shape:
        """Shape of the result; ArchitectureError where groups do not divide or the map gets empty."""
        channels, *sides = shape
        if channels % self.groups:
            raise ArchitectureError(f"{self.groups} groups do not divide {channels} input channels: choose a divisor")
        height, width = (_side(side, self.kernel, self.stride, self.dilation, self.pad) for side in sides)
        if min(height, width) < 1:
            raise ArchitectureError(
                f"a {self.kernel}x{self.kernel} kernel of dilation {self.dilation} leaves nothing of a "
                f"{sides[0]}x{sides[1]} map: pad it or stride less before it"
            )
        return self.out, height, width

    def params(self, channels: int) -> int:
        """Weights, bias, and scale and shift of the norm, given the number of input channels."""
        weights = self.filters * (channels // self.groups) * self.kernel**2
        return weights + (self.filters if self.bias else 0) + _norm_params(self.post, self.filters)

    def macs(self, shape: Shape) -> int:
        """Every output unit costs the kernel's area times the channels of its group."""
        _, height, width = self.output(shape)
        return self.filters * height * width * (shape[0] // self.groups) * self.kernel**2

    def convolutions(self, channels: int) -> tuple[Convolution, ...]:
        """Itself."""
        return (Convolution(channels, self.kernel, self.stride, self.dilation, self.groups),)

    def reach(self) -> tuple[int, int, int]:
        """Output i sees the input from stride*i + low to stride*i + high: (low, high, stride)."""
        return -self.pad, self.dilation * (self.kernel - 1) - self.pad, self.stride


class Part(NamedTuple):
    """What one share of the channels goes through: an average pool (none at 1), then a depthwise convolution."""

    kernel: int
    """1: the share passes as it is."""
    dilation: int = 1
    pool: int = 1


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Depthwise convolutions side by side over equal shares of the channels, in order, and what follows them all.

    Tan and Le, MixConv: Mixed Depthwise Convolutional Kernels (2019). Every part keeps the size of the map at stride 1.
    """

    parts: tuple[Part, ...]
    stride: int = 1
    bias: bool = False
    post: tuple[str, ...] = ("batch_norm", "relu")

    def __post_init__(self) -> None:
        """Refuse what is no mixture."""
        for part in self.parts:
            if min(*part, self.stride) < 1 or not part.kernel % 2 or not part.pool % 2:
                raise ArchitectureError(
                    f"a part of a mixed convolution is {tuple(part)}: kernel and pool must be odd, dilation 1 or more"
                )
            if part.kernel == 1 and (part.dilation, part.pool, self.stride) != (1, 1, 1):
                raise ArchitectureError(
                    "a part of kernel 1 passes its channels as they are: no dilation, pool or stride"
                )
        if len(set(self.parts)) < 2:
            raise ArchitectureError("a mixed convolution needs parts that differ: write mx3_5, or dw where they do not")
        _check_post(self.post)

    def output(self, shape: Shape) -> Shape:
        """Shape of the result; ArchitectureError where the parts do not divide the channels."""
        channels, height, width = shape
        if channels % len(self.parts):
            raise ArchitectureError(
                f"{len(self.parts)} parts do not divide {channels} channels: choose a number that does"
            )
        return channels, _side(height, 1, self.stride, 1, 0), _side(width, 1, self.stride, 1, 0)

    def _spatial(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.kernel > 1)

    def params(self, channels: int) -> int:
        """Weights, biases, and scale and shift of the norm."""
        share = channels // len(self.parts)
        kernels = sum(share * (part.kernel**2 + self.bias) for part in self._spatial())
        return kernels + _norm_params(self.post, channels)

    def macs(self, shape: Shape) -> int:
        """As of convolutions; pooling counts nothing."""
        channels, height, width = self.output(shape)
        return channels // len(self.parts) * height * width * sum(part.kernel**2 for part in self._spatial())

    def convolutions(self, channels: int) -> tuple[Convolution, ...]:
        """One for each part that convolves."""
        share = channels // len(self.parts)
        return tuple(Convolution(share, p.kernel, self.stride, p.dilation, share) for p in self._spatial())

    def reach(self) -> tuple[int, int, int]:
        """The hull of what its parts see; as Conv.reach."""
        high = max(part.dilation * (part.kernel - 1) // 2 + part.pool // 2 for part in self.parts)
        return -high, high, self.stride


@dataclass(frozen=True, kw_only=True)
class Excite:
    """Squeeze-and-excitation: the channels' means through two linear layers and a sigmoid scale the channels.

    Hu, Shen and Sun, Squeeze-and-Excitation Networks (2018); ReLU between the layers, both with bias.
    """

    reduction: int = 4

    def __post_init__(self) -> None:
        """Refuse a reduction that is none."""
        if self.reduction < 1:
            raise ArchitectureError(f"reduction of a squeeze-and-excitation is {self.reduction}: it must be 1 or more")

    def hidden(self, channels: int) -> int:
        """Units between the two linear layers."""
        return max(1, channels // self.reduction)

    def output(self, shape: Shape) -> Shape:
        """The shape of its input."""
        return shape

    def params(self, channels: int) -> int:
        """Weights and biases of the two linear layers."""
        hidden = self.hidden(channels)
        return 2 * channels * hidden + hidden + channels

    def macs(self, shape: Shape) -> int:
        """Of the two linear layers."""
        return 2 * shape[0] * self.hidden(shape[0])

    def convolutions(self, channels: int) -> tuple[Convolution, ...]:
        """None."""
        return ()

    def reach(self) -> tuple[int, int, int]:
        """Nothing beside the unit itself: a gate is no part of the receptive field."""
        return 0, 0, 1


Unit = Conv | Mixed | Excite


def channels_after(unit: Unit, channels: int) -> int:
    """Channels that a unit makes of ``channels``."""
    return unit.out if isinstance(unit, Conv) else channels


def _side(side: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    return (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _norm_params(post: Iterable[str], channels: int) -> int:
    return 2 * channels if any(name in NORMS for name in post) else 0


def _check_post(post: tuple[str, ...]) -> None:
    unknown = set(post) - set(POST.values())
    if unknown:
        raise ArchitectureError(f"unknown layer after a convolution: {unknown.pop()!r}: use {', '.join(POST.values())}")
    norms = sum(name in NORMS for name in post)
    if norms > 1 or len(post) - norms > 1:
        raise ArchitectureError(f"after a convolution: {'-'.join(post)}: at most one norm and one activation")

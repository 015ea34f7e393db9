"""A gated product: ``gl48``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from nas.architecture import norm_act
from nas.architecture.calls import ModuleCall
from nas.architecture.components.component import Convolution, Peak, Shape
from nas.architecture.components.followed import Followed
from nas.architecture.errors import ArchitectureError

_NAME = re.compile(r"gl(\d+)")


@dataclass(frozen=True, kw_only=True)
class Gated(Followed):
    """A 1x1 convolution to twice ``out`` channels and a norm; then the first half, activated, times the second half.

    Dauphin et al., Language Modeling with Gated Convolutional Networks (2017).
    """

    out: int

    source_name: ClassVar[str] = "gated"
    source_about: ClassVar[str] = "A gated 1x1 convolution"

    def __post_init__(self) -> None:
        """Reject impossible values."""
        super().__post_init__()
        if self.out < 1:
            raise ArchitectureError(f"out of a gated convolution is {self.out}: it must be 1 or more")
        if self.post[1:] and not norm_act.is_norm(self.post[0]):
            raise ArchitectureError(
                f"after a gated convolution: {'-'.join(self.post)}: the norm comes before the activation"
            )

    @classmethod
    def _read_name(cls, name: str, channels: int) -> dict[str, Any] | None:
        match = _NAME.fullmatch(name)
        return {"out": int(match[1])} if match else None

    def _write_name(self, channels: int) -> str:
        return f"gl{self.out}"

    def call(self, channels: int) -> ModuleCall:
        """As ``Component.call``."""
        return ModuleCall(self.factory(("inputs", "filters"), self._layers, {}), (channels, self.out))

    def _layers(self, inputs: int | str, filters: int | str) -> dict[str, ModuleCall]:
        both = f"2 * {filters}" if isinstance(filters, str) else 2 * filters
        layers = {"conv": ModuleCall("nn.Conv2d", (inputs, both, 1), {"bias": self.bias}), **self.following(both)}
        activation = layers.pop("act", None)
        return {**layers, "gate": ModuleCall("Product", (activation,))}

    def output(self, shape: Shape) -> Shape:
        """The same height and width."""
        return self.out, *shape[1:]

    def out_channels(self, channels: int) -> int:
        """``out``."""
        return self.out

    def params(self, channels: int) -> int:
        """Weights, bias and the norm's parameters of both halves."""
        return 2 * self.out * channels + self.vectors(channels)

    def vectors(self, channels: int) -> int:
        """Biases and the norm's parameters of both halves."""
        return 2 * self.out * self.bias + self.following_params(2 * self.out)

    def macs(self, shape: Shape) -> int:
        """Both halves; the product counts as nothing."""
        return 2 * self.out * prod(shape)

    def convolutions(self, channels: int) -> tuple[Convolution, ...]:
        """The 1x1 convolution."""
        return (Convolution(channels, 1, 1, 1, 1),)

    def peak(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """Input and both halves; then both halves, the activated one and the product."""
        half = prod(after)
        return Peak(prod(before) + 2 * half, half * max(4 if self.post else 3, 1 + self.following_maps))

    def peak_in_place(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """The same; then both halves, and the activated one, which becomes the product."""
        half = prod(after)
        return Peak(prod(before) + 2 * half, 3 * half)

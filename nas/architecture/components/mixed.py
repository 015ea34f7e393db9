"""Parallel depthwise convolutions: ``mx1_3_7d3a3``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, NamedTuple

from nas.architecture.calls import ModuleCall, Value, changed
from nas.architecture.components.component import Convolution, Peak, Reach, Shape
from nas.architecture.components.followed import Followed, side
from nas.architecture.errors import ArchitectureError

_PART = r"\d+(?:d\d+)?(?:a\d+)?"
_NAME = re.compile(rf"mx(?P<parts>{_PART}(?:_{_PART})+)(?:s(?P<stride>\d+))?")
_ONE_PART = re.compile(r"(\d+)(?:d(\d+))?(?:a(\d+))?")


class MixedPart(NamedTuple):
    """The layers of one share of the channels: an average pool (none at 1), then a depthwise convolution."""

    kernel: int
    """1 means that the share passes unchanged."""
    dilation: int = 1
    pool: int = 1

    def __str__(self) -> str:
        """As in a word: the kernel, ``d`` with the dilation, ``a`` with the size of the average pool before it."""
        dilated, pooled = (f"d{self.dilation}" * (self.dilation > 1), f"a{self.pool}" * (self.pool > 1))
        return f"{self.kernel}{dilated}{pooled}"


def read_parts(text: str) -> tuple[MixedPart, ...]:
    """The parts of ``1_3_7d3a3``."""
    matches = [_ONE_PART.fullmatch(part) for part in text.split("_")]
    return tuple(MixedPart(int(m[1]), int(m[2] or 1), int(m[3] or 1)) for m in matches if m is not None)


@dataclass(frozen=True, kw_only=True)
class Mixed(Followed):
    """Parallel depthwise convolutions over equal shares of the channels, in order, and what follows all of them.

    Tan and Le, MixConv: Mixed Depthwise Convolutional Kernels (2019). Every part keeps the size of the map at stride 1.
    """

    parts: tuple[MixedPart, ...]
    stride: int = 1

    source_name: ClassVar[str] = "mixed"
    source_about: ClassVar[str] = "Parallel depthwise convolutions"

    def __post_init__(self) -> None:
        """Reject impossible values."""
        super().__post_init__()
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

    @classmethod
    def _read_name(cls, name: str, channels: int) -> dict[str, Any] | None:
        match = _NAME.fullmatch(name)
        return {"parts": read_parts(match["parts"]), "stride": int(match["stride"] or 1)} if match else None

    def _write_name(self, channels: int) -> str:
        return f"mx{self.spatial_word()}" + (f"s{self.stride}" if self.stride > 1 else "")

    def spatial_word(self) -> str:
        """As ``Component.spatial_word``."""
        return "_".join(map(str, self.parts))

    def call(self, channels: int) -> ModuleCall:
        """As ``Component.call``."""
        share = channels // len(self.parts)
        factory = self.factory(("filters", "*parts"), self._layers, {})
        return ModuleCall(factory, (channels, *(self._part(part, share) for part in self.parts)))

    def _layers(self, filters: Value, *parts: Value) -> dict[str, ModuleCall]:
        return {"conv": ModuleCall("MixedConv", (filters, *parts)), **self.following(filters)}

    def _part(self, part: MixedPart, share: int) -> ModuleCall:
        if part.kernel == 1:
            return ModuleCall("nn.Identity")
        padding = part.dilation * (part.kernel - 1) // 2
        options = changed(stride=self.stride, padding=padding, dilation=part.dilation, groups=share)
        options |= {} if self.bias else {"bias": False}
        conv = ModuleCall("nn.Conv2d", (share, share, part.kernel), options)
        pool = ModuleCall("nn.AvgPool2d", (part.pool,), {"stride": 1, "padding": part.pool // 2})
        return ModuleCall("nn.Sequential", (pool, conv)) if part.pool > 1 else conv

    def output(self, shape: Shape) -> Shape:
        """Shape of the result; ArchitectureError where the parts do not divide the channels."""
        channels, height, width = shape
        if channels % len(self.parts):
            raise ArchitectureError(
                f"{len(self.parts)} parts do not divide {channels} channels: choose a number that does"
            )
        return channels, side(height, 1, self.stride, 1, 0), side(width, 1, self.stride, 1, 0)

    def _spatial(self) -> tuple[MixedPart, ...]:
        return tuple(part for part in self.parts if part.kernel > 1)

    def params(self, channels: int) -> int:
        """Weights, biases and the norm's parameters."""
        share = channels // len(self.parts)
        return sum(share * part.kernel**2 for part in self._spatial()) + self.vectors(channels)

    def vectors(self, channels: int) -> int:
        """Biases and the norm's parameters."""
        share = channels // len(self.parts)
        return share * self.bias * len(self._spatial()) + self.following_params(channels)

    def macs(self, shape: Shape) -> int:
        """As convolutions; pooling counts as nothing."""
        return prod(self.output(shape)) // len(self.parts) * sum(part.kernel**2 for part in self._spatial())

    def convolutions(self, channels: int) -> tuple[Convolution, ...]:
        """One for each part with a kernel larger than 1."""
        share = channels // len(self.parts)
        return tuple(Convolution(share, p.kernel, self.stride, p.dilation, share) for p in self._spatial())

    def reach(self) -> Reach:
        """The hull of the receptive fields of its parts."""
        high = max(part.dilation * (part.kernel - 1) // 2 + part.pool // 2 for part in self.parts)
        return Reach(-high, high, self.stride)

    def peak(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """Parts are computed in turn, then concatenated; the input stays in memory until the last part has read it."""
        n, read, written = len(self.parts), prod(before), prod(after)
        passes = is_held or any(part.kernel == 1 for part in self.parts)
        peak = made = 0
        for i, part in enumerate(self.parts):
            if part.kernel == 1:
                continue
            pooled = read // n if part.pool > 1 else 0
            is_read = passes or i < n - 1 or not pooled
            peak = max(peak, read + made + pooled, read * is_read + made + pooled + written // n)
            made += written // n
        return Peak(max(peak, read * passes + made + written), self.following_maps * written)

    def peak_in_place(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """The same where what follows works in place."""
        reading, _ = self.peak(before, after, is_held=is_held)
        return Peak(reading, self.following_maps_in_place * prod(after))

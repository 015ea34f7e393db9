"""A convolution: ``c32k5s2d2p1g4``, ``pw64``, ``dw``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Self

from nas.architecture.calls import CONV_OPTIONS, ModuleCall, Value, changed
from nas.architecture.components.component import Convolution, Peak, Reach, Shape
from nas.architecture.components.followed import Followed, side
from nas.architecture.errors import ArchitectureError

_NAME = re.compile(
    r"(?P<kind>c|pw|dw)(?P<out>\d+)?(?:k(?P<kernel>\d+))?(?:s(?P<stride>\d+))?(?:d(?P<dilation>\d+))?"
    r"(?:p(?P<padding>\d+))?(?:g(?P<groups>\d+))?"
)


@dataclass(frozen=True, kw_only=True)
class Conv(Followed):
    """One convolution and what follows it; ``padding`` None keeps the map's size at stride 1."""

    out: int
    kernel: int = 3
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    groups: int = 1

    source_name: ClassVar[str] = "conv"
    source_about: ClassVar[str] = "A convolution"
    is_one_convolution: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Resolve the padding and reject impossible values."""
        super().__post_init__()
        if self.kernel == 1 and self.dilation != 1:
            raise ArchitectureError(f"dilation of a 1x1 kernel has no effect: {self.dilation}: leave it at 1")
        if self.padding is None:
            object.__setattr__(self, "padding", self._same)
        for name in ("out", "kernel", "stride", "dilation", "groups"):
            if getattr(self, name) < 1:
                raise ArchitectureError(f"{name} of a convolution is {getattr(self, name)}: it must be 1 or more")
        if self.pad < 0 or self.out % self.groups:
            raise ArchitectureError(
                f"a convolution to {self.out} channels with padding {self.padding} and {self.groups} groups: "
                "padding must not be negative and groups must divide the channels"
            )

    @classmethod
    def _read_name(cls, name: str, channels: int) -> dict[str, Any] | None:
        match = _NAME.fullmatch(name)
        if match is None or not (match["out"] or match["kind"] == "dw") or (match["kernel"] and match["kind"] == "pw"):
            return None
        numbers = {field: int(text) for field, text in match.groupdict().items() if text and field != "kind"}
        if match["kind"] == "dw":
            return {"out": channels, **numbers, "groups": channels}
        return {"kernel": 1, **numbers} if match["kind"] == "pw" else numbers

    def _write_name(self, channels: int) -> str:
        kind = self.kind(channels)
        if kind == "depthwise":
            text, usual = "dw" + (str(self.out) if self.out != channels else ""), 3
        else:
            text, usual = ("pw" if self.kernel == 1 else "c") + str(self.out), 1 if self.kernel == 1 else 3
        return text + (f"k{self.kernel}" if self.kernel != usual else "") + self._options(channels)

    def _options(self, channels: int) -> str:
        """The word's stride, dilation, padding and groups, where they are not the usual ones."""
        text = f"s{self.stride}" if self.stride > 1 else ""
        text += f"d{self.dilation}" if self.dilation > 1 else ""
        text += f"p{self.pad}" if self.pad != self._same else ""
        return text + (f"g{self.groups}" if self.kind(channels) == "grouped" else "")

    def spatial_word(self) -> str:
        """As ``Component.spatial_word``."""
        return f"{self.kernel}" + (f"d{self.dilation}" if self.dilation > 1 else "")

    def word_without_channels(self, channels: int, usual: str) -> str:
        """As ``Component.word_without_channels``; the kernel is always written."""
        kind = self.kind(channels)
        text = "pw" if kind == "pointwise" else f"{'dw' if kind == 'depthwise' else 'c'}{self.kernel}"
        return text + self._options(channels) + (f":{self.letters}" if self.letters != usual else "")

    def with_out_channels(self, out: int) -> Self:
        """As ``Component.with_out_channels``."""
        return replace(self, out=out)

    def call(self, channels: int) -> ModuleCall:
        """As ``Component.call``."""
        factory = self.factory(("inputs", "filters", "kernel"), self._layers, CONV_OPTIONS)
        options = changed(stride=self.stride, padding=self.pad, dilation=self.dilation, groups=self.groups)
        return ModuleCall(factory, (channels, self.out, self.kernel), options)

    def _layers(self, inputs: Value, filters: Value, kernel: Value, **options: Value) -> dict[str, ModuleCall]:
        conv = ModuleCall("nn.Conv2d", (inputs, filters, kernel), {**options, "bias": self.bias})
        return {"conv": conv, **self.following(filters)}

    @property
    def _same(self) -> int:
        """The padding that keeps the map's size at stride 1."""
        return self.dilation * (self.kernel - 1) // 2

    @property
    def pad(self) -> int:
        """The padding as a number."""
        return self.padding if self.padding is not None else self._same

    def kind(self, channels: int) -> str:
        """standard, pointwise, grouped or depthwise, given the number of input channels."""
        if self.groups > 1:
            return "depthwise" if self.groups == channels else "grouped"
        return "pointwise" if self.kernel == 1 else "standard"

    def output(self, shape: Shape) -> Shape:
        """Shape of the result; ArchitectureError where groups do not divide the channels or the map becomes empty."""
        channels, rows, columns = shape
        if channels % self.groups:
            raise ArchitectureError(f"{self.groups} groups do not divide {channels} input channels: choose a divisor")
        pad = self.pad
        height = side(rows, self.kernel, self.stride, self.dilation, pad)
        width = height if columns == rows else side(columns, self.kernel, self.stride, self.dilation, pad)
        if height < 1 or width < 1:
            raise ArchitectureError(
                f"a {self.kernel}x{self.kernel} kernel of dilation {self.dilation} leaves nothing of a "
                f"{rows}x{columns} map: pad it or stride less before it"
            )
        return self.out, height, width

    def out_channels(self, channels: int) -> int:
        """``out``."""
        return self.out

    def params(self, channels: int) -> int:
        """Weights, bias and the norm's parameters, given the number of input channels."""
        weights = self.out * (channels // self.groups) * self.kernel**2
        return weights + self.vectors(channels)

    def vectors(self, channels: int) -> int:
        """The bias and the norm's parameters."""
        return self.out * self.bias + self.following_params(self.out)

    def macs(self, shape: Shape) -> int:
        """Per output value, the kernel's area times the channels of a group."""
        return prod(self.output(shape)) * (shape[0] // self.groups) * self.kernel**2

    def convolutions(self, channels: int) -> tuple[Convolution, ...]:
        """The convolution itself."""
        return (Convolution(channels, self.kernel, self.stride, self.dilation, self.groups),)

    def reach(self) -> Reach:
        """As ``Component.reach``."""
        return Reach(-self.pad, self.dilation * (self.kernel - 1) - self.pad, self.stride)

    def peak(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """Input and result; then the maps of what follows."""
        made = prod(after)
        return Peak(prod(before) + made, self.following_maps * made)

    def peak_in_place(self, before: Shape, after: Shape, *, is_held: bool) -> Peak:
        """The same where what follows works in place."""
        made = prod(after)
        return Peak(prod(before) + made, self.following_maps_in_place * made)

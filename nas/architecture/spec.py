"""What a network is: a frozen value with a short text form; no torch.

Text form, one word a stage, convolutions joined by ``-``::

    BR/c16-pw16-c32-c32s2/+dw.pw32-c48s2/c48-c64s2/c64-c64-pw10/gap
    │  │    │                │                                  └ head: gap | conv | fc
    │  │    │                └ ``+``: a residual around convolutions joined by ``.``
    │  │    └ pointwise: 1x1
    │  └ convolution to 16 channels, 3x3; k5 kernel, s2 stride, d2 dilation, p3 padding, g4 groups
    └ what follows every convolution unless it says otherwise (``c16:RB``): B batch norm, R ReLU, in this order

``dw`` (``dw64``: to 64 channels) is depthwise: one group an input channel. A bias is ``b`` before the letters (``c16:bR``),
``:N`` means that nothing follows. An input other than 3x32x32 or other than 10 classes stand behind the first letters:
``BR.1x28x28.7/...``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

from constraints.errors import UnusableInputError

Shape = tuple[int, int, int]
"""(channels, height, width)."""

HeadKind = Literal["gap", "conv", "fc"]
HEADS: tuple[HeadKind, ...] = ("gap", "conv", "fc")
"""After global average pooling: nothing, a 1x1 convolution, or a fully connected layer (both with bias)."""

POST = {"B": "batch_norm", "R": "relu", "S": "silu", "G": "gelu", "H": "hardswish"}
"""What may follow a convolution, by the letter that stands for it."""

DEFAULT_INPUT: Shape = (3, 32, 32)
DEFAULT_CLASSES = 10


class ArchitectureError(UnusableInputError):
    """The value or text describes no network: it names the part, the value and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Conv:
    """One convolution and what follows it; ``padding`` None keeps the size of the map at stride 1."""

    out: int
    kernel: int = 3
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    groups: int = 1
    bias: bool = False
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
        unknown = set(self.post) - set(POST.values())
        if unknown:
            raise ArchitectureError(
                f"unknown layer after a convolution: {unknown.pop()!r}: use {', '.join(POST.values())}"
            )
        if len(self.post) - ("batch_norm" in self.post) > 1 or len(set(self.post)) < len(self.post):
            raise ArchitectureError(f"after a convolution: {'-'.join(self.post)}: at most one norm and one activation")

    @property
    def pad(self) -> int:
        """The padding, resolved."""
        return self.padding if self.padding is not None else self.dilation * (self.kernel - 1) // 2

    def kind(self, channels: int) -> str:
        """standard, pointwise, grouped or depthwise, given the number of input channels."""
        if self.groups > 1:
            return "depthwise" if self.groups == channels else "grouped"
        return "pointwise" if self.kernel == 1 else "standard"

    def output(self, shape: Shape) -> Shape:
        """Shape of the result; ArchitectureError where groups do not divide or the map gets empty."""
        channels, *sides = shape
        if channels % self.groups:
            raise ArchitectureError(f"{self.groups} groups do not divide {channels} input channels: choose a divisor")
        reach = self.dilation * (self.kernel - 1) + 1
        height, width = ((side + 2 * self.pad - reach) // self.stride + 1 for side in sides)
        if min(height, width) < 1:
            raise ArchitectureError(
                f"a {self.kernel}x{self.kernel} kernel of dilation {self.dilation} leaves nothing of a "
                f"{sides[0]}x{sides[1]} map: pad it or stride less before it"
            )
        return self.out, height, width

    def weights(self, channels: int) -> int:
        """Number of weights, bias included, given the number of input channels."""
        return self.out * (channels // self.groups) * self.kernel**2 + (self.out if self.bias else 0)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Convolutions in a row; a residual block adds its input to their result, so both have one shape."""

    convs: tuple[Conv, ...]
    residual: bool = False

    def __post_init__(self) -> None:
        """A plain block is one convolution, so that equal networks are equal values."""
        if not self.convs or (not self.residual and len(self.convs) > 1):
            raise ArchitectureError(
                f"a block of {len(self.convs)} convolutions without a residual: write each as a block of its own"
            )
        if self.residual and any(conv.stride > 1 for conv in self.convs):
            raise ArchitectureError("a residual block with a stride: its input could not be added: stride outside it")


Stage = tuple[Block, ...]


class Placed(NamedTuple):
    """A convolution where it stands: its stage, its block and the shapes around it."""

    stage: int
    block: int
    conv: Conv
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
        *_, last = self.walk()
        return last.output

    def walk(self) -> Iterator[Placed]:
        """Every convolution of the stages, in order, with the shapes around it."""
        shape = self.input
        for s, stage in enumerate(self.stages):
            for b, block in enumerate(stage):
                before = shape
                for conv in block.convs:
                    try:
                        after = conv.output(shape)
                    except ArchitectureError as error:
                        raise ArchitectureError(f"stage c{s + 1}, block {b + 1}: {error}") from None
                    yield Placed(s, b, conv, shape, after)
                    shape = after
                if block.residual and shape != before:
                    raise ArchitectureError(
                        f"stage c{s + 1}, block {b + 1}: a residual from {before} to {shape}: both shapes must be equal"
                    )

    def __str__(self) -> str:
        """The canonical text, which ``parse`` reads back to an equal value."""
        usual = self._usual_post()
        head = usual
        if (self.input, self.classes) != (DEFAULT_INPUT, DEFAULT_CLASSES):
            head += f".{'x'.join(map(str, self.input))}.{self.classes}"
        words = [["" for _ in stage] for stage in self.stages]
        for placed in self.walk():
            residual = self.stages[placed.stage][placed.block].residual
            word = words[placed.stage][placed.block]
            prefix = f"{word}." if word else "+" * residual
            words[placed.stage][placed.block] = prefix + _write(placed.conv, placed.input[0], usual)
        return "/".join([head, *("-".join(stage) for stage in words), self.head])

    def _usual_post(self) -> str:
        counts = Counter(_letters(placed.conv) for placed in self.walk())
        return min(counts, key=lambda letters: (-counts[letters], letters))

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, ready for JSON; ``from_dict`` reads them back."""
        return {
            "stages": [
                [{"residual": b.residual, "convs": [_conv_dict(c) for c in b.convs]} for b in stage]
                for stage in self.stages
            ],
            "head": self.head,
            "input": list(self.input),
            "classes": self.classes,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Architecture:
        """The inverse of ``as_dict``."""
        stages = tuple(
            tuple(
                Block(
                    convs=tuple(Conv(**{**c, "post": tuple(c["post"])}) for c in block["convs"]),
                    residual=block["residual"],
                )
                for block in stage
            )
            for stage in data["stages"]
        )
        channels, height, width = data["input"]
        return cls(stages=stages, head=data["head"], input=(channels, height, width), classes=data["classes"])


_CONV = re.compile(
    r"(?P<kind>c|pw|dw)(?P<out>\d+)?(?:k(?P<kernel>\d+))?(?:s(?P<stride>\d+))?(?:d(?P<dilation>\d+))?"
    r"(?:p(?P<padding>\d+))?(?:g(?P<groups>\d+))?(?::(?P<post>N|b?[BRSGH]*))?"
)
_HEADER = re.compile(r"(?P<post>N|b?[BRSGH]*)(?:\.(?P<input>\d+x\d+x\d+)\.(?P<classes>\d+))?")


def parse(text: str) -> Architecture:
    """Read the text form; ArchitectureError names the part that cannot be read."""
    header, *stages, head = text.strip().split("/") if text.count("/") > 1 else ("", "", "")
    match = _HEADER.fullmatch(header)
    if not stages or match is None or not header:
        raise ArchitectureError(f"not an architecture: {text!r}: write it like BR/c16-c16s2/c32-c32s2/c64/fc")
    if head not in HEADS:
        raise ArchitectureError(f"unknown head: {head!r}: end the architecture with one of {', '.join(HEADS)}")
    shape = tuple(int(n) for n in match["input"].split("x")) if match["input"] else DEFAULT_INPUT
    channels, parsed = shape[0], []
    for stage in stages:
        blocks = []
        for word in stage.split("-"):
            convs = []
            for part in word.removeprefix("+").split("."):
                convs.append(_read(part, channels, match["post"]))
                channels = convs[-1].out
            blocks.append(Block(convs=tuple(convs), residual=word.startswith("+")))
        parsed.append(tuple(blocks))
    return Architecture(
        stages=tuple(parsed),
        head=head,
        input=(shape[0], shape[1], shape[2]),
        classes=int(match["classes"] or DEFAULT_CLASSES),
    )


def _read(word: str, channels: int, usual: str) -> Conv:
    match = _CONV.fullmatch(word)
    if match is None or (match["kind"] != "dw" and match["out"] is None):
        raise ArchitectureError(f"not a convolution: {word!r}: write it like c32, c32k5s2d2, dw, pw64 or c64g8:RB")
    number = {k: int(v) for k, v in match.groupdict().items() if v is not None and k not in ("kind", "post")}
    if match["kind"] == "pw":
        number["kernel"] = 1
    if match["kind"] == "dw":
        number = {"out": channels, **number, "groups": channels}
    letters = usual if match["post"] is None else match["post"]
    post = tuple(POST[x] for x in letters.lstrip("bN"))
    return Conv(**number, bias=letters.startswith("b"), post=post)


def _write(conv: Conv, channels: int, usual: str) -> str:
    kind = conv.kind(channels)
    if kind == "depthwise":
        text = "dw" + (str(conv.out) if conv.out != channels else "")
    else:
        text = ("pw" if conv.kernel == 1 else "c") + str(conv.out)
    if conv.kernel != (1 if text.startswith("pw") else 3):
        text += f"k{conv.kernel}"
    text += f"s{conv.stride}" if conv.stride > 1 else ""
    text += f"d{conv.dilation}" if conv.dilation > 1 else ""
    text += f"p{conv.pad}" if conv.pad != conv.dilation * (conv.kernel - 1) // 2 else ""
    text += f"g{conv.groups}" if kind == "grouped" else ""
    letters = _letters(conv)
    return text if letters == usual else f"{text}:{letters}"


def _letters(conv: Conv) -> str:
    letter = {name: letter for letter, name in POST.items()}
    return ("b" if conv.bias else "") + "".join(letter[p] for p in conv.post) or "N"


def _conv_dict(conv: Conv) -> dict[str, Any]:
    return {f.name: list(v) if isinstance(v := getattr(conv, f.name), tuple) else v for f in fields(conv)}

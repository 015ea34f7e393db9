"""Architecture -> nn.Module; owns the blocks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import nn

from nas.architecture.spec import Architecture, Block, Conv, HeadKind

_POST: dict[str, Callable[[int], nn.Module]] = {
    "batch_norm": nn.BatchNorm2d,
    "relu": lambda channels: nn.ReLU(),
    "silu": lambda channels: nn.SiLU(),
    "gelu": lambda channels: nn.GELU(),
    "hardswish": lambda channels: nn.Hardswish(),
}


class Residual(nn.Sequential):
    """Its layers in a row, plus its input."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` and the result have one shape: (batch, channels, height, width)."""
        return input + super().forward(input)  # type: ignore[no-any-return,no-untyped-call]


class Network(nn.Module):
    """An Architecture as a module: stages ``c1``, ``c2``, ... and the head."""

    def __init__(self, architecture: Architecture) -> None:
        """Make every layer; weights are torch's default initialisation."""
        super().__init__()
        channels = architecture.input[0]
        stages = OrderedDict[str, nn.Module]()
        for number, stage in enumerate(architecture.stages, start=1):
            blocks = []
            for block in stage:
                blocks.append(_block(block, channels))
                channels = block.convs[-1].out
            stages[f"c{number}"] = nn.Sequential(*blocks)
        self.stages = nn.Sequential(stages)
        self.head = _head(architecture.head, channels, architecture.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> (batch, classes) logits."""
        return self.head(self.stages(images))  # type: ignore[no-any-return]


def build(architecture: Architecture) -> Network:
    """The untrained module of an architecture."""
    return Network(architecture)


def _block(block: Block, channels: int) -> nn.Module:
    units = []
    for conv in block.convs:
        units.append(_unit(conv, channels))
        channels = conv.out
    return Residual(*units) if block.residual else units[0]


def _unit(conv: Conv, channels: int) -> nn.Module:
    layers = OrderedDict[str, nn.Module]()
    layers["conv"] = nn.Conv2d(
        channels, conv.out, conv.kernel, conv.stride, conv.pad, conv.dilation, conv.groups, bias=conv.bias
    )
    for name in conv.post:
        layers["norm" if name == "batch_norm" else "act"] = _POST[name](conv.out)
    return nn.Sequential(layers)


def _head(kind: HeadKind, channels: int, classes: int) -> nn.Sequential:
    layers = OrderedDict[str, nn.Module](pool=nn.AdaptiveAvgPool2d(1))
    if kind == "conv":
        layers["conv"] = nn.Conv2d(channels, classes, 1)
    layers["flatten"] = nn.Flatten()
    if kind == "fc":
        layers["fc"] = nn.Linear(channels, classes)
    return nn.Sequential(layers)

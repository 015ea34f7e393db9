"""Architecture -> nn.Module."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from nas.architecture import blocks
from nas.architecture.spec import Architecture, HeadKind


class Network(nn.Module):
    """An Architecture as a module: stages ``c1``, ``c2``, ... and the head."""

    def __init__(self, architecture: Architecture) -> None:
        """Make every layer; weights are torch's default initialisation."""
        super().__init__()
        first = {(p.stage, p.block): p.input[0] for p in reversed(architecture.placed)}
        stages = OrderedDict[str, nn.Module]()
        for s, stage in enumerate(architecture.stages):
            modules = [blocks.module(block, first[s, b]) for b, block in enumerate(stage)]
            stages[f"c{s + 1}"] = nn.Sequential(*modules)
        self.stages = nn.Sequential(stages)
        self.head = _head(architecture.head, architecture.last_map[0], architecture.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> (batch, classes) logits."""
        return self.head(self.stages(images))  # type: ignore[no-any-return]


def build(architecture: Architecture) -> Network:
    """The untrained module of an architecture."""
    return Network(architecture)


def _head(kind: HeadKind, channels: int, classes: int) -> nn.Sequential:
    layers = OrderedDict[str, nn.Module](pool=nn.AdaptiveAvgPool2d(1))
    if kind == "conv":
        layers["conv"] = nn.Conv2d(channels, classes, 1)
    layers["flatten"] = nn.Flatten()
    if kind == "fc":
        layers["fc"] = nn.Linear(channels, classes)
    return nn.Sequential(layers)

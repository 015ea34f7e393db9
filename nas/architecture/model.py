"""Architecture -> nn.Module."""

from __future__ import annotations

import torch
from torch import nn

from nas.architecture import assembly
from nas.architecture.blocks import make, sequential
from nas.architecture.spec import Architecture
from nas.arguments import checked


class Network(nn.Module):
    """An Architecture as a module: stages ``c1``, ``c2``, ... and the head."""

    def __init__(self, architecture: Architecture) -> None:
        """Make every layer; weights are torch's default initialisation."""
        super().__init__()
        stages = assembly.stages(architecture).items()
        self.stages = sequential({name: nn.Sequential(*map(make, blocks)) for name, blocks in stages})
        self.head = sequential({name: make(layer) for name, layer in assembly.head(architecture).items()})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> (batch, classes) logits."""
        return self.head(self.stages(images))  # type: ignore[no-any-return]


@checked
def build(architecture: Architecture) -> Network:
    """The untrained module of an architecture, with weights as torch initialises them, in training mode.

    It takes (batch, channels, height, width) images of ``architecture.input`` and gives (batch, classes) logits.
    """
    return Network(architecture)

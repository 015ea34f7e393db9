"""The modules that networks use besides torch's own, copied into exported source, and functions that create them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

from nas.architecture.calls import Factory, ModuleCall


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` and the result: (batch, channels, height, width)."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TanhExp(nn.Module):
    """x tanh(exp x); Liu and Di, TanhExp: A Smooth Activation Function (2020)."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Elementwise."""
        return torch.tanh(torch.exp(input)) * input


class Product(nn.Module):
    """The first half of the channels, activated, times the second half: a gated linear unit, Dauphin et al. (2017)."""

    def __init__(self, activation: nn.Module | None) -> None:
        """``activation`` is that of the first half; None for none."""
        super().__init__()
        self.act = activation if activation is not None else nn.Identity()

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(batch, 2 x channels, height, width) -> (batch, channels, height, width)."""
        first, second = input.chunk(2, 1)
        return self.act(first) * second  # type: ignore[no-any-return]


class MixedConv(nn.Module):
    """Parallel depthwise convolutions, each over an equal share of the channels."""

    def __init__(self, channels: int, *parts: nn.Module) -> None:
        """One module per share of the channels, in order."""
        super().__init__()
        self.share = channels // len(parts)
        self.parts = nn.ModuleList(parts)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> the same, with height and width divided by the stride."""
        shares = zip(self.parts, input.split(self.share, 1), strict=True)  # type: ignore[no-untyped-call]
        return torch.cat([part(share) for part, share in shares], 1)


class SqueezeExcite(nn.Module):
    """The channels' means through two linear layers and a sigmoid scale the channels."""

    def __init__(self, channels: int, hidden: int) -> None:
        """``hidden`` is the width between the two layers."""
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden)
        self.expand = nn.Linear(hidden, channels)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` and the result have one shape: (batch, channels, height, width)."""
        gate = torch.sigmoid(self.expand(F.relu(self.squeeze(input.mean((2, 3))))))
        return input * gate[:, :, None, None]


class Residual(nn.Sequential):
    """Layers in sequence; their input is added to their result."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` and the result have one shape: (batch, channels, height, width)."""
        return input + super().forward(input)  # type: ignore[no-any-return,no-untyped-call]


class ScaledResidual(nn.Sequential):
    """Layers in sequence; their input, times a learned scale per channel, is added to their result."""

    def __init__(self, channels: int, *layers: nn.Module) -> None:
        """The scale starts at 1."""
        super().__init__(*layers)
        self.scale = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` and the result have one shape: (batch, channels, height, width)."""
        return super().forward(input) + input * self.scale  # type: ignore[no-any-return,no-untyped-call]


class Repeated(nn.Sequential):
    """Layers in sequence, called several times, each call on the result of the one before."""

    def __init__(self, calls: int, *layers: nn.Module) -> None:
        """``calls`` is the number of calls, all with the same weights."""
        super().__init__(*layers)
        self.calls = calls

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` and the result have one shape: (batch, channels, height, width)."""
        for _ in range(self.calls):
            input = super().forward(input)  # type: ignore[no-untyped-call]
        return input


def make(call: ModuleCall) -> nn.Module:
    """The untrained module that a call creates."""
    if isinstance(call.maker, Factory):
        layers = call.maker.layers(*call.arguments, **{**call.maker.options, **call.options})
        return sequential({name: make(layer) for name, layer in layers.items()})
    name = call.maker.removeprefix("nn.")
    maker = globals()[name] if name == call.maker else getattr(nn, name)
    arguments = (make(value) if isinstance(value, ModuleCall) else value for value in call.arguments)
    return maker(*arguments, **call.options)  # type: ignore[no-any-return]


def sequential(layers: Mapping[str, nn.Module]) -> nn.Sequential:
    """Named layers in sequence."""
    return nn.Sequential(OrderedDict(layers))

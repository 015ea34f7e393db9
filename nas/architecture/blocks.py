"""A unit or block of an Architecture -> nn.Module."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from nas.architecture.spec import Block
from nas.architecture.units import NORMS, Conv, Excite, Mixed, Part, Unit, channels_after


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
    """The first half of the channels, activated, times the second half; Dauphin et al., gated linear units (2017)."""

    def __init__(self, activation: nn.Module | None) -> None:
        """No activation: the plain product."""
        super().__init__()
        self.act = activation if activation is not None else nn.Identity()

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(batch, 2 x channels, height, width) -> (batch, channels, height, width)."""
        first, second = input.chunk(2, 1)
        return self.act(first) * second  # type: ignore[no-any-return]


class MixedConv(nn.Module):
    """Depthwise convolutions side by side over equal shares of the channels."""

    def __init__(self, unit: Mixed, channels: int) -> None:
        """``channels`` is a multiple of the number of parts."""
        super().__init__()
        self.share = channels // len(unit.parts)
        self.parts = nn.ModuleList(_part(part, self.share, unit) for part in unit.parts)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> the same, the sides divided by the stride."""
        return torch.cat([part(x) for part, x in zip(self.parts, torch.split(input, self.share, 1), strict=True)], 1)


class SqueezeExcite(nn.Module):
    """The channels' means through two linear layers and a sigmoid scale the channels."""

    def __init__(self, channels: int, hidden: int) -> None:
        """``hidden`` units between the two layers."""
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden)
        self.expand = nn.Linear(hidden, channels)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` and the result have one shape: (batch, channels, height, width)."""
        gate = torch.sigmoid(self.expand(F.relu(self.squeeze(input.mean((2, 3))))))
        return input * gate[:, :, None, None]


class Residual(nn.Sequential):
    """Its layers in a row, plus its input."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` and the result have one shape: (batch, channels, height, width)."""
        return input + super().forward(input)  # type: ignore[no-any-return,no-untyped-call]


class ScaledResidual(nn.Sequential):
    """Its layers in a row, plus its input times a learned scale, one a channel."""

    def __init__(self, channels: int, *layers: nn.Module) -> None:
        """The scale starts at 1."""
        super().__init__(*layers)
        self.scale = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``input`` and the result have one shape: (batch, channels, height, width)."""
        return super().forward(input) + input * self.scale  # type: ignore[no-any-return,no-untyped-call]


_POST: dict[str, Callable[[int], nn.Module]] = {
    "batch_norm": nn.BatchNorm2d,
    "layer_norm": ChannelNorm,
    "relu": lambda channels: nn.ReLU(),
    "silu": lambda channels: nn.SiLU(),
    "gelu": lambda channels: nn.GELU(),
    "hardswish": lambda channels: nn.Hardswish(),
    "tanhexp": lambda channels: TanhExp(),
}


def module(block: Block, channels: int) -> nn.Module:
    """The untrained module of a block that gets ``channels``."""
    modules, width = [], channels
    for unit in block.units:
        modules.append(_unit(unit, width))
        width = channels_after(unit, width)
    if block.scaled:
        return ScaledResidual(channels, *modules)
    return Residual(*modules) if block.residual else modules[0]


def _unit(unit: Unit, channels: int) -> nn.Module:
    if isinstance(unit, Excite):
        return SqueezeExcite(channels, unit.hidden(channels))
    layers = OrderedDict[str, nn.Module]()
    if isinstance(unit, Mixed):
        layers["conv"], made = MixedConv(unit, channels), channels
    else:
        layers["conv"], made = _conv(unit, channels), unit.filters
    for name in unit.post:
        layers["norm" if name in NORMS else "act"] = _POST[name](made)
    if isinstance(unit, Conv) and unit.gated:
        layers["gate"] = Product(layers.pop("act", None))
    return nn.Sequential(layers)


def _conv(conv: Conv, channels: int) -> nn.Conv2d:
    return nn.Conv2d(
        channels, conv.filters, conv.kernel, conv.stride, conv.pad, conv.dilation, conv.groups, bias=conv.bias
    )


def _part(part: Part, channels: int, unit: Mixed) -> nn.Module:
    kernel, dilation, pool = part
    if kernel == 1:
        return nn.Identity()
    padding = dilation * (kernel - 1) // 2
    conv = nn.Conv2d(channels, channels, kernel, unit.stride, padding, dilation, channels, bias=unit.bias)
    return nn.Sequential(nn.AvgPool2d(pool, 1, pool // 2), conv) if pool > 1 else conv

"""Networks that break rules in ways that an edit fixes."""

from __future__ import annotations

from hypothesis import strategies as st
from torch import nn

from constraints import Report


def net(*, dilation: int = 1, groups: int = 1, pool: type[nn.Module] | None = None) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.Conv2d(8, 8, 3, 2, 1, groups=groups, bias=False),
        nn.Conv2d(8, 16, 3, padding=dilation, dilation=dilation, bias=False),
    ]
    if pool is not None:
        layers.append(pool(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def fixes(report: Report, name: str) -> tuple[str, ...]:
    return next(v.fix for v in report.constraints if v.name == name)


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def pooled(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


LAYERS = st.sampled_from(["conv", "stride", "dilated", "depthwise", "pointwise", "max", "average"])


def layer(kind: str) -> nn.Module:
    made: dict[str, nn.Module] = {
        "conv": conv(8, 8),
        "stride": conv(8, 8, 2),
        "dilated": nn.Conv2d(8, 8, 3, padding=2, dilation=2),
        "depthwise": nn.Conv2d(8, 8, 3, padding=1, groups=8),
        "pointwise": nn.Conv2d(8, 8, 1),
        "max": nn.MaxPool2d(2),
        "average": nn.AvgPool2d(2),
    }
    return made[kind]

"""The calls that make a network, by hand."""

from __future__ import annotations

import pytest

from nas.architecture import assembly
from nas.architecture.calls import ModuleCall
from nas.architecture.spec import parse

POOL, FLATTEN = ModuleCall("nn.AdaptiveAvgPool2d", (1,)), ModuleCall("nn.Flatten")


def test_blocks_by_stage_each_with_its_own_input_channels() -> None:
    found = assembly.stages(parse("BR/c8-se4/+dw.se2-%pw8-gl12/fc"))
    assert {name: [block.name for block in blocks] for name, blocks in found.items()} == {
        "c1": ["conv_bn_relu", "SqueezeExcite"],
        "c2": ["Residual", "ScaledResidual", "gated_bn_relu"],
    }
    assert found["c1"][1] == ModuleCall("SqueezeExcite", (8, 2))  # a quarter of 8
    residual, scaled, gated = found["c2"]
    assert residual.arguments[1] == ModuleCall("SqueezeExcite", (8, 4))
    assert scaled.arguments[0] == 8  # a scale a channel
    assert gated.arguments == (8, 12)


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("BR/c8/pw10/gap", {"pool": POOL, "flatten": FLATTEN}),
        ("BR/c8/c12/conv", {"pool": POOL, "conv": ModuleCall("nn.Conv2d", (12, 10, 1)), "flatten": FLATTEN}),
        ("BR/c8/c12/fc", {"pool": POOL, "flatten": FLATTEN, "fc": ModuleCall("nn.Linear", (12, 10))}),
    ],
)
def test_heads(text: str, layers: dict[str, ModuleCall]) -> None:
    found = assembly.head(parse(text))
    assert list(found.items()) == list(layers.items())

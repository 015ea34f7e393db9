"""Modules of blocks: what they compute, by hand on small tensors."""

import math

import pytest
import torch
from torch import nn

from nas.architecture import assembly
from nas.architecture.blocks import ChannelNorm, MixedConv, Product, SqueezeExcite, TanhExp, make
from nas.architecture.components import Component, Conv, Excite, Gated, Mixed, MixedPart
from nas.architecture.spec import Block


def test_the_norm_over_channels_is_of_each_pixel() -> None:
    x = torch.tensor([[1.0, 3.0], [2.0, 6.0]]).T.reshape(1, 2, 1, 2)  # pixels (1, 3) and (2, 6)
    found = ChannelNorm(2, eps=0.0)(x)
    assert torch.allclose(found, torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).reshape(1, 2, 1, 2))


@pytest.mark.parametrize("x", [-30.0, -1.0, 0.0, 1.0, 20.0, 100.0])
def test_tanhexp(x: float) -> None:
    expected = x * math.tanh(math.exp(x))
    assert TanhExp()(torch.tensor(x)).item() == pytest.approx(expected, rel=1e-6)


def test_the_first_half_is_activated_and_scales_the_second() -> None:
    x = torch.tensor([-2.0, 3.0, 5.0, 7.0]).reshape(1, 4, 1, 1)
    assert Product(nn.ReLU())(x).flatten().tolist() == [0.0, 21.0]
    assert Product(None)(x).flatten().tolist() == [-10.0, 21.0]


def test_shares_of_a_mixture_go_their_own_ways_in_order() -> None:
    made = make(Mixed(parts=(MixedPart(1), MixedPart(3), MixedPart(3, 1, 3)), post=()).call(3))
    for parameter in made.parameters():
        nn.init.ones_(parameter)
    x = torch.ones(1, 3, 5, 5)
    # In the middle: 1 passes; 9 ones; each of 9 pools is 1. In the corner: 1; 4 ones; pools of 4/9, 6/9, 6/9 and 1.
    assert torch.allclose(made(x)[0, :, 2, 2], torch.tensor([1.0, 9.0, 9.0]))
    assert torch.allclose(made(x)[0, :, 0, 0], torch.tensor([1.0, 4.0, 25 / 9]))


def test_squeeze_and_excitation_scales_by_a_sigmoid_of_the_means() -> None:
    gate = SqueezeExcite(2, 1)
    with torch.no_grad():
        gate.squeeze.weight.copy_(torch.tensor([[1.0, -1.0]]))
        gate.squeeze.bias.zero_()
        gate.expand.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        gate.expand.bias.zero_()
    x = torch.tensor([[0.0, 4.0], [1.0, 1.0]]).reshape(1, 2, 1, 2)  # means 2 and 1, so one value of 1
    up, down = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))
    assert torch.allclose(gate(x).flatten(), torch.tensor([0.0, 4 * up, down, down]))


DOUBLE = (Conv(out=2, kernel=1, groups=2, post=()),)


def doubled(block: Block) -> nn.Module:
    made = make(assembly.block(block, 2))
    for layer in made.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 2.0)
    return made


def test_residuals_add_their_input_scaled_or_not() -> None:
    x = torch.ones(1, 2, 1, 1)
    assert doubled(Block(components=DOUBLE))(x).flatten().tolist() == [2.0, 2.0]
    assert doubled(Block(components=DOUBLE * 2, residual=True))(x).flatten().tolist() == [5.0, 5.0]
    scaled = doubled(Block(components=DOUBLE, residual=True, scaled=True))
    assert scaled(x).flatten().tolist() == [3.0, 3.0]  # the scale starts at 1
    with torch.no_grad():
        scaled.get_parameter("scale")[0, 1] = 10.0
    assert scaled(x).flatten().tolist() == [3.0, 12.0]


def test_a_block_that_is_called_again_works_on_its_own_result() -> None:
    x = torch.ones(1, 2, 1, 1)
    assert doubled(Block(components=DOUBLE, calls=3))(x).flatten().tolist() == [8.0, 8.0]
    assert doubled(Block(components=DOUBLE * 2, calls=2))(x).flatten().tolist() == [16.0, 16.0]
    residual = doubled(Block(components=DOUBLE, residual=True, calls=3))
    assert residual(x).flatten().tolist() == [27.0, 27.0]  # each call adds the double of what it gets
    assert sum(p.numel() for p in residual.parameters()) == 2


@pytest.mark.parametrize(
    ("component", "layers"),
    [
        (Conv(out=4), {"conv": nn.Conv2d, "norm": nn.BatchNorm2d, "act": nn.ReLU}),
        (Conv(out=4, post=("silu", "layer_norm")), {"conv": nn.Conv2d, "act": nn.SiLU, "norm": ChannelNorm}),
        (Conv(out=4, post=()), {"conv": nn.Conv2d}),
        (Gated(out=4, post=("batch_norm", "gelu")),
         {"conv": nn.Conv2d, "norm": nn.BatchNorm2d, "gate": Product}),
        (Mixed(parts=(MixedPart(1), MixedPart(3)), post=("hardswish",)), {"conv": MixedConv, "act": nn.Hardswish}),
    ],
)  # fmt: skip
def test_what_follows_a_convolution_follows_in_order(component: Component, layers: dict[str, type[nn.Module]]) -> None:
    made = make(component.call(4))
    assert {name: type(layer) for name, layer in made.named_children()} == layers
    assert list(dict(made.named_children())) == list(layers)


COMPONENTS = [
    Conv(out=6, kernel=5, stride=2, dilation=2, padding=3, groups=2, bias=True),
    Gated(out=5, bias=True, post=("layer_norm", "tanhexp")),
    Mixed(parts=(MixedPart(1), MixedPart(3, 2)), bias=True),
    Mixed(parts=(MixedPart(3), MixedPart(5, 1, 3)), stride=2),
    Excite(reduction=3),
]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_a_module_has_the_shape_and_the_parameters_of_its_component(component: Component) -> None:
    made = make(component.call(4))
    assert made(torch.zeros(2, 4, 11, 9)).shape == (2, *component.output((4, 11, 9)))
    assert sum(p.numel() for p in made.parameters()) == component.params(4)

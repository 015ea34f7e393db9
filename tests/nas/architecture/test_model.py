"""Architecture -> module."""

import torch
from torch import nn

from nas.architecture.model import build
from nas.architecture.named import SEED, TINIEST
from nas.architecture.spec import parse

# The seed network, layer by layer as its author published it: layer, channels, side of the map, parameters.
SEED_TABLE = """
Conv2d 16 32 432 | ReLU 16 32 0 | BatchNorm2d 16 32 32 | Conv2d 16 32 256 | ReLU 16 32 0 | BatchNorm2d 16 32 32
Conv2d 32 32 4608 | ReLU 32 32 0 | BatchNorm2d 32 32 64 | Conv2d 32 16 9216 | ReLU 32 16 0 | BatchNorm2d 32 16 64
Conv2d 64 16 576 | ReLU 64 16 0 | BatchNorm2d 64 16 128 | Conv2d 32 16 2048 | ReLU 32 16 0 | BatchNorm2d 32 16 64
Conv2d 64 16 1152 | ReLU 64 16 0 | BatchNorm2d 64 16 128 | Conv2d 48 16 3072 | ReLU 48 16 0 | BatchNorm2d 48 16 96
Conv2d 64 8 1728 | ReLU 64 8 0 | BatchNorm2d 64 8 128 | Conv2d 32 8 2048 | ReLU 32 8 0 | BatchNorm2d 32 8 64
Conv2d 64 8 576 | ReLU 64 8 0 | BatchNorm2d 64 8 128 | Conv2d 128 8 512 | ReLU 128 8 0 | BatchNorm2d 128 8 256
Conv2d 64 8 8192 | ReLU 64 8 0 | BatchNorm2d 64 8 128 | Conv2d 96 8 1728 | ReLU 96 8 0 | BatchNorm2d 96 8 192
Conv2d 64 8 6144 | ReLU 64 8 0 | BatchNorm2d 64 8 128 | Conv2d 64 5 36864 | ReLU 64 5 0 | BatchNorm2d 64 5 128
Conv2d 96 5 1728 | BatchNorm2d 96 5 192 | ReLU 96 5 0 | Conv2d 64 5 6144 | BatchNorm2d 64 5 128 | ReLU 64 5 0
Conv2d 64 5 576 | Conv2d 32 5 2048 | BatchNorm2d 32 5 64 | ReLU 32 5 0
Conv2d 48 3 1728 | ReLU 48 3 0 | BatchNorm2d 48 3 96 | Conv2d 10 3 480 | ReLU 10 3 0 | BatchNorm2d 10 3 20
AdaptiveAvgPool2d 10 1 0
"""


def test_the_seed_network_is_the_published_table_number_for_number() -> None:
    published = [tuple(row.split()) for line in SEED_TABLE.strip().splitlines() for row in line.split(" | ")]
    model = build(SEED).eval()
    rows: list[tuple[str, ...]] = []

    def record(module: nn.Module, _: object, out: torch.Tensor) -> None:
        params = sum(p.numel() for p in module.parameters())
        rows.append((type(module).__name__, str(out.shape[1]), str(out.shape[2]), str(params)))
        assert out.shape[2] == out.shape[3]

    for module in model.modules():
        if not list(module.children()) and not isinstance(module, nn.Flatten):
            module.register_forward_hook(record)
    model(torch.zeros(1, 3, 32, 32))
    assert len(published) == 65
    assert rows == published
    assert sum(p.numel() for p in model.parameters()) == 94_116


def test_every_head_gives_one_logit_a_class() -> None:
    for rest in ("c8-pw7/gap", "c8/conv", "c8/fc"):
        assert build(parse(f"BR.1x9x11.7/{rest}")).eval()(torch.zeros(2, 1, 9, 11)).shape == (2, 7)


def test_a_residual_block_adds_its_input() -> None:
    model = build(parse("N.4x6x6.4/+pw4/gap"))
    nn.init.zeros_(next(model.parameters()))
    images = torch.randn(3, 4, 6, 6)
    assert torch.allclose(model(images), images.mean((2, 3)), atol=1e-6)


def test_a_scaled_residual_scales_its_input() -> None:
    model = build(parse("N.4x6x6.4/%pw4/gap"))
    first, scale = model.get_parameter("stages.c1.0.0.conv.weight"), model.get_parameter("stages.c1.0.scale")
    nn.init.zeros_(first)
    nn.init.constant_(scale, 3.0)
    images = torch.randn(3, 4, 6, 6)
    assert torch.allclose(model(images), 3 * images.mean((2, 3)), atol=1e-5)


def test_the_tiniest_network_has_its_published_number_of_parameters() -> None:
    model = build(TINIEST).eval()
    assert sum(p.numel() for p in model.parameters()) == 97_530
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_a_gated_convolution_multiplies_its_halves() -> None:
    layer = build(parse("R.2x5x5.2/gl2/gap")).get_submodule("stages.c1.0")
    images = torch.randn(3, 2, 5, 5)
    first, second = nn.functional.conv2d(images, layer.get_parameter("conv.weight")).chunk(2, 1)
    assert torch.allclose(layer(images), first.clamp(min=0) * second)


def test_a_mixed_convolution_treats_each_share_by_itself() -> None:
    layer = build(parse("N.6x9x9.6/mx1_3_5d2a3/gap")).get_submodule("stages.c1.0")
    images = torch.randn(2, 6, 9, 9)
    first, second, third = images.chunk(3, 1)
    second = nn.functional.conv2d(second, layer.get_parameter("conv.parts.1.weight"), padding=1, groups=2)
    third = nn.functional.avg_pool2d(third, 3, 1, 1)
    kernel = layer.get_parameter("conv.parts.2.1.weight")
    third = nn.functional.conv2d(third, kernel, padding=4, dilation=2, groups=2)
    assert torch.allclose(layer(images), torch.cat([first, second, third], 1), atol=1e-6)


def test_squeeze_and_excitation_scales_channels_between_0_and_1() -> None:
    layer = build(parse("N.4x5x5.4/se2-pw4/gap")).get_submodule("stages.c1.0")
    images = torch.randn(2, 4, 5, 5)
    ratio = (layer(images) / images).flatten(2)
    assert torch.allclose(ratio, ratio[:, :, :1].expand_as(ratio), atol=1e-4)
    assert ((ratio > 0) & (ratio < 1)).all()


def test_layer_norm_is_over_the_channels_of_a_pixel() -> None:
    made = build(parse("L.3x4x4.8/c8/gap")).stages(torch.randn(2, 3, 4, 4))
    assert torch.allclose(made.mean(1), torch.zeros(2, 4, 4), atol=1e-5)


def test_what_follows_a_convolution_keeps_its_order() -> None:
    def kinds(text: str) -> list[str]:
        leaves = [m for m in build(parse(text)).stages.modules() if not list(m.children())]
        return [type(m).__name__ for m in leaves]

    assert kinds("RB/c8/fc") == ["Conv2d", "ReLU", "BatchNorm2d"]
    assert kinds("BH/c8/fc") == ["Conv2d", "BatchNorm2d", "Hardswish"]
    assert kinds("b/c8/fc") == ["Conv2d"]


def test_the_same_seed_gives_the_same_weights() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in build(SEED).parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))

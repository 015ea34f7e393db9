"""Architecture -> module."""

import torch
from torch import nn

from nas.architecture.model import build
from nas.architecture.named import SEED
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

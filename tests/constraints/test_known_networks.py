"""Networks whose metrics are published or follow from a few lines of arithmetic, each against its whole trace."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints.tracer import Trace, trace
from tests.constraints.written import Written


def conv(i: int, o: int, k: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(i, o, k, padding=options.pop("padding", k // 2), **options)


# https://distill.pub/2019/computing-receptive-fields and float64 gradients; gates aside
FIELDS = {
    "resnet18": 435,
    "resnet34": 899,
    "resnet50": 427,
    "resnet101": 971,
    "resnet152": 1451,
    "mobilenet_v2": 491,
    "mobilenet_v3_small": 639,
    "efficientnet_b0": 851,
    "densenet121": 2071,
    "googlenet": 379,
    "inception_v3": 1311,
    "shufflenet_v2_x0_5": 527,
    "squeezenet1_1": 207,
    "mnasnet0_5": 843,
}
UNLOADED = {"googlenet", "inception_v3"}
"""Nets that else draw their weights by a distribution that the meta device does not have."""


def classifier(name: str) -> nn.Module:
    import torchvision

    options: dict[str, Any] = {"init_weights": False} if name in UNLOADED else {}
    with torch.device("meta"):  # no weight need be drawn
        model: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "field"), FIELDS.items())
def test_fields_of_torchvision_networks(name: str, field: int) -> None:
    model = classifier(name)
    found = trace(model, (3, 96, 96)).metrics
    assert found.receptive_field_hw == (field, field)
    assert found.params == sum(p.numel() for p in model.parameters())
    assert found.global_context is (name in ("mobilenet_v3_small", "efficientnet_b0"))


def test_the_layers_of_vgg16_before_it_flattens() -> None:
    assert trace(classifier("vgg16").get_submodule("features"), (3, 64, 64)).metrics.receptive_field == 212


SHARED = conv(8, 8)
SMALL = {
    # 1 + 2 * (1 + 2 + 4)
    "dilated 1, 2, 4": (nn.Sequential(*(conv(3, 3, dilation=d) for d in (1, 2, 4))), (15, 15)),
    # 3, then 3 + 2 * 2 = 7 at 2 pixels a unit, two neighbours of it 9, one more in the 3x3 that follows
    "transposed": (
        nn.Sequential(conv(3, 8, stride=2), conv(8, 8), nn.ConvTranspose2d(8, 8, 4, 2, 1), conv(8, 10)),
        (11, 11),
    ),
    "1x7 then 3x3": (nn.Sequential(nn.Conv2d(3, 8, (1, 7)), nn.Conv2d(8, 8, 3)), (3, 9)),
    "F.conv2d": (Written(lambda m, x: F.conv2d(x, m.kernels), kernels=nn.Parameter(torch.ones(8, 3, 7, 7))), (7, 7)),
    "F.avg_pool2d": (Written(lambda m, x: F.avg_pool2d(F.avg_pool2d(x, 4), 2)), (8, 8)),
    # 1 + 2 + 3 * 2
    "one convolution three times": (nn.Sequential(conv(3, 8), SHARED, SHARED, SHARED), (9, 9)),
}


@pytest.mark.parametrize(("model", "field"), SMALL.values(), ids=SMALL.keys())
def test_fields_that_other_tools_miss(model: nn.Module, field: tuple[int, int]) -> None:
    assert trace(model, (3, 64, 64)).metrics.receptive_field_hw == field


def test_tied_weights_count_once() -> None:
    first, again = conv(8, 8), conv(8, 8)
    again.weight = first.weight
    model = nn.Sequential(conv(3, 8), first, again)
    assert trace(model).metrics.params == 816 == (3 * 8 * 9 + 8) + 8 * 8 * 9 + 8 + 8


def test_a_bare_parameter_counts() -> None:
    model = Written(
        lambda m, x: F.conv2d(m.first(x), m.kernels), first=conv(3, 8), kernels=nn.Parameter(torch.ones(8, 8, 5, 5))
    )
    assert trace(model).metrics.params == 1824 == (3 * 8 * 9 + 8) + 8 * 8 * 25


class Same(nn.Module):
    """TensorFlow's SAME padding of a strided 3x3 window on an even map: nothing in front, one pixel behind."""

    def __init__(self, window: nn.Module) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.window(F.pad(x, (0, 1, 0, 1)))
        return result


def strided(i: int, o: int, stride: int, groups: int = 1) -> nn.Module:
    if stride == 1:
        return conv(i, o, groups=groups)
    return Same(nn.Conv2d(i, o, 3, stride, groups=groups))


def mobilenet_v1() -> nn.Module:
    layers, channels = [strided(3, 8, 2)], 8
    for stride in (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1):
        layers += [strided(channels, channels, stride, groups=channels), nn.ReLU(), conv(channels, channels, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))


class Bottleneck(nn.Module):
    """A unit of resnet_v1_50 in TF-Slim, whose 3x3 is padded by one pixel on either side."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(8, 4, 1), nn.ReLU(), conv(4, 4, 3, stride=stride), nn.ReLU(), conv(4, 8, 1))
        self.shortcut = nn.MaxPool2d(1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def resnet_v1_50() -> nn.Module:
    """The last unit of each block but the last is strided, as TF-Slim has it."""
    strides = [*(1, 1, 2), *(1, 1, 1, 2), *(1, 1, 1, 1, 1, 2), *(1, 1, 1)]
    stem = [nn.Conv2d(3, 8, 7, 2, 3), nn.ReLU(), Same(nn.MaxPool2d(3, 2))]
    return nn.Sequential(*stem, *(Bottleneck(s) for s in strides), nn.AdaptiveAvgPool2d(1))


def last_map(found: Trace) -> tuple[Any, Any, Any]:
    """Field, jump and padding (how far the first unit reaches beyond the input) before the global pooling."""
    layer = [x for x in found.layers if x.receptive_field is not None][-1]
    assert layer.offset is not None
    return layer.receptive_field, layer.jump, tuple(-o for o in layer.offset if o is not None)


# receptive field, effective stride and effective padding of Araujo, Norris, Sim, Distill 2019
PUBLISHED: dict[str, tuple[Callable[[], nn.Module], int, tuple[int, int, int]]] = {
    "mobilenet_v1": (mobilenet_v1, 224, (315, 32, 126)),
    "inception_v3": (lambda: classifier("inception_v3"), 299, (1311, 32, 618)),
    "resnet_v1_50": (resnet_v1_50, 224, (483, 32, 239)),
}


@pytest.mark.parametrize(("build", "size", "figures"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_field_stride_and_padding_of_the_published_table(
    build: Callable[[], nn.Module], size: int, figures: tuple[int, int, int]
) -> None:
    found = trace(build(), (3, size, size))
    assert last_map(found) == tuple((n, n) for n in figures)
    assert found.metrics.receptive_field == figures[0]

"""Hand-written models -> Architecture."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from constraints import check
from constraints.errors import UnusableInputError
from constraints.stages import split
from nas.architecture.codegen import source
from nas.architecture.model import build
from nas.architecture.module_import import from_module, import_module
from nas.architecture.named import NAMED, SEED
from nas.architecture.spec import Architecture, Block, parse
from nas.space import space as spaces
from nas.space.analytic import body


def blocks(architecture: Architecture) -> list[Block]:
    """Without the cuts into stages, which change nothing that is computed."""
    return [block for stage in architecture.stages for block in stage]


def conv(inputs: int, filters: int, **options: Any) -> nn.Sequential:
    """As many write it by hand: activation before norm, dropout at the end."""
    options = {"kernel_size": 3, "padding": 1, "bias": False, **options}
    return nn.Sequential(
        nn.Conv2d(inputs, filters, **options), nn.ReLU(inplace=True), nn.BatchNorm2d(filters), nn.Dropout(0.1)
    )


class ByHand(nn.Module):
    """Functional calls, views, a residual and a log-softmax beside modules."""

    def __init__(self) -> None:
        super().__init__()
        self.first = conv(3, 16)
        self.down = conv(16, 32, stride=2)
        self.depthwise = conv(32, 32, groups=32)
        self.pointwise = conv(32, 32, kernel_size=1, padding=0)
        self.dilated = nn.Conv2d(32, 64, 3, padding="same", dilation=2)
        self.out = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.down(self.first(x))
        x = x + self.pointwise(self.depthwise(x))
        x = F.silu(self.dilated(x))
        x = F.avg_pool2d(x, 16)
        return F.log_softmax(self.out(x.view(-1, 64)), dim=-1)


@pytest.mark.parametrize("name", NAMED)
def test_named_networks_come_back(name: str) -> None:
    assert from_module(build(NAMED[name])) == NAMED[name]


@pytest.mark.parametrize(
    "text",
    [
        "BR/c16-se4-%mx3_5d2a3.gl16:bLT-+pw32.dw.pw16:B-c16s2/c32:GL-mx1_3:N-mx3_5s2:bB-gl16:B/gl8:b-c9:bR/conv",
        "LS.1x9x11.7/c8k5p0:H-dw16:LT-se3-pw7:N/gap",
        "RB/c8:b-dwk5s2d2/c12g4:SB-c12/fc",
        "BR/c8-c8d2/c12-dwd2-pw16/c16/fc",
        "BR/c8-3c8-c16s2/2dw.pw16-3+dw.pw16:B-c16s2/2%mx1_3_7d2_7d3a3:b.gl16:bT.pw16:b-2c16-c24-2se4/fc",
    ],
)
def test_every_kind_of_block_comes_back(text: str) -> None:
    assert from_module(build(parse(text)), parse(text).input) == parse(text)


@pytest.mark.parametrize("preset", [name for name in spaces.PRESETS if name != "small"])  # kinds of long, called again
@given(seed=st.integers(0, 2**32), depth=st.integers(1, 4))
@settings(max_examples=2)
def test_random_networks_of_the_presets_come_back(preset: str, seed: int, depth: int) -> None:
    """Cut into the same stages too, where as many strides, or without one dilations, end stages as the space has."""
    space = spaces.load(preset)
    whole = space.decode(space.random(random.Random(seed)))
    is_whole = depth >= len(whole.stages)
    architecture = whole if is_whole else replace(whole, stages=whole.stages[:depth], head="fc")
    found = from_module(build(architecture), architecture.input)
    assert blocks(found) == blocks(architecture)
    assert (found.head, found.input, found.classes) == (architecture.head, architecture.input, architecture.classes)
    ends = split(body(architecture).path)
    if len((ends if ends.ends else ends.by_dilation_too).convs_per_stage) == len(architecture.stages):
        assert found == architecture


def test_exported_source_comes_back() -> None:
    names: dict[str, Any] = {}
    exec(compile(source(SEED), "generated", "exec"), names)
    assert from_module(names["Net"]()) == SEED


def test_a_model_written_by_hand() -> None:
    text = "RB/c16-c32s2/+dw.pw32-c64d2:bS/fc"
    assert str(from_module(ByHand())) == text


def test_a_model_whose_train_returns_nothing() -> None:
    class Silent(ByHand):
        def train(self, mode: bool = True) -> Any:
            super().train(mode)

    assert blocks(from_module(Silent())) == blocks(from_module(ByHand()))


def test_the_weights_come_along() -> None:
    torch.manual_seed(0)
    model = ByHand()
    model(torch.randn(8, 3, 32, 32))  # running statistics away from where they begin
    model.eval()
    found = import_module(model)
    made = build(found.architecture).eval()
    made.load_state_dict(found.weights, strict=True)
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(F.log_softmax(made(images), 1), model(images), atol=1e-5)


def test_the_metrics_are_those_of_the_model() -> None:
    theirs = check(ByHand(), require=["params > 0"]).metrics
    ours = check(build(from_module(ByHand())), require=["params > 0"]).metrics
    assert {k: v for k, v in theirs.items() if k != "peak_activation_bytes"} == {
        k: v for k, v in ours.items() if k != "peak_activation_bytes"
    }
    # 3*16*9 + 16*2, 16*32*9 + 32*2, 32*9 + 32*2, 32*32 + 32*2, 32*64*9 + 64, 64*10 + 10
    assert theirs["params"] == 464 + 4_672 + 352 + 1_088 + 18_496 + 650


def test_the_model_is_left_as_it_was() -> None:
    model = ByHand().train()
    model.dilated.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    from_module(model)
    assert model.training
    assert not model.dilated.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def chain(*layers: nn.Module, channels: int = 8) -> nn.Sequential:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


class Call(nn.Module):
    """A model of one function over named layers."""

    def __init__(self, forward: Callable[[Any, torch.Tensor], torch.Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.given = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.given(self, x)


def c8() -> nn.Conv2d:
    return nn.Conv2d(8, 8, 3, padding=1)


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "max pool": (chain(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2)), r"max_pool2d in 1: write the model as a chain"),
    "norm first": (chain(nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3)), r"batch_norm in 0: "),
    "two norms": (
        chain(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.BatchNorm2d(8)),
        r"batch_norm in 3: a second norm or activation",
    ),
    "another activation": (chain(nn.Conv2d(3, 8, 3), nn.ELU()), r"elu in 1: "),
    "approximated": (
        chain(nn.Conv2d(3, 8, 3), nn.GELU("tanh")),
        r"gelu in 1: its approximate is tanh: leave it at",
    ),
    "not square": (chain(nn.Conv2d(3, 8, (1, 7))), r"conv2d in 0: its kernel is 1x7: make it square"),
    "padding by reflection": (chain(nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")), r"pad in 0: "),
    "epsilon": (chain(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, eps=1e-3)), r"batch_norm in 1: its epsilon is 0\.001"),
    "no affine": (chain(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, affine=False)), r"no learned scale and shift"),
    "no statistics": (
        chain(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False)),
        r"it keeps no running statistics",
    ),
    "no pool": (nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 900, 10)), r"flatten in 1: "),
    "two linear layers": (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 8), nn.Linear(8, 10)),
        r"linear in 4: after the global pool there is at most one",
    ),
    "head without bias": (
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10, bias=False)),
        r"linear in 3: the layer after the global pool is 1x1 or linear, with a bias",
    ),
    "projected shortcut": (
        chain(nn.Conv2d(3, 8, 3), Call(lambda m, x: m.b(x) + m.c(x), b=nn.Conv2d(8, 8, 1), c=c8())),
        r"conv2d in 0: 2 operations take its result, and they are not a residual block: ",
    ),
    "shared layer": (
        chain(*[nn.Conv2d(3, 3, 3)] * 2, channels=3),
        r"conv2d in 1: it shares 1\.weight with an earlier layer",
    ),
    "branches of the images": (
        Call(
            lambda m, x: m.out((m.a(x) + m.b(x)).mean((2, 3))),
            a=nn.Conv2d(3, 8, 3),
            b=nn.Conv2d(3, 8, 3),
            out=nn.Linear(8, 10),
        ),
        r"the images: 2 operations take its result",
    ),
    "two outputs": (
        Call(lambda m, x: (m.a(x), m.a(x)), a=nn.Conv2d(3, 8, 3)),  # type: ignore[arg-type, return-value]
        r"a model of 1 inputs and 2 outputs",
    ),
    "scaled outputs": (
        Call(lambda m, x: 2 * m.out(m.a(x).mean((2, 3))), a=nn.Conv2d(3, 8, 3), out=nn.Linear(8, 10)),
        r"mul in the forward pass: after the global pool",
    ),
    "a doubled residual": (
        Call(
            lambda m, x: m.out(torch.add(m.a(x), m.b(m.a(x)), alpha=2).mean((2, 3))),
            a=nn.Identity(),
            b=nn.Conv2d(3, 3, 3, padding=1),
            out=nn.Linear(3, 10),
        ),
        r"would give other outputs",
    ),
    "unused layer": (
        Call(lambda m, x: m.out(m.a(x).mean((2, 3))), a=nn.Conv2d(3, 8, 3), b=c8(), out=nn.Linear(8, 10)),
        r"params is 898, the architecture's would be 314",  # 3*8*9 + 8 + 8*10 + 10 = 314; 8*8*9 + 8 = 584 more
    ),
    "depends on values": (
        Call(lambda m, x: m.a(x) if x.sum() > 0 else m.a(-x), a=nn.Conv2d(3, 8, 3)),
        r"cannot follow the model's forward pass: ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_down_is_named(name: str) -> None:
    model, reason = REFUSED[name]
    with pytest.raises(UnusableInputError, match=reason) as caught:
        from_module(model)
    assert "\n" not in str(caught.value)


def test_what_the_model_raises_goes_through() -> None:
    with pytest.raises(RuntimeError, match="expected input"):
        from_module(chain(nn.Conv2d(4, 8, 3)))


def test_an_input_without_three_axes_is_refused() -> None:
    with pytest.raises(UnusableInputError, match=r"unusable input size: \(3, 32\): give channels, height and width"):
        from_module(chain(nn.Conv2d(3, 8, 3)), (3, 32))


def test_a_pool_as_large_as_the_map_and_a_1x1_head() -> None:
    layers = OrderedDict(
        conv=nn.Conv2d(1, 8, 3, stride=2, bias=False),
        pool=nn.AvgPool2d((4, 6)),
        head=nn.Conv2d(8, 5, 1),
        flat=nn.Flatten(),
    )
    assert str(from_module(nn.Sequential(layers), (1, 9, 13))) == "N.1x9x13.5/c8s2p0/conv"

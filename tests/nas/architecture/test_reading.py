"""Blocks and heads read off a graph, with the names of what they hold in the order of the layers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.errors import UnusableInputError
from nas.architecture import assembly
from nas.architecture.blocks import make
from nas.architecture.components import Component, Conv, Excite, Gated, Mixed, MixedPart
from nas.architecture.graph import Graph
from nas.architecture.reading import GraphReading, read
from nas.architecture.spec import Block
from tests.constraints.written import Written


def reading(*layers: nn.Module, side: int = 8) -> GraphReading:
    return read(Graph(nn.Sequential(*layers), (4, side, side)))


TAIL = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
COMPONENTS: list[Component] = [
    Conv(out=6, kernel=5, stride=2, dilation=2, padding=3, groups=2, bias=True, post=("relu", "layer_norm")),
    Gated(out=3, bias=True, post=("batch_norm", "tanhexp")),
    Gated(out=3, post=()),
    Mixed(parts=(MixedPart(1), MixedPart(3, 2, 3)), bias=True, post=("hardswish",)),
    Mixed(parts=(MixedPart(3), MixedPart(5)), stride=2, post=()),
    Excite(reduction=4),
    Excite(reduction=2),
]


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_every_component_is_read_as_it_was_built(component: Component) -> None:
    found = reading(make(component.call(4)), *TAIL)
    assert found.blocks == [Block(components=(component,))]
    assert (found.head, found.softmax) == ("gap", "")


@pytest.mark.parametrize("scaled", [False, True])
def test_residual_blocks_with_their_scale_first(scaled: bool) -> None:
    block = Block(components=(Conv(out=4), Conv(out=4, kernel=1, post=())), residual=True, scaled=scaled)
    found = reading(make(assembly.block(block, 4)), *TAIL)
    assert found.blocks == [block]
    names = ["0.conv.weight", *(f"0.norm.{n}" for n in ("weight", "bias", "running_mean", "running_var"))]
    assert found.tensors == [*["0.scale"] * scaled, *(f"0.{name}" for name in names), "0.1.conv.weight"]


@pytest.mark.parametrize(
    "block",
    [
        Block(components=(Conv(out=4, bias=True, post=()),), calls=2),
        Block(components=(Conv(out=4, groups=4), Conv(out=4, kernel=1)), calls=3),
        Block(components=(Conv(out=4), Conv(out=4, kernel=1, post=())), residual=True, calls=2),
        Block(components=(Conv(out=4),), residual=True, scaled=True, calls=2),
    ],
    ids=str,
)
def test_a_block_that_is_called_again_is_read_as_one(block: Block) -> None:
    found = reading(make(assembly.block(block, 4)), *TAIL)
    once = reading(make(assembly.block(replace(block, residual=True, calls=1), 4)), *TAIL)
    assert found.blocks == [block]
    assert len(found.tensors) == len(once.tensors)


def test_only_what_is_called_in_a_row_on_its_own_result_is_one_block() -> None:
    other, narrow = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3)
    assert [block.calls for block in reading(CONV, CONV, other, *TAIL).blocks] == [2, 1]
    assert [block.calls for block in reading(CONV, other, CONV, other, CONV, other, *TAIL).blocks] == [3]
    for layers in ([CONV, other, CONV], [CONV, CONV, other, CONV], [narrow, narrow]):
        with pytest.raises(UnusableInputError, match=r"it shares \d\.weight with an earlier layer"):
            reading(*layers, *TAIL)


@pytest.mark.parametrize(
    ("layers", "head", "classes", "softmax"),
    [
        (TAIL, "gap", 4, ""),
        ((*TAIL, nn.Linear(4, 7)), "fc", 7, ""),
        ((nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 7, 1), nn.Flatten()), "conv", 7, ""),
        ((nn.AvgPool2d(8), nn.Flatten(), nn.Linear(4, 7), nn.LogSoftmax(1)), "fc", 7, "log_softmax"),
        ((*TAIL, nn.Softmax(1)), "gap", 4, "softmax"),
    ],
)
def test_heads(layers: tuple[nn.Module, ...], head: str, classes: int, softmax: str) -> None:
    found = reading(nn.Conv2d(4, 4, 3, padding=1), *layers)
    assert (found.head, found.classes, found.softmax) == (head, classes, softmax)
    assert found.tensors[:2] == ["0.weight", "0.bias"]


@pytest.mark.parametrize("window", [7, 8])
def test_an_average_pool_is_global_where_its_window_is_the_map(window: int) -> None:
    layers = (nn.Conv2d(4, 4, 1), nn.AvgPool2d(window), nn.Flatten())
    if window == 8:
        assert reading(*layers).head == "gap"
        return
    with pytest.raises(UnusableInputError, match="avg_pool2d in 1: write the model as a chain"):
        reading(*layers)


@pytest.mark.parametrize(("hidden", "reduction"), [(1, 4), (2, 2), (4, 1)])
def test_the_reduction_of_a_gate_from_its_width(hidden: int, reduction: int) -> None:
    gate = make(Excite(reduction=4 // hidden).call(4))
    assert reading(gate, *TAIL).blocks == [Block(components=(Excite(reduction=reduction),))]


class Gate(nn.Module):
    """Squeeze-and-excitation with ``hidden`` values between the linear layers."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze, self.expand = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.expand(F.relu(self.squeeze(x.mean((2, 3))))))[:, :, None, None]


CONV = nn.Conv2d(4, 4, 3, padding=1)


REFUSED: dict[str, tuple[list[nn.Module], str]] = {
    "a rectangular kernel": ([nn.Conv2d(4, 4, (1, 3))], "its kernel is 1x3: make it square"),
    "a stride of two kinds": ([nn.Conv2d(4, 4, 3, stride=(1, 2))], "its stride is 1x2: make it square"),
    "an even kernel padded alike": ([nn.Conv2d(4, 4, 2, padding="same")], "padding differs from side to side"),
    "two activations": ([CONV, nn.ReLU(), nn.SiLU()], "a second norm or activation follows one convolution"),
    "two norms": ([CONV, nn.BatchNorm2d(4), nn.BatchNorm2d(4)], "a second norm or activation"),
    "another epsilon": ([CONV, nn.BatchNorm2d(4, eps=1e-3)], "its epsilon is 0.001: make it 1e-05"),
    "a norm without a scale": ([CONV, nn.BatchNorm2d(4, affine=False)], "it has no learned scale and shift"),
    "a norm without statistics": ([CONV, nn.BatchNorm2d(4, track_running_stats=False)], "no running statistics"),
    "an approximated activation": ([CONV, nn.GELU("tanh")], "its approximate is tanh: leave it at none"),
    "a gate of a 3x3": (
        [Written(lambda m, x: torch.mul(*m.a(x).chunk(2, 1)), a=nn.Conv2d(4, 8, 3, padding=1))],
        "a gated convolution is 1x1 without stride, padding or groups: make it so",
    ),
    "a max pool": ([CONV, nn.MaxPool2d(2)], "max_pool2d in 1: write the model as a chain"),
    "one layer twice": ([CONV, nn.ReLU(), CONV], r"it shares [02]\.weight with an earlier layer"),
    "a gate of no whole share": (
        [Gate(4, 3)],
        "no reduction gives 3 values between the linear layers for 4 channels: take 1",
    ),
    "two residuals of one map": (
        [Written(lambda m, x: m.a(x) * m.b(x), a=nn.Conv2d(4, 4, 1), b=nn.Conv2d(4, 4, 1))],
        "2 operations take its result, and they are not a residual block",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_word_is_named(name: str) -> None:
    layers, reason = REFUSED[name]
    with pytest.raises(UnusableInputError, match=f"^no architecture can be written of this model: .*{reason}"):
        reading(*layers, *TAIL)


def test_what_follows_the_head_is_refused() -> None:
    with pytest.raises(UnusableInputError, match="after the global pool there is at most one linear or 1x1 layer"):
        reading(CONV, *TAIL, nn.Linear(4, 5), nn.Linear(5, 6))
    with pytest.raises(UnusableInputError, match="1x1 or linear, with a bias"):
        reading(CONV, *TAIL, nn.Linear(4, 5, bias=False))


def test_a_map_that_is_not_pooled_is_refused() -> None:
    with pytest.raises(UnusableInputError, match="its result is not pooled globally"):
        reading(CONV)

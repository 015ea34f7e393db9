"""The diagram by arithmetic: against hand arithmetic, and against a trace of the built network."""

import json
import random

import pytest

from constraints import check
from nas.architecture.model import build
from nas.architecture.named import SEED
from nas.architecture.spec import Architecture, parse
from nas.results.report.diagram import drawing, layers
from nas.space.analytic import metrics
from nas.space.space import PRESETS, load
from tests.nas.results.known import GATED, PLAIN

UNUSUAL = [
    "BR/c16-se4-c16s2/%mx3_7:b.gl48:bT.pw16:b-c32k5s2/mx1_3_7d3a3_5-pw24-c24d2/fc",
    "BR.1x28x20.7/c8-+c8.c8-c8s2/+c8k2p1.c8k2p0/conv",
    "LG/c8-%dw.gl16.pw8-c16s2p0g4/dw16-pw10/gap",
    "BR/c8-3c8-2+dw.pw8-c8s2/2dw.pw8-2%c8k2p1.c8k2p0/fc",
]


def test_layers_by_hand() -> None:
    found = list(layers(parse("BR/c8-c16s2/%dw.pw16-c24d2/fc")))
    assert [(one.stage, one.block, one.word) for one in found] == [
        (0, 0, "c8"), (0, 1, "c16s2"), (1, 0, "dw"), (1, 0, "pw16"), (1, 1, "c24d2"),
    ]  # fmt: skip
    assert [one.output for one in found] == [(8, 32, 32), (16, 16, 16), (16, 16, 16), (16, 16, 16), (24, 16, 16)]
    # weights and twice the channels for batch norm; the learned scale of the residual is 16 more
    assert [one.params for one in found] == [
        3 * 8 * 9 + 16, 8 * 16 * 9 + 32, 16 * 9 + 32, 16 * 16 + 32 + 16, 16 * 24 * 9 + 48,
    ]  # fmt: skip
    pixels = 16 * 16
    assert [one.macs for one in found] == [
        3 * 8 * 9 * 32 * 32, 8 * 16 * 9 * pixels, 16 * 9 * pixels, 16 * 16 * pixels, 16 * 24 * 9 * pixels,
    ]  # fmt: skip
    # 3x3 sees -1..1; with stride 2 -2..2; then jump 2: 3x3 adds 2 on each side, dilation 2 adds 4
    assert [(one.field.jump, one.field.lo, one.field.hi) for one in found] == [
        (1, (-1,), (1,)), (2, (-2,), (2,)), (2, (-4,), (4,)), (2, (-4,), (4,)), (2, (-8,), (8,)),
    ]  # fmt: skip


def test_a_residual_sees_what_its_input_does() -> None:
    # An even kernel padded on both sides looks back by one, one padded on none ahead: 3x3, then -1..0, then 0..1.
    found = list(layers(parse("BR.3x8x8.10/c8/+c8k2p1.c8k2p0/fc")))
    assert [(one.field.lo[0], one.field.hi[0]) for one in found] == [(-1, 1), (-2, 1), (-2, 2)]


def test_a_layer_that_is_called_again_says_so_and_sees_more() -> None:
    _, twice = layers(parse("BR/c8-2c8/fc"))
    assert (twice.word, twice.params, twice.macs) == ("c8 x2", 8 * 8 * 9 + 16, 2 * 8 * 8 * 9 * 32 * 32)
    assert (twice.field.lo, twice.field.hi) == ((-3,), (3,))


def drawn() -> list[str]:
    """Networks of every preset, drawn uniformly."""
    generator = random.Random(7)
    spaces = [load(name) for name in PRESETS]
    return [str(space.decode(space.random(generator))) for space in spaces for _ in range(6)]


@pytest.mark.parametrize("text", [PLAIN, GATED, str(SEED), *UNUSUAL, *drawn()])
def test_arithmetic_agrees_with_a_trace(text: str) -> None:
    architecture = parse(text)
    report = check(build(architecture), architecture.input, ["params > 0"])
    found = list(layers(architecture))
    for stage in range(len(architecture.stages)):
        traced = [layer for layer in report.layers if layer.name.startswith(f"stages.c{stage + 1}.")]
        ours = [layer for layer in found if layer.stage == stage]
        convolved = [layer for layer in traced if layer.kernel]  # a layer norm works on channels last
        assert ours[-1].output == convolved[-1].output
        assert (ours[-1].field.size, ours[-1].field.size) == traced[-1].receptive_field
        assert (ours[-1].field.jump, ours[-1].field.jump) == traced[-1].jump
        assert sum(layer.macs for layer in ours) == sum(layer.macs for layer in traced)
    classifier = (architecture.last_map[0] + 1) * architecture.classes if architecture.head != "gap" else 0
    whole = sum(layer.params for layer in found) + classifier
    assert whole == report.metrics["params"] == metrics(architecture).params
    assert found[-1].field.size == report.metrics["receptive_field"]


def test_a_drawing_is_short_json() -> None:
    document = json.loads(json.dumps(drawing("BR/c8-c16s2/+dw.pw16/conv")))
    assert document == {  # of each layer the middle unit, 16 of 32 and 8 of 16
        "input": [3, 32, 32],
        "classes": 10,
        "head": ["conv", 16 * 10 + 10],
        "residual": [[1, 0]],
        "layers": [
            [0, 0, "c8", [8, 32, 32], 216 + 16, 216 * 1024, 1, 3, 16 - 1, 16 - 1],
            [0, 1, "c16s2", [16, 16, 16], 1152 + 32, 1152 * 256, 2, 5, 8 * 2 - 2, 8 * 2 - 2],
            [1, 0, "dw", [16, 16, 16], 144 + 32, 144 * 256, 2, 9, 8 * 2 - 4, 8 * 2 - 4],
            [1, 0, "pw16", [16, 16, 16], 256 + 32, 256 * 256, 2, 9, 8 * 2 - 4, 8 * 2 - 4],
        ],
        "box": pytest.approx([-0.04 * 32, -0.04 * 32, 1.08 * 32, 1.08 * 32]),
    }


@pytest.mark.parametrize("text", ["", "network-1", "<script>alert(1)</script>", "BR/c16/nothing", "BR/c16-dw17/fc"])
def test_what_is_no_network_is_said_instead(text: str) -> None:
    assert list(drawing(text)) == ["error"]


def test_architectures_of_the_tests_are_read_back() -> None:
    assert all(isinstance(parse(text), Architecture) for text in UNUSUAL)

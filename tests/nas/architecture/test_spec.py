"""The architecture value and its text form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.architecture.components import Component, Conv, Excite, Gated, Mixed, MixedPart
from nas.architecture.named import NAMED, SEED, TINIEST
from nas.architecture.norm_act import TABLE
from nas.architecture.spec import (
    HEADS,
    Architecture,
    ArchitectureError,
    Block,
    parse,
)

POSTS = st.sampled_from([(), ("batch_norm",), ("relu",), ("layer_norm", "silu"), ("hardswish", "batch_norm")])


@st.composite
def convs(draw: st.DrawFn, channels: int, *, same_shape: bool) -> Conv:
    kernel = draw(st.sampled_from([1, 3, 5]))
    out = channels if same_shape else channels * draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 3)) if kernel > 1 else 1
    return Conv(
        out=out,
        kernel=kernel,
        stride=1 if same_shape else draw(st.integers(1, 2)),
        padding=None if same_shape or draw(st.booleans()) else dilation * (kernel - 1) // 2 + 1,
        dilation=dilation,
        groups=draw(st.sampled_from([1, 2, channels])),
        bias=draw(st.booleans()),
        post=draw(POSTS),
    )


@st.composite
def components(draw: st.DrawFn, channels: int, *, same_shape: bool) -> Component:
    kind = draw(st.sampled_from(["conv", "conv", "gated", "mixed", "excite"]))
    if kind == "gated":
        post = draw(st.sampled_from([(), ("layer_norm", "silu"), ("tanhexp",)]))
        return Gated(out=channels, bias=draw(st.booleans()), post=post)
    if kind == "mixed":
        stride = 1 if same_shape else draw(st.integers(1, 2))
        first = MixedPart(1) if stride == 1 and draw(st.booleans()) else MixedPart(5)
        parts = (first, MixedPart(3, draw(st.integers(1, 3)), draw(st.sampled_from([1, 3]))))
        return Mixed(parts=parts, stride=stride, bias=draw(st.booleans()), post=draw(POSTS))
    if kind == "excite":
        return Excite(reduction=draw(st.integers(1, 8)))
    return draw(convs(channels, same_shape=same_shape))


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    channels = draw(st.sampled_from([2, 4]))
    shape = (channels, draw(st.integers(24, 40)), 32)
    stages = []
    for _ in range(draw(st.integers(1, 3))):
        blocks = []
        for _ in range(draw(st.integers(1, 3))):
            residual = draw(st.booleans())
            members = []
            for _ in range(draw(st.integers(1, 3)) if residual else 1):
                members.append(draw(components(channels, same_shape=residual)))
                channels = members[-1].output((channels, 99, 99))[0]
            scaled, calls = residual and draw(st.booleans()), draw(st.integers(1, 3)) if residual else 1
            blocks.append(Block(components=tuple(members), residual=residual, scaled=scaled, calls=calls))
        stages.append(tuple(blocks))
    head = draw(st.sampled_from(HEADS))
    classes = channels if head == "gap" else draw(st.integers(2, 100))
    return Architecture(stages=tuple(stages), head=head, input=shape, classes=classes)


@given(architectures())
def test_the_text_reads_back_to_an_equal_value(architecture: Architecture) -> None:
    text = str(architecture)
    again = parse(text)
    assert again == architecture
    assert hash(again) == hash(architecture)
    assert str(again) == text


def test_words_mean_what_the_docstring_says() -> None:
    architecture = parse("BR/c16-pw16-c32k5s2/+dw.pw32-dw64d2-c64p3g8:bS/fc")
    first, pointwise, down, depthwise, after, wide, grouped = [p.component for p in architecture.placed]
    assert first == Conv(out=16, kernel=3, padding=1, post=("batch_norm", "relu"))
    assert pointwise == Conv(out=16, kernel=1, padding=0)
    assert down == Conv(out=32, kernel=5, stride=2, padding=2)
    assert depthwise == Conv(out=32, groups=32)
    assert after == Conv(out=32, kernel=1)
    assert wide == Conv(out=64, groups=32, dilation=2, padding=2)
    assert grouped == Conv(out=64, groups=8, padding=3, bias=True, post=("silu",))
    assert [b.residual for b in architecture.stages[1]] == [True, False, False]


def test_a_number_before_a_word_or_its_mark_is_how_often_it_is_called() -> None:
    text = "BR/c16-3c16-12+dw.pw16-2%c16/2dw.pw16-c32s2/fc"
    (first, thrice, dozen, scaled), (pair, _) = parse(text).stages
    assert (first.calls, thrice) == (1, Block(components=(Conv(out=16),), calls=3))
    assert (dozen.calls, dozen.residual, dozen.scaled) == (12, True, False)
    assert (scaled.calls, scaled.residual, scaled.scaled) == (2, True, True)
    assert pair == Block(components=(Conv(out=16, groups=16), Conv(out=16, kernel=1)), calls=2)
    assert str(parse(text)) == text
    assert [p.calls for p in parse(text).placed] == [1, 3, 12, 12, 2, 2, 2, 1]


def test_kinds() -> None:
    placed = parse("BR/c16-pw16-c32g4-dw-pw32g2-gl8/fc").placed
    kinds = [p.component.kind(p.input[0]) for p in placed]
    assert kinds == ["standard", "pointwise", "grouped", "depthwise", "grouped", "gated"]


def test_a_full_group_count_is_depthwise_however_it_is_written() -> None:
    assert parse("BR/c16-c32g16/fc") == parse("BR/c16-dw32/fc")
    assert str(parse("BR/c16-c32g16/fc")) == "BR/c16-dw32/fc"


def test_the_usual_post_is_written_once_and_the_others_where_they_are() -> None:
    assert str(parse("R/c16:BR-c16:BR-c32:N/fc")) == "BR/c16-c16-c32:N/fc"


def test_another_input_and_another_number_of_classes() -> None:
    architecture = parse("BR.1x28x28.7/c16-c32s2/fc")
    assert (architecture.input, architecture.classes, architecture.last_map) == ((1, 28, 28), 7, (32, 14, 14))


def test_the_seed_network_is_written_as_it_was_made() -> None:
    assert str(SEED).startswith("RB/c16-pw16-c32-c32s2/dw64-pw32-c64g16-pw48-c64s2g16/")
    assert SEED.last_map == (10, 3, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an architecture: ''"),
        ("c16/c16/fc", "not an architecture: 'c16/c16/fc'"),
        ("BR/c16", "not an architecture"),
        ("BR/c16/softmax", "unknown head: 'softmax': end the architecture with one of gap, conv, fc"),
        ("BR/c16-x32/fc", "not a layer: 'x32'"),
        ("BR/c16-pw/fc", "not a layer: 'pw'"),
        ("BR/c16-c0/fc", "out of a convolution is 0: it must be 1 or more"),
        ("BR/c16-c30g4/fc", "a convolution to 30 channels with padding 1 and 4 groups"),
        ("BR/c18-c32g4/fc", "stage c1, block 2: 4 groups do not divide 18 input channels"),
        ("BR/c16/+c32/fc", r"stage c2, block 1: a residual from \(16, 32, 32\) to \(32, 32, 32\)"),
        ("BR/+c3s2/fc", "a residual block with a stride"),
        ("BR/c16.c16/fc", "a block of 2 layers without a residual"),
        (
            "BR/c16-c16k9p0-c16k9p0-c16k9p0-c16k9p0/fc",
            "a 9x9 kernel of dilation 1 leaves nothing of a 8x8 map",
        ),
        ("BR/c16/gap", "the last convolution has 16 channels for 10 classes: end with pw10"),
        ("BR/c16-pw16d2/fc", "dilation of a 1x1 kernel has no effect: 2"),
        ("BRS/c16/fc", "not an architecture"),
        ("BR/c16:BL/fc", "not a layer: 'c16:BL'"),
        ("BR/c16-mx3_3/fc", "needs parts that differ: write mx3_5, or dw"),
        ("BR/c16-mx3_5_7/fc", "3 parts do not divide 16 channels"),
        ("BR/c16-mx3_4/fc", "kernel and pool must be odd"),
        ("BR/c16-mx1_3s2/fc", "a part of kernel 1 passes its channels as they are"),
        ("BR/c16-gl8k3/fc", "not a layer: 'gl8k3'"),
        ("BR/c16-gl8:RB/fc", "the norm comes before the activation"),
        ("BR/c16-se0/fc", "reduction of a squeeze-and-excitation is 0"),
        ("BR/c16-%c16s2/fc", "a residual block with a stride"),
        ("BR/c16-2c16s2/fc", "a block that is called 2 times with a stride: it could not be called again"),
        ("BR/c16-2c32/fc", r"a block that is called 2 times from \(16, 32, 32\) to \(32, 32, 32\)"),
        ("BR/c16-65c16/fc", "calls of a block is 65: it must be 1 to 64"),
        ("BR/c16-1c16/fc", "not a layer: '1c16'"),
        ("BR/c16-0+c16/fc", r"not a layer: '0\+c16'"),
        ("BR/c16-+2c16/fc", "not a layer: '2c16'"),
        ("BR/c16-2/fc", "not a layer: ''"),
        ("BR/c16-1\N{FULLWIDTH DIGIT TWO}c16/fc", "write ASCII in place of '\N{FULLWIDTH DIGIT TWO}'"),
        (f"BR/c16-{'9' * 5000}c16/fc", "a number of 5000 digits: 9999999999...: use at most 9"),
        (f"BR.{'9' * 10}x1x1.10/c16/fc", "a number of 10 digits"),
        (f"BR/c16-se{'9' * 5000}/fc", "a number of 5000 digits"),
    ],
)
def test_what_cannot_be_read_or_built_is_named(text: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        parse(text)


def test_an_unknown_layer_after_a_convolution_is_named() -> None:
    with pytest.raises(ArchitectureError, match=f"'tanh': use {', '.join(TABLE)}"):
        Conv(out=8, post=("tanh",))


def test_two_activations_are_refused() -> None:
    with pytest.raises(ArchitectureError, match="relu-silu: at most one norm and one activation"):
        Conv(out=8, post=("relu", "silu"))


def test_a_scale_needs_a_residual() -> None:
    with pytest.raises(ArchitectureError, match="a scaled input without a residual"):
        Block(components=(Conv(out=8),), scaled=True)


def test_mixed_gated_and_excited_words() -> None:
    components = [p.component for p in parse("BR/c16-%mx1_3_7d2_7d3a3:b.gl16:bT.pw16:b-mx3_5s2-se8/fc").placed]
    assert components[1] == Mixed(
        parts=(MixedPart(1), MixedPart(3), MixedPart(7, 2), MixedPart(7, 3, 3)), bias=True, post=()
    )
    assert components[2] == Gated(out=16, bias=True, post=("tanhexp",))
    assert components[4] == Mixed(parts=(MixedPart(3), MixedPart(5)), stride=2)
    assert components[5] == Excite(reduction=8)


@pytest.mark.parametrize("name", NAMED)
def test_named_networks_read_back(name: str) -> None:
    assert parse(str(NAMED[name])) == NAMED[name]


def test_resnet20_can_be_written() -> None:
    # Layers of He et al. 2016, section 4.2, with a plain layer where the width changes.
    stages = ["-".join(["c16", *["+c16.c16:B"] * 3]), "-".join(["c32s2", *["+c32.c32:B"] * 2, "c32"])]
    text = "/".join(["BR", *stages, "-".join(["c64s2", *["+c64.c64:B"] * 2, "c64"]), "fc"])
    assert len(parse(text).placed) == 19


def test_the_tiniest_network_by_hand() -> None:
    def block(c: int) -> int:  # three depthwise kernels with bias, layer norm, 1x1 to 2c, 1x1 to c, scale
        return c // 4 * (9 + 49 + 49 + 3) + 2 * c + (c * 2 * c + 2 * c) + (c * c + c) + c

    convs = (3 * 48 * 9 + 48 + 2 * 48) + (48 // 16 * 80 * 16 + 80 + 2 * 80) + (80 * 10 + 10)
    assert convs + 3 * block(48) + 3 * block(80) == 97_530
    assert sum(p.component.params(p.input[0]) for p in TINIEST.placed) + 3 * 48 + 3 * 80 + 810 == 97_530


def test_an_architecture_without_stages_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="needs stages"):
        Architecture(stages=())

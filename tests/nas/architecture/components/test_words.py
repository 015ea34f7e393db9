"""Components as words: what each means, what is none, and that what is written reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.architecture import components
from nas.architecture.components import Component, Conv, Excite, Gated, Mixed, MixedPart
from nas.architecture.errors import ArchitectureError

USUAL = ("batch_norm", "relu")


@pytest.mark.parametrize(
    ("word", "component"),
    [
        ("c32", Conv(out=32, kernel=3, padding=1, post=USUAL)),
        ("c32k5s2d2p1g4", Conv(out=32, kernel=5, stride=2, dilation=2, padding=1, groups=4, post=USUAL)),
        ("pw64", Conv(out=64, kernel=1, post=USUAL)),
        ("dw", Conv(out=16, groups=16, post=USUAL)),
        ("dw32k5", Conv(out=32, kernel=5, groups=16, post=USUAL)),
        ("gl48:bT", Gated(out=48, bias=True, post=("tanhexp",))),
        ("c8:N", Conv(out=8, post=())),
        ("c8:b", Conv(out=8, bias=True, post=())),
        ("c8:RB", Conv(out=8, post=("relu", "batch_norm"))),
        ("se4", Excite(reduction=4)),
    ],
)
def test_words(word: str, component: Component) -> None:
    assert components.read(word, 16, "BR") == component


def test_a_mixture() -> None:
    expected = Mixed(parts=(MixedPart(3), MixedPart(7, 3, 5)), stride=2, bias=True, post=("gelu",))
    assert components.read("mx3_7d3a5s2:bG", 16, "BR") == expected


@pytest.mark.parametrize(
    "word",
    ["", "c", "pw", "gl", "x32", "c32x", "C32", "pw8k3", "gl8k3", "c8s", "c8d2k3", "mx3", "mx3_", "se", "c8:X", "c8:BB",
     "c8:RS", "c8:Nb", "c8 ", "c-8"],
)  # fmt: skip
def test_what_is_no_layer(word: str) -> None:
    with pytest.raises(ArchitectureError, match=f"^not a layer: {word!r}: write it like c32"):
        components.read(word, 16, "BR")


@pytest.mark.parametrize(
    ("component", "word"),
    [
        (Conv(out=16, post=USUAL), "c16"),
        (Conv(out=16, post=()), "c16:N"),
        (Conv(out=16, bias=True, post=("relu",)), "c16:bR"),
        (Conv(out=16, padding=0, post=USUAL), "c16p0"),
        (Conv(out=16, kernel=5, dilation=2, padding=4, post=USUAL), "c16k5d2"),  # 2 * (5 - 1) / 2
        (Conv(out=16, kernel=5, dilation=2, padding=3, post=USUAL), "c16k5d2p3"),
        (Conv(out=8, groups=8, post=USUAL), "dw"),
        (Conv(out=16, groups=8, post=USUAL), "dw16"),
        (Conv(out=8, kernel=1, groups=8, post=USUAL), "dwk1"),
        (Conv(out=8, groups=4, post=USUAL), "c8g4"),
        (Conv(out=8, kernel=1, groups=4, post=USUAL), "pw8g4"),
        (Mixed(parts=(MixedPart(1), MixedPart(3, 2), MixedPart(3, 1, 3)), stride=1, post=USUAL), "mx1_3d2_3a3"),
        (Excite(reduction=16), "se16"),
    ],
)
def test_the_shortest_word(component: Component, word: str) -> None:
    assert component.write(8, "BR") == word
    assert components.read(word, 8, "BR") == component


POSTS = st.sampled_from([(), ("relu",), ("layer_norm",), ("batch_norm", "silu"), ("hardswish", "batch_norm")])
CONVS = st.builds(
    Conv, out=st.sampled_from([8, 16, 24]), kernel=st.integers(2, 7), stride=st.integers(1, 3),
    padding=st.none() | st.integers(0, 9), dilation=st.integers(1, 3), groups=st.sampled_from([1, 2, 8]),
    bias=st.booleans(), post=POSTS,
)  # fmt: skip
POINTWISE = st.builds(Conv, out=st.just(8), kernel=st.just(1), groups=st.sampled_from([1, 8]), bias=st.booleans(),
                      padding=st.integers(0, 2), post=POSTS)  # fmt: skip
GATED = st.builds(Gated, out=st.integers(1, 99), bias=st.booleans())
PARTS = st.builds(MixedPart, st.sampled_from([3, 5, 7]), st.integers(1, 3), st.sampled_from([1, 3]))
MIXED = st.builds(Mixed, parts=st.lists(PARTS, min_size=2, max_size=4, unique=True).map(tuple),
                  stride=st.integers(1, 2), bias=st.booleans(), post=POSTS)  # fmt: skip
COMPONENTS = CONVS | POINTWISE | GATED | MIXED | st.builds(Excite, reduction=st.integers(1, 99))


@given(COMPONENTS, st.sampled_from(["N", "b", "BR", "bR", "L", "HB"]))
def test_what_is_written_reads_back(component: Component, usual: str) -> None:
    assert components.read(component.write(8, usual), 8, usual) == component

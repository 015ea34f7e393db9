"""What follows a convolution: its layers, learned values and the functions of exported source."""

from __future__ import annotations

import pytest

from nas.architecture.calls import ModuleCall
from nas.architecture.components import Conv, Gated, Mixed, MixedPart
from nas.architecture.components.followed import Followed, side


@pytest.mark.parametrize(
    ("component", "name", "about"),
    [
        (Conv(out=4), "conv_bn_relu", "A convolution without bias, then batch norm and relu."),
        (Conv(out=4, bias=True, post=()), "conv_bias", "A convolution with bias, then nothing."),
        (Gated(out=4, post=("layer_norm",)), "gated_ln", "A gated 1x1 convolution without bias, then layer norm."),
        (
            Mixed(parts=(MixedPart(1), MixedPart(3)), post=("tanhexp", "batch_norm")),
            "mixed_tanhexp_bn",
            "Parallel depthwise convolutions without bias, then tanhexp and batch norm.",
        ),
    ],
)
def test_functions_are_named_after_what_follows(component: Followed, name: str, about: str) -> None:
    factory = component.call(4).maker
    assert not isinstance(factory, str)
    assert (factory.name, factory.about) == (name, about)


def test_layers_in_their_order() -> None:
    component = Conv(out=4, post=("silu", "layer_norm"))
    assert list(component.following(4).items()) == [
        ("act", ModuleCall("nn.SiLU")),
        ("norm", ModuleCall("ChannelNorm", (4,))),
    ]
    assert component.following("filters")["norm"] == ModuleCall("ChannelNorm", ("filters",))


@pytest.mark.parametrize(("post", "params", "maps"), [((), 0, 0), (("relu",), 0, 2), (("relu", "batch_norm"), 10, 2)])
def test_costs_of_what_follows_five_channels(post: tuple[str, ...], params: int, maps: int) -> None:
    component = Conv(out=5, post=post)
    assert (component.following_params(5), component.following_maps) == (params, maps)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((8, 3, 1, 1, 1), 8),
        ((8, 3, 2, 1, 1), 4),
        ((9, 3, 2, 1, 1), 5),
        ((8, 3, 1, 2, 0), 4),
        ((5, 3, 2, 2, 0), 1),  # a 3x3 of dilation 2 covers 5
        ((4, 3, 1, 2, 0), 0),
    ],
)
def test_sides_by_length_kernel_stride_dilation_and_padding(
    window: tuple[int, int, int, int, int], expected: int
) -> None:
    assert side(*window) == expected

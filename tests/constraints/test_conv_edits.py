"""Changes of convolutions: which are offered at a limit and just over it, and that what is built was announced."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn

from constraints import conv_edits, insertions
from constraints.conv_sites import Site
from constraints.edits import Edit
from constraints.tracer import trace


def site(conv: nn.Conv2d, side: int = 16, jump: float = 1.0) -> Site:
    """A convolution on a map of ``side`` pixels whose units are ``jump`` apart."""
    (layer,) = trace(conv, (conv.in_channels, side, side)).layers
    stride = conv.stride[0]
    return Site(name="c", conv=conv, layer=replace(layer, jump=(jump * stride, jump * stride)))


def built(found: Iterator[Edit], before: nn.Conv2d) -> nn.Conv2d:
    (edit,) = found
    made = edit.make(before)
    assert isinstance(made, nn.Conv2d)
    return made


def conv(kernel: int = 3, **options: int) -> nn.Conv2d:
    return nn.Conv2d(8, 8, kernel, padding=options.get("dilation", 1) * (kernel - 1) // 2, **options)  # type: ignore[arg-type]


def test_a_dilation_keeps_the_size_of_the_result_and_says_its_padding() -> None:
    (edit,) = conv_edits.dilate(site(conv()), 3)
    made = built(iter([edit]), conv())
    assert (made.dilation, made.padding) == ((3, 3), (3, 3))
    assert trace(made, (8, 16, 16)).output == (8, 16, 16)
    assert edit.text == "dilation 3 and padding 3 in {}"
    assert edit.arguments == {"dilation": (3, 3), "padding": (3, 3)}
    (unpadded,) = conv_edits.dilate(site(nn.Conv2d(8, 8, 3)), 2)  # 2 pixels less before, 4 - 2 after
    assert unpadded.text == "dilation 2 and padding 1 in {}"
    (same,) = conv_edits.dilate(site(nn.Conv2d(8, 8, 3, padding="same")), 2)
    assert same.text == "dilation 2 in {}"


def test_a_dilation_keeps_every_tap_over_the_map() -> None:
    # On 4 pixels a tap of dilation d is d away on both sides: 2 * d must stay below 2 * 4.
    assert list(conv_edits.dilate(site(conv(), 4), 3))
    assert not list(conv_edits.dilate(site(conv(), 4), 4))


def test_dilation_is_for_kernels_that_have_more_than_one_tap() -> None:
    assert not list(conv_edits.dilate(site(conv(1)), 2))
    assert not list(conv_edits.dilate(site(conv(dilation=2)), 2))
    flat = nn.Conv2d(8, 8, (1, 3), padding=(0, 1))
    assert built(conv_edits.dilate(site(flat), 2), flat).dilation == (1, 2)


def test_no_dilation_keeps_the_size() -> None:
    made = built(conv_edits.undilate(site(conv(dilation=3))), conv(dilation=3))
    assert (made.dilation, made.padding) == ((1, 1), (1, 1))
    assert not list(conv_edits.undilate(site(conv())))
    unpadded = site(nn.Conv2d(8, 8, 3, dilation=3))  # 6 pixels less, which takes a padding of -2
    assert not list(conv_edits.undilate(unpadded))


@pytest.mark.parametrize(
    ("growth", "jump", "kernel"), [(1, 1, 5), (2, 1, 5), (3, 1, 7), (4, 1, 7), (4, 2, 5), (5, 2, 7)]
)
def test_the_least_kernel_that_widens_by_enough(growth: float, jump: float, kernel: int) -> None:
    made = built(conv_edits.enlarge(site(conv(), jump=jump), growth), conv())
    assert (made.kernel_size, made.padding) == ((kernel, kernel), (kernel // 2, kernel // 2))


def test_a_kernel_grows_to_twice_its_size_and_one() -> None:
    assert list(conv_edits.enlarge(site(conv()), 4))  # 7 = 2 * 3 + 1
    assert not list(conv_edits.enlarge(site(conv()), 5))
    assert not list(conv_edits.enlarge(site(conv(1)), 2))


def test_smaller_kernels_of_the_same_parity_with_what_they_save() -> None:
    found = list(conv_edits.shrink(site(nn.Conv2d(4, 8, 5, padding=2, bias=False))))
    assert [e.text for e in found] == ["kernel 3 and padding 1 in {}", "kernel 1 and padding 0 in {}"]
    assert [e.size for e in found] == pytest.approx([4 * 8 * (25 - 9), 4 * 8 * (25 - 1)])


def test_another_stride() -> None:
    assert built(conv_edits.restride(site(conv()), 2), conv()).stride == (2, 2)
    assert not list(conv_edits.restride(site(conv(stride=2)), 2))
    assert not list(conv_edits.restride(site(conv(1)), 2))
    assert not list(conv_edits.restride(site(nn.Conv2d(8, 8, 3, padding="same")), 2))  # torch forbids it


def test_a_separable_pair_saves_what_it_says() -> None:
    plain = nn.Conv2d(8, 16, 3, stride=2, padding=1)
    (edit,) = conv_edits.separate(site(plain))
    made = edit.make(plain)
    assert edit.size == 8 * 16 * 9 - (8 * 9 + 8 * 16)
    assert sum(p.numel() for p in made.parameters()) == 8 * 9 + 8 * 16 + 16
    assert made(torch.zeros(1, 8, 16, 16)).shape == plain(torch.zeros(1, 8, 16, 16)).shape
    assert edit.text == "splitting {} into a depthwise 3x3 and a 1x1 convolution"
    for other in (conv(1), conv(groups=2), nn.Conv2d(1, 8, 3)):
        assert not list(conv_edits.separate(site(other)))


def test_a_1x1_behind_depthwise_convolutions_alone() -> None:
    (edit,) = conv_edits.follow_pointwise(site(conv(groups=8)))
    assert (edit.size, edit.text) == (64, "a 1x1 convolution right after {}")
    assert trace(edit.make(conv(groups=8)), (8, 16, 16)).metrics.depthwise_separable_convs == 1
    for other in (conv(), conv(groups=4), nn.Conv2d(1, 8, 3)):
        assert not list(conv_edits.follow_pointwise(site(other)))


def test_groups_that_divide_both_sides() -> None:
    def groups(inputs: int, outputs: int, before: int = 1) -> list[int]:
        plain = nn.Conv2d(inputs, outputs, 3, groups=before)
        return [e.make(plain).groups for e in conv_edits.group(site(plain))]

    assert groups(8, 8) == [2, 4]
    assert groups(8, 6) == [2]
    assert groups(3, 8) == []
    assert groups(8, 8, 4) == [8]
    assert [e.size for e in conv_edits.group(site(nn.Conv2d(8, 8, 3)))] == [576 / 2, 576 * 3 / 4]


def test_edits_keep_type_bias_and_precision() -> None:
    before = nn.Conv2d(8, 8, 3, padding=1, bias=False, padding_mode="reflect", dtype=torch.float64)
    (edit,) = conv_edits.dilate(Site(name="c", conv=before, layer=site(conv()).layer), 2)
    made = edit.make(before)
    assert isinstance(made, nn.Conv2d)
    assert (made.bias, made.padding_mode, made.weight.dtype) == (None, "reflect", torch.float64)


def test_convolutions_are_put_around_whatever_is_there() -> None:
    """After an edit that has replaced the layer, too; edits of one layer are made in this order."""
    plain = nn.Conv2d(4, 8, 3, padding=1)
    place = site(plain)
    (stride,), (split,), (more,) = conv_edits.restride(place, 2), conv_edits.separate(place), insertions.insert(place)
    assert sorted([more, split, stride], key=lambda edit: edit.order) == [stride, split, more]
    made = more.make(split.make(stride.make(plain)))
    traced = trace(made, (4, 16, 16))
    assert (traced.output, traced.metrics.convs, traced.metrics.depthwise_separable_convs) == ((8, 8, 8), 3, 1)

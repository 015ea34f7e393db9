"""Changes to layers: which are offered at a limit and just over it, and that what is built is what was announced."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn

from constraints import edits, insertions
from constraints.edits import Edit, Site
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
    (edit,) = edits.dilate(site(conv()), 3)
    made = built(iter([edit]), conv())
    assert (made.dilation, made.padding) == ((3, 3), (3, 3))
    assert trace(made, (8, 16, 16)).output == (8, 16, 16)
    assert edit.text == "dilation 3 and padding 3 in {}"
    assert edit.arguments == {"dilation": (3, 3), "padding": (3, 3)}
    (unpadded,) = edits.dilate(site(nn.Conv2d(8, 8, 3)), 2)  # 2 pixels less before, 4 - 2 after
    assert unpadded.text == "dilation 2 and padding 1 in {}"
    (same,) = edits.dilate(site(nn.Conv2d(8, 8, 3, padding="same")), 2)
    assert same.text == "dilation 2 in {}"


def test_a_dilation_keeps_every_tap_over_the_map() -> None:
    # On 4 pixels a tap of dilation d is d away on both sides: 2 * d must stay below 2 * 4.
    assert list(edits.dilate(site(conv(), 4), 3))
    assert not list(edits.dilate(site(conv(), 4), 4))


def test_dilation_is_for_kernels_that_have_more_than_one_tap() -> None:
    assert not list(edits.dilate(site(conv(1)), 2))
    assert not list(edits.dilate(site(conv(dilation=2)), 2))
    flat = nn.Conv2d(8, 8, (1, 3), padding=(0, 1))
    assert built(edits.dilate(site(flat), 2), flat).dilation == (1, 2)


def test_no_dilation_keeps_the_size() -> None:
    made = built(edits.undilate(site(conv(dilation=3))), conv(dilation=3))
    assert (made.dilation, made.padding) == ((1, 1), (1, 1))
    assert not list(edits.undilate(site(conv())))
    unpadded = site(nn.Conv2d(8, 8, 3, dilation=3))  # 6 pixels less, which takes a padding of -2
    assert not list(edits.undilate(unpadded))


@pytest.mark.parametrize(
    ("growth", "jump", "kernel"), [(1, 1, 5), (2, 1, 5), (3, 1, 7), (4, 1, 7), (4, 2, 5), (5, 2, 7)]
)
def test_the_least_kernel_that_widens_by_enough(growth: float, jump: float, kernel: int) -> None:
    made = built(edits.enlarge(site(conv(), jump=jump), growth), conv())
    assert (made.kernel_size, made.padding) == ((kernel, kernel), (kernel // 2, kernel // 2))


def test_a_kernel_grows_to_twice_its_size_and_one() -> None:
    assert list(edits.enlarge(site(conv()), 4))  # 7 = 2 * 3 + 1
    assert not list(edits.enlarge(site(conv()), 5))
    assert not list(edits.enlarge(site(conv(1)), 2))


def test_smaller_kernels_of_the_same_parity_with_what_they_save() -> None:
    found = list(edits.shrink(site(nn.Conv2d(4, 8, 5, padding=2, bias=False))))
    assert [e.text for e in found] == ["kernel 3 and padding 1 in {}", "kernel 1 and padding 0 in {}"]
    assert [e.size for e in found] == pytest.approx([4 * 8 * (25 - 9), 4 * 8 * (25 - 1)])


def test_another_stride() -> None:
    assert built(edits.restride(site(conv()), 2), conv()).stride == (2, 2)
    assert not list(edits.restride(site(conv(stride=2)), 2))
    assert not list(edits.restride(site(conv(1)), 2))
    assert not list(edits.restride(site(nn.Conv2d(8, 8, 3, padding="same")), 2))  # torch forbids it


def test_a_separable_pair_saves_what_it_says() -> None:
    plain = nn.Conv2d(8, 16, 3, stride=2, padding=1)
    (edit,) = edits.separate(site(plain))
    made = edit.make(plain)
    assert edit.size == 8 * 16 * 9 - (8 * 9 + 8 * 16)
    assert sum(p.numel() for p in made.parameters()) == 8 * 9 + 8 * 16 + 16
    assert made(torch.zeros(1, 8, 16, 16)).shape == plain(torch.zeros(1, 8, 16, 16)).shape
    assert edit.text == "splitting {} into a depthwise 3x3 and a 1x1 convolution"
    for other in (conv(1), conv(groups=2), nn.Conv2d(1, 8, 3)):
        assert not list(edits.separate(site(other)))


def test_a_1x1_behind_depthwise_convolutions_alone() -> None:
    (edit,) = edits.follow_pointwise(site(conv(groups=8)))
    assert (edit.size, edit.text) == (64, "a 1x1 convolution right after {}")
    assert trace(edit.make(conv(groups=8)), (8, 16, 16)).metrics.depthwise_separable_convs == 1
    for other in (conv(), conv(groups=4), nn.Conv2d(1, 8, 3)):
        assert not list(edits.follow_pointwise(site(other)))


def test_groups_that_divide_both_sides() -> None:
    def groups(inputs: int, outputs: int, before: int = 1) -> list[int]:
        plain = nn.Conv2d(inputs, outputs, 3, groups=before)
        return [e.make(plain).groups for e in edits.group(site(plain))]

    assert groups(8, 8) == [2, 4]
    assert groups(8, 6) == [2]
    assert groups(3, 8) == []
    assert groups(8, 8, 4) == [8]
    assert [e.size for e in edits.group(site(nn.Conv2d(8, 8, 3)))] == [576 / 2, 576 * 3 / 4]


def test_alike_edits_are_one_phrase() -> None:
    def edit(layer: str, text: str) -> Edit:
        return Edit(layer=layer, text=text, size=1, make=lambda layer: layer)

    strides = [edit(name, "stride 2 in {}") for name in "abc"]
    assert edits.words(tuple(strides[:1])) == "stride 2 in layer a"
    assert edits.words((*strides, edit("d", "no pool in {}"))) == "stride 2 in layers a, b and c and no pool in layer d"
    assert edits.words((edit("", "a pool at the end"),)) == "a pool at the end"


def test_a_change_is_made_in_order_and_taken_back() -> None:
    model = nn.Sequential(conv(), nn.ReLU())
    first = model[0]
    place = replace(site(conv()), name="0")
    (stride,), (dilation,) = edits.restride(place, 2), edits.dilate(place, 2)
    whole = Edit(layer="", text="doubled", size=1, make=lambda forward: lambda x: 2 * forward(x))
    with edits.applied(model, (stride, dilation, whole)):
        assert isinstance(model[0], nn.Conv2d)
        assert (model[0].stride, model[0].dilation) == ((2, 2), (2, 2))
        assert torch.equal(model(x := torch.ones(1, 8, 4, 4)), 2 * model[1](model[0](x)))
    assert model[0] is first
    assert "forward" not in vars(model)


def test_sites_are_the_plain_convolutions_each_once() -> None:
    class Own(nn.Conv2d):
        pass

    shared = conv()
    model = nn.Sequential(shared, nn.ReLU(), Own(8, 8, 3), shared, conv(1))
    found = edits.sites(model, trace(model, (8, 16, 16)).layers)
    assert [(s.name, s.spatial) for s in found] == [("0", True), ("4", False)]
    assert found[0].pixels == 16 * 16


def test_edits_keep_type_bias_and_precision() -> None:
    before = nn.Conv2d(8, 8, 3, padding=1, bias=False, padding_mode="reflect", dtype=torch.float64)
    (edit,) = edits.dilate(Site(name="c", conv=before, layer=site(conv()).layer), 2)
    made = edit.make(before)
    assert isinstance(made, nn.Conv2d)
    assert (made.bias, made.padding_mode, made.weight.dtype) == (None, "reflect", torch.float64)


def test_convolutions_are_put_around_whatever_is_there() -> None:
    """After an edit that has replaced the layer, too; edits of one layer are made in this order."""
    plain = nn.Conv2d(4, 8, 3, padding=1)
    place = site(plain)
    (stride,), (split,), (more,) = edits.restride(place, 2), edits.separate(place), insertions.insert(place)
    assert sorted([more, split, stride], key=lambda edit: edit.order) == [stride, split, more]
    made = more.make(split.make(stride.make(plain)))
    traced = trace(made, (4, 16, 16))
    assert (traced.output, traced.metrics.convs, traced.metrics.depthwise_separable_convs) == ((8, 8, 8), 3, 1)


def test_a_shared_layer_is_edited_under_every_name_and_back() -> None:
    inner = nn.Sequential(conv())
    model = nn.ModuleDict({"a": inner, "b": inner, "c": nn.Sequential(inner[0])})
    (edit,) = edits.dilate(replace(site(conv()), name="a.0"), 2)
    assert edits.other_names(model) == {"a": ["b"], "a.0": ["b.0", "c.0"]}
    assert edits.words((edit,), edits.other_names(model)) == (
        "dilation 2 and padding 2 in layer a.0 (which is b.0 and c.0 too)"
    )
    before = inner[0]
    with edits.applied(model, (edit,)):
        made = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
        assert [part.dilation for part in made] == [(2, 2)]  # one and the same
    assert [part for part in model.modules() if isinstance(part, nn.Conv2d)] == [before]

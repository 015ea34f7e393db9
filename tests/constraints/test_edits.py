"""Changes to layers: which are offered at a limit and just over it, and that what is built is what was announced."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints import edits
from constraints.edits import Edit, Site
from constraints.tracer import trace
from tests.constraints.written import Written


def site(conv: nn.Conv2d, side: int = 16, jump: float = 1.0) -> Site:
    """A convolution on a map of ``side`` pixels whose units are ``jump`` apart."""
    (layer,) = trace(conv, (conv.in_channels, side, side)).layers
    stride = conv.stride[0]
    return Site(name="c", conv=conv, layer=replace(layer, jump=(jump * stride, jump * stride)))


def built(found: Iterator[Edit]) -> nn.Conv2d:
    (edit,) = found
    made = edit.build()
    assert isinstance(made, nn.Conv2d)
    return made


def conv(kernel: int = 3, **options: int) -> nn.Conv2d:
    return nn.Conv2d(8, 8, kernel, padding=options.get("dilation", 1) * (kernel - 1) // 2, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("growth", "jump", "dilation"),
    [(0, 1, 2), (1, 1, 2), (2, 1, 2), (3, 1, 3), (4, 1, 3), (4, 2, 2), (5, 2, 3)],  # a step is worth jump * 2 pixels
)
def test_the_least_dilation_that_widens_by_enough(growth: float, jump: float, dilation: int) -> None:
    made = built(edits.dilate(site(conv(), jump=jump), growth))
    assert (made.dilation, made.padding) == ((dilation, dilation), (dilation, dilation))
    assert trace(made, (8, 16, 16)).output == (8, 16, 16)


def test_a_dilation_keeps_every_tap_over_the_map() -> None:
    # On 4 pixels a tap of dilation d is d away on both sides: 2 * d must stay below 2 * 4.
    assert built(edits.dilate(site(conv(), 4), 4)).dilation == (3, 3)
    assert not list(edits.dilate(site(conv(), 4), 6))


def test_dilation_is_for_kernels_that_have_more_than_one_tap() -> None:
    assert not list(edits.dilate(site(conv(1))))
    flat = site(nn.Conv2d(8, 8, (1, 3), padding=(0, 1)))
    assert built(edits.dilate(flat)).dilation == (1, 2)
    assert not list(edits.dilate(flat, 2))  # along the other axis nothing would grow


def test_no_dilation_keeps_the_size() -> None:
    made = built(edits.undilate(site(conv(dilation=3))))
    assert (made.dilation, made.padding) == ((1, 1), (1, 1))
    assert not list(edits.undilate(site(conv())))
    unpadded = site(nn.Conv2d(8, 8, 3, dilation=3))  # 6 pixels less, which takes a padding of -2
    assert not list(edits.undilate(unpadded))


@pytest.mark.parametrize(
    ("growth", "jump", "kernel"), [(1, 1, 5), (2, 1, 5), (3, 1, 7), (4, 1, 7), (4, 2, 5), (5, 2, 7)]
)
def test_the_least_kernel_that_widens_by_enough(growth: float, jump: float, kernel: int) -> None:
    made = built(edits.enlarge(site(conv(), jump=jump), growth))
    assert (made.kernel_size, made.padding) == ((kernel, kernel), (kernel // 2, kernel // 2))


def test_a_kernel_grows_to_twice_its_size_and_one() -> None:
    assert list(edits.enlarge(site(conv()), 4))  # 7 = 2 * 3 + 1
    assert not list(edits.enlarge(site(conv()), 5))
    assert not list(edits.enlarge(site(conv(1)), 2))


def test_smaller_kernels_of_the_same_parity_with_what_they_save() -> None:
    found = list(edits.shrink(site(nn.Conv2d(4, 8, 5, padding=2, bias=False))))
    assert [e.text for e in found] == ["kernel 3 in layer c", "kernel 1 in layer c"]
    assert [e.size for e in found] == pytest.approx([4 * 8 * (25 - 9), 4 * 8 * (25 - 1)])


def test_another_stride() -> None:
    assert built(edits.restride(site(conv()), 2)).stride == (2, 2)
    assert not list(edits.restride(site(conv(stride=2)), 2))
    assert not list(edits.restride(site(conv(1)), 2))
    assert not list(edits.restride(site(nn.Conv2d(8, 8, 3, padding="same")), 2))  # torch forbids it


def test_a_separable_pair_saves_what_it_says() -> None:
    plain = nn.Conv2d(8, 16, 3, stride=2, padding=1)
    (edit,) = edits.separate(site(plain))
    made = edit.build()
    assert edit.size == 8 * 16 * 9 - (8 * 9 + 8 * 16)
    assert sum(p.numel() for p in made.parameters()) == 8 * 9 + 8 * 16 + 16
    assert made(torch.zeros(1, 8, 16, 16)).shape == plain(torch.zeros(1, 8, 16, 16)).shape
    assert edit.text == "splitting layer c into a depthwise 3x3 and a 1x1 convolution"
    for other in (conv(1), conv(groups=2), nn.Conv2d(1, 8, 3)):
        assert not list(edits.separate(site(other)))


def test_a_1x1_behind_depthwise_convolutions_alone() -> None:
    (edit,) = edits.follow_pointwise(site(conv(groups=8)))
    assert (edit.size, edit.text) == (64, "a 1x1 convolution right after layer c")
    assert trace(edit.build(), (8, 16, 16)).metrics.depthwise_separable_convs == 1
    for other in (conv(), conv(groups=4), nn.Conv2d(1, 8, 3)):
        assert not list(edits.follow_pointwise(site(other)))


def test_groups_that_divide_both_sides() -> None:
    def groups(inputs: int, outputs: int, before: int = 1) -> list[int]:
        return [e.build().groups for e in edits.group(site(nn.Conv2d(inputs, outputs, 3, groups=before)))]  # type: ignore[misc]

    assert groups(8, 8) == [2, 4]
    assert groups(8, 6) == [2]
    assert groups(3, 8) == []
    assert groups(8, 8, 4) == [8]
    assert [e.size for e in edits.group(site(nn.Conv2d(8, 8, 3)))] == [576 / 2, 576 * 3 / 4]


def test_one_more_convolution_keeps_the_old_one() -> None:
    before = conv()
    (edit,) = edits.insert(site(before))
    made = list(edit.build().children())
    assert made[0] is before
    assert [type(m) for m in made[1:]] == [nn.BatchNorm2d, nn.ReLU, nn.Conv2d]
    assert edit.size == 9 * 8 * 8
    assert not list(edits.insert(site(conv(1))))


@pytest.mark.parametrize(
    ("pool", "average"),
    [
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
        (nn.MaxPool1d(2), nn.AvgPool1d(2)),
        (nn.AdaptiveMaxPool2d((2, 1)), nn.AdaptiveAvgPool2d((2, 1))),
    ],
)
def test_an_average_pool_of_the_same_windows(pool: nn.Module, average: nn.Module) -> None:
    (edit,) = edits.average_pools(nn.Sequential(pool, nn.MaxPool2d(2, dilation=2)))  # torch averages no dilated windows
    assert (edit.layer, repr(edit.build())) == ("0", repr(average))


def test_max_pools_called_in_a_forward_pass_average() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    model = Written(lambda m, x: F.adaptive_max_pool2d(F.max_pool2d(x, 2, padding=0), 1))
    ((edit,),) = edits.average_everywhere(model, ["max_pool2d", "adaptive_max_pool2d"])
    assert edit.build()(x).item() == x.mean().item() == 7.5
    assert model(x).item() == 15.0
    assert edit.text == (
        "an average pool in place of max_pool2d called in forward of Written "
        "and adaptive_max_pool2d called in forward of Written"
    )
    dilated = Written(lambda m, x: F.max_pool2d(x, 2, dilation=2, stride=1))
    ((edit,),) = edits.average_everywhere(dilated, ["max_pool2d"])
    assert edit.build()(x).max().item() == 15.0  # no average has such windows
    assert not list(edits.average_everywhere(nn.Sequential(nn.MaxPool2d(2)), ["0"]))  # the single edit says it


def test_strides_are_spread_evenly() -> None:
    model = nn.Sequential(*(conv() for _ in range(5)))
    found = edits.sites(model, trace(model, (8, 16, 16)).layers)
    first = next(edits.restrides(found, 2, 2))
    assert [edit.layer for edit in first] in (["0", "2"], ["1", "2"], ["1", "3"])  # gaps of 1 and 2 at most
    assert {edit.text for edit in first} == {f"stride 2 in layers {first[0].layer} and {first[1].layer}"}
    assert not list(edits.restrides(found, 2, 6))
    assert not list(edits.restrides(found, 2, 1))


def test_as_few_layers_are_split_as_save_enough() -> None:
    model = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Conv2d(8, 16, 3), nn.Conv2d(16, 16, 3))
    found = edits.sites(model, trace(model, (8, 16, 16)).layers)
    saved = [9 * i * o - (9 * i + i * o) for i, o in ((8, 8), (8, 16), (16, 16))]

    def layers(need: int) -> list[list[str]]:
        return [[edit.layer for edit in change] for change in edits.separate_several(found, need)]

    assert layers(saved[2]) == []  # one alone is another edit
    assert layers(saved[2] + 1) == layers(saved[2] + saved[1]) == [["2", "1"]]
    assert layers(sum(saved)) == [["2", "1", "0"]]
    assert layers(sum(saved) + 1) == []


def test_a_global_pool_before_what_reads_a_flattened_map() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 64, 10))
    (edit,) = edits.pool_globally(model, trace(model, (3, 8, 8)).layers)
    assert (edit.layer, edit.size) == ("2", 2560)
    model[2] = edit.build()
    figures = trace(model, (3, 8, 8)).metrics
    assert (figures.global_average_pools, figures.params) == (1, 27 * 4 + 4 + 4 * 10 + 10)


def test_a_global_pool_at_the_end_of_a_map() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    (edit,) = edits.pool_globally(model, trace(model, (3, 8, 8)).layers)
    assert (edit.layer, edit.text) == ("", "a global average pool at the end")
    assert trace(edit.build(), (3, 8, 8)).output == (4,)


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
    (edit,) = edits.dilate(Site(name="c", conv=before, layer=site(conv()).layer))
    made = edit.build()
    assert isinstance(made, nn.Conv2d)
    assert (made.bias, made.padding_mode, made.weight.dtype) == (None, "reflect", torch.float64)

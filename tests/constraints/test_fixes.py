"""Every fix is a change that, made by hand, satisfies the rule and breaks no other."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints import check
from constraints.edits import applied
from constraints.metrics import Metrics
from tests.constraints.fixable import fixes, net
from tests.constraints.written import Written


def test_small_dilations_in_several_layers_come_before_a_larger_one() -> None:
    report = check(net(), require=["receptive_field > 12"])  # 3, then 5, then 5 + 2 * 2 = 9
    # layer 2 has jump 2: dilation 2 adds 4; layers 0 and 1 have jump 1: each adds 2, and 4 with a dilation of 3
    assert fixes(report, "receptive_field") == (
        "dilation 2 and padding 2 in layer 2 makes receptive_field 13, params unchanged",
        "dilation 2 and padding 2 in layers 0 and 1 makes receptive_field 13, params unchanged",
        "dilation 3 and padding 3 in layer 2 makes receptive_field 17, params unchanged",
    )


def test_a_fix_done_by_hand_gives_the_metric_it_promises() -> None:
    report = check(net(dilation=2), require=["receptive_field > 12"])
    assert report.ok
    assert report.metrics["receptive_field"] == 13


def test_no_fix_breaks_a_rule_that_held() -> None:
    report = check(net(), require=["receptive_field > 12", "dilated_convs == 0"])
    assert all("dilation" not in fix for fix in fixes(report, "receptive_field"))
    assert all(re.search(r"kernel \d", fix) for fix in fixes(report, "receptive_field"))


def test_parameters_are_saved_by_just_enough() -> None:
    before = 27 * 8 + 72 * 8 + 72 * 16
    report = check(net(), require=["params < 1500"])
    sentences = fixes(report, "params")
    assert sentences
    for sentence in sentences:
        (after,) = re.findall(r"makes params ([\d,]+)", sentence)
        assert int(after.replace(",", "")) < 1500 < before
    grouped = before - 72 * 16 // 2
    assert f"groups 2 in layer 2 makes params {grouped:,}" in sentences


def test_a_separable_pair_replaces_a_convolution() -> None:
    report = check(net(), require=["depthwise_separable_convs >= 1"])
    after = 27 * 8 + 72 * 8 + (72 + 8 * 16)
    expected = f"depthwise_separable_convs 1, params {after:,} ({after - 1944:+,})"
    assert f"splitting layer 2 into a depthwise 3x3 and a 1x1 convolution makes {expected}" in fixes(
        report, "depthwise_separable_convs"
    )


def test_a_lone_depthwise_layer_gets_its_pointwise() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 3, groups=3, bias=False), nn.Conv2d(3, 4, 3, bias=False))
    report = check(model, require=["depthwise_separable_convs >= 1"])
    assert "a 1x1 convolution right after layer 0 makes depthwise_separable_convs 1, params 144 (+9)" in fixes(
        report, "depthwise_separable_convs"
    )


def test_a_max_pool_becomes_an_average_pool() -> None:
    report = check(net(pool=nn.MaxPool2d), require=["max_pools == 0"])
    assert fixes(report, "max_pools") == (
        "an average pool in place of the max-pool in layer 3 makes max_pools 0, params unchanged",
        "stride 2 in layer 2 and no pool in layer 3 makes max_pools 0, params unchanged",
    )


def test_a_flattened_map_gets_a_global_pool() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 10))
    report = check(model, require=["global_average_pools >= 1"])
    after = 27 * 4 + 4 + 4 * 10 + 10
    (fix,) = fixes(report, "global_average_pools")
    assert fix.startswith("a global average pool before layer 2, then Linear(4, 10), makes global_average_pools 1")
    assert f"params {after:,}" in fix


def test_a_map_as_output_is_pooled_at_the_end() -> None:
    report = check(nn.Sequential(nn.Conv2d(3, 10, 3)), require=["global_average_pools >= 1"])
    assert fixes(report, "global_average_pools")[0].startswith("a global average pool at the end makes")


@pytest.mark.parametrize(("limit", "change"), [(3, "stride 2"), (1, "stride 1")])
def test_stages_follow_the_strides(limit: int, change: str) -> None:
    report = check(net(), require=[f"stages == {limit}"])
    assert fixes(report, "stages")
    assert fixes(report, "stages")[0].startswith(change)


def test_a_dilation_is_taken_back() -> None:
    report = check(net(dilation=2), require=["dilated_convs == 0"])
    assert fixes(report, "dilated_convs") == (
        "dilation 1 and padding 1 in layer 2 makes dilated_convs 0, params unchanged",
    )


def test_at_most_three_and_words_where_nothing_helps() -> None:
    report = check(net(), require=["dilated_convs >= 1", "params < 1", "fully_connected >= 1"])
    assert len(fixes(report, "dilated_convs")) == 3
    assert fixes(report, "params") == (
        "untried: narrow the widest layers, or split them into depthwise and 1x1 convolutions",
    )
    assert fixes(report, "fully_connected") == ("untried: add a linear layer after the global pool",)


def test_what_was_tried_in_vain_is_not_called_untried() -> None:
    report = check(net(), require=["stages == 3", "convs_per_stage == 3", "convs <= 3"])
    assert re.fullmatch(r"\d+ tried, none of which fixes it; in words: add conv.*", fixes(report, "convs_per_stage")[0])


def test_every_failing_rule_has_something_to_do() -> None:
    rules = [f"{name} {op}" for name in Metrics.definitions() for op in ("< -1", "> 1e12")]
    report = check(net(), require=rules)
    assert not any(v.ok for v in report.constraints)
    assert all(v.fix for v in report.constraints)


class Calls(nn.Module):
    """Max-pools of three kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.pool = nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.adaptive_max_pool2d(F.max_pool2d(self.pool(self.a(x)), 2), (1, 1)).flatten(1)


def test_max_pools_called_in_forward_are_named_with_their_place() -> None:
    report = check(nn.Sequential(Calls()), require=["max_pools == 0"])
    calls = "max_pool2d called in forward of 0 and adaptive_max_pool2d called in forward of 0"
    places = f"the max-pool in layer 0.pool and an average pool in place of {calls}"
    assert fixes(report, "max_pools") == (f"an average pool in place of {places} makes max_pools 0, params unchanged",)


def test_several_strides_make_several_stages() -> None:
    layers = [nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1) for i in range(12)]
    rules = ["stages == 4", "convs_per_stage >= 3"]
    report = check(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1)), require=rules)
    assert fixes(report, "stages")[:2] == (
        "stride 2 in layers 2, 5 and 8 makes stages 4, params unchanged",
        "dilation 2 and padding 2 in layers 2, 5 and 8 makes stages 4, params unchanged",
    )
    for i in (2, 5, 8):
        layers[i].stride = (2, 2)
    assert check(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1)), require=rules).ok


def test_several_layers_are_split_where_one_does_not_save_enough() -> None:
    layers = [nn.Conv2d(3, 16, 3, bias=False), *(nn.Conv2d(16, 16, 3, bias=False) for _ in range(3))]
    report = check(nn.Sequential(*layers), require=["params < 4000"])
    after = 27 * 16 + 16 * 16 * 9 + 2 * (16 * 9 + 16 * 16)
    (fix,) = fixes(report, "params")
    assert fix == f"splitting layers 1 and 2 into a depthwise 3x3 and a 1x1 convolution makes params {after:,}"


def test_a_model_that_cannot_be_copied_gets_words_alone() -> None:
    class Uncopied(nn.Sequential):
        def __deepcopy__(self, memo: object) -> Uncopied:
            raise RuntimeError("no")

    (fix,) = check(Uncopied(nn.Conv2d(3, 4, 3))).constraints[0].fix
    reason = "(the model cannot be copied: RuntimeError)"
    assert fix == f"untried: stride earlier, dilate, use larger kernels, or add layers {reason}"


def test_the_search_is_cut_by_its_time_and_says_so() -> None:
    report = check(net(), require=["receptive_field > 12"], fixes_timeout=1e-9)
    assert len(fixes(report, "receptive_field")) == 1  # one change is tried, then the time is over
    assert report.warnings[-1] == (
        "the search for fixes was cut after 1e-09 s: --fixes-timeout, in Python fixes_timeout=, allows it more"
    )
    whole = check(net(), require=["receptive_field > 12"], fixes_timeout=1e9)
    assert not any("cut" in warning for warning in whole.warnings)


def test_without_time_there_is_no_search() -> None:
    assert fixes(check(net(), require=["receptive_field > 12"], fixes_timeout=0), "receptive_field") == ()


def test_changes_of_a_model_of_several_inputs_are_tried() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor, *, scale: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = F.max_pool2d(self.conv(x) * scale, 2)
            return result

    data = (torch.ones(1, 3, 8, 8), {"scale": torch.ones(1, 1, 1, 1)})
    report = check(Two(), input_data=data, require=["global_average_pools >= 1", "max_pools == 0"])
    assert fixes(report, "global_average_pools")[0].startswith("a global average pool at the end makes")
    assert fixes(report, "max_pools")[0].startswith("an average pool in place of max_pool2d called in forward of Two")


@pytest.mark.parametrize("between", [lambda x: x.cumsum(2), lambda x: x.mean(2, keepdim=True)])
def test_a_network_that_is_a_map_along_one_axis_alone(between: Callable[[torch.Tensor], torch.Tensor]) -> None:
    parts = {"a": nn.Conv2d(3, 4, 3, padding=1), "b": nn.Conv2d(4, 4, 3, padding=1)}
    report = check(Written(lambda m, x: m.b(between(m.a(x))), **parts), (3, 16, 16), require=["receptive_field > 44"])
    assert not report.ok
    assert [layer.receptive_field for layer in report.layers if layer.name == "b"] == [None]


ASSIGNED = ("receptive_field > 44", "dilated_convs >= 1", "depthwise_separable_convs >= 1", "max_pools == 0")


class Shared(nn.Module):
    """One convolution under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = self.c = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.c(self.b(self.a(x)))
        return y.mean((2, 3))


def test_a_shared_layer_stays_one() -> None:
    before = 3 * 8 * 9 + 8 + 8 * 8 * 9 + 8  # 808: b and c share theirs
    two_groups = before - 8 * 4 * 9  # each filter of b reads 4 of 8 channels: 520
    report = check(Shared(), require=["params < 600"])
    assert report.metrics["params"] == before
    assert f"groups 2 in layer b (which is c too) makes params {two_groups}" in fixes(report, "params")


class Leaves(nn.Module):
    """Ends the process, or raises, on dilated layers."""

    def __init__(self, ending: BaseException) -> None:
        super().__init__()
        self.ending, self.a = ending, nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.a.dilation != (1, 1):
            raise self.ending
        y: torch.Tensor = self.a(x)
        return y.mean((2, 3))


@pytest.mark.parametrize("ending", [SystemExit(0), SystemExit("no"), RuntimeError("no")])
def test_an_edit_on_which_the_model_ends_the_process_has_failed(ending: BaseException) -> None:
    report = check(Leaves(ending), require=["dilated_convs >= 1"])
    assert [v.ok for v in report.constraints] == [False]
    assert fixes(report, "dilated_convs") == (
        "1 tried, none of which fixes it; in words: give a convolution larger than 1x1 a dilation of 2",
    )


class _Functional(nn.Module):
    """A convolution without a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3, 3, 3))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(image, self.weight, padding=1)


def test_a_convolution_that_is_no_layer_is_edited_where_it_is_called() -> None:
    (wide, several) = check(
        _Functional(), input_size=(3, 8, 8), require=["receptive_field == 5", "convs >= 2"]
    ).constraints
    assert wide.fix[0] == (
        "dilation 2 and padding 2 in conv2d called in forward of _Functional makes receptive_field 5, params unchanged"
    )
    limit = "(only stride, padding and dilation of calls of conv2d in a forward method are changed)"
    assert several.fix == (f"untried: add convolutions {limit}",)


class _Several(nn.Module):
    """Calls between layers, one of them made twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.ones(3, 3, 3, 3)) for _ in range(2))
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for weight in (self.first, self.second):
            x = self.layer(nn.functional.conv2d(x, weight, padding=1))
        return x.mean((2, 3))


def test_calls_are_edited_together_and_each_by_itself() -> None:
    rules = ["receptive_field > 20", "downsampled_by >= 4", "convs == 3"]  # of 1 + 4 * 2 pixels
    report = check(_Several(), input_size=(3, 32, 32), require=rules)
    assert report.fix_all is not None
    assert "called in forward of _Several" in report.fix_all.text
    model = _Several()
    with applied(model, report.change):
        assert check(model, input_size=(3, 32, 32), require=rules).ok
    assert check(model, input_size=(3, 32, 32)).metrics["receptive_field"] == 9


class _Own(nn.Conv2d):
    """A layer of a user's class."""


class _Padding(nn.Conv2d):
    """One that pads by itself."""

    def __init__(self, width: int) -> None:
        super().__init__(3, width, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return super().forward(nn.functional.pad(image, [self.dilation[0]] * 4))


def test_layers_of_classes_made_of_torchs_are_edited() -> None:
    own = check(nn.Sequential(_Own(3, 8, 3, padding=1)), input_size=(3, 8, 8), require=["receptive_field == 5"])
    assert own.fix_all is not None
    assert own.fix_all.edits == ("dilation 2 and padding 2 in layer 0",)
    padding = check(nn.Sequential(_Padding(8)), input_size=(3, 8, 8), require=["dilated_convs == 1", "params < 200"])
    assert fixes(padding, "dilated_convs")[0] == "dilation 2 in layer 0 makes dilated_convs 1, params unchanged"
    assert "(only stride, padding and dilation of layers of _Padding are changed)" in fixes(padding, "params")[0]


def test_a_lazy_model_has_fixes_and_stays_lazy() -> None:
    model = nn.Sequential(nn.LazyConv2d(8, 3, padding=1), nn.LazyConv2d(8, 3))
    report = check(model, input_size=(3, 8, 8), require=["depthwise_separable_convs == 1"])
    assert report.fix_all is not None
    assert report.fix_all.edits == ("splitting layer 1 into a depthwise 3x3 and a 1x1 convolution",)
    assert isinstance(model[0], nn.LazyConv2d)


def test_a_maximum_over_the_whole_map_is_to_be_a_mean() -> None:
    """There is no convolution whose stride could take its place; the words say what does, and it does."""
    head, rules = nn.Conv2d(3, 8, 3), ["max_pools == 0", "global_average_pools >= 1"]
    report = check(Written(lambda m, x: m.head(x).amax((2, 3)), head=head), (3, 8, 8), rules)
    assert fixes(report, "max_pools")[0].endswith("a maximum over the whole map by its mean")
    assert check(Written(lambda m, x: m.head(x).mean((2, 3)), head=head), (3, 8, 8), rules).ok

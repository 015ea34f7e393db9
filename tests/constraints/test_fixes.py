"""Every fix is a change that, made by hand, satisfies the rule and breaks no other."""

import re
from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints import Report, check
from constraints.fixes import _in_turn
from constraints.metrics import Metrics
from tests.constraints.written import Written


def net(*, dilation: int = 1, groups: int = 1, pool: type[nn.Module] | None = None) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.Conv2d(8, 8, 3, 2, 1, groups=groups, bias=False),
        nn.Conv2d(8, 16, 3, padding=dilation, dilation=dilation, bias=False),
    ]
    if pool is not None:
        layers.append(pool(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def fixes(report: Report, name: str) -> tuple[str, ...]:
    return next(v.fix for v in report.constraints if v.name == name)


def numbers(sentences: Sequence[str], pattern: str) -> list[tuple[str, ...]]:
    return [m.groups() for s in sentences if (m := re.match(pattern, s))]


def test_a_dilation_that_widens_the_field_is_the_least_that_does() -> None:
    report = check(net(), require=["receptive_field > 12"])  # 3, then 5, then 5 + 2 * 2 = 9
    found = numbers(
        fixes(report, "receptive_field"), r"dilation (\d+) in layer (\d+) makes receptive_field (\d+), (.*)"
    )
    # layer 2 has jump 2: dilation 2 adds 4; layers 0 and 1 have jump 1: dilation 3 adds 4
    assert set(found) == {
        ("2", "2", "13", "params unchanged"),
        ("3", "0", "13", "params unchanged"),
        ("3", "1", "13", "params unchanged"),
    }


def test_a_fix_done_by_hand_gives_the_figure_it_promises() -> None:
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
    assert fixes(report, "max_pools") == ("an average pool in place of max-pool 3 makes max_pools 0, params unchanged",)


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
    assert all(fix.startswith(change) for fix in fixes(report, "stages"))


def test_a_dilation_is_taken_back() -> None:
    report = check(net(dilation=2), require=["dilated_convs == 0"])
    assert fixes(report, "dilated_convs") == ("dilation 1 in layer 2 makes dilated_convs 0, params unchanged",)


def test_at_most_three_and_words_where_nothing_helps() -> None:
    report = check(net(), require=["dilated_convs >= 1", "params < 1", "fully_connected >= 1"])
    assert len(fixes(report, "dilated_convs")) == 3
    assert fixes(report, "params") == (
        "untried: narrow the widest layers, or split them into depthwise and 1x1 convolutions",
    )
    assert fixes(report, "fully_connected") == ("untried: add a linear layer after the global pool",)


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
    places = "max-pool 0.pool, max_pool2d called in forward of 0 and adaptive_max_pool2d called in forward of 0"
    assert fixes(report, "max_pools") == (f"an average pool in place of {places} makes max_pools 0, params unchanged",)


def test_several_strides_make_several_stages() -> None:
    layers = [nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1) for i in range(12)]
    rules = ["stages == 4", "convs_per_stage >= 3"]
    report = check(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1)), require=rules)
    assert fixes(report, "stages") == ("stride 2 in layers 2, 5 and 8 makes stages 4, params unchanged",)
    for i in (2, 5, 8):
        layers[i].stride = (2, 2)
    assert check(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1)), require=rules).ok


def test_several_layers_are_split_where_one_does_not_save_enough() -> None:
    layers = [nn.Conv2d(3, 16, 3, bias=False), *(nn.Conv2d(16, 16, 3, bias=False) for _ in range(3))]
    report = check(nn.Sequential(*layers), require=["params < 4000"])
    after = 27 * 16 + 16 * 16 * 9 + 2 * (16 * 9 + 16 * 16)
    (fix,) = fixes(report, "params")
    assert fix == f"splitting layers 1 and 2 into depthwise and 1x1 convolutions makes params {after:,}"


def test_a_model_that_cannot_be_copied_gets_words_alone() -> None:
    class Uncopied(nn.Sequential):
        def __deepcopy__(self, memo: object) -> "Uncopied":
            raise RuntimeError("no")

    (fix,) = check(Uncopied(nn.Conv2d(3, 4, 3))).constraints[0].fix
    assert fix == "untried: stride earlier, dilate, or use larger kernels"


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


def test_every_rule_gets_its_turn() -> None:
    """The first change for each of two rules is tried before the second one for either."""
    report = check(net(), require=["receptive_field > 12", "params < 1500"], fixes_timeout=1e-9)
    assert len(fixes(report, "receptive_field")) == 1
    tried: list[str] = []
    searches = {0: iter(["a", "", "b"]), 1: iter(["c", "d"])}
    tried.extend(sentence for _, sentence in _in_turn(searches))
    assert tried == ["a", "c", "", "d", "b"]


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

"""Which changes are offered for a metric, in which order."""

from collections.abc import Sequence

from torch import nn

from constraints.candidates import SAME, changes, need, separate_several, widened
from constraints.conv_sites import sites
from constraints.edits import Change, words
from constraints.metrics import Metrics
from constraints.rules import parse, parse_all
from constraints.tracer import Trace, trace
from constraints.verdicts import Verdict, judge


def chain(*strides: int, channels: int = 4) -> nn.Sequential:
    """3x3 convolutions of these strides, and a global pool."""
    layers = [nn.Conv2d(channels, channels, 3, stride, 1) for stride in strides]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))


def names(found: Sequence[Change]) -> list[list[str]]:
    return [[edit.layer for edit in change] for change in found]


def verdict(traced: Trace, rule: str) -> Verdict:
    return judge(parse_all(rule), traced.metrics.as_dict())[0]


def offered(model: nn.Module, rule: str) -> list[Change]:
    traced = trace(model, (4, 32, 32))
    return list(changes(model, traced, verdict(traced, rule), parse_all(rule)))


def test_small_dilations_in_few_layers_come_first() -> None:
    # The layers' inputs have the jumps 1, 1, 2, 4: with a dilation of 2 they add 2, 2, 4, 8 pixels, with 3 twice that.
    model = chain(1, 2, 2, 1)
    places = sites(model, trace(model, (4, 32, 32)).layers)
    assert names(list(widened(places, 2, 8))) == [["3"], ["0", "1", "2"]]
    assert names(list(widened(places, 2, 9))) == [["2", "3"]]
    assert names(list(widened(places, 2, 17))) == []
    assert names(list(widened(places, 3, 17))) == [["2", "3"]]
    found = offered(model, "receptive_field > 30")  # 1 + 2 + 2 + 4 + 8 = 17: 14 more
    assert words(found[0]) == "dilation 2 and padding 2 in layers 0, 2 and 3"
    dilations = [edit.arguments["dilation"][0] for change in found for edit in change if "dilation" in edit.arguments]
    assert dilations == sorted(dilations)
    assert max(dilations) <= 8


def test_as_few_layers_are_split_as_save_enough() -> None:
    model = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Conv2d(8, 16, 3), nn.Conv2d(16, 16, 3))
    found = sites(model, trace(model, (8, 16, 16)).layers)
    saved = [9 * i * o - (9 * i + i * o) for i, o in ((8, 8), (8, 16), (16, 16))]

    def layers(need: int) -> list[list[str]]:
        return [[edit.layer for edit in change] for change in separate_several(found, need)]

    assert layers(saved[2]) == []  # one alone is another edit
    assert layers(saved[2] + 1) == layers(saved[2] + saved[1]) == [["2", "1"]]
    assert layers(sum(saved)) == [["2", "1", "0"]]
    assert layers(sum(saved) + 1) == []


def test_the_layer_on_the_image_is_split_last() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3))
    traced = trace(model)
    rule = verdict(traced, "depthwise_separable_convs >= 1")
    assert names(list(changes(model, traced, rule, parse_all(rule.expr)))) == [["1"], ["2"], ["0"]]


def test_as_many_edits_at_once_as_are_needed() -> None:
    assert names(offered(chain(1, 1, 1), "dilated_convs >= 2")) == [["0", "1"], ["1", "2"]]


def test_nothing_is_offered_for_what_holds_or_is_unknown() -> None:
    assert offered(chain(1), "convs == 1") == []
    assert need(Verdict(name="convs", expr="", value=None, ok=False, why="", constraint=parse("convs > 1"))) == 0
    assert need(Verdict(name="convs", expr="", value=1, ok=False, why="", constraint=parse("convs > 3"))) == 3


def test_every_metric_of_memory_has_changes_that_lower_it() -> None:
    names = [name for name in Metrics.definitions() if name.endswith(("_bytes", "_int8", "_float16"))]
    assert {SAME.get(name, name) for name in names} == {"params", "peak_activation_bytes"}

"""Sentences about a change: the edits, the new value, what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints.edits import Edit
from constraints.fix_sentences import FixSentences, limits
from constraints.fix_trials import FixOutcome, Trials
from constraints.rules import parse
from constraints.tracer import Trace, trace
from constraints.verdicts import Verdict, judge
from tests.constraints.written import Written

RULES = [parse("receptive_field > 4"), parse("params < 100"), parse("convs >= 9000")]


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 1, bias=False))  # 2 * 9 + 2 and 4 parameters


def found(params: int | None = 24, receptive_field: int = 3, convs: int = 2) -> tuple[Trace, tuple[Verdict, ...]]:
    """A trace with these metrics, and its verdicts."""
    traced = trace(model(), (1, 8, 8))
    values: dict[str, Any] = {"params": params, "receptive_field": receptive_field, "convs": convs}
    metrics = replace(traced.metrics, **values)
    return replace(traced, metrics=metrics), judge(RULES, vars(metrics))


def edit(layer: str, text: str = "dilation 2 in {}") -> Edit:
    return Edit(layer=layer, text=text, size=1, make=lambda module: module)


def sentences(net: nn.Module | None = None) -> FixSentences:
    traced, verdicts = found()
    return FixSentences(model=net or model(), traced=traced, verdicts=verdicts)


def outcome(*edits: Edit, params: int | None = 24, convs: int = 2) -> FixOutcome:
    """Of a change after which the field is 5."""
    traced, verdicts = found(params, 5, convs)
    return FixOutcome(change=edits, traced=traced, verdicts=verdicts)


@pytest.mark.parametrize(
    ("params", "cost"),
    [
        (24, ", params unchanged"),
        (1234, ", params 1,234 (+1,210)"),
        (20, ", params 20 (-4)"),
        (None, ""),  # what cannot be counted is not compared
    ],
)
def test_a_change_is_named_with_the_value_it_gives_and_its_parameters(params: int | None, cost: str) -> None:
    said = sentences().alone(outcome(edit("0"), params=params), 0)
    assert said == f"dilation 2 in layer 0 makes receptive_field 5{cost}"


def test_parameters_are_not_said_twice() -> None:
    assert (
        sentences().alone(outcome(edit("0", "groups 2 in {}"), params=20), 1) == "groups 2 in layer 0 makes params 20"
    )


def test_large_values_have_their_thousands_set_apart() -> None:
    said = sentences().alone(outcome(edit("0"), convs=9000), 2)
    assert said == "dilation 2 in layer 0 makes convs 9,000, params unchanged"


def test_several_edits_are_one_sentence() -> None:
    said = sentences().alone(outcome(edit("0"), edit("1")), 0)
    assert said == "dilation 2 in layers 0 and 1 makes receptive_field 5, params unchanged"


def test_all_that_failed_is_named_once_and_parameters_last() -> None:
    change = outcome(edit("0"), params=20, convs=9000)
    said = sentences().together(change, [0, 1, 2])
    values = "receptive_field 5, convs 9,000, params 20 (-4)"
    assert said == f"dilation 2 in layer 0 makes every constraint hold: {values}"
    assert sentences().together(change, [0, 0]) == (
        "dilation 2 in layer 0 makes every constraint hold: receptive_field 5, params 20 (-4)"
    )


def test_a_shared_layer_has_all_its_names() -> None:
    shared = nn.Conv2d(1, 1, 3)
    said = sentences(nn.Sequential(shared, shared)).alone(outcome(edit("0")), 0)
    assert said == "dilation 2 in layer 0 (which is 1 too) makes receptive_field 5, params unchanged"


def test_parameters_of_a_layer_that_is_not_registered_are_said_to_be_left_out() -> None:
    net = Written(lambda m, x: m.kept[0](x))
    net.kept = [nn.Conv2d(1, 1, 3)]  # type: ignore[assignment]
    said = sentences(net).alone(outcome(edit("kept.0")), 0)
    aside = ", without those of kept.0, which the model does not register"
    assert said == f"dilation 2 in layer kept.0 makes receptive_field 5, params unchanged{aside}"


class Own(nn.Conv2d):
    """A convolution whose class is the user's, with arguments of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2 * channels, 3)


def test_convolutions_of_which_only_options_change_are_named() -> None:
    def trials(net: nn.Module) -> Trials:
        traced = trace(net, (1, 8, 8))
        verdicts = judge(RULES, vars(traced.metrics))
        return Trials(model=net, traced=traced, verdicts=verdicts, judged=lambda _: (traced, verdicts))

    assert limits(trials(model())) == ""
    assert limits(trials(nn.Sequential(Own(1)))) == ("only stride, padding and dilation of layers of Own are changed")
    called = Written(lambda m, x: F.conv2d(x, m.weight), weight=nn.Parameter(torch.zeros(2, 1, 3, 3)))
    assert "calls of conv2d in a forward method" in limits(trials(called))

"""A change is tried once, on a copy that is the same afterwards."""

from __future__ import annotations

import torch
from torch import nn

from constraints.edits import applied
from constraints.fix_trials import Trials, called_convs, called_functions
from constraints.rules import parse
from constraints.tracer import Trace, trace
from constraints.verdicts import Verdict, judge
from tests.constraints.fixable import net

SIZE = (3, 32, 32)
RULES = [parse("receptive_field > 12"), parse("params < 100k")]


def judged(model: nn.Module) -> tuple[Trace, tuple[Verdict, ...]]:
    traced = trace(model, SIZE)
    return traced, judge(RULES, vars(traced.metrics))


def trials(model: nn.Module) -> Trials:
    traced, verdicts = judged(model)
    return Trials(model=model, traced=traced, verdicts=verdicts, judged=judged)


def test_a_change_is_tried_once_and_taken_back() -> None:
    model = net()
    tried = trials(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    change = next(tried.changes(tried, 0))
    outcome = tried.outcome(change)
    assert outcome is not None
    assert outcome.failing == ()
    assert tried.fixes(outcome, 0)
    assert tried.outcome(change) is outcome
    assert tried.known() == [outcome]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with applied(model, change):
        assert judged(model)[0].metrics.receptive_field == outcome.traced.metrics.receptive_field == 13


class Called(nn.Module):
    """A convolution that is called as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(x, self.weight).mean((2, 3))


def test_functions_that_convolve_are_seen() -> None:
    assert called_functions(net(), judged(net())[0]) == ()
    assert called_convs(net(), judged(net())[0], judged) == ()
    model = Called()
    traced, _ = judged(model)
    assert called_functions(model, traced) == ("conv2d",)
    assert len(called_convs(model, traced, judged)) == 1

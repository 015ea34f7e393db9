"""Which operations reach an output: a maximum that nothing uses is no pool of the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracer import trace
from tests.constraints.written import Written


def assured(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x)
    assert y.abs().max() < 1e9
    assert torch.isfinite(y.amin((2, 3))).all()
    return y


def remembered(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x)
    m.seen = {"largest": y.amax((2, 3)), "median": y.flatten(2).median(-1).values}
    return y


def through_a_view(m: Any, x: torch.Tensor) -> Any:
    y, target = m.a(x), torch.zeros(1, 3, 8, 8)
    target[:, :2].copy_(y.amax((2, 3), keepdim=True)[:, :2].expand(1, 2, 8, 8))
    return y + target


def other_memory(m: Any, x: torch.Tensor) -> Any:
    y, target = m.a(x), torch.zeros(1, 3, 1, 1)
    target.data = y.amax((2, 3), keepdim=True)
    return y + target


def kept_for_the_next_run(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x) + m.largest[0][:, None, None]
    m.largest[0].copy_(y.amax((0, 2, 3)))
    return y


def assigned_to_a_buffer(m: Any, x: torch.Tensor) -> Any:
    y = m.a(x) + m.largest[0][:, None, None]
    m.largest = y.amax((2, 3)).detach()
    return y


@pytest.mark.parametrize(
    ("run", "maxima"),
    [
        (assured, 0),
        (remembered, 0),
        (lambda m, x: (m.a(x), {"largest": [m.a(x).amax((2, 3))]}), 1),
        (lambda m, x: m.a(x) * m.a(x).max().item(), 1),
        (lambda m, x: m.a(x) if str(m.a(x).max().item()) else x, 1),  # who can say what a text decides
        (lambda m, x: m.a(x) + torch.tensor((m.a(x).amax((2, 3)) > 0).tolist())[..., None, None], 1),
        (through_a_view, 1),
        (other_memory, 1),
        (kept_for_the_next_run, 1),
        (assigned_to_a_buffer, 1),
    ],
)
def test_a_maximum_counts_where_it_may_reach_an_output_or_the_next_run(run: Callable[..., Any], maxima: int) -> None:
    model = Written(run, a=nn.Conv2d(3, 3, 3, padding=1), largest=nn.Buffer(torch.zeros(2, 3)))
    found = trace(model, (3, 8, 8))
    assert found.metrics.max_pools == maxima, found.unknown
    assert len(found.responsible["max_pools"]) == maxima


def test_several_truth_values_carry_what_they_were_computed_from() -> None:
    def gated(m: Any, x: torch.Tensor) -> Any:
        signs = (m.a(x).mean((2, 3)) > 0).tolist()
        return m.a(x) * torch.tensor(signs).float()[..., None, None]

    found = trace(Written(gated, a=nn.Conv2d(3, 3, 3, padding=1)), (3, 8, 8))
    assert found.metrics.global_context is None


class Remembers(nn.Module):
    """A model that keeps its largest values in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 3, 3, padding=1)
        self.seen: Any = {}


class ReadsThem(Remembers):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.a(x) + (self.seen if isinstance(self.seen, torch.Tensor) else 0)
        self.seen = y.amax((2, 3), keepdim=True)
        return y


class FindsThemByText(Remembers):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = getattr(self, "last", [0])
        y: torch.Tensor = self.a(x) + before[0]
        self.last = [torch.median(y.flatten(2), 2, keepdim=True).values[..., None]]
        return y


class FindsThemByANumber(Remembers):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = [getattr(self, f"last{i}", 0) for i in range(2)]
        y: torch.Tensor = self.a(x) + before[0]
        self.last0 = y.amax((2, 3), keepdim=True)
        return y


class FindsThemInTheTable(Remembers):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.a(x)
        for name, value in vars(self).items():
            y = y + value if name.endswith("0") else y
        self.last0 = y.amax((2, 3), keepdim=True)
        return y


class FindsThemInItsDict(Remembers):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        name = "last" + str(len(x) - 1)
        y: torch.Tensor = self.a(x) + self.__dict__.get(name, 0)
        self.last0 = y.amax((2, 3), keepdim=True)
        return y


class FindsOthersByANumber(Remembers):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.a(x) + getattr(self, f"other{len(x)}", 0)
        self.last0 = y.amax((2, 3), keepdim=True)
        return y


class FindsOthersByASum(Remembers):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = getattr(F, "re" + "lu"[: len(x) + 1])(getattr(self, "a" + str(len(x))[1:])(x))
        self.last0 = y.amax((2, 3), keepdim=True)
        return y


class OnlyAddsToThem(Remembers):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.a(x)
        self.seen["largest"] = y.amax((2, 3))
        self.last = y.amax((2, 3))
        return y


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (ReadsThem, "seen"),
        (FindsThemByText, "last"),
        (FindsThemByANumber, "last0"),
        (FindsThemInTheTable, "last0"),
        (FindsThemInItsDict, "last0"),
    ],
)
def test_a_maximum_in_an_attribute_that_the_code_reads_is_not_known(model: type[Remembers], name: str) -> None:
    found = trace(model(), (3, 8, 8))
    assert found.metrics.max_pools is None
    assert f"is kept in the attribute {name}, from which a later run may read it" in found.unknown["max_pools"]


@pytest.mark.parametrize("model", [OnlyAddsToThem, FindsOthersByANumber, FindsOthersByASum])
def test_a_maximum_in_an_attribute_that_the_code_only_writes_to_is_none_of_the_network(model: type[Remembers]) -> None:
    found = trace(model(), (3, 8, 8))
    assert (found.metrics.max_pools, dict(found.unknown)) == (0, {})

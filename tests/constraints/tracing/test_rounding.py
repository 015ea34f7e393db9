"""Whether a program rounds: by names in its code, in what that calls, and under other names."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from math import floor as down
from typing import Any

import pytest
import torch
from torch import nn

from constraints.tracing.rounding import floor_divides, rounds
from tests.constraints.written import Written


def helper(number: float) -> int:
    return round(number)


class Settings:
    """A config object."""

    def places(self, number: float) -> int:
        """The number without what follows its point."""
        return math.trunc(number)


class Casts(nn.Module):
    """Keeps what rounds as an attribute of its own."""

    def __init__(self, cast: Any) -> None:
        super().__init__()
        self.cast = cast
        self.width = int(3.0)

    def forward(self, image: torch.Tensor) -> Any:
        return image * self.cast(image.mean().item())


ROUNDING: dict[str, Callable[..., Any]] = {
    "a name": lambda m, x: x * int(x.max()),
    "an attribute": lambda m, x: x * math.ceil(x.max()),
    "another name": lambda m, x: x * down(x.max()),
    "a function that is called": lambda m, x: x * helper(x.max().item()),
    "a function inside": lambda m, x: [y * len(str(y.max())) for y in [x]],
    "a text": lambda m, x: x.max().item().__getattribute__("__int__")(),
    "a format that is read again": lambda m, x: x * float(f"{x.max().item():.3f}"),
    "a method of texts": lambda m, x: x * float("{:.2f}".format(x.max().item())),  # noqa: UP032
    "an operator of texts": lambda m, x: x * float("%.2f" % x.max().item()),  # noqa: UP031
    "an operator of few digits": lambda m, x: x * float("%g" % x.max().item()),  # noqa: UP031
    "a width that is given": lambda m, x: x * float("%.*f" % (2, x.max().item())),  # noqa: UP031
    "the whole part": lambda m, x: x * math.modf(x.max().item())[1],
    "a quotient and a rest": lambda m, x: x * divmod(x.max().item(), 1.0)[0],
    "the sign": lambda m, x: x * math.copysign(2.0, x.max().item()),
    "the start of a text": lambda m, x: x * float(str(x.max().item())[:4]),
}


@pytest.mark.parametrize("run", ROUNDING.values(), ids=ROUNDING.keys())
def test_code_that_rounds(run: Callable[..., Any]) -> None:
    assert rounds([Written(run)])


@pytest.mark.parametrize(
    "run",
    [
        lambda m, x: x * float(x.max()),
        lambda m, x: print(f"{x.max().item():.3f}"),
        lambda m, x: x * float(f"{x.max().item()}"),  # with all its digits
        lambda m, x: x * float(str(x.max().item())),
    ],
)
def test_code_that_writes_or_reads_numbers_only(run: Callable[..., Any]) -> None:
    assert not rounds([Written(run)])


@pytest.mark.parametrize("kept", [int, helper, partial(helper), Settings().places, Settings(), [math.floor]])
def test_what_a_module_keeps_rounds(kept: Any) -> None:
    assert rounds([Casts(kept)])


def test_what_only_makes_the_module_does_not_count() -> None:
    assert not rounds([Casts(abs), nn.Conv2d(3, 4, 3)])
    assert not rounds([Written(lambda m, x: x * 12 if x.max().item() < 1 else x)])


def test_code_that_divides_and_leaves_no_places() -> None:
    assert floor_divides([Written(lambda m, x: x * (x.max().item() // 1))])
    assert floor_divides([Written(lambda m, x: x * (x.max().item() - x.max().item() % 1))])
    assert not floor_divides([Written(lambda m, x: x / 2)])

"""Whole stages added to networks that are too short: by arithmetic, and when they are built."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints import check
from constraints.conv_sites import sites
from constraints.edits import Change, applied, words
from constraints.rules import parse_all
from constraints.stage_additions import added_stages
from constraints.stages import split
from constraints.tracer import trace

ASSIGNED = ("stages == 4", "convs_per_stage >= 3")
HEAD = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


def chain(text: str) -> nn.Sequential:
    """``c`` a 3x3 convolution, ``s`` strided, ``d`` dilated, ``p`` a 1x1."""
    made = {"c": (3, 1, 1, 1), "s": (3, 2, 1, 1), "d": (3, 1, 2, 2), "p": (1, 1, 0, 1)}
    width = [3, *[4] * len(text)]
    return nn.Sequential(*(nn.Conv2d(width[i], 4, *made[letter]) for i, letter in enumerate(text)), *HEAD)


def offered(model: nn.Module, rules: tuple[str, ...] = ASSIGNED) -> list[Change]:
    asked, traced = parse_all(rules), trace(model, (3, 16, 16))
    found = list(added_stages(model, sites(model, traced.layers), traced, asked))
    for change in found:
        with applied(model, change):
            after = trace(model, (3, 16, 16))
        assert all(map(split(after.path, asked).keeps, asked)), words(change)
        assert after.output == traced.output
    return found


@pytest.mark.parametrize(
    ("text", "number", "ends"),
    [
        ("c", 11, "2nd, 5th and 8th"),  # 12 are needed in all, the 3rd, 6th and 9th of which end a stage
        ("cc", 10, "1st, 4th and 7th"),
        ("p", 11, "2nd, 5th and 8th"),
        ("ccd", 9, "3rd and 6th"),
    ],
)
def test_the_fewest_convolutions_after_one_layer(text: str, number: int, ends: str) -> None:
    first, *others = offered(chain(text))
    assert words(first).startswith(f"{number} more 3x3 convolutions (dilation 2 in the "), words(first)
    assert any(words(change).startswith(f"{number} more depthwise 3x3") for change in others)
    assert f"the {ends})" in words(first)


def test_a_strided_stage_that_is_short_is_filled_as_well() -> None:
    """A stage of the stride alone lacks two; three further stages need 9."""
    first, *_ = offered(chain("s"))
    assert [edit.layer for edit in first] == ["0", "0"]
    assert words(first).startswith(
        "2 more 3x3 convolutions, with batch norm and ReLU between, before layer 0 and 9 more"
    )


class Own(nn.Conv2d):
    """A convolution of a user's class."""


class Functional(nn.Module):
    """A convolution that no module makes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3, 3, 3))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return F.conv2d(image, self.weight, padding=1).mean((2, 3))


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda: nn.Sequential(Own(3, 4, 3, padding=1), *HEAD), "after layer 0"),
        (Functional, "on the image before the model"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(768, 10)), "on the image before the model"),
    ],
)
def test_any_network_gets_stages(make: Callable[[], nn.Module], place: str) -> None:
    first, *_ = offered(make())
    assert words(first).endswith(place)


def test_the_check_reports_them() -> None:
    report = check(chain("c"), (3, 16, 16), require=ASSIGNED)
    assert report.fix_all is not None
    assert "makes every constraint hold: stages 4, convs_per_stage 3" in report.fix_all.text
    assert all("11 more" in verdict.fix[0] for verdict in report.constraints)


def test_none_where_there_are_stages_too_many() -> None:
    assert offered(chain("sssss"), ("stages == 4",)) == []

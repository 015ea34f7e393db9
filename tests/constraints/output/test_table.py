"""What the table shows beside figures: stages as sections, and wrapped lines below their beginning."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from constraints import Report, check
from constraints.output.table import text

LONG = "a word " * 30


@pytest.fixture(scope="module")
def report() -> Report:
    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3))
    model = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return check(model, (3, 16, 16), ["stages == 2", "params < 3"], fixes=False)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_stages_are_sections_of_the_layers(report: Report, width: int) -> None:
    lines = [line.rstrip() for line in text(report, width).splitlines()]
    first = lines.index("stage 1 (stride): 2 convolutions to 0.1")
    assert lines[first + 1].startswith("├─0 ")
    second = lines.index("stage 2 (no end): 1 convolution")
    assert "2  conv2d 3x3" in lines[second + 1]
    last = lines.index("after the stages")
    assert "├─1  mean" in lines[last + 1]
    assert first < second < last
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [80, 100, 140])
def test_what_wraps_is_indented_below_its_beginning(report: Report, width: int) -> None:
    verdicts = tuple(v if v.ok else replace(v, fix=(LONG,)) for v in report.constraints)
    lines = [
        line.rstrip() for line in text(replace(report, constraints=verdicts, warnings=(LONG,)), width).splitlines()
    ]
    for mark in ("  → ", "warning: "):
        at = next(i for i, line in enumerate(lines) if line.startswith(mark))
        assert lines[at + 1][: len(mark) + 1].isspace() is False
        assert lines[at + 1][: len(mark)].isspace()

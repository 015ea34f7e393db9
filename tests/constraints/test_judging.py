"""Verdicts on traced models: the number of outputs, and what a verdict says besides its value."""

import pytest
import torch
from torch import nn

from constraints import check


class View(nn.Module):
    """``x.view(...)`` as a module."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(self.shape)


@pytest.mark.parametrize(("classes", "ok"), [(9, False), (10, True), (11, False)])
def test_the_number_of_outputs(classes: int, ok: bool) -> None:
    net = nn.Sequential(nn.Conv2d(3, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    report = check(net, (3, 4, 4), require=[], classes=classes)
    assert report.ok is ok
    assert "10 values for one sample (10)" in report.constraints[0].why


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        ([nn.AvgPool2d(2), View(-1, 10)], "one sample gives 4 rows of 10 (10), 1 row of 10 is expected"),
        ([nn.AdaptiveAvgPool2d(1), View(10)], "one sample gives 10 rows of 1 (a single number), 1 row"),
        ([nn.AdaptiveAvgPool2d(1)], "10 values for one sample (10x1x1), 10 are expected without further axes: flatten"),
        ([nn.AdaptiveAvgPool2d(1), nn.Flatten()], ""),
    ],
)
def test_classes_are_one_row_of_logits(tail: list[nn.Module], why: str) -> None:
    report = check(nn.Sequential(nn.Conv2d(3, 10, 1), *tail), (3, 4, 4), [], classes=10, fixes=False)
    assert report.ok is not bool(why)
    assert why in report.constraints[0].why
    assert any("rows" in warning for warning in report.warnings) is ("rows" in why)


def test_a_map_as_output_counts_all_its_values() -> None:
    assert check(nn.Conv2d(3, 10, 1), (3, 2, 2), [], classes=10).constraints[0].value == 40

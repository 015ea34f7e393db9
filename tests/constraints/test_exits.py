"""A model's ``os._exit`` on a tried edit ends that edit alone."""

from __future__ import annotations

import os

import pytest
import torch
from torch import nn

from constraints import check
from constraints.exits import exits_raised


def test_it_raises_within_and_a_fork_ends_as_ever() -> None:
    before = os._exit
    with exits_raised():
        with pytest.raises(SystemExit):
            os._exit(3)
        if not (child := os.fork()):
            os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    assert os._exit is before


class Quits(nn.Conv2d):
    """Ends the process where it is dilated."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if getattr(self.conv, "dilation", (1, 1)) != (1, 1):
            os._exit(7)
        return super().forward(self.conv(image)).mean((2, 3))

    def __init__(self) -> None:
        super().__init__(4, 4, 3)
        self.conv = nn.Conv2d(3, 4, 3)


def test_other_fixes_are_found_all_the_same() -> None:
    report = check(Quits(), require=["dilated_convs >= 1", "depthwise_separable_convs >= 1"])
    dilated, separable = report.constraints
    assert dilated.fix == (
        "1 tried, none of which fixes it; in words: give a convolution larger than 1x1 a dilation of 2 "
        "(only stride, padding and dilation of calls of conv2d in a forward method are changed)",
    )
    assert "splitting layer conv" in separable.fix[0]

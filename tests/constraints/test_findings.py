"""Subtotals of a report by module, by hand arithmetic."""

from __future__ import annotations

import torch
from torch import nn

from constraints import check


class Net(nn.Module):
    """Two convolutions in a block, and a product that no module makes."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 2, 1))
        self.weight = nn.Parameter(torch.ones(8, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.block(x)
        return maps.flatten(1) @ self.weight


def test_subtotals_hold_all_that_is_below_a_module() -> None:
    found = check(Net(), (3, 2, 2), require=[], fixes=False).by_module()
    first, second = {"params": 3 * 4, "macs": 3 * 4 * 4}, {"params": 4 * 2 + 2, "macs": 4 * 2 * 4}
    block = {"params": 12 + 10, "macs": 48 + 32}
    assert found["block.0"] == first
    assert found["block.1"] == second
    assert found["block"] == block
    assert found[""]["macs"] == block["macs"] + 8 * 5
    assert set(found) == {"", "block", "block.0", "block.1"}

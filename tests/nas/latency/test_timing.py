"""How long a network takes."""

from __future__ import annotations

import time

import torch
from torch import nn

from nas.latency.timing import REPEATS, WARM_UP, milliseconds


class Sleeps(nn.Module):
    """Takes a known time, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.threads: set[int] = set()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The first call is slow."""
        self.calls += 1
        self.threads.add(torch.get_num_threads())
        time.sleep(0.05 if self.calls == 1 else 0.002)
        assert not self.training
        assert image.shape == (1, 3, 4, 5)
        return image


def test_the_median_leaves_the_slow_first_call_out() -> None:
    model, before = Sleeps(), torch.get_num_threads()
    assert 2 <= milliseconds(model, (3, 4, 5), threads=1, seconds=0.0) < 40
    assert (model.calls, model.threads) == (WARM_UP + REPEATS, {1})
    assert torch.get_num_threads() == before

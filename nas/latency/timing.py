"""How long one image takes through a network on this machine: the median of repeats after a warm-up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

WARM_UP = 3
REPEATS = 15
"""Least number of repeats."""


def milliseconds(model: nn.Module, shape: tuple[int, int, int], *, threads: int = 1, seconds: float = 0.1) -> float:
    """Median time of a batch of one through ``model`` in eval mode and float32, without gradients.

    It is repeated for ``seconds``, REPEATS times at least. The model is left in eval mode.
    """
    image = torch.zeros(1, *shape)
    found: list[float] = []
    model.eval()
    with torch.inference_mode(), _threads(threads):
        for _ in range(WARM_UP):
            model(image)
        ends = time.perf_counter() + seconds
        while len(found) < REPEATS or time.perf_counter() < ends:
            started = time.perf_counter()
            model(image)
            found.append(time.perf_counter() - started)
    return 1000 * statistics.median(found)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

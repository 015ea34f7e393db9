"""The seed of the user's code."""

from __future__ import annotations

import random

import numpy as np
import torch

from constraints.sandbox.seeding import seed_everything


def drawn(seed: int) -> tuple[float, float, float]:
    seed_everything(seed)
    return float(torch.rand(())), float(np.random.rand()), random.random()


def test_one_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    first, again, other = drawn(2**40), drawn(2**40), drawn(1)
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))

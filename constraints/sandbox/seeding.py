"""The seed of the user's code in the child process, so that the same job gives the same result."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed the generators that the code may draw from without a generator of its own: torch's, NumPy's and Python's."""
    torch.manual_seed(seed)
    np.random.seed(np.random.SeedSequence(seed).generate_state(1))
    random.seed(seed)

"""Batch size and epochs by the size of the data, where nothing else is asked for: enough steps for a small network.

A training of few images at the usual batch size has so few steps that every candidate stays at chance. So

- the batch size is the usual one, halved until an epoch has LEAST_A_EPOCH steps or more, but not below LEAST_BATCH;
- the epochs are the usual ones, or as many more as give ENOUGH steps in all, but at most MOST_EPOCHS.

Where the usual ones give as much (from 4,096 images on with batches of 128), they stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

LEAST_A_EPOCH = 32
ENOUGH = 1_000
LEAST_BATCH = 16
MOST_EPOCHS = 200


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """What a candidate is trained by: images of a step, and epochs."""

    batch_size: int
    epochs: int

    def steps(self, images: int) -> int:
        """Steps of the whole training; an epoch leaves out the last images that fill no batch."""
        return images // min(self.batch_size, images) * self.epochs


def sizing(images: int, usual: Sizing) -> Sizing:
    """That of a data set of so many training images; ``usual`` where it is large enough."""
    batch = usual.batch_size
    while batch // 2 >= LEAST_BATCH and images // batch < LEAST_A_EPOCH:
        batch //= 2
    an_epoch = images // min(batch, images)
    enough = min(math.ceil(ENOUGH / an_epoch), MOST_EPOCHS)
    return Sizing(batch_size=batch, epochs=max(usual.epochs, enough))


def sentence(images: int, chosen: Sizing | None, others: Mapping[str, str] | None = None) -> str:
    """What a launch says where the size of the data decided; empty where it did not.

    ``others`` holds what it decided beside batch size and epochs: flag -> what was chosen, in words.
    """
    words = dict(others or {})
    if chosen is not None:
        steps = f"batches of {chosen.batch_size} and {chosen.epochs} epochs a candidate, {chosen.steps(images):,} steps"
        words = {"--epochs": steps, **words}
    if not words:
        return ""
    *flags, last = words
    asks = f"{', '.join(flags)} and {last} ask" if flags else f"{last} asks"
    return f"{images:,} training images: {', '.join(words.values())}, chosen by their number: {asks} for others"

"""Default batch size and epochs by the size of the data, so that a small network gets enough steps.

With few images, the default batch size gives so few steps that every candidate stays at chance level. So

- the batch size is the default, halved until an epoch has at least LEAST_A_EPOCH steps, but not below LEAST_BATCH;
- the epochs are the default, or as many as give ENOUGH steps in total, but at most MOST_EPOCHS.

Where the defaults give enough steps (from 4,096 images on with batches of 128), they are used unchanged.
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
    """Batch size and epochs of a candidate."""

    batch_size: int
    epochs: int

    def steps(self, images: int) -> int:
        """Steps of the whole training; an epoch leaves out an incomplete last batch."""
        return images // min(self.batch_size, images) * self.epochs


def sizing(images: int, usual: Sizing) -> Sizing:
    """The sizing for a number of training images; ``usual`` where they are enough."""
    batch = usual.batch_size
    while batch // 2 >= LEAST_BATCH and images // batch < LEAST_A_EPOCH:
        batch //= 2
    an_epoch = images // min(batch, images)
    enough = min(math.ceil(ENOUGH / an_epoch), MOST_EPOCHS)
    return Sizing(batch_size=batch, epochs=max(usual.epochs, enough))


def sentence(images: int, chosen: Sizing | None, others: Mapping[str, str] | None = None) -> str:
    """The message about choices by the size of the data; empty where there were none.

    ``others`` are choices other than batch size and epochs: flag -> its value in words.
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

"""Options that change a batch's images: flips, crops, mixtures, resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nas.training.options.declaration import option

if TYPE_CHECKING:
    import torch

    from nas.training.batchwise import Drawn


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Changes to augmented images, batch by batch.

    ``alternating_flip`` mirrors each image in every other epoch, half of them in the first (Jordan, *94% on CIFAR-10 in
    3.29 Seconds on a Single GPU*, 2024): two successive epochs show every image both ways; it replaces ``flip``. It has
    no effect together with a pipeline that mirrors at random, only with one that mirrors all images or none.
    """

    low_resolution: float = option(
        0.0, "share of the training, its beginning, in which images have three quarters of their side",
        low=0, high=1, tune=(0.0, 0.8),
    )  # fmt: skip
    flip: bool = option(False, "mirrors half of the images")
    crop: int = option(0, "most pixels by which an image is moved along either axis", low=0, unit="pixels", tune=(0, 4))
    mixup: float = option(
        0.0, "largest share of another image, and of its label, that is blended into each", low=0, high=1,
        tune=(0.0, 0.5),
    )  # fmt: skip
    mixup_growth: float = option(
        0.0, "share of the training, its beginning, in which mixup grows from nothing", low=0, high=1, tune=(0.0, 1.0)
    )
    alternating_flip: bool = option(False, "mirrors each image in every other epoch")

    def draw(self, count: int, seed: int, number: int, *, is_shared: bool = False) -> Drawn | None:
        """Values drawn once for all ``count`` images of epoch ``number`` (from 0); None where there are none.

        A pure function of its arguments, so that a resumed training gets the same values. ``is_shared`` means that all
        trainings must see the same images in an epoch, as a teacher's students do, so that everything is drawn here.
        """
        import torch

        from nas.training.batchwise import Drawn

        generator = np.random.default_rng([seed, count, number])
        mirrored = corners = None
        if self.alternating_flip:
            mirrored = (np.random.default_rng([seed, count]).random(count) < 0.5) ^ bool(number % 2)
        elif self.flip and is_shared:
            mirrored = generator.random(count) < 0.5
        if self.crop and is_shared:
            corners = generator.integers(0, 2 * self.crop + 1, (2, count))
        if mirrored is None and corners is None:
            return None
        return Drawn(
            mirrored=None if mirrored is None else torch.from_numpy(mirrored),
            corners=None if corners is None else torch.from_numpy(corners),
        )

    def changed(self, images: torch.Tensor, drawn: Drawn | None = None) -> torch.Tensor:
        """A batch of images (standardised, N x C x H x W) with flips and crops applied, before mixup.

        Values that are in ``drawn`` are used instead of drawing new ones.
        """
        from nas.training import batchwise

        if self.crop:
            images = batchwise.crop(images, self.crop, drawn.corners if drawn else None)
        if drawn is not None and drawn.mirrored is not None:
            return batchwise.mirror(images, drawn.mirrored)
        return batchwise.flip(images) if self.flip else images

    def has_low_resolution(self, progress: float) -> bool:
        """Whether images have low resolution at ``progress`` (0 to 1) through the training."""
        return progress < self.low_resolution

    def mixup_at(self, progress: float) -> float:
        """The largest share of another image in mixup, at ``progress`` (0 to 1) through the training."""
        return self.mixup * min(progress / self.mixup_growth, 1.0) if self.mixup_growth else self.mixup

"""The albumentations pipelines that ship: the assignment's and its author's; making one loads albumentations."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would otherwise ask a registry for news

if TYPE_CHECKING:
    import albumentations as A


def assignment(
    mean: Sequence[float],
    *,
    image_size: tuple[int, int] = (32, 32),
    flip: float = 0.5,
    shift_scale_rotate: float = 0.25,
    dropout: float = 0.1,
) -> A.Compose:
    """Horizontal flip, shift-scale-rotate and one dropped square filled with the data's mean.

    ``mean`` is per channel on the 0 to 1 scale; the last three are probabilities, low by default because a small
    network in a short training learns too little rather than too much. The hole is 16 x 16 pixels
    on the 32 x 32 images that the assignment speaks of, and half the side on images of another size.
    """
    import albumentations as A

    return A.Compose(_assignment(mean, image_size, flip, shift_scale_rotate, dropout))


def seed(
    mean: Sequence[float],
    *,
    image_size: tuple[int, int] = (32, 32),
    flip: float = 0.5,
    shift_scale_rotate: float = 0.5,
    dropout: float = 0.5,
    hue_saturation_value: float = 0.5,
) -> A.Compose:
    """The pipeline of the hand-made network: the assignment's, with hue, saturation and value shifted.

    Grey images have no hue: theirs is the assignment's pipeline.
    """
    import albumentations as A

    colour = [A.HueSaturationValue(p=hue_saturation_value)] if len(mean) == 3 else []
    return A.Compose([*_assignment(mean, image_size, flip, shift_scale_rotate, dropout), *colour])


def none(mean: Sequence[float], *, image_size: tuple[int, int] = (32, 32)) -> A.Compose:
    """No change at all, to measure what augmentation is worth."""
    import albumentations as A

    return A.Compose([])


PIPELINES: Mapping[str, Callable[..., A.Compose]] = MappingProxyType(
    {"assignment": assignment, "seed": seed, "none": none}
)


def _assignment(
    mean: Sequence[float], image_size: tuple[int, int], flip: float, shift_scale_rotate: float, dropout: float
) -> list[A.BasicTransform]:
    import albumentations as A
    import cv2

    height, width = (side // 2 for side in image_size)
    with warnings.catch_warnings():
        # The rules ask for this transform by name; that Affine could do the same is no news for the user.
        warnings.filterwarnings("ignore", message="ShiftScaleRotate is a special case")
        moved = A.ShiftScaleRotate(
            shift_limit=0.1,
            scale_limit=0.1,
            rotate_limit=10,
            border_mode=cv2.BORDER_REFLECT_101,
            p=shift_scale_rotate,
        )
    dropped = A.CoarseDropout(
        num_holes_range=(1, 1),
        hole_height_range=(height, height),
        hole_width_range=(width, width),
        fill=tuple(255 * value for value in mean),
        fill_mask=None,
        p=dropout,
    )
    return [A.HorizontalFlip(p=flip), moved, dropped]

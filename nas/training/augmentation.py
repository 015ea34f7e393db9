"""Augmentation pipelines: the shipped ones (the assignment's, its author's, none) or the user's own.

Building a pipeline imports albumentations.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.training.serialised import from_table

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would otherwise check for updates online

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
    network in a short training underfits rather than overfits. The hole is 16 x 16 pixels on the assignment's 32 x 32
    images, and half the side on images of another size.
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

    Grey images have no hue: for them it is the assignment's pipeline.
    """
    import albumentations as A

    colour = [A.HueSaturationValue(p=hue_saturation_value)] if len(mean) == 3 else []
    return A.Compose([*_assignment(mean, image_size, flip, shift_scale_rotate, dropout), *colour])


def none(mean: Sequence[float], *, image_size: tuple[int, int] = (32, 32)) -> A.Compose:
    """No change at all, to measure the effect of augmentation."""
    import albumentations as A

    return A.Compose([])


def probabilities(name: str) -> dict[str, float]:
    """The default probability of each transform of a shipped pipeline."""
    parameters = signature(PIPELINES[name]).parameters.values()
    return {p.name: p.default for p in parameters if isinstance(p.default, float)}


PIPELINES: Mapping[str, Callable[..., A.Compose]] = MappingProxyType(
    {"assignment": assignment, "seed": seed, "none": none}
)


DEFAULT = "assignment"


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """A pipeline: a shipped one by name and ``probabilities`` of its transforms, or a user's as a table."""

    name: str
    probabilities: Mapping[str, float] = field(default_factory=dict)
    transform: Mapping[str, Any] | None = None
    """A user's pipeline as albumentations serialises it; None for a shipped one."""

    @property
    def text(self) -> str:
        """The name, and the probabilities that differ from its defaults, as ``--augmentation`` takes them."""
        usual = probabilities(self.name) if self.name in PIPELINES else {}
        often = {name: share for name, share in self.probabilities.items() if usual.get(name) != share}
        return ",".join([self.name, *(f"{name}={share:g}" for name, share in often.items())])

    def as_table(self) -> dict[str, Any]:
        """The augmentation as a study stores it."""
        table: dict[str, Any] = {"name": self.name, "probabilities": dict(self.probabilities)}
        return table if self.transform is None else {**table, "transform": dict(self.transform)}

    def is_same(self, other: Augmentation) -> bool:
        """Whether two treat every image in the same way; a user's pipelines are compared by content, not by name."""
        if self.transform is not None or other.transform is not None:
            return self.transform == other.transform
        return (self.name, dict(self.probabilities)) == (other.name, dict(other.probabilities))


def shipped(name: str, options: Mapping[str, Any] = MappingProxyType({})) -> Augmentation:
    """A shipped pipeline with ``options`` replacing its default probabilities.

    Raises UnusableInputError for an unknown name or option, and for a value that is not a probability.
    """
    if name not in PIPELINES:
        hint = nearest(name, PIPELINES, f"give {', '.join(PIPELINES)} or FILE.py:NAME")
        raise UnusableInputError(f"no such augmentation: {name!r}: {hint}")
    usual = probabilities(name)
    for option, value in options.items():
        if option not in usual:
            known = f"it has {', '.join(usual)}" if usual else "it has none"
            raise UnusableInputError(f"augmentation {name}: no such option: {option!r}: {known}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise UnusableInputError(f"augmentation {name}: no probability: '{option}={value}': give 0 to 1")
    return Augmentation(name=name, probabilities={**usual, **{key: float(value) for key, value in options.items()}})


def make(
    name: str,
    probabilities: Mapping[str, float],
    transform: Mapping[str, Any] | None,
    mean: Sequence[float],
    image_size: tuple[int, int],
) -> A.Compose:
    """The albumentations pipeline for images of a size (height, width) and with a ``mean`` per channel."""
    if transform is not None:
        return from_table(transform)
    return PIPELINES[name](mean, image_size=image_size, **probabilities)


def _assignment(
    mean: Sequence[float], image_size: tuple[int, int], flip: float, shift_scale_rotate: float, dropout: float
) -> list[A.BasicTransform]:
    import albumentations as A
    import cv2

    height, width = (side // 2 for side in image_size)
    with warnings.catch_warnings():
        # The assignment requires this transform by name, so advice to use Affine instead is of no use.
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

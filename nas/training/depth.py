"""Images with more than 8 bits per channel: finds the range of values in a data set and scales it to 8 bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

BITS = (8, 10, 12, 14, 16)
"""Bit depths that cameras and scanners store in integers of 16 bits or more."""
HIGH_BYTE_AT_LEAST = 64
"""16-bit colour keeps only its high byte; data in which no image reaches this is refused."""
_BITS_PER_SAMPLE, _SAMPLE_FORMAT = 258, 339  # of TIFF
_UNSIGNED, _SIGNED = 1, 2


NOT_FINITE = "a value is not a finite number"


@dataclass(frozen=True, kw_only=True)
class ValueRange:
    """The values that map to 0 and 255 for all images of one kind."""

    low: float
    high: float

    def as_bytes(self, values: np.ndarray) -> np.ndarray:
        """Values scaled linearly to uint8 and rounded; all 0 where the range is a single value."""
        width = self.high - self.low
        if not width:
            return np.zeros(values.shape, dtype=np.uint8)
        scaled: np.ndarray = np.clip((values.astype(np.float64) - self.low) / width * 255, 0, 255)
        return scaled.round().astype(np.uint8)


Ranges = Mapping[str, ValueRange]


def kind(image: Image.Image) -> str | None:
    """The kind of the image, which determines the images that share its range; None for at most 8 bits per channel."""
    if image.mode == "F":
        return "floating-point"
    bits = declared(image, _BITS_PER_SAMPLE)
    if image.mode == "L" and declared(image, _SAMPLE_FORMAT) == _SIGNED:
        return "signed 8-bit"
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return None
    return f"{bits}-bit" if bits and bits < 16 else "32-bit" if bits == 32 else "16-bit"


def declared(image: Image.Image, tag: int) -> int | None:
    """The first value of a TIFF's tag; None where the image has no such tag, or is no TIFF."""
    found = getattr(image, "tag_v2", {}).get(tag)
    if found is None or found == ():
        return None
    return int(found[0] if isinstance(found, tuple) else found)


def pixels(image: Image.Image) -> np.ndarray:
    """An image's values with their declared sign: Pillow reads bytes as unsigned and 32-bit integers as signed."""
    values = np.asarray(image)
    sample = declared(image, _SAMPLE_FORMAT)
    if image.mode == "L" and sample == _SIGNED:
        return values.view(np.int8)
    if image.mode == "I" and declared(image, _BITS_PER_SAMPLE) == 32 and sample in {None, _UNSIGNED}:
        return values.view(np.uint32)
    return values


def extent(image: Image.Image) -> tuple[float, float]:
    """Smallest and greatest value of an image; ValueError where one is not finite."""
    values = pixels(image)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(NOT_FINITE)
    return low, high


def common_range(name: str, extents: Iterable[tuple[float, float]]) -> ValueRange:
    """The range of all images of one kind.

    A declared depth of 9 to 15 bits gives the range. For other non-negative integers it is the smallest depth in BITS
    that contains the greatest value; for negative, greater or floating-point values, it is the range that was found.
    """
    bits = name.removesuffix("-bit")
    if bits.isdigit() and int(bits) < 16:
        return ValueRange(low=0, high=2 ** int(bits) - 1)
    lows, highs = zip(*extents, strict=True)
    low, high = min(lows), max(highs)
    fitting = [bits for bits in BITS if high < 2**bits]
    if name == "floating-point" or low < 0 or not fitting:
        return ValueRange(low=low, high=high)
    return ValueRange(low=0, high=2 ** fitting[0] - 1)


def is_colour_of_16_bits(image: Image.Image) -> bool:
    """Whether Pillow keeps only the high byte of the image's colours."""
    return image.mode in {"RGB", "RGBA", "LA"} and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))

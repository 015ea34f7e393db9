"""Reads one image of a file as an array of the planned shape, and notes what a user should know of the file."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from constraints.errors import UnusableInputError
from nas.training import depth, plain_jpeg, undecoded
from nas.training.image_files import FORMATS, ImageFile

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Channels -> Pillow's mode."""
WITH_ALPHA = (2, 4)
_TURNED = range(2, 9)
"""Values of the EXIF orientation that turn or mirror an image."""
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_DAMAGED = (OSError, ValueError, SyntaxError, LookupError, EOFError, RuntimeError, struct.error)
"""What the readers of the formats raise of a damaged image: that of AVIF a RuntimeError."""


@dataclass(frozen=True, kw_only=True)
class DecodingPlan:
    """The target of decoding: height, width and channels, and the ranges of images deeper than 8 bits."""

    shape: tuple[int, int, int]
    ranges: depth.Ranges


@dataclass(kw_only=True)
class DecodingNotes:
    """What decoding found that the user is informed of."""

    images: int = 0
    transparent: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    turned_by_reader: list[str] = field(default_factory=list)
    animated: list[str] = field(default_factory=list)
    deep_colour: list[str] = field(default_factory=list)
    brightest: int = 0

    def add(self, other: DecodingNotes) -> None:
        """Add the findings of another block of images."""
        self.images += other.images
        self.transparent += other.transparent
        self.turned += other.turned
        self.turned_by_reader += other.turned_by_reader
        self.animated += other.animated
        self.deep_colour += other.deep_colour
        self.brightest = max(self.brightest, other.brightest)


class SurpriseError(Exception):
    """An image has another size, more channels or more bits than planned."""


@cache
def _formats() -> tuple[str, ...]:
    """The formats of FORMATS that this build of Pillow can read; a file's ending does not matter."""
    Image.init()
    return tuple(name for name in Image.ID if name in FORMATS)


@contextmanager
def opened(file: ImageFile) -> Iterator[Image.Image]:
    """An open image; any error with it becomes an UnusableInputError that names it."""
    try:
        content = io.BytesIO(file.source) if isinstance(file.source, bytes) else file.source
        with Image.open(content, formats=_formats()) as image:
            yield image
    except (*_DAMAGED, *_TOO_LARGE) as error:
        where = file.source if isinstance(file.source, Path) else file.label
        if why := getattr(error, "strerror", None):  # from the operating system, not the decoder
            raise UnusableInputError(f"an image cannot be read: {where} ({why}): make it readable") from error
        why, remedy = undecoded.cause(file.source, error)
        raise UnusableInputError(f"an image does not decode: {where} ({why}): {remedy}") from error


def shape_of(file: ImageFile) -> tuple[int, int, int]:
    """(height, width, channels) from the header."""
    with opened(file) as image:
        return image.height, image.width, channels_of(image)


def channels_of(image: Image.Image) -> int:
    """1 for grey or 3 for colour, plus 1 where the image has transparent pixels."""
    colours = 1 if image.mode in {"1", "L", "LA", "La", "F"} or image.mode.startswith("I") else 3
    return colours + _is_transparent(image)


def _is_transparent(image: Image.Image) -> bool:
    return image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def pixels(file: ImageFile, plan: DecodingPlan, seen: DecodingNotes) -> np.ndarray:
    """The image as H x W x channels: palettes and CMYK become RGB; grey is repeated and alpha 255 added as planned."""
    height, width, channels = plan.shape
    if channels == 3 and (found := _plain(file, height, width)) is not None:
        seen.images += 1
        return found
    with opened(file) as image:
        kind, is_deep_colour = depth.kind(image), depth.is_colour_of_16_bits(image)
        is_turned_by_reader = depth.declared(image, ExifTags.Base.Orientation) in _TURNED  # gone once it is read
        is_known = kind is None or kind in plan.ranges
        bands = channels_of(image)
        if not is_known or (image.height, image.width) != (height, width) or not _holds(channels, bands):
            raise SurpriseError
        flat = image if kind is None else Image.fromarray(plan.ranges[kind].as_bytes(depth.pixels(image)))
        found = np.asarray(flat.convert(_MODES[channels])).reshape(plan.shape)
        seen.images += 1
        if bands in WITH_ALPHA:
            seen.transparent.append(file.label)
        if _is_turned(image):
            seen.turned.append(file.label)
        if is_turned_by_reader:
            seen.turned_by_reader.append(file.label)
        if _is_animated(image):
            seen.animated.append(file.label)
        if is_deep_colour:
            seen.deep_colour.append(file.label)
            seen.brightest = max(seen.brightest, int(found.max()))
    return found


def _plain(file: ImageFile, height: int, width: int) -> np.ndarray | None:
    """The pixels of a plain colour JPEG (the most common kind of image); None for any other file."""
    if not file.name.lower().endswith(FORMATS["JPEG"]):
        return None
    try:
        content = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
    except OSError:
        return None  # Pillow will report the error
    return plain_jpeg.pixels(content, height, width)


def _holds(planned: int, channels: int) -> bool:
    """Whether an image with ``channels`` can be converted to ``planned`` channels without loss."""
    return planned >= channels and (planned in WITH_ALPHA or channels not in WITH_ALPHA)


def _is_turned(image: Image.Image) -> bool:
    """Whether EXIF asks to rotate or mirror the image for display; damaged EXIF is ignored."""
    if "exif" not in image.info:
        return False
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in _TURNED
    except (OSError, ValueError, SyntaxError, TypeError, LookupError, struct.error):
        return False


def _is_animated(image: Image.Image) -> bool:
    """Whether a file contains several pictures; damage after the first is ignored."""
    try:
        return bool(getattr(image, "is_animated", False))
    except (OSError, ValueError, SyntaxError, LookupError, struct.error):
        return False

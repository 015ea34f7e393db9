"""Decodes images into arrays on disk, all with the same shape and scale."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from PIL import ExifTags, Image

from constraints.errors import UnusableInputError
from nas.training import depth, plain_jpeg, undecoded
from nas.training.disk import reserve
from nas.training.image_files import FORMATS, ImageFile, Listing

Progress = Callable[[int, int], None]

BLOCK = 500
"""Images per task of a decoding thread."""
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Channels -> Pillow's mode."""
_WITH_ALPHA = (2, 4)
_TURNED = range(2, 9)
"""Values of the EXIF orientation that turn or mirror an image."""
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_DAMAGED = (OSError, ValueError, SyntaxError, LookupError, EOFError, RuntimeError, struct.error)
"""What the readers of the formats raise of a damaged image: that of AVIF a RuntimeError."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """The target of decoding: height, width and channels, and the ranges of images deeper than 8 bits."""

    shape: tuple[int, int, int]
    ranges: depth.Ranges


@dataclass(kw_only=True)
class _Seen:
    """What decoding found that the user is told about."""

    images: int = 0
    turned: list[str] = field(default_factory=list)
    turned_by_reader: list[str] = field(default_factory=list)
    animated: list[str] = field(default_factory=list)
    deep_colour: list[str] = field(default_factory=list)
    brightest: int = 0

    def add(self, other: _Seen) -> None:
        """Add the findings of another block of images."""
        self.images += other.images
        self.turned += other.turned
        self.turned_by_reader += other.turned_by_reader
        self.animated += other.animated
        self.deep_colour += other.deep_colour
        self.brightest = max(self.brightest, other.brightest)


def decode(listing: Listing, folder: Path, *, progress: Progress | None = None) -> tuple[str, ...]:
    """Write ``train_images.npy`` and ``test_images.npy`` (uint8, N x H x W x C) into ``folder``, on all cores.

    Images of a validation split come after the training images. Grey images keep one channel; if grey and colour images
    are mixed, grey ones get three equal channels. If any image has transparent pixels, all images get an alpha channel,
    the last one. Images with more than 8 bits per channel share one range (see ``depth.common_range``). Returns
    messages for the user, a line each. Raises UnusableInputError naming the first image that cannot be decoded or
    differs in size.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # of damage, which raises anyway
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        plan = _Plan(shape=_shape(listing.train[0]), ranges={})
        try:
            seen = _decode_as(plan, listing, folder, progress)
        except _SurpriseError:  # rare, so the headers of all images are read only then
            plan = _survey(listing)
            seen = _decode_as(plan, listing, folder, progress)
    return (*_on_ranges(plan), *_on_files(seen, listing))


class _SurpriseError(Exception):
    """An image has another size, more channels or more bits than planned."""


def _decode_as(plan: _Plan, listing: Listing, folder: Path, progress: Progress | None) -> _Seen:
    seen, total = _Seen(), len(listing.train) + len(listing.test)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for part, group in (("train", listing.train), ("test", listing.test)):
            path = folder / f"{part}_images.npy"
            out = open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(group), *plan.shape))
            reserve(path)

            def fill(start: int, group: Sequence[ImageFile] = group, out: np.ndarray = out) -> _Seen:
                block = _Seen()
                for offset, file in enumerate(group[start : start + BLOCK]):
                    out[start + offset] = _pixels(file, plan, block)
                return block

            for block in pool.map(fill, range(0, len(group), BLOCK)):
                seen.add(block)
                if progress:
                    progress(seen.images, total)
            out.flush()
    return seen


def _survey(listing: Listing) -> _Plan:
    """The common shape of all images from their headers, and the ranges of the deep ones from their values."""
    first, *others = listing.train + listing.test
    shape, extents = _shape(first), defaultdict(list)
    height, width, channels = shape
    is_transparent = channels in _WITH_ALPHA
    for file in (first, *others):
        with _opened(file) as image:
            high, wide, bands = image.height, image.width, _channels(image)
            if (high, wide) == (height, width) and (kind := depth.kind(image)):
                extents[kind].append(depth.extent(image))
        if (high, wide) != (height, width):
            raise UnusableInputError(
                f"images differ in size: {first.label} is {width}x{height}, {file.label} is "
                f"{wide}x{high}: {listing.origin}: resize them all to one size first"
            )
        channels, is_transparent = max(channels, bands), is_transparent or bands in _WITH_ALPHA
    ranges = {kind: depth.common_range(kind, found) for kind, found in extents.items()}
    return _Plan(shape=(height, width, channels + (is_transparent and channels not in _WITH_ALPHA)), ranges=ranges)


def _on_ranges(plan: _Plan) -> Iterator[str]:
    for kind, found in plan.ranges.items():
        yield f"{kind} images become 8-bit ones: values from {found.low:g} to {found.high:g} become 0 to 255"


def _on_files(seen: _Seen, listing: Listing) -> Iterator[str]:
    if seen.deep_colour and seen.brightest < depth.HIGH_BYTE_AT_LEAST:
        raise UnusableInputError(
            f"16-bit colour images use a small part of their range: {min(seen.deep_colour)} the first, "
            f"none above {256 * seen.brightest + 255} of 65535: {listing.origin}: save them with 8 bits a channel"
        )
    if seen.turned:
        yield (
            f"{len(seen.turned):,} images carry an EXIF orientation, which is not applied, "
            f"{min(seen.turned)} the first: turn them first if that matters"
        )
    if seen.turned_by_reader:
        yield (
            f"TIFF images with an orientation, by which they are turned: {len(seen.turned_by_reader):,}, "
            f"{min(seen.turned_by_reader)} the first"
        )
    if seen.animated:
        yield (
            f"files with several pictures, of which the first is read: {len(seen.animated):,}, "
            f"{min(seen.animated)} the first: split them if the others matter"
        )


@cache
def _formats() -> tuple[str, ...]:
    """The formats of FORMATS that this build of Pillow can read; a file's ending does not matter."""
    Image.init()
    return tuple(name for name in Image.ID if name in FORMATS)


@contextmanager
def _opened(file: ImageFile) -> Iterator[Image.Image]:
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


def _shape(file: ImageFile) -> tuple[int, int, int]:
    """(height, width, channels) from the header."""
    with _opened(file) as image:
        return image.height, image.width, _channels(image)


def _channels(image: Image.Image) -> int:
    """1 for grey or 3 for colour, plus 1 where the image has transparent pixels."""
    colours = 1 if image.mode in {"1", "L", "LA", "La", "F"} or image.mode.startswith("I") else 3
    return colours + _is_transparent(image)


def _is_transparent(image: Image.Image) -> bool:
    return image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def _pixels(file: ImageFile, plan: _Plan, seen: _Seen) -> np.ndarray:
    """The image as H x W x channels: palettes and CMYK become RGB; grey is repeated and alpha 255 added as planned."""
    height, width, channels = plan.shape
    if channels == 3 and (found := _plain(file, height, width)) is not None:
        seen.images += 1
        return found
    with _opened(file) as image:
        kind, is_deep_colour = depth.kind(image), depth.is_colour_of_16_bits(image)
        is_turned_by_reader = depth.declared(image, ExifTags.Base.Orientation) in _TURNED  # gone once it is read
        is_known = kind is None or kind in plan.ranges
        if not is_known or (image.height, image.width) != (height, width) or not _holds(channels, _channels(image)):
            raise _SurpriseError
        flat = image if kind is None else Image.fromarray(plan.ranges[kind].as_bytes(depth.pixels(image)))
        found = np.asarray(flat.convert(_MODES[channels])).reshape(plan.shape)
        seen.images += 1
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
    return planned >= channels and (planned in _WITH_ALPHA or channels not in _WITH_ALPHA)


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

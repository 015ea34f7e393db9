"""Decodes images into arrays on disk, all with the same shape and scale."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from PIL import Image

from constraints.errors import UnusableInputError
from nas.training import depth
from nas.training.disk import reserve
from nas.training.image_files import ImageFile, Listing
from nas.training.image_pixels import (
    WITH_ALPHA,
    DecodingNotes,
    DecodingPlan,
    SurpriseError,
    channels_of,
    opened,
    pixels,
    shape_of,
)

Progress = Callable[[int, int], None]

BLOCK = 500
"""Images per task of a decoding thread."""


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
        plan = DecodingPlan(shape=shape_of(listing.train[0]), ranges={})
        try:
            seen = _decode_as(plan, listing, folder, progress)
        except SurpriseError:  # rare, so the headers of all images are read only then
            plan = _survey(listing)
            seen = _decode_as(plan, listing, folder, progress)
    return (*_on_ranges(plan), *_on_files(seen, listing))


def _decode_as(plan: DecodingPlan, listing: Listing, folder: Path, progress: Progress | None) -> DecodingNotes:
    seen, total = DecodingNotes(), len(listing.train) + len(listing.test)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for part, group in (("train", listing.train), ("test", listing.test)):
            path = folder / f"{part}_images.npy"
            out = open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(group), *plan.shape))
            reserve(path)

            def fill(start: int, group: Sequence[ImageFile] = group, out: np.ndarray = out) -> DecodingNotes:
                block = DecodingNotes()
                for offset, file in enumerate(group[start : start + BLOCK]):
                    out[start + offset] = pixels(file, plan, block)
                return block

            for block in pool.map(fill, range(0, len(group), BLOCK)):
                seen.add(block)
                if progress:
                    progress(seen.images, total)
            out.flush()
    return seen


def _survey(listing: Listing) -> DecodingPlan:
    """The common shape of all images from their headers, and the ranges of the deep ones from their values."""
    first, *others = listing.train + listing.test
    shape, extents = shape_of(first), defaultdict(list)
    height, width, channels = shape
    is_transparent = channels in WITH_ALPHA
    for file in (first, *others):
        with opened(file) as image:
            high, wide, bands = image.height, image.width, channels_of(image)
            if (high, wide) == (height, width) and (kind := depth.kind(image)):
                extents[kind].append(depth.extent(image))
        if (high, wide) != (height, width):
            raise UnusableInputError(
                f"images differ in size: {first.label} is {width}x{height}, {file.label} is "
                f"{wide}x{high}: {listing.origin}: resize them all to one size first"
            )
        channels, is_transparent = max(channels, bands), is_transparent or bands in WITH_ALPHA
    ranges = {kind: depth.common_range(kind, found) for kind, found in extents.items()}
    return DecodingPlan(
        shape=(height, width, channels + (is_transparent and channels not in WITH_ALPHA)), ranges=ranges
    )


def _on_ranges(plan: DecodingPlan) -> Iterator[str]:
    for kind, found in plan.ranges.items():
        yield f"{kind} images become 8-bit ones: values from {found.low:g} to {found.high:g} become 0 to 255"


def _on_files(seen: DecodingNotes, listing: Listing) -> Iterator[str]:
    if seen.deep_colour and seen.brightest < depth.HIGH_BYTE_AT_LEAST:
        raise UnusableInputError(
            f"16-bit colour images use a small part of their range: {min(seen.deep_colour)} the first, "
            f"none above {256 * seen.brightest + 255} of 65535: {listing.origin}: save them with 8 bits a channel"
        )
    if seen.transparent:
        yield (
            f"images with transparent pixels: {len(seen.transparent):,} of {seen.images:,}, {min(seen.transparent)} "
            "the first: all images get an alpha channel as their last one: save these without it if it means nothing"
        )
    if seen.turned:
        yield (
            f"images with an EXIF orientation, which is not applied: {len(seen.turned):,}, "
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

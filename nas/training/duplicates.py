"""Finds images with equal pixels that make an accuracy too high or a label wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from nas.training.image_files import ImageFile, Listing

Images = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


def notes(listing: Listing, images: tuple[Images, Images], split: tuple[Indices, Indices]) -> Iterator[str]:
    """Warnings about repeated images, a line each.

    ``images`` are those of train and test in the order of ``listing``; ``split`` are the indices into train of the
    training and the validation images.
    """
    train, test = ([_digest(image) for image in np.asarray(part)] for part in images)
    yield from _on_classes([*zip(train, listing.train, strict=True), *zip(test, listing.test, strict=True)])
    known = set(train)
    yield from _on_repeated(
        "test images that are training images, too",
        [file for digest, file in zip(test, listing.test, strict=True) if digest in known],
        "an accuracy on them says nothing: remove them from one of the two",
    )
    known = {train[index] for index in split[0]}
    yield from _on_repeated(
        "images that select candidates and are trained on, too",
        [listing.train[index] for index in split[1] if train[index] in known],
        "candidates that know them by heart look better: remove the repeated ones",
    )


def _digest(image: Images) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def _on_repeated(what: str, files: list[ImageFile], remedy: str) -> Iterator[str]:
    if files:
        yield f"{what}: {len(files):,}, {files[0].label} the first: {remedy}"


def _on_classes(found: Iterable[tuple[bytes, ImageFile]]) -> Iterator[str]:
    """Images that are in several classes."""
    first: dict[bytes, ImageFile] = {}
    pairs = [
        (before, file)
        for digest, file in found
        if (before := first.setdefault(digest, file)).class_name != file.class_name
    ]
    if pairs:
        before, file = pairs[0]
        yield (
            f"images that are in another class, too: {len(pairs):,}, {before.label} and {file.label} the first: "
            "remove those that are labelled wrong"
        )

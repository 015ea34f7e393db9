"""Data sets: where they come from, their decoded cache, their content hash and their split."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.training import archives, cifar10, duplicates, image_files, image_tree, images
from nas.training.decoded import ARRAYS, Dataset, arrays_in, decoded_copy, reason_of
from nas.training.image_tree import readable
from nas.training.images import Progress
from nas.training.splits import parts_of, split
from nas.user_folders import expanded, user_cache

NAMES = ("auto", "cifar10", "digits")
"""Data sets that are known by name."""


def load(source: str = "auto", *, cache: Path | None = None, progress: Progress | None = None) -> Dataset:
    """Open a data set, decoding it once into ``cache`` (by default the user's cache folder).

    ``source`` is ``auto``, ``cifar10``, ``digits``, a folder of ``train/<class>/*`` and ``test/<class>/*``, or a tar or
    zip of one. ``auto`` takes CIFAR-10 from $NAS_DATA, ./data, the cache folder or its download, and falls back to
    scikit-learn's handwritten digits with a warning. ``progress(done, total)`` counts decoded images.
    Raises UnusableInputError for data that is missing, damaged or does not fit.
    """
    cache = cache or user_cache()
    if source == "digits":
        return _digits(cache)
    if source in ("auto", "cifar10"):
        return _cifar10(cache, fall_back=source == "auto", progress=progress)
    return _open_path(expanded(source), cache, progress)


def check(source: str) -> None:
    """Raise UnusableInputError where ``source`` is no known name and no path of anything; nothing is read."""
    path = str(expanded(source)) if source.strip() else ""
    if source in NAMES or os.path.exists(path):  # noqa: PTH110 (a text that can be no path does not exist either)
        return
    what = nearest(path, NAMES, f"give a folder, a tar, or one of {', '.join(NAMES)}")
    raise UnusableInputError(f"no such data: {path or repr(source)}: {what}")


def _open_path(path: Path, cache: Path, progress: Progress | None) -> Dataset:
    listing: Callable[[Path], image_files.Listing]
    check(str(path))
    if path.is_dir():
        listing, key = image_files.list_folder, image_tree.folder_key(path)
    elif path.is_file() and path.name.lower().endswith(archives.ARCHIVE_SUFFIXES):
        listing, key = archives.list_archive, _file_key(path)
    else:
        raise UnusableInputError(
            f"the data is neither a folder nor a .tar, .tar.gz, .tar.bz2, .tar.xz or .zip: {path}: "
            "give the folder that holds train and test, or pack that as one of these"
        )

    def write(folder: Path) -> dict[str, Any]:
        found = listing(path)
        notes = images.decode(found, folder, progress=progress)
        for part in image_tree.PARTS:
            np.save(folder / f"{part}_labels.npy", found.labels(part))
        return {
            "name": readable(path.resolve().name),
            "classes": found.classes,
            "warnings": [*found.notes, *notes, *_on_repeated(found, folder)],
            "validation": found.validation,
        }

    # Two archives with the same bytes share one decoded copy; each keeps the name it was opened by.
    return replace(decoded_copy(cache, key, write), name=readable(path.resolve().name))


def _on_repeated(found: image_files.Listing, folder: Path) -> Iterator[str]:
    arrays = arrays_in(folder)
    parts = parts_of(arrays["train_labels"], found.validation)
    return duplicates.notes(found, (arrays["train_images"], arrays["test_images"]), (parts.train, parts.validation))


def _file_key(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnusableInputError(f"the data cannot be read ({reason_of(error)}): {path}") from error


def _cifar10(cache: Path, *, fall_back: bool, progress: Progress | None) -> Dataset:
    """CIFAR-10 wherever it is; ``fall_back`` puts the digits in its place where it is nowhere."""
    place = cifar10.find(cache)
    if place is None:
        try:
            place = cifar10.download(cache)
        except UnusableInputError as error:
            if not fall_back:
                raise
            warning = (
                "CIFAR-10 was not found and could not be downloaded, so scikit-learn's handwritten digits, "
                "resized to 32x32x3, take its place; accuracies on them say nothing about CIFAR-10 "
                f"({error})"
            )
            return replace(_digits(cache), warnings=(warning,))
    if not cifar10.is_original(place):
        return _open_path(place, cache, progress)

    def write(folder: Path) -> dict[str, Any]:
        classes, arrays = cifar10.read(place)
        return _save(folder, "CIFAR-10", classes, arrays)

    return decoded_copy(cache, cifar10.KEY, write)


def _digits(cache: Path) -> Dataset:
    """Scikit-learn's 1,797 handwritten digits, each of the 8x8 pixels repeated to 4x4, in three channels."""

    def write(folder: Path) -> dict[str, Any]:
        images_of_16, labels = digits_table()
        grey = (images_of_16 * (255 / 16)).round().astype(np.uint8)
        pixels = np.repeat(grey.repeat(4, axis=1).repeat(4, axis=2)[..., None], 3, axis=3)
        parts = split(labels, validation_share=0.2)
        arrays = {
            "train_images": pixels[parts.train],
            "train_labels": labels[parts.train],
            "test_images": pixels[parts.validation],
            "test_labels": labels[parts.validation],
        }
        return _save(folder, "digits", tuple("0123456789"), arrays)

    return decoded_copy(cache, "digits", write)


def digits_table() -> tuple[np.ndarray, np.ndarray]:
    """Scikit-learn's handwritten digits: N x 8 x 8 images of the values 0 to 16, and int64 labels.

    They are read from scikit-learn's own file where it is in its place: to load scikit-learn takes seconds.
    """
    found = importlib.util.find_spec("sklearn")
    folder = Path(found.origin).parent if found and found.origin else Path()
    try:
        rows = np.loadtxt(folder / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    except OSError:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return bunch.images, bunch.target.astype(np.int64)
    return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1].astype(np.int64)


def _save(folder: Path, name: str, classes: tuple[str, ...], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    for array in ARRAYS:
        np.save(folder / f"{array}.npy", arrays[array])
    return {"name": name, "classes": classes, "warnings": []}

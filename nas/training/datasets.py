"""Data sets: where they come from, their decoded cache, their content hash and their split."""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from constraints.errors import UnusableInputError
from nas.training import archives, cifar10, duplicates, image_files, images
from nas.training.image_files import readable
from nas.training.images import Progress
from nas.user_cache import expanded, user_cache

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
FORMAT = 4
"""Part of the cache's key: to be raised when decoding changes."""
_UNUSABLE = (OSError, ValueError, KeyError)
"""What opening a decoded copy raises that is absent, truncated or of another format."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled images in memory maps that all processes of a machine share.

    Images are uint8, N x H x W x C, read-only; labels are int64 class numbers into ``classes``. ``content_hash``
    is over the decoded content, so that a folder and an archive of it have the same. Pickling sends the path of
    the decoded cache, not the images.
    """

    name: str
    content_hash: str
    classes: tuple[str, ...]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    warnings: tuple[str, ...] = ()
    folder: Path
    validation: int = 0
    """How many training images, the last ones, are a validation split that the data came with."""

    def split(self, *, seed: int = 0) -> Split:
        """What candidates train on and are selected by: the data's own validation split, or a tenth of every class.

        Raises UnusableInputError where that leaves nothing to select by.
        """
        parts = _parts(self.train_labels, self.validation, seed=seed)
        if not len(parts.validation):
            raise UnusableInputError(
                f"every class has a single training image: {self.name}: none is left to select candidates by: "
                "add images, or a folder val/<class>/ beside train and test"
            )
        return parts

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width, in the order in which a network takes them."""
        height, width, channels = self.train_images.shape[1:]
        return channels, height, width

    def __reduce__(self) -> tuple[Callable[..., Dataset], tuple[Path, str, tuple[str, ...]]]:
        """Pickle as the place of the decoded cache."""
        return _reopen, (self.folder, self.name, self.warnings)


@dataclass(frozen=True, kw_only=True)
class Split:
    """Sorted, disjoint indices of the images to train on and of those to select by."""

    train: np.ndarray
    validation: np.ndarray


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


def split(labels: np.ndarray, *, validation_share: float = 0.1, seed: int = 0) -> Split:
    """Draw ``validation_share`` of every class for validation; the same seed draws the same images.

    Every class of two images or more keeps at least one on either side.
    """
    if not 0 < validation_share < 1:
        raise UnusableInputError(f"validation_share is out of range: {validation_share}: give a share between 0 and 1")
    generator = np.random.default_rng(seed)
    chosen = []
    for number in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == number))
        count = min(max(round(validation_share * len(members)), 1), len(members) - 1)
        chosen.append(members[:count])
    validation = np.sort(np.concatenate(chosen))
    return Split(train=np.setdiff1d(np.arange(len(labels)), validation), validation=validation)


def _parts(labels: np.ndarray, validation: int, *, seed: int = 0) -> Split:
    """The last ``validation`` images to select by, or a tenth of every class where the data has no split of its own."""
    if not validation:
        return split(labels, seed=seed)
    every = np.arange(len(labels))
    return Split(train=every[:-validation], validation=every[-validation:])


def channel_statistics(pixels: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (float64, 0 to 1) of each channel over the images of ``indices``.

    The deviation of a channel that never changes is 1: standardised, it is 0 everywhere. Raises UnusableInputError
    where there are no images.
    """
    if not len(indices):
        raise UnusableInputError("no images to train on: the training part is empty: add images to it")
    channels = pixels.shape[-1]
    counts = np.zeros((channels, 256), dtype=np.int64)
    for start in range(0, len(indices), 1000):
        block = pixels[indices[start : start + 1000]]
        for channel in range(channels):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    levels, shares = np.arange(256) / 255, counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    std = np.sqrt((shares * (levels - mean[:, None]) ** 2).sum(axis=1))
    return mean, np.where(std > 0, std, 1.0)


def _open_path(path: Path, cache: Path, progress: Progress | None) -> Dataset:
    listing: Callable[[Path], image_files.Listing]
    if not os.path.exists(path):  # noqa: PTH110 (a text that can be no path does not exist either)
        raise UnusableInputError(f"no such data: {path}: give a folder, a tar, or one of auto, cifar10, digits")
    if path.is_dir():
        listing, key = image_files.list_folder, image_files.folder_key(path)
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
        for part in image_files.PARTS:
            np.save(folder / f"{part}_labels.npy", found.labels(part))
        return {
            "name": readable(path.resolve().name),
            "classes": found.classes,
            "warnings": [*found.notes, *notes, *_on_repeated(found, folder)],
            "validation": found.validation,
        }

    # Two archives with the same bytes share one decoded copy; each keeps the name it was opened by.
    return replace(_cached(cache, key, write), name=readable(path.resolve().name))


def _on_repeated(found: image_files.Listing, folder: Path) -> Iterator[str]:
    arrays = _arrays(folder)
    parts = _parts(arrays["train_labels"], found.validation)
    return duplicates.notes(found, (arrays["train_images"], arrays["test_images"]), (parts.train, parts.validation))


def _file_key(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnusableInputError(f"the data cannot be read ({_reason(error)}): {path}") from error


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

    return _cached(cache, cifar10.KEY, write)


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

    return _cached(cache, "digits", write)


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


def _cached(cache: Path, key: str, write: Callable[[Path], dict[str, Any]]) -> Dataset:
    """Open the decoded copy ``key``, made by ``write`` if it is absent, truncated or not of this format.

    Where the cache cannot be written, the copy is made in a temporary folder that this process removes when it ends.
    """
    name = f"{key[:32]}-v{FORMAT}"
    try:
        return _opened_or_made(cache / "datasets" / name, write)
    except (OSError, NotImplementedError) as error:  # filelock raises the latter where a file system has no locks
        reason = _reason(error)
    try:
        dataset = _opened_or_made(_scratch() / name, write)
    except OSError as error:
        raise UnusableInputError(
            f"neither the cache ({reason}) nor a temporary folder ({_reason(error)}) takes the decoded images: "
            f"{cache}: make room, or name other folders in XDG_CACHE_HOME and TMPDIR"
        ) from error
    warning = f"the cache cannot be written ({reason}): {cache}: the images are decoded for this run alone"
    return replace(dataset, warnings=(*dataset.warnings, warning))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _scratch() -> Path:
    """A temporary folder that is removed when this process ends, not when one that it forked does."""
    folder, owner = Path(tempfile.mkdtemp(prefix="nas-data-")), os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return folder


def _opened_or_made(place: Path, write: Callable[[Path], dict[str, Any]]) -> Dataset:
    """Open a decoded copy, or make it in a folder of its own and rename that into place.

    A lock lets a second process wait instead of decoding the same again; what is there already needs none, so that it
    is read where nothing can be written.
    """
    with suppress(*_UNUSABLE):
        return _reopen(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        try:
            return _reopen(place)
        except _UNUSABLE:
            _make(place, write)
        return _reopen(place)


def _make(place: Path, write: Callable[[Path], dict[str, Any]]) -> None:
    fresh = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    try:
        about = write(fresh)
        arrays = _arrays(fresh)
        about["content_hash"] = _content_hash(about["classes"], arrays, about.get("validation", 0))
        about["shapes"] = {name: list(array.shape) for name, array in arrays.items()}
        (fresh / "about.json").write_text(json.dumps(about))
        shutil.rmtree(place, ignore_errors=True)
        os.replace(fresh, place)  # noqa: PTH105 - the atomic rename is the point
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _arrays(place: Path) -> dict[str, np.ndarray]:
    """The four arrays as read-only maps; ValueError when a file is shorter than its header says."""
    return {name: np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}


def _reopen(place: Path, name: str | None = None, warnings: tuple[str, ...] | None = None) -> Dataset:
    about = json.loads((place / "about.json").read_text())
    arrays = _arrays(place)
    if {key: list(array.shape) for key, array in arrays.items()} != about["shapes"]:
        raise ValueError("the decoded arrays are not those that were described")
    return Dataset(
        name=name or about["name"],
        content_hash=about["content_hash"],
        classes=tuple(about["classes"]),
        warnings=tuple(about["warnings"]) if warnings is None else warnings,
        folder=place,
        validation=about.get("validation", 0),
        **arrays,
    )


def _content_hash(classes: tuple[str, ...], arrays: dict[str, np.ndarray], validation: int) -> str:
    """SHA-256 over the class names, the validation split, shapes and bytes, in a fixed order and block by block."""
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    if validation:
        digest.update(f"validation {validation}".encode())
    for name in ARRAYS:
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        for start in range(0, len(array), 4096):
            digest.update(np.ascontiguousarray(array[start : start + 4096]).data)
    return digest.hexdigest()

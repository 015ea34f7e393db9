"""A decoded data set: memory maps in a cache, made once and opened by every process, with a hash of their content."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from constraints.errors import UnusableInputError
from nas.training.older_copies import remove_older
from nas.training.splits import Split, parts_of

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
FORMAT = 5
"""Part of the cache's key: increase it when decoding changes, or which files of the data are images of which class."""
_UNUSABLE = (OSError, ValueError, KeyError)
"""Errors raised on opening a decoded copy that is missing, truncated or in another format."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled images in memory maps that all processes of a machine share.

    Images are uint8, N x H x W x C, read-only; labels are int64 indices into ``classes``. ``content_hash`` is computed
    from the decoded content, so that a folder and an archive of it have the same hash. Pickling sends the path of the
    decoded cache, not the images.
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
    """Number of training images, at the end, that are the data's own validation split."""

    def split(self, *, seed: int = 0) -> Split:
        """The training and validation parts for a search: the data's own validation split, or a tenth of every class.

        Raises UnusableInputError where that leaves no validation images.
        """
        parts = parts_of(self.train_labels, self.validation, seed=seed)
        if not len(parts.validation):
            raise UnusableInputError(
                f"every class has a single training image: {self.name}: none is left to select candidates by: "
                "add images, or a folder val/<class>/ beside train and test"
            )
        return parts

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width), the input shape of a network."""
        height, width, channels = self.train_images.shape[1:]
        return channels, height, width

    def __reduce__(self) -> tuple[Callable[..., Dataset], tuple[Path, str, tuple[str, ...]]]:
        """Pickle the path of the decoded cache only."""
        return _reopen, (self.folder, self.name, self.warnings)


def decoded_copy(cache: Path, key: str, write: Callable[[Path], dict[str, Any]]) -> Dataset:
    """Open the decoded copy ``key``; ``write`` makes it if it is missing, truncated or in another format.

    Where the cache cannot be written, the copy is made in a temporary folder that this process removes when it ends.
    """
    name = f"{key[:32]}-v{FORMAT}"
    try:
        return _opened_or_made(cache / "datasets" / name, write)
    except (OSError, NotImplementedError) as error:  # filelock raises the latter on a file system without locks
        reason = reason_of(error)
    try:
        dataset = _opened_or_made(_scratch() / name, write)
    except OSError as error:
        raise UnusableInputError(
            f"neither the cache ({reason}) nor a temporary folder ({reason_of(error)}) takes the decoded images: "
            f"{cache}: make room, or name other folders in XDG_CACHE_HOME and TMPDIR"
        ) from error
    warning = f"the cache cannot be written ({reason}): {cache}: the images are decoded for this run alone"
    return replace(dataset, warnings=(*dataset.warnings, warning))


def reason_of(error: Exception) -> str:
    """The operating system's message of an error, or else its text or type."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _scratch() -> Path:
    """A temporary folder that is removed when this process (not a forked child) ends."""
    folder, owner = Path(tempfile.mkdtemp(prefix="nas-data-")), os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return folder


def _opened_or_made(place: Path, write: Callable[[Path], dict[str, Any]]) -> Dataset:
    """Open a decoded copy, or make it in a temporary folder and rename that into place.

    A lock makes a second process wait instead of decoding the same again. Opening an existing copy takes no lock, so
    that it works in a read-only folder.
    """
    with suppress(*_UNUSABLE):
        return _reopen(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        try:
            return _reopen(place)
        except _UNUSABLE:
            _make(place, write)
        made, removed = _reopen(place), remove_older(place)
    return replace(made, warnings=(*made.warnings, removed)) if removed else made


def _make(place: Path, write: Callable[[Path], dict[str, Any]]) -> None:
    fresh = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    try:
        about = write(fresh)
        arrays = arrays_in(fresh)
        about["content_hash"] = _content_hash(about["classes"], arrays, about.get("validation", 0))
        about["shapes"] = {name: list(array.shape) for name, array in arrays.items()}
        (fresh / "about.json").write_text(json.dumps(about))
        shutil.rmtree(place, ignore_errors=True)
        os.replace(fresh, place)  # noqa: PTH105 - the atomic rename is the point
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def arrays_in(place: Path) -> dict[str, np.ndarray]:
    """The four arrays as read-only memory maps; ValueError when a file is shorter than its header says."""
    return {name: np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}


def _reopen(place: Path, name: str | None = None, warnings: tuple[str, ...] | None = None) -> Dataset:
    about = json.loads((place / "about.json").read_text())
    arrays = arrays_in(place)
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

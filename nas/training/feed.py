"""Augmented epochs, made once and read by every process of the machine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from constraints.errors import UnusableInputError, with_type
from nas.training import splits
from nas.training.augmentation import PIPELINES, make
from nas.training.decoded import Dataset
from nas.training.epoch_files import MadeTogether, drop_oldest
from nas.training.errors import AugmentationFailedError
from nas.training.serialised import acting_transform, names
from nas.training.splits import Split

if TYPE_CHECKING:
    import albumentations as A

    from nas.training.teacher import Teacher

PIECE = 1000
"""Images per random stream: the unit of work when several processes make an epoch together."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The images on which a candidate is trained and evaluated, epoch by epoch.

    With a ``split``, it trains on the ``train`` part and evaluates on the ``validation`` part; without one, it uses all
    training images and the test set, which only confirmations may do.

    Epoch e is a pure function of the data, the pipeline, ``seed`` and e. It is stored as one uint8 array in ``folder``,
    made by the process that needs it first; processes that need it at the same time share the work piece by piece. At
    most ``keep_bytes`` of epochs, of all feeds, stay in ``folder``; a deleted one is made again, bit for bit, when it
    is needed. Where the disk is full or the folder cannot be written, each process makes its own epochs in memory.
    """

    dataset: Dataset
    split: Split | None
    folder: Path
    augmentation: str = "assignment"
    probabilities: Mapping[str, float] = field(default_factory=dict)
    transform: Mapping[str, Any] | None = None
    """A user's pipeline as a table; ``augmentation`` is then only its name."""
    seed: int = 0
    keep_bytes: int = 4 * 2**30
    teacher: Teacher | None = None
    """The teacher whose logits a distilling recipe learns from."""

    def __post_init__(self) -> None:
        """Check the pipeline's name."""
        if self.transform is None and self.augmentation not in PIPELINES:
            raise UnusableInputError(
                f"no such augmentation: {self.augmentation!r}: choose one of {', '.join(PIPELINES)}"
            )

    @property
    def description(self) -> str:
        """The pipeline and the probabilities of its transforms, in one line."""
        often = ", ".join(f"{name} {share:g}" for name, share in self.probabilities.items())
        often = often if self.transform is None else ", ".join(names(self.transform))
        return f"augmentation: {self.augmentation}{f' ({often})' if often else ''}"

    @cached_property
    def indices(self) -> np.ndarray:
        """Indices of an epoch's training images, in the epoch's order."""
        return np.arange(len(self.dataset.train_labels)) if self.split is None else self.split.train

    @cached_property
    def labels(self) -> np.ndarray:
        """Class numbers (int64) of an epoch's images."""
        chosen: np.ndarray = self.dataset.train_labels[self.indices]
        return chosen

    @cached_property
    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each channel over the images trained on, on the 0 to 1 scale."""
        return splits.channel_statistics(self.dataset.train_images, self.indices)

    @property
    def mean(self) -> np.ndarray:
        """Mean of each channel, 0 to 1."""
        return self.statistics[0]

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of each channel, 0 to 1."""
        return self.statistics[1]

    @cached_property
    def evaluation(self) -> tuple[np.ndarray, np.ndarray]:
        """Images (uint8, N x H x W x C) and labels that a candidate is evaluated on: validation, or test."""
        if self.split is None:
            return self.dataset.test_images, self.dataset.test_labels
        chosen = self.split.validation
        return self.dataset.train_images[chosen], self.dataset.train_labels[chosen]

    @cached_property
    def key(self) -> str:
        """A hash of everything that the augmented epochs depend on, such as data and pipeline."""
        import albumentations as A

        digest = hashlib.sha256(self.dataset.content_hash.encode())
        digest.update(np.ascontiguousarray(self.indices, dtype=np.int64).tobytes())
        pipeline = A.to_dict(self._pipeline) if self.transform is None else [A.__version__, self.transform]
        digest.update(json.dumps([pipeline, self.seed, PIECE], sort_keys=True).encode())
        return digest.hexdigest()[:16]

    def epoch(self, number: int) -> np.ndarray:
        """The augmented images of one epoch (uint8, N x H x W x C), in the order of ``indices``.

        The array is a private, copy-on-write map of the shared file, or is in memory where the file cannot be written.
        """
        try:
            return self._mapped(number)
        except OSError:
            return self._in_memory(number)

    def prepare(self, number: int) -> None:
        """Make an epoch that another process will read, if it is missing and the folder can be written."""
        with suppress(OSError):
            if not self._place(number).exists():
                self._make(number, self._place(number))

    def _place(self, number: int) -> Path:
        return self.folder / self.key / f"epoch-{number:04d}.npy"

    def _mapped(self, number: int) -> np.ndarray:
        """The epoch as a memory map of its file, which is made first if missing."""
        place = self._place(number)
        while True:
            try:
                images: np.ndarray = np.load(place, mmap_mode="c", allow_pickle=False)
                with suppress(OSError):  # a read-only folder can still be read
                    os.utime(place)  # the least recently read epoch is the one to drop
                return images
            except FileNotFoundError:
                self._make(number, place)
            except ValueError:  # the file is shorter than its header says
                place.unlink(missing_ok=True)

    def _make(self, number: int, place: Path) -> None:
        """Make an epoch together with all other processes that need it."""
        shape = (len(self.indices), *self.dataset.train_images.shape[1:])
        made = MadeTogether(place=place, shape=shape, piece=PIECE, first_lock=number)
        made.make(lambda piece: self._augmented(number, piece), lambda: drop_oldest(self.folder, self.keep_bytes))

    def _in_memory(self, number: int) -> np.ndarray:
        """The epoch, made in memory for this process only."""
        pieces = range(-(-len(self.indices) // PIECE))
        return np.concatenate([self._augmented(number, piece) for piece in pieces])

    def _augmented(self, number: int, piece: int) -> np.ndarray:
        """One augmented piece, from its own random stream."""
        sequence = np.random.SeedSequence([self.seed, number, piece])
        self._pipeline.set_random_seed(int(sequence.generate_state(1)[0]))
        chosen = self.indices[piece * PIECE : (piece + 1) * PIECE]
        originals = self.dataset.train_images[chosen]
        return np.stack(
            [self._changed(image, number, int(index)) for index, image in zip(chosen, originals, strict=True)]
        )

    def _changed(self, image: np.ndarray, epoch: int, index: int) -> np.ndarray:
        """An augmented image; AugmentationFailedError, naming the image, where it cannot be trained on."""
        try:
            found: np.ndarray = self._pipeline(image=image)["image"]
        except Exception as error:  # a library with a user's settings may raise anything
            raise self._failed(f"{acting_transform(error)} raised {with_type(error)}", epoch, index) from error
        if found.shape != image.shape or found.dtype != image.dtype:
            made = f"it makes {found.dtype} {found.shape} of {image.dtype} {image.shape}"
            raise self._failed(made, epoch, index)
        return found

    def _failed(self, what: str, epoch: int, index: int) -> AugmentationFailedError:
        name = self.dataset.classes[self.dataset.train_labels[index]]
        return AugmentationFailedError(
            f"augmentation {self.augmentation}: {what}: at training image {index} (class {name}) in epoch {epoch + 1}: "
            "every candidate meets it: fix or leave out that transform, and give another --study"
        )

    @cached_property
    def _pipeline(self) -> A.Compose:
        import cv2

        cv2.setNumThreads(0)  # processes already work in parallel
        height, width = self.dataset.train_images.shape[1:3]
        mean = [float(value) for value in self.mean]
        return make(self.augmentation, self.probabilities, self.transform, mean, (height, width))

    def __getstate__(self) -> dict[str, Any]:
        """Pickle only the fields, not the cached values computed from them."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

"""Splits images into a training and a validation part, and computes statistics of the training part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from constraints.errors import UnusableInputError


@dataclass(frozen=True, kw_only=True)
class Split:
    """Sorted, disjoint indices of the training and the validation images."""

    train: np.ndarray
    validation: np.ndarray


def split(labels: np.ndarray, *, validation_share: float = 0.1, seed: int = 0) -> Split:
    """Draw ``validation_share`` of every class for validation, reproducibly by ``seed``.

    Every class with at least two images keeps at least one in each part.
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


def parts_of(labels: np.ndarray, validation: int, *, seed: int = 0) -> Split:
    """The last ``validation`` images for validation, or a tenth of every class where the data has no own split."""
    if not validation:
        return split(labels, seed=seed)
    every = np.arange(len(labels))
    return Split(train=every[:-validation], validation=every[-validation:])


def channel_statistics(pixels: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (float64, 0 to 1) of each channel over the images of ``indices``.

    A constant channel gets the deviation 1, so that it is 0 after standardisation. Raises UnusableInputError
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

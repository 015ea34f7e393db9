"""Finds classes that are mirror images of each other, which mirroring makes indistinguishable; loads no torch.

Half of a sample of each class is a reference; for each image of the other half, unchanged and mirrored, at SIDE x SIDE
pixels, the nearest reference of class b is compared with the nearest of its own class a. Classes a and b count as
mirror images where both of these hold, for a against b and for b against a:

- the share of images nearer to b than to a is larger for mirrored images of a than for unchanged ones, by LEAST_GAIN;
- mirrored a is about as near to b as b itself: its median distance is at most MOST_DISTANCE times that of b. A
  mirrored 5 is nearer to the 7s than to the 5s, and yet looks like no digit: 2.1 times as far from them as a 7 is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

SIDE = 8
LEAST_GAIN = 0.25
MOST_DISTANCE = 1.5
FEWEST, MOST = 10, 100
"""Reference images per class: with fewer, a class is skipped; more would take too long."""
MOST_REFERENCES = 2_000
"""Most reference images of all classes together."""

Images = npt.NDArray[np.uint8]
Distances = npt.NDArray[np.float32]


def mirror_pairs(
    images: Images, labels: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64] | None = None, *, seed: int = 0
) -> list[tuple[int, int]]:
    """Pairs of classes that are mirror images of each other, clearest first; ``images`` are N x H x W x C.

    ``chosen`` are the indices of the images to use, or None for all; only a sample of them is read. Classes with fewer
    than 2 * FEWEST images are skipped, and so are data sets with more than MOST_REFERENCES / FEWEST classes.
    """
    chosen = np.arange(len(labels)) if chosen is None else chosen
    labels = labels[chosen]
    numbers = [int(n) for n, count in zip(*np.unique(labels, return_counts=True), strict=True) if count >= 2 * FEWEST]
    each = min(MOST, MOST_REFERENCES // max(len(numbers), 1))
    if len(numbers) < 2 or each < FEWEST:
        return []
    generator = np.random.default_rng(seed)
    samples = [chosen[generator.permutation(np.flatnonzero(labels == n))[: 2 * each]] for n in numbers]
    references = [_small(images[np.sort(sample[::2])]) for sample in samples]
    looked_up = [images[np.sort(sample[1::2])] for sample in samples]
    as_is = [_nearest(_small(own), references) for own in looked_up]
    mirrored = [_nearest(_small(own[:, :, ::-1]), references) for own in looked_up]
    found = sorted(_gains(as_is, mirrored), reverse=True)
    return [(numbers[a], numbers[b]) for gain, a, b in found if gain >= LEAST_GAIN]


def _gains(as_is: list[Distances], mirrored: list[Distances]) -> Iterator[tuple[float, int, int]]:
    """(gain, a, b): how much more often mirroring makes images look like the other class of a pair."""
    for a in range(len(as_is)):
        for b in range(a + 1, len(as_is)):
            pairs = ((a, b), (b, a))
            if all(_median(mirrored[x][:, y]) <= MOST_DISTANCE * _median(as_is[y][:, y]) for x, y in pairs):
                yield min(_taken(mirrored[x], x, y) - _taken(as_is[x], x, y) for x, y in pairs), a, b


def _taken(distances: Distances, own: int, other: int) -> float:
    """Share of the images of class ``own`` that are nearer to class ``other``."""
    return float((distances[:, other] < distances[:, own]).mean())


def _median(distances: Distances) -> float:
    return float(np.median(distances))


def _nearest(images: npt.NDArray[np.float32], references: list[npt.NDArray[np.float32]]) -> Distances:
    """Distance of each image to the nearest reference of each class: (images, classes)."""
    flat = images.reshape(len(images), -1)
    columns = []
    for own in (reference.reshape(len(reference), -1) for reference in references):
        squares = (flat**2).sum(1)[:, None] - 2 * flat @ own.T + (own**2).sum(1)[None]
        columns.append(np.sqrt(np.maximum(squares, 0).min(axis=1)))
    return np.stack(columns, axis=1)


def _small(images: Images) -> npt.NDArray[np.float32]:
    """Images averaged to at most SIDE x SIDE fields, 0 to 1; large images are subsampled first."""
    images = images[:, :: _stride(images.shape[1]), :: _stride(images.shape[2])]
    _, height, width, _ = images.shape
    rows, columns = (_edges(size) for size in (height, width))
    sums = np.add.reduceat(np.add.reduceat(images.astype(np.float32), rows, axis=1), columns, axis=2)
    areas = np.diff([*rows, height])[:, None, None] * np.diff([*columns, width])[None, :, None]
    small: npt.NDArray[np.float32] = (sums / (255 * areas)).astype(np.float32)
    return small


def _stride(size: int) -> int:
    return max(1, size // (4 * SIDE))


def _edges(size: int) -> npt.NDArray[np.int64]:
    """Start of each field along an axis."""
    fields = min(SIDE, size)
    return np.round(np.arange(fields) * size / fields).astype(np.int64)

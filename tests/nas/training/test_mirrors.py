"""Which classes are mirror images: built ones are found, those that only differ are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nas.training.datasets import digits_table
from nas.training.mirrors import FEWEST, mirror_pairs


def triangles(count: int, *, seed: int = 0, side: int = 32) -> Any:
    """Coloured triangles anywhere in the image, their tip to the left."""
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 40, (count, side, side, 3)).astype(np.uint8)
    for image in images:
        y, x, colour = draw.integers(9, side - 9), draw.integers(4, side - 9), draw.integers(120, 255, 3)
        for k in range(8):
            image[y - k : y + k + 1, x + k - 4] = colour
    return images


def classes(*parts: Any) -> tuple[Any, Any]:
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def blobs(count: int, row: int, seed: int) -> Any:
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 60, (count, 32, 32, 3)).astype(np.uint8)
    for image in images:
        x = draw.integers(3, 29)
        image[row - 3 : row + 3, max(x - 3, 0) : x + 3] = 200
    return images


@pytest.mark.parametrize("count", [60, 300])
def test_shapes_that_differ_by_their_direction_alone_are_mirror_images(count: int) -> None:
    left, right = triangles(count), triangles(count, seed=1)[:, :, ::-1]
    assert mirror_pairs(*classes(left, blobs(count, 8, 2), right)) == [(0, 2)]


def test_one_direction_twice_is_no_pair() -> None:
    assert mirror_pairs(*classes(triangles(100), triangles(100, seed=1))) == []


def test_classes_that_look_the_same_mirrored_are_no_pair() -> None:
    assert mirror_pairs(*classes(blobs(100, 8, 0), blobs(100, 24, 1))) == []


def test_noise_is_no_pair() -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (400, 32, 32, 3)).astype(np.uint8)
    assert mirror_pairs(images, draw.integers(0, 4, 400)) == []


def test_a_class_that_only_resembles_another_when_mirrored_is_no_pair() -> None:
    """A mirrored 5 is nearer to a 7 than to a 5, and is no 7."""
    images, labels = digits_table()
    images = np.repeat((images * 15).astype(np.uint8)[..., None], 3, axis=3)
    assert mirror_pairs(images, labels) == []
    seven = images[labels == 7]
    half = len(seven) // 2
    assert mirror_pairs(*classes(seven[:half], seven[half:, :, ::-1])) == [(0, 1)]


def test_odd_sides_and_grey_images() -> None:
    left, right = triangles(200, side=37), triangles(200, seed=1, side=37)[:, :, ::-1]
    images, labels = classes(left, right)
    assert mirror_pairs(images[..., :1], labels) == [(0, 1)]
    tiny = np.zeros((80, 2, 2, 1), dtype=np.uint8)
    tiny[:40, :, 0] = tiny[40:, :, 1] = 255
    assert mirror_pairs(tiny, np.repeat([0, 1], 40)) == [(0, 1)]


def test_of_few_images_or_very_many_classes_nothing_is_said() -> None:
    images, labels = classes(triangles(2 * FEWEST - 1), triangles(2 * FEWEST - 1, seed=1)[:, :, ::-1])
    assert mirror_pairs(images, labels) == []
    assert mirror_pairs(images[:1], labels[:1]) == []
    many = np.zeros((201 * 2 * FEWEST, 2, 2, 1), dtype=np.uint8)
    assert mirror_pairs(many, np.repeat(np.arange(201), 2 * FEWEST)) == []

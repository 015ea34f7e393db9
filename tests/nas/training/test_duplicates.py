"""Warnings of repeated images, compared pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.training.duplicates import notes
from nas.training.image_files import ImageFile, Listing


def said(train: Sequence[tuple[str, int]], test: Sequence[tuple[str, int]], *, selecting: int) -> list[str]:
    """The lines for images of one pixel, each (class, value); the last ``selecting`` of train select."""
    files = {
        part: tuple(
            ImageFile(part=part, class_name=name, name=f"{index}.png", source=b"")
            for index, (name, _) in enumerate(given)
        )
        for part, given in (("train", train), ("test", test))
    }
    listing = Listing(origin="x", classes=("a", "b"), train=files["train"], test=files["test"])
    images = [np.array([value for _, value in given], dtype=np.uint8).reshape(-1, 1, 1, 1) for given in (train, test)]
    every = np.arange(len(train))
    return list(notes(listing, (images[0], images[1]), (every[:-selecting], every[-selecting:])))


def test_nothing_is_said_of_different_images() -> None:
    assert said([("a", 1), ("b", 2), ("a", 3)], [("a", 4), ("b", 5)], selecting=1) == []


def test_test_images_that_are_trained_on_are_counted() -> None:
    assert said([("a", 1), ("b", 2), ("a", 3)], [("a", 4), ("b", 2), ("a", 3)], selecting=1) == [
        "test images that are training images, too: 2, test/b/1.png the first: an accuracy on them says nothing: "
        "remove them from one of the two"
    ]


def test_images_on_both_sides_of_the_validation_split_are_counted() -> None:
    (line,) = said([("a", 1), ("b", 2), ("a", 1), ("b", 3)], [("a", 4)], selecting=2)
    assert line.startswith("images that select candidates and are trained on, too: 1, train/a/2.png the first: ")


def test_images_in_two_classes_are_named_in_both() -> None:
    (line,) = said([("a", 1), ("b", 2), ("b", 1), ("a", 3)], [("a", 4)], selecting=1)
    assert line == (
        "images that are in another class, too: 1, train/a/0.png and train/b/2.png the first: "
        "remove those that are labelled wrong"
    )

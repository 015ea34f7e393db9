"""Advice on a data set before training, just under, at and over each limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from constraints.errors import UnusableInputError
from nas.training.data_advice import advice
from nas.training.decoded import Dataset


def data(*counts: int, validation: int = 0) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(labels), 2, 2, 1), dtype=np.uint8)
    return Dataset(
        name="some", content_hash="x", classes=tuple("abcdefghij"[: len(counts)]), train_images=images,
        train_labels=labels, test_images=images, test_labels=labels, folder=Path("none"), validation=validation,
    )  # fmt: skip


def said(dataset: Dataset, word: str, *, batch_size: int = 1, epochs: int = 100, **named: Any) -> str:
    """The line that holds a word; "" where none does."""
    lines = advice(dataset, batch_size=batch_size, epochs=epochs, **named)
    return next((line for line in lines if word in line), "")


def test_nothing_is_said_of_enough_balanced_images() -> None:
    assert advice(data(200, 200), batch_size=10, epochs=10, target=0.9) == ()


def test_one_image_a_class_is_refused() -> None:
    with pytest.raises(UnusableInputError, match="every class has a single training image: some"):
        advice(data(1, 1), batch_size=1, epochs=1)


def test_a_class_with_a_single_image_is_named() -> None:
    assert said(data(200, 1, 200, 1), "single").startswith("2 classes have a single training image, 'b' the first")


@pytest.mark.parametrize(("count", "is_said"), [(145, True), (150, False)])
def test_few_images_to_select_by(count: int, is_said: bool) -> None:
    line = said(data(count, count), "selected by")  # a tenth of each class: 14 or 15 of it, 28 or 30 in all
    assert (
        line.startswith("candidates are selected by 28 images: one that is right by luck adds 3.57 points") == is_said
    )


@pytest.mark.parametrize(("epochs", "is_said"), [(16, True), (17, False)])
def test_a_handful_of_steps(epochs: int, is_said: bool) -> None:
    line = said(data(200, 200), "step", batch_size=100, epochs=epochs)  # 360 images: 3 steps an epoch
    expected = "a whole training has 48 steps (360 training images; 16 epochs), in which a network learns little: "
    assert line == (f"{expected}give --epochs 67 or more, or add images" if is_said else "")  # 200 / 3, rounded up


def test_fewer_images_than_a_batch() -> None:
    line = said(data(200, 200), "step", batch_size=361, epochs=1)
    assert line.startswith("a whole training has 1 step (360 training images, fewer than a batch of 361; 1 epoch)")
    assert "--epochs 200 " in line


@pytest.mark.parametrize(("most", "is_said"), [(990, False), (1000, True)])
def test_unbalanced_classes(most: int, is_said: bool) -> None:
    line = said(data(most, 200), "unbalanced")  # 891 or 900 against 180
    assert (
        line.startswith(
            "the classes are unbalanced: 900 training images of 'a', 180 of 'b': always answering 'a' is right for "
            "83% of the validation images: add images"
        )
        == is_said
    )


@pytest.mark.parametrize(("target", "is_said"), [(0.61, False), (0.59, True)])
def test_a_target_that_one_answer_meets(target: float, is_said: bool) -> None:
    line = said(data(600, 400), "always answering", target=target)
    words = f"the target of {target:.0%} is met without learning: always answering 'a' is right for 60% of the "
    assert line == (f"{words}validation images: ask for a higher target" if is_said else "")
    balanced = said(data(1000, 10), "unbalanced", target=0.9, is_balanced=True)
    assert balanced.endswith("validation images, a balanced accuracy of 50%: add images of the rare classes")
    both = said(data(1000, 10), "unbalanced", target=0.9)
    assert both.endswith(
        "right for 99% of the validation images and meets the target of 90%: add images of the rare classes, or "
        "maximise --objective balanced_accuracy, or ask for a higher target"
    )


def test_the_split_of_the_data_counts() -> None:
    assert said(data(100, 101, validation=100), "unbalanced").startswith(
        "the classes are unbalanced: 100 training images of 'a', 1 of 'b': always answering 'a' is right for 0%"
    )


def test_classes_that_are_mirror_images() -> None:
    labels = np.repeat([0, 1], 200)
    images = np.zeros((400, 8, 8, 1), dtype=np.uint8)
    images[:200, :, :4] = images[200:, :, 4:] = 255
    mirrored = replace(data(200, 200), train_images=images, train_labels=labels)
    assert advice(mirrored, batch_size=1, epochs=10) == ()
    (line,) = advice(mirrored, batch_size=1, epochs=10, mirroring="give --augmentation assignment,flip=0")
    assert line == (
        "classes 'a' and 'b' look like mirror images of each other, and the augmentation mirrors images, after which "
        "no network can tell them apart: give --augmentation assignment,flip=0"
    )
    assert advice(data(200, 200), batch_size=1, epochs=10, mirroring="give another") == ()

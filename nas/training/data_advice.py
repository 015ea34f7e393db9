"""Warnings before anything trains about data that limit a search: few images, unbalanced or mirrored classes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nas.training.decoded import Dataset
from nas.training.mirrors import mirror_pairs

UNBALANCED = 5
"""A warning is given when the largest class has this many times the images of the smallest."""
FEWEST_STEPS, ENOUGH_STEPS = 50, 200
"""Steps of a full training: a warning is given below the first; the advice aims at the second."""
FEWEST_SELECTING = 30
"""With fewer validation images, selection is little better than chance."""


def advice(
    dataset: Dataset,
    *,
    batch_size: int,
    epochs: int,
    target: float | None = None,
    is_balanced: bool = False,
    mirroring: str = "",
) -> tuple[str, ...]:
    """Warnings for the user before a search, a line each, with what to do.

    ``target`` is the accuracy that was asked for, 0 to 1, the balanced one where ``is_balanced``; ``mirroring`` is the
    advice on how to stop mirroring images, and is empty where none are mirrored. Raises UnusableInputError where there
    are no validation images.
    """
    parts = dataset.split()
    counts = np.bincount(dataset.train_labels[parts.train], minlength=len(dataset.classes))
    selecting = np.bincount(dataset.train_labels[parts.validation], minlength=len(dataset.classes))
    return (
        *_on_selection(dataset, selecting),
        *_on_steps(int(counts.sum()), batch_size, epochs),
        *_on_balance(dataset, counts, selecting, target, is_balanced=is_balanced),
        *(_on_mirrors(dataset, mirroring) if mirroring else ()),
    )


def _on_selection(dataset: Dataset, selecting: np.ndarray) -> Iterator[str]:
    missing = [dataset.classes[number] for number in np.flatnonzero(selecting == 0)]
    if missing:
        classes = "a class has" if len(missing) == 1 else f"{len(missing):,} classes have"
        yield (
            f"{classes} a single training image, {missing[0]!r} the first: nothing of it is left to select by: "
            "add images of it"
        )
    count = int(selecting.sum())
    if count < FEWEST_SELECTING:
        images = "1 image" if count == 1 else f"{count} images"
        yield (
            f"candidates are selected by {images}: one that is right by luck adds {100 / count:.3g} points of "
            "accuracy: add images"
        )


def _on_steps(images: int, batch_size: int, epochs: int) -> Iterator[str]:
    batch = min(batch_size, images)
    a_epoch = images // batch
    steps = a_epoch * epochs
    if steps >= FEWEST_STEPS:
        return
    few = f", fewer than a batch of {batch_size}" if images < batch_size else ""
    yield (
        f"a whole training has {steps} step{'s' if steps > 1 else ''} ({images:,} training images{few}; {epochs} "
        f"epoch{'s' if epochs > 1 else ''}), in which a network learns little: give --epochs "
        f"{math.ceil(ENOUGH_STEPS / a_epoch)} or more, or add images"
    )


def _on_balance(
    dataset: Dataset, counts: np.ndarray, selecting: np.ndarray, target: float | None, *, is_balanced: bool
) -> Iterator[str]:
    most, least = int(counts.argmax()), int(counts.argmin())
    share = float(selecting[most] / selecting.sum())
    by_chance = 1 / np.count_nonzero(selecting) if is_balanced else share
    is_met = target is not None and by_chance > target
    if counts[most] < UNBALANCED * counts[least] and not is_met:
        return
    answer = f"always answering {dataset.classes[most]!r} is right for {share:.0%} of the validation images"
    if is_balanced:
        answer += f", a balanced accuracy of {by_chance:.0%}"
    if counts[most] < UNBALANCED * counts[least]:
        yield f"the target of {target:.0%} is met without learning: {answer}: ask for a higher target"
        return
    meets = f"{',' * is_balanced} and meets the target of {target:.0%}" if is_met else ""
    remedies = [
        "add images of the rare classes",
        *([] if is_balanced else ["maximise --objective balanced_accuracy"]),
        *(["ask for a higher target"] if is_met else []),
    ]
    yield (
        f"the classes are unbalanced: {counts[most]:,} training images of {dataset.classes[most]!r}, "
        f"{counts[least]:,} of {dataset.classes[least]!r}: {answer}{meets}: {', or '.join(remedies)}"
    )


def _on_mirrors(dataset: Dataset, remedy: str) -> Iterator[str]:
    """Classes that become indistinguishable when images are mirrored."""
    chosen = dataset.split().train
    pairs = mirror_pairs(dataset.train_images, dataset.train_labels, chosen)
    if pairs:
        a, b = (dataset.classes[number] for number in pairs[0])
        others = f", and {len(pairs) - 1:,} more pairs" if len(pairs) > 1 else ""
        yield (
            f"classes {a!r} and {b!r} look like mirror images of each other{others}, and the augmentation mirrors "
            f"images, after which no network can tell them apart: {remedy}"
        )

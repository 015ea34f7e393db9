"""The tasks on which searches are replayed: CIFAR-10 itself, and smaller data made from its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from nas.training import datasets
from nas.training.decoded import Dataset
from nas.training.feed import Feed
from nas.training.splits import Split
from nas.user_folders import user_cache

Images = npt.NDArray[np.uint8]
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")


@dataclass(frozen=True, kw_only=True)
class Task:
    """Data made from CIFAR-10, and the candidates of the default space that are trained on it."""

    purpose: str
    seed: int
    """Seed of the candidates: tasks with different seeds have different networks."""
    images: int
    """Number of training images, always the same ones; all validation images are used for evaluation."""
    change: Callable[[Images], Images] = lambda images: images
    """Function that changes the images (N x H x W x C)."""
    only: tuple[str, ...] = ()
    """The classes that are used; empty means all."""


def _resized(side: int) -> Callable[[Images], Images]:
    def change(images: Images) -> Images:
        small: Images = np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images])
        return small

    return change


def _grey(images: Images) -> Images:
    """The luminance (BT.601) of the middle 28 x 28 pixels, one channel."""
    light = images[:, 2:30, 2:30] @ np.array([0.299, 0.587, 0.114])
    grey: Images = np.round(light).astype(np.uint8)[..., None]
    return grey


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "cifar10": Task(purpose="10,000 images; the shipped proxy was fitted to it", seed=0, images=10_000),
        "other-seed": Task(purpose="the same with other candidates", seed=1_000, images=10_000),
        "tenth": Task(purpose="a tenth of the labels", seed=2_000, images=4_500),
        "small16": Task(purpose="16 x 16 pixels", seed=3_000, images=5_000, change=_resized(16)),
        "grey28": Task(purpose="28 x 28 pixels, grey", seed=4_000, images=10_000, change=_grey),
        "animals": Task(purpose="the six classes of animals", seed=5_000, images=6_000, only=ANIMALS),
    }
)


def made(dataset: Dataset, name: str) -> Dataset:
    """The data of a task, from CIFAR-10."""
    task = TASKS[name]
    kept = task.only or dataset.classes
    numbers = np.array([dataset.classes.index(one) for one in kept])

    def part(images: Images, labels: npt.NDArray[np.int64]) -> tuple[Images, npt.NDArray[np.int64]]:
        chosen = np.flatnonzero(np.isin(labels, numbers))
        renumbered = np.array([kept.index(dataset.classes[label]) for label in labels[chosen]], dtype=np.int64)
        return task.change(images[chosen]), renumbered

    train_images, train_labels = part(dataset.train_images, dataset.train_labels)
    test_images, test_labels = part(dataset.test_images[:100], dataset.test_labels[:100])  # never looked at
    return replace(
        dataset,
        name=name,
        content_hash=f"{dataset.content_hash}-{name}",
        classes=tuple(kept),
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )


@cache
def feed(name: str, source: str) -> Feed:
    """The feed of a task: always the same training images, and the whole validation part for evaluation."""
    dataset = datasets.load(source)
    if name not in ("cifar10", "other-seed"):
        dataset = made(dataset, name)
    whole = dataset.split()
    part = np.sort(np.random.default_rng(0).permutation(whole.train)[: TASKS[name].images])
    split = Split(train=part, validation=whole.validation)
    return Feed(dataset=dataset, split=split, folder=user_cache() / "epochs")

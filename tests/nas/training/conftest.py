"""Tiny data sets and a tiny network for the training tests."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from nas.training import datasets, splits
from nas.training.decoded import Dataset
from nas.training.feed import Feed
from nas.training.splits import Split

MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results depend on the number of threads; the suite's machine is shared."""
    torch.set_num_threads(1)


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write a folder of random images: ``classes`` in train and test, ``count`` images each, PNG."""

    def make(
        *,
        classes: tuple[str, ...] = ("cat", "dog"),
        count: int = 4,
        size: tuple[int, int] = (8, 6),
        mode: str = "RGB",
    ) -> Path:
        generator = np.random.default_rng(0)
        folder = tmp_path / "pictures"
        for part in ("train", "test"):
            for name in classes:
                place = folder / part / name
                place.mkdir(parents=True)
                for index in range(count):
                    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
                    pixels = generator.integers(0, 256, shape, dtype=np.uint8)
                    Image.fromarray(pixels).save(place / f"{index:03d}.png")
        return folder

    return make


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Scikit-learn's digits."""
    return datasets.load("digits", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def digits_feed(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Feed:
    """Some of the digits, split and augmented by the assignment's pipeline: three batches of 64."""
    whole = splits.split(digits.train_labels)
    chosen = Split(train=whole.train[:192], validation=whole.validation[:60])
    return Feed(dataset=digits, split=chosen, folder=tmp_path_factory.mktemp("epochs"), seed=3)


@pytest.fixture(scope="session")
def all_digits_feed(digits_feed: Feed, tmp_path_factory: pytest.TempPathFactory) -> Feed:
    """All of them, for what takes many images to learn."""
    chosen = splits.split(digits_feed.dataset.train_labels)
    return replace(digits_feed, split=chosen, folder=tmp_path_factory.mktemp("epochs"))


@pytest.fixture(scope="session")
def cifar_archive() -> Path:
    """The JPEG copy of CIFAR-10, where the machine has it."""
    archive = os.environ.get("NAS_TEST_DATA")
    if not archive:
        pytest.skip("NAS_TEST_DATA is not set: it names cifar10-jpeg.tar.xz")
    return Path(archive)


@pytest.fixture
def network() -> nn.Module:
    """A small network for 3 x 32 x 32 images and ten classes, always with the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 27, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(27),
        nn.ReLU(),
        nn.Conv2d(27, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(256, 10),
    )

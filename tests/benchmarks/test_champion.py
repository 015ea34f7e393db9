"""How a champion is written down: weights in half precision, the recipe in words, the table read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.champion import augmentation_text, entry, halved, recipe_text, shipped_weights
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.champions.registry import champions, find
from nas.search import weights_file
from nas.search.trained_weights import Weights
from nas.training import recipes
from nas.training.augmentation import Augmentation, shipped
from nas.training.datasets import Dataset

NETWORK = "N.3x8x8.2/pw2/fc"
"""A 1x1 convolution to two channels, the mean of each, and a linear layer."""


def test_what_outgrows_half_precision_stays_as_it_is() -> None:
    state = {"a": torch.tensor([1 / 3]), "b": torch.tensor([1e6]), "n": torch.tensor(3)}
    found = halved(state)
    assert [tensor.dtype for tensor in found.values()] == [torch.float16, torch.float32, torch.int64]
    assert torch.equal(found["b"], state["b"])


def test_a_recipe_is_told_by_the_nearest_that_ships() -> None:
    changed = replace(recipes.default(30), name="mine", ema_decay=0.999, label_smoothing=0.05)
    assert recipe_text(changed, 30) == "default, label_smoothing 0.05, ema_decay 0.999"
    assert recipe_text(recipes.long(60), 60) == "long"


def test_a_pipeline_is_told_by_what_differs_from_the_one_that_ships() -> None:
    assert augmentation_text(shipped("assignment", {})) == "assignment"
    assert augmentation_text(shipped("assignment", {"flip": 0.2})) == "assignment,flip=0.2"
    assert augmentation_text(Augmentation(name="mine.py:make")) == "mine.py:make"


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Weights, Dataset]:
    """Trained weights, which name every image by its brightness, and their data: dark and bright images."""
    pixels = np.repeat(np.array([0, 255], dtype=np.uint8), 4)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    labels = np.repeat(np.arange(2), 4)
    dataset = SimpleNamespace(
        train_images=pixels, train_labels=labels, test_images=pixels, test_labels=labels, classes=("dark", "bright"),
        content_hash="d",
    )  # fmt: skip
    state = build(parse(NETWORK)).state_dict()
    state["stages.c1.0.conv.weight"].copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))  # the sum of the channels, twice
    state["head.fc.weight"].copy_(torch.tensor([[-1 / 3, 0.0], [1 / 3, 0.0]]))
    state["head.fc.bias"].zero_()
    weights_file.save(state, tmp_path / "trained.safetensors")
    return Weights(path=tmp_path / "trained.safetensors", confirmed=True, test_accuracy=1.0), cast("Dataset", dataset)


def test_weights_that_ship_are_read_back_and_tested(tiny: tuple[Weights, Dataset], tmp_path: Path) -> None:
    found = shipped_weights(NETWORK, *tiny, tmp_path / "champion-a.safetensors")
    assert (found["weights"], found["weights_accuracy"], found["classes"]) == (
        "champion-a.safetensors", 1.0, ("dark", "bright"),
    )  # fmt: skip
    assert load_file(tmp_path / "champion-a.safetensors")["head.fc.weight"].dtype == torch.float16
    assert (found["mean"], found["std"]) == ([0.5] * 3, [0.5] * 3)


def test_weights_that_are_worth_less_or_too_large_do_not_ship(
    tiny: tuple[Weights, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, dataset = tiny
    dataset.test_labels[0] = 1
    with pytest.raises(SystemExit, match=r"bytes, test accuracy 0\.875, was 1\.0: give --without-weights"):
        shipped_weights(NETWORK, weights, dataset, tmp_path / "champion-a.safetensors")
    dataset.test_labels[0] = 0
    monkeypatch.setattr("benchmarks.champion.LARGEST", 100)
    with pytest.raises(SystemExit, match="give --without-weights"):
        shipped_weights(NETWORK, weights, dataset, tmp_path / "champion-a.safetensors")
    assert not (tmp_path / "champion-a.safetensors").exists()


def test_an_entry_is_read_back(tmp_path: Path) -> None:
    place = tmp_path / "champions.toml"
    wide = find("champion-wide")
    place.write_text(entry(wide) + "\n" + entry(find("champion-search")))
    assert list(champions(place).values()) == [wide, find("champion-search")]
